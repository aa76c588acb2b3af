/* What the doctor's files share: doctor.c (machine, settings, mail),
 * doctor_places.c, doctor_record.c. */
#ifndef IMGPIPE_DOCTOR_PRIV_H
#define IMGPIPE_DOCTOR_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/report/doctor.h"

/* The pipelines whose settings are checked: those registered and those with a section; if
 * there are none, one NULL for all. */
struct imgp_doctor_scope {
	char	**code;
	size_t	 n;
};

#define IMGP_SKEW_DOUBTFUL	30	/* seconds that a clock may be off */

/* Report a finding about ${part}.  ${act} may be NULL. */
void	imgp_doctor_tell(const struct imgp_doctor *d, enum imgp_health health,
	    const char *part, const char *pipeline, const char *act,
	    const char *fmt, ...) __attribute__((__format__(printf, 6, 7)));
/* Report ${e} as a finding, with the error dictionary's action. */
void	imgp_doctor_fail(const struct imgp_doctor *d, enum imgp_health health,
	    const char *part, const char *pipeline, const struct imgp_err *e);
/* Check our clock against that of ${who}, which reads ${now} (Unix seconds). */
void	imgp_doctor_clock(const struct imgp_doctor *d, const char *who,
	    int64_t now);

/* NULL when ${pipeline} has the value of all for ${setting}, else ${pipeline}. */
const char *imgp_doctor_whose(const char *pipeline, const char *setting);

void	imgp_doctor_places(const struct imgp_doctor *d,
	    const struct imgp_doctor_scope *scope);
/* Adds what is registered to ${scope}. */
void	imgp_doctor_record(const struct imgp_doctor *d,
	    struct imgp_doctor_scope *scope);

#endif
