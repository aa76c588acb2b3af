/*
 * The subcommands of imgp-record within the line loop: what the ledger is asked
 * for a job, and what its answer makes of the job (imgp-record(1)).
 *
 * Jobs are held until no further line waits, then one transaction is made for
 * all of them, and they go on in the order they came.
 */
#ifndef IMGPIPE_RECORD_H
#define IMGPIPE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/job/filter.h"
#include "libimgpipe/record/ledger.h"

#define IMGP_RECORD_BATCH	64	/* jobs in one transaction */

struct imgp_record_verb;

/* start, scans, finish, renew or release; NULL: there is no such. */
const struct imgp_record_verb *imgp_record_find(const char *name);
const char *imgp_record_name(const struct imgp_record_verb *v);
enum imgp_ledger_op imgp_record_op(const struct imgp_record_verb *v);

/* The loop's argument: the first five are the caller's, the rest begins with 0. */
struct imgp_record {
	const struct imgp_record_verb *verb;
	struct imgp_ledger	*ledger;	/* not used in a dry run */
	int			 again;		/* start: what failed for good too */
	int			 uncounted;	/* release: take the attempt back */
	int			 dry_run;	/* ask nothing; the job says "planned" */

	enum imgp_ledger_op	 op;		/* of the request being made */
	int			 misconfigured;	/* as an answer showed: status 2 */
	struct imgp_job		*held[IMGP_RECORD_BATCH];
	size_t			 n;
};

/* For struct imgp_filter_ops.  All jobs must come to the step, failed and skipped
 * ones too, so that they leave in order. */
int	imgp_record_step(struct imgp_filter *f, struct imgp_job *job, void *record,
	    struct imgp_err *e);
int64_t	imgp_record_idle(struct imgp_filter *f, void *record, int eof);

/* Where start fails job after job: ask the ledger to renew what the job's run
 * holds. */
int	imgp_record_ask(struct imgp_job *job, const char *code, void *record,
	    struct imgp_err *e);

/* renew, release: all leases of the run ${run} in one request; -1 with ${e}. */
int	imgp_record_run(struct imgp_record *r, const char *run,
	    struct imgp_err *e);

#endif
