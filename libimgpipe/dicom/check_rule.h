/*
 * The settings check_patient, check_date and check_modality (imgpipe.conf(5)) as
 * rules: what headers are compared with, and what a disagreement leads to.
 */
#ifndef IMGPIPE_CHECK_RULE_H
#define IMGPIPE_CHECK_RULE_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

enum imgp_check { IMGP_CHECK_PATIENT, IMGP_CHECK_DATE, IMGP_CHECK_MODALITY,
	IMGP_CHECK_KINDS };

enum imgp_check_level { IMGP_CHECK_OFF, IMGP_CHECK_WARN, IMGP_CHECK_ERROR,
	IMGP_CHECK_REQUIRED };

enum imgp_check_how { IMGP_CHECK_EQUAL, IMGP_CHECK_CONTAINS,
	IMGP_CHECK_PATTERN };

#define IMGP_CHECK_PATIENT_ID	1u	/* elements that may hold the code */
#define IMGP_CHECK_PATIENT_NAME	2u
#define IMGP_CHECK_CODE		"{participant_code}"	/* in a pattern, once */

/* Texts are borrowed from the settings (base/conf.h). */
struct imgp_check_rule {
	enum imgp_check_level level;
	/* Of the patient. */
	unsigned int	 elements;	/* IMGP_CHECK_PATIENT_ID, …, or'ed */
	enum imgp_check_how how;
	const char	*pattern;	/* of IMGP_CHECK_PATTERN */
	/* Of the date. */
	long long	 days;
	/* Of the modality: words FIELD=MR,PT. */
	const char	*fields;
};

/* The name of the setting: "check_patient", … */
const char *imgp_check_setting(enum imgp_check which);
/* Read the rule of ${pipeline} (NULL: that of all): 0, or -1 with IMGP-CONFIG, whose
 * message names the setting. */
int	imgp_check_rule(enum imgp_check which, const char *pipeline,
	    struct imgp_check_rule *r, struct imgp_err *e);
/* Check all three settings; an imgp_conf_look (base/conf.h). */
int	imgp_check_settings(const char *pipeline, struct imgp_err *e);

/* Get the next word of a setting: ${*w} and its length, 0 at the end; advances ${*s}. */
size_t	imgp_check_word(const char **s, const char **w);

#endif
