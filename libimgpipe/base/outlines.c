#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/outlines.h"

#define AHEAD	65536		/* whole lines that may wait to be written */

int
imgp_outlines_reads(const struct imgp_outlines *o)
{
	return o->in != -1 && o->whole < AHEAD;
}

int
imgp_outlines_writes(const struct imgp_outlines *o)
{
	return o->whole > 0;
}

/* Take ${n} bytes off the front. */
static void
take(struct imgp_outlines *o, size_t n)
{
	memmove(o->buf.s, o->buf.s + n, o->buf.len - n);
	o->buf.len -= n;
	o->whole = n < o->whole ? o->whole - n : 0;
}

void
imgp_outlines_read(struct imgp_outlines *o)
{
	char chunk[AHEAD];
	const char *last;
	ssize_t n = read(o->in, chunk, sizeof chunk);

	if (n == -1 && errno == EINTR)
		return;
	if (n <= 0) {
		close(o->in);
		o->in = -1;
		o->buf.len = o->whole;
		return;
	}
	if (o->broken)
		return;
	if ((last = memrchr(chunk, '\n', (size_t)n)) != NULL)
		o->whole = o->buf.len + (size_t)(last - chunk) + 1;
	imgp_buf_add(&o->buf, chunk, (size_t)n);
}

void
imgp_outlines_write(struct imgp_outlines *o)
{
	/* POLLOUT promises room for so much in a pipe, and no more. */
	size_t most = o->whole < PIPE_BUF ? o->whole : PIPE_BUF;
	ssize_t n = write(STDOUT_FILENO, o->buf.s, most), i;

	if (n == -1) {
		if (errno == EINTR || errno == EAGAIN)
			return;
		o->broken = errno;
		n = (ssize_t)o->buf.len;
	} else
		for (i = 0; i < n; i++)
			o->lines += o->buf.s[i] == '\n';
	take(o, (size_t)n);
}
