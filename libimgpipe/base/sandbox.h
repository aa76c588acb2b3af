/*
 * Giving up rights before the first untrusted byte is read.
 *
 * seccomp is mandatory, Landlock and namespaces are used as far as the kernel
 * has them.  There is no way back for the process and its children.
 */
#ifndef IMGPIPE_SANDBOX_H
#define IMGPIPE_SANDBOX_H

#include "libimgpipe/base/err.h"

struct imgp_rights {
	const char	*read_path;	/* file or directory below which files
					 * may be read; NULL: none */
	const char	*write_path;	/* directory below which files may also be
					 * made, written, renamed, removed */
	unsigned int	 cpu_seconds;	/* RLIMIT_CPU; 0: as it is */
	unsigned long long memory;	/* RLIMIT_AS in bytes; 0: as it is */
};

/*
 * From here on: no network, no new program, no ptrace, no core dump, no file
 * but those of ${r} and those open already.  0, or -1 with IMGP-SANDBOX when
 * seccomp cannot be had.
 */
int	imgp_sandbox(const struct imgp_rights *r, struct imgp_err *e);

/*
 * Below ${dir}, too, files may be made, renamed and removed, but none opened
 * that is there: for a second result.  Before imgp_sandbox(); ${dir} must stay.
 */
void	imgp_sandbox_also(const char *dir);

/* --no-sandbox: imgp_sandbox() does nothing from now on and returns 0. */
void	imgp_sandbox_off(void);

#endif
