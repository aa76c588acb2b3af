#include <stdlib.h>
#include <string.h>
#include <isa-l/crc64.h>
#include <zlib.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/dicom/copies.h"
#include "libimgpipe/dicom/dicom.h"

#define CHUNK	65536

struct copy {
	size_t	 member, uid;
	uint32_t syntax;		/* CRC-32 of its UID */
	int	 is_known;
	int	 has_none;		/* no pixels */
	uint64_t sum;			/* CRC-64 of its pixels */
};

/* The sum of pixels that pass by. */
struct sum {
	uint64_t crc;
	/* In fragments: */
	unsigned char head[8];		/* of an item */
	size_t	 nhead;
	uint64_t left;			/* of its content */
	uint64_t items;
	int	 nfirst;		/* how many of the first four bytes of the */
	unsigned char first;		/* first item were seen, and they, or'ed */
};

struct imgp_copies {
	struct copy	*copy;		/* by member, until they are told */
	size_t		 n;
};

static int
by_member(const void *a, const void *b)
{
	const struct copy *x = a, *y = b;

	return x->member < y->member ? -1 : x->member > y->member;
}

/* Of a UID those of one transfer syntax stand together. */
static int
by_uid(const void *a, const void *b)
{
	const struct copy *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	if (x->syntax != y->syntax)
		return x->syntax < y->syntax ? -1 : 1;
	return by_member(a, b);
}

struct imgp_copies *
imgp_copies_new(struct imgp_census *census)
{
	struct imgp_census_copy *v;
	struct imgp_copies *c;
	size_t i, n;

	if ((n = imgp_census_copies(census, &v)) == 0)
		return NULL;
	c = imgp_alloc(sizeof *c);
	c->copy = imgp_alloc(n * sizeof *c->copy);
	c->n = n;
	for (i = 0; i < n; i++) {
		c->copy[i].member = v[i].member;
		c->copy[i].uid = v[i].uid;
	}
	free(v);
	qsort(c->copy, c->n, sizeof *c->copy, by_member);
	return c;
}

void
imgp_copies_free(struct imgp_copies *c)
{
	if (c == NULL)
		return;
	free(c->copy);
	free(c);
}

size_t
imgp_copies_pass(struct imgp_copies *c, imgp_copies_same *is_same, const void *arg)
{
	size_t i, j, n = 0;
	int same;

	qsort(c->copy, c->n, sizeof *c->copy, by_uid);
	for (i = 0; i < c->n; i = j) {
		same = 1;
		for (j = i; j < c->n && c->copy[j].uid == c->copy[i].uid; j++)
			same &= is_same(arg, c->copy[i].member,
			    c->copy[j].member);
		if (same)
			continue;
		memmove(&c->copy[n], &c->copy[i], (j - i) * sizeof *c->copy);
		n += j - i;
	}
	c->n = n;
	qsort(c->copy, c->n, sizeof *c->copy, by_member);
	return n;
}

static struct copy *
find(const struct imgp_copies *c, size_t member)
{
	struct copy key = { .member = member };

	return bsearch(&key, c->copy, c->n, sizeof key, by_member);
}

int
imgp_copies_wants(const struct imgp_copies *c, size_t member)
{
	return find(c, member) != NULL;
}

static void
add(struct sum *s, const unsigned char *p, uint64_t n)
{
	s->crc = crc64_ecma_refl(s->crc, p, n);
}

/*
 * An item's header is complete.  A first item that is empty, or begins with the offset
 * 0, was the offset table, which is none of the pixels.  Some writers have none: an
 * image begins otherwise.
 */
static void
begin_item(struct sum *s, int big)
{
	size_t i;

	s->nhead = 0;
	for (i = 0; i < 4; i++)		/* the length */
		s->left = s->left << 8 | s->head[big ? 4 + i : 7 - i];
	if (++s->items == 2 && s->first == 0)
		s->crc = 0;
}

/* Fragments: what the items hold, in however many of them it stands. */
static void
add_fragments(struct sum *s, const unsigned char *p, uint64_t n, int big)
{
	uint64_t k;

	for (; n > 0; p += k, n -= k) {
		k = 1;
		if (s->left == 0) {
			s->head[s->nhead++] = *p;
			if (s->nhead == sizeof s->head)
				begin_item(s, big);
			continue;
		}
		if (s->items == 1 && s->nfirst < 4) {
			s->first |= *p;
			s->nfirst++;
		} else
			k = s->left < n ? s->left : n;
		add(s, p, k);
		s->left -= k;
	}
}

/* What the ${n} bytes at ${p}, ${at} of them before, hold of the pixels. */
static void
add_pixels(struct sum *s, const struct imgp_dicom *d, const unsigned char *p,
    uint64_t at, uint64_t n)
{
	uint64_t from = d->pixels > at ? d->pixels - at : 0;
	uint64_t to = d->pixels_end < at + n ?
	    d->pixels_end > at ? d->pixels_end - at : 0 : n;

	if (d->pixels == 0 || from >= to)
		return;
	if (d->in_fragments)
		add_fragments(s, p + from, to - from, d->big);
	else
		add(s, p + from, to - from);
}

/* The syntax of ${d}, one for both in which pixels are the same bytes. */
static const char *
coding(const struct imgp_dicom *d)
{
	if (strcmp(d->syntax, "1.2.840.10008.1.2.1") == 0 ||
	    (d->syntax[0] == '\0' && !d->big))
		return "1.2.840.10008.1.2";
	return d->syntax;
}

static void
note(struct copy *t, const struct imgp_dicom *d, uint64_t sum)
{
	const char *s = coding(d);

	if (d->state != IMGP_DICOM_HEAD || d->deflated || d->tail_lost)
		return;
	if (d->pixels == 0) {
		t->has_none = 1;
		return;
	}
	t->syntax = (uint32_t)crc32(0, (const unsigned char *)s, (uInt)strlen(s));
	t->is_known = 1;
	t->sum = sum;
}

int
imgp_copies_read(struct imgp_copies *c, size_t member,
    const struct imgp_dicom_limits *lim, imgp_copies_next *next, void *arg,
    struct imgp_err *e)
{
	struct imgp_dicom *d = imgp_alloc(sizeof *d);
	unsigned char *buf = imgp_alloc(CHUNK);
	struct sum sum = { .crc = 0 };
	uint64_t at = 0;
	long n;

	imgp_dicom_init(d, NULL, lim);
	while ((n = next(arg, buf, CHUNK, e)) > 0) {
		imgp_dicom_feed(d, buf, (size_t)n);
		add_pixels(&sum, d, buf, at, (uint64_t)n);
		at += (uint64_t)n;
		if (d->pixels != 0 && d->pixels_end <= at)
			break;
	}
	if (n == 0)
		imgp_dicom_end(d);
	if (n != -1)
		note(find(c, member), d, sum.crc);
	imgp_dicom_release(d);
	free(buf);
	free(d);
	return n != -1 ? 0 : strcmp(e->code, IMGP_E_ARCHIVE_DAMAGED) == 0 ? 1 : -1;
}

/* The first with pixels among those from ${i} on that have one UID, or NULL. */
static const struct copy *
with_pixels(const struct imgp_copies *c, size_t i)
{
	size_t uid = c->copy[i].uid;

	for (; i < c->n && c->copy[i].uid == uid; i++)
		if (c->copy[i].is_known)
			return &c->copy[i];
	return NULL;
}

void
imgp_copies_tell(struct imgp_copies *c, struct imgp_faults *warnings)
{
	const struct copy *first = NULL, *some = NULL, *t;
	struct imgp_err e;
	size_t i;

	qsort(c->copy, c->n, sizeof *c->copy, by_uid);
	for (i = 0; i < c->n; i++) {
		t = &c->copy[i];
		if (i == 0 || t->uid != t[-1].uid)
			some = with_pixels(c, i);
		if (t->has_none && some != NULL) {
			imgp_fail(&e, IMGP_E_DICOM_COPY,
			    "its SOP Instance UID is that of member %zu, and it"
			    " has no pixels", some->member);
			imgp_faults_add(warnings, t->member, &e);
		}
		if (!t->is_known)
			continue;
		if (first == NULL || first->uid != t->uid ||
		    first->syntax != t->syntax) {
			first = t;
			continue;
		}
		if (first->sum == t->sum)
			continue;
		imgp_fail(&e, IMGP_E_DICOM_COPY,
		    "its SOP Instance UID is that of member %zu, and its pixels"
		    " are others", first->member);
		imgp_faults_add(warnings, t->member, &e);
	}
}
