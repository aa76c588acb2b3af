/*
 * The last word about each input of a sharded run: the one line that counts among the
 * finished lines that its workers left in the run's directory (rundir.h).
 *
 * A line belongs to each input that has its id, its source or its "input".  Of several
 * lines, one that reports a delivery is the last word, since a delivery is never undone.
 * Otherwise a line of the latest try is; within a try, one that says what became of the
 * upload comes before one that says that another worker had it.  The order in which
 * files are read makes no difference.
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
				 * it: try again in a while */
	IMGP_LASTWORD_OPEN,	/* a later run may deliver it */
	IMGP_LASTWORD_FAILED,	/* failed for good */
	IMGP_LASTWORD_SETTLED	/* delivered, or there is nothing to do */
};

/* ${d} and ${source}, the base of source keys or NULL, are not copied. */
struct imgp_lastwords *imgp_lastwords_new(const struct imgp_rundir *d,
	    const char *source);
void	imgp_lastwords_free(struct imgp_lastwords *w);	/* NULL is fine */

/* Add an input line without newline: 1, or 0 when an earlier one names the same upload. */
int	imgp_lastwords_input(struct imgp_lastwords *w, const char *line,
	    size_t len);
/* The number of inputs. */
size_t	imgp_lastwords_count(const struct imgp_lastwords *w);
/* The input at ${i}; borrowed until the next is added.  It may hold a NUL. */
const char *imgp_lastwords_text(const struct imgp_lastwords *w, size_t i,
	    size_t *len);

/*
 * Read the complete lines that were added to out/ since the last call, by workers that
 * run, have ended or have died.  Returns how many, or -1 with ${e}.
 */
long	imgp_lastwords_read(struct imgp_lastwords *w, struct imgp_err *e);

/* What the last word about the input at ${i} says. */
enum imgp_lastword imgp_lastwords_of(const struct imgp_lastwords *w, size_t i);
/* The number of the try that the last word comes from; 0: there is none. */
unsigned long imgp_lastwords_try(const struct imgp_lastwords *w, size_t i);
/*
 * Append the last word about the input at ${i} to ${out}, with its newline.  Returns 1; 0
 * when there is none, or the same line was given for another input; -1 with ${e}.  Do not
 * call imgp_lastwords_read() after it.
 */
int	imgp_lastwords_line(struct imgp_lastwords *w, size_t i,
	    struct imgp_buf *out, struct imgp_err *e);

#endif
