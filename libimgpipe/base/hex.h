/*
 * Bytes as hex digits, and the form of a SHA-256 in hex; apart from sha256.h so that
 * its users need no OpenSSL.
 */
#ifndef IMGPIPE_HEX_H
#define IMGPIPE_HEX_H

#include <stddef.h>

/* Write ${len} bytes as lower-case hex digits and a NUL: 2 * len + 1 bytes at ${hex}. */
void	imgp_hex(const unsigned char *p, size_t len, char *hex);
/* Nonzero when ${s} is 64 lower-case hex digits. */
int	imgp_hex_is_sha256(const char *s);

#endif
