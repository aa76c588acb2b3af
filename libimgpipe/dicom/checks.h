/*
 * Do the headers of an upload say what the EDC says of it: the participant
 * (PatientID, PatientName), the day (StudyDate), the kind of images (Modality)?
 *
 * Instances are counted: those that agree, those that disagree, and those that are
 * unknown because they lack the element or have it twice, empty or unusable.  Only the
 * counts are kept: no message made here holds a header's value or the EDC's code or
 * date.
 */
#ifndef IMGPIPE_CHECKS_H
#define IMGPIPE_CHECKS_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/check_rule.h"
#include "libimgpipe/dicom/dicom.h"

/* What the EDC says, copied as far as needed; NULL: not known. */
struct imgp_check_facts {
	const char	*participant_code;
	const char	*event_date;	/* "2026-11-02", and a time after it */
	const char	*ddcrf_name, *ddfile_name;
};

struct imgp_check_count {
	uint64_t	agree, disagree, unknown;
};

struct imgp_checks;

/*
 * Begin the checks of one upload of ${pipeline}.  NULL with IMGP-CONFIG.  Free it with
 * imgp_checks_free(), NULL is fine.
 */
struct imgp_checks *imgp_checks_new(const char *pipeline,
	    const struct imgp_check_facts *facts, struct imgp_err *e);
void	imgp_checks_free(struct imgp_checks *c);
/* The value of imgp_dicom_want.aside with which to read the upload's objects; 0: nothing
 * is checked. */
unsigned int imgp_checks_want(const struct imgp_checks *c);

/*
 * Count an object after its walk.  A DICOMDIR and an object that is not DICOM are not
 * counted; one whose header was declined counts as unknown.
 */
void	imgp_checks_add(struct imgp_checks *c, const struct imgp_dicom *d);
/* Note that the upload could not be read to its end. */
void	imgp_checks_cut(struct imgp_checks *c);

const struct imgp_check_count *imgp_checks_count(const struct imgp_checks *c,
	    enum imgp_check which);
/*
 * The result of a check: IMGP_CHECK_OFF when there is nothing to report; else the level
 * at which to report ${e}, whose message gives the rule and the counts.  It is the
 * setting's level when an instance disagrees, and (with IMGP-CHECK-UNKNOWN) when none
 * agrees or the upload was cut.  It is IMGP_CHECK_WARN when some agree and others are
 * unknown.
 */
enum imgp_check_level imgp_checks_tell(const struct imgp_checks *c,
	    enum imgp_check which, struct imgp_err *e);

#endif
