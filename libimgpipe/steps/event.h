/*
 * Messages that tell of objects made in a bucket, taken apart into jobs: S3's event
 * notifications as AWS, MinIO and Ceph write them, EventBridge's "Object Created",
 * and each of them within a message of SQS or SNS, as their APIs and Lambda hand
 * it over (Amazon S3 User Guide, "Event message structure").
 *
 * Such messages come twice, late and in another order, and some never come: they
 * are a trigger, not a record.
 */
#ifndef IMGPIPE_EVENT_H
#define IMGPIPE_EVENT_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

/* What becomes of a message. */
struct imgp_event_sink {
	/*
	 * A job line, without newline: an object was made.  It has "source" and,
	 * where the message tells them, etag.source, version_id.source and
	 * "sequencer": of two events for one object the later has the greater
	 * one, as strcmp() orders.  An event that cannot be taken is a failed
	 * job with IMGP-LOOKUP-EVENT, after complain() was called.
	 */
	void	(*line)(void *arg, const char *line, size_t len);
	/* An event that is nothing to be done for: a removal, a test. */
	void	(*passed)(void *arg, const char *what);
	void	(*complain)(void *arg, const struct imgp_err *e);
	void	*arg;
};

/* Lines of input among which are messages; ${k} must stay. */
struct imgp_event_lines *imgp_event_lines_new(const struct imgp_event_sink *k);
void	imgp_event_lines_free(struct imgp_event_lines *l);	/* NULL is fine */

/*
 * The next line, without newline.  0: it is no message, and stands for itself.  1:
 * what it stands for was handed to the sink, or is kept: a text over several
 * lines, the first of which is "{" alone, as tools print a message; one that is no
 * message is handed over as one line.
 */
int	imgp_event_lines_add(struct imgp_event_lines *l, const char *s,
	    size_t len);
/* There are no more: hand over what is kept. */
void	imgp_event_lines_end(struct imgp_event_lines *l);

#endif
