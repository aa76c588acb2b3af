/*
 * Remove by age what finished work leaves behind (imgp-prune(1)).
 *
 * No row of the record is removed.  An object is removed only after asking the record
 * whose it is.  Objects that it does not know stay; so do those that a run holds or held
 * within the last hour, and those that a waiting upload or a delivered file still needs.
 * Ages are by the database's clock.  If the process is killed, the next one does the
 * rest.
 */
#ifndef IMGPIPE_PRUNE_H
#define IMGPIPE_PRUNE_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/report/post.h"

enum imgp_prune_kind {
	IMGP_PRUNE_LETTERS,	/* the text of letters sent or given up */
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

/* Something to remove.  Its texts are valid during the call only. */
struct imgp_prune_item {
	enum imgp_prune_kind kind;
	const char	*what;		/* its place; of a letter, the Message-ID */
	int64_t		 bytes;		/* -1: not known */
	int64_t		 since;		/* Unix seconds: how old it is */
};

struct imgp_prune {
	unsigned int	 kinds;		/* 1u << kind, or'ed */
	long long	 seconds;	/* the least age of what is removed */
	int		 dry_run;	/* remove nothing */
	/* Called for each item that was removed or, in a dry run, would be. */
	void		(*removed)(void *arg, const struct imgp_prune_item *i);
	/* Called for each place that cannot be listed, and each item that cannot be
	 * removed. */
	void		(*complain)(const struct imgp_err *e);
	void		*arg;
};

/* The result, by kind; only what is old enough is counted. */
struct imgp_pruned {
	struct {
		int64_t	removed, bytes;
		int64_t	kept;		/* still needed */
		int64_t	unknown;	/* not known to the record: kept */
		int64_t	failed;		/* items; and places, at least one */
	} of[IMGP_PRUNE_KINDS];
};

/*
 * Returns 0 and ${r}, also if single items failed.  Returns -1 with ${e} when the record
 * cannot be asked, ${r} counting what was done before; and with IMGP-CONFIG, without doing
 * anything, when a template makes keys that cannot be distinguished from others.
 */
int	imgp_prune(struct imgp_post *p, const struct imgp_prune *w,
	    struct imgp_pruned *r, struct imgp_err *e);

#endif
