#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>

#include "libimgpipe/archive/zip_priv.h"
#include "libimgpipe/base/buf.h"

#define TAIL		((size_t)192 << 10)	/* where the end is looked for, */
#define PIECE		((size_t)16 << 10)	/* so much at a time */

const struct imgp_zip_limits imgp_zip_limits = {
	.members = 100000,
	.bytes = (uint64_t)1 << 40,
	.ratio = 200,
	.ratio_from = (uint64_t)64 << 20,
};

/* --- the end of the archive ----------------------------------------------- */

/*
 * The zip64 records in front of ${p} (at t->end): 1 there, 0 not, -1 bad, -2 and
 * ${e} when reading failed.  The
 * end record is where the locator says, or, where bytes stand before the
 * archive, right in front of the locator: is_end() sees whether that is so.
 */
static int
read_end64(int fd, const unsigned char *p, struct ending *t,
    struct imgp_err *e)
{
	unsigned char loc[LOCATOR], r[END64];
	uint64_t at, len;
	int tries;

	if (t->end < LOCATOR + END64)
		return 0;
	if (imgp_pread(fd, loc, LOCATOR, t->end - LOCATOR, e) == -1)
		return -2;
	if (get32(loc) != SIG_LOCATOR)
		return 0;
	if (get32(loc + 4) != 0 || get32(loc + 16) > 1)
		return -1;
	t->said64 = at = get64(loc + 8);
	for (tries = 0; tries < 2; tries++, at = t->end - LOCATOR - END64) {
		if (at > t->end - LOCATOR - END64)
			continue;
		if (imgp_pread(fd, r, END64, at, e) == -1)
			return -2;
		if (get32(r) != SIG_END64)
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

/* Can the directory hold as many records as are said?  None may be 65,536. */
static int
count_fits(const struct ending *t, int may_wrap)
{
	uint64_t room = t->cd_size / CENTRAL;

	if (t->count == 0)
		return t->cd_size == 0 || (may_wrap && room > MAX16);
	return t->count <= room;
}

/* Is the record ${p}, at ${pos}, the end of an archive?  1, 0; -1: of a part;
 * -2: it is, but its locator points elsewhere; -3 and ${e}: reading failed. */
static int
is_end(int fd, const unsigned char *p, uint64_t pos, uint64_t size,
    struct ending *t, struct imgp_err *e)
{
	unsigned char sig[4];
	uint64_t end;
	int rc, may_wrap;

	memset(t, 0, sizeof *t);
	t->end = pos;
	t->comment = get16(p + 20);
	if (t->comment > size - pos - END)
		return 0;
	t->count = get16(p + 10);
	t->cd_size = get32(p + 12);
	t->cd = get32(p + 16);
	if ((rc = read_end64(fd, p, t, e)) == -2)
		return -3;
	if (rc == -1)
		return 0;
	if (rc == 0 && (t->cd_size == MAX32 || t->cd == MAX32))
		return 0;
	may_wrap = rc == 0;
	if ((get16(p + 4) != 0 && get16(p + 4) != MAX16) ||
	    (get16(p + 6) != 0 && get16(p + 6) != MAX16) ||
	    get16(p + 8) != get16(p + 10))
		return -1;
	end = t->end64 != 0 ? t->end64 : t->end;
	if (t->cd_size > end || t->cd > end - t->cd_size ||
	    !count_fits(t, may_wrap))
		return 0;
	t->base = end - t->cd_size - t->cd;
	t->cd += t->base;
	if (t->cd_size != 0 && imgp_pread(fd, sig, 4, t->cd, e) == -1)
		return -3;
	if (t->cd_size != 0 && get32(sig) != SIG_CENTRAL)
		return 0;
	if (may_wrap && t->base != 0 && (t->base & MAX32) == 0) {
		if (imgp_pread(fd, sig, 4, 0, e) == -1)
			return -3;
		/* Else as many bytes stand in front of the archive. */
		if (get32(sig) == SIG_LOCAL) {
			t->wrapped = 1;
			t->base = 0;
		}
	}
	/* All offsets lack the same. */
	return t->end64 == 0 || t->end64 - t->base == t->said64 ? 1 : -2;
}

/*
 * Find the end record.  The last one that fits counts, unless it lies in the
 * comment of another that fits: then it is ambiguous.
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
			is = is_end(fd, p, from + (uint64_t)(p - buf), size, &c,
			    e);
			if (is == -3)
				return -1;
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

int
imgp_zip_probe(int fd, struct imgp_err *e)
{
	struct imgp_err why = { NULL, "" };
	struct ending t;
	uint64_t size;

	if (imgp_file_size(fd, &size, e) == -1)
		return -1;
	if (size < END)
		return 0;
	if (find_end(fd, size, &t, &why) == 0)
		return t.cd_size > 0;
	if (strcmp(why.code, IMGP_E_STORE_IO) == 0) {
		*e = why;
		return -1;
	}
	return strcmp(why.code, IMGP_E_ARCHIVE_UNSAFE) == 0;
}

/* --- records -------------------------------------------------------------- */

unsigned char *
imgp_zip_extra(unsigned char *p, size_t len, uint32_t id, size_t *n)
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

/* Every extra field fits; some writers leave up to 3 bytes of padding. */
static int
extras_fit(const unsigned char *p, size_t len)
{
	size_t k;

	for (; len >= 4; p += 4 + k, len -= 4 + k)
		if ((k = get16(p + 2)) > len - 4)
			return 0;
	return 1;
}

/* A size in a local header; 0 where the descriptor has it. */
static int
local_size(uint64_t *v, int later, unsigned char **x, size_t *n)
{
	if (later && *v == MAX32 && (*x == NULL || *n < 8)) {
		*v = 0;
		return 0;
	}
	return full(v, x, n);
}

/* A field of a local header that the descriptor may hold instead. */
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
	x = imgp_zip_extra(buf + LOCAL + nlen, get16(buf + 28), EXTRA64, &xn);
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
		/* Some writers set the flag yet fill the header. */
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

/*
 * Offsets that are stated modulo 2^32 ascend: member ${i} lies behind the one
 * before, at the first place that ${said} can mean.
 */
static uint64_t
unwrap(const struct imgp_zip *z, size_t i, uint64_t said)
{
	uint64_t from = i == 0 ? 0 : z->m[i - 1].end;

	return from + ((said - from) & MAX32);
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
	x = imgp_zip_extra(c + CENTRAL + get16(c + 28), get16(c + 30), EXTRA64,
	    &n);
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
	if (z->at.wrapped)
		m->local = unwrap(z, i, m->local);
	if (m->local > z->at.cd - z->at.base)
		return unsafe(e, i, "it lies outside the archive");
	m->local += z->at.base;
	if (z->at.wrapped && m->local > MAX32 && !room)
		return imgp_fail(e, IMGP_E_ARCHIVE_METHOD, "member %zu: it lies "
		    "over 4 GiB, and its record has no room to say so", i + 1);
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
check_count(const struct imgp_zip *z, const struct imgp_zip_limits *lim,
    struct imgp_err *e)
{
	return z->at.count <= lim->members && z->at.count <= UINT32_MAX ? 0 :
	    imgp_fail(e, IMGP_E_ARCHIVE_LIMIT, "it has more than %llu members",
	    (unsigned long long)lim->members);
}

/* There are more records than the end record says: 65,536 more, if it may have
 * counted modulo that. */
static int
count_on(struct imgp_zip *z, const struct imgp_zip_limits *lim,
    struct imgp_err *e)
{
	uint64_t n = z->at.count + MAX16 + 1;

	if (z->at.end64 != 0 || n > z->at.cd_size / CENTRAL)
		return unsafe(e, z->n, "the directory does not go on here");
	z->at.count = n;
	if (check_count(z, lim, e) == -1)
		return -1;
	z->m = imgp_realloc(z->m, (size_t)n, sizeof *z->m);
	return 0;
}

static int
read_directory(struct imgp_zip *z, const struct imgp_zip_limits *lim,
    struct imgp_err *e)
{
	uint64_t pos = z->at.cd, end = z->at.cd + z->at.cd_size, have = 0;
	unsigned char *win = imgp_alloc_bytes(WINDOW), *c;
	unsigned char *buf = imgp_alloc_bytes(WINDOW);
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
		if (have - start < CENTRAL || get32(c) != SIG_CENTRAL) {
			unsafe(e, z->n, "the directory does not go on here");
			goto out;
		}
		if (z->n == z->at.count && count_on(z, lim, e) == -1)
			goto out;
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
	if (imgp_file_size(fd, &z->size, e) == -1 ||
	    find_end(fd, z->size, &z->at, e) == -1)
		goto fail;
	if (check_count(z, lim, e) == -1)
		goto fail;
	z->m = imgp_alloc((size_t)z->at.count * sizeof *z->m);
	if (read_directory(z, lim, e) == -1 || check_whole(z, lim, e) == -1)
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
