/*
 * Audiences: the pipelines whose readers, sender and carrier are the same.  Each
 * audience gets one letter.
 */
#ifndef IMGPIPE_AUDIENCE_H
#define IMGPIPE_AUDIENCE_H

#include "libimgpipe/report/post.h"

struct imgp_audience {
	struct imgp_audience *next;
	enum imgp_readers who;
	char		*pipeline;	/* the first of them, whose settings hold;
					 * NULL: jobs that have none */
	char		*key;		/* what makes it this audience */
	void		*own;		/* whatever the letter's writer keeps */
};

/* The audience of ${pipeline} in ${*list}, appended to it, with own NULL, when it
 * is not there. */
struct imgp_audience *imgp_audience_of(struct imgp_audience **list,
	    enum imgp_readers who, const char *pipeline);
/* Nonzero when ${pipeline} is of this audience; for struct imgp_digest. */
int	imgp_audience_has(void *audience, const char *pipeline);
/* Free the list; ${free_own} (NULL: nothing) frees each one's own. */
void	imgp_audience_free(struct imgp_audience *list, void (*free_own)(void *));

#endif
