/* Text within XML and HTML. */
#ifndef IMGPIPE_MARKUP_H
#define IMGPIPE_MARKUP_H

#include "libimgpipe/base/buf.h"

/* Append ${s} as an element's text or within a quoted attribute: & < > " are
 * escaped. */
void	imgp_markup_text(struct imgp_buf *out, const char *s);

#endif
