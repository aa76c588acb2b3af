/*
 * A sharded run: its inputs are cut into shards, which an engine has worked on, round
 * after round, until each input has its last word or nothing more can be done.
 *
 * An engine is a program (imgpipe-engines(7)):
 *
 *	ENGINE RUN JOBS CMD <names of shards
 *
 * It sees to it that for each name CMD --run RUN --shard NAME, with this name alone or
 * others behind it, runs at least once somewhere, at most JOBS at a time, and ends with 0
 * when none of them runs or waits any more, whatever came of them; with another status
 * where it failed itself.  SIGTERM makes it cancel all.  It carries no ids, no results
 * and no exit statuses: those are in RUN, the directory of the run (rundir.h).
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
	const char	*engine, *worker;	/* paths of the engine, of CMD */
	int		 jobs;		/* shards at once */
	size_t		 per_shard;	/* inputs; 0: as many as make 4 shards for
					 * each of ${jobs} */
	int64_t		 wait_ms;	/* look so long for what is not there yet */
	int64_t		 interval_ms;	/* and so often */
	int64_t		 patience_ms;	/* an engine may take so long to end */
	int		 failed;	/* take what failed for good, too */
	int		 quiet;		/* say only what went wrong */
	int		 signals;	/* of imgp_supervise_signals() */
	/* Before each round: settle what its shards go by, which is that they pass
	 * over what is not there yet, unless it is the last look.  0, or -1 with
	 * ${e}. */
	int		(*settle)(void *arg, int last, struct imgp_err *e);
	/* Give back the leases of a worker's run that died: 0, or -1. */
	int		(*release)(const char *run);
	void		(*say)(const char *text);	/* a line for people */
	void		*arg;
};

/* What came of it. */
struct imgp_driven {
	unsigned long	 first;		/* its first try; 0: there was nothing to do */
	size_t		 left;		/* inputs that no worker finished */
	int		 status;	/* 0; 2 where the engine or the settings are of
					 * no use; 75 where something is left or went
					 * wrong; 128 + signal */
	int		 at_once;	/* by a second signal: say no more */
};

/*
 * Go through the rounds.  Between two of them, while something is waited for, no
 * shard is anywhere.  A signal has the engine cancelled; a second one kills it.  0, or
 * -1 with ${e} where the directory cannot be used.
 */
int	imgp_drive(const struct imgp_drive *d, struct imgp_driven *came,
	    struct imgp_err *e);

#endif
