#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/base/sha256.h"

#define BLOCK	64	/* bytes that SHA-256 works on at once */

struct imgp_sha256 {
	EVP_MD_CTX	*ctx;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *fetched;		/* lives as long as the program */

/* EVP fails here only for want of memory: SHA-256 is always there. */
static void
must(int ok)
{
	if (!ok)
		imgp_oom();
}

/* What EVP_sha256() stands for is looked up by name at each use. */
static void
fetch(void)
{
	/* OpenSSL 3.0 goes on without its context, where it has no memory for one. */
	must(OSSL_LIB_CTX_get0_global_default() != NULL);
	must((fetched = EVP_MD_fetch(NULL, "SHA256", NULL)) != NULL);
}

static const EVP_MD *
sha256(void)
{
	pthread_once(&once, fetch);
	return fetched;
}

void
imgp_sha256_only(void)
{
	must(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
	    OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
	    NULL));
	(void)sha256();
}

struct imgp_sha256 *
imgp_sha256_new(void)
{
	struct imgp_sha256 *h = imgp_alloc(sizeof *h);

	must((h->ctx = EVP_MD_CTX_new()) != NULL);
	must(EVP_DigestInit_ex(h->ctx, sha256(), NULL));
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

static void
end(struct imgp_sha256 *h, unsigned char digest[IMGP_SHA256_LEN])
{
	must(EVP_DigestFinal_ex(h->ctx, digest, NULL));
	must(EVP_DigestInit_ex(h->ctx, NULL, NULL));
}

void
imgp_sha256_end_hex(struct imgp_sha256 *h, char hex[IMGP_SHA256_HEX])
{
	unsigned char digest[IMGP_SHA256_LEN];

	end(h, digest);
	imgp_hex(digest, sizeof digest, hex);
}

void
imgp_sha256_hex(const void *p, size_t len, char hex[IMGP_SHA256_HEX])
{
	unsigned char digest[IMGP_SHA256_LEN];

	must(EVP_Digest(p, len, digest, NULL, sha256(), NULL));
	imgp_hex(digest, sizeof digest, hex);
}

void
imgp_sha256_hmac(struct imgp_sha256 *h, const void *key, size_t len,
    const char *text, unsigned char mac[IMGP_SHA256_LEN])
{
	unsigned char pad[BLOCK] = { 0 };
	size_t i;

	if (len > BLOCK) {
		imgp_sha256_add(h, key, len);
		end(h, pad);
	} else
		memcpy(pad, key, len);
	for (i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36;
	imgp_sha256_add(h, pad, BLOCK);
	imgp_sha256_add(h, text, strlen(text));
	end(h, mac);
	for (i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	imgp_sha256_add(h, pad, BLOCK);
	imgp_sha256_add(h, mac, IMGP_SHA256_LEN);
	end(h, mac);
	OPENSSL_cleanse(pad, sizeof pad);
}
