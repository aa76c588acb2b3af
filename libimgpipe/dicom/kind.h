/*
 * What a file is that is not DICOM, by its first bytes.
 */
#ifndef IMGPIPE_KIND_H
#define IMGPIPE_KIND_H

#include <stddef.h>

#define IMGP_KIND_FIRST	1024	/* bytes that tell a kind */

/*
 * The kind of what begins with these bytes (up to IMGP_KIND_FIRST are looked
 * at) and is not DICOM: "text", "pdf", "image", "nifti", "macos", "archive",
 * "empty", "other".  Static.
 */
const char *imgp_kind(const unsigned char *first, size_t len);

/* Nonzero when the bytes are those of a known format, named by imgp_kind() or
 * not.  No ZIP can stand behind them. */
int	imgp_kind_is_known(const unsigned char *first, size_t len);

/*
 * Where in these bytes (up to IMGP_KIND_FIRST are looked at) "DICM" stands with
 * meta information behind it, but not at 128, where PS3.10 has it, so that readers
 * pass over the file: something stands in front of the preamble, or a part of it is
 * missing.  0: nowhere, or the bytes are those of a known format, a TAR, or a ZIP
 * behind a program, in which such a file may lie.
 */
size_t	imgp_kind_shifted(const unsigned char *first, size_t len);

#endif
