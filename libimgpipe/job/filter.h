/*
 * The line loop of all filters: job lines in, as many job lines out.
 *
 * A tool gives it a step for one job.  The loop reads lines of any length in bounded
 * memory, turns lines that are not jobs into failed jobs, passes on unchanged what the
 * step must not see, writes each finished line at once, names each error on standard
 * error, and returns the exit status (imgpipe(7)).  It ends the program only when
 * standard input cannot be read or standard output cannot be written; if the reader of
 * standard output goes away, at once and not with the next line.
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

#define IMGP_STEP_HELD		1	/* results of a step: see step */
#define IMGP_STEP_KEEP		2

struct imgp_filter;		/* the running loop */

struct imgp_filter_ops {
	/* The stage in "errors": "fetch", "stamp", …  Together with the code it
	 * decides whether an error is fatal (job/fault.h). */
	const char	*stage;
	unsigned int	 flags;

	/*
	 * Makes a job of a line without its newline; NULL: imgp_job_parse().
	 * On failure it returns NULL with ${e}, and the line becomes a failed
	 * job with "input".  For tools that accept other lines (imgp-lookup).
	 */
	struct imgp_job *(*accept)(const char *line, size_t len, void *arg,
	    struct imgp_err *e);

	/*
	 * Replaces a line by any number of lines: returns 1 after passing each to
	 * imgp_filter_take(), or 0 when the line stands for itself.  Called with
	 * NULL at the end of input; not called for operands.  May be NULL.
	 */
	int		(*expand)(struct imgp_filter *f, const char *line,
	    size_t len, void *arg);

	/*
	 * Does the tool's work on ${job}.  Returns 0; or -1 with ${e}, which
	 * becomes an entry in the job's "errors" and a line on standard error.
	 * The step may add more entries by imgp_job_error(); these are printed,
	 * too.  Returns IMGP_STEP_HELD when it keeps the job and will give it
	 * back by imgp_filter_put(); not with IMGP_ISOLATED.  Returns
	 * IMGP_STEP_KEEP with IMGP_ISOLATED: see settle.
	 */
	int		(*step)(struct imgp_filter *f, struct imgp_job *job,
	    void *arg, struct imgp_err *e);

	/*
	 * Nonzero when every error of this step is fatal for this job
	 * (dicom = required).  NULL: only those that are by job/fault.h.
	 */
	int		(*required)(struct imgp_job *job, void *arg);

	/*
	 * IMGP_ISOLATED: returns a descriptor that the process inherits, beside
	 * /dev/null on 0, 1 and 2 and that of its answer.  NULL: none.
	 */
	int		(*upload_fd)(const void *arg);
	/*
	 * IMGP_ISOLATED: called in the process before the step, to open what it
	 * needs and give up rights (imgp_sandbox()).  -1 with ${e} is treated as
	 * the step's.  May be NULL.
	 */
	int		(*confine)(struct imgp_job *job, void *arg,
	    struct imgp_err *e);
	/*
	 * IMGP_ISOLATED: called in the tool's own process after the process has
	 * ended, in whatever way.  With ${keep} its step returned IMGP_STEP_KEEP
	 * and its answer was accepted: put the file that it made in its place.
	 * Otherwise remove that file.  -1 with ${e} is treated as the step's.
	 * May be NULL.
	 */
	int		(*settle)(struct imgp_job *job, int keep, void *arg,
	    struct imgp_err *e);
	/*
	 * IMGP_ISOLATED: called in the tool's own process after settle, when the
	 * process ended well with nothing to keep and the job has no errors, to
	 * check that this is plausible.  -1 with ${e}: it is not.  May be NULL.
	 */
	int		(*unchanged)(struct imgp_job *job, void *arg,
	    struct imgp_err *e);
	/* IMGP_ISOLATED: a process that neither reads nor writes a byte for so many
	 * seconds is killed; 0: never. */
	unsigned int	 seconds;
	/* IMGP_ISOLATED: the error code when the process dies or hangs, or its answer
	 * is refused (answer.h); NULL: IMGP-JOB-DIED. */
	const char	*died;

	/*
	 * Called when three jobs in a row had the same fault of ours or of a
	 * service (job/breaker.h), in the loop's own thread and process.  If it
	 * returns -1, the loop prints both errors, closes standard input,
	 * finishes what it has begun and returns 75; jobs that were not taken
	 * have no line.  NULL: every job is tried.
	 */
	imgp_breaker_ask *ask;

	/*
	 * For steps that hold jobs: called whenever no complete line waits, and
	 * after the end of input (${eof}) until it returns -1.  It works on the
	 * held jobs as far as possible without waiting.  Returns after how many
	 * milliseconds at most it must be called again; -1: at the next line
	 * only.  NULL: no job is ever held.
	 */
	int64_t		(*idle)(struct imgp_filter *f, void *arg, int eof);
	/*
	 * Called while the loop has nothing to do, or its reader takes nothing, since
	 * ${ms}: lets go of what other processes may want.  Returns nonzero when it is
	 * to be called again, a quarter of a second later.  NULL: nothing is held.
	 */
	int		(*rest)(void *arg, int64_t ms);
	/* For steps that hold jobs: when this descriptor becomes readable, idle is
	 * called, and makes it unreadable again.  0: none. */
	int		 wake_fd;
};

/*
 * Run the loop over standard input and return the exit status.  With IMGP_ISOLATED
 * ${jobs} steps run at once, else one after the other.  Output is in the order of input
 * when ${jobs} is 1 and no jobs are held.
 */
int	imgp_filter_run(const struct imgp_filter_ops *ops, void *arg, int jobs);

/* Called by expand: process ${line} as if it had been read. */
void	imgp_filter_take(struct imgp_filter *f, const char *line, size_t len);

/*
 * Give back a job that the step held.  With ${e} it gets that error, as if the step had
 * returned it; with NULL it is written as it is.  ${job} is freed.
 */
void	imgp_filter_put(struct imgp_filter *f, struct imgp_job *job,
	    const struct imgp_err *e);

/* Nonzero once ${ask} has stopped the loop: held jobs that are not begun may be dropped
 * without a line. */
int	imgp_filter_stopped(const struct imgp_filter *f);

/*
 * Run one job for a plain command (with operands instead of standard input) as the loop
 * does, isolation included.  ${job} is owned by the loop from now on.
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
