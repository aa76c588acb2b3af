/*
 * Keeping house: what finished work leaves behind, removed by age (imgp-prune(1)).
 *
 * No row of the record is removed.  Before an object is, the record is asked whose it
 * is: what it does not know stays, what a run holds or held within the last hour
 * stays, and so does what an upload that waits to be delivered, or a delivered file,
 * still needs.  The age is held against the database's clock.  A process that is killed
 * leaves the rest for the next one.
 */
#ifndef IMGPIPE_PRUNE_H
#define IMGPIPE_PRUNE_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/report/post.h"

enum imgp_prune_kind {
	IMGP_PRUNE_LETTERS,	/* the text of letters that came to their end */
	IMGP_PRUNE_RUN_LOGS,
	IMGP_PRUNE_ERROR_LOGS,	/* not of uploads that wait to be delivered */
	IMGP_PRUNE_TEMP,	/* objects in temp */
	IMGP_PRUNE_MULTIPART,	/* open multipart uploads to temp and destination;
				 * in directories, temporary files without writer */
	IMGP_PRUNE_PROVENANCE,	/* without it a stamp cannot be undone */
	IMGP_PRUNE_KINDS
};
/* "letters", "run-logs", … */
extern const char *const imgp_prune_kinds[IMGP_PRUNE_KINDS];

/* Something that is removed.  All text lives during the call alone. */
struct imgp_prune_item {
	enum imgp_prune_kind kind;
	const char	*what;		/* its place; of a letter, the Message-ID */
	int64_t		 bytes;		/* -1: not known */
	int64_t		 since;		/* Unix seconds: how old it is */
};

struct imgp_prune {
	unsigned int	 kinds;		/* 1u << kind, or'ed */
	long long	 seconds;	/* the age from which on it is removed */
	int		 dry_run;	/* only tell */
	/* Told of each item, once it is removed or, in a dry run, would be. */
	void		(*removed)(void *arg, const struct imgp_prune_item *i);
	/* Told of each place that cannot be listed, and each item that cannot be
	 * removed. */
	void		(*complain)(const struct imgp_err *e);
	void		*arg;
};

/* What came of it, by kind; old enough is what is counted. */
struct imgp_pruned {
	struct {
		int64_t	removed, bytes;
		int64_t	kept;		/* still needed */
		int64_t	unknown;	/* the record does not know it: kept */
		int64_t	failed;		/* items; and places, at least one */
	} of[IMGP_PRUNE_KINDS];
};

/*
 * 0 and ${r}, be there failures or not.  -1 and ${e} when the record cannot be asked,
 * ${r} then tells what was done before; and, with nothing done, IMGP-CONFIG where a
 * template makes keys that cannot be told from others'.
 */
int	imgp_prune(struct imgp_post *p, const struct imgp_prune *w,
	    struct imgp_pruned *r, struct imgp_err *e);

#endif
