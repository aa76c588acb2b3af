/*
 * Places: s3://bucket/key and file:///path, UTF-8, nothing percent-encoded, no
 * query (imgpipe(7)).
 */
#ifndef IMGPIPE_PLACE_H
#define IMGPIPE_PLACE_H

#include "libimgpipe/base/err.h"

enum imgp_scheme { IMGP_FILE, IMGP_S3 };

struct imgp_place {
	enum imgp_scheme scheme;
	char	*bucket;	/* s3: the bucket; file: NULL */
	char	*key;		/* s3: the key, without leading '/', may be
				 * empty; file: the absolute path */
};

/*
 * Parse ${url}.  Returns 0 and ${p}, to be released with imgp_place_release(); or -1 with
 * IMGP-PLACE-INVALID for any other scheme, bytes that are not UTF-8, control
 * characters, a segment "." or "..", a relative file path, a bad bucket name, or an S3
 * key above 1024 bytes.
 */
int	imgp_place_parse(const char *url, struct imgp_place *p,
	    struct imgp_err *e);
void	imgp_place_release(struct imgp_place *p);

/*
 * Join ${base} (without a '/' at its end), one '/' and ${key} as it is.  The caller frees
 * the result.  Nothing is checked.
 */
char	*imgp_place_join(const char *base, const char *key);

/*
 * The place of the file or directory ${path}: "file://" and its absolute path, in which
 * the parent directory is resolved by realpath(3); a '/' at its end is kept.  The caller
 * frees it.  NULL with IMGP-PLACE-INVALID when the working directory is gone.
 */
char	*imgp_place_of_path(const char *path, struct imgp_err *e);

/*
 * 0 when ${url} lies below the place ${base}, compared by whole segments; else -1 with
 * IMGP-PLACE-OUTSIDE or IMGP-PLACE-INVALID.
 */
int	imgp_place_within(const char *url, const char *base,
	    struct imgp_err *e);

#endif
