#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/child.h"
#include "libimgpipe/base/crew.h"
#include "libimgpipe/base/exit.h"

int
imgp_crew_add(struct imgp_crew *c, char **argv)
{
	if (c->n == IMGP_CREW_MAX)
		return -1;
	c->member[c->n++] = (struct imgp_crew_member){ .argv = argv,
	    .status = -1 };
	return 0;
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* Nonzero when the program is one of ours, and not a script in its place. */
static int
is_ours(const char *path)
{
	const char *slash = strrchr(path, '/');
	char head[2] = "";
	int fd;

	if (strncmp(slash != NULL ? slash + 1 : path, "imgp-", 5) != 0 ||
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return 0;
	(void)!read(fd, head, sizeof head);
	close(fd);
	return head[0] != '#' || head[1] != '!';
}

static void
start_member(const struct imgp_crew *w, struct imgp_crew_member *m, int in, int out,
    int ready, void (*say)(const struct imgp_err *))
{
	const int ours = is_ours(m->argv[0]);
	struct imgp_child c = { m->argv, in, out, ours ? ready : -1, w->ends, ours };
	struct imgp_err e;
	pid_t pid = 0;

	if (ours && w->warm != NULL)
		pid = imgp_warm_child(w->warm, &c, &e);
	if (pid == 0)
		pid = imgp_child_start(&c, &e);
	if (pid != -1) {
		m->started = m->pid = pid;
		m->asked = c.ready != -1;
		return;
	}
	m->status = strcmp(e.code, IMGP_E_CONFIG) == 0 ? 127 : IMGP_EX_TEMPFAIL;
	say(&e);
}

/* No room for member ${i}: it and those before it do not start. */
static void
give_up(struct imgp_crew *c, size_t i)
{
	for (i++; i-- > 0; )
		c->member[i].status = IMGP_EX_TEMPFAIL;
	imgp_crew_keep_out(c);
}

static void
start_first(struct imgp_crew *c, int ready,
    void (*say)(const struct imgp_err *))
{
	start_member(c, &c->member[0], c->in, c->out, ready, say);
	imgp_crew_keep_out(c);
}

void
imgp_crew_start(struct imgp_crew *c, int in, int out, int ready, int hold,
    void (*say)(const struct imgp_err *))
{
	struct imgp_err e;
	size_t i;
	int fd[2];

	c->in = in;
	c->out = out;
	/* From the last: then each pipe is ours for the time of one start. */
	for (i = c->n - 1; i > 0; i--) {
		if (pipe2(fd, O_CLOEXEC) == -1) {
			imgp_fail_errno(&e, IMGP_E_STORE_IO, "pipe");
			say(&e);
			give_up(c, i);
			return;
		}
		start_member(c, &c->member[i], fd[0], c->out, ready, say);
		close(fd[0]);
		close(c->out);
		c->out = fd[1];
		if (c->member[i].status == IMGP_EX_TEMPFAIL) {
			give_up(c, i);
			return;
		}
	}
	if (!hold)
		start_first(c, ready, say);
}

void
imgp_crew_ready(struct imgp_crew *c, pid_t pid)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->member[i].started == pid)
			c->member[i].ready = 1;
}

int
imgp_crew_awaits(const struct imgp_crew *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->member[i].asked && !c->member[i].ready &&
		    c->member[i].status == -1)
			return 1;
	return 0;
}

void
imgp_crew_let_in(struct imgp_crew *c, void (*say)(const struct imgp_err *))
{
	start_first(c, -1, say);
}

void
imgp_crew_keep_out(struct imgp_crew *c)
{
	close_fd(&c->in);
	close_fd(&c->out);
}

size_t
imgp_crew_reap(struct imgp_crew *c)
{
	size_t i, running = 0;
	int status;

	for (i = 0; i < c->n; i++) {
		struct imgp_crew_member *m = &c->member[i];

		if (m->pid == 0)
			continue;
		if (waitpid(m->pid, &status, WNOHANG) == m->pid) {
			m->pid = 0;
			m->status = imgp_child_status(status);
		} else
			running++;
	}
	return running;
}

void
imgp_crew_kill(const struct imgp_crew *c, int sig)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->member[i].pid != 0)
			kill(c->member[i].pid, sig);
}

void
imgp_crew_release(struct imgp_crew *c)
{
	size_t i, j;

	for (i = 0; i < c->n; i++) {
		for (j = 0; c->member[i].argv[j] != NULL; j++)
			free(c->member[i].argv[j]);
		free(c->member[i].argv);
	}
	imgp_crew_keep_out(c);
	c->n = 0;
	c->ends = 0;
}
