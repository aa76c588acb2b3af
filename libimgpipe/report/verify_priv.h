/*
 * What the files of verify.c share: one call's state, and the findings.  Private to
 * verify*.c.
 *
 *	verify.c	the uploads and rows, one after the other
 *	verify_left.c	rows without objects, objects without rows
 *	verify_bytes.c	an object's bytes against what its row says
 *	verify_places.c	the places, each opened and listed once
 *	verify_found.c	findings, and requests about a row
 *
 * A file calls those below it alone.
 */
#ifndef IMGPIPE_VERIFY_PRIV_H
#define IMGPIPE_VERIFY_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/json.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/report/verify.h"
#include "libimgpipe/store/inventory.h"
#include "libimgpipe/store/store.h"

/* The mark of an object in the inventory. */
enum mark { UNKNOWN, OF_A_ROW, MOVED };

/* A place that is open, and listed where it could be. */
struct base {
	char		*url;
	struct imgp_store *store;	/* NULL: it cannot be opened */
	int		 listed;
	int		 listed_twice;	/* by imgp_verify_find_strays() */
	int		 is_source;
	struct base	*next;
};

struct check {
	struct imgp_post *post;
	const struct imgp_verify *v;
	struct imgp_verified *r;
	struct imgp_inventory *held;
	struct base	*bases;
	/* verify_places.c: places below which objects need no row */
	char		**others;
	size_t		 nothers;
	/* verify_left.c: rows that are Completed and whose object is not there */
	struct gone	*gone;
	size_t		 ngone;
	/* verify_bytes.c: a directory for one object at a time; NULL: not made */
	char		*dir;
	int		 lock;		/* its lock */
	struct imgp_store *here;	/* it, as a place */
};

/* --- of a row or upload, as the record tells it --- */

static inline const char *
text(const struct imgp_json *o, const char *key)
{
	return imgp_json_str(imgp_json_get(o, key));
}

static inline int64_t
number(const struct imgp_json *o, const char *key)
{
	int64_t n;

	return imgp_json_int(imgp_json_get(o, key), &n) == 0 ? n : -1;
}

static inline int
is_true(const struct imgp_json *o, const char *key)
{
	return imgp_json_bool(imgp_json_get(o, key)) == 1;
}

static inline int
is_within(const char *url, const char *base)
{
	return imgp_place_within(url, base, NULL) == 0;
}

/* --- verify_left.c --- */

/* Remember that the row ${o} is Completed and its object is not at ${place}. */
void	imgp_verify_remember(struct check *c, const struct imgp_json *o,
	    const char *place);
/* Report the destinations' objects that no row names; this lists the places once more, to
 * get the names. */
void	imgp_verify_find_strays(struct check *c);
/* Report the rows whose objects neither listing had; the newest are asked for by
 * themselves first, as such an object may be there all the same. */
void	imgp_verify_find_missing(struct check *c);
/* Free what was remembered. */
void	imgp_verify_forget(struct check *c);

/* --- verify_bytes.c --- */

/*
 * Make the directory to which objects are fetched.  It is in the spool like a run's, so
 * that the next run clears up if this process is killed.  Returns 0, or -1 with ${e}.
 */
int	imgp_verify_make_dir(struct check *c, struct imgp_err *e);
void	imgp_verify_remove_dir(struct check *c);
/* Get the SHA-256 of ${url}, with ${read_it} by reading it.  Nonzero: it is not
 * ${sha256}. */
int	imgp_verify_has_other_sum(struct check *c, struct base *b,
	    const char *url, const char *sha256, int read_it);
/* Compare the object ${h} at ${url} with what the row ${o} says of it. */
void	imgp_verify_compare(struct check *c, const struct imgp_json *o,
	    struct base *b, const struct imgp_held *h, const char *url);

/* --- verify_places.c --- */

/* List the destinations of all pipelines.  Call it before the rows are read, so that a
 * row names every object listed. */
int	imgp_verify_list_places(struct check *c, struct imgp_err *e);
/* The place ${url}, the value of ${setting} of ${pipeline}; opened and listed on the first
 * call. */
struct base *imgp_verify_base(struct check *c, const char *url,
	    const char *pipeline, const char *setting);
/* The URL where the row's file is or would be, which the caller frees, and in ${*b} the
 * place that contains it; NULL when that is not known. */
char	*imgp_verify_place_of(struct check *c, const struct imgp_json *o,
	    struct base **b);
/* Nonzero when ${url} lies below a place where objects need no row. */
int	imgp_verify_is_aside(const struct check *c, const char *url);
void	imgp_verify_close_places(struct check *c);

/* --- verify_found.c --- */

void	imgp_verify_found(struct check *c, const struct imgp_finding *f);
/* Report a finding about the row or upload ${o}. */
void	imgp_verify_found_of(struct check *c, enum imgp_verify_kind kind,
	    const struct imgp_json *o, const char *place, const char *what);
/* Report and count something that could not be read. */
void	imgp_verify_unseen(struct check *c, const struct imgp_err *e);
/* Make a request about a row, which the caller frees. */
struct imgp_json *imgp_verify_new_request(int64_t file_id, int64_t upload,
	    const char *pipeline);

#endif
