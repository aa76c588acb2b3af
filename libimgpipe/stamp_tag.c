#include <stdio.h>
#include <string.h>

#include "libimgpipe/stamp.h"

/* What an object is told by: not to be written over. */
static const uint32_t taken[] = {
	IMGP_TAG(0x0008, 0x0005), IMGP_TAG(0x0008, 0x0016),
	IMGP_TAG(0x0008, 0x0018), IMGP_TAG(0x0020, 0x000d),
	IMGP_TAG(0x0020, 0x000e), IMGP_TAG(0x0020, 0x0011),
	IMGP_TAG(0x0020, 0x0052), IMGP_TAG_CENTER,
};

static int
wrong(struct imgp_err *e, const char *what)
{
	return imgp_fail(e, IMGP_E_CONFIG, "the stamp's tag: %s", what);
}

/* How long a value may be, 0: not a VR for this (PS3.5 6.2). */
static size_t
room(const char *vr)
{
	if (strcmp(vr, "SH") == 0)
		return 16;
	return strcmp(vr, "LO") == 0 || strcmp(vr, "ST") == 0 ||
	    strcmp(vr, "LT") == 0 || strcmp(vr, "UC") == 0 ||
	    strcmp(vr, "UT") == 0 ? 64 : 0;
}

/* Printable ASCII without the delimiter of values. */
static int
is_plain(const char *s, size_t min, size_t max)
{
	size_t i, n = strlen(s);

	for (i = 0; i < n; i++)
		if (s[i] < 0x20 || s[i] > 0x7e || s[i] == '\\')
			return 0;
	return n >= min && n <= max && (n == 0 ||
	    (s[0] != ' ' && s[n - 1] != ' '));
}

int
imgp_stamp_tag_parse(const char *text, struct imgp_stamp_tag *t,
    struct imgp_err *e)
{
	unsigned int group, element;
	char vr[3] = "LO";
	int used = 0, block = 0;
	size_t i;

	memset(t, 0, sizeof *t);
	if (sscanf(text, "%4x,%4x%n", &group, &element, &used) != 2 ||
	    used != 9) {
		used = 0;
		if (sscanf(text, "%4x,xx%2x%n", &group, &element, &used) != 2 ||
		    used != 9)
			return wrong(e, "not GGGG,EEEE or GGGG,xxEE");
		block = 1;
	}
	text += used;
	if (text[0] == ' ' && strlen(text) >= 3) {
		memcpy(vr, text + 1, 2);
		text += 3;
	}
	if (room(vr) == 0)
		return wrong(e, "its VR is none of LO SH ST LT UC UT");
	if (block ? text[0] != ' ' : text[0] != '\0')
		return wrong(e, "a private block has a creator, others not");
	if (text[0] == ' ')
		text++;
	if (!is_plain(text, (size_t)block, IMGP_UID_MAX))
		return wrong(e, "the creator is not 1 to 64 plain characters");
	if (block != (int)(group & 1) || group < 8 || group >= 0x5000 ||
	    (!block && element == 0))
		return wrong(e, "no element for this");
	t->want.id = IMGP_TAG(group, element);
	for (i = 0; !block && i < sizeof taken / sizeof *taken; i++)
		if (taken[i] == t->want.id)
			return wrong(e, "that element tells what an object is");
	memcpy(t->vr, vr, sizeof vr);
	memcpy(t->creator, text, strlen(text) + 1);
	t->want.creator = block ? t->creator : NULL;
	return 0;
}

int
imgp_stamp_tag_takes(const struct imgp_stamp_tag *t, const char *text,
    struct imgp_err *e)
{
	return is_plain(text, 1, room(t->vr)) ? 0 :
	    imgp_fail(e, IMGP_E_CONFIG, "the id is not 1 to %zu plain "
	    "characters", room(t->vr));
}

int
imgp_stamp_check_center(const char *text, struct imgp_err *e)
{
	return is_plain(text, 0, IMGP_UID_MAX) ? 0 :
	    imgp_fail(e, IMGP_E_CONFIG, "coordinating_center: not 64 plain "
	    "characters at most");
}
