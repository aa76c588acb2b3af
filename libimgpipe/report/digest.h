/*
 * The digest's content as text, page, CSV and JSON.
 *
 * It is made from the record's answers: the data of pipeline.digest_open() or
 * digest_preview(), of digest_days() and of outbox_state().  Only members known here are
 * shown, made printable (R65, R67).
 */
#ifndef IMGPIPE_DIGEST_H
#define IMGPIPE_DIGEST_H

#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/json.h"

#define IMGP_DIGEST_MOST	500	/* files listed; CSV has all */

struct imgp_digest {
	const struct imgp_json *content;
	const struct imgp_json *days;	/* NULL: no chart */
	const struct imgp_json *post;	/* NULL: nothing about mail */
	const char	*title;		/* such as the study's name */
	int		 admins;		/* list each failure, too */
	/* Nonzero: a short letter with one line for each of the first ${most} files,
	 * failed ones before new ones; CSV still has all. */
	int		 brief;
	size_t		 most;
	const char	*where;		/* lines that say where the full list is; or
					 * NULL */
	/* Nonzero when the reader may see a pipeline's files; NULL: all of them. */
	int		 (*wants)(void *arg, const char *pipeline);
	void		*arg;
};

struct imgp_digest_counts {
	int64_t	fresh;		/* delivered */
	int64_t	with_error;	/* of them */
	int64_t	failed;
	int64_t	still;		/* failing as they did before; 0 for labs */
	int64_t	waiting;	/* uploads without a row, not taken by a run */
	int64_t	paused;		/* of them, in a paused pipeline */
};

/* Count the files that this reader may see. */
void	imgp_digest_count(const struct imgp_digest *d,
	    struct imgp_digest_counts *n);
/* "trial: 3 new files, 1 failed", the caller's to free. */
char	*imgp_digest_subject(const struct imgp_digest *d);

/* What CSV and JSON give for one of the digest's files: an object that the caller
 * frees. */
struct imgp_json *imgp_digest_file(const struct imgp_json *file);

/* Append the digest as plain text, as a self-contained HTML page, as CSV (base/csv.h), or
 * as one JSON line. */
void	imgp_digest_text(const struct imgp_digest *d, struct imgp_buf *out);
void	imgp_digest_html(const struct imgp_digest *d, struct imgp_buf *out);
void	imgp_digest_csv(const struct imgp_digest *d, struct imgp_buf *out);
void	imgp_digest_json(const struct imgp_digest *d, struct imgp_buf *out);

#endif
