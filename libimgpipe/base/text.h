/*
 * Text: UTF-8, and what is safe to print of text that others wrote.
 */
#ifndef IMGPIPE_TEXT_H
#define IMGPIPE_TEXT_H

#include <stddef.h>

/*
 * Write ${len} bytes of ${s} to ${dst} (${size} bytes, at least 1), NUL
 * terminated and cut where they do not fit.  Printable UTF-8 is kept; C0, C1,
 * DEL, bidirectional controls, line separators and bytes that are not UTF-8
 * become \xNN, byte by byte, a backslash stays itself.  Returns strlen(dst).
 */
size_t	imgp_printable(char *dst, size_t size, const char *s, size_t len);

/*
 * The length in bytes (1..4) of the valid UTF-8 sequence at ${s}, of which
 * ${len} bytes may be read, with its code point in ${*cp} (NULL: not wanted);
 * 0 when it is not valid (overlong, surrogate, cut short, above U+10FFFF).
 */
size_t	imgp_utf8(const char *s, size_t len, unsigned int *cp);

/* Nonzero when ${len} bytes of ${s} are spaces, tabs and carriage returns. */
int	imgp_is_blank(const char *s, size_t len);

/* Nonzero when both are NULL, or both are the same text. */
int	imgp_same_text(const char *a, const char *b);

#endif
