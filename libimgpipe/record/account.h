/*
 * The account: a local record of the rows of a pipeline API that knows no more than the
 * design page (imgpipe-decisions(7)): it has no revisions, leases or look-up, and a
 * request without an id makes a row.
 *
 * It is a directory.  rows/XX/CODE.UPLOAD.json holds the rows of one upload in one
 * pipeline, one for each revision; runs/RUN when the leases of a run end; lock is
 * locked (flock(2)) while anything is read and written.  A file is written beside
 * its place, synced, and renamed.
 *
 * A request to make a row is noted here before the API is asked.  If no answer comes, it
 * is not known whether the row exists, and the note tells the next run so.
 *
 * Requests and answers have the members described in sql/107_leases.sql and
 * sql/110_functions.sql.  Unless told otherwise, functions return 0, or -1 with
 * IMGP-DB-FENCED and IMGP-DB-STATE as there, or IMGP-API-ACCOUNT when the directory
 * cannot be read or written.
 */
#ifndef IMGPIPE_ACCOUNT_H
#define IMGPIPE_ACCOUNT_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"

struct imgp_account;

/*
 * Nonzero when ${ledger}, the value of the setting "ledger", is the path of a directory
 * rather than a connection string; 0 for NULL.
 */
int	imgp_account_is_path(const char *ledger);

/*
 * Open the account at ${path}; make an empty one if there is none.  NULL with IMGP-CONFIG
 * when it is a directory of something else.
 */
struct imgp_account *imgp_account_open(const char *path, struct imgp_err *e);
void	imgp_account_close(struct imgp_account *a);	/* NULL is fine */
/* Nonzero when imgp_account_open() made it. */
int	imgp_account_is_new(const struct imgp_account *a);

/*
 * Claim the row of ${req}, a start request.  If ${*create} is set nonzero, the caller asks
 * the API to make the row and then calls imgp_account_made() or imgp_account_not_made();
 * else ${*data}, which the caller frees, is the answer.  ${repeatable}: the API returns
 * the row that it made before, so that a lost answer does no harm.  Otherwise the claim
 * fails with IMGP-API-LOST for a row whose making was requested and never answered,
 * unless the request has "again".  Also fails with IMGP-LOOKUP-STALE for another than the
 * newest revision, and IMGP-SKIP-BUSY while a run waits for the API's answer.
 */
int	imgp_account_claim(struct imgp_account *a, const struct imgp_json *req,
	    int repeatable, int *create, struct imgp_json **data,
	    struct imgp_err *e);
/*
 * Note that the API made the row with the id ${id} at ${ts_create} (NULL: now, by our
 * clock).  Fails with IMGP-API-REVISION when that id belongs to another revision.
 */
int	imgp_account_made(struct imgp_account *a, const struct imgp_json *req,
	    int64_t id, const char *ts_create, struct imgp_json **data,
	    struct imgp_err *e);
/* Note that the API made no row for ${req}, or with ${perhaps} that it may have made one
 * whose id is not known. */
int	imgp_account_not_made(struct imgp_account *a,
	    const struct imgp_json *req, int perhaps, struct imgp_err *e);

/*
 * Get a copy, which the caller frees, of the row that ${req} names by id and lease,
 * whether it is open, released (then without "run") or was ended under this lease.
 */
int	imgp_account_row(struct imgp_account *a, const struct imgp_json *req,
	    struct imgp_json **row, struct imgp_err *e);
/*
 * Set the members of ${changes} in the row that ${req} names; null removes a member.
 * Unless ${data} is NULL, ${*data} is the answer, which the caller frees: with the lease
 * while "run" holds the row, with "ended" once it is Completed or Failed.  Ending a row
 * again with the same status changes nothing.
 */
int	imgp_account_change(struct imgp_account *a, const struct imgp_json *req,
	    const struct imgp_json *changes, struct imgp_json **data,
	    struct imgp_err *e);

/* Renew, or end, all leases of ${run}. */
int	imgp_account_renew(struct imgp_account *a, const char *run,
	    struct imgp_err *e);
int	imgp_account_release(struct imgp_account *a, const char *run,
	    struct imgp_err *e);

#endif
