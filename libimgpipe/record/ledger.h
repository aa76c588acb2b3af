/*
 * The ledger: all requests of imgpipe about the EDC's pipeline tables.
 *
 * One contract, two transports: libpq to the SQL functions of sql/ (a connection string),
 * or HTTP to the pipeline API (its https:// base, or http:// on loopback only).  For an
 * API that knows no more than the design page (api_revisions = no), revisions, leases,
 * names and ids are kept in an account of our own (account.h), which the setting "ledger"
 * names.  Requests and answers are those of the pipeline API: see the comments in
 * sql/106_requests.sql and the files after it, and sql/openapi.json.
 */
#ifndef IMGPIPE_LEDGER_H
#define IMGPIPE_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"

enum imgp_ledger_op {
	IMGP_LEDGER_START,
	IMGP_LEDGER_SCANS,
	IMGP_LEDGER_FINISH,
	IMGP_LEDGER_RENEW,
	IMGP_LEDGER_RELEASE,
	IMGP_LEDGER_LOOKUP_FAILED,	/* for an upload without a row; a pipeline
					 * API without revisions is not asked,
					 * and data is empty */
	/* Notices: failures to report to the admins (sql/114_notice.sql). */
	IMGP_LEDGER_NOTICE_LIST,
	IMGP_LEDGER_NOTICE_DONE,
	/* Requests of a design page's client to imgp-api (sql/113_page.sql); by
	 * libpq only. */
	IMGP_LEDGER_PAGE_FILE,
	IMGP_LEDGER_PAGE_SCANS
};

/* One request, and what became of it. */
struct imgp_ledger_call {
	enum imgp_ledger_op	 op;
	struct imgp_json	*request;	/* stays the caller's */
	/*
	 * May be NULL.  Called with the first answer's data; returns a second
	 * request of the same kind, which the ledger frees, or NULL for none,
	 * with ${e} filled in if that is a failure.  By libpq both belong to
	 * one transaction.  By HTTP the second is a request of its own; if it
	 * fails, the first one's effect stays, and data is the first answer's.
	 * It may be called more than once for one answer.
	 */
	struct imgp_json	*(*then)(void *arg,
	    const struct imgp_json *data, struct imgp_err *e);
	void			*arg;

	struct imgp_json	*data;	/* the last answer's data, which the
					 * caller frees; or NULL */
	struct imgp_err		 err;	/* code NULL: success */
};

struct imgp_ledger;

/* Nonzero when ${where} is the URL of a pipeline API; 0 for NULL. */
int	imgp_ledger_is_api(const char *where);
/* The connection string for the reports: the setting "ledger" unless it names an
 * account, else "database".  NULL when that is an API or not set. */
const char *imgp_ledger_conninfo(void);
/* The same, for tools that require it: NULL with IMGP-CONFIG. */
const char *imgp_ledger_need_conninfo(struct imgp_err *e);
/*
 * Open the ledger ${where} (the setting "database"; NULL: by the PG* variables) and
 * connect, to check that it has the same version.  If it is not reachable now, that is
 * not a failure here: each imgp_ledger_run() tries again.  NULL with ${e} for a malformed
 * address, a refused login or another version.
 */
struct imgp_ledger *imgp_ledger_open(const char *where, struct imgp_err *e);
/* Nonzero when opening it made a new account (account.h). */
int	imgp_ledger_is_new(const struct imgp_ledger *l);
/* Try for at most ${seconds} instead of the setting "db_wait". */
void	imgp_ledger_patience(struct imgp_ledger *l, int seconds);
/* As imgp_db_idle(); by HTTP there is nothing to let go of.  NULL is fine. */
int	imgp_ledger_idle(struct imgp_ledger *l, int64_t ms);
void	imgp_ledger_close(struct imgp_ledger *l);	/* NULL is fine */

/*
 * Make ${n} calls, by libpq in one transaction, and set their data and err.  Calls that
 * fail for a reason that may pass are repeated for as long as the setting "db_wait" says.
 * Every call is idempotent, so a commit whose outcome is unknown is simply repeated.  A
 * refused call does not affect the others.
 */
void	imgp_ledger_run(struct imgp_ledger *l, struct imgp_ledger_call *calls,
	    size_t n);

#endif
