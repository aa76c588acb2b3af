/* A sign of life for an outside monitor that raises the alarm when none comes. */
#ifndef IMGPIPE_PING_H
#define IMGPIPE_PING_H

#include "libimgpipe/base/err.h"

/* GET ${url} (${ca_file}: trusted CAs; NULL: the system's).  Returns 0 for a 2xx answer,
 * else -1 with ${e}, whose message does not give the URL, which may be a secret. */
int	imgp_ping(const char *url, const char *ca_file, struct imgp_err *e);

#endif
