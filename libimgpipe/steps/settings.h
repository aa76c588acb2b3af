/*
 * The settings of all pipelines, looked at before the first upload is.
 */
#ifndef IMGPIPE_SETTINGS_H
#define IMGPIPE_SETTINGS_H

#include "libimgpipe/base/err.h"

/*
 * Load the settings (base/conf.h) and hold those of every section against what
 * uses them: the names' templates, the checks of headers, the stamp's tag, the
 * coordinating center.  No request, no file but IMGP_CONFIG.  0, or -1 with IMGP-CONFIG naming section
 * and setting; after imgp_conf_load_but() a section's fault is told and its
 * pipeline left out.
 */
int	imgp_settings_check(struct imgp_err *e);
/* The same for whoever makes no names. */
int	imgp_settings_check_stamp(struct imgp_err *e);

#endif
