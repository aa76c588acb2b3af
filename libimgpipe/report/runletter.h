/*
 * The one letter about a run to each audience of admins: how many files came
 * where, and the failures that were not told before.
 */
#ifndef IMGPIPE_RUNLETTER_H
#define IMGPIPE_RUNLETTER_H

#include "libimgpipe/report/report.h"
#include "libimgpipe/report/trouble.h"
#include "libimgpipe/report/post.h"

#define IMGP_NOTIFY_MOST	100	/* failures told one by one (R49) */

struct imgp_runletter;

/* About ${run} (NULL: one without a name).  ${late}: the run ended without
 * telling of it.  Free with imgp_runletter_free(), NULL is fine. */
struct imgp_runletter *imgp_runletter_new(const char *run, int late);
void	imgp_runletter_free(struct imgp_runletter *r);
/* Name a run that had no name. */
void	imgp_runletter_name(struct imgp_runletter *r, const char *run);

/* Count a job of ${pipeline} (NULL: none). */
void	imgp_runletter_count(struct imgp_runletter *r, const char *pipeline,
	    int64_t upload, enum imgp_outcome outcome);
/* Tell of a failure; ${facts} of imgp_report_job(), ${url} (NULL: none) and
 * ${notice}, its number in the record (0: it has none), are the caller's. */
void	imgp_runletter_fail(struct imgp_runletter *r,
	    const struct imgp_json *facts, enum imgp_outcome outcome,
	    const char *url, int64_t notice);
/* Count a failure that was told by an earlier letter. */
void	imgp_runletter_known(struct imgp_runletter *r, const char *pipeline);

/* Tell of all failures of ${from}, too. */
void	imgp_runletter_add(struct imgp_runletter *r,
	    const struct imgp_runletter *from);
/* How many jobs of all audiences came to ${outcome}. */
int64_t	imgp_runletter_sum(const struct imgp_runletter *r,
	    enum imgp_outcome outcome);
/* Post the letters that somebody wants; with ${show} only show them. */
void	imgp_runletter_post(struct imgp_runletter *r, struct imgp_post *p,
	    struct imgp_trouble *t, void (*show)(const char *text));

#endif
