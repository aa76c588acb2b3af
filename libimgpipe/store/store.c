#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/store/s3.h"
#include "libimgpipe/store/store_priv.h"

struct imgp_store *
imgp_store_open(const char *base, unsigned int flags, struct imgp_err *e)
{
	struct imgp_store *st = imgp_alloc(sizeof *st);

	st->base = imgp_strdup(base);
	st->flags = flags;
	st->dir = -1;
	if (imgp_place_parse(base, &st->place, e) == -1)
		goto fail;
	if ((st->place.scheme == IMGP_FILE ? imgp_store_file_open(st, e) :
	    imgp_store_s3_open(st, e)) == 0)
		return st;
fail:
	imgp_store_close(st);
	return NULL;
}

void
imgp_store_close(struct imgp_store *st)
{
	if (st == NULL)
		return;
	if (st->kind != NULL)
		st->kind->close(st);
	imgp_place_release(&st->place);
	free(st->base);
	free(st);
}

void
imgp_store_set_owner(struct imgp_store *st, const char *account)
{
	if (st->place.scheme == IMGP_S3)
		imgp_s3_set_owner(st->s3, account);
}

/* The key that ${url} has in ${st}: the caller's to free; NULL and ${e}. */
static char *
key_of(const struct imgp_store *st, const char *url, struct imgp_err *e)
{
	struct imgp_place p;
	char *key;

	if (imgp_place_within(url, st->base, e) == -1 ||
	    imgp_place_parse(url, &p, e) == -1)
		return NULL;
	key = p.key;
	p.key = NULL;
	imgp_place_release(&p);
	return key;
}

/* --- what the kinds share ------------------------------------------------ */

int
imgp_store_errno(struct imgp_err *e, const char *key)
{
	const char *code;

	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		code = IMGP_E_STORE_NOT_FOUND;
		break;
	case EACCES:
	case EPERM:
	case ELOOP:
		code = IMGP_E_STORE_DENIED;
		break;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		code = IMGP_E_STORE_FULL;
		break;
	case EISDIR:
	case EEXIST:
	case ENOTEMPTY:
		code = IMGP_E_STORE_EXISTS;
		break;
	case ENAMETOOLONG:
		code = IMGP_E_NAME_TOO_LONG;
		break;
	default:
		code = IMGP_E_STORE_IO;
		break;
	}
	return imgp_fail_errno(e, code, "%.400s", key);
}

int
imgp_store_expected(const struct imgp_move *m, const struct imgp_object *got,
    const char *key, struct imgp_err *e)
{
	const struct imgp_object *want = m->expect;

	if (want == NULL)
		return 0;
	if (want->bytes >= 0 && want->bytes != got->bytes)
		return imgp_fail(e, IMGP_E_STORE_INTEGRITY,
		    "%.300s: %lld bytes, %lld were promised", key,
		    (long long)got->bytes, (long long)want->bytes);
	if (want->sha256[0] != '\0' && strcmp(want->sha256, got->sha256) != 0)
		return imgp_fail(e, IMGP_E_STORE_INTEGRITY,
		    "%.300s: SHA-256 %.12s..., %.12s... was promised", key,
		    got->sha256, want->sha256);
	return 0;
}

void
imgp_store_warn(struct imgp_copied *copied, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if (copied->nwarnings == IMGP_COPIED_WARNINGS)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	imgp_fail(&copied->warnings[copied->nwarnings++], IMGP_E_STORE_METADATA,
	    "%s", text);
}

void
imgp_store_progress(const struct imgp_move *m, int64_t bytes, int64_t total)
{
	if (m->progress != NULL && m->progress->moved != NULL)
		m->progress->moved(m->progress->arg, bytes, total);
}

/* --- the calls ------------------------------------------------------------ */

int
imgp_store_head(struct imgp_store *st, const char *url, int sum,
    struct imgp_object *object, struct imgp_err *e)
{
	char *key = key_of(st, url, e);
	int rc;

	if (key == NULL)
		return -1;
	rc = st->kind->head(st, key, sum, object, e);
	free(key);
	return rc;
}

int
imgp_store_remove(struct imgp_store *st, const char *url, struct imgp_err *e)
{
	char *key = key_of(st, url, e);
	int rc;

	if (key == NULL)
		return -1;
	rc = st->kind->remove(st, key, e);
	free(key);
	return rc;
}

int
imgp_store_put(struct imgp_store *st, const char *url, const void *data,
    size_t len, struct imgp_err *e)
{
	char *key = key_of(st, url, e);
	int rc;

	if (key == NULL)
		return -1;
	rc = st->kind->put(st, key, data, len, e);
	free(key);
	return rc;
}

/* ${url} is the base itself, whatever slashes stand at its end. */
static int
is_base(const struct imgp_store *st, const char *url)
{
	size_t n = strlen(st->base), m = strlen(url);

	while (n > 0 && st->base[n - 1] == '/')
		n--;
	while (m > 0 && url[m - 1] == '/')
		m--;
	return n == m && memcmp(st->base, url, n) == 0;
}

int
imgp_store_ask(struct imgp_store *st, const char *url, int write,
    struct imgp_err *e)
{
	char *near = key_of(st, url, e), *slash, *key;
	struct imgp_object o;
	struct imgp_err why;
	int rc;

	if (near == NULL)
		return -1;
	slash = strrchr(near, '/');
	key = imgp_asprintf("%.*simgp-ask",
	    slash == NULL ? 0 : (int)(slash + 1 - near), near);
	free(near);
	rc = write ? st->kind->ask(st, key, &why) :
	    st->kind->head(st, key, 0, &o, &why);
	free(key);
	if (rc == 0 || strcmp(why.code, IMGP_E_STORE_NOT_FOUND) == 0)
		return 0;
	*e = why;
	return -1;
}

/* The place ${prefix}, below the base or the base itself, taken apart. */
static int
place_in(const struct imgp_store *st, const char *prefix,
    struct imgp_place *p, struct imgp_err *e)
{
	if (!is_base(st, prefix) &&
	    imgp_place_within(prefix, st->base, e) == -1)
		return -1;
	return imgp_place_parse(prefix, p, e);
}

int
imgp_store_list(struct imgp_store *st, const char *prefix,
    imgp_store_found *fn, void *arg, struct imgp_err *e)
{
	struct imgp_place p;
	int rc;

	if (place_in(st, prefix, &p, e) == -1)
		return -1;
	rc = st->kind->list(st, p.key, fn, arg, e);
	imgp_place_release(&p);
	return rc;
}

int
imgp_store_list_unfinished(struct imgp_store *st, const char *prefix,
    imgp_store_left *fn, void *arg, struct imgp_err *e)
{
	struct imgp_place p;
	int rc;

	if (place_in(st, prefix, &p, e) == -1)
		return -1;
	rc = st->kind->list_unfinished(st, p.key, fn, arg, e);
	imgp_place_release(&p);
	return rc;
}

int
imgp_store_abandon(struct imgp_store *st, const char *url, const char *id,
    struct imgp_err *e)
{
	char *key = key_of(st, url, e);
	int rc;

	if (key == NULL)
		return -1;
	rc = st->kind->abandon(st, key, id, e);
	free(key);
	return rc;
}

/* What has_room() needs. */
struct room {
	const struct imgp_temporary *t;
	const struct imgp_move *m;
	const char	*key;
};

static int
has_room(void *arg, int64_t bytes, struct imgp_err *e)
{
	const struct room *r = arg;

	return imgp_store_file_room(r->t, r->m, bytes, r->key, e);
}

static int
download(struct imgp_store *src, const char *from, struct imgp_store *dst,
    const char *to, struct imgp_move *m, struct imgp_err *e)
{
	struct imgp_temporary t;
	struct room room = { &t, m, to };
	struct imgp_download d = { .room = has_room, .arg = &room };
	int rc = -1;

	if (imgp_store_file_begin(dst, to, &t, e) == -1)
		return -1;
	d.fd = t.fd;
	if (src->kind->download(src, from, &d, m, e) == 0 &&
	    imgp_store_expected(m, &m->copied->object, from, e) == 0 &&
	    imgp_store_file_commit(dst, to, &t, m, e) == 0)
		rc = 0;
	imgp_store_file_end(&t);
	return rc;
}

static int
upload(struct imgp_store *src, const char *from, struct imgp_store *dst,
    const char *to, struct imgp_move *m, struct imgp_err *e)
{
	int64_t bytes;
	int fd, rc;

	if ((fd = imgp_store_file_read(src, from, &bytes, e)) == -1)
		return -1;
	rc = dst->kind->upload(dst, to, fd, m, e);
	close(fd);
	return rc;
}

int
imgp_store_copy(const struct imgp_copy *c, struct imgp_copied *copied,
    struct imgp_err *e)
{
	struct imgp_move m = { c->flags, c->expect, c->progress, copied,
	    c->room, c->room_arg };
	struct imgp_store *src = c->src, *dst = c->dst;
	char *a, *b = NULL;
	int rc = -1;

	memset(copied, 0, sizeof *copied);
	copied->object.bytes = -1;
	if ((a = key_of(src, c->from, e)) == NULL ||
	    (b = key_of(dst, c->to, e)) == NULL)
		goto out;
	if (src->place.scheme == IMGP_FILE)
		rc = upload(src, a, dst, b, &m, e);
	else if (dst->place.scheme == IMGP_FILE)
		rc = download(src, a, dst, b, &m, e);
	else
		rc = src->kind->copy(src, a, dst, b, &m, e);
out:
	free(a);
	free(b);
	return rc;
}
