/*
 * What the elements that a walk has noted hold, as text, UID and number, and an
 * element coded as the data set is.  It sees results; how they were come by, and
 * where the walk is, it must not know.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/dicom/dicom_priv.h"

/* --- VRs ------------------------------------------------------------------ */

#define B(c)	(1u << ((c) - 'A'))
const uint32_t imgp_dicom_vrs[26] = {
	['A' - 'A'] = B('E') | B('S') | B('T'),
	['C' - 'A'] = B('S'),
	['D' - 'A'] = B('A') | B('S') | B('T'),
	['F' - 'A'] = B('D') | B('L'),
	['I' - 'A'] = B('S'),
	['L' - 'A'] = B('O') | B('T'),
	['O' - 'A'] = B('B') | B('D') | B('F') | B('L') | B('V') | B('W'),
	['P' - 'A'] = B('N'),
	['S' - 'A'] = B('H') | B('L') | B('Q') | B('S') | B('T') | B('V'),
	['T' - 'A'] = B('M'),
	['U' - 'A'] = B('C') | B('I') | B('L') | B('N') | B('R') | B('S') |
	    B('T') | B('V'),
};
const uint32_t imgp_dicom_long_vrs[26] = {
	['O' - 'A'] = B('B') | B('D') | B('F') | B('L') | B('V') | B('W'),
	['S' - 'A'] = B('Q') | B('V'),
	['U' - 'A'] = B('C') | B('N') | B('R') | B('T') | B('V'),
};
#undef B

/* --- values --------------------------------------------------------------- */

int
imgp_dicom_text(const struct imgp_dicom *d, enum imgp_dicom_which w, char *out,
    size_t size)
{
	const struct imgp_dicom_elem *el = &d->elem[w];
	const unsigned char *s = el->value;
	size_t n = el->kept, i;

	if (!el->present || el->kept != el->len)
		return -1;
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\0'))
		n--;
	while (n > 0 && s[0] == ' ') {
		s++;
		n--;
	}
	if (n >= size)
		return -1;
	for (i = 0; i < n; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			return -1;
	memcpy(out, s, n);
	out[n] = '\0';
	return (int)n;
}

int
imgp_dicom_uid(const struct imgp_dicom *d, enum imgp_dicom_which w,
    char out[IMGP_UID_MAX + 1])
{
	if (imgp_dicom_text(d, w, out, IMGP_UID_MAX + 1) < 1)
		return -1;
	return strchr(out, ' ') == NULL ? 0 : -1;
}

/* The Series Number has an integer VR of ${size} bytes. */
static int
integer(const struct imgp_dicom *d, uint32_t size, int32_t *n)
{
	const struct imgp_dicom_elem *el = &d->elem[IMGP_DICOM_NUMBER];
	int is_signed = d->number_vr[0] == 'S';
	uint32_t v;

	if (el->len == 0)
		return -1;
	if (el->len != size || el->kept != size)
		return 1;
	v = size == 2 ? get16(el->value, d->big) : get32(el->value, d->big);
	if (size == 4 && v > INT32_MAX && !is_signed)
		return 1;
	*n = size == 2 && is_signed ? (int16_t)v : (int32_t)v;
	return 0;
}

/* Of a VR without text or with a kind of its own: AT, FL, FD, OB and so on. */
static int
is_other(const char *vr)
{
	return vr[0] == 'O' || vr[0] == 'F' || memcmp(vr, "AT", 2) == 0 ||
	    memcmp(vr, "SV", 2) == 0 || memcmp(vr, "UV", 2) == 0;
}

int
imgp_dicom_number(const struct imgp_dicom *d, int32_t *n)
{
	const struct imgp_dicom_elem *el = &d->elem[IMGP_DICOM_NUMBER];
	const char *vr = d->number_vr;
	char s[32], *end;
	double v;
	int len;

	if (el->present && (vr[0] == 'U' || vr[0] == 'S') &&
	    (vr[1] == 'S' || vr[1] == 'L'))
		return integer(d, vr[1] == 'S' ? 2 : 4, n);
	if (el->present && el->len != 0 && is_other(vr))
		return 2;
	if (!el->present || el->len == 0 ||
	    (len = imgp_dicom_text(d, IMGP_DICOM_NUMBER, s, sizeof s)) == 0)
		return -1;
	if (len < 0 || strspn(s, "+-.eE0123456789") != (size_t)len)
		return 1;
	v = strtod(s, &end);	/* exact for what fits into 32 bits */
	if (end == s || *end != '\0' || v < INT32_MIN || v > INT32_MAX ||
	    v != (double)(int32_t)v)
		return 1;
	*n = (int32_t)v;
	return 0;
}

/* What keeps the UID ${w} from being one, or NULL. */
static const char *
fault_of(const struct imgp_dicom *d, enum imgp_dicom_which w, char *out,
    size_t size)
{
	const struct imgp_dicom_elem *el = &d->elem[w];
	char uid[IMGP_UID_MAX + 1];
	uint32_t len = el->len;

	if (imgp_dicom_uid(d, w, uid) == 0)
		return NULL;
	if (!el->present)
		return "is missing";
	if (len <= el->kept)
		while (len > 0 && (el->value[len - 1] == '\0' ||
		    el->value[len - 1] == ' '))
			len--;
	if (len == 0)
		return "is empty";
	if (len <= IMGP_UID_MAX)
		return "has characters that no UID has";
	snprintf(out, size, "has %lu characters, and a UID at most %d",
	    (unsigned long)len, IMGP_UID_MAX);
	return out;
}

void
imgp_dicom_why_no_uid(const struct imgp_dicom *d, char *out, size_t size)
{
	static const char *const name[] = { "SOP Class UID",
	    "SOP Instance UID", "Study Instance UID", "Series Instance UID" };
	char text[64];
	const char *why;
	size_t n = 0;
	int i;

	out[0] = '\0';
	for (i = IMGP_DICOM_SOP_CLASS; i <= IMGP_DICOM_SERIES; i++) {
		why = fault_of(d, (enum imgp_dicom_which)i, text, sizeof text);
		if (why != NULL && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s %s",
			    n == 0 ? "" : ", ", name[i], why);
	}
}

static unsigned char *
put16(unsigned char *p, uint32_t v, int big)
{
	p[big ? 0 : 1] = (unsigned char)(v >> 8);
	p[big ? 1 : 0] = (unsigned char)v;
	return p + 2;
}

size_t
imgp_dicom_code(const struct imgp_dicom *d, uint32_t tag, const char *vr,
    const void *value, size_t len, unsigned char *out)
{
	const unsigned char *letters = (const unsigned char *)vr;
	uint32_t padded = (uint32_t)(len + (len & 1));
	unsigned char *p = out;

	p = put16(p, tag >> 16, d->big);
	p = put16(p, tag & 0xffff, d->big);
	if (!d->implicit) {
		memcpy(p, vr, 2);
		p = put16(p + 2, is_long_vr(letters) ? 0 : padded, d->big);
	}
	if (d->implicit || is_long_vr(letters)) {
		p = put16(p, d->big ? padded >> 16 : padded & 0xffff, d->big);
		p = put16(p, d->big ? padded & 0xffff : padded >> 16, d->big);
	}
	memcpy(p, value, len);
	p += len;
	if (len & 1)
		*p++ = ' ';
	return (size_t)(p - out);
}
