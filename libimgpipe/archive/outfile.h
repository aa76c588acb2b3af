/*
 * Files that appear when they are complete, or not at all.
 *
 * What a name leads to is decided once, before rights are given up: symbolic
 * links are followed, so that a link stays and what it names is replaced.  What
 * is no regular file (a pipe, a device) is written to as it is, and so is an
 * open descriptor of this process ("-", /dev/stdout), whatever it is.
 */
#ifndef IMGPIPE_OUTFILE_H
#define IMGPIPE_OUTFILE_H

#include <sys/stat.h>

#include "libimgpipe/base/err.h"

struct imgp_outfile {
	int		 fd;	/* -1: not open */
	const char	*name;	/* as it was given, for messages */
	char		*path;	/* where it goes */
	char		*dir;	/* of path; NULL: it is written as it is */
	char		*tmp;	/* where it is until it is complete */
	int		 is_private;	/* a new one is the owner's: set before
					 * it is opened */
	int		 exists;
	struct stat	 st;	/* where it exists */
};
#define IMGP_OUTFILE_INIT	{ .fd = -1 }

/*
 * Find out where ${name} leads.  -1: IMGP-CONFIG when nothing can be written
 * there.  ${name} must stay.
 */
int	imgp_outfile_find(struct imgp_outfile *f, const char *name,
	    struct imgp_err *e);
/*
 * Open it, a temporary beside it where it has a directory.  A file that is
 * there gives its mode; a new one has 0600 if it is private, else what the umask
 * leaves of 0666.  From then on SIGHUP, SIGINT and SIGTERM, unless ignored, and
 * imgp_oom() remove what is unfinished.
 */
int	imgp_outfile_open(struct imgp_outfile *f, struct imgp_err *e);
/* Put the ${n} files, which are complete, where they go, in that order. */
int	imgp_outfile_keep(struct imgp_outfile *const f[], size_t n,
	    struct imgp_err *e);
/* Close it and remove what was not kept; -1 when closing tells of an error. */
int	imgp_outfile_release(struct imgp_outfile *f, struct imgp_err *e);

/* Is it the file of ${st}?  Devices can be shared. */
int	imgp_outfile_is(const struct imgp_outfile *f, const struct stat *st);
int	imgp_outfile_same(const struct imgp_outfile *a,
	    const struct imgp_outfile *b);

#endif
