/*
 * The letter about a run to each audience of admins: how many files had which
 * outcome, and the failures that were not reported before.
 */
#ifndef IMGPIPE_RUNLETTER_H
#define IMGPIPE_RUNLETTER_H

#include "libimgpipe/report/report.h"
#include "libimgpipe/report/trouble.h"
#include "libimgpipe/report/post.h"

#define IMGP_NOTIFY_MOST	100	/* failures listed in a letter (R49) */

struct imgp_runletter;

/* A letter about ${run} (NULL: one without an id).  ${late}: the run did not report its
 * failures itself.  Free with imgp_runletter_free(), NULL is fine. */
struct imgp_runletter *imgp_runletter_new(const char *run, int late);
void	imgp_runletter_free(struct imgp_runletter *r);
/* Set the id of a run that had none. */
void	imgp_runletter_name(struct imgp_runletter *r, const char *run);

/* Count a job of ${pipeline} (NULL: none). */
void	imgp_runletter_count(struct imgp_runletter *r, const char *pipeline,
	    int64_t upload, enum imgp_outcome outcome);
/* Add a failure: ${facts} from imgp_report_job(), the ${url} of its error log (NULL:
 * none), both of which stay the caller's, and the number of its notice (0: none). */
void	imgp_runletter_fail(struct imgp_runletter *r,
	    const struct imgp_json *facts, enum imgp_outcome outcome,
	    const char *url, int64_t notice);
/* Count a failure that an earlier letter reported. */
void	imgp_runletter_known(struct imgp_runletter *r, const char *pipeline);

/* Add all failures of ${from}. */
void	imgp_runletter_add(struct imgp_runletter *r,
	    const struct imgp_runletter *from);
/* How many jobs of all audiences have ${outcome}. */
int64_t	imgp_runletter_sum(const struct imgp_runletter *r,
	    enum imgp_outcome outcome);
/* Post the letters, except to admins whose settings ask for none; with ${show} only pass
 * their text to it. */
void	imgp_runletter_post(struct imgp_runletter *r, struct imgp_post *p,
	    struct imgp_trouble *t, void (*show)(const char *text));

#endif
