/*
 * Check the settings of all pipelines before the first upload is read.
 */
#ifndef IMGPIPE_SETTINGS_H
#define IMGPIPE_SETTINGS_H

#include "libimgpipe/base/err.h"

/*
 * Load the settings (base/conf.h), and check those of every section with the code that
 * uses them: the names' templates, the checks of headers, the stamp's tag, and the
 * coordinating center.  Makes no request, and reads no file but those of settings.
 * Returns 0, or -1 with IMGP-CONFIG, whose message names section and setting; after
 * imgp_conf_load_but() a section's fault is reported and its pipeline left out.
 */
int	imgp_settings_check(struct imgp_err *e);
/* The same for tools that make no names. */
int	imgp_settings_check_stamp(struct imgp_err *e);

#endif
