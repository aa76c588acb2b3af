/*
 * One DICOM object and its stamp: what becomes of it, as pieces of the old and
 * of new bytes, checked before anybody writes them.
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
	uint32_t	 crc;		/* CRC-32 of the content, if: */
	int		 has_crc;
	int		 deflated;	/* the data are raw deflate */
};

/* How an object is to be stamped; the same for all of an upload. */
struct imgp_mark_opts {
	const struct imgp_dicom_limits *lim;
	struct imgp_dicom_want want;
	const char	*vr;		/* of the stamp */
	const char	*center;	/* "" for an empty one */
	int		 tmpdir;
	int		 replace, trust;
	int		 provenance;	/* fill mark.record */
	/*
	 * The id of a series: valid for the whole upload; or NULL with ${e}.
	 * Called by several threads at once.
	 */
	const char	*(*id_of)(void *arg, const char *study,
	    const char *series, struct imgp_err *e);
	void		*arg;
};

enum imgp_mark_outcome {
	IMGP_MARK_OTHER,	/* no instance: carry it over as it is */
	IMGP_MARK_DECLINED,	/* err says why: carry it over as it is */
	IMGP_MARK_ALREADY,	/* it has the id: carry it over as it is */
	IMGP_MARK_STAMPED,	/* write the pieces instead */
	IMGP_MARK_FAILED	/* err says why: the upload cannot go on */
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
	int		 is_fatal;	/* err fails the job (the id of another) */
	int		 is_instance;	/* the UIDs are there */
	char		 study[IMGP_UID_MAX + 1], series[IMGP_UID_MAX + 1];
	char		 instance[IMGP_UID_MAX + 1];
	int		 is_signed;
	int		 is_cut;	/* the object ends before it should */
	char		 old[IMGP_UID_MAX + 1];	/* ATRIUID that was replaced */
	int		 is_patched;	/* deflate stream patched, not encoded */
	/* STAMPED: good until the next prepare */
	struct imgp_mark_piece piece[IMGP_MARK_PIECES];
	size_t		 pieces;
	uint64_t	 csize, size;
	uint32_t	 crc;
	struct imgp_prov_record record;	/* all but its member */
	struct imgp_mark_work *work;	/* its own */
};

struct imgp_mark *imgp_mark_new(const struct imgp_mark_opts *opts);
void	imgp_mark_free(struct imgp_mark *o);	/* NULL is fine */
/* Find out, do it, check it. */
void	imgp_mark_prepare(struct imgp_mark *o,
	    const struct imgp_mark_src *src);

/*
 * The way back: ${src} is an object to which ${r} was done.  STAMPED: the pieces
 * are the object as it came (deflated data that were encoded again: the same
 * content); else FAILED: ${r} does not fit.
 */
void	imgp_mark_undo(struct imgp_mark *o, const struct imgp_mark_src *src,
	    const struct imgp_prov_record *r);

#endif
