/*
 * INI files: "[section]", "key = value", and lines that begin with '#' or ';'.
 * imgpipe's own and the ones AWS's tools share.
 */
#ifndef IMGPIPE_INI_H
#define IMGPIPE_INI_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

/*
 * Told of each setting in the file's order, with its line from 1; section is ""
 * above the first.
 * The texts are trimmed and valid during the call.  -1 and ${e} (message
 * without file and line) ends the reading.
 */
typedef int imgp_ini_setting(void *arg, const char *section, const char *key,
	    const char *value, size_t line, struct imgp_err *e);

/*
 * As AWS's tools read: a value ends at white space followed by '#' or ';', a
 * line indented further than the setting before it belongs to that setting, and
 * its own "sub = value" is told of as "key.sub".
 */
#define IMGP_INI_AWS	1u

#define IMGP_INI_MAX	((size_t)1 << 20)	/* bytes in a file */

/*
 * Read ${path}.  0, or -1 with IMGP-CONFIG naming file and line, not the line's
 * text: it may hold a secret.  With IMGP_INI_AWS ${key} is folded to lower
 * case.  The memory that held the file is wiped.
 */
int	imgp_ini_read(const char *path, unsigned int flags,
	    imgp_ini_setting *fn, void *arg, struct imgp_err *e);

#endif
