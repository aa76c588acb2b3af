/*
 * The messages of an SQS queue as jobs.  One process receives messages and extends their
 * visibility timeout until their jobs have finished; another, at the end of the pipe,
 * reads the finished lines and tells the first which messages to delete.
 *
 * They talk by a datagram socket in a directory of the user's own.  The member "queue" of
 * each line names the socket, the message and the part of the message.
 */
#ifndef IMGPIPE_QUEUE_H
#define IMGPIPE_QUEUE_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

struct imgp_queue_options {
	const char	*url;		/* the queue's */
	int		 wait;		/* wait for a first message, however long */
	size_t		 most;		/* messages */
	int		 seconds;	/* visibility timeout, extended again and again */
};

/* The callbacks. */
struct imgp_queue_tell {
	/* Called with a job line, without newline: 0, or -1 when it has no reader. */
	int	(*line)(void *arg, const char *line, size_t len);
	/* Called when there are no more lines. */
	void	(*last)(void *arg);
	/* As in struct imgp_event_sink (event.h). */
	void	(*passed)(void *arg, const char *what);
	void	(*complain)(void *arg, const struct imgp_err *e);
	void	*arg;
};

/* What became of the messages. */
struct imgp_queue_counts {
	size_t	received;
	size_t	deleted;
	size_t	left;		/* left in the queue for another try */
};

/*
 * Receive messages, pass their lines on, and extend their timeouts until each is deleted
 * or left.  A message without a job is deleted at once.  Returns 0 and ${c}; or -1 with
 * ${e} when the queue could not be asked, ${c} counting what was done before.
 */
int	imgp_queue_receive(const struct imgp_queue_options *o,
	    const struct imgp_queue_tell *tell, struct imgp_queue_counts *c,
	    struct imgp_err *e);

/* The process that reads the finished lines. */
struct imgp_queue_done;
struct imgp_queue_done *imgp_queue_done_new(void);
/*
 * Process a finished line.  Returns 1 when its part of the message is done; 0 when the
 * message is left for another try; -1 with ${e} when the receiving process cannot be
 * reached, so that it is left, too; 2 for a line that belongs to no message.
 */
int	imgp_queue_done_line(struct imgp_queue_done *d, const char *line,
	    size_t len, struct imgp_err *e);
/* There are no more lines: tell the receiving process not to wait for any.  Frees ${d}. */
void	imgp_queue_done_end(struct imgp_queue_done *d);

#endif
