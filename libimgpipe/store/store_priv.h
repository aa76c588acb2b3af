/*
 * What a kind of store gives to store.c, and what the kinds share.  Keys are
 * relative to nothing: the S3 key, or the absolute path.
 */
#ifndef IMGPIPE_STORE_PRIV_H
#define IMGPIPE_STORE_PRIV_H

#include "libimgpipe/base/place.h"
#include "libimgpipe/store/store.h"

/* One transfer, as the kinds see it. */
struct imgp_move {
	unsigned int	 flags;		/* IMGP_COPY_… */
	const struct imgp_object *expect; /* or NULL */
	const struct imgp_progress *progress; /* or NULL */
	struct imgp_copied *copied;	/* filled in */
};

struct imgp_store_kind {
	void	(*close)(struct imgp_store *st);
	int	(*head)(struct imgp_store *st, const char *key, int sum,
		    struct imgp_object *object, struct imgp_err *e);
	int	(*remove)(struct imgp_store *st, const char *key,
		    struct imgp_err *e);
	int	(*put)(struct imgp_store *st, const char *key,
		    const void *data, size_t len, struct imgp_err *e);
	int	(*list)(struct imgp_store *st, const char *prefix,
		    imgp_store_found *fn, void *arg, struct imgp_err *e);
	/* Publish the regular file open at ${fd} as ${key}. */
	int	(*upload)(struct imgp_store *st, const char *key, int fd,
		    struct imgp_move *m, struct imgp_err *e);
	/*
	 * Write the object to ${fd}, an empty file, and say in ${got} what it
	 * holds, sum included.  ${room} is called with the size before a byte
	 * is written; -1 ends the download.
	 */
	int	(*download)(struct imgp_store *st, const char *key, int fd,
		    int (*room)(void *arg, int64_t bytes, struct imgp_err *e),
		    void *arg, struct imgp_move *m, struct imgp_object *got,
		    struct imgp_err *e);
	/* Copy within the kind without the bytes passing here; NULL: no. */
	int	(*copy)(struct imgp_store *src, const char *from,
		    struct imgp_store *dst, const char *to,
		    struct imgp_move *m, struct imgp_err *e);
};

struct imgp_store {
	const struct imgp_store_kind *kind;
	char		*base;		/* as it was given */
	struct imgp_place place;	/* the same, taken apart */
	unsigned int	 flags;		/* IMGP_STORE_… */
	int		 dir;		/* file store: the base, open */
	struct imgp_s3	*s3;		/* S3: the service */
};

/* The file store (store_file.c). */
extern const struct imgp_store_kind imgp_store_file_kind;
int	imgp_store_file_open(struct imgp_store *st, struct imgp_err *e);
/* The object ${key} for reading; its size in ${bytes}. -1 and ${e}. */
int	imgp_store_file_read(struct imgp_store *st, const char *key,
	    int64_t *bytes, struct imgp_err *e);

/* A file that is being written beside its target. */
struct imgp_temporary {
	int	 dir;		/* the directory it is in */
	int	 fd;		/* open for writing and locked; -1: none */
	char	 name[48];	/* in that directory */
	const char *target;	/* the name it is to have, in the key */
};
int	imgp_store_file_begin(struct imgp_store *st, const char *key,
	    struct imgp_temporary *t, struct imgp_err *e);
/* Nothing when ${bytes} more fit where ${t} lies; -1: IMGP-STORE-FULL. */
int	imgp_store_file_room(const struct imgp_temporary *t, int64_t bytes,
	    const char *key, struct imgp_err *e);
/*
 * Make ${t}, which holds ${m->copied->object}, the object ${key}: create-only
 * or in place of another, as ${m->flags} say.
 */
int	imgp_store_file_commit(struct imgp_store *st, const char *key,
	    struct imgp_temporary *t, struct imgp_move *m, struct imgp_err *e);
/* Remove it where it was not committed; close all.  Fine after commit. */
void	imgp_store_file_end(struct imgp_temporary *t);

/* A failed call of the system, by errno, on ${key}. */
int	imgp_store_errno(struct imgp_err *e, const char *key);
/* Compare ${got} with what ${m} expects (IMGP-STORE-INTEGRITY). */
int	imgp_store_expected(const struct imgp_move *m,
	    const struct imgp_object *got, const char *key,
	    struct imgp_err *e);
void	imgp_store_progress(const struct imgp_move *m, int64_t bytes,
	    int64_t total);

/* The S3 store (store_s3.c). */
extern const struct imgp_store_kind imgp_store_s3_kind;
int	imgp_store_s3_open(struct imgp_store *st, struct imgp_err *e);

#endif
