#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/dicom/limits.h"

static int
load(const char *name, long long max, uint64_t *v, struct imgp_err *e)
{
	const char *s = imgp_conf(NULL, name);
	long long n;

	if (imgp_parse_int(s, 1, max, &n) == -1)
		return imgp_fail(e, IMGP_E_CONFIG,
		    "%s: not a number from 1 to %lld", name, max);
	*v = (uint64_t)n;
	return 0;
}

int
imgp_limits_load(struct imgp_limits *l, struct imgp_err *e)
{
	uint64_t elements, items, depth;

	l->dicom = imgp_dicom_limits;
	l->zip = imgp_zip_limits;
	if (load("limit_members", UINT32_MAX, &l->zip.members, e) == -1 ||
	    load("limit_bytes", INT64_MAX, &l->zip.bytes, e) == -1 ||
	    load("limit_ratio", UINT32_MAX, &l->zip.ratio, e) == -1 ||
	    load("limit_series", UINT32_MAX, &l->series, e) == -1 ||
	    load("limit_header", 1 << 30, &l->dicom.head, e) == -1 ||
	    load("limit_elements", 1 << 30, &elements, e) == -1 ||
	    load("limit_items", 1 << 30, &items, e) == -1 ||
	    load("limit_depth", IMGP_DICOM_DEPTH, &depth, e) == -1)
		return -1;
	l->dicom.ratio = l->zip.ratio;
	l->dicom.elements = (uint32_t)elements;
	l->dicom.items = (uint32_t)items;
	l->dicom.depth = (uint32_t)depth;
	return 0;
}
