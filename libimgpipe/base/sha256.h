/*
 * SHA-256 (FIPS 180-4) of bytes that pass by, by OpenSSL's EVP.
 */
#ifndef IMGPIPE_SHA256_H
#define IMGPIPE_SHA256_H

#include <stddef.h>

#define IMGP_SHA256_LEN	32	/* bytes of a digest */
#define IMGP_SHA256_HEX	65	/* its lower-case hex digits and a NUL */

struct imgp_sha256;

/*
 * In a tool that makes only sums, before it gives up its rights or makes
 * children: OpenSSL as it is built, without openssl.cnf, which it could not read
 * then, and without the names of all that it has, which take 2 ms to learn.
 */
void	imgp_sha256_only(void);

/* A running sum over nothing yet; never NULL. */
struct imgp_sha256 *imgp_sha256_new(void);
void	imgp_sha256_free(struct imgp_sha256 *h);	/* NULL is fine */
void	imgp_sha256_add(struct imgp_sha256 *h, const void *p, size_t len);
/* The digest of all that was added, in hexadecimal; ${h} is then reset. */
void	imgp_sha256_end_hex(struct imgp_sha256 *h, char hex[IMGP_SHA256_HEX]);

/* Of one buffer. */
void	imgp_sha256_hex(const void *p, size_t len, char hex[IMGP_SHA256_HEX]);
/* HMAC-SHA-256 (RFC 2104) of ${text}, by ${h}, which is reset before and
 * after.  ${mac} may be ${key}. */
void	imgp_sha256_hmac(struct imgp_sha256 *h, const void *key, size_t len,
	    const char *text, unsigned char mac[IMGP_SHA256_LEN]);

#endif
