/*
 * Running somebody else's program: what it reads is given, what it writes is kept,
 * and it has so long.
 *
 * The program has a process group of its own, which ends with it: what it left in
 * the background is killed.  No shell sees its words.  Many threads may run one at
 * once.
 */
#ifndef IMGPIPE_PROGRAM_H
#define IMGPIPE_PROGRAM_H

#include <stddef.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

struct imgp_program {
	char	*const *argv;		/* argv[0] is its path; NULL ended */
	char	*const *env;		/* all of its environment; NULL ended */
	const char *in;			/* what it reads, ${in_len} bytes */
	size_t	 in_len;
	size_t	 most;			/* bytes that it may write; at least 1 */
	unsigned int seconds;		/* that it may take; 0: any */
};

enum imgp_program_end {
	IMGP_PROGRAM_EXITED,		/* with a status */
	IMGP_PROGRAM_KILLED,		/* by a signal */
	IMGP_PROGRAM_LATE,		/* it took too long, and was killed */
	IMGP_PROGRAM_TOO_MUCH,		/* it wrote too much, and was killed */
	IMGP_PROGRAM_STOPPED		/* a signal asks us to stop (stop.h) */
};

/*
 * Run it.  0 with what it wrote to standard output in ${out} (empty before), how it
 * ended in ${*end}, and in ${*n} its status or signal; its standard error is ours.
 * -1 with IMGP-CONFIG when it cannot be started.
 */
int	imgp_program_run(const struct imgp_program *p, struct imgp_buf *out,
	    enum imgp_program_end *end, int *n, struct imgp_err *e);

/* The words of ${s}, which blanks separate: an array ended by NULL, the caller's to
 * free with imgp_program_free_words(). */
char	**imgp_program_words(const char *s);
void	imgp_program_free_words(char **words);	/* NULL is fine */

/* The directory of our own tools, whether this program lies with them or in
 * libexec; the caller's to free. */
char	*imgp_program_tools(void);

#endif
