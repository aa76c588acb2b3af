#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/text.h"

/* S3's limit for a key, in bytes; a path has none of its own. */
#define KEY_MAX		1024

/* A whole segment of ${len} bytes that leads elsewhere. */
static int
is_dots(const char *s, size_t len)
{
	return (len == 1 && s[0] == '.') || (len == 2 && memcmp(s, "..", 2) == 0);
}

/* Why ${s} cannot be a key or path; NULL when it can. */
static const char *
key_fault(const char *s)
{
	size_t len = strlen(s), seg, n;
	unsigned int c;
	const char *p;

	for (p = s; *p != '\0'; p += n) {
		if ((n = imgp_utf8(p, len - (size_t)(p - s), &c)) == 0)
			return "not UTF-8";
		if (c < 0x20 || (c >= 0x7f && c < 0xa0))
			return "a control character";
	}
	for (p = s;; p += seg + 1) {
		seg = strcspn(p, "/");
		if (is_dots(p, seg))
			return "a segment \".\" or \"..\"";
		if (p[seg] == '\0')
			return NULL;
	}
}

/* The rules for S3 bucket names, as far as they keep host and path safe. */
static int
is_bucket(const char *s, size_t len)
{
	size_t i;

	if (len < 3 || len > 63)
		return 0;
	for (i = 0; i < len; i++) {
		int c = (unsigned char)s[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    (i == 0 || i == len - 1 || (c != '-' && c != '.')))
			return 0;
		if (c == '.' && s[i - 1] == '.')
			return 0;
	}
	return 1;
}

int
imgp_place_parse(const char *url, struct imgp_place *p, struct imgp_err *e)
{
	const char *rest, *fault;
	size_t len;

	if (strncmp(url, "file://", 7) == 0) {
		rest = url + 7;
		if (rest[0] != '/')
			return imgp_fail(e, IMGP_E_PLACE_INVALID,
			    "%.256s: the path is not absolute", url);
		if ((fault = key_fault(rest)) != NULL)
			return imgp_fail(e, IMGP_E_PLACE_INVALID, "%.256s: %s",
			    url, fault);
		p->scheme = IMGP_FILE;
		p->bucket = NULL;
		p->key = imgp_strdup(rest);
		return 0;
	}
	if (strncmp(url, "s3://", 5) != 0)
		return imgp_fail(e, IMGP_E_PLACE_INVALID,
		    "%.256s: neither s3:// nor file://", url);
	rest = url + 5;
	len = strcspn(rest, "/");
	if (!is_bucket(rest, len))
		return imgp_fail(e, IMGP_E_PLACE_INVALID,
		    "%.256s: not a bucket name", url);
	fault = rest[len] == '\0' ? NULL : key_fault(rest + len + 1);
	if (fault == NULL && strlen(rest + len) > KEY_MAX + 1)
		fault = "the key is longer than 1024 bytes";
	if (fault != NULL)
		return imgp_fail(e, IMGP_E_PLACE_INVALID, "%.256s: %s", url,
		    fault);
	p->scheme = IMGP_S3;
	p->bucket = imgp_strndup(rest, len);
	p->key = imgp_strdup(rest[len] == '\0' ? "" : rest + len + 1);
	return 0;
}

void
imgp_place_release(struct imgp_place *p)
{
	free(p->bucket);
	free(p->key);
	p->bucket = p->key = NULL;
}

char *
imgp_place_join(const char *base, const char *key)
{
	size_t len = strlen(base);

	/* The slashes of the scheme ("file://", "s3://") are not ours. */
	while (len > 0 && base[len - 1] == '/' &&
	    !(len >= 3 && memcmp(base + len - 3, "://", 3) == 0))
		len--;
	return imgp_asprintf("%.*s/%s", (int)len, base, key);
}

/* ${key} is below ${base}, whole segments. */
static int
key_within(const char *key, const char *base)
{
	size_t len = strlen(base);

	while (len > 0 && base[len - 1] == '/')
		len--;
	if (strncmp(key, base, len) != 0)
		return 0;
	key += len;
	if (len > 0 || base[0] == '/') {
		if (key[0] != '/')
			return 0;
		key++;
	}
	return key[0] != '\0';
}

int
imgp_place_within(const char *url, const char *base, struct imgp_err *e)
{
	struct imgp_place u = { IMGP_FILE, NULL, NULL };
	struct imgp_place b = { IMGP_FILE, NULL, NULL };
	int rc = -1;

	if (imgp_place_parse(url, &u, e) == -1 ||
	    imgp_place_parse(base, &b, e) == -1)
		goto out;
	if (u.scheme != b.scheme ||
	    (u.scheme == IMGP_S3 && strcmp(u.bucket, b.bucket) != 0) ||
	    !key_within(u.key, b.key))
		imgp_fail(e, IMGP_E_PLACE_OUTSIDE, "%.256s is not below %.200s",
		    url, base);
	else
		rc = 0;
out:
	imgp_place_release(&u);
	imgp_place_release(&b);
	return rc;
}

/* The absolute path of a directory; of one that is still to be made, as it is
 * written.  The caller's; NULL with errno. */
static char *
absolute(const char *dir)
{
	char *real = realpath(dir, NULL), *here, *joined;

	if (real != NULL)
		return real;
	if (dir[0] == '/')
		return imgp_strdup(dir);
	if ((here = realpath(".", NULL)) == NULL)
		return NULL;
	joined = imgp_place_join(here, strncmp(dir, "./", 2) == 0 ? dir + 2 :
	    dir);
	free(here);
	return joined;
}

char *
imgp_place_of_path(const char *path, struct imgp_err *e)
{
	size_t len = strlen(path), end = len;
	char *dir, *real, *url;
	const char *name;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (name = path + end; name > path && name[-1] != '/';)
		name--;
	if (is_dots(name, (size_t)(path + end - name)))
		name = path + end;	/* all of it is the directory */
	dir = name == path ? imgp_strdup(".") :
	    imgp_strndup(path, (size_t)(name - path));
	if (strlen(dir) > 1 && dir[strlen(dir) - 1] == '/')
		dir[strlen(dir) - 1] = '\0';
	real = absolute(dir);
	free(dir);
	if (real == NULL) {
		imgp_fail_errno(e, IMGP_E_PLACE_INVALID, "%s", path);
		return NULL;
	}
	url = imgp_asprintf("file://%s%s%.*s%s", strcmp(real, "/") == 0 ? "" :
	    real, name == path + end ? "" : "/", (int)(path + end - name), name,
	    end < len || name == path + end ? "/" : "");
	free(real);
	return url;
}
