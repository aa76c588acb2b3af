/*
 * Do the headers of an upload say what the EDC says of it: the participant
 * (PatientID, PatientName), the day (StudyDate), the kind of images (Modality)?
 *
 * Instances are counted: those that agree, those that disagree and those that
 * cannot tell, as they lack the element or have it twice, empty or unusable.
 * Nothing else is known afterwards: no value of a header, no code and no date of
 * the EDC stands in a text that is made here.
 */
#ifndef IMGPIPE_CHECKS_H
#define IMGPIPE_CHECKS_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/check_rule.h"
#include "libimgpipe/dicom/dicom.h"

/* What the EDC says, borrowed for the call; NULL: it does not. */
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
 * For one upload of ${pipeline}.  NULL with IMGP-CONFIG.  Free it with
 * imgp_checks_free(), NULL is fine.
 */
struct imgp_checks *imgp_checks_new(const char *pipeline,
	    const struct imgp_check_facts *facts, struct imgp_err *e);
void	imgp_checks_free(struct imgp_checks *c);
/* The imgp_dicom_want.aside that its objects are to be read with; 0: nothing is
 * checked. */
unsigned int imgp_checks_want(const struct imgp_checks *c);

/*
 * Count an object whose walk is over.  What is no DICOM and a DICOMDIR count
 * nowhere; one whose header was declined cannot tell.
 */
void	imgp_checks_add(struct imgp_checks *c, const struct imgp_dicom *d);
/* The upload could not be read to its end. */
void	imgp_checks_cut(struct imgp_checks *c);

const struct imgp_check_count *imgp_checks_count(const struct imgp_checks *c,
	    enum imgp_check which);
/*
 * What is to be said of a check: IMGP_CHECK_OFF when nothing is; else how it is
 * to be said, and ${e} has the rule and the counts.  That is the setting's level
 * where an instance disagrees, and also where none agrees or the upload was
 * cut, with IMGP-CHECK-UNKNOWN.  Where some agree and others cannot tell, it
 * is IMGP_CHECK_WARN.
 */
enum imgp_check_level imgp_checks_tell(const struct imgp_checks *c,
	    enum imgp_check which, struct imgp_err *e);

#endif
