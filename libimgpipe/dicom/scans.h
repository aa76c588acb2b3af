/*
 * The member "scans" of a job line (imgp-job(5)) as arrays: studies, their
 * series, how many instances each has, and the ATRIUID once it is known.
 */
#ifndef IMGPIPE_SCANS_H
#define IMGPIPE_SCANS_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"

#define IMGP_SCANS_UID_MAX	64	/* bytes in a UID, PS3.5 section 6.2 */
#define IMGP_SCANS_ATRI_MAX	64	/* characters in an LO value */

struct imgp_series {
	char	*series_uid;
	int	 has_number;		/* series_number may be unknown */
	int64_t	 series_number;
	int64_t	 number_of_instances;	/* distinct SOP Instance UIDs, > 0 */
	char	*atri_uid;		/* NULL: not given yet */
};

/* One study: an entry of "scans" in JSON. */
struct imgp_scan {
	char			*study_uid;
	struct imgp_series	*series;
	size_t			 n;
};

struct imgp_scans {
	struct imgp_scan	*scan;
	size_t			 n;
};

#define IMGP_SCANS_INIT	{ NULL, 0 }

/*
 * Fill ${s} (empty or released before) from the value of a job's "scans"; NULL gives an
 * empty one.  Returns 0; or -1 with IMGP-JOB-TYPE, ${s} empty, unless it is as
 * imgp-job(5) says: UIDs of 1 to 64 printable ASCII characters without blanks, each
 * series once in its study, positive counts, and no atri_uid (which has the same form)
 * twice.
 */
int	imgp_scans_parse(const struct imgp_json *scans, struct imgp_scans *s,
	    struct imgp_err *e);

/* How many series there are in all studies. */
size_t	imgp_scans_series(const struct imgp_scans *s);

/* Make a JSON value of it, which the caller frees.  With ${wire} it is spelt as the
 * pipeline API expects: "number_of_instance", and no "atri_uid". */
struct imgp_json *imgp_scans_json(const struct imgp_scans *s, int wire);
/*
 * Set each series' atri_uid from the "scans" of the record's answer (the design page's
 * spelling "studyuid" is accepted, too).  Returns 0; or -1 with IMGP-DB-REQUEST when a
 * series has none, when two have the same, or when one is not 1 to 64 printable ASCII
 * characters.
 */
int	imgp_scans_take_ids(struct imgp_scans *s, const struct imgp_json *answer,
	    struct imgp_err *e);

/* Empty it; ready for use again. */
void	imgp_scans_release(struct imgp_scans *s);

#endif
