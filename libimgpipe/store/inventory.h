/*
 * The objects at places, found by listing them.  Instead of its URL an object has the
 * first 128 bits of the URL's SHA-256; with size and ETag that takes about a hundred
 * bytes of memory.
 */
#ifndef IMGPIPE_INVENTORY_H
#define IMGPIPE_INVENTORY_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/store/store.h"

struct imgp_inventory;

/* An object of the inventory. */
struct imgp_held {
	unsigned char	 name[16];
	int64_t		 bytes;		/* -1: neither object nor directory */
	uint64_t	 etag;		/* 0: the store has none */
	unsigned int	 mark;		/* for the caller; 0 at first */
	unsigned int	 used;		/* private */
};

/* An empty one; free with imgp_inventory_free(), NULL is fine. */
struct imgp_inventory *imgp_inventory_new(void);
void	imgp_inventory_free(struct imgp_inventory *inv);

/*
 * Add all objects below ${base}, the base of ${st}; those in it already are not changed.
 * Returns 0; or -1 with ${e} as imgp_store_list(), after adding a part of them.
 */
int	imgp_inventory_add(struct imgp_inventory *inv, struct imgp_store *st,
	    const char *base, struct imgp_err *e);

/* Find the object at ${url}, borrowed until the next imgp_inventory_add(); NULL when it
 * was not listed. */
struct imgp_held *imgp_inventory_find(const struct imgp_inventory *inv,
	    const char *url);
size_t	imgp_inventory_count(const struct imgp_inventory *inv);

/* Nonzero unless ${h} certainly has another ETag than ${etag} (quotation marks are
 * ignored): both are equal, or one of them is not known. */
int	imgp_held_may_be(const struct imgp_held *h, const char *etag);

#endif
