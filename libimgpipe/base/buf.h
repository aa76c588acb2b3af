/*
 * A growing byte buffer with a ceiling.
 *
 * Running out of memory ends the program with a message and status 75
 * (imgp_oom); running over the ceiling is the caller's to handle.
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

/* The same for a struct in memory that was not initialized. */
void	imgp_buf_init(struct imgp_buf *b);

/* Append.  0, or -1 when the ceiling would be passed; then nothing changes. */
int	imgp_buf_add(struct imgp_buf *b, const void *p, size_t len);
int	imgp_buf_puts(struct imgp_buf *b, const char *s);
int	imgp_buf_printf(struct imgp_buf *b, const char *fmt, ...)
	    __attribute__((__format__(printf, 2, 3)));
/* Room for ${len} further bytes and a NUL behind b->len, for the caller to fill;
 * the ceiling is not looked at. */
void	imgp_buf_reserve(struct imgp_buf *b, size_t len);

/* Cut it to its first ${len} bytes, which it must have. */
void	imgp_buf_cut(struct imgp_buf *b, size_t len);
/* Empty it, keeping the memory. */
void	imgp_buf_clear(struct imgp_buf *b);
/* Empty it and give the memory back; ready for use again. */
void	imgp_buf_release(struct imgp_buf *b);
/* The text, the caller's to free (never NULL); the buffer is left empty. */
char	*imgp_buf_steal(struct imgp_buf *b);

/* malloc and friends that end the program as said above. */
void	*imgp_alloc(size_t size);			/* zeroed */
void	*imgp_alloc_bytes(size_t size);		/* as they come: to read into */
void	*imgp_realloc(void *p, size_t n, size_t size);	/* n * size, checked */
char	*imgp_strdup(const char *s);
char	*imgp_strndup(const char *s, size_t len);
char	*imgp_asprintf(const char *fmt, ...)
	    __attribute__((__format__(printf, 1, 2)));
void	 imgp_oom(void) __attribute__((__noreturn__));
/* End the program with the line "${code}${why}" and ${status}, for what no caller can
 * answer; ${code} ends with a colon and a blank. */
void	 imgp_end_at_once(int status, const char *code, const char *why)
	    __attribute__((__noreturn__));
/* What these two call before the end, unless NULL: to remove unfinished files.  It may
 * not allocate.  NULL in the processes of imgp_worker_start(). */
extern void (*imgp_at_oom)(void);

#endif
