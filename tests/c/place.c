/* PKGS: libcjson */
#include <stdlib.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/place.h"
#include "tests/c/tap.h"

static void
good(const char *url, const char *bucket, const char *key)
{
	struct imgp_place p = { IMGP_FILE, NULL, NULL };
	struct imgp_err e = { NULL, "" };

	if (!ok(imgp_place_parse(url, &p, &e) == 0, "a place: %.60s", url))
		return;
	is(p.bucket, bucket, "... its bucket");
	is(p.key, key, "... its key");
	imgp_place_release(&p);
}

static void
bad(const char *url, const char *title)
{
	struct imgp_place p = { IMGP_FILE, NULL, NULL };
	struct imgp_err e = { NULL, "" };

	if (!ok(imgp_place_parse(url, &p, &e) == -1, "R35: no place: %s", title))
		imgp_place_release(&p);
	is(e.code, IMGP_E_PLACE_INVALID, "... by its code");
	ok(p.key == NULL && p.bucket == NULL, "... and nothing is set");
}

static void
within(const char *url, const char *base, const char *code)
{
	struct imgp_err e = { NULL, "" };

	ok(imgp_place_within(url, base, &e) == (code == NULL ? 0 : -1) &&
	    (code == NULL || strcmp(e.code, code) == 0),
	    "R35: %s is %sbelow %s", url, code == NULL ? "" : "not ", base);
}

static void
join(const char *base, const char *key, const char *want)
{
	char *s = imgp_place_join(base, key);

	is(s, want, "a base and a key");
	free(s);
}

int
main(void)
{
	char key[1100];

	good("s3://abc/k", "abc", "k");
	good("s3://abc", "abc", "");
	good("s3://abc/", "abc", "");
	good("s3://abc//k", "abc", "/k");
	good("s3://a-b.c1/\xc3\xbc +%2F=&?#\\\"", "a-b.c1",
	    "\xc3\xbc +%2F=&?#\\\"");
	good("file:///srv/images", NULL, "/srv/images");
	good("file:///", NULL, "/");
	good("file:///a/..b/.../c", NULL, "/a/..b/.../c");
	memset(key, 'k', sizeof key);
	memcpy(key, "s3://abc/", 9);
	key[9 + 1024] = '\0';
	good(key, "abc", key + 9);
	key[9 + 1024] = 'k';
	key[9 + 1025] = '\0';
	bad(key, "a key of 1025 bytes");
	bad("", "nothing");
	bad("/srv/images", "a bare path");
	bad("http://169.254.169.254/latest", "another scheme");
	bad("S3://abc/k", "a scheme in upper case");
	bad("s3://", "no bucket");
	bad("s3:///k", "an empty bucket");
	bad("s3://ab/k", "a bucket of two letters");
	bad("s3://ABC/k", "a bucket in upper case");
	bad("s3://a_c/k", "a bucket with _");
	bad("s3://a..c/k", "a bucket with two dots");
	bad("s3://-abc/k", "a bucket that begins with a dash");
	bad("s3://abc@evil/k", "a bucket with @");
	bad("s3://abc:80/k", "a bucket with a port");
	bad("s3://abc/../k", "a key that leads out");
	bad("s3://abc/a/./k", "a key with .");
	bad("s3://abc/a\nb", "a key with a newline");
	bad("s3://abc/a\xc2\x85" "b", "a key with C1");
	bad("s3://abc/a\xff", "a key that is not UTF-8");
	bad("file://host/k", "a file of a host");
	bad("file://k", "a relative file");
	bad("file:///a/../../etc/passwd", "a path that leads out");
	bad("file:///..", "a path of ..");
	bad("file:///a\x01", "a path with a control character");

	within("s3://abc/a/b", "s3://abc/a", NULL);
	within("s3://abc/a/b", "s3://abc/a/", NULL);
	within("s3://abc/a", "s3://abc", NULL);
	within("s3://abc/ab", "s3://abc/a", IMGP_E_PLACE_OUTSIDE);
	within("s3://abc/a", "s3://abc/a", IMGP_E_PLACE_OUTSIDE);
	within("s3://abc/a/", "s3://abc/a", IMGP_E_PLACE_OUTSIDE);
	within("s3://abd/a/b", "s3://abc/a", IMGP_E_PLACE_OUTSIDE);
	within("s3://abc", "s3://abc", IMGP_E_PLACE_OUTSIDE);
	within("file:///abc/a/b", "s3://abc/a", IMGP_E_PLACE_OUTSIDE);
	within("file:///srv/a/b", "file:///srv/a", NULL);
	within("file:///srv/a", "file:///", NULL);
	within("file:///srv/ab", "file:///srv/a", IMGP_E_PLACE_OUTSIDE);
	within("file:///etc/passwd", "file:///srv/a", IMGP_E_PLACE_OUTSIDE);
	within("file:///srv/a/../b", "file:///srv/a", IMGP_E_PLACE_INVALID);

	join("s3://abc", "k", "s3://abc/k");
	join("s3://abc/", "k", "s3://abc/k");
	join("s3://abc/p//", "k/l", "s3://abc/p/k/l");
	join("s3://abc", "/k", "s3://abc//k");
	join("file:///", "k", "file:///k");
	join("file:///srv", "k", "file:///srv/k");
	return done_testing();
}
