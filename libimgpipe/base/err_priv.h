/* The dictionary's rows, generated from errors.tsv; err.h is the way in. */
#ifndef IMGPIPE_ERR_PRIV_H
#define IMGPIPE_ERR_PRIV_H

#include "libimgpipe/base/err.h"

extern const struct imgp_error imgp_error_table[];	/* ended by code NULL */

/* Make ${rows} (not copied; ended by code NULL) the dictionary.  They must have every
 * built-in code with its owner, and may have others. */
void	imgp_error_use(const struct imgp_error *rows);

#endif
