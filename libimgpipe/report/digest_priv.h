/* Shared by the digest's text, HTML, CSV and JSON; callers use digest.h. */
#ifndef IMGPIPE_DIGEST_PRIV_H
#define IMGPIPE_DIGEST_PRIV_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/report/digest.h"

#define IMGP_DIGEST_STR	2048	/* bytes; longer text is cut */

#define IMGP_DIGEST_LINE	256	/* of imgp_digest_still() */

/* One file, its members made printable; "" or 0 where the record has none. */
struct imgp_digest_file {
	char		 name[IMGP_DIGEST_STR];
	char		 place[IMGP_DIGEST_STR];	/* with the name */
	char		 pipeline[128];
	char		 participant[256];
	char		 event[256];
	char		 sha256[80];
	char		 ts[32];
	char		 error[IMGP_DIGEST_STR];
	const struct imgp_error *code;		/* NULL: none, or unknown */
	int		 delivered;
	int		 has_error;
	int		 for_good;
	int64_t		 bytes;			/* -1: not known */
	int64_t		 upload, row, revision, attempt;
	int64_t		 scans, instances;
	struct imgp_buf	 ids;			/* ATRIUIDs, by blanks */
	const struct imgp_json *warnings;	/* the record's; NULL: none */
};

/* Fill ${f} from one of the digest's files; ${f->ids} must be initialized. */
void	imgp_digest_read(const struct imgp_json *o, struct imgp_digest_file *f);
/* The next warning of ${f} after ${i} (NULL: the first) that has a known code, and
 * what was said, made printable; NULL after the last. */
const struct imgp_json *imgp_digest_warning(const struct imgp_digest_file *f,
	    const struct imgp_json *i, const struct imgp_error **code,
	    char *said, size_t size);
/* The next file after ${i} (NULL: the first) that this reader may see. */
const struct imgp_json *imgp_digest_next(const struct imgp_digest *d,
	    const struct imgp_json *i);
/* The next pipeline after ${i} (NULL: the first) with files that still fail, as
 * "3 files of image, since …" in ${what}; NULL after the last, or for labs. */
const struct imgp_json *imgp_digest_still(const struct imgp_digest *d,
	    const struct imgp_json *i, char *what, size_t size);
int	imgp_digest_is_delivered(const struct imgp_json *o);
/* A string member made printable; "" when there is none. */
void	imgp_digest_str(const struct imgp_json *o, const char *key, char *dst,
	    size_t size);
/* "2019-01-17 22:00:00 to 2019-01-18 22:00:00 UTC" */
void	imgp_digest_window(const struct imgp_digest *d, char *dst, size_t size);
/* 1234567 as "1.2 MB", powers of ten as storage is sold. */
void	imgp_digest_human(int64_t bytes, char *dst, size_t size);

#endif
