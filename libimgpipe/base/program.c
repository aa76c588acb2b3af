#include <sys/pidfd.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/program.h"
#include "libimgpipe/base/stop.h"

#define LOOK_MS	200		/* how often to see whether we are to stop */

/* A running program, and the pipes to it. */
struct running {
	const struct imgp_program *p;
	struct imgp_buf	*out;
	pid_t	 pid;
	int	 in, from, pidfd;	/* -1: closed, or there is none */
	size_t	 given;			/* bytes */
};

static int
start(struct running *r, int to[2], int from[2])
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, to[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&fa, from[1], STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	sigfillset(&all);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn(&r->pid, r->p->argv[0], &fa, &attr, r->p->argv,
	    r->p->env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	return rc;
}

/* 0 when nothing more is to be given, or taken. */
static int
give(struct running *r)
{
	ssize_t n = write(r->in, r->p->in + r->given, r->p->in_len - r->given);

	if (n > 0)
		r->given += (size_t)n;
	return r->given < r->p->in_len &&
	    (n != -1 || errno == EAGAIN || errno == EINTR);
}

static void
close_one(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* Read what there is; at the end the pipe is closed. */
static void
take(struct running *r)
{
	char chunk[65536];
	ssize_t n = read(r->from, chunk, sizeof chunk);

	if (n > 0)
		imgp_buf_add(r->out, chunk, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_one(&r->from);
}

static enum imgp_program_end
converse(struct running *r)
{
	int64_t end = imgp_clock_ms() + (int64_t)r->p->seconds * 1000, left;
	struct pollfd p[3];

	for (;;) {
		p[0] = (struct pollfd){ r->in, POLLOUT, 0 };
		p[1] = (struct pollfd){ r->from, POLLIN, 0 };
		p[2] = (struct pollfd){ r->pidfd, POLLIN, 0 };
		left = r->p->seconds == 0 ? LOOK_MS : end - imgp_clock_ms();
		if (left <= 0)
			return IMGP_PROGRAM_LATE;
		if (imgp_stop_asked())
			return IMGP_PROGRAM_STOPPED;
		if (poll(p, 3, (int)(left < LOOK_MS ? left : LOOK_MS)) <= 0)
			continue;
		if (p[0].revents != 0 && !give(r))
			close_one(&r->in);
		if (p[1].revents != 0)
			take(r);
		if (r->out->len > r->p->most)
			return IMGP_PROGRAM_TOO_MUCH;
		if (p[2].revents != 0)
			return IMGP_PROGRAM_EXITED;
	}
}

/* End its group, take its last words, and wait for it. */
static void
finish(struct running *r, enum imgp_program_end *end, int *n)
{
	int status = 0;

	kill(-r->pid, SIGKILL);
	close_one(&r->in);
	fcntl(r->from, F_SETFL, 0);
	while (r->from != -1 && r->out->len <= r->p->most)
		take(r);
	while (waitpid(r->pid, &status, 0) == -1 && errno == EINTR)
		;
	*n = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	if (*end == IMGP_PROGRAM_EXITED && r->out->len > r->p->most)
		*end = IMGP_PROGRAM_TOO_MUCH;
	else if (*end == IMGP_PROGRAM_EXITED && WIFSIGNALED(status))
		*end = IMGP_PROGRAM_KILLED;
	close_one(&r->from);
	close_one(&r->pidfd);
}

int
imgp_program_run(const struct imgp_program *p, struct imgp_buf *out,
    enum imgp_program_end *end, int *n, struct imgp_err *e)
{
	struct running r = { p, out, 0, -1, -1, -1, 0 };
	int to[2] = { -1, -1 }, from[2] = { -1, -1 }, rc;

	if (pipe2(to, O_CLOEXEC) == -1 || pipe2(from, O_CLOEXEC) == -1) {
		close_one(&to[0]);
		close_one(&to[1]);
		return imgp_fail_errno(e, IMGP_E_MEMORY, "a pipe");
	}
	*end = IMGP_PROGRAM_EXITED;
	*n = 0;
	imgp_stop_hold();
	rc = start(&r, to, from);
	close_one(&to[0]);
	close_one(&from[1]);
	r.in = to[1];
	r.from = from[0];
	if (rc != 0 || (r.pidfd = pidfd_open(r.pid, 0)) == -1) {
		errno = rc != 0 ? rc : errno;
		imgp_fail_errno(e, IMGP_E_CONFIG, "%s", p->argv[0]);
		if (rc == 0)
			finish(&r, end, n);
		close_one(&r.in);
		close_one(&r.from);
		imgp_stop_release();
		return -1;
	}
	fcntl(r.in, F_SETFL, O_NONBLOCK);
	fcntl(r.from, F_SETFL, O_NONBLOCK);
	*end = converse(&r);
	finish(&r, end, n);
	imgp_stop_release();
	return 0;
}

char **
imgp_program_words(const char *s)
{
	char **words = imgp_alloc(sizeof *words);
	size_t n = 0, len;

	for (s += strspn(s, " \t"); *s != '\0'; s += len + strspn(s + len, " \t")) {
		len = strcspn(s, " \t");
		words = imgp_realloc(words, n + 2, sizeof *words);
		words[n++] = imgp_strndup(s, len);
		words[n] = NULL;
	}
	return words;
}

void
imgp_program_free_words(char **words)
{
	char **w;

	for (w = words; w != NULL && *w != NULL; w++)
		free(*w);
	free(words);
}

/* The directory of this program. */
static char *
own_directory(void)
{
	char path[PATH_MAX], *slash;
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);

	path[len == -1 ? 0 : len] = '\0';
	if ((slash = strrchr(path, '/')) != NULL)
		*slash = '\0';
	return imgp_strdup(path);
}

char *
imgp_program_beside(const char *name)
{
	char *here = own_directory();
	char *path = imgp_asprintf("%s/%s", here, name);

	free(here);
	return path;
}

char *
imgp_program_tools(void)
{
	char *here = own_directory(), *lookup = imgp_program_beside("imgp-lookup");
	char *tools = imgp_asprintf("%s%s", here,
	    access(lookup, X_OK) == 0 ? "" : "/../../bin");

	free(here);
	free(lookup);
	return tools;
}
