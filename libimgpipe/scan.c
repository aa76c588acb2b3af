#include <stdlib.h>
#include <string.h>

#include "libimgpipe/buf.h"
#include "libimgpipe/census.h"
#include "libimgpipe/content.h"
#include "libimgpipe/out.h"
#include "libimgpipe/scan.h"

#define CHUNK	4096

struct scan {
	const struct imgp_limits *lim;
	struct imgp_scan_result *r;
	struct imgp_census *census;
	struct imgp_content *content;
	struct imgp_dicom dicom;
};

static void
count(struct scan *s, const char *kind)
{
	struct imgp_scan_result *r = s->r;
	size_t i;

	for (i = 0; i < r->nlisting; i++)
		if (strcmp(r->listing[i].kind, kind) == 0)
			break;
	if (i == IMGP_SCAN_KINDS)
		return;
	if (i == r->nlisting) {
		r->listing[r->nlisting].kind = kind;
		r->listing[r->nlisting++].count = 0;
	}
	r->listing[i].count++;
}

static int
count_instance(struct scan *s, struct imgp_err *e)
{
	const struct imgp_dicom *d = &s->dicom;
	char study[IMGP_UID_MAX + 1], series[IMGP_UID_MAX + 1];
	char instance[IMGP_UID_MAX + 1];
	int32_t n;

	imgp_dicom_uid(d, IMGP_DICOM_STUDY, study);
	imgp_dicom_uid(d, IMGP_DICOM_SERIES, series);
	imgp_dicom_uid(d, IMGP_DICOM_SOP_INSTANCE, instance);
	imgp_census_add(s->census, study, series, instance,
	    imgp_dicom_number(d, &n) == 0 ? &n : NULL);
	count(s, "dicom");
	if (imgp_census_series(s->census) > s->lim->series)
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "it holds more than %llu series",
		    (unsigned long long)s->lim->series);
	return 0;
}

/* The walk over object ${i} is over; ${first} bytes of it tell what it is. */
static int
judge(struct scan *s, size_t i, const unsigned char *first, size_t n,
    struct imgp_err *e)
{
	const char *kind;

	if (s->dicom.state == IMGP_DICOM_NOT) {
		kind = imgp_kind(first, n);
		if (i == 0 || strcmp(kind, "archive") != 0) {
			count(s, kind);
			return 0;
		}
		count(s, "nested_archive");
		imgp_fail(e, IMGP_E_ARCHIVE_NESTED, "an archive in an archive");
		imgp_faults_add(&s->r->faults, i, e);
		return 0;
	}
	if (s->dicom.state == IMGP_DICOM_BAD) {
		count(s, "dicom_declined");
		imgp_faults_add(&s->r->faults, i, &s->dicom.err);
		return 0;
	}
	if (s->dicom.kind == IMGP_DICOM_DIRECTORY) {
		count(s, "dicomdir");
		return 0;
	}
	if (s->dicom.kind == IMGP_DICOM_INSTANCE)
		return count_instance(s, e);
	count(s, "dicom_no_uid");
	imgp_fail(e, IMGP_E_DICOM_NO_UID,
	    "SOP class, SOP instance, study or series UID is missing");
	imgp_faults_add(&s->r->faults, i, e);
	return 0;
}

/* One object: ${i} from 1, or 0 when it is the upload itself. */
static int
scan_object(struct scan *s, size_t i, struct imgp_deflate_fd *from,
    uint64_t csize, uint64_t size, int deflated, struct imgp_err *e)
{
	unsigned char buf[CHUNK], first[IMGP_INTAKE_FIRST];
	struct imgp_err why;
	size_t nfirst = 0;
	long n;
	int rc;

	imgp_content_open(s->content, imgp_deflate_read_fd, from, csize, size,
	    deflated);
	imgp_dicom_init(&s->dicom, NULL, &s->lim->dicom);
	for (;;) {
		n = imgp_content_read(s->content, buf, sizeof buf, &why);
		if (n == -1 && strcmp(why.code, IMGP_E_ARCHIVE_DAMAGED) == 0) {
			count(s, "damaged");
			imgp_faults_add(&s->r->faults, i, &why);
			imgp_dicom_release(&s->dicom);
			return 0;
		}
		if (n == -1) {
			*e = why;
			imgp_dicom_release(&s->dicom);
			return -1;
		}
		if (nfirst < sizeof first) {
			size_t k = sizeof first - nfirst;

			if (k > (size_t)n)
				k = (size_t)n;
			memcpy(first + nfirst, buf, k);
			nfirst += k;
		}
		if (n == 0) {
			imgp_dicom_end(&s->dicom);
			break;
		}
		if (imgp_dicom_feed(&s->dicom, buf, (size_t)n) !=
		    IMGP_DICOM_MORE && nfirst >= 512)
			break;
	}
	rc = judge(s, i, first, nfirst, e);
	imgp_dicom_release(&s->dicom);
	return rc;
}

static int
scan_zip(struct scan *s, int fd, struct imgp_err *e)
{
	const struct imgp_zip_member *m;
	struct imgp_deflate_fd from;
	struct imgp_err why;
	struct imgp_zip *z;
	size_t i, k;
	int rc = -1;

	if ((z = imgp_zip_open(fd, &s->lim->zip, &why)) == NULL) {
		if (strcmp(why.code, IMGP_E_STORE_IO) == 0) {
			*e = why;
			return -1;
		}
		imgp_faults_add(&s->r->faults, 0, &why);
		count(s, "archive");
		return 0;
	}
	if (imgp_zip_count(z) == 0) {
		imgp_fail(&why, IMGP_E_ARCHIVE_EMPTY,
		    "the archive has no members");
		imgp_faults_add(&s->r->faults, 0, &why);
	}
	for (k = 0; k < imgp_zip_count(z); k++) {
		i = imgp_zip_in_order(z, k);
		m = imgp_zip_at(z, i);
		if (m->type == IMGP_ZIP_DIR)
			continue;
		if (m->type == IMGP_ZIP_LINK || m->type == IMGP_ZIP_MAC) {
			count(s, m->type == IMGP_ZIP_LINK ? "link" : "macos");
			continue;
		}
		from.fd = fd;
		from.off = m->data;
		if (scan_object(s, i + 1, &from, m->csize, m->size,
		    m->method == IMGP_ZIP_DEFLATED, e) == -1)
			goto out;
	}
	rc = 0;
out:
	imgp_zip_free(z);
	return rc;
}

int
imgp_scan_upload(int fd, const struct imgp_limits *lim,
    struct imgp_scan_result *r, struct imgp_err *e)
{
	struct imgp_deflate_fd from = { fd, 0 };
	struct imgp_intake u;
	struct imgp_err why;
	struct scan s;
	int rc = 0;

	memset(r, 0, sizeof *r);
	if (imgp_intake_look(fd, &u, e) == -1)
		return -1;
	memset(&s, 0, offsetof(struct scan, dicom));
	s.lim = lim;
	s.r = r;
	s.census = imgp_census_new();
	s.content = imgp_content_new();
	switch (u.kind) {
	case IMGP_INTAKE_EMPTY:
		imgp_fail(&why, IMGP_E_ARCHIVE_EMPTY, "the upload is empty");
		imgp_faults_add(&r->faults, 0, &why);
		break;
	case IMGP_INTAKE_ZIP:
		rc = scan_zip(&s, fd, e);
		break;
	case IMGP_INTAKE_TAR:
	case IMGP_INTAKE_TGZ:
	case IMGP_INTAKE_ARCHIVE:
		imgp_fail(&why, IMGP_E_ARCHIVE_METHOD,
		    "an archive of a format that is not supported");
		imgp_faults_add(&r->faults, 0, &why);
		count(&s, u.what);
		break;
	case IMGP_INTAKE_DICOM:
	case IMGP_INTAKE_OTHER:
		rc = scan_object(&s, 0, &from, u.size, u.size, 0, e);
		break;
	}
	if (rc == 0) {
		r->instances = imgp_census_instances(s.census);
		imgp_census_scans(s.census, &r->scans);
	}
	imgp_content_free(s.content);
	imgp_census_free(s.census);
	return rc;
}

void
imgp_scan_release(struct imgp_scan_result *r)
{
	imgp_scans_release(&r->scans);
	memset(r, 0, sizeof *r);
}
