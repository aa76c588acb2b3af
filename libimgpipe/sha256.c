#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "libimgpipe/buf.h"
#include "libimgpipe/sha256.h"

struct imgp_sha256 {
	EVP_MD_CTX	*ctx;
};

/* EVP fails here only for want of memory: SHA-256 is always there. */
static void
must(int ok)
{
	if (!ok)
		imgp_oom();
}

struct imgp_sha256 *
imgp_sha256_new(void)
{
	struct imgp_sha256 *h = imgp_alloc(sizeof *h);

	must((h->ctx = EVP_MD_CTX_new()) != NULL);
	must(EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL));
	return h;
}

void
imgp_sha256_free(struct imgp_sha256 *h)
{
	if (h == NULL)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void
imgp_sha256_add(struct imgp_sha256 *h, const void *p, size_t len)
{
	if (len != 0)
		must(EVP_DigestUpdate(h->ctx, p, len));
}

void
imgp_sha256_end(struct imgp_sha256 *h, unsigned char digest[IMGP_SHA256_LEN])
{
	must(EVP_DigestFinal_ex(h->ctx, digest, NULL));
	must(EVP_DigestInit_ex(h->ctx, NULL, NULL));
}

void
imgp_sha256_end_hex(struct imgp_sha256 *h, char hex[IMGP_SHA256_HEX])
{
	unsigned char digest[IMGP_SHA256_LEN];

	imgp_sha256_end(h, digest);
	imgp_hex(digest, sizeof digest, hex);
}

void
imgp_sha256_hex(const void *p, size_t len, char hex[IMGP_SHA256_HEX])
{
	unsigned char digest[IMGP_SHA256_LEN];

	must(EVP_Digest(p, len, digest, NULL, EVP_sha256(), NULL));
	imgp_hex(digest, sizeof digest, hex);
}

void
imgp_hex(const unsigned char *p, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		hex[2 * i] = digits[p[i] >> 4];
		hex[2 * i + 1] = digits[p[i] & 15];
	}
	hex[2 * len] = '\0';
}

int
imgp_sha256_is_hex(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}
