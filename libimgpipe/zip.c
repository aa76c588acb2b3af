#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>

#include "libimgpipe/buf.h"
#include "libimgpipe/zip.h"

#define SIG_LOCAL	0x04034b50u
#define SIG_CENTRAL	0x02014b50u
#define SIG_SIGNATURE	0x05054b50u
#define SIG_DESCRIPTOR	0x08074b50u
#define SIG_END		0x06054b50u
#define SIG_END64	0x06064b50u
#define SIG_LOCATOR	0x07064b50u

#define LOCAL		30		/* fixed parts of the records */
#define CENTRAL		46
#define END		22
#define END64		56
#define LOCATOR		20
#define EXTRA64		0x0001
#define EXTRA64_MAX	64		/* bytes; 28 are defined */

#define MAX16		0xffffu
#define MAX32		0xffffffffu

#define FLAG_ENCRYPTED	0x0001u
#define FLAG_DESCRIPTOR	0x0008u
#define FLAG_PATCH	0x0020u
#define FLAG_STRONG	0x0040u
#define FLAG_MASKED	0x2000u
/* Flags that change how the data are read. */
#define FLAGS_READING	(FLAG_ENCRYPTED | FLAG_PATCH | FLAG_STRONG | FLAG_MASKED)

#define WINDOW		((size_t)256 << 10)	/* above the longest record */
#define TAIL		((size_t)192 << 10)	/* where the end is looked for, */
#define PIECE		((size_t)16 << 10)	/* so much at a time */

const struct imgp_zip_limits imgp_zip_limits = {
	.members = 100000,
	.bytes = (uint64_t)1 << 40,
	.ratio = 200,
	.ratio_from = (uint64_t)64 << 20,
};

/* Where a directory is, and what its end records say of it. */
struct ending {
	uint64_t	 end, end64;	/* the end records; end64 0: none */
	uint64_t	 said64;	/* where the locator says that end64 is */
	uint64_t	 cd, cd_size;	/* the directory, where it really is */
	uint64_t	 count;
	uint64_t	 base;		/* what all stated offsets lack */
	unsigned int	 comment;
};

struct imgp_zip {
	int		 fd;
	uint64_t	 size;
	struct ending	 at;
	struct imgp_zip_member *m;
	size_t		 n;
	uint32_t	*order;
	uint64_t	 tight;		/* the last header whose record has no
					 * room for a zip64 offset, or 0: all
					 * have (the first never moves) */
};

static uint32_t
get16(const unsigned char *p)
{
	return (uint32_t)p[1] << 8 | p[0];
}

static uint32_t
get32(const unsigned char *p)
{
	return get16(p + 2) << 16 | get16(p);
}

static uint64_t
get64(const unsigned char *p)
{
	return (uint64_t)get32(p + 4) << 32 | get32(p);
}

static void
put16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)v;
	p[1] = (unsigned char)(v >> 8);
}

static void
put32(unsigned char *p, uint64_t v)
{
	put16(p, (uint32_t)v & MAX16);
	put16(p + 2, (uint32_t)(v >> 16) & MAX16);
}

static void
put64(unsigned char *p, uint64_t v)
{
	put32(p, v & MAX32);
	put32(p + 4, v >> 32);
}

/* --- the end of the archive ----------------------------------------------- */

/*
 * The zip64 records in front of ${p} (at t->end): 1 there, 0 not, -1 bad.  The
 * end record is where the locator says, or, where bytes stand before the
 * archive, right in front of the locator: is_end() sees whether that is so.
 */
static int
read_end64(int fd, const unsigned char *p, struct ending *t)
{
	unsigned char loc[LOCATOR], r[END64];
	uint64_t at, len;
	int tries;

	if (t->end < LOCATOR + END64 ||
	    imgp_pread(fd, loc, LOCATOR, t->end - LOCATOR, NULL) == -1 ||
	    get32(loc) != SIG_LOCATOR)
		return 0;
	if (get32(loc + 4) != 0 || get32(loc + 16) > 1)
		return -1;
	t->said64 = at = get64(loc + 8);
	for (tries = 0; tries < 2; tries++, at = t->end - LOCATOR - END64) {
		if (at > t->end - LOCATOR - END64 ||
		    imgp_pread(fd, r, END64, at, NULL) == -1 ||
		    get32(r) != SIG_END64)
			continue;
		len = get64(r + 4);
		if (len != t->end - LOCATOR - at - 12)
			continue;
		/* What both records state, they must state alike. */
		if (get32(r + 16) != 0 || get32(r + 20) != 0 ||
		    get64(r + 24) != get64(r + 32) ||
		    (get16(p + 10) != MAX16 && get16(p + 10) != get64(r + 32)) ||
		    (get32(p + 12) != MAX32 && get32(p + 12) != get64(r + 40)) ||
		    (get32(p + 16) != MAX32 && get32(p + 16) != get64(r + 48)))
			return -1;
		t->end64 = at;
		t->count = get64(r + 32);
		t->cd_size = get64(r + 40);
		t->cd = get64(r + 48);
		return 1;
	}
	return -1;
}

/* Is the record ${p}, at ${pos}, the end of an archive?  1, 0; -1: of a part;
 * -2: it is, but its locator points elsewhere. */
static int
is_end(int fd, const unsigned char *p, uint64_t pos, uint64_t size,
    struct ending *t)
{
	unsigned char sig[4];
	uint64_t end;
	int rc;

	memset(t, 0, sizeof *t);
	t->end = pos;
	t->comment = get16(p + 20);
	if (t->comment > size - pos - END)
		return 0;
	t->count = get16(p + 10);
	t->cd_size = get32(p + 12);
	t->cd = get32(p + 16);
	if ((rc = read_end64(fd, p, t)) == -1)
		return 0;
	if (rc == 0 && (t->cd_size == MAX32 || t->cd == MAX32))
		return 0;
	if ((get16(p + 4) != 0 && get16(p + 4) != MAX16) ||
	    (get16(p + 6) != 0 && get16(p + 6) != MAX16) ||
	    get16(p + 8) != get16(p + 10))
		return -1;
	end = t->end64 != 0 ? t->end64 : t->end;
	if (t->cd_size > end || t->cd > end - t->cd_size ||
	    t->count > t->cd_size / CENTRAL || (t->count == 0) != (t->cd_size == 0))
		return 0;
	t->base = end - t->cd_size - t->cd;
	t->cd += t->base;
	if (t->count != 0 && (imgp_pread(fd, sig, 4, t->cd, NULL) == -1 ||
	    get32(sig) != SIG_CENTRAL))
		return 0;
	/* All offsets lack the same. */
	return t->end64 == 0 || t->end64 - t->base == t->said64 ? 1 : -2;
}

/*
 * Find the end record.  The last one that fits counts, unless it lies in the
 * comment of another that fits: then nobody can say which was meant.
 */
static int
find_end(int fd, uint64_t size, struct ending *t, struct imgp_err *e)
{
	unsigned char buf[PIECE + END - 1], *p;
	uint64_t last = size < TAIL ? 0 : size - TAIL, from, next;
	struct ending c;
	int found = 0, part = 0, is;

	/* ${next}: behind the last place that was not looked at. */
	for (next = size < END ? 0 : size - END + 1; next > last; next = from) {
		from = next - last < PIECE ? last : next - PIECE;
		if (imgp_pread(fd, buf, (size_t)(next - from) + END - 1, from,
		    e) == -1)
			return -1;
		p = buf + (next - from);
		while ((p = memrchr(buf, 'P', (size_t)(p - buf))) != NULL) {
			if (get32(p) != SIG_END)
				continue;
			is = is_end(fd, p, from + (uint64_t)(p - buf), size, &c);
			part |= is == -1;
			if (is == -2 && !found)
				return imgp_fail(e, IMGP_E_ARCHIVE_UNSAFE,
				    "its zip64 end record is not where its "
				    "locator says");
			if (is != 1)
				continue;
			if (!found) {
				*t = c;
				found = 1;
			} else if (c.end + END + c.comment > t->end)
				return imgp_fail(e, IMGP_E_ARCHIVE_UNSAFE,
				    "it has two directories");
		}
	}
	if (found)
		return 0;
	return part ? imgp_fail(e, IMGP_E_ARCHIVE_METHOD,
	    "it is one part of an archive in several") :
	    imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED,
	    "its directory is not there or does not fit");
}

static int
file_size(int fd, uint64_t *size, struct imgp_err *e)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "stat");
	if (!S_ISREG(st.st_mode))
		return imgp_fail(e, IMGP_E_STORE_IO, "not a regular file");
	*size = (uint64_t)st.st_size;
	return 0;
}

int
imgp_zip_probe(int fd, struct imgp_err *e)
{
	struct imgp_err why = { NULL, "" };
	struct ending t;
	uint64_t size;

	if (file_size(fd, &size, e) == -1)
		return -1;
	if (size < END)
		return 0;
	if (find_end(fd, size, &t, &why) == 0)
		return t.count > 0;
	if (strcmp(why.code, IMGP_E_STORE_IO) == 0) {
		*e = why;
		return -1;
	}
	return strcmp(why.code, IMGP_E_ARCHIVE_UNSAFE) == 0;
}

/* --- records -------------------------------------------------------------- */

/* The extra field ${id} in ${len} bytes at ${p}: its data and ${*n}, or NULL. */
static unsigned char *
extra(unsigned char *p, size_t len, uint32_t id, size_t *n)
{
	size_t k;

	while (len >= 4) {
		k = get16(p + 2);
		if (k > len - 4)
			return NULL;
		if (get16(p) == id) {
			*n = k;
			return p + 4;
		}
		p += 4 + k;
		len -= 4 + k;
	}
	return NULL;
}

/* The next zip64 value for a field that is full, or the field's own. */
static int
full(uint64_t *v, unsigned char **x, size_t *n)
{
	if (*v != MAX32)
		return 0;
	if (*x == NULL || *n < 8)
		return -1;
	*v = get64(*x);
	*x += 8;
	*n -= 8;
	return 0;
}

static int
unsafe(struct imgp_err *e, size_t i, const char *what)
{
	return imgp_fail(e, IMGP_E_ARCHIVE_UNSAFE, "member %zu: %s", i + 1,
	    what);
}

/* Every extra field fits; up to 3 bytes of padding are left over by some. */
static int
extras_fit(const unsigned char *p, size_t len)
{
	size_t k;

	for (; len >= 4; p += 4 + k, len -= 4 + k)
		if ((k = get16(p + 2)) > len - 4)
			return 0;
	return 1;
}

/* A size in a local header; 0 where it is left to the descriptor. */
static int
local_size(uint64_t *v, int later, unsigned char **x, size_t *n)
{
	if (later && *v == MAX32 && (*x == NULL || *n < 8)) {
		*v = 0;
		return 0;
	}
	return full(v, x, n);
}

/* A field of a local header that may be left to the descriptor. */
static int
agrees(uint64_t local, uint64_t central, int later)
{
	return local == central || (later && local == 0);
}

/* How many bytes the descriptor behind the data has; -1: there is none. */
static int
descriptor(const unsigned char *p, size_t n, const struct imgp_zip_member *m)
{
	unsigned int sig = n >= 4 && get32(p) == SIG_DESCRIPTOR ? 4 : 0;

	for (;; sig = 0) {
		if (n >= 20u + sig && get32(p + sig) == m->crc &&
		    get64(p + sig + 4) == m->csize &&
		    get64(p + sig + 12) == m->size)
			return (int)sig + 20;
		if (n >= 12u + sig && get32(p + sig) == m->crc &&
		    get32(p + sig + 4) == (m->csize & MAX32) &&
		    get32(p + sig + 8) == (m->size & MAX32))
			return (int)sig + 12;
		if (sig == 0)
			return -1;
	}
}

/*
 * Compare the local header of member ${i} with what its directory record ${c}
 * (with the name behind it) said, and find where its data begin and end.
 */
static int
check_local(struct imgp_zip *z, size_t i, const unsigned char *c,
    unsigned char *buf, struct imgp_err *e)
{
	struct imgp_zip_member *m = &z->m[i];
	uint64_t csize, size, room = z->at.cd;
	size_t nlen = get16(c + 28), n, xn = 0;
	unsigned char *x;
	uint32_t flags;
	int later, d;

	if (m->local > room || room - m->local < LOCAL + nlen)
		return unsafe(e, i, "it lies outside the archive");
	n = LOCAL + nlen + 64;
	if (n > room - m->local)
		n = (size_t)(room - m->local);
	if (imgp_pread(z->fd, buf, n, m->local, e) == -1)
		return -1;
	if (get32(buf) != SIG_LOCAL)
		return unsafe(e, i, "its header is not where the directory says");
	m->data = m->local + LOCAL + get16(buf + 26) + get16(buf + 28);
	if (m->data > room || m->csize > room - m->data)
		return unsafe(e, i, "its data reach into the directory");
	if (LOCAL + nlen + get16(buf + 28) > n &&
	    imgp_pread(z->fd, buf, LOCAL + nlen + get16(buf + 28), m->local,
	    e) == -1)
		return -1;
	flags = get16(buf + 6);
	later = (flags & FLAG_DESCRIPTOR) != 0;
	csize = get32(buf + 18);
	size = get32(buf + 22);
	x = extra(buf + LOCAL + nlen, get16(buf + 28), EXTRA64, &xn);
	if (get16(buf + 26) != nlen ||
	    memcmp(buf + LOCAL, c + CENTRAL, nlen) != 0)
		return unsafe(e, i, "its two names differ");
	if (get16(buf + 8) != m->method ||
	    ((flags ^ get16(c + 8)) & FLAGS_READING) != 0)
		return unsafe(e, i, "its two headers differ");
	if (!extras_fit(buf + LOCAL + nlen, get16(buf + 28)))
		return unsafe(e, i, "its extra fields do not fit");
	if (local_size(&size, later, &x, &xn) == -1 ||
	    local_size(&csize, later, &x, &xn) == -1 ||
	    !agrees(get32(buf + 14), m->crc, later) ||
	    !agrees(csize, m->csize, later) || !agrees(size, m->size, later))
		return unsafe(e, i, "its two headers differ");
	m->end = m->data + m->csize;
	if (!later)
		return 0;
	n = room - m->end < 24 ? (size_t)(room - m->end) : 24;
	later = get32(buf + 14) == 0 || csize == 0;
	if (imgp_pread(z->fd, buf, n, m->end, e) == -1)
		return -1;
	if ((d = descriptor(buf, n, m)) == -1) {
		/* Some say "later" and yet said all at once. */
		if (later && (m->crc != 0 || m->csize != 0))
			return unsafe(e, i, "its descriptor differs");
		return 0;
	}
	m->descriptor = (unsigned char)d;
	m->end += (uint64_t)d;
	return 0;
}

static int
is_suffix(const unsigned char *s, size_t n, const char *what)
{
	size_t k = strlen(what);

	return n >= k && memcmp(s + n - k, what, k) == 0;
}

/* A name that ends in '/' is a folder's only where nothing is in it. */
static enum imgp_zip_type
type_of(const unsigned char *c, uint64_t content)
{
	const unsigned char *name = c + CENTRAL, *base;
	size_t n = get16(c + 28), k;
	uint32_t mode = get16(c + 4) >> 8 == 3 ? get32(c + 38) >> 16 : 0;

	if ((mode & S_IFMT) == S_IFLNK)
		return IMGP_ZIP_LINK;
	if (n > 0 && name[n - 1] == '/' && content == 0)
		return IMGP_ZIP_DIR;
	for (k = n; k > 0 && name[k - 1] != '/'; k--)
		;
	base = name + k;
	if ((n >= 9 && memcmp(name, "__MACOSX/", 9) == 0) ||
	    (n - k >= 2 && base[0] == '.' && base[1] == '_') ||
	    (is_suffix(name, n, ".DS_Store") && n - k == 9))
		return IMGP_ZIP_MAC;
	return IMGP_ZIP_FILE;
}

/* Can the offset in the record ${c} move into its zip64 field of ${n} bytes,
 * or, when ${x} is NULL, into a new one? */
static int
has_room(const unsigned char *c, const unsigned char *x, size_t n)
{
	return get32(c + 42) == MAX32 || (n + 8 <= EXTRA64_MAX &&
	    get16(c + 30) + (x == NULL ? 12u : 8u) <= MAX16);
}

/* A directory record, complete at ${c}. */
static int
read_central(struct imgp_zip *z, size_t i, unsigned char *c, unsigned char *buf,
    struct imgp_err *e)
{
	struct imgp_zip_member *m = &z->m[i];
	uint32_t flags = get16(c + 8), disk = get16(c + 34);
	size_t n = 0;
	unsigned char *x;
	int room;

	memset(m, 0, sizeof *m);
	m->method = (uint16_t)get16(c + 10);
	m->crc = get32(c + 16);
	m->csize = get32(c + 20);
	m->size = get32(c + 24);
	m->local = get32(c + 42);
	x = extra(c + CENTRAL + get16(c + 28), get16(c + 30), EXTRA64, &n);
	if (!extras_fit(c + CENTRAL + get16(c + 28), get16(c + 30)))
		return unsafe(e, i, "its extra fields do not fit");
	if (n > EXTRA64_MAX)
		return unsafe(e, i, "its zip64 field is too long");
	room = has_room(c, x, n);
	if (full(&m->size, &x, &n) == -1 || full(&m->csize, &x, &n) == -1 ||
	    full(&m->local, &x, &n) == -1)
		return unsafe(e, i, "its zip64 field is not there");
	if (disk != 0 && (disk != MAX16 || n < 4 || get32(x) != 0))
		return imgp_fail(e, IMGP_E_ARCHIVE_METHOD,
		    "member %zu: it is in another part of the archive", i + 1);
	if (m->local > z->at.cd - z->at.base)
		return unsafe(e, i, "it lies outside the archive");
	m->local += z->at.base;
	if (!room && m->local > z->tight)
		z->tight = m->local;
	m->type = (unsigned char)type_of(c, m->size);
	if (check_local(z, i, c, buf, e) == -1)
		return -1;
	if ((flags & FLAGS_READING) != 0 || m->method == 99)
		return imgp_fail(e, IMGP_E_ARCHIVE_ENCRYPTED,
		    "member %zu is encrypted", i + 1);
	if (m->method != IMGP_ZIP_STORED && m->method != IMGP_ZIP_DEFLATED)
		return imgp_fail(e, IMGP_E_ARCHIVE_METHOD,
		    "member %zu is compressed by method %u", i + 1, m->method);
	/* Deflate's best is 1032 to 1. */
	if (m->method == IMGP_ZIP_STORED ? m->csize != m->size :
	    m->size / 1032 > m->csize)
		return unsafe(e, i, "its sizes cannot be right");
	return 0;
}

static int
read_directory(struct imgp_zip *z, struct imgp_err *e)
{
	uint64_t pos = z->at.cd, end = z->at.cd + z->at.cd_size, have = 0;
	unsigned char *win = imgp_alloc(WINDOW), *buf = imgp_alloc(WINDOW), *c;
	size_t start = 0, len;
	int rc = -1;

	while (pos < end) {
		if (have - start < CENTRAL + 3 * MAX16 &&
		    end - pos > have - start) {
			memmove(win, win + start, (size_t)have - start);
			have -= start;
			start = 0;
			len = WINDOW - (size_t)have;
			if (len > end - pos - have)
				len = (size_t)(end - pos - have);
			if (imgp_pread(z->fd, win + have, len, pos + have,
			    e) == -1)
				goto out;
			have += len;
		}
		c = win + start;
		if (have - start >= 6 && get32(c) == SIG_SIGNATURE &&
		    z->n == z->at.count && get16(c + 4) == end - pos - 6) {
			pos = end;
			break;
		}
		if (have - start < CENTRAL || get32(c) != SIG_CENTRAL ||
		    z->n == z->at.count) {
			unsafe(e, z->n, "the directory does not go on here");
			goto out;
		}
		len = CENTRAL + get16(c + 28) + get16(c + 30) + get16(c + 32);
		if (len > have - start) {
			unsafe(e, z->n, "its record leaves the directory");
			goto out;
		}
		if (read_central(z, z->n, c, buf, e) == -1)
			goto out;
		z->m[z->n++].central = pos;
		start += len;
		pos += len;
	}
	if (z->n != z->at.count)
		unsafe(e, z->n, "the directory says there are more");
	else
		rc = 0;
out:
	free(buf);
	free(win);
	return rc;
}

static int
by_offset(const void *a, const void *b, void *arg)
{
	const struct imgp_zip_member *m = arg;
	uint64_t x = m[*(const uint32_t *)a].local;
	uint64_t y = m[*(const uint32_t *)b].local;

	return x < y ? -1 : x > y;
}

/*
 * No byte belongs to two members, a member that the file begins with is one of
 * them (else this is the directory of an archive inside another that has lost
 * its own), and the sizes stay within the limits.
 */
static int
check_whole(struct imgp_zip *z, const struct imgp_zip_limits *lim,
    struct imgp_err *e)
{
	uint64_t bytes = 0, data = 0, end = 0;
	struct imgp_zip_member *m;
	unsigned char first[4];
	size_t k;

	z->order = imgp_alloc(z->n * sizeof *z->order);
	for (k = 0; k < z->n; k++)
		z->order[k] = (uint32_t)k;
	qsort_r(z->order, z->n, sizeof *z->order, by_offset, z->m);
	if (imgp_pread(z->fd, first, sizeof first, 0, e) == -1)
		return -1;
	if (get32(first) == SIG_LOCAL &&
	    (z->n == 0 || z->m[z->order[0]].local != 0))
		return imgp_fail(e, IMGP_E_ARCHIVE_UNSAFE,
		    "it begins with a member that is not in its directory");
	for (k = 0; k < z->n; k++) {
		m = &z->m[z->order[k]];
		if (m->local < end)
			return unsafe(e, z->order[k], "it overlaps another");
		end = m->end;
		data += m->csize;
		if (m->size > lim->bytes - bytes)
			return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
			    "it unpacks to more than %llu bytes",
			    (unsigned long long)lim->bytes);
		bytes += m->size;
	}
	if (end > z->at.cd)
		return unsafe(e, z->order[z->n - 1],
		    "it reaches into the directory");
	if (bytes > lim->ratio_from && bytes / lim->ratio > data)
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "it unpacks to more than %llu times its size",
		    (unsigned long long)lim->ratio);
	return 0;
}

struct imgp_zip *
imgp_zip_open(int fd, const struct imgp_zip_limits *lim, struct imgp_err *e)
{
	struct imgp_zip *z = imgp_alloc(sizeof *z);

	if (lim == NULL)
		lim = &imgp_zip_limits;
	z->fd = fd;
	if (file_size(fd, &z->size, e) == -1 ||
	    find_end(fd, z->size, &z->at, e) == -1)
		goto fail;
	if (z->at.count > lim->members || z->at.count > UINT32_MAX) {
		imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "it has more than %llu members",
		    (unsigned long long)lim->members);
		goto fail;
	}
	z->m = imgp_alloc((size_t)z->at.count * sizeof *z->m);
	if (read_directory(z, e) == -1 || check_whole(z, lim, e) == -1)
		goto fail;
	return z;
fail:
	imgp_zip_free(z);
	return NULL;
}

void
imgp_zip_free(struct imgp_zip *z)
{
	if (z == NULL)
		return;
	free(z->order);
	free(z->m);
	free(z);
}

size_t
imgp_zip_count(const struct imgp_zip *z)
{
	return z->n;
}

const struct imgp_zip_member *
imgp_zip_at(const struct imgp_zip *z, size_t i)
{
	return &z->m[i];
}

size_t
imgp_zip_in_order(const struct imgp_zip *z, size_t k)
{
	return z->order[k];
}

/* --- writing -------------------------------------------------------------- */

/* What becomes of a member. */
struct fate {
	uint64_t	 local, csize, size;
	uint32_t	 crc;
};

struct imgp_zip_writer {
	struct imgp_zip	*z;
	struct imgp_out	*out;
	struct fate	*fate;		/* by position in the directory */
	uint64_t	 start;		/* of the archive in out */
	uint64_t	 pos;		/* of the source: written up to there */
	uint64_t	 data;		/* of out: where the open data began */
	size_t		 next;		/* in order: fate's offset not known */
	size_t		 open;		/* the begun member, or SIZE_MAX */
	unsigned char	*buf;		/* one record */
	struct imgp_zip_history history;
};

struct imgp_zip_writer *
imgp_zip_writer_new(struct imgp_zip *z, struct imgp_out *out)
{
	struct imgp_zip_writer *w = imgp_alloc(sizeof *w);
	size_t i;

	w->z = z;
	w->out = out;
	w->start = out->n;
	w->open = SIZE_MAX;
	w->fate = imgp_alloc(z->n * sizeof *w->fate);
	w->buf = imgp_alloc(WINDOW);
	for (i = 0; i < z->n; i++) {
		w->fate[i].crc = z->m[i].crc;
		w->fate[i].csize = z->m[i].csize;
		w->fate[i].size = z->m[i].size;
	}
	return w;
}

void
imgp_zip_writer_history(struct imgp_zip_writer *w,
    const struct imgp_zip_history *h)
{
	w->history = *h;
}

void
imgp_zip_writer_free(struct imgp_zip_writer *w)
{
	if (w == NULL)
		return;
	free(w->buf);
	free(w->fate);
	free(w);
}

/* Where the next byte goes, as offsets in the archive are stated. */
static uint64_t
stated(const struct imgp_zip_writer *w)
{
	return w->out->n - w->start - w->z->at.base;
}

/* Copy the source up to ${upto}, and note where the members in it come. */
static int
copy_up_to(struct imgp_zip_writer *w, uint64_t upto, struct imgp_err *e)
{
	struct imgp_zip *z = w->z;
	uint64_t local;

	for (; w->next < z->n; w->next++) {
		local = z->m[z->order[w->next]].local;
		if (local > upto)
			break;
		w->fate[z->order[w->next]].local = stated(w) + local - w->pos;
	}
	if (imgp_out_copy(w->out, z->fd, w->pos, upto - w->pos, e) == -1)
		return -1;
	w->pos = upto;
	return 0;
}

int
imgp_zip_writer_fits(const struct imgp_zip_writer *w, size_t i, uint64_t csize,
    uint64_t size, struct imgp_err *e)
{
	const struct imgp_zip_member *m = &w->z->m[i];

	if ((m->csize < MAX32 && csize >= MAX32) ||
	    (m->size < MAX32 && size >= MAX32))
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "it would grow over 4 GiB");
	if (m->local < w->z->tight && stated(w) + (w->z->tight - w->pos) +
	    csize - m->csize >= MAX32)
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "one behind it would lie over 4 GiB, and has no room to "
		    "say so");
	return 0;
}

/* Set a size in a local header: the field, or its zip64 value. */
static void
set_size(unsigned char *field, uint64_t v, int later, unsigned char **x,
    size_t *n)
{
	if (get32(field) == MAX32 && *x != NULL && *n >= 8) {
		if (!later || get64(*x) != 0)
			put64(*x, v);
		*x += 8;
		*n -= 8;
	} else if (!later || (get32(field) != 0 && get32(field) != MAX32))
		put32(field, v);
}

int
imgp_zip_writer_begin(struct imgp_zip_writer *w, size_t i, uint32_t crc,
    uint64_t csize, uint64_t size, struct imgp_err *e)
{
	const struct imgp_zip_member *m = &w->z->m[i];
	size_t len = (size_t)(m->data - m->local), n = 0;
	unsigned char *h = w->buf, *x;
	int later;

	if (w->open != SIZE_MAX || m->local < w->pos)
		return imgp_fail(e, IMGP_E_INTERNAL,
		    "zip: members out of order");
	if (imgp_zip_writer_fits(w, i, csize, size, e) == -1 ||
	    copy_up_to(w, m->local, e) == -1 ||
	    imgp_out_pread(w->out, w->z->fd, h, len, m->local, e) == -1)
		return -1;
	later = (get16(h + 6) & FLAG_DESCRIPTOR) != 0;
	x = extra(h + LOCAL + get16(h + 26), get16(h + 28), EXTRA64, &n);
	if (!later || get32(h + 14) != 0)
		put32(h + 14, crc);
	/* In a zip64 field the size stands before the compressed size. */
	set_size(h + 22, size, later, &x, &n);
	set_size(h + 18, csize, later, &x, &n);
	if (imgp_out_write(w->out, h, len, e) == -1)
		return -1;
	w->fate[i].crc = crc;
	w->fate[i].csize = csize;
	w->fate[i].size = size;
	w->open = i;
	w->data = w->out->n;
	return 0;
}

int
imgp_zip_writer_end(struct imgp_zip_writer *w, struct imgp_err *e)
{
	const struct imgp_zip_member *m = &w->z->m[w->open];
	const struct fate *f = &w->fate[w->open];
	unsigned char d[24], *p = d;

	if (w->out->n - w->data != f->csize)
		return imgp_fail(e, IMGP_E_INTERNAL,
		    "zip: %llu bytes of data instead of %llu",
		    (unsigned long long)(w->out->n - w->data),
		    (unsigned long long)f->csize);
	if (m->descriptor == 16 || m->descriptor == 24) {
		put32(p, SIG_DESCRIPTOR);
		p += 4;
	}
	put32(p, f->crc);
	if (m->descriptor >= 20) {
		put64(p + 4, f->csize);
		put64(p + 12, f->size);
	} else {
		put32(p + 4, f->csize);
		put32(p + 8, f->size);
	}
	w->open = SIZE_MAX;
	w->pos = m->end;
	return imgp_out_write(w->out, d, m->descriptor, e);
}

/*
 * Set ${*field} to ${v}.  What was in the zip64 field stays there, and what has
 * become too large goes there: append it to ${*y}.
 */
static void
move_field(unsigned char *field, uint64_t v, unsigned char **y)
{
	if (get32(field) != MAX32 && v < MAX32) {
		put32(field, v);
		return;
	}
	put32(field, MAX32);
	put64(*y, v);
	*y += 8;
}

static int
not_grown(struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_STAMP_CHECK,
	    "check: the directory never gained what the provenance says");
}

/*
 * The offset in the record ${c} moves to ${y} as move_field() does, and ${g} is
 * what the record gained by that; or, where it ${was} so grown and can be
 * without again, back into its field.  1 when it moved, 0, -1 and ${e}.
 */
static int
move_offset(unsigned char *c, uint64_t v, unsigned char **y, int was,
    struct imgp_zip_growth *g, struct imgp_err *e)
{
	int full = get32(c + 42) == MAX32;

	if (was && !full)
		return not_grown(e);
	if (was && v < MAX32) {
		put32(c + 42, v);
		put16(c + 6, g->version);
		return 1;
	}
	move_field(c + 42, v, y);
	if (full || v < MAX32)
		return 0;
	g->version = (uint16_t)get16(c + 6);
	if (g->version < 45)
		put16(c + 6, 45);	/* version needed: zip64 */
	return 1;
}

/*
 * Bring the directory record of ${len} bytes in w->buf up to date; its new
 * length, or 0 and ${e}.  It grows only when its offset passes 4 GiB by the
 * stamps, and shrinks when that is undone: ${g}, if it ${was} so grown.
 */
static size_t
update_central(struct imgp_zip_writer *w, const struct fate *f, size_t len,
    int was, struct imgp_zip_growth *g, struct imgp_err *e)
{
	unsigned char *c = w->buf, *x, y[4 + 24 + EXTRA64_MAX], *yend = y + 4;
	unsigned char *at = c + CENTRAL + get16(c + 28);
	size_t xlen = get16(c + 30), n = 0, old = 0, new, used;
	int moved;

	x = extra(at, xlen, EXTRA64, &n);
	used = (get32(c + 24) == MAX32 ? 8u : 0u) +
	    (get32(c + 20) == MAX32 ? 8u : 0u) +
	    (get32(c + 42) == MAX32 ? 8u : 0u);
	put32(c + 16, f->crc);
	move_field(c + 24, f->size, &yend);
	move_field(c + 20, f->csize, &yend);
	if ((moved = move_offset(c, f->local, &yend, was, g, e)) == -1)
		return 0;
	if (x != NULL) {	/* what follows in it, a disk number, is kept */
		memcpy(yend, x + used, n - used);
		yend += n - used;
		old = n + 4;
	}
	new = (size_t)(yend - y);
	if (moved && was && g->made) {
		/* It was put in front, and held nothing else. */
		if (x != at + 4 || new != 4) {
			not_grown(e);
			return 0;
		}
		new = 0;
	} else if (new == 4 && old == 0)
		return len;
	if (x != NULL)
		at = x - 4;
	put16(y, EXTRA64);
	put16(y + 2, (uint32_t)(new - 4));
	memmove(at + new, at + old, len - (size_t)(at - c) - old);
	memcpy(at, y, new);
	put16(c + 30, (uint32_t)(xlen + new - old));
	if (moved && !was) {
		g->made = x == NULL;
		if (w->history.grew != NULL && w->history.grew(w->history.arg,
		    g, e) == -1)
			return 0;
	}
	return len + new - old;
}

/* Was ${record} grown when the source was written?  1 and ${g}, 0, -1. */
static int
was_grown(struct imgp_zip_writer *w, uint64_t record,
    struct imgp_zip_growth *g, struct imgp_err *e)
{
	memset(g, 0, sizeof *g);
	g->record = record;
	return w->history.grown == NULL ? 0 :
	    w->history.grown(w->history.arg, record, g, e);
}

/* The directory of the source, read on in large pieces. */
struct window {
	const struct imgp_zip *z;
	unsigned char	*buf;		/* WINDOW bytes */
	uint64_t	 pos;
	size_t		 len;		/* of what is in buf, from pos on */
};

/* The ${len} bytes at ${pos}, or NULL and ${e}. */
static const unsigned char *
see(struct window *v, uint64_t pos, size_t len, struct imgp_err *e)
{
	uint64_t end = v->z->at.cd + v->z->at.cd_size;

	if (pos < v->pos || pos + len > v->pos + v->len) {
		v->pos = pos;
		v->len = end - pos < WINDOW ? (size_t)(end - pos) : WINDOW;
		if (imgp_pread(v->z->fd, v->buf, v->len, pos, e) == -1)
			return NULL;
	}
	return v->buf + (pos - v->pos);
}

/* Each record brought up to date. */
static int
write_records(struct imgp_zip_writer *w, struct window *v, struct imgp_err *e)
{
	const struct imgp_zip *z = w->z;
	struct imgp_zip_growth g;
	const unsigned char *c;
	uint64_t pos;
	size_t i, len;
	int was;

	for (i = 0; i < z->n; i++) {
		pos = z->m[i].central;
		if ((c = see(v, pos, CENTRAL, e)) == NULL)
			return -1;
		/* Behind the last one there may be a signature. */
		len = CENTRAL + get16(c + 28) + get16(c + 30) + get16(c + 32);
		if ((c = see(v, pos, len, e)) == NULL)
			return -1;
		memcpy(w->buf, c, len);
		w->pos = pos + len;
		if ((was = was_grown(w, i + 1, &g, e)) == -1 ||
		    (len = update_central(w, &w->fate[i], len, was, &g,
		    e)) == 0 || imgp_out_write(w->out, w->buf, len, e) == -1)
			return -1;
	}
	return 0;
}

static int
write_directory(struct imgp_zip_writer *w, struct imgp_err *e)
{
	struct imgp_zip *z = w->z;
	struct window v = { z, imgp_alloc(WINDOW), 0, 0 };
	int rc = write_records(w, &v, e);

	free(v.buf);
	return rc == -1 ? -1 : imgp_out_copy(w->out, z->fd, w->pos,
	    z->at.cd + z->at.cd_size - w->pos, e);
}

/* The zip64 end record and its locator: as they were, or made new. */
static int
write_end64(struct imgp_zip_writer *w, uint64_t cd, uint64_t cd_size,
    struct imgp_err *e)
{
	struct imgp_zip *z = w->z;
	unsigned char *r = w->buf, loc[LOCATOR];
	size_t len = END64;
	uint64_t at = stated(w);

	memset(loc, 0, sizeof loc);
	memset(r, 0, END64);
	if (z->at.end64 != 0) {
		len = (size_t)(z->at.end - LOCATOR - z->at.end64);
		if (imgp_pread(z->fd, r, END64, z->at.end64, e) == -1 ||
		    imgp_pread(z->fd, loc, LOCATOR, z->at.end - LOCATOR,
		    e) == -1)
			return -1;
	} else {
		put32(r, SIG_END64);
		put64(r + 4, END64 - 12);
		put16(r + 12, 45);
		put16(r + 14, 45);
		put64(r + 24, z->n);
		put64(r + 32, z->n);
		put32(loc, SIG_LOCATOR);
		put32(loc + 16, 1);
	}
	put64(r + 40, cd_size);
	put64(r + 48, cd);
	put64(loc + 8, at);
	if (imgp_out_write(w->out, r, END64, e) == -1 ||
	    imgp_out_copy(w->out, z->fd, z->at.end64 + END64, len - END64,
	    e) == -1)
		return -1;
	return imgp_out_write(w->out, loc, LOCATOR, e);
}

/* Set an end record's ${field}, which says ${v}; 1 when that is full now. */
static int
set_end(unsigned char *field, uint64_t v, int was_moved)
{
	int full = get32(field) == MAX32;

	if (!full || was_moved)
		put32(field, v < MAX32 ? v : MAX32);
	return !full && v >= MAX32;
}

/* The end record, and the zip64 ones if there are to be any. */
static int
write_end(struct imgp_zip_writer *w, uint64_t cd, uint64_t cd_size,
    struct imgp_err *e)
{
	struct imgp_zip *z = w->z;
	int had = z->at.end64 != 0, needs = cd >= MAX32 || cd_size >= MAX32;
	struct imgp_zip_growth g;
	unsigned char end[END];
	int was;

	if (imgp_pread(z->fd, end, END, z->at.end, e) == -1 ||
	    (was = was_grown(w, 0, &g, e)) == -1)
		return -1;
	if (was && (!had || (g.offset && get32(end + 16) != MAX32) ||
	    (g.size && get32(end + 12) != MAX32)))
		return not_grown(e);
	if (was) {
		set_end(end + 16, cd, g.offset);
		set_end(end + 12, cd_size, g.size);
		had &= !g.made;
		if (!had && !needs && (get32(end + 16) == MAX32 ||
		    get32(end + 12) == MAX32))
			return not_grown(e);
	} else {
		g.made = !had && needs;
		g.offset = set_end(end + 16, cd, 0);
		g.size = set_end(end + 12, cd_size, 0);
		if ((g.offset || g.size) && w->history.grew != NULL &&
		    w->history.grew(w->history.arg, &g, e) == -1)
			return -1;
	}
	if ((had || needs) && write_end64(w, cd, cd_size, e) == -1)
		return -1;
	return imgp_out_write(w->out, end, END, e);
}

int
imgp_zip_writer_finish(struct imgp_zip_writer *w, struct imgp_err *e)
{
	struct imgp_zip *z = w->z;
	uint64_t cd, cd_size, tail = z->at.end + END;

	if (w->open != SIZE_MAX)
		return imgp_fail(e, IMGP_E_INTERNAL, "zip: a member is open");
	if (copy_up_to(w, z->at.cd, e) == -1)
		return -1;
	cd = stated(w);
	if (write_directory(w, e) == -1)
		return -1;
	cd_size = stated(w) - cd;
	if (write_end(w, cd, cd_size, e) == -1)
		return -1;
	return imgp_out_copy(w->out, z->fd, tail, z->size - tail, e);
}
