/*
 * The nightly job: send the digest to its readers, and watch for silence.
 */
#ifndef IMGPIPE_NIGHTLY_H
#define IMGPIPE_NIGHTLY_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/report/post.h"
#include "libimgpipe/report/trouble.h"

/*
 * Open the digest of what is new since the last one, put a letter for each audience into
 * the outbox, mark the digest sent, and send all letters that wait.  If the process dies
 * at any point, the next one completes the work: each file is in exactly one digest, and
 * each digest's letters are sent.  Returns the exit status; or -1 with ${e} when the
 * digest could not be made, which is left to the next call.
 */
int	imgp_nightly_send(struct imgp_post *p, imgp_complaint *complain,
	    struct imgp_err *e);

/*
 * Send letters about all files that ended from ${since} (ISO 8601) to ${until} (NULL:
 * now), whether they are in a digest or not.  No digest changes.  Returns as above.
 */
int	imgp_nightly_window(struct imgp_post *p, const char *since,
	    const char *until, imgp_complaint *complain, struct imgp_err *e);

/* Send the letters of a digest that was sent once more, unchanged.  Returns as above. */
int	imgp_nightly_resend(struct imgp_post *p, int64_t digest_id,
	    imgp_complaint *complain, struct imgp_err *e);

enum imgp_format { IMGP_AS_TEXT, IMGP_AS_HTML, IMGP_AS_CSV, IMGP_AS_JSON };

/*
 * Append what a digest from ${since} (NULL: the last one sent) to ${until} (NULL: now),
 * both ISO 8601, would tell the admins.  Changes nothing.  Returns 0, or -1 with ${e}.
 */
int	imgp_nightly_preview(struct imgp_post *p, const char *since,
	    const char *until, enum imgp_format as, struct imgp_buf *out,
	    struct imgp_err *e);

/*
 * Returns 1 when no run has ended for ${seconds}, and then mails the admins, at most once
 * a day; 0 when one has; -1 with ${e} on failure.  ${*said} gets a line about it, which
 * the caller frees.
 */
int	imgp_nightly_watch(struct imgp_post *p, long long seconds, char **said,
	    imgp_complaint *complain, struct imgp_err *e);

#endif
