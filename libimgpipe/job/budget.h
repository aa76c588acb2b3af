/*
 * The spool's budget: how many work copies, of how many bytes, all runs that share a
 * spool may have at once.
 *
 * Space for a work copy is reserved before a byte of it is written: twice the upload's
 * length, as the upload and its stamped copy exist together for a while.  A run's
 * reservations are in the file .rooms of its directory: pairs of int64_t in this
 * machine's byte order, the row's id and the bytes; id 0 is a free place.  A process that
 * reserves holds the spool's lock and adds up those of all runs.  Those of a dead run
 * (spool.h) do not count.  A stage outside a run, whose directory has no lock, has no
 * budget, since nothing may be there to free its work copies.
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
 * Set the budget by the settings spool_bytes (default: half of what is free in the
 * directory ${spool} now) and spool_jobs.
 */
void	imgp_budget_init(struct imgp_budget *b, const char *spool);

/*
 * Reserve space for a work copy of an upload of ${bytes} for the row ${id} in the run
 * ${run}, replacing what was reserved for it before.  Returns 1; 0 when there is no room
 * now.  If nothing else is reserved, there is room for any size.  If the spool cannot be
 * written, it returns 1, as writing the work copy will fail and say why.
 */
int	imgp_budget_take(const struct imgp_budget *b, const char *spool,
	    const char *run, int64_t id, int64_t bytes);
/* The same, but wait for room.  Returns -1 when a signal asks to stop (stop.h), or when
 * standard output has no reader any more: the next stage is gone, which would have made
 * room. */
int	imgp_budget_wait(const struct imgp_budget *b, const char *spool,
	    const char *run, int64_t id, int64_t bytes);
/* Free the reservation of a work copy that is gone. */
void	imgp_budget_give(const char *spool, const char *run, int64_t id);
/* Free all reservations of ${run}, which begins a pass. */
void	imgp_budget_clear(const char *spool, const char *run);

#endif
