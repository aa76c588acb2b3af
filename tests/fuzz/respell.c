/* PKGS: zlib libisal */
/*
 * libFuzzer: streams that zlib makes of a content that the input describes, or
 * the input itself as a stream; edits anywhere in it.  The new stream must hold
 * the new content, with marks and without; and the way back must give every bit
 * of the old one.
 * make fuzz-respell [FUZZ_SECONDS=60]
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "libimgpipe/deflate/respell.h"

#define MAX	(1 << 19)
#define EDITS	600
#define STREAMS	4

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char *in;		/* the input that is left */
static size_t left;
static uint32_t state;			/* what it has been so far */
static int large;			/* one in eight: it takes ten times as long */

/*
 * Code that makes inputs is not looked at: an execution would spend most of its time on
 * that.
 */
#if defined __clang__
#define UNSEEN	__attribute__((__no_sanitize__("coverage")))
#else
#define UNSEEN
#endif

static UNSEEN unsigned
next(unsigned below)
{
	if (left > 0) {
		state ^= (uint32_t)*in++ + 1;
		left--;
	}
	state = state * 1664525 + 1013904223;
	return below == 0 ? 0 : (state >> 8) % below;
}

static void
must(int is)
{
	if (!is)
		abort();
}

/* zlib's memory, in one place: fresh pages for each stream take longer than it. */
static unsigned char room[1 << 19];
static size_t taken;

static voidpf
take_room(voidpf arg, uInt n, uInt size)
{
	const size_t at = taken;

	(void)arg;
	taken += ((size_t)n * size + 15) / 16 * 16;
	must(taken <= sizeof room);
	return room + at;
}

static void
leave_room(voidpf arg, voidpf p)
{
	(void)arg;
	(void)p;
}

/* No other stream may be in use. */
static void
begin(z_stream *z)
{
	memset(z, 0, sizeof *z);
	z->zalloc = take_room;
	z->zfree = leave_room;
	taken = 0;
}

/* --- the old content, its streams ------------------------------------------- */

static unsigned char text[MAX], coded[2 * MAX];
static size_t textlen, codedlen;
static size_t from[STREAMS], end[STREAMS], streams;

static UNSEEN void
make_text(void)
{
	size_t want = !large ? 1 + next(12000) : next(8) == 0 ? 300000 :
	    1 + next(90000), n, d, i;
	unsigned kind, span;

	for (textlen = 0; textlen < want; textlen += n) {
		kind = next(4);
		n = 1 + next(kind == 0 ? 6000 : 600);
		if (n > MAX / 2 - textlen)
			n = MAX / 2 - textlen;
		span = 1 + next(256);
		d = textlen == 0 ? 0 : 1 + next((unsigned)(textlen > 33000 ?
		    33000 : textlen));
		for (i = textlen; i < textlen + n; i++)
			text[i] = (unsigned char)(kind == 0 ? span :
			    kind != 1 && d > 0 ? text[i - d] : next(span));
		if (n == 0)
			break;
	}
}

static void
deflate_part(const unsigned char *p, size_t len)
{
	z_stream z;
	size_t n;
	int flush;

	begin(&z);
	must(deflateInit2(&z, (int)next(10), Z_DEFLATED, -15,
	    1 + (int)next(9), (int)next(5)) == Z_OK);
	z.next_out = coded + codedlen;
	z.avail_out = (uInt)(sizeof coded - codedlen);
	do {
		n = next(3) == 0 ? next(20000) : len;
		n = n < len ? n : len;
		z.next_in = (Bytef *)(uintptr_t)p;
		z.avail_in = (uInt)n;
		p += n;
		len -= n;
		flush = len == 0 ? Z_FINISH : next(4) == 0 ? Z_SYNC_FLUSH :
		    next(4) == 0 ? Z_PARTIAL_FLUSH : Z_NO_FLUSH;
		must(deflate(&z, flush) != Z_STREAM_ERROR);
	} while (flush != Z_FINISH);
	codedlen = sizeof coded - z.avail_out;
	deflateEnd(&z);
}

static void
make_streams(void)
{
	size_t parts = next(4) == 0 ? 1 + next(STREAMS) : 1, i, k, n, at = 0;

	codedlen = 0;
	for (streams = 0; streams < parts; streams++) {
		i = streams;
		if (i > 0)
			for (k = 8 + next(40); k > 0; k--)
				coded[codedlen++] = (unsigned char)next(256);
		n = i + 1 == parts ? textlen - at : next((unsigned)(textlen -
		    at + 1));
		from[i] = codedlen;
		deflate_part(text + at, n);
		end[i] = codedlen;
		at += n;
	}
	memset(coded + codedlen, 0, 8);
}

/* The input as a stream; 0 where zlib does not take it. */
static int
take_stream(void)
{
	z_stream z;
	int rc;

	begin(&z);
	must(left <= MAX && inflateInit2(&z, -15) == Z_OK);
	memcpy(coded, in, left);
	z.next_in = coded;
	z.avail_in = (uInt)left;
	z.next_out = text;
	z.avail_out = MAX;
	rc = inflate(&z, Z_FINISH);
	textlen = MAX - z.avail_out;
	streams = 1;
	from[0] = 0;
	end[0] = left - z.avail_in;
	codedlen = left;
	inflateEnd(&z);
	return rc == Z_STREAM_END ? 1 : rc == Z_BUF_ERROR &&
	    z.avail_out == 0 ? -1 : 0;
}

/* --- the edits, the new content ------------------------------------------------- */

static struct imgp_respell_edit edit[EDITS];
static size_t edits;
static unsigned char ins[MAX], want[2 * MAX];
static size_t wantlen;

static UNSEEN void
make_edits(void)
{
	const unsigned long_one = large ? 70000 : 3000;
	size_t at = 0, n, k, inslen = 0, most = 1 + next(next(3) != 0 ? 12 :
	    large ? EDITS : 60), step = 1 + next(3) * 30 + next(2) *
	    next(large ? 60000 : 4000);
	struct imgp_respell_edit *x;

	wantlen = 0;
	for (edits = 0; edits < most; edits++) {
		x = &edit[edits];
		n = next(3) == 0 ? 0 : next((unsigned)step);
		n = n < textlen - at ? n : textlen - at;
		memcpy(want + wantlen, text + at, n);
		wantlen += n;
		at += n;
		x->at = at;
		x->del = next(3) == 0 ? 0 : next(next(20) == 0 ? long_one :
		    40);
		x->del = x->del < textlen - at ? x->del : textlen - at;
		x->ins = inslen;
		x->inslen = next(3) == 0 ? 0 : next(next(30) == 0 ?
		    long_one : 60);
		if (x->inslen > MAX / 2 - inslen)
			x->inslen = 0;
		k = next(2) == 0 ? 1 + next(300) : 1;
		for (n = 0; n < x->inslen; n++)
			ins[inslen + n] = (unsigned char)(n % k == 0 ?
			    next(256) : ins[inslen + n - 1]);
		memcpy(want + wantlen, ins + inslen, x->inslen);
		wantlen += x->inslen;
		inslen += x->inslen;
		at += x->del;
	}
	memcpy(want + wantlen, text + at, textlen - at);
	wantlen += textlen - at;
}

/* --- callbacks -------------------------------------------------------------------- */

struct sink {
	unsigned char	*p;
	size_t		 len, max;
};

struct job {
	struct sink	 new, undo;
	size_t		 edit, stream, mark, list, undone;
};

static unsigned char new[4 * MAX], undo[4 * MAX], old[4 * MAX];
static struct imgp_respell_mark mark[MAX / 256];
static size_t marks;
static imgp_respell_copy listed[MAX];
static size_t lists;

static int
put(struct sink *s, const void *p, size_t len)
{
	must(len <= s->max - s->len);
	memcpy(s->p + s->len, p, len);
	s->len += len;
	return 0;
}

static int
read_coded(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	(void)arg;
	(void)e;
	must(off <= codedlen && len <= codedlen - off);
	memcpy(buf, coded + off, len);
	return 0;
}

static int
more(void *arg, uint64_t off, uint64_t *to, struct imgp_err *e)
{
	struct job *j = arg;

	(void)e;
	must(off == end[j->stream]);
	if (++j->stream == streams)
		return 0;
	*to = from[j->stream];
	return 1;
}

static int
next_edit(void *arg, struct imgp_respell_edit *x, struct imgp_err *e)
{
	struct job *j = arg;

	(void)e;
	if (j->edit == edits)
		return 0;
	*x = edit[j->edit++];
	return 1;
}

static int
inserted(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	(void)arg;
	(void)e;
	memcpy(buf, ins + off, len);
	return 0;
}

static int
write_new(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	(void)e;
	return put(&((struct job *)arg)->new, p, len);
}

static int
write_undo(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	(void)e;
	return put(&((struct job *)arg)->undo, p, len);
}

static int
note(void *arg, const struct imgp_respell_mark *m,
    const imgp_respell_copy *list, struct imgp_err *e)
{
	(void)arg;
	(void)e;
	must(marks < sizeof mark / sizeof *mark);
	must(m->copies < IMGP_RESPELL_COPIES && m->copies < MAX - lists);
	mark[marks++] = *m;
	memcpy(listed + lists, list, m->copies * sizeof *list);
	lists += m->copies;
	return 0;
}

static int
next_mark(void *arg, struct imgp_respell_mark *m, imgp_respell_copy *list,
    struct imgp_err *e)
{
	struct job *j = arg;

	(void)e;
	if (j->mark == marks)
		return 0;
	*m = mark[j->mark++];
	memcpy(list, listed + j->list, m->copies * sizeof *list);
	j->list += m->copies;
	return 1;
}

/* Where edits will be is not known yet. */
static uint64_t shown, quiet_from, quiet_to;
static uint32_t guess;

static void
quiet(void *arg, const void *p, size_t len, uint64_t *begin, uint64_t *to)
{
	(void)arg;
	if (end[0] != (size_t)-1)	/* it is sound */
		must(len <= textlen - shown && memcmp(p, text + shown, len) == 0);
	shown += len;
	if (shown >= quiet_to) {
		guess = guess * 1664525 + 1013904223;
		quiet_from = guess % 3 == 0 ? shown + 512 + (guess >> 8) % 4096 :
		    shown - shown % (1 + guess % 9000);
		quiet_to = guess % 7 == 0 ? UINT64_MAX :
		    quiet_from + (guess >> 6) % 12000;
	}
	*begin = quiet_from;
	*to = quiet_to;
}

static int
read_text(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	(void)arg;
	(void)e;
	must(off <= textlen && len <= textlen - off);
	memcpy(buf, text + off, len);
	return 0;
}

static int
read_new(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	const struct job *j = arg;

	(void)e;
	must(off <= j->new.len && len <= j->new.len - off);
	memcpy(buf, j->new.p + off, len);
	return 0;
}

static long
read_undo(void *arg, void *buf, size_t len, struct imgp_err *e)
{
	struct job *j = arg;
	size_t n = j->undo.len - j->undone;

	(void)e;
	n = n < len ? n : len;
	memcpy(buf, j->undo.p + j->undone, n);
	j->undone += n;
	return (long)n;
}

static int
write_old(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct sink *s = arg;

	(void)e;
	return len > s->max - s->len ? -1 : put(s, p, len);
}

/* --- judging ----------------------------------------------------------------------- */

static void
holds_new(const struct sink *s)
{
	static unsigned char out[2 * MAX];
	z_stream z;

	begin(&z);
	must(inflateInit2(&z, -15) == Z_OK);
	z.next_in = s->p;
	z.avail_in = (uInt)s->len;
	z.next_out = out;
	z.avail_out = sizeof out;
	must(inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0);
	must(sizeof out - z.avail_out == wantlen &&
	    memcmp(out, want, wantlen) == 0);
	inflateEnd(&z);
}

/* write_old() has another arg than read_new(). */
struct back {
	struct job	*j;
	struct sink	 old;
};

static int
back_read(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	return read_new(((struct back *)arg)->j, off, buf, len, e);
}

static long
back_undo(void *arg, void *buf, size_t len, struct imgp_err *e)
{
	return read_undo(((struct back *)arg)->j, buf, len, e);
}

static int
back_write(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	return write_old(&((struct back *)arg)->old, p, len, e);
}

static void
goes_back(struct job *j)
{
	struct back b = { j, { old, 0, sizeof old } };
	struct imgp_respell_back io = { back_read, j->new.len, back_undo,
	    back_write, &b };
	struct imgp_err e = { 0 };

	must(imgp_respell_undo(&io, &e) == 0);
	must(b.old.len == end[streams - 1] &&
	    memcmp(old, coded, b.old.len) == 0);
	/* A record that lies does no harm. */
	if (j->undo.len > 0) {
		j->undo.p[next((unsigned)j->undo.len)] ^=
		    (unsigned char)(1 + next(255));
		j->undone = b.old.len = 0;
		b.old.max = MAX;
		(void)imgp_respell_undo(&io, &e);
	}
}

static void
change(struct imgp_deflate *d, int marked)
{
	struct job j = { { new, 0, sizeof new }, { undo, 0, sizeof undo }, 0, 0,
	    0, 0, 0 };
	struct imgp_respell r = { read_coded, codedlen, more, next_edit,
	    inserted, write_new, write_undo, marked ? next_mark : NULL,
	    read_text, textlen, &j };
	struct imgp_err e = { 0 };

	must(imgp_respell_stream(d, &r, &e) == 0);
	holds_new(&j.new);
	goes_back(&j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct imgp_deflate *d;
	static unsigned char out[2 * MAX];
	struct job j = { { out, 0, sizeof out }, { undo, 0, 0 }, 0, 0, 0, 0, 0 };
	struct imgp_respell_trace t = { read_coded, 0, more, write_new, note,
	    quiet, &j };
	struct imgp_err e = { 0 };
	int sound = 1, rc;

	if (d == NULL)
		d = imgp_deflate_new();
	if (size < 4 || size > MAX / 2)
		return 0;
	in = data + 1;
	left = size - 1;
	state = 1;
	large = data[0] % 8 == 0 || (data[0] >> 3) % 8 == 0;
	if (data[0] % 8 == 0)
		sound = take_stream();
	else {
		make_text();
		make_streams();
	}
	if (sound == -1)
		return 0;
	marks = lists = 0;
	shown = quiet_from = quiet_to = 0;
	guess = state;
	if (guess % 8 == 0)
		t.quiet = NULL;
	t.len = codedlen;
	if (!sound)
		end[0] = (size_t)-1;
	rc = imgp_respell_decode(d, &t, &e);
	must((rc == 0) == (sound == 1));
	if (rc != 0)
		return 0;
	must(j.new.len == textlen && memcmp(out, text, textlen) == 0);
	make_edits();
	change(d, 0);
	change(d, 1);
	return 0;
}
