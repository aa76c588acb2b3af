/* Directories that belong to one user. */
#ifndef IMGPIPE_DIRS_H
#define IMGPIPE_DIRS_H

/*
 * Make ${path} and its missing parents with mode 0700.  Returns 0, or -1 with errno.
 * Whatever exists already is left as it is, whether it is a directory or not.
 */
int	imgp_dirs_make(const char *path);

#endif
