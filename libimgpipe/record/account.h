/*
 * Our own account of the rows of a pipeline API that knows no more than the design
 * page: no revision, no lease, no look-up, and a request without an id makes a row.
 *
 * It is a directory.  rows/XX/CODE.UPLOAD.json holds the rows of one upload in one
 * pipeline, one for each revision; runs/RUN when the leases of a run end; lock is
 * locked (flock(2)) while anything is read and written.  A file is written beside
 * its place, synced, and renamed.
 *
 * Whoever wants a row made notes that before the API is asked.  Where the answer
 * does not come, nobody knows whether there is a row; the note says so to the next
 * run.
 *
 * Requests and answers have the members that sql/107_leases.sql and
 * sql/110_functions.sql tell.  All functions return 0, or -1 with ${e}:
 * IMGP-DB-FENCED and IMGP-DB-STATE as there, IMGP-API-ACCOUNT where the directory
 * cannot be read or written.
 */
#ifndef IMGPIPE_ACCOUNT_H
#define IMGPIPE_ACCOUNT_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"

struct imgp_account;

/*
 * Nonzero when ${ledger}, the value of the setting of that name (NULL: no), is a
 * directory's path and no connection string.
 */
int	imgp_account_is_path(const char *ledger);

/*
 * Open the account at ${path}; where there is none yet, begin one.  NULL with
 * IMGP-CONFIG when it is no directory of ours.
 */
struct imgp_account *imgp_account_open(const char *path, struct imgp_err *e);
void	imgp_account_close(struct imgp_account *a);	/* NULL is fine */
/* Nonzero when this imgp_account_open() began it. */
int	imgp_account_is_new(const struct imgp_account *a);

/*
 * Claim the row of ${req}, a request to start.  ${*create} is nonzero when the
 * caller is to have the API make it, and to say what came of that by
 * imgp_account_made() or imgp_account_not_made(); else ${*data} (the caller's) is
 * the answer.  ${repeatable}: the API gives the row that it made before, so that
 * a lost answer does no harm.  Otherwise IMGP-API-LOST for a row whose making was
 * asked for and never answered, unless the request says "again".  IMGP-LOOKUP-STALE
 * for another than the newest revision, IMGP-SKIP-BUSY while a run waits for the
 * API's answer.
 */
int	imgp_account_claim(struct imgp_account *a, const struct imgp_json *req,
	    int repeatable, int *create, struct imgp_json **data,
	    struct imgp_err *e);
/*
 * The API's row has the id ${id} and was made at ${ts_create} (NULL: by our clock).
 * IMGP-API-REVISION when it is another revision's.
 */
int	imgp_account_made(struct imgp_account *a, const struct imgp_json *req,
	    int64_t id, const char *ts_create, struct imgp_json **data,
	    struct imgp_err *e);
/* The API made no row for ${req}; with ${perhaps} it may have one that nobody knows
 * of. */
int	imgp_account_not_made(struct imgp_account *a,
	    const struct imgp_json *req, int perhaps, struct imgp_err *e);

/*
 * A copy of the row that ${req} names by id and lease, be it open, released ("run" is
 * not there then) or ended by this lease.
 */
int	imgp_account_row(struct imgp_account *a, const struct imgp_json *req,
	    struct imgp_json **row, struct imgp_err *e);
/*
 * Set the members of ${changes} in the row that ${req} names; null removes one.
 * ${*data}, unless ${data} is NULL, is the answer: with the row's lease while "run"
 * holds it, with "ended" once it is Completed or Failed.  To end it again with the
 * same status changes nothing.
 */
int	imgp_account_change(struct imgp_account *a, const struct imgp_json *req,
	    const struct imgp_json *changes, struct imgp_json **data,
	    struct imgp_err *e);

/* The leases of ${run} begin anew, or end. */
int	imgp_account_renew(struct imgp_account *a, const char *run,
	    struct imgp_err *e);
int	imgp_account_release(struct imgp_account *a, const char *run,
	    struct imgp_err *e);

#endif
