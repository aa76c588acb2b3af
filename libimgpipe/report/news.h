/*
 * The labs' mail about new files at a run's end, where a pipeline's setting
 * labs_at_once is yes (M76).  The nightly digest lists them as well.
 */
#ifndef IMGPIPE_NEWS_H
#define IMGPIPE_NEWS_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/report/post.h"

#define IMGP_NEWS_MOST	2000	/* files of one letter; more are in the digest */

struct imgp_news;

/* What a digest would give for a delivered job: an object that the caller frees. */
struct imgp_json *imgp_news_file(struct imgp_job *job);

struct imgp_news *imgp_news_new(void);
void	imgp_news_free(struct imgp_news *n);	/* NULL is fine */
/* Note a job if it is delivered and its pipeline has labs_at_once. */
void	imgp_news_see(struct imgp_news *n, struct imgp_job *job);
/* Post a letter for each audience.  ${run} (NULL: none) is the run's id.  0, or
 * -1 with the first failure in ${e}. */
int	imgp_news_send(struct imgp_news *n, struct imgp_post *p,
	    const char *run, struct imgp_err *e);

#endif
