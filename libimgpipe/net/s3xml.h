/*
 * The XML bodies of S3 and STS, read by expat.
 *
 * A body is at most 4 MiB (a page of 1,000 keys of 1,024 bytes, encoded, has some 3.5),
 * 32 elements deep, and has no document type declaration, so no entity but the five
 * built in (R36).  Elements are recognized by their local name; unknown ones are
 * ignored.
 */
#ifndef IMGPIPE_S3XML_H
#define IMGPIPE_S3XML_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

#define IMGP_S3XML_MAX		((size_t)4 << 20)
#define IMGP_S3XML_DEPTH	32

enum imgp_s3xml_kind {
	IMGP_S3XML_OTHER,	/* well-formed, of no known kind */
	IMGP_S3XML_ERROR,	/* Error, or STS's ErrorResponse */
	IMGP_S3XML_LIST,	/* ListBucketResult (ListObjectsV2) */
	IMGP_S3XML_COPY,	/* CopyObjectResult, CopyPartResult */
	IMGP_S3XML_INITIATE,	/* InitiateMultipartUploadResult */
	IMGP_S3XML_COMPLETE,	/* CompleteMultipartUploadResult */
	IMGP_S3XML_PARTS,	/* ListPartsResult */
	IMGP_S3XML_UPLOADS,	/* ListMultipartUploadsResult */
	IMGP_S3XML_TAGS,	/* Tagging (GetObjectTagging) */
	IMGP_S3XML_STS		/* an STS answer with Credentials */
};

/* An entry of a listing: object, part, upload or tag.  Absent text is NULL. */
struct imgp_s3xml_item {
	char	*key;		/* object, upload: decoded if encoding-type=url;
				 * tag */
	char	*value;		/* tag */
	char	*etag;		/* object, part: as imgp_s3xml_etag() */
	char	*upload_id;	/* upload */
	char	*time;		/* LastModified or Initiated, ISO 8601 */
	int64_t	 size;		/* object, part; -1: not said */
	int	 part;		/* 1..10000, else 0 */
};

/* A parsed body.  Text is NULL where absent or empty. */
struct imgp_s3xml {
	enum imgp_s3xml_kind kind;
	/* error */
	char	*code;		/* "NoSuchKey"; never NULL for IMGP_S3XML_ERROR */
	char	*message;
	char	*region;	/* AuthorizationHeaderMalformed, redirects */
	char	*endpoint;	/* PermanentRedirect: a host name */
	char	*server_time;	/* RequestTimeTooSkewed, ISO 8601 */
	char	*request_id;
	/* copy, complete: as imgp_s3xml_etag() */
	char	*etag;
	/* initiate, parts */
	char	*upload_id;
	/* list, parts, uploads, tags */
	struct imgp_s3xml_item *items;
	size_t	 nitems;
	char	**prefixes;	/* CommonPrefixes, decoded like keys */
	size_t	 nprefixes;
	int	 truncated;	/* there are more */
	char	*next;		/* list: NextContinuationToken; parts:
				 * NextPartNumberMarker; uploads:
				 * NextKeyMarker, decoded */
	char	*next_upload_id; /* uploads: NextUploadIdMarker */
	/* STS */
	char	*access_key, *secret_key, *session_token;
	char	*expiration;	/* ISO 8601 */
};

/*
 * Parse ${len} bytes at ${p}.  Returns 0 and ${x}, to be released; or -1 with
 * IMGP-STORE-IO and ${x} empty (releasing it is fine).  Refused are a body that is not
 * well-formed, passes a limit or has a document type declaration; a listing with an
 * entry without key or, except for tags, with a size that is no number; a truncated
 * listing that does not say how to continue; and an INITIATE without upload id.  An ETag
 * may be missing anywhere (rgw omits it in Complete).  The message repeats nothing of
 * the body.
 */
int	imgp_s3xml_parse(const void *p, size_t len, struct imgp_s3xml *x,
	    struct imgp_err *e);
/* Wipes the STS secrets; ${x} is empty again. */
void	imgp_s3xml_release(struct imgp_s3xml *x);

/*
 * Normalize an ETag: strip white space and quotation marks around it, which headers and
 * bodies have or lack, also in escaped form.  The caller frees it; NULL when nothing is
 * left.
 */
char	*imgp_s3xml_etag(const char *s);
/* Nonzero when neither is NULL and both are the same ETag once normalized. */
int	imgp_s3xml_etag_same(const char *a, const char *b);

#endif
