/*
 * Taking stock of a run: what became of its jobs, and which inputs have no
 * finished line yet.
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
/* The exit status that the lines ask for (imgpipe(7)). */
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
	int64_t	fails;		/* so many failed jobs; 0: by percent */
	int64_t	percent;	/* of the finished, and at least three */
};
/* "never", "soon,fail=3", "now,fail=10%": 0, or -1 when ${s} is none of them. */
int	imgp_halt_parse(const char *s, struct imgp_halt *h);
/* Nonzero when by ${t} it is time. */
int	imgp_halt_is_due(const struct imgp_halt *h, const struct imgp_tally *t);

/*
 * Append to ${out} the finished job ${line} as a line of GNU parallel's joblog,
 * its number being ${seq}.
 */
void	imgp_joblog_line(const char *line, size_t len, size_t seq,
	    struct imgp_buf *out);
/* The names of its columns, with a newline. */
extern const char imgp_joblog_head[];

/*
 * Which inputs have a finished line.  An input is an id, a source key, a place
 * or a job line; a finished line answers it when it has the same id, the same
 * source, or names it as "input".  Each line answers one input.  ${source} is
 * the base of source keys, or NULL.
 */
struct imgp_match *imgp_match_new(const char *source);
void	imgp_match_free(struct imgp_match *m);
/* All finished lines come before the first take. */
void	imgp_match_finished(struct imgp_match *m, const char *line, size_t len);
/* Nonzero when a line not yet taken answers this input, which takes it. */
int	imgp_match_take(struct imgp_match *m, const char *line, size_t len);

/*
 * What a finished job can be found by: its id, its source and its "input", each a
 * text of its kind.  How many; each the caller's to free.
 */
size_t	imgp_tally_keys(struct imgp_job *job, char *keys[3]);
/* The same for the finished job that an input line will become. */
size_t	imgp_tally_input_keys(const char *line, size_t len,
	    const char *source, char *keys[5]);

/*
 * The job that stands for an input line whatever it is: the job line itself,
 * one with the id or the source, else one with "input".  Never NULL.
 */
struct imgp_job *imgp_tally_job(const char *line, size_t len,
	    const char *source);

#endif
