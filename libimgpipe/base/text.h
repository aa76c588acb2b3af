/*
 * Text: UTF-8, and what is safe to print of text that others wrote.
 */
#ifndef IMGPIPE_TEXT_H
#define IMGPIPE_TEXT_H

#include <stddef.h>

/*
 * Write ${len} bytes of ${s} to ${dst} of ${size} (at least 1) bytes, NUL-terminated and
 * cut if they do not fit.  Printable UTF-8 and the backslash are kept; each byte of C0
 * and C1 controls, DEL, bidirectional controls, line separators and invalid UTF-8
 * becomes \xNN.  Returns strlen(dst).
 */
size_t	imgp_printable(char *dst, size_t size, const char *s, size_t len);

/*
 * The length in bytes (1 to 4) of the UTF-8 sequence (RFC 3629) at ${s}, of which ${len}
 * bytes may be read, and its code point in ${*cp} (NULL: not wanted).  0 when it is not
 * valid: overlong, a surrogate, cut short, or above U+10FFFF.
 */
size_t	imgp_utf8(const char *s, size_t len, unsigned int *cp);

/* Nonzero when ${len} bytes of ${s} are spaces, tabs and carriage returns. */
int	imgp_is_blank(const char *s, size_t len);

/* Nonzero when both are NULL, or both are the same text. */
int	imgp_same_text(const char *a, const char *b);

#endif
