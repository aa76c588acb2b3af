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
#include "libimgpipe/base/warm.h"

#define IMGP_CREW_MAX	16	/* programs */

struct imgp_crew_member {
	char	**argv;		/* owned with its strings; argv[0] is a path */
	pid_t	 pid;		/* 0: not running */
	int	 status;	/* exit status as a shell gives it; -1: runs */
	int	 asked;		/* it was asked to call imgp_ready() */
	pid_t	 started;	/* its pid, kept after its end; 0: not started */
	int	 ready;		/* it called imgp_ready(): imgp_crew_ready() */
};

struct imgp_crew {
	struct imgp_crew_member member[IMGP_CREW_MAX];
	size_t	 n;
	int	 ends;		/* SIGTERM ends them, and so does this process's end */
	int	 in, out;	/* kept for a first member that is held; else -1 */
	const struct imgp_warm *warm;	/* asked first for programs of ours; or NULL */
};

#define IMGP_CREW_INIT	{ .n = 0, .in = -1, .out = -1 }

/* Add a program behind the others; ${argv} and its strings are owned by ${c} from now
 * on.  Returns 0, or -1 when there are IMGP_CREW_MAX already. */
int	imgp_crew_add(struct imgp_crew *c, char **argv);

/*
 * Start the programs, the first reading ${in} and the last writing ${out}; both
 * descriptors are closed here.  With ${hold} the first is not started yet:
 * imgp_crew_let_in() or imgp_crew_keep_out() decides.  Programs whose names begin with
 * "imgp-", other than scripts, get ${ready} (-1: none) for imgp_ready(), bind their
 * symbols at once (child.h), and ${warm} is asked for them before they are executed.
 * If a program cannot be executed, ${say} gets the reason and the program counts as
 * ended with 127.  If a pipe or a process cannot be made, no program in front of it
 * starts either, and they all count as ended with 75.
 */
void	imgp_crew_start(struct imgp_crew *c, int in, int out, int ready,
	    int hold, void (*say)(const struct imgp_err *));
/* Start the first program, which was held. */
void	imgp_crew_let_in(struct imgp_crew *c,
	    void (*say)(const struct imgp_err *));
/* Note that the process ${pid} has called imgp_ready(). */
void	imgp_crew_ready(struct imgp_crew *c, pid_t pid);
/*
 * Nonzero while some member that was asked has neither called imgp_ready() nor been
 * waited for.  Counting the two would not do: members that were ready end, too, when one
 * in front of them ends, and may be waited for earlier.
 */
int	imgp_crew_awaits(const struct imgp_crew *c);
/* Do not start the held program: the others read the end of their input. */
void	imgp_crew_keep_out(struct imgp_crew *c);

/* Reap members that have ended, without blocking.  Returns how many still run. */
size_t	imgp_crew_reap(struct imgp_crew *c);
/* Send a signal to each member that runs. */
void	imgp_crew_kill(const struct imgp_crew *c, int sig);
/* Free the members; none may run. */
void	imgp_crew_release(struct imgp_crew *c);

#endif
