/*
 * The spool: a directory for work copies, with a directory for each run.
 *
 * A run holds a lock, the file "lock" in its directory, by a descriptor that all
 * its processes inherit.  So a run whose lock can be taken is dead, and whoever
 * takes it clears up.  The spool's own lock, ".lock", keeps a directory that is
 * being made from being taken for a dead run's.
 */
#ifndef IMGPIPE_SPOOL_H
#define IMGPIPE_SPOOL_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

/*
 * Make the directory ${spool}/${run}, and the spool where it is missing, and take
 * the run's lock: its descriptor, which new programs inherit, or -1 with
 * IMGP-CONFIG where ${spool} is no directory that can be written, and with
 * IMGP-STORE-IO where something else fails or the run is going on already.
 */
int	imgp_spool_open(const char *spool, const char *run, struct imgp_err *e);

/*
 * The dead runs in ${spool}: their names, ended by NULL; the caller frees each
 * and the list.  Their locks are held from now on until this process ends, and
 * no new program inherits them.  One whose lock cannot be looked at is left for
 * a later run.
 */
char	**imgp_spool_dead(const char *spool);

#endif
