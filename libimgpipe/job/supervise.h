/*
 * Looking after the processes of a run, for a script that says what is to run.
 *
 * The script is a child.  It asks by one pipe and is told by another.  A request
 * is the number of its words, then its words, each ended by a NUL:
 *
 *	stage PROGRAM ARG...	add a program to those that are started together
 *	tail			start them: passes write to them, they write to
 *				standard output
 *	pass IN OUT		start them between two files, "stdin", "stdout",
 *				"stderr" or "tail"; a signal ends them
 *	run IN OUT		the same, but a signal does not
 *	close			end the input of the tail, wait for it
 *	renew SECONDS PROGRAM ARG...	start this every so often
 *	dead			name the dead runs in the spool
 *	bye STATUS		nothing follows; what to end with
 *
 * The script is told by lines:
 *
 *	end N STATUS		the Nth program of a pass, a run or the tail is gone;
 *				its status as a shell gives it
 *	refused			a stage ended over its settings, or there is no room
 *				for one: no input was let in
 *	output STATUS LINES	of standard output: 0, 141 where its reader went
 *				away, 75 where a write failed, which is said; how
 *				many lines of the tail are written whole
 *	dead RUN
 *	signal N		the first signal came; no pass starts any more
 *	done			that was all of this request
 *
 * The first program of a pass starts when each other one has read its settings
 * (ready.h) or is gone.  If one of them ended with 2, it does not start.
 */
#ifndef IMGPIPE_SUPERVISE_H
#define IMGPIPE_SUPERVISE_H

#include <sys/types.h>

#include "libimgpipe/base/err.h"

struct imgp_supervise {
	pid_t		 script;	/* the child that asks */
	int		 from, to;	/* its requests, what it is told; ${from} does
					 * not block from now on */
	int		 signals;	/* of imgp_supervise_signals() */
	const char	*run, *spool;	/* the spool for "dead" */
	int		 verbose;	/* say what is started */
	void		(*say)(const char *text);	/* a line for people */
	void		(*complain)(const struct imgp_err *e);
	void		(*tick)(void *arg);	/* called each second; NULL: not */
	void		*arg;
};

/*
 * A signal that comes by sigqueue(3) was handed on by a worker (shard.h); one that comes
 * directly as well is the same.
 *
 * SIGUSR1, by which a program of the tail says that the run is to halt now, ends the
 * stages; SIGUSR2, soon, ends those that come before the first transfer, so that no
 * further upload is taken in hand.
 *
 * From now on TERM, INT, HUP (those that are not ignored) and CHLD are blocked
 * and come by the descriptor returned; -1 with ${e}.
 */
int	imgp_supervise_signals(struct imgp_err *e);

/*
 * Do what the script asks until it and all that was started is gone.  Returns the
 * status to end with: the script's; 75 where it ended without one; 128 + n after a
 * second signal n, when all is killed and not waited for; -1 with ${e} where it
 * cannot go on: end the process, and the stages end with it.
 */
int	imgp_supervise(const struct imgp_supervise *o, struct imgp_err *e);

#endif
