/*
 * What the files of store_file.c share.  Private to store_file*.c; what the S3 store
 * has of them is in store_priv.h.
 *
 *	store_file.c		what the kind of store is asked for
 *	store_file_list.c	what lies below a directory
 *	store_file_temp.c	files written beside their targets
 *	store_file_way.c	the way down from the base, and reading there
 *
 * A file calls those below it alone.
 */
#ifndef IMGPIPE_STORE_FILE_PRIV_H
#define IMGPIPE_STORE_FILE_PRIV_H

#include <sys/stat.h>

#include "libimgpipe/store/store_priv.h"

#define HIDDEN	".imgp-"		/* what every temporary begins with */

static inline int
is_private(const struct imgp_store *st)
{
	return (st->flags & IMGP_STORE_PRIVATE) != 0;
}

/* --- store_file_list.c --- */

/* Who is told of what a directory holds; each may be NULL. */
struct listener {
	imgp_store_found *found;	/* of objects */
	imgp_store_left	 *left;		/* of temporaries */
	void		 *arg;
};
/* Tell ${l} of all that lies below ${prefix}.  0, or -1 and ${e}, after all the rest
 * was listed: something could not be looked at. */
int	imgp_store_file_list(struct imgp_store *st, const char *prefix,
	    const struct listener *l, struct imgp_err *e);

/* --- store_file_temp.c --- */

/* Has ${name} the form of a temporary's? */
int	imgp_store_file_is_temporary(const char *name);
/* Nonzero: the writer of the temporary ${name} in ${dir} lives. */
int	imgp_store_file_is_locked(int dir, const char *name);
/*
 * Remove the file that has the name of the temporary ${t}, unless it is locked:
 * then its writer is alive.  0 when the name may be free now; -1 and errno,
 * EWOULDBLOCK where it is locked.
 */
int	imgp_store_file_clear(const struct imgp_temporary *t);

/* --- store_file_way.c --- */

/* Some file systems cannot sync a directory and answer EINVAL. */
int	imgp_store_file_sync_dir(int dir);
/*
 * Go down from the base to the directory of ${key}, segment by segment, so
 * that no symbolic link is followed.  Its descriptor, the caller's to close,
 * with the last segment in ${*name}; -1, ${e} and errno.
 */
int	imgp_store_file_descend(const struct imgp_store *st, const char *key,
	    int make, const char **name, struct imgp_err *e);
/*
 * Sum what can be read from ${fd}, and write it to ${out} (-1: nowhere).  0 and
 * ${got}, or -1 and errno.
 */
int	imgp_store_file_pump(int fd, int out, const struct imgp_move *m,
	    int64_t total, struct imgp_object *got);
/* What ${name} in ${dir} holds; -1 and errno. */
int	imgp_store_file_sum(int dir, const char *name, struct stat *sb,
	    struct imgp_object *got);

#endif
