/* A sign of life for an outside monitor that raises the alarm when none comes. */
#ifndef IMGPIPE_PING_H
#define IMGPIPE_PING_H

#include "libimgpipe/base/err.h"

/* GET ${url} (${ca_file}: trusted CAs; NULL: the system's).  0 when the answer
 * is 2xx, else -1 with ${e}, which does not name the URL: it may be a secret. */
int	imgp_ping(const char *url, const char *ca_file, struct imgp_err *e);

#endif
