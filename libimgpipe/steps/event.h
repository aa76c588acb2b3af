/*
 * Turn messages about new objects in a bucket into job lines: S3 event notifications as
 * AWS, MinIO and Ceph write them (Amazon S3 User Guide, "Event message structure"),
 * EventBridge's "Object Created", and each of them within a message of SQS or SNS, as
 * their APIs and Lambda deliver it.
 *
 * Such messages may come twice, late, out of order or never: they are a trigger, not a
 * record.
 */
#ifndef IMGPIPE_EVENT_H
#define IMGPIPE_EVENT_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

/* The callbacks for what a message contains. */
struct imgp_event_sink {
	/*
	 * Called with a job line, without newline, for each object made.  It has
	 * "source" and, if the message gives them, etag.source, version_id.source
	 * and "sequencer": of two events for one object the later has the greater
	 * one by strcmp().  An event that cannot be understood becomes a failed
	 * job with IMGP-LOOKUP-EVENT, after complain() was called.
	 */
	void	(*line)(void *arg, const char *line, size_t len);
	/* Called for an event that needs no work: a removal, a test. */
	void	(*passed)(void *arg, const char *what);
	void	(*complain)(void *arg, const struct imgp_err *e);
	void	*arg;
};

/* A reader of input lines that may be messages; ${k} is not copied. */
struct imgp_event_lines *imgp_event_lines_new(const struct imgp_event_sink *k);
void	imgp_event_lines_free(struct imgp_event_lines *l);	/* NULL is fine */

/*
 * Add the next line, without newline.  Returns 0 when it is no message and stands for
 * itself.  Returns 1 when its jobs were passed to the sink, or when it is kept as part of
 * a JSON text over several lines, which begins with a line "{", as tools print messages;
 * such a text that is no message is passed to the sink as one line.
 */
int	imgp_event_lines_add(struct imgp_event_lines *l, const char *s,
	    size_t len);
/* There are no more lines: pass on what is kept. */
void	imgp_event_lines_end(struct imgp_event_lines *l);

#endif
