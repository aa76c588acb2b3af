#include <stdlib.h>
#include <string.h>

#include "libimgpipe/archive/content.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/archive/tar.h"
#include "libimgpipe/archive/tar_file.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/dicom/census.h"
#include "libimgpipe/dicom/copies.h"
#include "libimgpipe/dicom/intake.h"
#include "libimgpipe/dicom/kind.h"
#include "libimgpipe/dicom/scan.h"

#define CHUNK	4096

struct scan {
	const struct imgp_limits *lim;
	struct imgp_scan_result *r;
	struct imgp_census *census;
	struct imgp_content *content;
	struct imgp_checks *checks;	/* NULL: none */
	const struct imgp_scan_visitor *visitor;	/* NULL: none */
	struct imgp_copies *copies;	/* NULL the first time round */
	struct imgp_dicom_want want;
	uint64_t head;			/* bytes that the last instance took */
	struct imgp_dicom dicom;
};

static void
count(struct scan *s, const char *kind)
{
	struct imgp_scan_result *r = s->r;
	size_t i;

	if (s->copies != NULL)
		return;
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

/* Digits and dots (PS3.5, 9.1): some writers take others, too. */
static int
is_strict_uid(const char *uid)
{
	return uid[strspn(uid, "0123456789.")] == '\0';
}

static int
count_instance(struct scan *s, size_t i, struct imgp_err *e)
{
	const struct imgp_dicom *d = &s->dicom;
	char study[IMGP_UID_MAX + 1], series[IMGP_UID_MAX + 1];
	char instance[IMGP_UID_MAX + 1];
	int32_t n;
	int number;

	imgp_dicom_uid(d, IMGP_DICOM_STUDY, study);
	imgp_dicom_uid(d, IMGP_DICOM_SERIES, series);
	imgp_dicom_uid(d, IMGP_DICOM_SOP_INSTANCE, instance);
	if (!is_strict_uid(study) || !is_strict_uid(series) ||
	    !is_strict_uid(instance)) {
		imgp_fail(e, IMGP_E_DICOM_UID,
		    "a UID holds something other than digits and dots");
		imgp_faults_add(&s->r->warnings, i, e);
	}
	if ((number = imgp_dicom_number(d, &n)) > 0) {
		if (number == 1)
			imgp_fail(e, IMGP_E_DICOM_NUMBER,
			    "its Series Number is no whole number of 32 bits");
		else
			imgp_fail(e, IMGP_E_DICOM_NUMBER, "its Series Number has"
			    " the VR %.2s and is not read", d->number_vr);
		imgp_faults_add(&s->r->warnings, i, e);
	}
	imgp_census_add(s->census, study, series, instance,
	    number == 0 ? &n : NULL, i);
	count(s, "dicom");
	s->head = d->head;
	if (imgp_census_series(s->census) > s->lim->series)
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "it holds more than %llu series",
		    (unsigned long long)s->lim->series);
	return 0;
}

/*
 * The walk over object ${i} is over; ${first} bytes of it tell what it is.
 * ${mac}: no DICOM, it is what its name says.
 */
static int
judge(struct scan *s, size_t i, int mac, const unsigned char *first, size_t n,
    struct imgp_err *e)
{
	const char *kind;
	char why[300];

	if (s->dicom.state == IMGP_DICOM_NOT) {
		kind = mac ? "macos" : imgp_kind(first, n);
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
		return count_instance(s, i, e);
	count(s, "dicom_no_uid");
	imgp_dicom_why_no_uid(&s->dicom, why, sizeof why);
	imgp_fail(e, IMGP_E_DICOM_NO_UID, "%s", why);
	imgp_faults_add(&s->r->faults, i, e);
	return 0;
}

static long
next_content(void *arg, void *buf, size_t len, struct imgp_err *e)
{
	return imgp_content_read(arg, buf, len, e);
}

static long
next_gunzipped(void *arg, void *buf, size_t len, struct imgp_err *e)
{
	return imgp_tar_file_read(arg, buf, len, e);
}

static long
next_tar(void *arg, void *buf, size_t len, struct imgp_err *e)
{
	return imgp_tar_data(arg, buf, len, e);
}

/* Read so much at first: objects of an upload are alike. */
static size_t
first_chunk(const struct scan *s)
{
	return s->head < IMGP_KIND_FIRST ? IMGP_KIND_FIRST :
	    s->head > CHUNK ? CHUNK : (size_t)s->head;
}

/*
 * Read object ${i} as far as it takes to know what it is: 0, 1 when its data
 * are damaged, -1.
 */
static int
read_object(struct scan *s, imgp_copies_next *next, void *arg, unsigned char *first,
    size_t *nfirst, struct imgp_err *e)
{
	unsigned char buf[CHUNK];
	size_t k, want = first_chunk(s);
	long n;

	*nfirst = 0;
	for (;; want = sizeof buf) {
		if ((n = next(arg, buf, want, e)) == -1)
			return strcmp(e->code, IMGP_E_ARCHIVE_DAMAGED) == 0 ?
			    1 : -1;
		if (n == 0) {
			imgp_dicom_end(&s->dicom);
			return 0;
		}
		k = IMGP_KIND_FIRST - *nfirst;
		if (k > (size_t)n)
			k = (size_t)n;
		memcpy(first + *nfirst, buf, k);
		*nfirst += k;
		if (imgp_dicom_feed(&s->dicom, buf, (size_t)n) !=
		    IMGP_DICOM_MORE && *nfirst >= 512)
			return 0;
	}
}

/* One object: ${i} from 1, or 0 when it is the upload itself; ${mac}: by its
 * name that system's. */
static int
scan_object(struct scan *s, size_t i, int mac, imgp_copies_next *next, void *arg,
    struct imgp_err *e)
{
	unsigned char first[IMGP_KIND_FIRST];
	size_t n;
	int rc;

	if (s->copies != NULL)
		return !imgp_copies_wants(s->copies, i) ? 0 : imgp_copies_read(
		    s->copies, i, &s->lim->dicom, next, arg, e) == -1 ? -1 : 0;
	imgp_dicom_init(&s->dicom, &s->want, &s->lim->dicom);
	rc = read_object(s, next, arg, first, &n, e);
	if (rc == 1 && mac && imgp_dicom_end(&s->dicom) == IMGP_DICOM_NOT)
		rc = 0;
	if (rc == 0)
		rc = judge(s, i, mac, first, n, e);
	else if (rc == 1) {
		count(s, "damaged");
		imgp_faults_add(&s->r->faults, i, e);
		rc = 0;
	}
	if (rc == 0 && s->checks != NULL)
		imgp_checks_add(s->checks, &s->dicom);
	if (rc == 0 && s->visitor != NULL &&
	    s->dicom.state == IMGP_DICOM_HEAD &&
	    s->dicom.kind == IMGP_DICOM_INSTANCE)
		s->visitor->instance(s->visitor->arg, &s->dicom);
	imgp_dicom_release(&s->dicom);
	return rc;
}

/* A broken archive is a fault of the upload; a failed read is an error. */
static int
refuse(struct scan *s, const struct imgp_err *why, struct imgp_err *e)
{
	if (imgp_error_owner(why->code) != IMGP_OWNER_UPLOAD) {
		*e = *why;
		return -1;
	}
	/* Do not report a part as the whole. */
	imgp_census_free(s->census);
	s->census = imgp_census_new();
	s->r->nlisting = 0;
	imgp_faults_release(&s->r->faults);
	imgp_faults_release(&s->r->warnings);
	imgp_faults_add(&s->r->faults, 0, why);
	count(s, "archive");
	if (s->checks != NULL)
		imgp_checks_cut(s->checks);
	return 0;
}

/* Members whose contents have the same sum and size, of an archive. */
static int
is_same_content(const void *zip, size_t a, size_t b)
{
	const struct imgp_zip_member *x = imgp_zip_at(zip, a - 1);
	const struct imgp_zip_member *y = imgp_zip_at(zip, b - 1);

	return x->crc == y->crc && x->size == y->size;
}

static int
scan_zip(struct scan *s, int fd, struct imgp_err *e)
{
	const struct imgp_zip_member *m;
	struct imgp_deflate_fd from;
	struct imgp_err why;
	struct imgp_zip *z;
	size_t i, k, n;
	int rc = 0;

	if ((z = imgp_zip_open(fd, &s->lim->zip, &why)) == NULL)
		return refuse(s, &why, e);
	if (imgp_zip_count(z) == 0) {
		imgp_fail(&why, IMGP_E_ARCHIVE_EMPTY,
		    "the archive has no members");
		imgp_faults_add(&s->r->faults, 0, &why);
	}
	n = s->copies == NULL || imgp_copies_pass(s->copies, is_same_content,
	    z) > 0 ? imgp_zip_count(z) : 0;
	for (k = 0; k < n; k++) {
		i = imgp_zip_in_order(z, k);
		m = imgp_zip_at(z, i);
		if (m->type == IMGP_ZIP_DIR)
			continue;
		if (m->type == IMGP_ZIP_LINK) {
			count(s, "link");
			continue;
		}
		from.fd = fd;
		from.off = m->data;
		imgp_content_open(s->content, imgp_deflate_read_fd, &from,
		    m->csize, m->size, m->method == IMGP_ZIP_DEFLATED);
		if ((rc = scan_object(s, i + 1, m->type == IMGP_ZIP_MAC,
		    next_content, s->content, &why)) == -1)
			break;
	}
	imgp_zip_free(z);
	return rc == -1 ? refuse(s, &why, e) : 0;
}

static int
scan_tar(struct scan *s, const struct imgp_intake *u, struct imgp_err *e)
{
	struct imgp_tar_file *file = imgp_tar_file_new(u->fd, u->size,
	    u->kind == IMGP_INTAKE_TGZ, &s->lim->zip);
	struct imgp_tar *t = imgp_tar_new(imgp_tar_file_read, file);
	struct imgp_tar_member m;
	struct imgp_err why;
	size_t i = 0;
	int rc;

	while ((rc = imgp_tar_next(t, &m, &why)) == 1) {
		if (++i > s->lim->zip.members) {
			rc = imgp_fail(&why, IMGP_E_ARCHIVE_LIMIT,
			    "it has more than %llu members",
			    (unsigned long long)s->lim->zip.members);
			break;
		}
		if (m.type == IMGP_TAR_DIR)
			continue;
		if (m.type == IMGP_TAR_LINK || m.type == IMGP_TAR_SPECIAL ||
		    m.type == IMGP_TAR_LABEL)
			count(s, m.type == IMGP_TAR_LINK ? "link" :
			    m.type == IMGP_TAR_LABEL ? "label" : "other");
		else if ((rc = scan_object(s, i, m.type == IMGP_TAR_MAC,
		    next_tar, t, &why)) == -1)
			break;
	}
	if (rc == 0 && i == 0) {
		imgp_fail(&why, IMGP_E_ARCHIVE_EMPTY,
		    "the archive has no members");
		imgp_faults_add(&s->r->faults, 0, &why);
	}
	imgp_tar_free(t);
	imgp_tar_file_free(file);
	return rc == -1 ? refuse(s, &why, e) : 0;
}

static int
scan_gzip(struct scan *s, const struct imgp_intake *u, struct imgp_err *e)
{
	struct imgp_tar_file *file = imgp_tar_file_new(u->fd, u->size, 1,
	    &s->lim->zip);
	struct imgp_err why;
	int rc = scan_object(s, 0, 0, next_gunzipped, file, &why);

	imgp_tar_file_free(file);
	return rc == -1 ? refuse(s, &why, e) : 0;
}

static int
scan_archive(struct scan *s, const struct imgp_intake *u, struct imgp_err *e)
{
	return u->kind == IMGP_INTAKE_ZIP ? scan_zip(s, u->fd, e) :
	    scan_tar(s, u, e);
}

/* An archive once, and once more for those of its members that have copies. */
static int
scan_members(struct scan *s, const struct imgp_intake *u, struct imgp_err *e)
{
	if (scan_archive(s, u, e) == -1)
		return -1;
	if ((s->copies = imgp_copies_new(s->census)) == NULL)
		return 0;
	if (scan_archive(s, u, e) == -1)
		return -1;
	imgp_copies_tell(s->copies, &s->r->warnings);
	return 0;
}

static int
scan_upload(int fd, const struct imgp_limits *lim, struct imgp_checks *checks,
    const struct imgp_scan_visitor *visitor, struct imgp_scan_result *r,
    struct imgp_err *e)
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
	s.want = visitor != NULL ? *visitor->want : imgp_dicom_want;
	s.visitor = visitor;
	s.checks = checks;
	if (checks != NULL)
		s.want.aside = imgp_checks_want(checks);
	s.census = imgp_census_new();
	s.content = imgp_content_new();
	switch (u.kind) {
	case IMGP_INTAKE_EMPTY:
		imgp_fail(&why, IMGP_E_ARCHIVE_EMPTY, "the upload is empty");
		imgp_faults_add(&r->faults, 0, &why);
		break;
	case IMGP_INTAKE_ZIP:
	case IMGP_INTAKE_TAR:
	case IMGP_INTAKE_TGZ:
		rc = scan_members(&s, &u, e);
		break;
	case IMGP_INTAKE_GZ:
		rc = scan_gzip(&s, &u, e);
		break;
	case IMGP_INTAKE_ARCHIVE:
		imgp_faults_add(&r->faults, 0, &u.why);
		count(&s, u.what);
		if (checks != NULL)
			imgp_checks_cut(checks);
		break;
	case IMGP_INTAKE_DICOM:
		imgp_content_open(s.content, imgp_deflate_read_fd, &from,
		    u.size, u.size, 0);
		rc = scan_object(&s, 0, 0, next_content, s.content, e);
		break;
	case IMGP_INTAKE_OTHER:
		count(&s, u.what);
		break;
	}
	if (rc == 0) {
		r->instances = imgp_census_instances(s.census);
		imgp_census_scans(s.census, &r->scans);
	}
	imgp_content_free(s.content);
	imgp_copies_free(s.copies);
	imgp_census_free(s.census);
	return rc;
}

int
imgp_scan_upload(int fd, const struct imgp_limits *lim,
    struct imgp_checks *checks, struct imgp_scan_result *r,
    struct imgp_err *e)
{
	return scan_upload(fd, lim, checks, NULL, r, e);
}

int
imgp_scan_visit(int fd, const struct imgp_limits *lim,
    const struct imgp_scan_visitor *v, struct imgp_scan_result *r,
    struct imgp_err *e)
{
	return scan_upload(fd, lim, NULL, v, r, e);
}

void
imgp_scan_release(struct imgp_scan_result *r)
{
	imgp_scans_release(&r->scans);
	imgp_faults_release(&r->faults);
	imgp_faults_release(&r->warnings);
	memset(r, 0, sizeof *r);
}
