#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/dicom/checks.h"

#define BLANKS		" \t"
#define NO_DAY		INT64_MIN

/* A pattern's characters are bytes, or one of these. */
#define ANY_RUN		256
#define ANY_ONE		257

enum found { AGREES, DISAGREES, CANNOT_TELL };

struct check {
	struct imgp_check_rule rule;
	int		 active;
	struct imgp_check_count count;
};

struct imgp_checks {
	struct check	 check[IMGP_CHECK_KINDS];
	char		*code;		/* folded; NULL: the EDC gives none */
	int		 code_is_ascii;
	uint16_t	*pattern;	/* with the code in it, folded */
	size_t		 npattern;
	int64_t		 day;		/* of the event; NO_DAY: none */
	char		*modalities;	/* as in the setting, MR,PT */
	int		 cut;
};

/* --- what the EDC says ---------------------------------------------------- */

static unsigned char
fold(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 'a' - 'A') : c;
}

/* The code without blanks around it, folded; NULL when nothing is left. */
static void
take_code(struct imgp_checks *c, const char *code)
{
	size_t n, i;

	if (code == NULL)
		return;
	code += strspn(code, BLANKS);
	for (n = strlen(code); n > 0 && strchr(BLANKS, code[n - 1]) != NULL; n--)
		;
	if (n == 0)
		return;
	c->code = imgp_strndup(code, n);
	c->code_is_ascii = 1;
	for (i = 0; i < n; i++) {
		c->code_is_ascii &= (unsigned char)code[i] < 0x80;
		c->code[i] = (char)fold((unsigned char)code[i]);
	}
}

static void
add_to_pattern(struct imgp_checks *c, const char *s, size_t n, int literal)
{
	size_t i;

	for (i = 0; i < n; i++)
		c->pattern[c->npattern++] = !literal && s[i] == '*' ? ANY_RUN :
		    !literal && s[i] == '?' ? ANY_ONE :
		    fold((unsigned char)s[i]);
}

static void
take_pattern(struct imgp_checks *c, const char *pattern)
{
	const char *at = strstr(pattern, IMGP_CHECK_CODE);

	c->pattern = imgp_alloc((strlen(pattern) + strlen(c->code)) *
	    sizeof *c->pattern);
	add_to_pattern(c, pattern, (size_t)(at - pattern), 0);
	add_to_pattern(c, c->code, strlen(c->code), 1);
	at += strlen(IMGP_CHECK_CODE);
	add_to_pattern(c, at, strlen(at), 0);
}

/* Two digits, or four, at ${s}; -1. */
static int
digits(const char *s, int n)
{
	int v = 0;

	for (; n > 0; n--, s++) {
		if (*s < '0' || *s > '9')
			return -1;
		v = v * 10 + *s - '0';
	}
	return v;
}

/* The day's number, by days since 1 March of the year 0; NO_DAY: there is none. */
static int64_t
day_of(int y, int m, int d)
{
	static const int length[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31,
	    30, 31 };

	if (y < 0 || m < 1 || m > 12 || d < 1 || d > length[m - 1])
		return NO_DAY;
	if (m < 3) {
		y--;
		m += 12;
	}
	return (int64_t)y * 365 + y / 4 - y / 100 + y / 400 +
	    (m * 153 - 457) / 5 + d - 1;
}

/* Of "2026-11-02" or "2026-11-02T10:00:00". */
static int64_t
day_of_iso(const char *s)
{
	if (s == NULL || strlen(s) < 10 || s[4] != '-' || s[7] != '-' ||
	    (s[10] != '\0' && s[10] != 'T' && s[10] != ' '))
		return NO_DAY;
	return day_of(digits(s, 4), digits(s + 5, 2), digits(s + 8, 2));
}

/* Names as they stand in a destination's name: no white space in them. */
static int
is_name(const char *s, size_t n, const char *name)
{
	if (name == NULL)
		return 0;
	for (; n > 0; s++, n--, name++) {
		name += strspn(name, " \t\r\n");
		if (*name != *s)
			return 0;
	}
	return name[strspn(name, " \t\r\n")] == '\0';
}

/* Is FIELD, FORM/FIELD or *, ${n} bytes at ${s}, this upload's field? */
static int
is_field(const char *s, size_t n, const struct imgp_check_facts *f)
{
	const char *slash = memchr(s, '/', n);
	size_t form = slash == NULL ? 0 : (size_t)(slash - s);

	if (n == 1 && *s == '*')
		return 1;
	return is_name(s, n, f->ddfile_name) || (slash != NULL &&
	    is_name(s, form, f->ddcrf_name) &&
	    is_name(slash + 1, n - form - 1, f->ddfile_name));
}

/* What the first entry for this field allows; a field without one is not
 * checked. */
static int
take_modalities(struct imgp_checks *c, const char *s,
    const struct imgp_check_facts *f)
{
	const char *w, *eq;
	size_t n;

	while ((n = imgp_check_word(&s, &w)) > 0) {
		eq = memchr(w, '=', n);
		if (!is_field(w, (size_t)(eq - w), f))
			continue;
		c->modalities = imgp_strndup(eq + 1, n - 1 - (size_t)(eq - w));
		return 1;
	}
	return 0;
}

struct imgp_checks *
imgp_checks_new(const char *pipeline, const struct imgp_check_facts *f,
    struct imgp_err *e)
{
	struct imgp_checks *c = imgp_alloc(sizeof *c);
	enum imgp_check i;
	struct check *k;

	for (i = 0; i < IMGP_CHECK_KINDS; i++) {
		k = &c->check[i];
		if (imgp_check_rule(i, pipeline, &k->rule, e) == -1) {
			imgp_checks_free(c);
			return NULL;
		}
		k->active = k->rule.level != IMGP_CHECK_OFF;
	}
	take_code(c, f->participant_code);
	k = &c->check[IMGP_CHECK_PATIENT];
	if (k->active && k->rule.how == IMGP_CHECK_PATTERN && c->code != NULL)
		take_pattern(c, k->rule.pattern);
	c->day = day_of_iso(f->event_date);
	k = &c->check[IMGP_CHECK_MODALITY];
	k->active = k->active && take_modalities(c, k->rule.fields, f);
	return c;
}

void
imgp_checks_free(struct imgp_checks *c)
{
	if (c == NULL)
		return;
	free(c->code);
	free(c->pattern);
	free(c->modalities);
	free(c);
}

unsigned int
imgp_checks_want(const struct imgp_checks *c)
{
	const struct check *k = c->check;

	unsigned int in = k[IMGP_CHECK_PATIENT].active ?
	    k[IMGP_CHECK_PATIENT].rule.elements : 0;

	return (in & IMGP_CHECK_PATIENT_ID ?
	    IMGP_DICOM_WANTS(IMGP_DICOM_PATIENT_ID) : 0) |
	    (in & IMGP_CHECK_PATIENT_NAME ?
	    IMGP_DICOM_WANTS(IMGP_DICOM_PATIENT_NAME) : 0) |
	    (k[IMGP_CHECK_DATE].active ?
	    IMGP_DICOM_WANTS(IMGP_DICOM_STUDY_DATE) : 0) |
	    (k[IMGP_CHECK_MODALITY].active ?
	    IMGP_DICOM_WANTS(IMGP_DICOM_MODALITY) : 0);
}

/* --- texts ---------------------------------------------------------------- */

struct span {
	const unsigned char *s;
	size_t	n;
};

/* Without blanks around it, and without NULs and ${also} at its end. */
static struct span
trimmed(struct span t, unsigned char also)
{
	while (t.n > 0 && (t.s[t.n - 1] == ' ' || t.s[t.n - 1] == '\0' ||
	    t.s[t.n - 1] == also))
		t.n--;
	while (t.n > 0 && t.s[0] == ' ') {
		t.s++;
		t.n--;
	}
	return t;
}

static int
is_code(const struct imgp_checks *c, struct span t)
{
	return t.n == strlen(c->code) && memcmp(t.s, c->code, t.n) == 0;
}

static int
goes_on(unsigned char a, unsigned char b)
{
	return a < 0x80 && b < 0x80 && isalnum(a) && isalnum(b);
}

/* Is the code in it, neither in front of a letter or digit that would go on with
 * it nor behind one?  TRC-030 is not in TRC-0301. */
static int
has_code(const struct imgp_checks *c, struct span t)
{
	const unsigned char *code = (const unsigned char *)c->code;
	size_t n = strlen(c->code), i;

	for (i = 0; i + n <= t.n; i++)
		if (memcmp(t.s + i, code, n) == 0 &&
		    (i == 0 || !goes_on(t.s[i - 1], code[0])) &&
		    (i + n == t.n || !goes_on(code[n - 1], t.s[i + n])))
			return 1;
	return 0;
}

static int
fits_pattern(const struct imgp_checks *c, struct span t)
{
	const uint16_t *p = c->pattern;
	size_t i = 0, k = 0, star = SIZE_MAX, from = 0;

	while (i < t.n)
		if (k < c->npattern && p[k] == ANY_RUN) {
			star = k++;
			from = i;
		} else if (k < c->npattern && (p[k] == ANY_ONE ||
		    p[k] == t.s[i])) {
			i++;
			k++;
		} else if (star != SIZE_MAX) {
			i = ++from;
			k = star + 1;
		} else
			return 0;
	while (k < c->npattern && p[k] == ANY_RUN)
		k++;
	return k == c->npattern;
}

/*
 * The length of the ISO 2022 escape at ${s} (PS3.5 6.1.2.5); ${*two}: whether two
 * bytes are a character from there on, where there were single ones.
 */
static size_t
escape(const unsigned char *s, size_t n, int *two)
{
	if (n < 3)
		return n;
	if (s[1] != '$') {
		if (s[1] == '(')
			*two = 0;
		return 3;
	}
	if (s[2] < '(' || s[2] > '/') {
		*two = 1;
		return 3;
	}
	*two |= s[2] == '(';
	return n < 4 ? n : 4;
}

/* A value folded to lower case, without escapes.  Where two bytes are a character
 * neither of them is an ASCII one. */
static struct span
plain(const struct imgp_dicom_elem *el, unsigned char out[IMGP_DICOM_VALUE])
{
	struct span t = { out, 0 };
	size_t i = 0;
	int two = 0;

	while (i < el->kept)
		if (el->value[i] == 0x1b)
			i += escape(el->value + i, el->kept - i, &two);
		else {
			out[t.n++] = two ? 0xff : fold(el->value[i]);
			i++;
		}
	return t;
}

/* The next part of ${*t} up to ${at}; 0: there is none. */
static int
next_part(struct span *t, unsigned char at, struct span *part)
{
	const unsigned char *p;

	if (t->s == NULL)
		return 0;
	p = t->n == 0 ? NULL : memchr(t->s, at, t->n);
	part->s = t->s;
	part->n = p == NULL ? t->n : (size_t)(p - t->s);
	t->n -= part->n + (p != NULL);
	t->s = p == NULL ? NULL : p + 1;
	return 1;
}

static int
fits(const struct imgp_checks *c, struct span t)
{
	switch (c->check[IMGP_CHECK_PATIENT].rule.how) {
	case IMGP_CHECK_CONTAINS:
		return has_code(c, t);
	case IMGP_CHECK_PATTERN:
		return fits_pattern(c, t);
	default:
		return is_code(c, t);
	}
}

/*
 * A person's name: groups of "=" (PS3.5 6.2.1) in which empty components at the
 * end do not count; equal may also be one of its components.
 */
static int
name_fits(const struct imgp_checks *c, struct span name)
{
	struct span group, part;

	while (next_part(&name, '=', &group)) {
		if (fits(c, trimmed(group, '^')))
			return 1;
		if (c->check[IMGP_CHECK_PATIENT].rule.how != IMGP_CHECK_EQUAL)
			continue;
		while (next_part(&group, '^', &part))
			if (is_code(c, trimmed(part, ' ')))
				return 1;
	}
	return 0;
}

static int
is_ascii(const struct imgp_dicom_elem *el)
{
	size_t i;

	for (i = 0; i < el->kept; i++)
		if (el->value[i] >= 0x80 || el->value[i] == 0x1b)
			return 0;
	return 1;
}

static enum found
look_for_code(const struct imgp_checks *c, const struct imgp_dicom *d,
    enum imgp_dicom_which which)
{
	const struct imgp_dicom_elem *el = &d->elem[which];
	unsigned char text[IMGP_DICOM_VALUE];
	struct span t;

	if (c->code == NULL || el->present != 1)
		return CANNOT_TELL;
	t = trimmed(plain(el, text), ' ');
	if (t.n == 0)
		return CANNOT_TELL;
	if (which == IMGP_DICOM_PATIENT_NAME ? name_fits(c, t) : fits(c, t))
		return AGREES;
	/* It may stand in what was not kept, or in another character set. */
	return el->kept < el->len || (!c->code_is_ascii && !is_ascii(el)) ?
	    CANNOT_TELL : DISAGREES;
}

/* --- instances ------------------------------------------------------------ */

static enum found
patient(const struct imgp_checks *c, const struct imgp_dicom *d)
{
	static const struct {
		unsigned int	 element;
		enum imgp_dicom_which which;
	} in[] = {
		{ IMGP_CHECK_PATIENT_ID, IMGP_DICOM_PATIENT_ID },
		{ IMGP_CHECK_PATIENT_NAME, IMGP_DICOM_PATIENT_NAME },
	};
	unsigned int wanted = c->check[IMGP_CHECK_PATIENT].rule.elements;
	enum found f, all = CANNOT_TELL;
	size_t i;

	for (i = 0; i < sizeof in / sizeof *in; i++) {
		if (!(wanted & in[i].element))
			continue;
		if ((f = look_for_code(c, d, in[i].which)) == AGREES)
			return AGREES;
		if (f == DISAGREES)
			all = DISAGREES;
	}
	return all;
}

/* "20261102", or "2026.11.02" as before DICOM 3. */
static enum found
date(const struct imgp_checks *c, const struct imgp_dicom *d)
{
	long long days = c->check[IMGP_CHECK_DATE].rule.days;
	char s[16];
	int64_t day = NO_DAY;
	int n = imgp_dicom_text(d, IMGP_DICOM_STUDY_DATE, s, sizeof s);

	if (d->elem[IMGP_DICOM_STUDY_DATE].present != 1)
		return CANNOT_TELL;
	if (n == 8)
		day = day_of(digits(s, 4), digits(s + 4, 2), digits(s + 6, 2));
	else if (n == 10 && s[4] == '.' && s[7] == '.')
		day = day_of(digits(s, 4), digits(s + 5, 2), digits(s + 8, 2));
	if (day == NO_DAY || c->day == NO_DAY)
		return CANNOT_TELL;
	return day - c->day <= days && c->day - day <= days ? AGREES :
	    DISAGREES;
}

static enum found
modality(const struct imgp_checks *c, const struct imgp_dicom *d)
{
	const char *m = c->modalities;
	char s[IMGP_DICOM_VALUE + 1];
	size_t n;

	if (d->elem[IMGP_DICOM_MODALITY].present != 1 ||
	    imgp_dicom_text(d, IMGP_DICOM_MODALITY, s, sizeof s) <= 0)
		return CANNOT_TELL;
	for (; *m != '\0'; m += n + (m[n] == ',')) {
		n = strcspn(m, ",");
		if (strlen(s) == n && strncasecmp(m, s, n) == 0)
			return AGREES;
	}
	return DISAGREES;
}

void
imgp_checks_add(struct imgp_checks *c, const struct imgp_dicom *d)
{
	static enum found (*const look[IMGP_CHECK_KINDS])(
	    const struct imgp_checks *, const struct imgp_dicom *) =
	    { patient, date, modality };
	struct imgp_check_count *n;
	enum found f;
	int i;

	if (d->state == IMGP_DICOM_NOT || (d->state == IMGP_DICOM_HEAD &&
	    d->kind == IMGP_DICOM_DIRECTORY) || (d->state == IMGP_DICOM_MORE &&
	    !d->preamble && !d->meta))
		return;
	for (i = 0; i < IMGP_CHECK_KINDS; i++) {
		if (!c->check[i].active)
			continue;
		n = &c->check[i].count;
		f = d->state == IMGP_DICOM_HEAD ? look[i](c, d) : CANNOT_TELL;
		n->agree += f == AGREES;
		n->disagree += f == DISAGREES;
		n->unknown += f == CANNOT_TELL;
	}
}

void
imgp_checks_cut(struct imgp_checks *c)
{
	c->cut = 1;
}

/* --- what is said of it --------------------------------------------------- */

const struct imgp_check_count *
imgp_checks_count(const struct imgp_checks *c, enum imgp_check which)
{
	return &c->check[which].count;
}

/* The rule as it is set, for people. */
static void
say_rule(const struct imgp_checks *c, enum imgp_check which,
    char *out, size_t size)
{
	const struct imgp_check_rule *r = &c->check[which].rule;
	static const char *const how[] = { "equal", "contains" };
	const char *s;

	switch (which) {
	case IMGP_CHECK_PATIENT:
		s = r->how == IMGP_CHECK_PATTERN ? r->pattern : how[r->how];
		snprintf(out, size, "%s%s%s, %.80s",
		    r->elements & IMGP_CHECK_PATIENT_ID ?
		    "PatientID" : "",
		    (r->elements & (r->elements - 1)) != 0 ? " or " : "",
		    r->elements & IMGP_CHECK_PATIENT_NAME ?
		    "PatientName" : "", s);
		break;
	case IMGP_CHECK_DATE:
		snprintf(out, size, "StudyDate within %lld days", r->days);
		break;
	default:
		snprintf(out, size, "Modality %.80s", c->modalities);
		break;
	}
}

static const char *
lacks(const struct imgp_checks *c, enum imgp_check which)
{
	if (which == IMGP_CHECK_PATIENT && c->code == NULL)
		return "; the EDC gives no participant_code";
	if (which == IMGP_CHECK_DATE && c->day == NO_DAY)
		return "; the EDC gives no usable event_date";
	return "";
}

enum imgp_check_level
imgp_checks_tell(const struct imgp_checks *c, enum imgp_check which,
    struct imgp_err *e)
{
	static const char *const code[IMGP_CHECK_KINDS] = {
	    IMGP_E_CHECK_PATIENT, IMGP_E_CHECK_DATE, IMGP_E_CHECK_MODALITY };
	const struct check *k = &c->check[which];
	const struct imgp_check_count *n = &k->count;
	char rule[160];

	if (!k->active || (n->disagree == 0 && n->unknown == 0 && !c->cut))
		return IMGP_CHECK_OFF;
	say_rule(c, which, rule, sizeof rule);
	imgp_fail(e, n->disagree > 0 ? code[which] : IMGP_E_CHECK_UNKNOWN,
	    "%s (%s): %llu of %llu instances disagree, %llu cannot tell%s%s",
	    imgp_check_setting(which), rule, (unsigned long long)n->disagree,
	    (unsigned long long)(n->agree + n->disagree + n->unknown),
	    (unsigned long long)n->unknown, lacks(c, which), c->cut ?
	    "; the upload could not be read to its end" : "");
	return n->disagree > 0 || n->agree == 0 || c->cut ? k->rule.level :
	    IMGP_CHECK_WARN;
}
