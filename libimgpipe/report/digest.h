/*
 * What the digest says, for people and programs.
 *
 * Made of what the record answers: data of pipeline.digest_open() or
 * digest_preview(), of digest_days() and of outbox_state().  Only members that
 * are known here get into it, made printable (R65, R67).
 */
#ifndef IMGPIPE_DIGEST_H
#define IMGPIPE_DIGEST_H

#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/json.h"

#define IMGP_DIGEST_MOST	500	/* files told one by one; CSV has all */

struct imgp_digest {
	const struct imgp_json *content;
	const struct imgp_json *days;	/* NULL: no chart */
	const struct imgp_json *post;	/* NULL: nothing about mail */
	const char	*title;		/* such as the study's name */
	int		 admins;		/* list each failure, too */
	/* To make a letter short: a line for each of the first ${most} files, what
	 * failed before what is new; CSV has all all the same. */
	int		 brief;
	size_t		 most;
	const char	*where;		/* where the full list is, lines; or NULL */
	/* Whether the reader may see a pipeline's files; NULL: all of them. */
	int		 (*wants)(void *arg, const char *pipeline);
	void		*arg;
};

struct imgp_digest_counts {
	int64_t	fresh;		/* delivered */
	int64_t	with_error;	/* of them */
	int64_t	failed;
	int64_t	still;		/* failing as they did before; 0 for labs */
	int64_t	waiting;	/* uploads without a row: no run took them */
	int64_t	paused;		/* of them, in a paused pipeline */
};

/* Count the files that this reader may see. */
void	imgp_digest_count(const struct imgp_digest *d,
	    struct imgp_digest_counts *n);
/* "trial: 3 new files, 1 failed", the caller's to free. */
char	*imgp_digest_subject(const struct imgp_digest *d);

/* What CSV and JSON say of one of the digest's files, an object, the caller's. */
struct imgp_json *imgp_digest_file(const struct imgp_json *file);

/* Append it as plain text, as a page that needs nothing but itself, as CSV (RFC
 * 4180, no cell that a spreadsheet takes for a formula), as one JSON line. */
void	imgp_digest_text(const struct imgp_digest *d, struct imgp_buf *out);
void	imgp_digest_html(const struct imgp_digest *d, struct imgp_buf *out);
void	imgp_digest_csv(const struct imgp_digest *d, struct imgp_buf *out);
void	imgp_digest_json(const struct imgp_digest *d, struct imgp_buf *out);

#endif
