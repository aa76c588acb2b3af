/* PKGS: libcjson libisal zlib libarchive */
/*
 * The members of an archive as two readers see them, for tests/readers.t:
 *
 *	readers ours FILE	by zip.h or tar.h
 *	readers theirs FILE	by libarchive, ZIP, TAR and gzip only
 *
 * A line for each: size, CRC-32 of the content, name in hex.  Exit status 1
 * and the reason when it is refused.
 */
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "libimgpipe/archive/out.h"
#include "libimgpipe/archive/tar.h"
#include "libimgpipe/archive/tar_file.h"
#include "libimgpipe/archive/zip.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/dicom/intake.h"

static void
put(uint64_t size, uint32_t crc, const unsigned char *name, size_t len)
{
	size_t i;

	printf("%llu %08x ", (unsigned long long)size, crc);
	for (i = 0; i < len; i++)
		printf("%02x", name[i]);
	printf("\n");
}

static int
our_zip(int fd, struct imgp_err *e)
{
	struct imgp_zip *z = imgp_zip_open(fd, NULL, e);
	const struct imgp_zip_member *m;
	unsigned char h[46], name[65536];
	size_t i, n;

	if (z == NULL)
		return -1;
	for (i = 0; i < imgp_zip_count(z); i++) {
		m = imgp_zip_at(z, i);
		if (imgp_pread(fd, h, sizeof h, m->central, e) == -1)
			return -1;
		n = h[28] + (size_t)h[29] * 256;
		if (imgp_pread(fd, name, n, m->central + 46, e) == -1)
			return -1;
		put(m->size, m->crc, name, n);
	}
	imgp_zip_free(z);
	return 0;
}

/* Names are not ours to read in a TAR: "-" stands for each. */
static int
our_tar(const struct imgp_intake *u, struct imgp_err *e)
{
	struct imgp_tar_file *f = imgp_tar_file_new(u->fd, u->size,
	    u->kind == IMGP_INTAKE_TGZ, &imgp_zip_limits);
	struct imgp_tar *t = imgp_tar_new(imgp_tar_file_read, f);
	static unsigned char buf[65536];
	struct imgp_tar_member m;
	uint32_t crc;
	long n;
	int rc;

	while ((rc = imgp_tar_next(t, &m, e)) == 1) {
		crc = 0;
		while ((n = imgp_tar_data(t, buf, sizeof buf, e)) > 0)
			crc = (uint32_t)crc32(crc, buf, (uInt)n);
		if (n == -1)
			break;
		put(m.size, crc, NULL, 0);
	}
	imgp_tar_free(t);
	imgp_tar_file_free(f);
	return rc == 0 ? 0 : -1;
}

static int
ours(const char *path)
{
	struct imgp_err e = { NULL, "" };
	struct imgp_intake u;
	int fd = open(path, O_RDONLY), rc = -1;

	if (imgp_intake_look(fd, &u, &e) == -1)
		;
	else if (u.kind == IMGP_INTAKE_ZIP)
		rc = our_zip(fd, &e);
	else if (u.kind == IMGP_INTAKE_TAR || u.kind == IMGP_INTAKE_TGZ)
		rc = our_tar(&u, &e);
	else
		imgp_fail(&e, IMGP_E_ARCHIVE_METHOD, "no ZIP, no TAR");
	if (rc == -1)
		fprintf(stderr, "%s: %s\n", e.code, e.msg);
	return rc != 0;
}

static int
theirs(const char *path)
{
	struct archive *a = archive_read_new();
	struct archive_entry *en;
	static unsigned char buf[65536];
	const char *name;
	uint64_t size;
	uint32_t crc;
	la_ssize_t n;
	int rc;

	archive_read_support_format_zip_seekable(a);
	archive_read_support_format_tar(a);
	archive_read_support_filter_gzip(a);
	rc = archive_read_open_filename(a, path, 65536);
	while (rc == ARCHIVE_OK && ((rc = archive_read_next_header(a, &en)) ==
	    ARCHIVE_OK || rc == ARCHIVE_WARN)) {
		crc = 0;
		size = 0;
		while ((n = archive_read_data(a, buf, sizeof buf)) > 0) {
			crc = (uint32_t)crc32(crc, buf, (uInt)n);
			size += (uint64_t)n;
		}
		if (n < 0) {
			rc = ARCHIVE_FATAL;
			break;
		}
		/* In a ZIP a link's target is its content. */
		if ((name = archive_entry_symlink(en)) != NULL &&
		    archive_format(a) == ARCHIVE_FORMAT_ZIP) {
			size = strlen(name);
			crc = (uint32_t)crc32(0, (const Bytef *)name,
			    (uInt)size);
		}
		name = archive_entry_pathname(en);
		put(size, crc, (const unsigned char *)name,
		    name == NULL ? 0 : strlen(name));
		rc = ARCHIVE_OK;
	}
	if (rc != ARCHIVE_EOF)
		fprintf(stderr, "%s\n", archive_error_string(a));
	archive_read_free(a);
	return rc != ARCHIVE_EOF;
}

int
main(int argc, char *argv[])
{
	setlocale(LC_ALL, "C.UTF-8");
	if (argc != 3)
		return 2;
	return strcmp(argv[1], "ours") == 0 ? ours(argv[2]) : theirs(argv[2]);
}
