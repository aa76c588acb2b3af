/*
 * Audiences: pipelines with the same readers, sender and carrier share a letter.
 */
#ifndef IMGPIPE_AUDIENCE_H
#define IMGPIPE_AUDIENCE_H

#include "libimgpipe/report/post.h"

struct imgp_audience {
	struct imgp_audience *next;
	enum imgp_readers who;
	char		*pipeline;	/* its first pipeline, whose settings count;
					 * NULL: jobs without a pipeline */
	char		*key;		/* readers, sender and carrier as one text */
	void		*own;		/* the caller's data, for its letter */
};

/* The setting that names these readers' own carrier, "labs_mail" or "admins_mail"; and
 * their name in the record, "labs" or "admins".  Static. */
const char *imgp_audience_mail(enum imgp_readers who);
const char *imgp_audience_name(enum imgp_readers who);

/* Find the audience of ${pipeline} in ${*list}; append one, with own NULL, if there
 * is none. */
struct imgp_audience *imgp_audience_of(struct imgp_audience **list,
	    enum imgp_readers who, const char *pipeline);
/* Nonzero when ${pipeline} belongs to this audience; for imgp_digest.wants. */
int	imgp_audience_has(void *audience, const char *pipeline);
/* Free the list, and each ${own} by ${free_own} (or NULL). */
void	imgp_audience_free(struct imgp_audience *list, void (*free_own)(void *));

#endif
