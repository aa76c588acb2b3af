/*
 * The proof that what the EDC has lies at the destinations with the right bytes
 * (F16, M43, M44).
 *
 * It is a difference of sets, not a look at what is recent: the uploads of
 * pipeline.upload, the rows of the record, and the objects that a listing finds.
 * No place is written to, and of the record only what a repair opens, and that the object
 * of a delivery without a sum was seen.
 */
#ifndef IMGPIPE_VERIFY_H
#define IMGPIPE_VERIFY_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/report/post.h"

/* How closely; each level includes those before it. */
enum imgp_verify_level {
	IMGP_VERIFY_ROW,	/* each upload has a row that is Completed */
	IMGP_VERIFY_EXISTS,	/* each such row has its object, each object a row */
	IMGP_VERIFY_SIZE,	/* of the right size; by the listing, too */
	IMGP_VERIFY_SUM,	/* and its ETag is the one noted at delivery; else
				 * one HEAD for its x-amz-meta-sha256; a file is
				 * read */
	IMGP_VERIFY_FETCH,	/* all of it is read and summed */
	IMGP_VERIFY_IDS		/* and each instance in it carries its ATRIUID */
};

/* What is wrong.  The names are imgp_verify_kinds[]; imgp-verify(1) explains them. */
enum imgp_verify_kind {
	IMGP_NOT_DELIVERED,	/* an upload without a row that is Completed */
	IMGP_MISSING,		/* a row that is Completed, without its object */
	IMGP_RENAMED,		/* the same, and its bytes lie under another name */
	IMGP_OTHER_SIZE,
	IMGP_OTHER_BYTES,
	IMGP_WITHOUT_ID,	/* an instance does not carry its ATRIUID */
	IMGP_ELSEWHERE,		/* delivered to a place that the settings do not
				 * name any more; it is looked at there */
	IMGP_NOT_COMPLETED,	/* an object whose row is not Completed */
	IMGP_NO_ROW,		/* an object that no row names */
	IMGP_SOURCE_CHANGED,	/* the EDC's object is not what was delivered */
	IMGP_VERIFY_KINDS
};
extern const char *const imgp_verify_kinds[IMGP_VERIFY_KINDS];

/* What is not known is 0 or NULL.  All text lives during the call alone. */
struct imgp_finding {
	enum imgp_verify_kind kind;
	int64_t		 file_id, upload, revision;
	const char	*pipeline;
	const char	*place;
	const char	*what;		/* a phrase for people */
};

struct imgp_verify {
	enum imgp_verify_level level;
	const char	*pipeline;	/* findings of this one only; NULL: all */
	const char	*since;		/* rows that were made or ended since then,
					 * as PostgreSQL reads it; NULL: all */
	/* Not NULL: open each row whose object is missing, so that the next run
	 * delivers it once more, and note this reason. */
	const char	*repair;
	int		 dry_run;	/* write nothing at all, without repair, too */
	void		(*found)(void *arg, const struct imgp_finding *f);
	/* Called for each place and object that could not be looked at, and each
	 * row that could not be opened. */
	void		(*complain)(const struct imgp_err *e);
	void		*arg;
};

/* What was looked at. */
struct imgp_verified {
	int64_t	rows;		/* Completed */
	int64_t	objects;	/* at the destinations */
	int64_t	findings;
	int64_t	unseen;		/* what could not be looked at, */
	int64_t	refused;	/* and opened */
};

/*
 * Look at all of it and call ${v->found} for each finding.  0 and ${r}, be there
 * findings or not; the proof holds where both r->findings and r->unseen are 0.
 * -1 and ${e} when the record cannot be asked.
 */
int	imgp_verify(struct imgp_post *p, const struct imgp_verify *v,
	    struct imgp_verified *r, struct imgp_err *e);

#endif
