#include <string.h>

#include "libimgpipe/archive/gunzip.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/archive/tar.h"
#include "libimgpipe/archive/zip.h"
#include "libimgpipe/dicom/dicom.h"
#include "libimgpipe/dicom/intake.h"
#include "libimgpipe/dicom/kind.h"

/* Do the ${n} bytes begin a DICOM object, or are they ${all} of one?  Without a
 * preamble it is only a guess until the UIDs are seen. */
static int
is_dicom(const unsigned char *p, size_t n, int all)
{
	struct imgp_dicom d = { .state = IMGP_DICOM_MORE };
	int is;

	imgp_dicom_init(&d, NULL, NULL);
	imgp_dicom_feed(&d, p, n);
	if (all)
		imgp_dicom_end(&d);
	is = d.preamble || d.meta || d.state != IMGP_DICOM_NOT;
	imgp_dicom_release(&d);
	return is;
}

/* An archive that is not read, for what is in ${why} already, or for its format. */
static void
not_read(struct imgp_intake *u)
{
	u->kind = IMGP_INTAKE_ARCHIVE;
	if (u->why.code == NULL)
		imgp_fail(&u->why, IMGP_E_ARCHIVE_METHOD,
		    "an archive of a format that is not supported");
}

/* What is within gzip: an object, TAR, or something that no upload should be. */
static int
look_into_gzip(int fd, struct imgp_intake *u, struct imgp_err *e)
{
	struct imgp_gunzip *g = imgp_gunzip_new(fd);
	unsigned char p[IMGP_KIND_FIRST];
	size_t have = 0;
	long n = 0;

	while (have < sizeof p && (n = imgp_gunzip_read(g, p + have,
	    sizeof p - have, &u->why)) > 0)
		have += (size_t)n;
	imgp_gunzip_free(g);
	if (have < sizeof p && n == -1 &&
	    strcmp(u->why.code, IMGP_E_STORE_IO) == 0) {
		*e = u->why;
		return -1;
	}
	if (have >= IMGP_TAR_BLOCK && imgp_tar_is_header(p))
		u->kind = IMGP_INTAKE_TGZ;
	else if (have > 0 && is_dicom(p, have, n == 0))
		u->kind = IMGP_INTAKE_GZ;
	else if (have == 0 && n == -1)
		not_read(u);
	else if (strcmp(imgp_kind(p, have), "archive") == 0) {
		imgp_fail(&u->why, IMGP_E_ARCHIVE_NESTED,
		    "an archive within gzip");
		not_read(u);
	} else {
		u->kind = IMGP_INTAKE_OTHER;
		u->what = imgp_kind(p, have);
	}
	return 0;
}

int
imgp_intake_look(int fd, struct imgp_intake *u, struct imgp_err *e)
{
	unsigned char p[IMGP_KIND_FIRST];
	size_t n;
	int zip = 0;

	memset(u, 0, sizeof *u);
	u->fd = fd;
	if (imgp_file_size(fd, &u->size, e) == -1)
		return -1;
	n = u->size < sizeof p ? (size_t)u->size : sizeof p;
	if (imgp_pread(fd, p, n, 0, e) == -1)
		return -1;
	u->what = imgp_kind(p, n);
	if (n == 0)
		return 0;
	if (is_dicom(p, n, n == u->size)) {
		u->kind = IMGP_INTAKE_DICOM;
		return 0;
	}
	if (n >= 4 && (memcmp(p, "PK\3\4", 4) == 0 ||
	    memcmp(p, "PK\5\6", 4) == 0 || memcmp(p, "PK\7\10", 4) == 0)) {
		u->kind = IMGP_INTAKE_ZIP;
		return 0;
	}
	if (n >= IMGP_TAR_BLOCK && (imgp_tar_is_header(p) ||
	    memcmp(p + 257, "ustar", 5) == 0)) {
		u->kind = IMGP_INTAKE_TAR;
		return 0;
	}
	if (imgp_gunzip_header(p, n) != 0)
		return look_into_gzip(fd, u, e);
	if (n >= 3 && memcmp(p, "\x1f\x8b\x08", 3) == 0) {
		imgp_fail(&u->why, IMGP_E_ARCHIVE_METHOD, "gzip with unknown flags,"
		    " or with a header of more than %d bytes", IMGP_KIND_FIRST);
		not_read(u);
		return 0;
	}
	/* A ZIP may stand behind a program or bytes that say nothing; within
	 * any other file it is a part of that file. */
	if (!imgp_kind_is_known(p, n) && (zip = imgp_zip_probe(fd, e)) == -1)
		return -1;
	u->kind = zip ? IMGP_INTAKE_ZIP : IMGP_INTAKE_OTHER;
	if (!zip && strcmp(u->what, "archive") == 0)
		not_read(u);
	return 0;
}
