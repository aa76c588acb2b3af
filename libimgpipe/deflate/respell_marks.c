/*
 * Marks: noted while a stream is decoded, and gone by in a pass that changes it.
 *
 * From mark to mark words are copied undecoded.  Where no copy can reach an edit that
 * is enough; else the list of the mark says which copies reach in front of its floor,
 * and these alone are looked at.  This file must not know what an edit does to a copy.
 */
#include "libimgpipe/deflate/deflate_priv.h"

#define SEEK_IN	16384			/* bytes read at a mark */
#define TEXT_BEHIND	1024U		/* of PASS_TEXT */
#define MARKS	4096			/* bytes of content between two marks, */
#define MARKMIN	1024			/* or so many */
#define FLUSH	((size_t)64 << 10)	/* of mid */

/* --- noting ---------------------------------------------------------------- */

/* The mark that was begun last is complete: what is listed is in one block. */
static int
end_mark(struct imgp_deflate *d)
{
	struct pass *s = d->pass;

	if (!s->has_here)
		return 0;
	s->has_here = 0;
	s->here.copies = 0;
	if (d->log == NULL)
		s->here.floor = NOWHERE;
	else
		s->here.copies = (uint32_t)(d->log - s->herelist);
	d->log = NULL;
	return s->trace->mark(s->trace->arg, &s->here, s->herelist, d->e) == -1 ?
	    imgp_respell_failed(d) : 0;
}

int
imgp_respell_show(struct imgp_deflate *d, uint64_t *from, uint64_t *to)
{
	struct pass *s = d->pass;
	const uint64_t at = s->shown;

	if (s->trace->quiet == NULL)
		return 0;
	s->shown = content(d);
	s->trace->quiet(s->trace->arg, d->win + (at - d->winoff),
	    (size_t)(s->shown - at), from, to);
	return 1;
}

/* Where edits are expected marks come close to both ends, and no list between. */
static void
begin_list(struct imgp_deflate *d, uint64_t p)
{
	struct pass *s = d->pass;
	uint64_t from, to;

	if (!imgp_respell_show(d, &from, &to))
		return;
	if (p < from)
		s->due = min64(s->due, from);
	else if (to <= p + 2 * LEN_MAX)
		s->due = p + MARKMIN;
	else {
		s->here.floor = from;
		d->log = s->herelist;
		/* So that the next mark is no later than to. */
		s->due = min64(s->due, to - LEN_MAX);
	}
}

int
imgp_respell_note(struct imgp_deflate *d)
{
	struct pass *s = d->pass;
	const uint64_t p = content(d);
	const int another = s->has_here && s->here.header != d->hdr;

	if (p < s->due && !(another && p >= s->here.at + MARKMIN)) {
		if (another)
			d->log = NULL;
		return 0;
	}
	if (end_mark(d) == -1)
		return -1;
	s->has_here = 1;
	s->here = (struct imgp_respell_mark){ p, bitpos(d), d->hdr, d->type,
	    s->stored, s->finals, NOWHERE, 0 };
	s->due = p + MARKS;
	begin_list(d, p);
	return 0;
}

int
imgp_respell_write(struct imgp_deflate *d)
{
	struct pass *s = d->pass;
	const uint64_t from = s->written;

	s->written = content(d);
	return s->written > from && s->trace->write(s->trace->arg, d->win +
	    (from - d->winoff), (size_t)(s->written - from), d->e) == -1 ?
	    imgp_respell_failed(d) : 0;
}

int
imgp_respell_decoded(struct imgp_deflate *d)
{
	const struct imgp_respell_trace *t = d->pass->trace;
	uint64_t next;
	int rc;

	if (end_mark(d) == -1 || imgp_respell_write(d) == -1)
		return -1;
	rc = t->more(t->arg, (bitpos(d) + 7) >> 3, &next, d->e);
	if (rc == -1)
		return imgp_respell_failed(d);
	d->done = rc == 0;
	d->last = 0;
	d->origin = content(d);
	d->pass->finals++;
	d->pass->due = d->origin;
	if (rc == 1 && next >= t->len)
		return imgp_deflate_damaged(d, "the stream is cut short");
	return rc == 0 ? 0 : imgp_respell_seek(d, next * 8, IN_SIZE);
}

/* --- from mark to mark ------------------------------------------------------ */

/* in[] is to hold the source bits [from, to), or as many of them as it can. */
static int
have(struct imgp_deflate *d, uint64_t from, uint64_t to)
{
	if (from >> 3 >= d->inoff && (to + 7) >> 3 <= d->inoff + d->inlen)
		return 0;
	return imgp_respell_load(d, from >> 3, IN_SIZE, IN_SIZE);
}

/* Source bits up to ${to} are copied. */
static int
copy_to(struct imgp_deflate *d, uint64_t to)
{
	while (d->from < to) {
		if (have(d, d->from, to) == -1)
			return -1;
		settle(d, min64(to, (d->inoff + d->inlen) * 8));
		if (d->mid.pos > FLUSH && imgp_respell_write_mid(d) == -1)
			return -1;
	}
	return 0;
}

/* On at content offset ${at}.  The window's bytes are not those of the content: they are
 * read where they are asked for, by imgp_respell_text(). */
static void
set_window(struct imgp_deflate *d, uint64_t at)
{
	const uint64_t n = min64(at, DIST_MAX);

	d->winoff = at - n;
	d->op = d->win + n;
}

const unsigned char *
imgp_respell_text(struct imgp_deflate *d, uint64_t p, size_t len)
{
	struct pass *s = d->pass;
	const struct imgp_respell *io = s->io;

	if (p >= s->textoff && p + len <= s->textoff + s->textlen)
		return s->text + (p - s->textoff);
	s->textoff = p - min64(p, TEXT_BEHIND);
	s->textlen = (size_t)min64(sizeof(s->text), io->size - s->textoff);
	if (p + len > io->size || io->content(io->arg, s->textoff, s->text,
	    s->textlen, d->e) == -1) {
		s->textlen = 0;
		imgp_respell_failed(d);
		return s->text;
	}
	return s->text + (p - s->textoff);
}

/* The codes of the block that ${m} is in. */
static int
load_codes(struct imgp_deflate *d, const struct imgp_respell_mark *m)
{
	int rc;

	d->hdr = m->header;
	d->type = m->type;
	if (m->type == 1) {
		imgp_deflate_fixed_codes(d);
		return 0;
	}
	d->code = &d->dynamic;
	if (d->known == d->hdr)
		return 0;
	if ((rc = imgp_respell_seek(d, m->header, IN_HEADER + 16)) != 0)
		return rc;
	take(d, 3);
	return imgp_deflate_read_codes(d);
}

/* See to it that mark is the next one behind source bit ${bit}, and here the one in
 * front of it. */
static int
next_mark(struct imgp_deflate *d, uint64_t bit)
{
	struct pass *s = d->pass;
	int rc;

	for (;;) {
		if (!s->has_mark && !s->no_mark) {
			rc = s->io->mark(s->io->arg, &s->mark, s->list, d->e);
			if (rc == -1)
				return imgp_respell_failed(d);
			s->has_mark = rc == 1;
			s->no_mark = rc == 0;
		}
		if (!s->has_mark || s->mark.bit > bit)
			return 0;
		s->here = s->mark;
		memcpy(s->herelist, s->list, s->mark.copies * sizeof(*s->list));
		s->has_here = 1;
		s->has_mark = 0;
	}
}

uint64_t
imgp_respell_ahead(const struct imgp_deflate *d, uint64_t p)
{
	const struct pass *s = d->pass;

	return s->has_mark && s->mark.at > p ? s->mark.at : NOWHERE;
}

/*
 * May the words up to the next mark be copied unseen?  Not where another block
 * has its last bit to be cleared, nor over a stored block, whose bytes have a
 * place in a byte, unless all bits keep theirs.
 */
static int
is_within_reach(const struct imgp_deflate *d, uint64_t upto)
{
	const struct pass *s = d->pass;

	return s->has_mark && s->mark.at <= upto &&
	    s->mark.finals == s->finals && (s->mark.stored == s->stored ||
	    ((d->from - d->mid.n) & 7) == 0);
}

/* Does the list of the mark where we are have all that reaches an edit? */
static int
is_listed(const struct imgp_deflate *d, uint64_t p, uint64_t bit)
{
	const struct pass *s = d->pass;
	const struct imgp_respell_mark *m = &s->here;

	return s->has_here && m->at == p && m->bit == bit &&
	    m->floor != NOWHERE && m->floor >= d->skip &&
	    (m->copies == 0 || m->stored == s->mark.stored);
}

/* The listed copy ${c}: 0; 2 where a detour has begun; or as the step functions. */
static int
look_at(struct imgp_deflate *d, imgp_respell_copy c)
{
	const struct imgp_respell_mark *m = &d->pass->here;
	const uint64_t p = m->at + C_AT(c);
	int rc;

	d->tok.start = m->bit + C_BIT(c);
	d->tok.end = d->tok.start + C_BITS(c);
	d->tok.len = C_LEN(c);
	d->tok.dist = C_DIST(c);
	if (d->tok.start < d->from || p + d->tok.len > d->pass->mark.at ||
	    d->tok.end > d->pass->mark.bit)
		return imgp_deflate_damaged(d, "a mark is out of place");
	if (copy_to(d, d->tok.start) == -1 ||
	    have(d, d->tok.start, d->tok.end) == -1)
		return -1;
	set_window(d, p + d->tok.len);
	if ((rc = imgp_deflate_did_copy(d, p)) != 0)
		return rc;
	if (d->mid.full)
		return imgp_deflate_give_up(d, TOO_MANY);
	if (!d->alien)
		return 0;
	settle(d, d->tok.end);
	return (rc = imgp_respell_seek(d, d->tok.end, SEEK_IN)) != 0 ? rc : 2;
}

/* To the next mark, by the list of the one where we are. */
static int
go_by_list(struct imgp_deflate *d)
{
	struct pass *s = d->pass;
	uint32_t i;
	int rc;

	if (s->here.copies > 0 && (rc = load_codes(d, &s->here)) != 0)
		return rc;
	for (i = 0; i < s->here.copies; i++)
		if ((rc = look_at(d, s->herelist[i])) != 0)
			return rc;
	if (copy_to(d, s->mark.bit) == -1)
		return -1;
	return imgp_respell_drain(d);
}

int
imgp_respell_jump(struct imgp_deflate *d)
{
	const uint64_t upto = d->idx < d->n ? d->ed[d->idx].at : NOWHERE;
	struct pass *s = d->pass;
	uint64_t p = content(d), bit = bitpos(d);
	int rc, moved = 0;

	if (s->io->mark == NULL)
		return 0;
	settle(d, bit);
	for (; next_mark(d, bit) == 0; moved = 1) {
		if (!is_within_reach(d, upto))
			break;
		if (s->mark.bit > s->io->len * 8 || s->mark.at < p)
			return imgp_deflate_damaged(d, "a mark is out of place");
		if (d->skip > 0 && p < d->skip + DIST_MAX) {
			if (!is_listed(d, p, bit))
				break;
			if ((rc = go_by_list(d)) != 0)
				return rc;
		}
		p = s->mark.at;
		bit = s->mark.bit;
		s->stored = s->mark.stored;
	}
	if (s->failed)
		return -1;
	if (!moved)
		return 0;
	if (copy_to(d, bit) == -1 || next_mark(d, bit) == -1)
		return -1;
	set_window(d, p);
	if ((rc = load_codes(d, &s->here)) != 0 ||
	    (rc = imgp_respell_seek(d, bit, SEEK_IN)) != 0)
		return rc;
	return 2;
}
