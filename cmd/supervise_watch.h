/*
 * How far a run is, for people and for Prometheus (--progress, --metrics of imgp-run(1)).
 */
#ifndef SUPERVISE_WATCH_H
#define SUPERVISE_WATCH_H

#include "libimgpipe/job/show.h"
#include "libimgpipe/job/supervise.h"

struct watch {
	const char *progress, *metrics;	/* the options' values; NULL: not given */
	struct imgp_show *show;		/* NULL: there is nothing to show */
	int	 json;			/* --progress=json */
	int	 shown;			/* while the run goes on */
	int	 stands;		/* a line is on the terminal */
};

/*
 * Make the board of the run of ${s} and name it in the environment of what is started
 * from then on; if it is to be shown, ${s->tick} does so.  If the board cannot be made,
 * say so: the run goes on without.  With -n do nothing.
 */
void	watch_begin(struct watch *w, struct imgp_supervise *s);

/* The run has ended with ${status}: show the end, and write the metrics.  Returns the
 * status to exit with, 75 or worse when they could not be written, which is said. */
int	watch_end(struct watch *w, int status);

#endif
