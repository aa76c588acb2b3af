#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/store/inventory.h"

#define FIRST	1024u		/* places for objects; then twice as many, … */

struct imgp_inventory {
	struct imgp_held *held;		/* open addressing; used is 0: free */
	size_t		 n, size;	/* size: a power of 2 */
};

struct imgp_inventory *
imgp_inventory_new(void)
{
	struct imgp_inventory *inv = imgp_alloc(sizeof *inv);

	inv->size = FIRST;
	inv->held = imgp_alloc(inv->size * sizeof *inv->held);
	return inv;
}

void
imgp_inventory_free(struct imgp_inventory *inv)
{
	if (inv == NULL)
		return;
	free(inv->held);
	free(inv);
}

size_t
imgp_inventory_count(const struct imgp_inventory *inv)
{
	return inv->n;
}

static void
digest(const void *s, size_t len, unsigned char *out, size_t n)
{
	unsigned char sum[IMGP_SHA256_LEN];

	if (EVP_Digest(s, len, sum, NULL, EVP_sha256(), NULL) != 1)
		imgp_oom();
	memcpy(out, sum, n);
}

/* 0 stands for none. */
static uint64_t
etag_of(const char *s)
{
	size_t len = strlen(s);
	uint64_t n;

	if (len >= 2 && s[0] == '"' && s[len - 1] == '"') {
		s++;
		len -= 2;
	}
	if (len == 0)
		return 0;
	digest(s, len, (unsigned char *)&n, sizeof n);
	return n == 0 ? 1 : n;
}

int
imgp_held_may_be(const struct imgp_held *h, const char *etag)
{
	uint64_t n = etag == NULL ? 0 : etag_of(etag);

	return h->etag == 0 || n == 0 || h->etag == n;
}

/* Where ${name} is, or would be. */
static struct imgp_held *
slot(const struct imgp_inventory *inv, const unsigned char name[16])
{
	size_t i;

	memcpy(&i, name, sizeof i);
	for (i &= inv->size - 1; inv->held[i].used != 0 &&
	    memcmp(inv->held[i].name, name, 16) != 0;
	    i = (i + 1) & (inv->size - 1))
		;
	return &inv->held[i];
}

/* At most three quarters are in use. */
static void
grow(struct imgp_inventory *inv)
{
	struct imgp_held *old = inv->held;
	size_t i, n = inv->size;

	if (inv->n < n / 4 * 3)
		return;
	inv->size = 2 * n;
	inv->held = imgp_alloc(inv->size * sizeof *inv->held);
	for (i = 0; i < n; i++)
		if (old[i].used != 0)
			*slot(inv, old[i].name) = old[i];
	free(old);
}

static int
found(void *arg, const char *url, const struct imgp_object *object)
{
	struct imgp_inventory *inv = arg;
	unsigned char name[16];
	struct imgp_held *h;

	grow(inv);
	digest(url, strlen(url), name, sizeof name);
	h = slot(inv, name);
	if (h->used != 0)
		return 0;
	memcpy(h->name, name, sizeof h->name);
	h->bytes = object->bytes;
	h->etag = etag_of(object->etag);
	h->used = 1;
	inv->n++;
	return 0;
}

int
imgp_inventory_add(struct imgp_inventory *inv, struct imgp_store *st,
    const char *base, struct imgp_err *e)
{
	return imgp_store_list(st, base, found, inv, e);
}

struct imgp_held *
imgp_inventory_find(const struct imgp_inventory *inv, const char *url)
{
	unsigned char name[16];
	struct imgp_held *h;

	digest(url, strlen(url), name, sizeof name);
	h = slot(inv, name);
	return h->used != 0 ? h : NULL;
}
