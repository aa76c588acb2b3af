/*
 * A growing byte buffer with a ceiling.
 *
 * When memory runs out, the program ends with a message and status 75 (imgp_oom).
 * When a buffer would pass its ceiling, the call fails and the caller decides.
 */
#ifndef IMGPIPE_BUF_H
#define IMGPIPE_BUF_H

#include <stddef.h>

struct imgp_buf {
	char	*s;		/* NUL after the last byte; never NULL */
	size_t	 len;		/* bytes used, the NUL not counted */
	size_t	 size;		/* bytes there */
	size_t	 max;		/* ceiling for len; 0: none */
};

/* What an empty buffer's s points to: one NUL, not to be written. */
extern char imgp_buf_empty[];

#define IMGP_BUF_INIT	{ imgp_buf_empty, 0, 0, 0 }

/* IMGP_BUF_INIT for a struct in memory that was not initialized. */
void	imgp_buf_init(struct imgp_buf *b);

/* Append.  Returns 0, or -1 and changes nothing when the ceiling would be passed. */
int	imgp_buf_add(struct imgp_buf *b, const void *p, size_t len);
int	imgp_buf_puts(struct imgp_buf *b, const char *s);
int	imgp_buf_printf(struct imgp_buf *b, const char *fmt, ...)
	    __attribute__((__format__(printf, 2, 3)));
/* Make room for ${len} more bytes and a NUL at b->s + b->len.  The caller fills it and
 * adds to b->len.  The ceiling is not checked. */
void	imgp_buf_reserve(struct imgp_buf *b, size_t len);

/* Keep the first ${len} bytes only; ${len} must not be above b->len. */
void	imgp_buf_cut(struct imgp_buf *b, size_t len);
/* Empty it, keeping the memory. */
void	imgp_buf_clear(struct imgp_buf *b);
/* Empty it and give the memory back; ready for use again. */
void	imgp_buf_release(struct imgp_buf *b);
/* Take the text out: never NULL, the caller frees it.  The buffer is left empty. */
char	*imgp_buf_steal(struct imgp_buf *b);

/* malloc(3) and friends that never return NULL: they call imgp_oom() instead. */
void	*imgp_alloc(size_t size);			/* zeroed */
void	*imgp_alloc_bytes(size_t size);		/* as they come: to read into */
void	*imgp_realloc(void *p, size_t n, size_t size);	/* n * size, checked */
char	*imgp_strdup(const char *s);
char	*imgp_strndup(const char *s, size_t len);
char	*imgp_asprintf(const char *fmt, ...)
	    __attribute__((__format__(printf, 1, 2)));
void	 imgp_oom(void) __attribute__((__noreturn__));
/* Write the line "${code}${why}" to standard error and end the program with ${status}:
 * for failures that no caller can handle.  ${code} ends with a colon and a blank. */
void	 imgp_end_at_once(int status, const char *code, const char *why)
	    __attribute__((__noreturn__));
/* Unless NULL, imgp_oom() and imgp_end_at_once() call it first, to remove unfinished
 * files.  It must not allocate.  It is NULL in the processes of imgp_worker_start(). */
extern void (*imgp_at_oom)(void);

#endif
