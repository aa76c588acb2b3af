#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/dicom/check_rule.h"

#define BLANKS		" \t"
#define DAYS_MAX	3650

static const char *const settings[IMGP_CHECK_KINDS] = {
	"check_patient", "check_date", "check_modality"
};

const char *
imgp_check_setting(enum imgp_check which)
{
	return settings[which];
}

size_t
imgp_check_word(const char **s, const char **w)
{
	size_t n = strcspn(*s, BLANKS);

	*w = *s;
	*s += n;
	*s += strspn(*s, BLANKS);
	return n;
}

static int
is_word(const char *w, size_t n, const char *is)
{
	return strlen(is) == n && strncasecmp(w, is, n) == 0;
}

/* One code in braces, and no other. */
static int
is_pattern(const char *s)
{
	const char *at = strstr(s, IMGP_CHECK_CODE), *p = strpbrk(s, "{}");

	return at != NULL && p == at && strpbrk(at + strlen(IMGP_CHECK_CODE), "{}") == NULL;
}

static int
parse_patient(const char *s, struct imgp_check_rule *r, struct imgp_err *e)
{
	const char *w, *rest;
	size_t n;

	r->elements = 0;
	for (rest = s; (n = imgp_check_word(&rest, &w)) > 0; s = rest)
		if (is_word(w, n, "PatientID"))
			r->elements |= IMGP_CHECK_PATIENT_ID;
		else if (is_word(w, n, "PatientName"))
			r->elements |= IMGP_CHECK_PATIENT_NAME;
		else
			break;
	if (r->elements == 0)
		r->elements = IMGP_CHECK_PATIENT_ID;
	r->how = IMGP_CHECK_EQUAL;
	if (*s == '\0' || strcasecmp(s, "equal") == 0)
		return 0;
	r->how = IMGP_CHECK_CONTAINS;
	if (strcasecmp(s, "contains") == 0)
		return 0;
	r->how = IMGP_CHECK_PATTERN;
	r->pattern = s;
	return is_pattern(s) ? 0 : imgp_fail(e, IMGP_E_CONFIG, "after the level "
	    "comes PatientID or PatientName or both, and then equal, contains "
	    "or a pattern with one " IMGP_CHECK_CODE);
}

static int
parse_date(const char *s, struct imgp_check_rule *r, struct imgp_err *e)
{
	return imgp_parse_int(s, 0, DAYS_MAX, &r->days) == 0 ? 0 :
	    imgp_fail(e, IMGP_E_CONFIG,
	    "after the level comes a number of days from 0 to %d", DAYS_MAX);
}

static int
parse_modality(const char *s, struct imgp_check_rule *r, struct imgp_err *e)
{
	const char *w, *eq;
	size_t n, i, entries = 0;

	for (r->fields = s; (n = imgp_check_word(&s, &w)) > 0; entries++) {
		if ((eq = memchr(w, '=', n)) == NULL || eq == w ||
		    eq + 1 == w + n)
			break;
		for (i = (size_t)(eq - w) + 1; i < n; i++)
			if (!isalnum((unsigned char)w[i]) && w[i] != ',' &&
			    w[i] != '_')
				break;
		if (i < n)
			break;
	}
	return n == 0 && entries > 0 ? 0 : imgp_fail(e, IMGP_E_CONFIG,
	    "after the level comes FIELD=MODALITY,... for each upload field");
}

static int
parse(enum imgp_check which, const char *value, struct imgp_check_rule *r,
    struct imgp_err *e)
{
	static const char *const levels[] = { "off", "warn", "error",
	    "required" };
	static int (*const how[IMGP_CHECK_KINDS])(const char *, struct imgp_check_rule *,
	    struct imgp_err *) = { parse_patient, parse_date, parse_modality };
	const char *s = value + strspn(value, BLANKS), *w;
	size_t n = imgp_check_word(&s, &w), i;

	memset(r, 0, sizeof *r);
	for (i = 0; i < sizeof levels / sizeof *levels; i++)
		if (is_word(w, n, levels[i]))
			break;
	if (i == sizeof levels / sizeof *levels)
		return imgp_fail(e, IMGP_E_CONFIG,
		    "it begins with none of: off warn error required");
	r->level = (enum imgp_check_level)i;
	if (r->level == IMGP_CHECK_OFF && *s == '\0')
		return 0;
	return how[which](s, r, e);
}

int
imgp_check_rule(enum imgp_check which, const char *pipeline,
    struct imgp_check_rule *r, struct imgp_err *e)
{
	struct imgp_err why;

	return parse(which, imgp_conf(pipeline, settings[which]), r,
	    &why) == 0 ? 0 : imgp_fail(e, IMGP_E_CONFIG, "%s: %.400s",
	    settings[which], why.msg);
}

int
imgp_check_settings(const char *pipeline, struct imgp_err *e)
{
	enum imgp_check i;
	struct imgp_check_rule r;

	for (i = 0; i < IMGP_CHECK_KINDS; i++)
		if (imgp_check_rule(i, pipeline, &r, e) == -1)
			return -1;
	return 0;
}

