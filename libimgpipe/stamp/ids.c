#include <string.h>

#include "libimgpipe/dicom/scan.h"
#include "libimgpipe/stamp/ids.h"

struct look {
	const struct imgp_scans	*scans;
	struct imgp_ids		*ids;
};

/* The id of the series, or NULL. */
static const char *
id_of(const struct imgp_scans *s, const char *study, const char *series)
{
	size_t i, k;

	for (i = 0; i < s->n; i++) {
		if (strcmp(s->scan[i].study_uid, study) != 0)
			continue;
		for (k = 0; k < s->scan[i].n; k++)
			if (strcmp(s->scan[i].series[k].series_uid,
			    series) == 0)
				return s->scan[i].series[k].atri_uid;
	}
	return NULL;
}

static void
instance(void *arg, const struct imgp_dicom *d)
{
	struct look *l = arg;
	char study[IMGP_UID_MAX + 1], series[IMGP_UID_MAX + 1];
	char value[IMGP_DICOM_VALUE + 1];
	const char *id;
	int len;

	imgp_dicom_uid(d, IMGP_DICOM_STUDY, study);
	imgp_dicom_uid(d, IMGP_DICOM_SERIES, series);
	len = imgp_dicom_text(d, IMGP_DICOM_ID, value, sizeof value);
	if ((id = id_of(l->scans, study, series)) == NULL)
		l->ids->unknown++;
	else if (len > 0 && strcmp(value, id) == 0)
		l->ids->right++;
	else if (len == 0 || !d->elem[IMGP_DICOM_ID].present)
		l->ids->without++;
	else
		l->ids->other++;
}

int
imgp_ids_count(int fd, const struct imgp_limits *lim,
    const struct imgp_stamp_tag *tag, const struct imgp_scans *scans,
    struct imgp_ids *ids, struct imgp_err *e)
{
	struct look l = { scans, ids };
	const struct imgp_scan_visitor v = { &tag->want, instance, &l };
	struct imgp_scan_result r;
	int rc;

	rc = imgp_scan_visit(fd, lim, &v, &r, e);
	if (rc == 0 && r.faults.n > 0 && r.faults.fault[0].member == 0) {
		*e = r.faults.fault[0].e;
		rc = -1;
	}
	imgp_scan_release(&r);
	return rc;
}
