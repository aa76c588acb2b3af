/*
 * What store_file*.c share.  What the S3 store uses of them is in store_priv.h.
 *
 *	store_file.c		the functions of struct imgp_store_kind
 *	store_file_list.c	lists what lies below a directory
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

/* The callbacks of a listing; each may be NULL. */
struct listener {
	imgp_store_found *found;	/* of objects */
	imgp_store_left	 *left;		/* of temporaries */
	void		 *arg;
};
/* Call ${l} for all that lies below ${prefix}.  Returns 0; or -1 with ${e} when something
 * could not be read, after all the rest was listed. */
int	imgp_store_file_list(struct imgp_store *st, const char *prefix,
	    const struct listener *l, struct imgp_err *e);

/* --- store_file_temp.c --- */

/* Nonzero when ${name} has the form of a temporary file's name. */
int	imgp_store_file_is_temporary(const char *name);
/* Nonzero when the temporary file ${name} in ${dir} is locked: its writer is alive. */
int	imgp_store_file_is_locked(int dir, const char *name);
/*
 * Remove the file that has the name of the temporary ${t}, unless it is locked, as its
 * writer is then alive.  Returns 0 when the name may be free now; or -1 with errno,
 * EWOULDBLOCK when it is locked.
 */
int	imgp_store_file_clear(const struct imgp_temporary *t);

/* --- store_file_way.c --- */

/* fsync(2) a directory; EINVAL, by file systems that cannot, counts as success. */
int	imgp_store_file_sync_dir(int dir);
/*
 * Open the directory of ${key}, segment by segment from the base, following no symbolic
 * link; with ${make}, make missing ones.  Returns a descriptor, which the caller closes,
 * with the last segment of ${key} in ${*name}; or -1 with ${e} and errno.
 */
int	imgp_store_file_descend(const struct imgp_store *st, const char *key,
	    int make, const char **name, struct imgp_err *e);
/*
 * Hash what ${fd} has, and copy it to ${out} (-1: nowhere).  Returns 0 and ${got}, or -1
 * with errno.
 */
int	imgp_store_file_pump(int fd, int out, const struct imgp_move *m,
	    int64_t total, struct imgp_object *got);
/* Hash the file ${name} in ${dir}: 0 with ${sb} and ${got}, or -1 with errno. */
int	imgp_store_file_sum(int dir, const char *name, struct stat *sb,
	    struct imgp_object *got);

#endif
