/*
 * Messages of a queue as jobs, and back: one process receives them and keeps them
 * from others until their jobs are over; another, at the end of the pipe, reads the
 * finished lines and says which messages are done with.
 *
 * Between the two is a datagram socket in a directory of the user's own.  Each line
 * names it, its message and its part of the message in its member "queue".
 */
#ifndef IMGPIPE_QUEUE_H
#define IMGPIPE_QUEUE_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

struct imgp_queue_options {
	const char	*url;		/* the queue's */
	int		 wait;		/* for a first message, however long */
	size_t		 most;		/* messages */
	int		 seconds;	/* a message is kept for, and again and again */
};

/* What happens meanwhile. */
struct imgp_queue_tell {
	/* A job line, without newline: 0, or -1 where nobody reads any more. */
	int	(*line)(void *arg, const char *line, size_t len);
	/* There are no more lines. */
	void	(*last)(void *arg);
	void	(*passed)(void *arg, const char *what);
	void	(*complain)(void *arg, const struct imgp_err *e);
	void	*arg;
};

/* What became of the messages. */
struct imgp_queue_counts {
	size_t	received;
	size_t	deleted;
	size_t	left;		/* to their time-out: for another try */
};

/*
 * Receive messages, hand their lines over, and stay until each of them is done with
 * or left, keeping them from others.  A message without a job is deleted at once.
 * 0 and ${c}; -1 and ${e} where the queue could not be asked: what was received before
 * is in ${c}.
 */
int	imgp_queue_receive(const struct imgp_queue_options *o,
	    const struct imgp_queue_tell *tell, struct imgp_queue_counts *c,
	    struct imgp_err *e);

/* The lines' end of it. */
struct imgp_queue_done;
struct imgp_queue_done *imgp_queue_done_new(void);
/*
 * A finished line: 1 when its message's part is done with, 0 when it is left for
 * another try, -1 with ${e} when the receiving process cannot be told (it is left
 * then); 2 for a line that belongs to no message.
 */
int	imgp_queue_done_line(struct imgp_queue_done *d, const char *line,
	    size_t len, struct imgp_err *e);
/* There are no more: whoever received waits for none any longer.  Frees ${d}. */
void	imgp_queue_done_end(struct imgp_queue_done *d);

#endif
