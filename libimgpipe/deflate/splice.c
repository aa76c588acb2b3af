#include <string.h>

#include "libimgpipe/deflate/splice.h"

void
imgp_splice_init(struct imgp_splice *s, const struct imgp_deflate_edit *edit,
    size_t n, uint64_t pos, imgp_deflate_write *write, void *arg)
{
	s->edit = edit;
	s->n = n;
	s->next = 0;
	s->pos = pos;
	s->write = write;
	s->arg = arg;
}

/* The edits whose insertion is due at s->pos. */
static int
insert(struct imgp_splice *s, struct imgp_err *e)
{
	const struct imgp_deflate_edit *d;

	while (s->next < s->n && s->edit[s->next].at == s->pos) {
		d = &s->edit[s->next];
		if (d->inslen > 0 &&
		    s->write(s->arg, d->ins, d->inslen, e) == -1)
			return -1;
		if (d->del > 0)		/* next moves on behind what goes */
			return 0;
		s->next++;
	}
	return 0;
}

int
imgp_splice_feed(struct imgp_splice *s, const void *p, size_t len,
    struct imgp_err *e)
{
	const struct imgp_deflate_edit *d;
	const unsigned char *b = p;
	uint64_t n;

	while (len > 0) {
		d = s->next < s->n ? &s->edit[s->next] : NULL;
		if (d != NULL && s->pos == d->at && insert(s, e) == -1)
			return -1;
		d = s->next < s->n ? &s->edit[s->next] : NULL;
		if (d != NULL && s->pos >= d->at) {
			n = d->at + d->del - s->pos;
			if (n > len)
				n = len;
			if (s->pos + n == d->at + d->del)
				s->next++;
		} else {
			n = d != NULL && d->at - s->pos < len ?
			    d->at - s->pos : len;
			if (s->write(s->arg, b, (size_t)n, e) == -1)
				return -1;
		}
		s->pos += n;
		b += n;
		len -= (size_t)n;
	}
	return 0;
}

int
imgp_splice_end(struct imgp_splice *s, struct imgp_err *e)
{
	if (insert(s, e) == -1)
		return -1;
	if (s->next < s->n)
		return imgp_fail(e, IMGP_E_INTERNAL,
		    "splice: an edit lies behind the end");
	return 0;
}
