/* The name that somebody may have meant who wrote another. */
#ifndef IMGPIPE_NEAREST_H
#define IMGPIPE_NEAREST_H

#include <stddef.h>

struct imgp_nearest {
	const char	*word;		/* what was written */
	const char	*name;		/* the nearest so far; NULL: none is near */
	size_t		 distance;	/* of that */
};

/*
 * Hold ${name} against the word: it becomes the nearest when fewer letters are
 * added, left out, replaced or swapped with their neighbour than for the one
 * before, and not more than a third of the word's.  Begin with { word, NULL, 0 }.
 */
void	imgp_nearest_try(struct imgp_nearest *n, const char *name);

#endif
