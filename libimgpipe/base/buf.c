#include <err.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"

void (*imgp_at_oom)(void);

void
imgp_end_at_once(int status, const char *code, const char *why)
{
	warnx("%s%s", code, why);
	if (imgp_at_oom != NULL)
		imgp_at_oom();
	/* No exit(): what libraries do then may want memory, too.  What a tool had to say
	 * in whole lines it has written. */
	_exit(status);
}

void
imgp_oom(void)
{
	imgp_end_at_once(75, "IMGP-MEMORY: ", "out of memory");
}

void *
imgp_alloc(size_t size)
{
	void *p = calloc(1, size == 0 ? 1 : size);

	if (p == NULL)
		imgp_oom();
	return p;
}

void *
imgp_alloc_bytes(size_t size)
{
	return imgp_realloc(NULL, size, 1);
}

void *
imgp_realloc(void *p, size_t n, size_t size)
{
	void *q;

	if (size != 0 && n > SIZE_MAX / size)
		imgp_oom();
	if ((q = realloc(p, n * size == 0 ? 1 : n * size)) == NULL)
		imgp_oom();
	return q;
}

char *
imgp_strndup(const char *s, size_t len)
{
	char *p = malloc(len + 1);

	if (p == NULL)
		imgp_oom();
	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *
imgp_strdup(const char *s)
{
	return imgp_strndup(s, strlen(s));
}

char *
imgp_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n == -1)
		imgp_oom();
	return s;
}

char imgp_buf_empty[1];

void
imgp_buf_init(struct imgp_buf *b)
{
	b->s = imgp_buf_empty;
	b->len = b->size = b->max = 0;
}

void
imgp_buf_reserve(struct imgp_buf *b, size_t len)
{
	size_t size = b->size < 256 ? 256 : b->size, need;

	if (len > SIZE_MAX - b->len - 1)
		imgp_oom();
	if ((need = b->len + len + 1) <= b->size)
		return;
	while (size < need)
		size = size > SIZE_MAX / 2 ? need : size * 2;
	b->s = imgp_realloc(b->size == 0 ? NULL : b->s, size, 1);
	b->s[b->len] = '\0';
	b->size = size;
}

int
imgp_buf_add(struct imgp_buf *b, const void *p, size_t len)
{
	if (b->max != 0 && (len > b->max || b->len > b->max - len))
		return -1;
	if (len == 0)
		return 0;
	imgp_buf_reserve(b, len);
	memcpy(b->s + b->len, p, len);
	b->len += len;
	b->s[b->len] = '\0';
	return 0;
}

int
imgp_buf_puts(struct imgp_buf *b, const char *s)
{
	return imgp_buf_add(b, s, strlen(s));
}

int
imgp_buf_printf(struct imgp_buf *b, const char *fmt, ...)
{
	char small[256], *big;
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	if ((size_t)n < sizeof small)
		return imgp_buf_add(b, small, (size_t)n);
	va_start(ap, fmt);
	n = vasprintf(&big, fmt, ap);
	va_end(ap);
	if (n == -1)
		imgp_oom();
	rc = imgp_buf_add(b, big, (size_t)n);
	free(big);
	return rc;
}

void
imgp_buf_cut(struct imgp_buf *b, size_t len)
{
	b->len = len;
	if (b->size != 0)
		b->s[len] = '\0';
}

void
imgp_buf_clear(struct imgp_buf *b)
{
	imgp_buf_cut(b, 0);
}

void
imgp_buf_release(struct imgp_buf *b)
{
	if (b->size != 0)
		free(b->s);
	b->s = imgp_buf_empty;
	b->len = b->size = 0;
}

char *
imgp_buf_steal(struct imgp_buf *b)
{
	char *s = b->size == 0 ? imgp_strdup("") : b->s;

	b->s = imgp_buf_empty;
	b->len = b->size = 0;
	return s;
}
