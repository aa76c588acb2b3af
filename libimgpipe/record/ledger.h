/*
 * The record keeping: what imgpipe asks of the EDC's pipeline tables.
 *
 * One contract, two carriers: libpq to the SQL functions of sql/ (a connection
 * string), or HTTP to the pipeline API (its https:// base; http:// on loopback
 * alone).  Of an API that knows no more than the design page (api_revisions = no)
 * revisions, leases, names and ids are kept in our own account (account.h), which
 * the setting "ledger" names.  Requests and answers are those of the design page's
 * API: see the comments in sql/106_requests.sql and behind, and sql/openapi.json.
 */
#ifndef IMGPIPE_LEDGER_H
#define IMGPIPE_LEDGER_H

#include <stddef.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"

enum imgp_ledger_op {
	IMGP_LEDGER_START,
	IMGP_LEDGER_SCANS,
	IMGP_LEDGER_FINISH,
	IMGP_LEDGER_RENEW,
	IMGP_LEDGER_RELEASE,
	IMGP_LEDGER_LOOKUP_FAILED,	/* of an upload without a row; a pipeline
					 * API that knows no revisions is not
					 * asked: data is empty */
	/* What the admins are to be told of (sql/114_notice.sql). */
	IMGP_LEDGER_NOTICE_LIST,
	IMGP_LEDGER_NOTICE_DONE,
	/* What a client of the design page asks imgp-api for (sql/113_page.sql);
	 * by libpq alone. */
	IMGP_LEDGER_PAGE_FILE,
	IMGP_LEDGER_PAGE_SCANS
};

/* One request, and what became of it. */
struct imgp_ledger_call {
	enum imgp_ledger_op	 op;
	struct imgp_json	*request;	/* the caller's */
	/*
	 * Where set: called with the answer's data, it returns a second
	 * request of the same kind (freed by the ledger), or NULL for none,
	 * with ${e} filled in when that is a failure.  By libpq it belongs to
	 * the same transaction as the first; by HTTP it is a request of its
	 * own, and when it fails, data is the first answer's.  What the first
	 * did stays done.  It may be called more than once for one answer.
	 */
	struct imgp_json	*(*then)(void *arg,
	    const struct imgp_json *data, struct imgp_err *e);
	void			*arg;

	struct imgp_json	*data;	/* the last answer's, the caller's; or
					 * NULL */
	struct imgp_err		 err;	/* code NULL: all went well */
};

struct imgp_ledger;

/* Nonzero when ${where} (NULL: no) is the address of a pipeline API. */
int	imgp_ledger_is_api(const char *where);
/* The connection string by which the reports reach the record: the setting "ledger",
 * unless it names an account, else "database"; NULL where that is an API or not
 * set. */
const char *imgp_ledger_conninfo(void);
/* The same for what can do nothing without it: where it is NULL, ${e} is IMGP-CONFIG. */
const char *imgp_ledger_need_conninfo(struct imgp_err *e);
/*
 * Open the ledger ${where} (IMGP_DATABASE; NULL: what PG* variables say), which
 * is reached at once to see that it speaks the same version.  One that is away
 * for now is no failure here: it is asked again by each run.  NULL and ${e} for
 * a wrong address, a refused login or another version.
 */
struct imgp_ledger *imgp_ledger_open(const char *where, struct imgp_err *e);
/* Nonzero when opening it began a new account of an API's ids. */
int	imgp_ledger_is_new(const struct imgp_ledger *l);
/* Ask for ${seconds} at most, in place of what the setting "db_wait" says. */
void	imgp_ledger_patience(struct imgp_ledger *l, int seconds);
void	imgp_ledger_close(struct imgp_ledger *l);	/* NULL is fine */

/*
 * Make ${n} calls, in one transaction where the carrier can, and fill in their
 * data and err.  What failed for a reason that may go away is asked again for
 * as long as the setting "db_wait" says; each call is such that asking it again
 * does no harm, so a commit of unknown outcome is looked up by doing so.  A
 * refused call does not harm the others.
 */
void	imgp_ledger_run(struct imgp_ledger *l, struct imgp_ledger_call *calls,
	    size_t n);

#endif
