/*
 * The driver of a sharded run: it divides the inputs into shards, which an engine has
 * worked on, round after round, until each input has its last word (lastword.h) or
 * nothing more can be done.
 *
 * An engine is a program (imgpipe-engines(7)):
 *
 *	ENGINE RUN JOBS CMD <names of shards
 *
 * For each name it runs CMD --run RUN --shard NAME, with this name alone or others behind
 * it, at least once on some machine, at most JOBS at a time.  It exits with 0 when none of
 * these runs or waits any more, whatever became of them, and with another status when it
 * failed itself.  SIGTERM makes it cancel them all.  It transports no ids, results or
 * exit statuses: those are in RUN, the directory of the run (rundir.h).
 */
#ifndef IMGPIPE_DRIVE_H
#define IMGPIPE_DRIVE_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/lastword.h"
#include "libimgpipe/job/rundir.h"

struct imgp_drive {
	const struct imgp_rundir *dir;
	struct imgp_lastwords *words;
	const char	*engine, *worker;	/* paths of the engine and of CMD */
	int		 jobs;		/* shards at once */
	size_t		 per_shard;	/* inputs; 0: as many as make 4 shards for
					 * each of ${jobs} */
	int64_t		 wait_ms;	/* how long to wait for uploads that the EDC
					 * does not show yet */
	int64_t		 interval_ms;	/* between two looks for them */
	int64_t		 patience_ms;	/* how long an engine may take to end */
	int		 failed;	/* take uploads that failed for good, too */
	int		 quiet;		/* say only what went wrong */
	int		 signals;	/* of imgp_supervise_signals() */
	/* Called before each round, to write the settings of its shards: they skip
	 * uploads that the EDC does not show yet, unless this is the last look
	 * (${last}).  Returns 0, or -1 with ${e}. */
	int		(*settle)(void *arg, int last, struct imgp_err *e);
	/* Release the leases of a worker's run that died: 0, or -1. */
	int		(*release)(const char *run);
	void		(*say)(const char *text);	/* a line for people */
	void		*arg;
};

/* The outcome. */
struct imgp_driven {
	unsigned long	 first;		/* number of its first try; 0: nothing to do */
	size_t		 left;		/* inputs that no worker finished */
	int		 status;	/* 0; 2: engine or settings unusable; 75:
					 * something is left or went wrong; 128 +
					 * signal */
	int		 at_once;	/* ended by a second signal: print nothing more */
};

/*
 * Run the rounds.  While it waits between two rounds, no shard is queued or running.  A
 * signal cancels the engine; a second one kills it.  Returns 0 with ${came}; or -1 with
 * ${e} when the directory cannot be used.
 */
int	imgp_drive(const struct imgp_drive *d, struct imgp_driven *came,
	    struct imgp_err *e);

#endif
