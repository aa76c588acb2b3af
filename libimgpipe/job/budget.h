/*
 * The spool's budget: how many work copies, of how many bytes, there may be at once
 * in all runs that share a spool.
 *
 * A work copy is announced before a byte of it is written, by a file .room-ID in
 * the directory of its run, as long as what it may need but without content:
 * twice the upload, which is there with its stamped copy for a while.  Whoever
 * wants to announce one holds the spool's lock and adds up all there are: of each run
 * the sum that its file .rooms has (two int64_t of this machine, bytes and number),
 * or, where that is not whole, the files themselves.  Those of a dead run (spool.h)
 * do not count.  A stage outside of a run, whose directory
 * has no lock, has no budget: nobody may be there to move its work copies on.
 */
#ifndef IMGPIPE_BUDGET_H
#define IMGPIPE_BUDGET_H

#include <stdint.h>

#include "libimgpipe/base/err.h"

struct imgp_budget {
	int64_t	bytes;
	int64_t	jobs;
};

/*
 * As the settings spool_bytes and spool_jobs say; without the first, half of what
 * is free in the directory ${spool} now.
 */
void	imgp_budget_init(struct imgp_budget *b, const char *spool);

/*
 * Announce a work copy of ${bytes} for the row ${id} of the run ${run}, in place of
 * what was announced for it before: 1; 0 when there is no room for it now.  Where
 * nothing else is announced there is room for one of any size.  A spool in which
 * nothing can be announced has room: writing fails there, and says why.
 */
int	imgp_budget_take(const struct imgp_budget *b, const char *spool,
	    const char *run, int64_t id, int64_t bytes);
/* The same, but wait for room.  -1 when a signal asks to stop (stop.h), or nobody
 * reads standard output any more: a stage is gone, and with it what was to make
 * room. */
int	imgp_budget_wait(const struct imgp_budget *b, const char *spool,
	    const char *run, int64_t id, int64_t bytes);
/* That work copy is gone. */
void	imgp_budget_give(const char *spool, const char *run, int64_t id);
/* All of ${run} are: it begins a pass. */
void	imgp_budget_clear(const char *spool, const char *run);

#endif
