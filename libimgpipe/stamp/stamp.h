/*
 * The wing stamp: an id written into DICOM headers, proved, and undone.  It must
 * not know where the id comes from, nor where the file goes.
 *
 * This file: writing each series' ATRIUID into its instances, and changing nothing else.
 *
 * What is delivered is the upload's own bytes with a few spliced in: (0012,0071)
 * with the id, (0012,0060) where it is absent, and (0012,0000) corrected where
 * it is present.  A deflated member is patched (deflate.h) or, where that is
 * not possible, decoded and encoded again.  Each result is read again, by a
 * second walk and by DCMTK, before it is believed; ids are bound to instances by
 * their UIDs and nothing else.  An instance that cannot be stamped costs itself
 * alone: it is carried over as it is.
 */
#ifndef IMGPIPE_STAMP_H
#define IMGPIPE_STAMP_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/archive/out.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/faults.h"
#include "libimgpipe/dicom/limits.h"
#include "libimgpipe/dicom/scans.h"
#include "libimgpipe/stamp/prov.h"

/* Which element carries the id. */
struct imgp_stamp_tag {
	struct imgp_dicom_want want;
	char		 vr[3];
	char		 creator[IMGP_UID_MAX + 1];
};
/*
 * Take ${text} apart: "GGGG,EEEE [VR]", "KEYWORD [VR]" for elements in our table, or "GGGG,xxEE VR CREATOR" for a private
 * block.  VR is LO, SH, ST, LT, UC or UT: the standard's, which need not be
 * stated for elements that are in our table, and is taken on trust for others.
 * The elements that tell what an object is cannot carry an id.  -1 with
 * IMGP-CONFIG.  ${t} must not be moved after that.
 */
int	imgp_stamp_tag_parse(const char *text, struct imgp_stamp_tag *t,
	    struct imgp_err *e);
/* Can ${text} be an id in that element?  -1 with IMGP-CONFIG. */
int	imgp_stamp_tag_takes(const struct imgp_stamp_tag *t, const char *text,
	    struct imgp_err *e);
/* Can ${text} be the value of (0012,0060)?  -1 with IMGP-CONFIG. */
int	imgp_stamp_check_center(const char *text, struct imgp_err *e);

struct imgp_stamp_opts {
	const struct imgp_limits *lim;
	/* The ids, and how many instances to expect; or NULL and only_id: */
	const struct imgp_scans *scans;
	const char	*only_id;	/* for the one series there must be */
	struct imgp_stamp_tag tag;	/* where the id goes */
	const char	*center;	/* (0012,0060) where absent; NULL: empty */
	int		 tmpdir;	/* open: for unnamed files, made when needed */
	int		 replace;	/* another value may be replaced */
	int		 trust;		/* do not check the CRC of the source */
	int		 cut_required;	/* an instance that is cut is fatal */
	int		 threads;	/* members at once, at least 1 */
	/* One of: what is done is noted there; or undone as is noted here. */
	struct imgp_out	*note;
	struct imgp_prov *undo;
};

/* How many unnamed files it may need at once with ${n} threads. */
#define IMGP_STAMP_TMPFILES(n)	(2 * (n) + 5)

#define IMGP_STAMP_REPLACED	64	/* old values that are told */

struct imgp_stamp_result {
	uint64_t	 stamped;	/* objects that got the id */
	uint64_t	 already;	/* that had it */
	uint64_t	 declined;	/* instances carried over as they are */
	uint64_t	 other;		/* what is no instance */
	uint64_t	 patched, encoded;	/* how deflated ones were done */
	/* Of gzip that was changed: the CRC-32 of what it holds, before, after. */
	int		 has_crc;
	uint32_t	 old_crc, new_crc;
	/* Its stream was changed, not encoded anew, and this is for the way back. */
	int		 gzip_changed;
	struct imgp_regzip_end gzip_end;
	/* Undone within gzip: a data set of the deflated syntax, too, was encoded
	 * anew, and what it inflates to is as it was: the CRCs may differ. */
	int		 inner_encoded;
	struct imgp_faults faults;
	struct imgp_faults warnings;	/* signed objects */
	/* Old values of the form of an ATRIUID that were replaced. */
	char		 replaced[IMGP_STAMP_REPLACED][IMGP_UID_MAX + 1];
	size_t		 nreplaced;
};

/*
 * Stamp the upload in ${fd}, a regular file, and write all of it to ${out}
 * (flushed).  0: ${out} is complete, the same bytes where nothing was to be
 * done; without scans a fault says so when there is no instance.  1: the upload
 * is not to be touched, the faults say why; ${out} may have got nothing or a
 * part.  -1 and ${e}: reading, writing or a check failed; ${out} is not to be
 * used.  Release ${r} in any case.
 */
int	imgp_stamp_upload(int fd, struct imgp_out *out,
	    const struct imgp_stamp_opts *opts, struct imgp_stamp_result *r,
	    struct imgp_err *e);
void	imgp_stamp_release(struct imgp_stamp_result *r);

/* Nonzero when ${s} has the form of an ATRIUID: digits.digits. */
int	imgp_is_atri_uid(const char *s);

#endif
