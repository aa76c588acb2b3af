/*
 * Bytes as hex digits, and what SHA-256 looks like in them; apart from sha256.h,
 * which brings OpenSSL.
 */
#ifndef IMGPIPE_HEX_H
#define IMGPIPE_HEX_H

#include <stddef.h>

/* ${len} bytes as lower-case hex digits: 2 * len + 1 bytes at ${hex}. */
void	imgp_hex(const unsigned char *p, size_t len, char *hex);
/* Nonzero when ${s} is 64 lower-case hex digits. */
int	imgp_hex_is_sha256(const char *s);

#endif
