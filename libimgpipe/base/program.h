/*
 * Run somebody else's program with given input, keep its output, and limit its time.
 *
 * The program has a process group of its own; when it ends, whatever it left in the
 * background is killed.  No shell interprets its arguments.  Several threads may run
 * programs at once.
 */
#ifndef IMGPIPE_PROGRAM_H
#define IMGPIPE_PROGRAM_H

#include <stddef.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

struct imgp_program {
	char	*const *argv;		/* ended by NULL; argv[0] is its path */
	char	*const *env;		/* its whole environment; ended by NULL */
	const char *in;			/* its standard input, ${in_len} bytes */
	size_t	 in_len;
	size_t	 most;			/* bytes of output allowed; at least 1 */
	unsigned int seconds;		/* of time allowed; 0: no limit */
};

enum imgp_program_end {
	IMGP_PROGRAM_EXITED,		/* with a status */
	IMGP_PROGRAM_KILLED,		/* by a signal */
	IMGP_PROGRAM_LATE,		/* it took too long, and was killed */
	IMGP_PROGRAM_TOO_MUCH,		/* it wrote too much, and was killed */
	IMGP_PROGRAM_STOPPED		/* a signal asks us to stop (stop.h) */
};

/*
 * Run the program and wait for it.  Returns 0 with its standard output in ${out} (empty
 * before), how it ended in ${*end}, and its exit status or signal in ${*n}; its standard
 * error is the caller's.  Returns -1 with IMGP-CONFIG when it cannot be started.
 */
int	imgp_program_run(const struct imgp_program *p, struct imgp_buf *out,
	    enum imgp_program_end *end, int *n, struct imgp_err *e);

/* Split ${s} at blanks into an array ended by NULL; free it with
 * imgp_program_free_words(). */
char	**imgp_program_words(const char *s);
void	imgp_program_free_words(char **words);	/* NULL is fine */

/* The directory of imgpipe's tools, found from this program's own path (beside them or
 * in libexec).  The caller frees it. */
char	*imgp_program_tools(void);
/* The path of a program named ${name} in the directory of this one, there or not.  The
 * caller frees it. */
char	*imgp_program_beside(const char *name);

#endif
