/*
 * A run's results: counts of what became of its jobs, and which inputs have no finished
 * line yet.
 */
#ifndef IMGPIPE_TALLY_H
#define IMGPIPE_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/job/job.h"

struct imgp_tally;
struct imgp_match;

/* Counts of finished jobs.  Free with imgp_tally_free(), NULL is fine. */
struct imgp_tally *imgp_tally_new(void);
void	imgp_tally_free(struct imgp_tally *t);
/* Count one line without its newline; one that is no job counts as failed. */
void	imgp_tally_add(struct imgp_tally *t, const char *line, size_t len);
/* The exit status for all lines counted (imgpipe(7)). */
int	imgp_tally_exit(const struct imgp_tally *t);
/*
 * "7 jobs: 3 delivered, 1 delivered with errors, 2 failed (1 to be tried
 * again), 1 skipped (1 done)" into ${dst} of ${size} bytes, cut to fit.
 */
void	imgp_tally_summary(const struct imgp_tally *t, char *dst, size_t size);

/* When a run is to halt: --halt of imgp-run(1), as GNU parallel means it. */
enum imgp_halt_when { IMGP_HALT_NEVER, IMGP_HALT_SOON, IMGP_HALT_NOW };
struct imgp_halt {
	enum imgp_halt_when when;
	int64_t	fails;		/* number of failed jobs; 0: by percent */
	int64_t	percent;	/* of the finished jobs; and at least 3 failed */
};
/* "never", "soon,fail=3", "now,fail=10%": 0, or -1 when ${s} is none of them. */
int	imgp_halt_parse(const char *s, struct imgp_halt *h);
/* Nonzero when the counts ${t} meet the condition ${h}. */
int	imgp_halt_is_due(const struct imgp_halt *h, const struct imgp_tally *t);

/*
 * Append the finished job ${line} to ${out} as a line of GNU parallel's joblog, with the
 * number ${seq}.
 */
void	imgp_joblog_line(const char *line, size_t len, size_t seq,
	    struct imgp_buf *out);
/* The names of its columns, with a newline. */
extern const char imgp_joblog_head[];

/*
 * Match inputs with finished lines.  An input is an id, a source key, a place or a job
 * line; a finished line belongs to it when it has the same id or the same source, or
 * names it as "input".  Each line belongs to one input.  ${source}, which is not copied,
 * is the base of source keys, or NULL.
 */
struct imgp_match *imgp_match_new(const char *source);
void	imgp_match_free(struct imgp_match *m);
/* Add a finished line; add all before the first imgp_match_take(). */
void	imgp_match_finished(struct imgp_match *m, const char *line, size_t len);
/* Nonzero when an unused finished line belongs to this input; it is used up then. */
int	imgp_match_take(struct imgp_match *m, const char *line, size_t len);

/*
 * The keys by which a finished job can be found: texts for its id, its source and its
 * "input".  Returns how many it has; the caller frees each.
 */
size_t	imgp_tally_keys(struct imgp_job *job, char *keys[3]);
/* The same for the finished job that will belong to an input line. */
size_t	imgp_tally_input_keys(const char *line, size_t len,
	    const char *source, char *keys[5]);

/*
 * Make a job for an input line of any kind: the job line itself; else one with the id or
 * the source, else one with "input".  Never NULL; the caller frees it.
 */
struct imgp_job *imgp_tally_job(const char *line, size_t len,
	    const char *source);

#endif
