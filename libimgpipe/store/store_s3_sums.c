#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/store/store_s3_priv.h"

#define PARTS_MAX	10000

/* The CRCs that S3 keeps, by the reflected polynomials that define them. */
struct crc {
	uint64_t	 table[256];
	uint64_t	 ones, now;
};

static void
crc_init(struct crc *c, uint64_t polynomial, unsigned int bits)
{
	uint64_t x;
	int i, k;

	c->ones = c->now = bits == 64 ? ~(uint64_t)0 : 0xffffffff;
	for (i = 0; i < 256; i++) {
		x = (uint64_t)i;
		for (k = 0; k < 8; k++)
			x = x >> 1 ^ (x & 1 ? polynomial : 0);
		c->table[i] = x;
	}
}

static void
crc_add(void *arg, const char *p, size_t len)
{
	struct crc *c = arg;

	while (len-- > 0)
		c->now = c->now >> 8 ^ c->table[(c->now ^
		    (unsigned char)*p++) & 0xff];
}

static void
digest_add(void *arg, const char *p, size_t len)
{
	(void)EVP_DigestUpdate(arg, p, len);
}

/* A digest of ${len} bytes of ${fd} from ${offset}: its length; 0: it failed. */
static unsigned int
digest(const EVP_MD *kind, int fd, int64_t offset, int64_t len,
    unsigned char out[EVP_MAX_MD_SIZE])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned int n = 0;

	if (md == NULL)
		imgp_oom();
	/* Where MD5 is forbidden (FIPS) it bears nothing out. */
	if (EVP_DigestInit_ex(md, kind, NULL) != 1 ||
	    imgp_parts_read(fd, offset, len, digest_add, md) == -1 ||
	    EVP_DigestFinal_ex(md, out, &n) != 1)
		n = 0;
	EVP_MD_CTX_free(md);
	return n;
}

/* --- x-amz-checksum-* -------------------------------------------------------------- */

static unsigned int
checksum(const char *name, int fd, int64_t len,
    unsigned char out[EVP_MAX_MD_SIZE])
{
	static const struct {
		const char	*name;
		uint64_t	 polynomial;
		unsigned int	 bits;
	} crcs[] = {
		{ "crc32", 0xedb88320, 32 }, { "crc32c", 0x82f63b78, 32 },
		{ "crc64nvme", 0x9a6c9329ac4bc9b5, 64 },
	};
	unsigned int i, k, n;
	struct crc c;

	if (strcmp(name, "sha256") == 0)
		return digest(EVP_sha256(), fd, 0, len, out);
	if (strcmp(name, "sha1") == 0)
		return digest(EVP_sha1(), fd, 0, len, out);
	for (i = 0; strcmp(crcs[i].name, name) != 0; i++)
		;
	crc_init(&c, crcs[i].polynomial, crcs[i].bits);
	if (imgp_parts_read(fd, 0, len, crc_add, &c) == -1)
		return 0;
	n = crcs[i].bits / 8;
	for (k = 0; k < n; k++)
		out[k] = (unsigned char)((c.now ^ c.ones) >> 8 * (n - 1 - k));
	return n;
}

/* Nonzero when ${a} has a checksum of the whole object, ${name}, and it is right. */
static int
bears_checksum(const struct imgp_s3_answer *a, const char *name, int fd,
    int64_t len, char by[64])
{
	unsigned char raw[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
	const char *value;
	unsigned int n;

	snprintf(by, 64, "x-amz-checksum-%s", name);
	/* "sum-4" is of the sums of four parts. */
	if ((value = imgp_s3_answer_meta(a, by)) == NULL ||
	    strchr(value, '-') != NULL ||
	    (n = checksum(name, fd, len, raw)) == 0)
		return 0;
	EVP_EncodeBlock(text, raw, (int)n);
	return strcmp(value, (const char *)text) == 0;
}

/* --- the ETag ------------------------------------------------------------------------ */

/* The size of the first of several parts; 0: the service does not say. */
static int64_t
part_size(struct imgp_s3 *s3, const char *key, const char *etag)
{
	struct imgp_header h[] = { { "If-Match", etag } };
	struct imgp_s3_request r = { .method = "HEAD", .key = key,
	    .query = "partNumber=1", .headers = h, .nheaders = 1 };
	struct imgp_s3_answer a;
	int64_t size;

	size = imgp_s3_do(s3, &r, &a, NULL) == 0 ? a.length : 0;
	imgp_s3_answer_release(&a);
	return size;
}

/* Nonzero when ${etag} is the MD5 of the file, or that of the MD5s of its parts. */
static int
bears_etag(struct imgp_s3 *s3, const char *key, const char *etag, int fd,
    int64_t len)
{
	char *bare = imgp_s3xml_etag(etag);
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned char raw[EVP_MAX_MD_SIZE];
	struct imgp_buf sums = IMGP_BUF_INIT;
	int64_t size = len, at;
	long parts = 1;
	int bears = 0, in_parts;

	if (bare == NULL || strspn(bare, "0123456789abcdef") != 32)
		goto out;
	if ((in_parts = bare[32] == '-') != 0) {
		parts = strtol(bare + 33, NULL, 10);
		size = part_size(s3, key, etag);
	} else if (bare[32] != '\0')
		goto out;
	if (parts < 1 || parts > PARTS_MAX || (len > 0 && (size < 1 ||
	    (len + size - 1) / size != parts)))
		goto out;
	for (at = 0; at < len || at == 0; at += size) {
		if (digest(EVP_md5(), fd, at, len - at < size ? len - at : size,
		    raw) != 16)
			goto out;
		imgp_buf_add(&sums, raw, 16);
		if (len == 0)
			break;
	}
	if (in_parts && EVP_Digest(sums.s, sums.len, raw, NULL, EVP_md5(),
	    NULL) != 1)
		goto out;
	imgp_hex(raw, 16, hex);
	bears = strncmp(bare, hex, 32) == 0;
out:
	imgp_buf_release(&sums);
	free(bare);
	return bears;
}

int
imgp_store_s3_bears_out(struct imgp_s3 *s3, const char *key, const char *etag,
    int fd, int64_t len, char by[64])
{
	static const char *const names[] = { "sha256", "sha1", "crc64nvme",
	    "crc32c", "crc32" };
	struct imgp_header h[] = { { "x-amz-checksum-mode", "ENABLED" },
	    { "If-Match", etag } };
	struct imgp_s3_request r = { .method = "HEAD", .key = key,
	    .headers = h, .nheaders = 2 };
	struct imgp_s3_answer a;
	size_t i;
	int bears = 0;

	if (bears_etag(s3, key, etag, fd, len)) {
		snprintf(by, 64, "ETag");
		return 1;
	}
	if (imgp_s3_do(s3, &r, &a, NULL) == 0 &&
	    imgp_s3xml_etag_same(a.etag, etag))
		for (i = 0; i < sizeof names / sizeof *names && !bears; i++)
			bears = bears_checksum(&a, names[i], fd, len, by);
	imgp_s3_answer_release(&a);
	return bears;
}
