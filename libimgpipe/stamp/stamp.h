/*
 * The wing stamp: an id written into DICOM headers, proved, and undone.  It must
 * not know where the id comes from, nor where the file goes.
 *
 * This file: write each series' ATRIUID into its instances, and change nothing else.
 *
 * The result is the upload's own bytes with a few spliced in: Clinical Trial Series ID
 * (0012,0071) with the id, Clinical Trial Coordinating Center Name (0012,0060) where it
 * is absent, and the group length (0012,0000) corrected where it is present.  A deflated
 * member is patched (deflate.h) or, if that is not possible, decoded and encoded again.
 * Each result is verified by a second walk and by DCMTK.  Instances get their id by
 * their UIDs and nothing else.  An instance that cannot be stamped is copied as it is,
 * and does not keep others from being stamped.
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

/* The element that carries the id. */
struct imgp_stamp_tag {
	struct imgp_dicom_want want;
	char		 vr[3];
	char		 creator[IMGP_UID_MAX + 1];
};
/*
 * Parse ${text}: "GGGG,EEEE [VR]"; "KEYWORD [VR]" for elements in the table of
 * stamp_tag.c; or "GGGG,xxEE VR CREATOR" for a private block.  VR is LO, SH, ST, LT, UC
 * or UT.  It may be omitted for elements in the table, must be the standard's there, and
 * is taken on trust for others.  The elements that identify an object cannot carry an
 * id.  Returns 0, or -1 with IMGP-CONFIG.  Do not move or copy ${t} afterwards: it points
 * into itself.
 */
int	imgp_stamp_tag_parse(const char *text, struct imgp_stamp_tag *t,
	    struct imgp_err *e);
/* 0 when ${text} can be an id in that element, else -1 with IMGP-CONFIG. */
int	imgp_stamp_tag_takes(const struct imgp_stamp_tag *t, const char *text,
	    struct imgp_err *e);
/* 0 when ${text} can be the value of (0012,0060), else -1 with IMGP-CONFIG. */
int	imgp_stamp_check_center(const char *text, struct imgp_err *e);

struct imgp_stamp_opts {
	const struct imgp_limits *lim;
	/* The ids, and how many instances to expect; NULL: use only_id */
	const struct imgp_scans *scans;
	const char	*only_id;	/* for an upload of exactly one series */
	struct imgp_stamp_tag tag;	/* where the id goes */
	const char	*center;	/* (0012,0060) where absent; NULL: empty */
	int		 tmpdir;	/* open: for unnamed files, made when needed */
	int		 replace;	/* replace another value of the element */
	int		 trust;		/* do not check the CRC of the source */
	int		 cut_required;	/* an instance that is cut short is fatal */
	int		 threads;	/* members at once, at least 1 */
	/* At most one of: the output for the provenance; the provenance to undo. */
	struct imgp_out	*note;
	struct imgp_prov *undo;
};

/* How many unnamed files a stamp with ${n} threads may need at once. */
#define IMGP_STAMP_TMPFILES(n)	(2 * (n) + 5)

#define IMGP_STAMP_REPLACED	64	/* old values that are kept */

struct imgp_stamp_result {
	uint64_t	 stamped;	/* objects that got the id */
	uint64_t	 already;	/* objects that had it before */
	uint64_t	 declined;	/* instances carried over as they are */
	uint64_t	 other;		/* members that are no instances */
	uint64_t	 patched, encoded;	/* how deflated ones were done */
	/* If gzip was changed: the CRC-32 of its content before and after. */
	int		 has_crc;
	uint32_t	 old_crc, new_crc;
	/* Its stream was changed, not encoded anew; gzip_end is needed to undo that. */
	int		 gzip_changed;
	struct imgp_regzip_end gzip_end;
	/* After undoing within gzip: a data set in the deflated syntax was encoded anew,
	 * so the CRCs may differ although it inflates to the original. */
	int		 inner_encoded;
	struct imgp_faults faults;
	struct imgp_faults warnings;	/* signed objects */
	/* Old values of the form of an ATRIUID that were replaced. */
	char		 replaced[IMGP_STAMP_REPLACED][IMGP_UID_MAX + 1];
	size_t		 nreplaced;
};

/*
 * Stamp the upload in the regular file ${fd} and write all of it to ${out}, flushed.
 * 0: ${out} is complete; its bytes are the same if nothing was to be stamped (without
 * scans, a fault reports an upload without instances).  1: deliver the upload unstamped,
 * for the reasons in ${r->faults}; discard ${out}.  -1 with ${e}: reading, writing or a
 * check failed; discard ${out}.  Release ${r} in any case.
 */
int	imgp_stamp_upload(int fd, struct imgp_out *out,
	    const struct imgp_stamp_opts *opts, struct imgp_stamp_result *r,
	    struct imgp_err *e);
void	imgp_stamp_release(struct imgp_stamp_result *r);

/* Nonzero when ${s} has the form of an ATRIUID: digits.digits. */
int	imgp_is_atri_uid(const char *s);

#endif
