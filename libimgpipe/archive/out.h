/*
 * Sequential output to a file or a pipe, which copies from files inside the kernel
 * (copy_file_range(2)) where that works.
 */
#ifndef IMGPIPE_OUT_H
#define IMGPIPE_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"

struct imgp_out {
	int		 fd;
	uint64_t	 n;		/* bytes taken so far */
	unsigned char	*buf;		/* not yet written: len bytes of room */
	size_t		 len, room;
	int		 no_cfr;	/* copy_file_range does not work here */
	int		 durable;	/* set by a caller that will fsync(2): starts
					 * writing to disk early */
	uint64_t	 behind;	/* bytes whose write to disk was started */
	uint64_t	 held, held_n;	/* the file's size and n at imgp_out_hold() */
	/* Read-ahead of the last copy: nahead bytes of ahead_fd at ahead_off. */
	const unsigned char *ahead;
	size_t		 nahead;
	int		 ahead_fd;
	uint64_t	 ahead_off;
};

/* Begin at ${fd}'s position; the descriptor stays the caller's. */
void	imgp_out_init(struct imgp_out *o, int fd);
/* Free the buffer; what was not flushed is lost. */
void	imgp_out_release(struct imgp_out *o);

/* These return 0, or -1 with IMGP-STORE-IO or IMGP-STORE-FULL. */
int	imgp_out_write(struct imgp_out *o, const void *p, size_t len,
	    struct imgp_err *e);
/* Write ${len} bytes at ${off} of the file ${fd}, which must have them. */
int	imgp_out_copy(struct imgp_out *o, int fd, uint64_t off, uint64_t len,
	    struct imgp_err *e);
/*
 * imgp_pread() of a file that does not change.  Bytes that follow the last copy are
 * mostly in memory already.
 */
int	imgp_out_pread(struct imgp_out *o, int fd, void *buf, size_t len,
	    uint64_t off, struct imgp_err *e);
int	imgp_out_flush(struct imgp_out *o, struct imgp_err *e);

/*
 * Can what comes from here on be taken back?  Returns 1 when the output is a regular file
 * and this its end; 0 when not; -1 with ${e}, as what was buffered is written first.
 */
int	imgp_out_hold(struct imgp_out *o, struct imgp_err *e);
/* Take back what came since imgp_out_hold() returned 1.  Returns 0, or -1 with ${e}. */
int	imgp_out_take_back(struct imgp_out *o, struct imgp_err *e);

/* After a write to ${what} failed: fill ${e} from errno and return -1. */
int	imgp_fail_write(struct imgp_err *e, const char *what);

/* Get the size of the regular file ${fd}, by lseek(2) alone: 0, or -1 with
 * IMGP-STORE-IO. */
int	imgp_file_size(int fd, uint64_t *size, struct imgp_err *e);
/* Read exactly ${len} bytes at ${off}; 0, or -1 with IMGP-STORE-IO. */
int	imgp_pread(int fd, void *buf, size_t len, uint64_t off,
	    struct imgp_err *e);

#endif
