/*
 * Stamp one DICOM object.  The result is a list of pieces, of old and of new bytes, and
 * is checked before the caller writes it.
 */
#ifndef IMGPIPE_MARK_H
#define IMGPIPE_MARK_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/deflate/deflate.h"
#include "libimgpipe/dicom/dicom.h"
#include "libimgpipe/stamp/prov.h"

/* Where an object is. */
struct imgp_mark_src {
	int		 fd;
	uint64_t	 off;		/* of its data in the file */
	uint64_t	 csize;		/* bytes of data */
	uint64_t	 size;		/* bytes of content */
	uint32_t	 crc;		/* CRC-32 of the content, if has_crc */
	int		 has_crc;
	int		 deflated;	/* the data are raw deflate */
};

/* How an object is to be stamped; the same for all of an upload. */
struct imgp_mark_opts {
	const struct imgp_dicom_limits *lim;
	struct imgp_dicom_want want;
	const char	*vr;		/* of the stamp */
	const char	*center;	/* "" for an empty one */
	int		 tmpdir;		/* open, for unnamed files */
	int		 replace, trust;	/* as in stamp.h */
	int		 provenance;	/* fill mark.record */
	/*
	 * Returns the id of a series, which must stay for the whole upload, or NULL
	 * with ${e}.  Several threads call it at once.
	 */
	const char	*(*id_of)(void *arg, const char *study,
	    const char *series, struct imgp_err *e);
	void		*arg;
};

enum imgp_mark_outcome {
	IMGP_MARK_OTHER,	/* no instance: copy it as it is */
	IMGP_MARK_DECLINED,	/* err says why: copy it as it is */
	IMGP_MARK_ALREADY,	/* it has the id: copy it as it is */
	IMGP_MARK_STAMPED,	/* write the pieces instead */
	IMGP_MARK_FAILED	/* err says why: give the upload up */
};

/* A piece of the new data: ${mem}, or bytes of a file. */
struct imgp_mark_piece {
	const unsigned char *mem;
	int		 fd;
	uint64_t	 off, len;
};
#define IMGP_MARK_PIECES	16

struct imgp_mark {
	enum imgp_mark_outcome outcome;
	struct imgp_err	 err;
	int		 is_fatal;	/* err fails the job (it has another id) */
	int		 is_instance;	/* study, series, instance are set */
	char		 study[IMGP_UID_MAX + 1], series[IMGP_UID_MAX + 1];
	char		 instance[IMGP_UID_MAX + 1];
	int		 is_signed;
	int		 is_cut;	/* the object ends before it should */
	char		 old[IMGP_UID_MAX + 1];	/* ATRIUID that was replaced */
	int		 is_patched;	/* deflate stream patched, not encoded */
	/* STAMPED: valid until the next prepare or undo */
	struct imgp_mark_piece piece[IMGP_MARK_PIECES];
	size_t		 pieces;
	uint64_t	 csize, size;
	uint32_t	 crc;
	struct imgp_prov_record record;	/* all but ${member} is set */
	struct imgp_mark_work *work;	/* private */
};

/* One per thread; ${opts} must outlive it. */
struct imgp_mark *imgp_mark_new(const struct imgp_mark_opts *opts);
void	imgp_mark_free(struct imgp_mark *o);	/* NULL is fine */
/* Read the object ${src}, stamp it and check the result: sets ${o->outcome} and the
 * members that go with it. */
void	imgp_mark_prepare(struct imgp_mark *o,
	    const struct imgp_mark_src *src);

/*
 * Undo what ${r} records of the object ${src}.  Outcome STAMPED: the pieces are the
 * original object (the same content only, where deflated data had to be encoded again);
 * FAILED: ${r} does not fit.
 */
void	imgp_mark_undo(struct imgp_mark *o, const struct imgp_mark_src *src,
	    const struct imgp_prov_record *r);

#endif
