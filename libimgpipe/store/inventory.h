/*
 * What lies at places, by listing them: each object's size and ETag, without its
 * name, in about a hundred bytes of memory.
 *
 * An object is known by 128 bits of the SHA-256 of its place.
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
	unsigned int	 mark;		/* the caller's; 0 at first */
	unsigned int	 used;
};

/* An empty one; free with imgp_inventory_free(), NULL is fine. */
struct imgp_inventory *imgp_inventory_new(void);
void	imgp_inventory_free(struct imgp_inventory *inv);

/*
 * Add all that lies below ${base}, the base of ${st}: what is in it already stays
 * as it was.  0, or -1 with ${e} as imgp_store_list(); then it has a part of it.
 */
int	imgp_inventory_add(struct imgp_inventory *inv, struct imgp_store *st,
	    const char *base, struct imgp_err *e);

/* The object at ${url}, borrowed until the next imgp_inventory_add(); NULL when it
 * was not listed. */
struct imgp_held *imgp_inventory_find(const struct imgp_inventory *inv,
	    const char *url);
size_t	imgp_inventory_count(const struct imgp_inventory *inv);

/* Nonzero when ${h} may have the ETag ${etag}, with or without quotation marks:
 * it has, or one of the two is not known. */
int	imgp_held_may_be(const struct imgp_held *h, const char *etag);

#endif
