#include <sys/stat.h>

#include <string.h>

#include "libimgpipe/archive/gunzip.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/archive/tar.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/dicom/intake.h"

/* What is known by its first bytes. */
static const struct magic {
	size_t		 off, len;
	const char	*bytes, *kind;
} magic[] = {
	{ 0, 4, "PK\3\4", "archive" },
	{ 0, 4, "PK\5\6", "archive" },
	{ 0, 4, "PK\7\10", "archive" },
	{ 0, 6, "7z\xbc\xaf\x27\x1c", "archive" },
	{ 0, 6, "Rar!\x1a\7", "archive" },
	{ 0, 6, "\xfd" "7zXZ\0", "archive" },
	{ 0, 3, "\x1f\x8b\x8", "archive" },
	{ 0, 3, "BZh", "archive" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "archive" },
	{ 257, 5, "ustar", "archive" },
	{ 0, 5, "%PDF-", "pdf" },
	{ 0, 3, "\xff\xd8\xff", "image" },
	{ 0, 8, "\x89PNG\r\n\x1a\n", "image" },
	{ 0, 4, "GIF8", "image" },
	{ 0, 4, "II*\0", "image" },
	{ 0, 4, "MM\0*", "image" },
	{ 0, 12, "\0\0\0\xcjP  \r\n\x87\n", "image" },
	{ 0, 4, "\0\5\x16\7", "macos" },	/* AppleDouble */
	{ 0, 8, "\0\0\0\1" "Bud1", "macos" },	/* .DS_Store */
	{ 344, 4, "n+1\0", "nifti" },
	{ 344, 4, "ni1\0", "nifti" },
	/* Not told by name: no bytes that a ZIP may stand behind. */
	{ 0, 5, "07070", NULL },			/* cpio */
	{ 0, 2, "\xc7\x71", NULL },
	{ 0, 2, "\x71\xc7", NULL },
	{ 0, 8, "!<arch>\n", NULL },
	{ 0, 8, "MSCF\0\0\0\0", NULL },
	{ 0, 8, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", NULL },	/* OLE */
	{ 0, 4, "LZIP", NULL },
	{ 0, 2, "\x1f\x9d", NULL },			/* compress */
	{ 0, 4, "\4\x22\x4d\x18", NULL },		/* LZ4 */
	{ 2, 3, "-lh", NULL },
	{ 0, 4, "RIFF", NULL },
	{ 0, 8, "\x89HDF\r\n\x1a\n", NULL },
	{ 0, 4, "CDF\1", NULL },			/* MINC */
	{ 0, 7, "NRRD000", NULL },
	{ 4, 4, "n+2\0", NULL },
	{ 4, 4, "ni2\0", NULL },
};

static int
is_text(const unsigned char *p, size_t len)
{
	size_t i, n;
	unsigned int c;

	for (i = 0; i < len; i += n) {
		n = imgp_utf8((const char *)p + i, len - i, &c);
		if (n == 0)		/* the last one may be cut */
			return len - i < 4 && p[i] >= 0xc2 && i > 0;
		if ((c < 0x20 && strchr("\t\n\v\f\r\x1b", (int)c) == NULL) ||
		    c == 0 || c == 0x7f)
			return 0;
	}
	return 1;
}

static const struct magic *
find_magic(const unsigned char *first, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof magic / sizeof *magic; i++)
		if (len >= magic[i].off + magic[i].len && memcmp(first +
		    magic[i].off, magic[i].bytes, magic[i].len) == 0)
			return &magic[i];
	return NULL;
}

const char *
imgp_kind(const unsigned char *first, size_t len)
{
	const struct magic *m;

	if (len == 0)
		return "empty";
	if (len > IMGP_INTAKE_FIRST)
		len = IMGP_INTAKE_FIRST;
	m = find_magic(first, len);
	if (m != NULL && m->kind != NULL)
		return m->kind;
	return is_text(first, len) ? "text" : "other";
}

/* What is within gzip: TAR, or something that no upload should be. */
static int
look_into_gzip(int fd, struct imgp_intake *u, struct imgp_err *e)
{
	struct imgp_gunzip *g = imgp_gunzip_new(fd);
	unsigned char p[IMGP_INTAKE_FIRST];
	struct imgp_err why;
	size_t have = 0;
	long n;

	while (have < sizeof p && (n = imgp_gunzip_read(g, p + have,
	    sizeof p - have, &why)) > 0)
		have += (size_t)n;
	imgp_gunzip_free(g);
	if (have < sizeof p && n == -1 &&
	    strcmp(why.code, IMGP_E_STORE_IO) == 0) {
		*e = why;
		return -1;
	}
	if (have >= IMGP_TAR_BLOCK && imgp_tar_is_header(p))
		u->kind = IMGP_INTAKE_TGZ;
	else if (have == 0 || (have >= 132 && memcmp(p + 128, "DICM", 4) == 0) ||
	    strcmp(imgp_kind(p, have), "archive") == 0)
		u->kind = IMGP_INTAKE_ARCHIVE;
	else {
		u->kind = IMGP_INTAKE_OTHER;
		u->what = imgp_kind(p, have);
	}
	return 0;
}

int
imgp_intake_look(int fd, struct imgp_intake *u, struct imgp_err *e)
{
	unsigned char p[IMGP_INTAKE_FIRST];
	struct imgp_dicom d;
	struct stat st;
	size_t n;
	int zip = 0;

	memset(u, 0, sizeof *u);
	u->fd = fd;
	if (fstat(fd, &st) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "stat");
	if (!S_ISREG(st.st_mode))
		return imgp_fail(e, IMGP_E_STORE_IO, "not a regular file");
	u->size = (uint64_t)st.st_size;
	n = u->size < sizeof p ? (size_t)u->size : sizeof p;
	if (imgp_pread(fd, p, n, 0, e) == -1)
		return -1;
	u->what = imgp_kind(p, n);
	if (n == 0)
		return 0;
	imgp_dicom_init(&d, NULL, NULL);
	imgp_dicom_feed(&d, p, n);
	if (n == u->size)
		imgp_dicom_end(&d);
	/* Without a preamble it is only a guess until the UIDs are seen. */
	if (d.preamble || d.meta || d.state != IMGP_DICOM_NOT)
		u->kind = IMGP_INTAKE_DICOM;
	imgp_dicom_release(&d);
	if (u->kind == IMGP_INTAKE_DICOM)
		return 0;
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
	/* A ZIP may stand behind a program or bytes that say nothing; within
	 * any other file it is a part of that file. */
	if (find_magic(p, n) == NULL && (zip = imgp_zip_probe(fd, e)) == -1)
		return -1;
	u->kind = zip ? IMGP_INTAKE_ZIP : strcmp(u->what, "archive") == 0 ?
	    IMGP_INTAKE_ARCHIVE : IMGP_INTAKE_OTHER;
	return 0;
}

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
	l->dicom.elements = (uint32_t)elements;
	l->dicom.items = (uint32_t)items;
	l->dicom.depth = (uint32_t)depth;
	return 0;
}
