/*
 * Copy all objects below one place to another place, several at once.
 */
#ifndef IMGPIPE_TREE_H
#define IMGPIPE_TREE_H

#include <stddef.h>

#include "libimgpipe/store/store.h"

/* Which objects to copy, and the callbacks. */
struct imgp_tree {
	/* Patterns (fnmatch(3), '*' matches '/' too) for the part of the name
	 * below FROM: one of ${include} must match, where there are any, and
	 * none of ${exclude}. */
	const char	**include, **exclude;
	size_t		 ninclude, nexclude;
	unsigned int	 flags;		/* IMGP_COPY_… */
	int		 dry_run;	/* call done(), copy nothing */
	int		 jobs;		/* at once; at least 1 */
	/* Called for each object, by one thread at a time, with ${copied} on success
	 * (all 0 in a dry run) or ${e} on failure.  Not called for objects that a
	 * signal stopped (stop.h). */
	void		(*done)(void *arg, const char *from, const char *to,
			    const struct imgp_copied *copied,
			    const struct imgp_err *e);
	/* Called for what is neither regular file nor directory. */
	void		(*passed)(void *arg, const char *url);
	/* Called once, when all is listed, with the number of bytes to copy; never
	 * while done() runs. */
	void		(*listed)(void *arg, int64_t bytes);
	void		*arg;
};

/*
 * Copy the objects below ${from} (in ${src}) to the same names below ${to} (in ${dst});
 * both end with '/'.  Failed objects do not stop the others.  Returns 0 when the listing
 * was read to its end, whatever became of single objects; else -1 with ${e}.
 */
int	imgp_tree_copy(const struct imgp_tree *t, struct imgp_store *src,
	    const char *from, struct imgp_store *dst, const char *to,
	    struct imgp_err *e);

#endif
