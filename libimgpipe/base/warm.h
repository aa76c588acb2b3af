/*
 * Starting programs without loading them: one process has loaded their libraries, and
 * each program is a copy of it.
 *
 * To load libpq and the twenty-five libraries behind it takes longer than what a tool
 * then does with one upload.  The process that is copied has loaded them and called
 * none of them, except to find SHA-256 in OpenSSL; it has read no settings of imgpipe
 * and no secret.  So a copy begins as a program does that was just executed.  A copy is
 * a child of the process that asked for it: it is waited for and signalled as any other.
 */
#ifndef IMGPIPE_WARM_H
#define IMGPIPE_WARM_H

#include <sys/types.h>

#include "libimgpipe/base/child.h"
#include "libimgpipe/base/err.h"

/* --- the process that asks ------------------------------------------------------- */

struct imgp_warm {
	int	fd;		/* -1: there is no process to be copied */
	pid_t	pid;
	int	seconds;	/* to wait for an answer */
};

#define IMGP_WARM_INIT	{ -1, 0, 60 }

/*
 * Start the program at ${path}, which calls imgp_warm_serve(); its argv[1] is ${load}.
 * If it cannot be started, imgp_warm_child() returns 0 from then on.
 */
void	imgp_warm_open(struct imgp_warm *w, const char *path, const char *load);

/*
 * Start a copy that runs the program named by the last part of ${c->argv[0]}, with all
 * that imgp_child_start() promises.  Returns its process id; 0 when the process has no
 * such program or has ended, so that the caller uses imgp_child_start(); -1 with ${e}
 * when no process can be made, or when the process ended before it answered, or does
 * not answer in time and is killed, so that nobody knows whether there is a copy.
 */
pid_t	imgp_warm_child(const struct imgp_warm *w, const struct imgp_child *c,
	    struct imgp_err *e);

/* Kill the process and wait for it; the copies are not ended. */
void	imgp_warm_close(struct imgp_warm *w);

/* --- the process that is copied ---------------------------------------------------- */

struct imgp_warm_program {
	const char *name;	/* NULL ends the table */
	int	  (*main)(int argc, char *argv[]);
};

/* What a copy is to do: return program->main(argc, argv) from its own main(). */
struct imgp_warm_call {
	const struct imgp_warm_program *program;
	int	  argc;
	char	**argv;		/* stays valid */
};

/*
 * Answer requests at descriptor 0 until the process at its other end, the parent, has
 * closed it or ended: 0.  In a copy it returns 1 with ${call}.  -1 with ${e} when
 * descriptor 0 is no such socket, or in a copy whose descriptors cannot be set.
 * ${argv} is main()'s; a copy overwrites it with its own words for ps(1), as far as they
 * fit.  Only for a process with one thread; all signals are blocked but in a copy.
 */
int	imgp_warm_serve(const struct imgp_warm_program *programs, int argc,
	    char *argv[], struct imgp_warm_call *call, struct imgp_err *e);

#endif
