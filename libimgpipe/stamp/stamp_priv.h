/*
 * What stamp.c, stamp_tar.c and stamp_gzip.c share.
 */
#ifndef IMGPIPE_STAMP_PRIV_H
#define IMGPIPE_STAMP_PRIV_H

#include <pthread.h>

#include "libimgpipe/dicom/census.h"
#include "libimgpipe/dicom/intake.h"
#include "libimgpipe/stamp/mark.h"
#include "libimgpipe/stamp/stamp.h"

/* A series and its id, sorted for bsearch. */
struct imgp_stamp_id {
	const char	*study, *series, *id;
};

struct imgp_stamp {
	const struct imgp_stamp_opts *opts;
	struct imgp_mark_opts oo;
	struct imgp_stamp_result *r;
	struct imgp_census *census;
	struct imgp_out	*out;
	struct imgp_stamp_id *id;
	size_t		 ids;
	int		 encoded;	/* when undoing: some data were encoded again */
	pthread_mutex_t	 only;		/* guards what follows */
	char		 study[IMGP_UID_MAX + 1], series[IMGP_UID_MAX + 1];
};

/*
 * Prepare ${o} of ${src}, the ${number}th object of the file (0: the only one):
 * to be stamped, or to be undone.
 */
void	imgp_stamp_prepare(struct imgp_stamp *s, struct imgp_mark *o,
	    const struct imgp_mark_src *src, size_t number);
/* It is written: note it where provenance is wanted. */
int	imgp_stamp_note(struct imgp_stamp *s, struct imgp_mark *o,
	    size_t number, struct imgp_err *e);

/*
 * Count what became of an object, the ${number}th member or 0: 0, 1 when the
 * upload must stay as it is, -1 and ${e} when it failed.
 */
int	imgp_stamp_take(struct imgp_stamp *s, const struct imgp_mark *o,
	    size_t number, struct imgp_err *e);
/*
 * The upload cannot be stamped: 1 when that is its own fault, which is noted,
 * else -1 and ${e}.
 */
int	imgp_stamp_untouched(struct imgp_stamp *s, const struct imgp_err *why,
	    struct imgp_err *e);

/* The upload ${u}, a TAR, or one or an object within gzip; as
 * imgp_stamp_upload(). */
int	imgp_stamp_tar(struct imgp_stamp *s, const struct imgp_intake *u,
	    struct imgp_err *e);

#endif
