#include <string.h>

#include "libimgpipe/archive/tar.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/dicom/kind.h"

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
	{ 4, 4, "n+2\0", "nifti" },
	{ 4, 4, "ni2\0", "nifti" },
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
	if (len > IMGP_KIND_FIRST)
		len = IMGP_KIND_FIRST;
	m = find_magic(first, len);
	if (m != NULL && m->kind != NULL)
		return m->kind;
	return is_text(first, len) ? "text" : "other";
}

int
imgp_kind_is_known(const unsigned char *first, size_t len)
{
	return find_magic(first, len) != NULL;
}

size_t
imgp_kind_shifted(const unsigned char *first, size_t len)
{
	static const char dicm[] = "DICM\2";
	const unsigned char *p;

	if (len > IMGP_KIND_FIRST)
		len = IMGP_KIND_FIRST;
	p = len < 2 ? NULL : memmem(first + 1, len - 1, dicm, sizeof dicm);
	if (p == NULL || p == first + 128 || find_magic(first, len) != NULL ||
	    memmem(first, (size_t)(p - first), "PK\3\4", 4) != NULL ||
	    (len >= IMGP_TAR_BLOCK && imgp_tar_is_header(first)))
		return 0;
	return (size_t)(p - first);
}
