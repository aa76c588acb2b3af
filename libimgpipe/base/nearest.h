/* The known name that is nearest to a misspelt one. */
#ifndef IMGPIPE_NEAREST_H
#define IMGPIPE_NEAREST_H

#include <stddef.h>

struct imgp_nearest {
	const char	*word;		/* what was written */
	const char	*name;		/* the nearest so far; NULL: none is near */
	size_t		 distance;	/* of that */
};

/*
 * Compare ${name} with the word by letters added, left out, replaced, or swapped with
 * their neighbour.  It becomes the nearest if its distance is less than that of the
 * nearest so far and at most a third of the word's length.  Begin with
 * { word, NULL, 0 }.
 */
void	imgp_nearest_try(struct imgp_nearest *n, const char *name);

#endif
