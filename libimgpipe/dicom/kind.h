/*
 * What a file is that is not DICOM, by its first bytes.
 */
#ifndef IMGPIPE_KIND_H
#define IMGPIPE_KIND_H

#include <stddef.h>

#define IMGP_KIND_FIRST	1024	/* bytes that tell a kind */

/*
 * The kind of a file that is not DICOM and begins with these bytes, of which up to
 * IMGP_KIND_FIRST are used: "text", "pdf", "image", "nifti", "macos", "archive",
 * "empty", "other".  Static.
 */
const char *imgp_kind(const unsigned char *first, size_t len);

/* Nonzero when the bytes begin a known format, whether imgp_kind() has a name for it or
 * not; such a file is no ZIP, however it ends. */
int	imgp_kind_is_known(const unsigned char *first, size_t len);

/*
 * Detect a DICOM file that is shifted, because something stands in front of its preamble
 * or a part of that is missing; readers ignore such files.  Returns the offset of "DICM"
 * with meta information behind it, if it is found in these bytes (up to IMGP_KIND_FIRST
 * are used) but not at 128, where PS3.10 has it.  0: it is not found, or the bytes begin
 * a known format, a TAR, or a ZIP behind a program, any of which may contain such a file.
 */
size_t	imgp_kind_shifted(const unsigned char *first, size_t len);

#endif
