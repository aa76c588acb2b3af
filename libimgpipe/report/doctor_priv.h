/* What the doctor's files share: doctor.c (machine, settings, mail),
 * doctor_places.c, doctor_record.c. */
#ifndef IMGPIPE_DOCTOR_PRIV_H
#define IMGPIPE_DOCTOR_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/report/doctor.h"

/* The codes whose settings are looked at: those that are registered, and the
 * sections of the settings; without any, NULL for all. */
struct imgp_doctor_scope {
	char	**code;
	size_t	 n;
};

#define IMGP_SKEW_DOUBTFUL	30	/* s that a clock may be off */

/* A finding about ${part}.  ${act} may be NULL. */
void	imgp_doctor_tell(const struct imgp_doctor *d, enum imgp_health health,
	    const char *part, const char *pipeline, const char *act,
	    const char *fmt, ...) __attribute__((__format__(printf, 6, 7)));
/* One that ${e} says; what to do is that of the error dictionary. */
void	imgp_doctor_fail(const struct imgp_doctor *d, enum imgp_health health,
	    const char *part, const char *pipeline, const struct imgp_err *e);
/* The clock of ${who} reads ${now}. */
void	imgp_doctor_clock(const struct imgp_doctor *d, const char *who,
	    int64_t now);

/* NULL when ${setting} of ${pipeline} is that of all, else ${pipeline}. */
const char *imgp_doctor_whose(const char *pipeline, const char *setting);

void	imgp_doctor_places(const struct imgp_doctor *d,
	    const struct imgp_doctor_scope *scope);
/* Adds what is registered to ${scope}. */
void	imgp_doctor_record(const struct imgp_doctor *d,
	    struct imgp_doctor_scope *scope);

#endif
