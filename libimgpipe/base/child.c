#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libimgpipe/base/child_priv.h"
#include "libimgpipe/base/ready.h"

static void
set_signals(const struct imgp_child *c)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, &sa, NULL);	/* KILL and STOP refuse */
	sa.sa_handler = SIG_IGN;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	if (!c->ends)
		sigaction(SIGTERM, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Name the pipe in the environment; else nothing must stand there. */
static int
pass_ready(int ready)
{
	char text[16];

	if (ready == -1)
		return unsetenv(IMGP_READY_FD);
	snprintf(text, sizeof text, "%d", ready);
	if (fcntl(ready, F_SETFD, 0) == -1)
		return -1;
	return setenv(IMGP_READY_FD, text, 1);
}

int
imgp_child_become(const struct imgp_child *c, pid_t parent)
{
	set_signals(c);
	if (c->ends) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			raise(SIGTERM);
	}
	return dup2(c->in, STDIN_FILENO) == -1 ||
	    dup2(c->out, STDOUT_FILENO) == -1 ? -1 : pass_ready(c->ready);
}

/* The child's side.  Does not return; a failure's errno goes to ${fd}. */
static void
become(const struct imgp_child *c, int fd, pid_t parent)
{
	if (imgp_child_become(c, parent) != -1 && (!c->binds ||
	    setenv("LD_BIND_NOW", "1", 1) == 0))
		execv(c->argv[0], c->argv);
	(void)!write(fd, &errno, sizeof errno);
	_exit(127);
}

pid_t
imgp_child_start(const struct imgp_child *c, struct imgp_err *e)
{
	pid_t parent = getpid(), pid;
	int fd[2], failed = 0;
	ssize_t n;

	if (pipe2(fd, O_CLOEXEC) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s: pipe",
		    c->argv[0]);
	if ((pid = fork()) == 0)
		become(c, fd[1], parent);
	close(fd[1]);
	if (pid == -1)
		failed = errno;
	else {
		while ((n = read(fd[0], &failed, sizeof failed)) == -1 &&
		    errno == EINTR)
			;
		if (n > 0)
			while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
				;
	}
	close(fd[0]);
	if (failed == 0)
		return pid;
	errno = failed;
	return imgp_fail_errno(e, pid == -1 ? IMGP_E_MEMORY : IMGP_E_CONFIG,
	    "%s: cannot be started", c->argv[0]);
}

int
imgp_child_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
	    WEXITSTATUS(status);
}
