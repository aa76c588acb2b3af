/*
 * Programs joined by pipes: started, signalled and waited for as one.
 *
 * Each end of a pipe is held by the one program that uses it, so each program
 * reads the end of its input when the one before it is gone.
 */
#ifndef IMGPIPE_CREW_H
#define IMGPIPE_CREW_H

#include <sys/types.h>

#include <stddef.h>

#include "libimgpipe/base/err.h"

#define IMGP_CREW_MAX	16	/* programs */

struct imgp_crew_member {
	char	**argv;		/* argv[0] a path; freed with its strings */
	pid_t	 pid;		/* 0: not running */
	int	 status;	/* its end as a shell gives it; -1: none yet */
	int	 asked;		/* it is to call imgp_ready() */
	pid_t	 started;	/* its pid, after its end, too; 0: not started */
	int	 ready;		/* it did: imgp_crew_ready() */
};

struct imgp_crew {
	struct imgp_crew_member member[IMGP_CREW_MAX];
	size_t	 n;
	int	 ends;		/* SIGTERM ends them, and so does our end */
	int	 in, out;	/* of a first member that waits; else -1 */
};

#define IMGP_CREW_INIT	{ .n = 0, .in = -1, .out = -1 }

/* Add a program after the others; ${argv} is taken over.  -1: there are 16. */
int	imgp_crew_add(struct imgp_crew *c, char **argv);

/*
 * Start them between ${in} and ${out}, descriptors that are taken over; with
 * ${hold} all but the first, which waits.  They get ${ready} (-1: none) for
 * imgp_ready(), except scripts and programs whose names do not begin with "imgp-",
 * which do not know of it.
 * ${say} gets the reason why a program could not be started; it then counts as
 * ended with 127.  Where there is no room for a pipe or a process, those before it
 * do not start either, and all of them count as ended with 75.
 */
void	imgp_crew_start(struct imgp_crew *c, int in, int out, int ready,
	    int hold, void (*say)(const struct imgp_err *));
/* Start the first one, which waits. */
void	imgp_crew_let_in(struct imgp_crew *c,
	    void (*say)(const struct imgp_err *));
/* The process ${pid} said that it is ready. */
void	imgp_crew_ready(struct imgp_crew *c, pid_t pid);
/*
 * Nonzero while a member that was asked neither said so nor was waited for.  It is
 * not enough to count both: those that were ready end, too, when one before them
 * ends, and may be waited for before it is.
 */
int	imgp_crew_awaits(const struct imgp_crew *c);
/* Do not start it: the others read the end of their input. */
void	imgp_crew_keep_out(struct imgp_crew *c);

/* Wait, without blocking, for each member that runs: how many still do. */
size_t	imgp_crew_reap(struct imgp_crew *c);
/* Send a signal to each member that runs. */
void	imgp_crew_kill(const struct imgp_crew *c, int sig);
/* Free the members; none may run. */
void	imgp_crew_release(struct imgp_crew *c);

#endif
