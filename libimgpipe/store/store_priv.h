/*
 * The functions that each kind of store (directory, S3) implements for store.c, and what
 * the kinds share.  A key is the S3 key, or the file's absolute path.
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
	int		(*room)(void *arg, int64_t bytes, struct imgp_err *e);
	void		*room_arg;	/* as in struct imgp_copy */
};

/* Where a download goes. */
struct imgp_download {
	int		 fd;		/* an empty file */
	/* Called with the size before a byte is written; -1 and ${e} ends the
	 * download. */
	int		(*room)(void *arg, int64_t bytes, struct imgp_err *e);
	void		*arg;
};

struct imgp_store_kind {
	void	(*close)(struct imgp_store *st);
	int	(*head)(struct imgp_store *st, const char *key, int sum,
		    struct imgp_object *object, struct imgp_err *e);
	int	(*remove)(struct imgp_store *st, const char *key,
		    struct imgp_err *e);
	int	(*put)(struct imgp_store *st, const char *key,
		    const void *data, size_t len, struct imgp_err *e);
	/* Test writing at ${key}, which no object has; leave nothing there. */
	int	(*ask)(struct imgp_store *st, const char *key,
		    struct imgp_err *e);
	int	(*list)(struct imgp_store *st, const char *prefix,
		    imgp_store_found *fn, void *arg, struct imgp_err *e);
	int	(*list_unfinished)(struct imgp_store *st, const char *prefix,
		    imgp_store_left *fn, void *arg, struct imgp_err *e);
	int	(*abandon)(struct imgp_store *st, const char *key,
		    const char *id, struct imgp_err *e);
	/* Make the regular file open at ${fd} the object ${key}. */
	int	(*upload)(struct imgp_store *st, const char *key, int fd,
		    struct imgp_move *m, struct imgp_err *e);
	/* Write the object to ${d->fd}, and what it holds, its sum included,
	 * to ${m->copied->object}. */
	int	(*download)(struct imgp_store *st, const char *key,
		    const struct imgp_download *d, struct imgp_move *m,
		    struct imgp_err *e);
	/* Copy inside the service, without moving bytes through here; NULL: it
	 * cannot. */
	int	(*copy)(struct imgp_store *src, const char *from,
		    struct imgp_store *dst, const char *to,
		    struct imgp_move *m, struct imgp_err *e);
};

struct imgp_store {
	const struct imgp_store_kind *kind;
	char		*base;		/* as it was given */
	struct imgp_place place;	/* the same, parsed */
	unsigned int	 flags;		/* IMGP_STORE_… */
	int		 dir;		/* file store: the base, open */
	struct imgp_s3	*s3;		/* S3: the service */
};

/* The file store (store_file.c). */
extern const struct imgp_store_kind imgp_store_file_kind;
int	imgp_store_file_open(struct imgp_store *st, struct imgp_err *e);
/* Open the object ${key} for reading: a descriptor, and its size in ${*bytes}; or -1 with
 * ${e}. */
int	imgp_store_file_read(struct imgp_store *st, const char *key,
	    int64_t *bytes, struct imgp_err *e);

/* A file that is written beside its target, and renamed when complete. */
struct imgp_temporary {
	int	 dir;		/* the directory it is in */
	int	 fd;		/* open for writing and locked; -1: none */
	char	 name[48];	/* in that directory */
	const char *target;	/* the name it is to have, in the key */
};
int	imgp_store_file_begin(struct imgp_store *st, const char *key,
	    struct imgp_temporary *t, struct imgp_err *e);
/* 0 when the file system of ${t} has room for ${bytes} more and m->room agrees; -1 with
 * IMGP-STORE-FULL, or the error of m->room. */
int	imgp_store_file_room(const struct imgp_temporary *t,
	    const struct imgp_move *m, int64_t bytes, const char *key,
	    struct imgp_err *e);
/*
 * Make ${t}, which holds ${m->copied->object}, the object ${key}: create-only
 * or in place of another, as ${m->flags} say.
 */
int	imgp_store_file_commit(struct imgp_store *st, const char *key,
	    struct imgp_temporary *t, struct imgp_move *m, struct imgp_err *e);
/* Close ${t}, and remove it unless it was committed. */
void	imgp_store_file_end(struct imgp_temporary *t);

/* Add a warning, IMGP-STORE-METADATA, to a copy that was made.  Warnings beyond
 * IMGP_COPIED_WARNINGS are dropped. */
void	imgp_store_warn(struct imgp_copied *copied, const char *fmt, ...)
	    __attribute__((__format__(printf, 2, 3)));
/* Fill ${e} for a system call on ${key} that failed with errno.  Returns -1. */
int	imgp_store_errno(struct imgp_err *e, const char *key);
/* Compare ${got} with what ${m} expects: 0, or -1 with IMGP-STORE-INTEGRITY. */
int	imgp_store_expected(const struct imgp_move *m,
	    const struct imgp_object *got, const char *key,
	    struct imgp_err *e);
void	imgp_store_progress(const struct imgp_move *m, int64_t bytes,
	    int64_t total);

/* The S3 store (store_s3.c). */
extern const struct imgp_store_kind imgp_store_s3_kind;
int	imgp_store_s3_open(struct imgp_store *st, struct imgp_err *e);

#endif
