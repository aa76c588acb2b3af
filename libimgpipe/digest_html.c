#include "libimgpipe/digest.h"

void
imgp_digest_html(const struct imgp_digest *d, struct imgp_buf *out)
{
	(void)d;
	(void)out;
}
