/*
 * The one line loop: job lines in, job lines out, as many as came in.
 *
 * A tool hands over a step for one job.  The loop reads lines of any length
 * with bounded memory, turns lines that are not jobs into failed jobs,
 * passes on untouched what the step must not see, writes each finished line at once,
 * names each error on standard error, and knows the exit status
 * (imgpipe(7)).  It ends the program only when standard input cannot be read
 * or standard output not be written; where nobody reads that any more, at once and
 * not with the next line.
 */
#ifndef IMGPIPE_FILTER_H
#define IMGPIPE_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/job/breaker.h"
#include "libimgpipe/job/job.h"

#define IMGP_SEES_FAILED	1u	/* the step gets failed jobs too */
#define IMGP_SEES_SKIPPED	2u	/* and skipped ones */
#define IMGP_ISOLATED		4u	/* each step in a process of its own */

#define IMGP_BLANK_IS_NONE	32u	/* a blank line of input is no job */

#define IMGP_STEP_HELD		1	/* see step */
#define IMGP_STEP_KEEP		2

struct imgp_filter;		/* the running loop */

struct imgp_filter_ops {
	/* For "errors": "fetch", "stamp", …; with an error's code it decides
	 * what comes of it (job/fault.h). */
	const char	*stage;
	unsigned int	 flags;

	/*
	 * Make a job of a line (the newline cut off); NULL: imgp_job_parse.
	 * On failure it returns NULL with ${e}, and the line becomes a failed
	 * job with "input".  Set where lines may be other than jobs (lookup).
	 */
	struct imgp_job *(*accept)(const char *line, size_t len, void *arg,
	    struct imgp_err *e);

	/*
	 * A line may stand for any number of others: 1 when it does, and each was
	 * handed to imgp_filter_take(); 0 when it stands for itself.  Called with
	 * NULL at the end of input.  Not for operands.  NULL: no line does.
	 */
	int		(*expand)(struct imgp_filter *f, const char *line,
	    size_t len, void *arg);

	/*
	 * Do the tool's one thing to ${job}: 0, or -1 with ${e}, which becomes
	 * an entry in the job's "errors" and a line on standard error.  More
	 * entries the step makes itself, by imgp_job_error(); they are named
	 * on standard error as well.  IMGP_STEP_HELD: the step keeps the job
	 * and gives it back later by imgp_filter_put(); not with IMGP_ISOLATED.
	 * IMGP_STEP_KEEP: with IMGP_ISOLATED, see settle.
	 */
	int		(*step)(struct imgp_filter *f, struct imgp_job *job,
	    void *arg, struct imgp_err *e);

	/*
	 * Nonzero when every error of this step is to be fatal for this job
	 * (dicom = required).  NULL: only those that job/fault.h says.
	 */
	int		(*required)(struct imgp_job *job, void *arg);

	/*
	 * IMGP_ISOLATED: the process starts with /dev/null on 0, 1 and 2, and
	 * with no other descriptor than its answer's and this one.  NULL: none.
	 */
	int		(*upload_fd)(const void *arg);
	/*
	 * IMGP_ISOLATED: called in the process, before the step, to open what it
	 * needs and give up rights (imgp_sandbox).  NULL: nothing.  -1 with ${e}:
	 * as by the step.
	 */
	int		(*confine)(struct imgp_job *job, void *arg,
	    struct imgp_err *e);
	/*
	 * IMGP_ISOLATED: called here when the process has ended, whatever became
	 * of it.  ${keep}: its step returned IMGP_STEP_KEEP, its answer is taken,
	 * and what it made is to be put in its place; else it is to be cleared
	 * away.  -1 with ${e}: as by the step.  NULL: nothing is made.
	 */
	int		(*settle)(struct imgp_job *job, int keep, void *arg,
	    struct imgp_err *e);
	/*
	 * IMGP_ISOLATED: called here after settle when the process ended well, with
	 * nothing to keep, and the job has no errors: can that be so?  -1 with ${e}: it
	 * cannot.  NULL: it always can.
	 */
	int		(*unchanged)(struct imgp_job *job, void *arg,
	    struct imgp_err *e);
	/* IMGP_ISOLATED: a process that neither reads nor writes a byte for so
	 * long is killed; 0: none is. */
	unsigned int	 seconds;
	/* IMGP_ISOLATED: the code when it dies, hangs or answers what it must not
	 * (answer.h); NULL: IMGP-JOB-DIED. */
	const char	*died;

	/*
	 * Asked when the same fault of ours, or of a service, met three jobs
	 * in a row (job/breaker.h), in the loop's own thread and process.  If
	 * it answers -1, the loop names both on standard error, closes
	 * standard input, finishes what it has begun and returns 75: the jobs
	 * that were not taken have no line.  NULL: every job is tried.
	 */
	imgp_breaker_ask *ask;

	/*
	 * Where jobs are held: called whenever no complete line waits, and
	 * after the end of input (${eof}) until it returns -1.  Works on what
	 * is held as far as it can without waiting.  Returns how many
	 * milliseconds to wait at most for a further line before the next
	 * call; -1: no matter how long.  NULL: nothing is ever held.
	 */
	int64_t		(*idle)(struct imgp_filter *f, void *arg, int eof);
	/* Where jobs are held: a descriptor that, once it is readable, calls
	 * for idle, which makes it unreadable again.  0: none. */
	int		 wake_fd;
};

/*
 * Run the loop over standard input, ${jobs} steps at once (IMGP_ISOLATED;
 * else steps run one after another), and return the exit status.  Output is in
 * input order with ${jobs} = 1 unless jobs are held.
 */
int	imgp_filter_run(const struct imgp_filter_ops *ops, void *arg, int jobs);

/* Within expand: take ${line} as if it had been read. */
void	imgp_filter_take(struct imgp_filter *f, const char *line, size_t len);

/*
 * Give back a job that the step held: with ${e} it gets that error (as if the
 * step had returned it), with NULL it is written as it is.  Freed.
 */
void	imgp_filter_put(struct imgp_filter *f, struct imgp_job *job,
	    const struct imgp_err *e);

/* Nonzero once a fault of ours has stopped the loop (ask): what is held and not
 * begun may be dropped without a line. */
int	imgp_filter_stopped(const struct imgp_filter *f);

/*
 * A plain command's run over one job (operands instead of standard input):
 * the same as for one line, isolation included.  ${job} is taken over.
 */
int	imgp_filter_one(const struct imgp_filter_ops *ops, void *arg,
	    struct imgp_job *job);

/*
 * Run the loop over ${n} operands as if each were a line of input
 * (imgp-lookup 1201 1202).
 */
int	imgp_filter_operands(const struct imgp_filter_ops *ops, void *arg,
	    int jobs, char *const *operands, size_t n);

#endif
