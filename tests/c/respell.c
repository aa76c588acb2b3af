/*
 * The way back of respell.h, by records that are written here: a change of any length
 * in front of a long run that is the same.
 */
/* PKGS: zlib libisal */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/deflate/respell.h"

#include "tests/c/tap.h"

#define READ	((size_t)32 << 10)	/* of the new stream at once */
#define RUN	(3 * READ)		/* bytes that are the same */

struct io {
	unsigned char	 new[RUN + 8];
	unsigned char	 record[2 * READ + 64];
	size_t		 len, done;
	unsigned char	 old[2 * READ + RUN + 8];
	size_t		 oldlen;
};

static int
read_new(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	struct io *io = arg;

	(void)e;
	if (off > RUN || len > RUN - off)
		abort();
	memcpy(buf, io->new + off, len);
	return 0;
}

static long
read_record(void *arg, void *buf, size_t len, struct imgp_err *e)
{
	struct io *io = arg;
	size_t n = io->len - io->done;

	(void)e;
	n = n < len ? n : len;
	memcpy(buf, io->record + io->done, n);
	io->done += n;
	return (long)n;
}

static int
write_old(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct io *io = arg;

	(void)e;
	if (len > sizeof io->old - io->oldlen)
		return -1;
	memcpy(io->old + io->oldlen, p, len);
	io->oldlen += len;
	return 0;
}

static void
put_number(struct io *io, uint64_t v)
{
	for (; v > 127; v >>= 7)
		io->record[io->len++] = (unsigned char)(v | 128);
	io->record[io->len++] = (unsigned char)v;
}

static unsigned
bit(const unsigned char *p, size_t at)
{
	return (unsigned)p[at >> 3] >> (at & 7) & 1;
}

/* One gap of ${keep} bits in place of ${drop}, and the run behind it.  Is the source
 * ${keep} bits of the record and then the run's? */
static int
goes_back(struct io *io, uint64_t keep, unsigned drop)
{
	const struct imgp_respell_back back = { read_new, RUN, read_record, write_old, io };
	struct imgp_err e = { NULL, "" };
	size_t i, bits = RUN * 8 - drop, at;

	io->len = io->done = io->oldlen = 0;
	put_number(io, 0);
	put_number(io, drop);
	put_number(io, keep);
	at = io->len;
	for (i = 0; i < (keep + 7) / 8; i++)
		io->record[io->len++] = (unsigned char)(i * 37 + 11);
	put_number(io, bits);
	put_number(io, 0);
	put_number(io, 0);
	if (imgp_respell_undo(&back, &e) == -1 || io->oldlen * 8 != keep + bits)
		return 0;
	for (i = 0; i < keep; i++)
		if (bit(io->old, i) != bit(io->record + at, i))
			return 0;
	for (i = 0; i < bits; i++)
		if (bit(io->old, keep + i) != bit(io->new, drop + i))
			return 0;
	return 1;
}

int
main(void)
{
	static struct io io;
	unsigned phase, bad;
	size_t i, bytes;

	for (i = 0; i < RUN; i++)
		io.new[i] = (unsigned char)(i * i / 7 + i);
	for (phase = 0; phase < 8; phase++) {
		bad = 0;
		for (bytes = READ - 24; bytes <= READ + 24; bytes++)
			bad += !goes_back(&io, bytes * 8 + phase, phase);
		for (bytes = READ / 2 - 9; bytes <= READ / 2 + 9; bytes++)
			bad += !goes_back(&io, bytes * 8 + phase, phase);
		for (bytes = 0; bytes <= 9; bytes++)
			bad += !goes_back(&io, bytes * 8 + phase, phase);
		ok(bad == 0, "as much as is read at once, behind a change of any length, "
		    "%u bits: %u fail", phase, bad);
	}
	return done_testing();
}
