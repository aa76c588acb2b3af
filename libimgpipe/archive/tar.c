#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/archive/tar.h"

#define BLOCK	((size_t)IMGP_TAR_BLOCK)

/* Fields of a header block. */
#define SIZE_AT		124
#define SIZE_LEN	12
#define SUM_AT		148
#define SUM_LEN		8
#define TYPE_AT		156

struct imgp_tar {
	imgp_tar_read	*read;
	void		*arg;
	uint64_t	 pos;
	uint64_t	 left;		/* of the member's data */
	uint64_t	 pad;
};

struct imgp_tar *
imgp_tar_new(imgp_tar_read *read, void *arg)
{
	struct imgp_tar *t = imgp_alloc(sizeof *t);

	t->read = read;
	t->arg = arg;
	return t;
}

void
imgp_tar_free(struct imgp_tar *t)
{
	free(t);
}

static int
unsafe(const struct imgp_tar *t, const char *what, struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_ARCHIVE_UNSAFE, "tar: %s at byte %llu",
	    what, (unsigned long long)t->pos);
}

/* Its data would be changed without its map: whoever made it can do without. */
static int
sparse(const struct imgp_tar *t, struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_ARCHIVE_METHOD, "tar: a sparse file at byte "
	    "%llu; to be packed as ZIP, or by tar without --sparse (macOS' and "
	    "bsdtar: with --no-read-sparse)", (unsigned long long)t->pos);
}

static int
damaged(const struct imgp_tar *t, const char *what, struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED, "tar: %s at byte %llu",
	    what, (unsigned long long)t->pos);
}

/* Read exactly ${len} bytes, or skip them: 1; 0 at the end; -1. */
static int
get(struct imgp_tar *t, unsigned char *buf, uint64_t len, struct imgp_err *e)
{
	uint64_t done = 0;
	long n;

	while (done < len) {
		n = t->read(t->arg, buf == NULL ? NULL : buf + done,
		    len - done < (1u << 30) ? (size_t)(len - done) : 1u << 30,
		    e);
		if (n == -1)
			return -1;
		if (n == 0 && done == 0)
			return 0;
		if (n == 0)
			return damaged(t, "it is cut short", e);
		done += (uint64_t)n;
		t->pos += (uint64_t)n;
	}
	return 1;
}

/* --- fields ----------------------------------------------------------------- */

/* Octal digits between spaces and NULs; 0, or -1. */
static int
get_octal(const unsigned char *p, size_t len, uint64_t *v)
{
	size_t i = 0;

	while (i < len && p[i] == ' ')
		i++;
	for (*v = 0; i < len && p[i] >= '0' && p[i] <= '7'; i++)
		*v = *v * 8 + (uint64_t)(p[i] - '0');
	for (; i < len; i++)
		if (p[i] != ' ' && p[i] != '\0')
			return -1;
	return 0;
}

int
imgp_tar_get_size(const unsigned char *p, uint64_t *v)
{
	size_t i;

	if (!(p[SIZE_AT] & 0x80))
		return get_octal(p + SIZE_AT, SIZE_LEN, v);
	/* GNU: binary, big endian; negative ones make no sense. */
	if (p[SIZE_AT] != 0x80)
		return -1;
	for (*v = 0, i = 1; i < SIZE_LEN; i++) {
		if (*v >> 55 != 0)
			return -1;
		*v = *v << 8 | p[SIZE_AT + i];
	}
	return 0;
}

static unsigned int
sum_of(const unsigned char *p)
{
	unsigned int sum = 0;
	size_t i;

	for (i = 0; i < BLOCK; i++)
		sum += i >= SUM_AT && i < SUM_AT + SUM_LEN ? ' ' : p[i];
	return sum;
}

int
imgp_tar_is_header(const unsigned char *p)
{
	uint64_t stated;

	return p[0] != '\0' && get_octal(p + SUM_AT, SUM_LEN, &stated) == 0 &&
	    stated == sum_of(p);
}

/* Put ${v} over the octal digits of a field, in its style.  -1: no room. */
static int
put_octal(unsigned char *p, size_t len, uint64_t v)
{
	size_t i, end = len;
	unsigned char fill;

	while (end > 0 && (p[end - 1] == ' ' || p[end - 1] == '\0'))
		end--;
	if (end == 0)
		return -1;
	fill = p[0] == ' ' ? ' ' : '0';
	for (i = end; i > 0; i--) {
		p[i - 1] = v == 0 && i < end ? fill :
		    (unsigned char)('0' + (v & 7));
		v >>= 3;
	}
	return v == 0 ? 0 : -1;
}

int
imgp_tar_set_size(unsigned char block[IMGP_TAR_BLOCK], uint64_t size,
    struct imgp_err *e)
{
	unsigned char *p = block + SIZE_AT;
	size_t i;

	if (p[0] == 0x80)
		for (i = SIZE_LEN; i > 1; i--, size >>= 8)
			p[i - 1] = (unsigned char)size;
	else if (put_octal(p, SIZE_LEN, size) == -1)
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "tar: no room for the new size");
	if (put_octal(block + SUM_AT, SUM_LEN, sum_of(block)) == -1)
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "tar: no room for the new sum");
	return 0;
}

/* --- pax --------------------------------------------------------------------- */

/*
 * The record at ${p}: "LENGTH KEY=VALUE\n".  Its length, with ${*key} and
 * ${*value} (ended by the newline); 0 when it is malformed.
 */
static size_t
record(const char *p, size_t len, const char **key, const char **value)
{
	size_t n = 0, i;

	for (i = 0; i < len && i < 8 && p[i] >= '0' && p[i] <= '9'; i++)
		n = n * 10 + (size_t)(p[i] - '0');
	if (i == 0 || i >= len || p[i] != ' ' || n > len || n < i + 4 ||
	    p[n - 1] != '\n')
		return 0;
	*key = p + i + 1;
	*value = memchr(*key, '=', n - i - 2);
	if (*value == NULL)
		return 0;
	++*value;
	return n;
}

static int
is_key(const char *key, const char *value, const char *name)
{
	size_t n = strlen(name);

	return (size_t)(value - key) == n + 1 && memcmp(key, name, n) == 0;
}

/* What we use of a pax header. */
static int
read_pax(struct imgp_tar *t, const char *p, size_t len, int global,
    struct imgp_tar_member *m, struct imgp_err *e)
{
	const char *key, *value;
	uint64_t size;
	size_t n, i, digits;

	for (; len > 0; p += n, len -= n) {
		if ((n = record(p, len, &key, &value)) == 0)
			return unsafe(t, "a pax header is broken", e);
		if (strncmp(key, "GNU.sparse.", 11) == 0)
			return sparse(t, e);
		if (!is_key(key, value, "size"))
			continue;
		digits = (size_t)(p + n - 1 - value);
		for (size = 0, i = 0; i < digits && i < 19 && value[i] >= '0' &&
		    value[i] <= '9'; i++)
			size = size * 10 + (uint64_t)(value[i] - '0');
		if (i != digits || i == 0 || global || m->pax_size)
			return unsafe(t, "a pax header's size is broken", e);
		m->size = size;
		m->pax_size = 1;
	}
	return 0;
}

void
imgp_tar_pax_size(const char *old, size_t len, uint64_t size,
    struct imgp_buf *out)
{
	const char *key, *value;
	char text[64];
	size_t n, k, total;

	for (; len > 0; old += n, len -= n) {
		if ((n = record(old, len, &key, &value)) == 0)
			return;		/* it has been read before */
		if (!is_key(key, value, "size")) {
			imgp_buf_add(out, old, n);
			continue;
		}
		snprintf(text, sizeof text, " size=%llu\n",
		    (unsigned long long)size);
		k = strlen(text);
		total = k + 2;		/* always two digits */
		imgp_buf_printf(out, "%zu%s", total, text);
	}
}

/* --- members ------------------------------------------------------------------- */

/* The data of an extension header, at most ${max}; NULL and ${e}. */
static char *
extension(struct imgp_tar *t, uint64_t size, struct imgp_err *e)
{
	char *p;
	int rc;

	if (size > IMGP_TAR_PAX_MAX) {
		imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "tar: an extended header is too long");
		return NULL;
	}
	p = imgp_alloc((size_t)size + BLOCK);
	rc = get(t, (unsigned char *)p, (size + BLOCK - 1) / BLOCK * BLOCK, e);
	if (rc != 1 && size > 0) {
		if (rc == 0)
			damaged(t, "it is cut short", e);
		free(p);
		return NULL;
	}
	return p;
}

/* Only zeros may follow the end. */
static int
finish(struct imgp_tar *t, struct imgp_err *e)
{
	unsigned char buf[8192];
	size_t i;
	long n;

	while ((n = t->read(t->arg, buf, sizeof buf, e)) > 0) {
		for (i = 0; i < (size_t)n; i++)
			if (buf[i] != 0)
				return unsafe(t, "something follows its end", e);
		t->pos += (uint64_t)n;
	}
	return n == -1 ? -1 : 0;
}

static int
is_mac(const unsigned char *block)
{
	const char *name = (const char *)block, *base;
	size_t n = strnlen(name, 100);

	for (base = name + n; base > name && base[-1] != '/'; base--)
		;
	n -= (size_t)(base - name);
	return (n >= 2 && memcmp(base, "._", 2) == 0) ||
	    (n == 9 && memcmp(base, ".DS_Store", 9) == 0) ||
	    strncmp(name, "__MACOSX/", 9) == 0;
}

/* The header proper, in m->block, after its extensions. */
static int
classify(struct imgp_tar *t, struct imgp_tar_member *m, struct imgp_err *e)
{
	uint64_t size;

	if (imgp_tar_get_size(m->block, &size) == -1)
		return unsafe(t, "a size is broken", e);
	if (!m->pax_size)
		m->size = size;
	switch (m->block[TYPE_AT]) {
	case '\0':
	case '0':
	case '7':
		m->type = is_mac(m->block) ? IMGP_TAR_MAC : IMGP_TAR_FILE;
		/* v7 marks a directory by its name alone.  Where it has data,
		 * some readers take it for a file, others read its data as
		 * headers. */
		if (m->block[TYPE_AT] != '\0' ||
		    m->block[strnlen((char *)m->block, 100) - 1] != '/')
			return 0;
		m->type = IMGP_TAR_DIR;
		break;
	case '1':
	case '2':
		m->type = IMGP_TAR_LINK;
		break;
	case '5':
		m->type = IMGP_TAR_DIR;
		break;
	case '3':
	case '4':
	case '6':
		m->type = IMGP_TAR_SPECIAL;
		break;
	case 'V':
		m->type = IMGP_TAR_LABEL;
		break;
	case 'S':
		return sparse(t, e);
	case 'M':
		return imgp_fail(e, IMGP_E_ARCHIVE_METHOD,
		    "tar: a file that began in another archive");
	default:
		return imgp_fail(e, IMGP_E_ARCHIVE_METHOD,
		    "tar: a member of an unknown kind");
	}
	if (m->size != 0)
		return unsafe(t, "a member without data has a size", e);
	return 0;
}

/* Apply the extension header in m->block.  0 or -1. */
static int
extend(struct imgp_tar *t, struct imgp_tar_member *m, int *seen,
    struct imgp_err *e)
{
	int type = m->block[TYPE_AT], bit, rc = 0;
	uint64_t size, at = t->pos - BLOCK;
	char *p;

	bit = type == 'x' ? 1 : type == 'L' ? 2 : type == 'K' ? 4 : 8;
	if ((*seen & bit) && bit != 8)
		return unsafe(t, "an extended header stands twice", e);
	*seen |= bit;
	if (imgp_tar_get_size(m->block, &size) == -1)
		return unsafe(t, "a size is broken", e);
	if ((p = extension(t, size, e)) == NULL)
		return -1;
	if (type == 'x' || type == 'g')
		rc = read_pax(t, p, (size_t)size, type == 'g', m, e);
	if (type == 'x')
		m->pax = at;
	free(p);
	return rc;
}

int
imgp_tar_next(struct imgp_tar *t, struct imgp_tar_member *m,
    struct imgp_err *e)
{
	uint64_t rest = t->left + t->pad;
	int seen = 0, rc;

	if (rest > 0 && (rc = get(t, NULL, rest, e)) != 1)
		return rc == -1 ? -1 : damaged(t, "it is cut short", e);
	t->left = t->pad = 0;
	memset(m, 0, sizeof *m);
	m->start = m->pax = t->pos;
	for (;;) {
		m->main = t->pos;
		if ((rc = get(t, m->block, BLOCK, e)) == -1)
			return -1;
		if (rc == 0)
			return damaged(t, "the zeros that end it are missing, perhaps members, too,", e);
		if (m->block[0] == '\0') {
			static const unsigned char zero[IMGP_TAR_BLOCK];

			if (seen != 0 || memcmp(m->block, zero, BLOCK) != 0)
				return damaged(t, "a header is broken", e);
			return finish(t, e);
		}
		if (!imgp_tar_is_header(m->block))
			return damaged(t, "a header's sum is wrong", e);
		if (strchr("xgLK", m->block[TYPE_AT]) == NULL ||
		    m->block[TYPE_AT] == '\0')
			break;
		if (extend(t, m, &seen, e) == -1)
			return -1;
	}
	if (!(seen & 1))
		m->pax = m->main;
	if (classify(t, m, e) == -1)
		return -1;
	m->data = t->pos;
	if (m->size > UINT64_MAX / 4)
		return unsafe(t, "a size is broken", e);
	t->left = m->size;
	t->pad = (BLOCK - m->size % BLOCK) % BLOCK;
	m->next = m->data + t->left + t->pad;
	return 1;
}

long
imgp_tar_data(struct imgp_tar *t, void *buf, size_t len, struct imgp_err *e)
{
	long n;

	if (len > t->left)
		len = (size_t)t->left;
	if (len == 0)
		return 0;
	if ((n = t->read(t->arg, buf, len, e)) == -1)
		return -1;
	if (n == 0)
		return damaged(t, "it is cut short", e);
	t->left -= (uint64_t)n;
	t->pos += (uint64_t)n;
	return n;
}
