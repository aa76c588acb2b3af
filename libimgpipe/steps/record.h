/*
 * The subcommands of imgp-record within the line loop: make a job's request to the ledger
 * and apply the answer to the job (imgp-record(1)).
 *
 * Jobs are held until no further line waits; then one transaction is made for all of
 * them, and they go on in the order in which they came.
 */
#ifndef IMGPIPE_RECORD_H
#define IMGPIPE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/job/filter.h"
#include "libimgpipe/record/ledger.h"

#define IMGP_RECORD_BATCH	64	/* jobs in one transaction */

struct imgp_record_verb;

/* Find start, scans, finish, renew or release; NULL: there is no such subcommand. */
const struct imgp_record_verb *imgp_record_find(const char *name);
const char *imgp_record_name(const struct imgp_record_verb *v);
enum imgp_ledger_op imgp_record_op(const struct imgp_record_verb *v);

/* The loop's argument: the caller sets the first five members and zeroes the rest. */
struct imgp_record {
	const struct imgp_record_verb *verb;
	struct imgp_ledger	*ledger;	/* not used in a dry run */
	int			 again;		/* start: take also what failed for good */
	int			 uncounted;	/* release: take the attempt back */
	int			 dry_run;	/* make no requests; jobs get "planned" */

	enum imgp_ledger_op	 op;		/* of the request being made */
	int			 misconfigured;	/* an answer showed it: exit with 2 */
	struct imgp_job		*held[IMGP_RECORD_BATCH];
	size_t			 n;
};

/* Callbacks of struct imgp_filter_ops.  Set IMGP_SEES_FAILED and IMGP_SEES_SKIPPED, so
 * that all jobs leave in order. */
int	imgp_record_step(struct imgp_filter *f, struct imgp_job *job, void *record,
	    struct imgp_err *e);
int64_t	imgp_record_idle(struct imgp_filter *f, void *record, int eof);
int	imgp_record_rest(void *record, int64_t ms);

/* An imgp_filter_ops.ask for start: test the ledger by renewing the leases of the job's
 * run. */
int	imgp_record_ask(struct imgp_job *job, const char *code, void *record,
	    struct imgp_err *e);

/* Renew or release all leases of the run ${run} in one request: 0, or -1 with ${e}. */
int	imgp_record_run(struct imgp_record *r, const char *run,
	    struct imgp_err *e);

#endif
