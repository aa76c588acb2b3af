/*
 * Supervise the processes of a run for a script (scripts/imgp-run) that decides what runs.
 *
 * The script is a child process.  It writes requests to one pipe and reads replies from
 * another.  A request is the number of its words, then its words, each ended by a NUL:
 *
 *	stage PROGRAM ARG...	add a program to the next group
 *	tail			start the group as the tail: it reads what passes
 *				write to "tail", and writes to standard output
 *	pass IN OUT		start the group between two files, or "stdin",
 *				"stdout", "stderr", "tail"; a signal ends it
 *	run IN OUT		as pass, but a signal does not end it
 *	close			close the tail's input and wait for its end
 *	renew SECONDS PROGRAM ARG...	run this program every SECONDS
 *	dead			list the dead runs in the spool
 *	bye STATUS		the last request; exit with STATUS
 *
 * The replies are lines:
 *
 *	end N STATUS		the Nth program of a pass, a run or the tail has
 *				ended with STATUS, as a shell gives it
 *	refused			a stage ended because of its settings, or one could
 *				not be started: no input was read
 *	output STATUS LINES	standard output: STATUS is 0, 141 if its reader went
 *				away, or 75 if a write failed, as ${say} was told;
 *				LINES of the tail were written whole
 *	dead RUN		a dead run
 *	signal N		the first signal came; no pass starts any more
 *	done			the end of the replies to this request
 *
 * The first program of a pass starts when every other one has read its settings
 * (ready.h) or has ended.  If one of them ended with status 2, it does not start.
 */
#ifndef IMGPIPE_SUPERVISE_H
#define IMGPIPE_SUPERVISE_H

#include <sys/types.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/warm.h"

struct imgp_supervise {
	pid_t		 script;	/* the child that asks */
	int		 from, to;	/* pipes of its requests and of the replies;
					 * ${from} is made nonblocking */
	int		 signals;	/* of imgp_supervise_signals() */
	const char	*run, *spool;	/* the spool for "dead" */
	const struct imgp_warm *warm;	/* asked first for programs of ours; or NULL */
	int		 verbose;	/* tell ${say} what is started */
	void		(*say)(const char *text);	/* a line for people */
	void		(*complain)(const struct imgp_err *e);
	void		(*tick)(void *arg);	/* called every second; or NULL */
	void		*arg;
};

/*
 * Block TERM, INT, HUP (those that are not ignored), CHLD, USR1 and USR2 from now on, and
 * return a signalfd(2) that reports them; -1 with ${e}.
 *
 * A worker (shard.h) passes a signal on by sigqueue(3); if the same signal also comes
 * directly, both count as one.  A program of the tail sends SIGUSR1 to halt the run now,
 * which ends the stages, or SIGUSR2 to halt it soon, which ends those in front of the
 * first transfer, so that no further upload is begun.
 */
int	imgp_supervise_signals(struct imgp_err *e);

/*
 * Serve the script until it and every program that was started have ended.  Returns the
 * status to exit with: the script's; 75 when it ended without one; 128 + n after a second
 * signal n, when all programs were killed and not waited for.  Returns -1 with ${e} when
 * it cannot go on: exit then, and the stages end with this process.
 */
int	imgp_supervise(const struct imgp_supervise *o, struct imgp_err *e);

#endif
