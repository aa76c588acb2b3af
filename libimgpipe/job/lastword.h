/*
 * The last word about each input of a sharded run, from the finished lines that its
 * workers left in the run's directory (rundir.h).
 *
 * A line answers each input that has its id, its source or its "input".  Of several
 * lines, one that says the upload is delivered is the last word, since nothing takes
 * a delivery back.  Else it is a line of the latest try; of the same try, one that
 * says what became of the upload rather than that another worker had it.  The order
 * in which files are read makes no difference.
 */
#ifndef IMGPIPE_LASTWORD_H
#define IMGPIPE_LASTWORD_H

#include <stddef.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/job/rundir.h"

struct imgp_lastwords;

enum imgp_lastword {
	IMGP_LASTWORD_NONE,	/* no worker has finished it */
	IMGP_LASTWORD_WAITS,	/* the EDC does not show it yet, or another run has
				 * it: look again in a while */
	IMGP_LASTWORD_OPEN,	/* a later run may deliver it */
	IMGP_LASTWORD_FAILED,	/* failed for good */
	IMGP_LASTWORD_SETTLED	/* delivered, or there is nothing to do */
};

/* ${d} must stay; ${source} is the base of source keys, or NULL, and must stay, too. */
struct imgp_lastwords *imgp_lastwords_new(const struct imgp_rundir *d,
	    const char *source);
void	imgp_lastwords_free(struct imgp_lastwords *w);	/* NULL is fine */

/* Add an input line, without newline: 1; 0 where an earlier one names the same. */
int	imgp_lastwords_input(struct imgp_lastwords *w, const char *line,
	    size_t len);
/* How many inputs there are. */
size_t	imgp_lastwords_count(const struct imgp_lastwords *w);
/* The input at ${i}; borrowed until the next is added.  It may hold a NUL. */
const char *imgp_lastwords_text(const struct imgp_lastwords *w, size_t i,
	    size_t *len);

/*
 * Read what came to out/ since the last time: complete lines, of workers that live,
 * ended or died.  How many, or -1 with ${e}.
 */
long	imgp_lastwords_read(struct imgp_lastwords *w, struct imgp_err *e);

enum imgp_lastword imgp_lastwords_of(const struct imgp_lastwords *w, size_t i);
/* The number of the try that the last word is of; 0: there is none. */
unsigned long imgp_lastwords_try(const struct imgp_lastwords *w, size_t i);
/*
 * Append the last word about the input at ${i} to ${out}, with its newline.  1; 0
 * where there is none, or the same line was given for another input; -1 with ${e}.
 * Once this was called nothing is read any more.
 */
int	imgp_lastwords_line(struct imgp_lastwords *w, size_t i,
	    struct imgp_buf *out, struct imgp_err *e);

#endif
