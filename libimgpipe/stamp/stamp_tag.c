#include <stdio.h>
#include <string.h>

#include "libimgpipe/stamp/stamp.h"

/* These identify an object and must not be overwritten. */
static const uint32_t taken[] = {
	IMGP_TAG(0x0008, 0x0005), IMGP_TAG(0x0008, 0x0016),
	IMGP_TAG(0x0008, 0x0018), IMGP_TAG(0x0020, 0x000d),
	IMGP_TAG(0x0020, 0x000e), IMGP_TAG(0x0020, 0x0011),
	IMGP_TAG(0x0020, 0x0052), IMGP_TAG_CENTER,
};

/*
 * What the standard (PS3.6) says of elements that are likely to carry an id, so
 * that their VR need not be stated and cannot be stated wrongly.  DCMTK's
 * dictionary is not used: it is a file that a site may change.
 */
static const struct {
	uint32_t	 tag;
	const char	*vr, *keyword;
} known[] = {
	{ IMGP_TAG(0x0008, 0x0050), "SH", "AccessionNumber" },
	{ IMGP_TAG(0x0008, 0x0080), "LO", "InstitutionName" },
	{ IMGP_TAG(0x0008, 0x0081), "ST", "InstitutionAddress" },
	{ IMGP_TAG(0x0008, 0x1010), "SH", "StationName" },
	{ IMGP_TAG(0x0008, 0x1030), "LO", "StudyDescription" },
	{ IMGP_TAG(0x0008, 0x103e), "LO", "SeriesDescription" },
	{ IMGP_TAG(0x0008, 0x1040), "LO", "InstitutionalDepartmentName" },
	{ IMGP_TAG(0x0008, 0x1090), "LO", "ManufacturerModelName" },
	{ IMGP_TAG(0x0008, 0x2111), "ST", "DerivationDescription" },
	{ IMGP_TAG(0x0010, 0x0010), "PN", "PatientName" },
	{ IMGP_TAG(0x0010, 0x0020), "LO", "PatientID" },
	{ IMGP_TAG(0x0010, 0x0021), "LO", "IssuerOfPatientID" },
	{ IMGP_TAG(0x0010, 0x0030), "DA", "PatientBirthDate" },
	{ IMGP_TAG(0x0010, 0x0040), "CS", "PatientSex" },
	{ IMGP_TAG(0x0010, 0x1000), "LO", "OtherPatientIDs" },
	{ IMGP_TAG(0x0010, 0x2160), "SH", "EthnicGroup" },
	{ IMGP_TAG(0x0010, 0x21b0), "LT", "AdditionalPatientHistory" },
	{ IMGP_TAG(0x0010, 0x4000), "LT", "PatientComments" },
	{ IMGP_TAG(0x0012, 0x0010), "LO", "ClinicalTrialSponsorName" },
	{ IMGP_TAG(0x0012, 0x0020), "LO", "ClinicalTrialProtocolID" },
	{ IMGP_TAG(0x0012, 0x0021), "LO", "ClinicalTrialProtocolName" },
	{ IMGP_TAG(0x0012, 0x0030), "LO", "ClinicalTrialSiteID" },
	{ IMGP_TAG(0x0012, 0x0031), "LO", "ClinicalTrialSiteName" },
	{ IMGP_TAG(0x0012, 0x0040), "LO", "ClinicalTrialSubjectID" },
	{ IMGP_TAG(0x0012, 0x0042), "LO", "ClinicalTrialSubjectReadingID" },
	{ IMGP_TAG(0x0012, 0x0050), "LO", "ClinicalTrialTimePointID" },
	{ IMGP_TAG(0x0012, 0x0051), "ST", "ClinicalTrialTimePointDescription" },
	{ IMGP_TAG(0x0012, 0x0062), "CS", "PatientIdentityRemoved" },
	{ IMGP_TAG(0x0012, 0x0063), "LO", "DeidentificationMethod" },
	{ IMGP_TAG(0x0012, 0x0071), "LO", "ClinicalTrialSeriesID" },
	{ IMGP_TAG(0x0012, 0x0072), "LO", "ClinicalTrialSeriesDescription" },
	{ IMGP_TAG(0x0012, 0x0081), "LO",
	    "ClinicalTrialProtocolEthicsCommitteeName" },
	{ IMGP_TAG(0x0012, 0x0082), "LO",
	    "ClinicalTrialProtocolEthicsCommitteeApprovalNumber" },
	{ IMGP_TAG(0x0018, 0x1000), "LO", "DeviceSerialNumber" },
	{ IMGP_TAG(0x0018, 0x1004), "LO", "PlateID" },
	{ IMGP_TAG(0x0018, 0x1008), "LO", "GantryID" },
	{ IMGP_TAG(0x0018, 0x1020), "LO", "SoftwareVersions" },
	{ IMGP_TAG(0x0018, 0x1030), "LO", "ProtocolName" },
	{ IMGP_TAG(0x0020, 0x0010), "SH", "StudyID" },
	{ IMGP_TAG(0x0020, 0x4000), "LT", "ImageComments" },
	{ IMGP_TAG(0x0032, 0x1060), "LO", "RequestedProcedureDescription" },
	{ IMGP_TAG(0x0032, 0x4000), "LT", "StudyComments" },
	{ IMGP_TAG(0x0038, 0x0010), "LO", "AdmissionID" },
	{ IMGP_TAG(0x0038, 0x4000), "LT", "VisitComments" },
	{ IMGP_TAG(0x0040, 0x0253), "SH", "PerformedProcedureStepID" },
	{ IMGP_TAG(0x0040, 0x0254), "LO", "PerformedProcedureStepDescription" },
	{ IMGP_TAG(0x0040, 0x0280), "ST",
	    "CommentsOnThePerformedProcedureStep" },
	{ IMGP_TAG(0x0040, 0x1001), "SH", "RequestedProcedureID" },
	{ IMGP_TAG(0x0040, 0x1400), "LT", "RequestedProcedureComments" },
	{ IMGP_TAG(0x0040, 0x2016), "LO",
	    "PlacerOrderNumberImagingServiceRequest" },
	{ IMGP_TAG(0x0040, 0x2017), "LO",
	    "FillerOrderNumberImagingServiceRequest" },
};

static int
wrong(struct imgp_err *e, const char *what)
{
	return imgp_fail(e, IMGP_E_CONFIG, "the stamp's tag: %s", what);
}

/* The VR of a standard element, or NULL: not in the table. */
static const char *
known_vr(uint32_t tag)
{
	size_t i;

	for (i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].tag == tag)
			return known[i].vr;
	return NULL;
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

/*
 * Read the tag at the beginning of ${*text}, which moves behind it: a keyword of the
 * table above, GGGG,EEEE, or GGGG,xxEE, which sets ${*block}.  0, or -1: none of them.
 */
static int
read_tag(const char **text, unsigned int *group, unsigned int *element,
    int *block)
{
	size_t i, len = strcspn(*text, " ");
	int used = 0;

	for (i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i].keyword) == len &&
		    memcmp(known[i].keyword, *text, len) == 0) {
			*group = known[i].tag >> 16;
			*element = known[i].tag & 0xffff;
			*text += len;
			return 0;
		}
	if (sscanf(*text, "%4x,%4x%n", group, element, &used) != 2 ||
	    used != 9) {
		used = 0;
		if (sscanf(*text, "%4x,xx%2x%n", group, element, &used) != 2 ||
		    used != 9)
			return -1;
		*block = 1;
	}
	*text += used;
	return 0;
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
	char vr[3] = "";
	const char *standard = NULL;
	int block = 0;
	size_t i;

	memset(t, 0, sizeof *t);
	if (read_tag(&text, &group, &element, &block) == -1)
		return wrong(e, "neither GGGG,EEEE or GGGG,xxEE nor the keyword "
		    "of an element that is known here");
	if (text[0] == ' ' && strlen(text) >= 3) {
		memcpy(vr, text + 1, 2);
		text += 3;
	}
	if (!block)
		standard = known_vr(IMGP_TAG(group, element));
	if (standard == NULL && vr[0] == '\0')
		return wrong(e, "its VR is not known here, and must be stated");
	if (standard != NULL && vr[0] != '\0' && strcmp(vr, standard) != 0)
		return imgp_fail(e, IMGP_E_CONFIG, "the stamp's tag: its VR is "
		    "%s in the standard", standard);
	if (standard != NULL)
		memcpy(vr, standard, sizeof vr);
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
