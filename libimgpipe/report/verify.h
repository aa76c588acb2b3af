/*
 * Verify that every upload of the EDC is at its destination with the right bytes (F16,
 * M43, M44).
 *
 * It compares whole sets, not only what is recent: the uploads of pipeline.upload, the
 * rows of the record, and the objects found by listing.  It writes to no place.  In the
 * record it writes only that a row is opened again for repair, and that the object of a
 * delivery without a checksum was seen.
 */
#ifndef IMGPIPE_VERIFY_H
#define IMGPIPE_VERIFY_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/report/post.h"

/* How closely; each level includes those before it. */
enum imgp_verify_level {
	IMGP_VERIFY_ROW,	/* each upload has a row that is Completed */
	IMGP_VERIFY_EXISTS,	/* each such row has its object, and vice versa */
	IMGP_VERIFY_SIZE,	/* of the right size, by the same listing */
	IMGP_VERIFY_SUM,	/* its ETag is the one noted at delivery; else its
				 * x-amz-meta-sha256, by HEAD, is right; in a
				 * directory the file is read */
	IMGP_VERIFY_FETCH,	/* its SHA-256 is right, by reading all of it */
	IMGP_VERIFY_IDS		/* and each instance in it carries its ATRIUID */
};

/* Kinds of findings.  imgp_verify_kinds[] has their names, imgp-verify(1) explains them. */
enum imgp_verify_kind {
	IMGP_NOT_DELIVERED,	/* an upload without a row that is Completed */
	IMGP_MISSING,		/* a row that is Completed, without its object */
	IMGP_RENAMED,		/* the same, but its bytes are under another name */
	IMGP_OTHER_SIZE,
	IMGP_OTHER_BYTES,
	IMGP_WITHOUT_ID,	/* an instance does not carry its ATRIUID */
	IMGP_ELSEWHERE,		/* delivered to a place that the settings do not
				 * name any more; it is checked there */
	IMGP_NOT_COMPLETED,	/* an object whose row is not Completed */
	IMGP_NO_ROW,		/* an object that no row names */
	IMGP_SOURCE_CHANGED,	/* the EDC's object is not what was delivered */
	IMGP_VERIFY_KINDS
};
extern const char *const imgp_verify_kinds[IMGP_VERIFY_KINDS];

/* Unknown members are 0 or NULL.  The texts are valid during the call only. */
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
	const char	*since;		/* only rows made or ended since then, a
					 * timestamp for PostgreSQL; NULL: all */
	/* Not NULL: open each row whose object is missing again, with this reason,
	 * so that the next run delivers it once more. */
	const char	*repair;
	int		 dry_run;	/* write nothing at all to the record */
	void		(*found)(void *arg, const struct imgp_finding *f);
	/* Called for each place and object that could not be read, and each row that
	 * could not be opened. */
	void		(*complain)(const struct imgp_err *e);
	void		*arg;
};

/* The counts. */
struct imgp_verified {
	int64_t	rows;		/* Completed */
	int64_t	objects;	/* at the destinations */
	int64_t	findings;
	int64_t	unseen;		/* places and objects that could not be read */
	int64_t	refused;	/* rows that could not be opened */
};

/*
 * Verify everything and call ${v->found} for each finding.  Returns 0 and ${r}, with or
 * without findings; everything is verified if r->findings and r->unseen are 0.  Returns -1
 * with ${e} when the record cannot be asked.
 */
int	imgp_verify(struct imgp_post *p, const struct imgp_verify *v,
	    struct imgp_verified *r, struct imgp_err *e);

#endif
