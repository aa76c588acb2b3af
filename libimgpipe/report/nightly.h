/*
 * The nightly round: the digest to its readers, and the watch for silence.
 */
#ifndef IMGPIPE_NIGHTLY_H
#define IMGPIPE_NIGHTLY_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/report/post.h"
#include "libimgpipe/report/trouble.h"

/*
 * Open the digest of what is new since the last one, put a letter for each
 * audience into the outbox, mark the digest sent, and send what waits.  A
 * process that dies anywhere in between leaves a state from which the next one
 * does the same: each file is in one digest, each digest's letter is sent.  The
 * exit status, or -1 with ${e} when the digest could not be made; then it is
 * made by the next.
 */
int	imgp_nightly_send(struct imgp_post *p, imgp_complaint *complain,
	    struct imgp_err *e);

/*
 * Send letters about all that ended from ${since} on (ISO 8601), up to ${until}
 * (NULL: now), whether a digest has it or not.  No digest changes.  The exit status,
 * or -1 as above.
 */
int	imgp_nightly_window(struct imgp_post *p, const char *since,
	    const char *until, imgp_complaint *complain, struct imgp_err *e);

/* Send a sent digest's letters once more, as they were.  As above. */
int	imgp_nightly_resend(struct imgp_post *p, int64_t digest_id,
	    imgp_complaint *complain, struct imgp_err *e);

enum imgp_format { IMGP_AS_TEXT, IMGP_AS_HTML, IMGP_AS_CSV, IMGP_AS_JSON };

/*
 * Append what a digest of the time from ${since} (NULL: the last one sent) to
 * ${until} (NULL: now) would tell the admins; both are ISO 8601.  Changes
 * nothing.  0 or -1.
 */
int	imgp_nightly_preview(struct imgp_post *p, const char *since,
	    const char *until, enum imgp_format as, struct imgp_buf *out,
	    struct imgp_err *e);

/*
 * 1 when no run has ended for ${seconds}; the admins are then mailed, once a day.  0
 * when one has.  ${said} is a line about it, the caller's to
 * free.  -1 and ${e} on failure.
 */
int	imgp_nightly_watch(struct imgp_post *p, long long seconds, char **said,
	    imgp_complaint *complain, struct imgp_err *e);

#endif
