/*
 * The spool: a directory for work copies, with a directory for each run.
 *
 * A run holds a lock, the file "lock" in its directory, by a descriptor that all its
 * processes inherit.  So a run whose lock can be taken is dead, and the process that
 * takes it clears up.  The spool's own lock, ".lock", ensures that a directory that is
 * just being made is not mistaken for a dead run's.
 */
#ifndef IMGPIPE_SPOOL_H
#define IMGPIPE_SPOOL_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

/*
 * Make the directory ${spool}/${run}, and the spool if it is missing, and take the run's
 * lock.  Returns the lock's descriptor, which new programs inherit; or -1 with
 * IMGP-CONFIG when ${spool} is no writable directory, with IMGP-STORE-IO when something
 * else fails or the run is in progress already.
 */
int	imgp_spool_open(const char *spool, const char *run, struct imgp_err *e);

/*
 * The names of the dead runs in ${spool}, ended by NULL; the caller frees each and the
 * list.  This process holds their locks from now on until it ends; new programs do not
 * inherit them.  A run whose lock cannot be opened is left for a later call.
 */
char	**imgp_spool_dead(const char *spool);

#endif
