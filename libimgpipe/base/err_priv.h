/* The dictionary's rows, generated from errors.tsv; err.h is the way in. */
#ifndef IMGPIPE_ERR_PRIV_H
#define IMGPIPE_ERR_PRIV_H

#include "libimgpipe/base/err.h"

extern const struct imgp_error imgp_error_table[];	/* ended by code NULL */

/* From now on ${rows}, which must stay, are the dictionary: all of ours, each with the
 * same owner, and others; ended by code NULL. */
void	imgp_error_use(const struct imgp_error *rows);

#endif
