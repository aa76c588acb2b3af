/*
 * INI files, imgpipe's own and those of AWS's tools: "[section]", "key = value", and
 * comment lines that begin with '#' or ';'.
 */
#ifndef IMGPIPE_INI_H
#define IMGPIPE_INI_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

/*
 * Called for each setting in the file's order.  Lines count from 1; ${section} is ""
 * above the first section.  The texts are trimmed, and valid during the call only.
 * Returns 0; -1 with ${e}, whose message needs no file and line, ends the reading.
 */
typedef int imgp_ini_setting(void *arg, const char *section, const char *key,
	    const char *value, size_t line, struct imgp_err *e);

/*
 * Read as AWS's tools do: a value ends at white space followed by '#' or ';', and a
 * line indented further than the setting above it belongs to that setting: its
 * "sub = value" is handed over with the key "key.sub".
 */
#define IMGP_INI_AWS	1u

#define IMGP_INI_MAX	((size_t)1 << 20)	/* bytes in a file */

/*
 * Read ${path}.  Returns 0, or -1 with IMGP-CONFIG, whose message names file and line
 * but not the line's text, which may hold a secret.  With IMGP_INI_AWS keys are folded
 * to lower case.  The memory that held the file is wiped.
 */
int	imgp_ini_read(const char *path, unsigned int flags,
	    imgp_ini_setting *fn, void *arg, struct imgp_err *e);

#endif
