/* Directories that belong to one user. */
#ifndef IMGPIPE_DIRS_H
#define IMGPIPE_DIRS_H

/*
 * Make ${path} and what is missing above it, for the user alone: 0, or -1 and
 * errno.  What is there already is left as it is, a directory or not.
 */
int	imgp_dirs_make(const char *path);

#endif
