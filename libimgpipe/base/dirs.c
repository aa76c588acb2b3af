#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/dirs.h"

int
imgp_dirs_make(const char *path)
{
	char *s = imgp_strdup(path), *p, end;
	int rc = 0;

	for (p = s + 1, end = *s; rc == 0 && end != '\0'; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		end = *p;
		*p = '\0';
		if (mkdir(s, 0700) == -1 && errno != EEXIST)
			rc = -1;
		*p = end;
	}
	free(s);
	return rc;
}
