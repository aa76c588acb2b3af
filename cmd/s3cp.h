/*
 * imgp-s3cp's three ways to work, each in a file of its own, and what the ways
 * share (s3cp_say.c).  They print, and may end the program by imgp_die().
 */
#ifndef S3CP_H
#define S3CP_H

#include "libimgpipe/store/store.h"
#include "libimgpipe/store/tree.h"

/*
 * Move each job of standard input from its place ${from} to its place ${to};
 * ${flags} are IMGP_TRANSFER_….  The exit status.
 */
int	s3cp_jobs(const char *from, const char *to, unsigned int flags);

/* Copy the object at the URL ${from} to the URL ${to}; ${flags} are IMGP_COPY_….
 * The exit status. */
int	s3cp_object(const char *from, const char *to, unsigned int flags);

/* Copy all below the URL ${from} that ${which} selects (patterns and flags) to
 * below the URL ${to}.  The exit status. */
int	s3cp_tree(const struct imgp_tree *which, const char *from,
	    const char *to);

/* --- what they share --- */

/* The store that ${url} lies in, its directory or its bucket.  NULL and ${e}. */
struct imgp_store *s3cp_store_of(const char *url, struct imgp_err *e);
/* Under -v: how much was copied, to ${to} unless that is NULL. */
void	s3cp_say_copied(const char *to, const struct imgp_copied *copied);
/* What somebody should know of a copy that was made, unless under -q. */
void	s3cp_say_warnings(const struct imgp_copied *copied);
/* Under -v: why it is not known whether the service has create-only writes. */
void	s3cp_say_unprobed(void);
/* Where URLs are copied, no upload waits: the status when nothing could be
 * copied: 2 for a wrong configuration, 75 where asking again may help, else 1. */
int	s3cp_status(const struct imgp_err *e);
/* Tell the operator that this machine's clock is off (R25). */
void	s3cp_say_skew(void);

#endif
