/*
 * Output files that appear when they are complete, or not at all.
 *
 * A name is resolved once, before rights are given up.  Symbolic links are followed: the
 * link stays and its target is replaced.  What is not a regular file (a pipe, a device)
 * is written directly, and so is an open descriptor of this process ("-", /dev/stdout),
 * whatever it is.
 */
#ifndef IMGPIPE_OUTFILE_H
#define IMGPIPE_OUTFILE_H

#include <sys/stat.h>

#include "libimgpipe/base/err.h"

struct imgp_outfile {
	int		 fd;	/* -1: not open */
	const char	*name;	/* as it was given, for messages */
	char		*path;	/* where it goes */
	char		*dir;	/* of path; NULL: write to path directly */
	char		*tmp;	/* the temporary file until it is complete */
	int		 is_private;	/* set before opening: a new file has
					 * mode 0600 */
	int		 exists;
	struct stat	 st;	/* where it exists */
};
#define IMGP_OUTFILE_INIT	{ .fd = -1 }

/*
 * Find out where ${name} leads.  Returns 0, or -1 with IMGP-CONFIG when nothing can be
 * written there.  ${name} is not copied.
 */
int	imgp_outfile_find(struct imgp_outfile *f, const char *name,
	    struct imgp_err *e);
/*
 * Open the file, or a temporary file beside it unless it is written directly.  It gets
 * the mode of the file that it replaces; a new one has 0600 if private, else 0666 less
 * the umask.  From then on SIGHUP, SIGINT and SIGTERM, unless ignored, and imgp_oom()
 * remove unfinished files.  Returns 0, or -1 with ${e}.
 */
int	imgp_outfile_open(struct imgp_outfile *f, struct imgp_err *e);
/* Rename the ${n} complete files to their names, in that order: 0, or -1 with ${e}. */
int	imgp_outfile_keep(struct imgp_outfile *const f[], size_t n,
	    struct imgp_err *e);
/* Close it and remove it unless it was kept; -1 with ${e} when close(2) fails. */
int	imgp_outfile_release(struct imgp_outfile *f, struct imgp_err *e);

/* Nonzero when it is the file of ${st}, or both are the same file; never for a character
 * device, which may have several users. */
int	imgp_outfile_is(const struct imgp_outfile *f, const struct stat *st);
int	imgp_outfile_same(const struct imgp_outfile *a,
	    const struct imgp_outfile *b);

#endif
