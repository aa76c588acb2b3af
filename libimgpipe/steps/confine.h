/*
 * What imgp-dcmscan and imgp-stamp do before they read their first upload.
 */
#ifndef IMGPIPE_CONFINE_H
#define IMGPIPE_CONFINE_H

#include "libimgpipe/base/err.h"

/*
 * Find out whether uploads can be read in a sandbox, and forget the environment and
 * all settings that such a process does not need (conf.h).
 * ${*seconds}: how long it may neither read nor write a byte.  0; 1 with ${e} to be
 * said: the kernel has no Landlock; -1 with IMGP-CONFIG or, where sandbox = require
 * and it has none, IMGP-SANDBOX.
 */
int	imgp_confine_begin(unsigned int *seconds, struct imgp_err *e);

/*
 * Ask the sandbox, and the spool whether it can be read or, with ${write}, written
 * to; no upload is touched, and nothing stays.  0, or -1 and ${e}.
 */
int	imgp_confine_ask(int write, struct imgp_err *e);

#endif
