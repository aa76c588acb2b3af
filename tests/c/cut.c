/*
 * cut K COMMAND...: run it, and kill each process that it forks at that one's Kth
 * system call (0: none).  Its status is COMMAND's, 128 and the signal where it died of
 * one; on descriptor 3, where that is open, the calls of the fork that made most.
 * Linux, by ptrace(2).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES	1024

/* A process or thread that is watched. */
static struct tracee {
	pid_t	pid;
	int	is_fork;	/* or a thread of one */
	long	calls, stops;
} seen[PROCESSES];
static size_t nseen;

static struct tracee *
find(pid_t pid)
{
	size_t i;

	for (i = 0; i < nseen; i++)
		if (seen[i].pid == pid)
			return &seen[i];
	if (nseen == PROCESSES) {
		fputs("cut: too many processes\n", stderr);
		exit(2);
	}
	seen[nseen].pid = pid;
	return &seen[nseen++];
}

/* ${t} has made a process or a thread. */
static void
follow(const struct tracee *t, int event)
{
	int is_fork = t->is_fork || event != PTRACE_EVENT_CLONE;
	unsigned long made;

	if (ptrace(PTRACE_GETEVENTMSG, t->pid, 0, &made) == 0)
		find((pid_t)made)->is_fork = is_fork;
}

/* A stop of ${t}: the signal to go on with, or -1: it is killed. */
static int
stopped(struct tracee *t, int status, long limit)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (sig == (SIGTRAP | 0x80)) {
		/* Each call stops twice, before and after. */
		if (++t->stops % 2 == 1 && t->is_fork && ++t->calls == limit) {
			kill(t->pid, SIGKILL);
			return -1;
		}
		return 0;
	}
	if (event != 0) {
		if (event != PTRACE_EVENT_EXEC)
			follow(t, event);
		return 0;
	}
	/* A new one begins with a SIGSTOP that nobody sent. */
	return sig == SIGSTOP && t->stops == 0 ? 0 : sig;
}

int
main(int argc, char **argv)
{
	long limit = argc > 2 ? atol(argv[1]) : -1, most = 0;
	int status, sig, end = 2;
	struct tracee *t;
	pid_t first, pid;
	size_t i;

	if (limit < 0) {
		fputs("usage: cut K COMMAND...\n", stderr);
		return 2;
	}
	if ((first = fork()) == 0) {
		close(3);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (first == -1 || waitpid(first, &status, 0) == -1)
		return 2;
	if (ptrace(PTRACE_SETOPTIONS, first, 0, PTRACE_O_TRACESYSGOOD |
	    PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
	    PTRACE_O_TRACECLONE |
	    PTRACE_O_EXITKILL) == -1) {
		kill(first, SIGKILL);
		return 2;
	}
	find(first)->stops = 2;
	ptrace(PTRACE_SYSCALL, first, 0, 0);
	while ((pid = waitpid(-1, &status, __WALL)) != -1 || errno == EINTR) {
		if (pid == -1)
			continue;
		t = find(pid);
		if (WIFSTOPPED(status)) {
			if ((sig = stopped(t, status, limit)) != -1)
				ptrace(PTRACE_SYSCALL, pid, 0, (long)sig);
		} else if (pid == first)
			end = WIFEXITED(status) ? WEXITSTATUS(status) :
			    128 + WTERMSIG(status);
	}
	for (i = 0; i < nseen; i++)
		if (seen[i].calls > most)
			most = seen[i].calls;
	dprintf(3, "%ld\n", most);
	return end;
}
