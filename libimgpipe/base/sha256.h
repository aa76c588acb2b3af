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
 * Initialize OpenSSL without openssl.cnf, which cannot be read in the sandbox, and
 * without loading the names of all algorithms, which takes 2 ms.  For tools that use
 * OpenSSL for sums alone; call it before imgp_sandbox() and before fork(2).
 */
void	imgp_sha256_only(void);

/* A new running sum; never NULL. */
struct imgp_sha256 *imgp_sha256_new(void);
void	imgp_sha256_free(struct imgp_sha256 *h);	/* NULL is fine */
void	imgp_sha256_add(struct imgp_sha256 *h, const void *p, size_t len);
/* Write the digest of all bytes added as hex digits, and reset ${h}. */
void	imgp_sha256_end_hex(struct imgp_sha256 *h, char hex[IMGP_SHA256_HEX]);

/* The same for one buffer. */
void	imgp_sha256_hex(const void *p, size_t len, char hex[IMGP_SHA256_HEX]);
/* HMAC-SHA-256 (RFC 2104) of ${text}, by ${h}, which is reset before and
 * after.  ${mac} may be ${key}. */
void	imgp_sha256_hmac(struct imgp_sha256 *h, const void *key, size_t len,
	    const char *text, unsigned char mac[IMGP_SHA256_LEN]);

#endif
