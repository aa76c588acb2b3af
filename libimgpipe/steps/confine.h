/*
 * Preparations of imgp-dcmscan and imgp-stamp before they read their first upload.
 */
#ifndef IMGPIPE_CONFINE_H
#define IMGPIPE_CONFINE_H

#include "libimgpipe/base/err.h"

/*
 * Check that the sandbox works, and wipe the environment and all settings that a process
 * which reads uploads does not need (imgp_conf_keep()).  ${*seconds} gets the setting
 * stall: how long such a process may neither read nor write a byte.  Returns 0; 1 with an
 * ${e} that the caller should print when the kernel has no Landlock; -1 with IMGP-CONFIG,
 * or with IMGP-SANDBOX when the sandbox does not work or sandbox = require and there is no
 * Landlock.
 */
int	imgp_confine_begin(unsigned int *seconds, struct imgp_err *e);

/*
 * Test the sandbox, and whether the spool can be read or, with ${write}, written.  No
 * upload is touched, and nothing is left behind.  Returns 0, or -1 with ${e}.
 */
int	imgp_confine_ask(int write, struct imgp_err *e);

#endif
