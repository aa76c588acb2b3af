#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/child_priv.h"
#include "libimgpipe/base/warm.h"

/* A request: this, then the words, each ended by a NUL; with it two descriptors, or
 * three where there is a pipe for imgp_ready(). */
struct head {
	int	ends;
	int	words;
};
struct answer {
	pid_t	pid;
	int	failed;		/* errno; ENOENT: no such program */
};

#define REQUEST_MAX	(64u * 1024)	/* a longer one starts otherwise */
#define FDS_MAX		3
#define WORDS_MAX	256
#define TITLE		512		/* room for the words of a copy, in blanks */

/* --- the side that asks ---------------------------------------------------------- */

void
imgp_warm_open(struct imgp_warm *w, const char *path, const char *load)
{
	char room[TITLE + 1];
	char *argv[] = { imgp_strdup(path), imgp_strdup(load), room, NULL };
	struct imgp_child c = { argv, -1, -1, -1, 0, 1 };
	struct timeval patience = { w->seconds, 0 };
	struct imgp_err e;
	int fd[2];

	memset(room, ' ', TITLE);
	room[TITLE] = '\0';
	w->fd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == 0) {
		c.in = c.out = fd[1];
		(void)setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &patience,
		    sizeof patience);
		if ((w->pid = imgp_child_start(&c, &e)) != -1)
			w->fd = fd[0];
		else
			close(fd[0]);
		close(fd[1]);
	}
	free(argv[0]);
	free(argv[1]);
}

/* 0, or -1 where it is too long or nobody is there to read it. */
static int
ask(int fd, const struct imgp_child *c)
{
	struct head h = { c->ends, 0 };
	struct imgp_buf b = IMGP_BUF_INIT;
	union { struct cmsghdr align; char room[CMSG_SPACE(FDS_MAX * sizeof(int))]; } u = { 0 };
	size_t nfds = c->ready == -1 ? 2 : 3;
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.room,
	    .msg_controllen = CMSG_SPACE(nfds * sizeof(int)) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);
	ssize_t n = -1;

	while (c->argv[h.words] != NULL)
		h.words++;
	imgp_buf_add(&b, &h, sizeof h);
	for (int i = 0; i < h.words; i++)
		imgp_buf_add(&b, c->argv[i], strlen(c->argv[i]) + 1);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(cm), (int[]){ c->in, c->out, c->ready }, nfds * sizeof(int));
	iov = (struct iovec){ b.s, b.len };
	if (b.len <= REQUEST_MAX && h.words <= WORDS_MAX)
		while ((n = sendmsg(fd, &m, MSG_NOSIGNAL)) == -1 && errno == EINTR)
			;
	imgp_buf_release(&b);
	return n == -1 ? -1 : 0;
}

pid_t
imgp_warm_child(const struct imgp_warm *w, const struct imgp_child *c,
    struct imgp_err *e)
{
	struct answer a;
	ssize_t n;

	if (w->fd == -1 || ask(w->fd, c) == -1)
		return 0;
	while ((n = recv(w->fd, &a, sizeof a, 0)) == -1 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof a) {
		kill(w->pid, SIGKILL);		/* it may have been late only */
		shutdown(w->fd, SHUT_RDWR);	/* and is not asked again */
		return imgp_fail(e, IMGP_E_INTERNAL, "%s: whether it runs is not "
		    "known: what starts it does not answer", c->argv[0]);
	}
	if (a.failed == ENOENT)
		return 0;
	errno = a.failed;
	return a.failed == 0 ? a.pid : imgp_fail_errno(e, IMGP_E_MEMORY,
	    "%s: cannot be started", c->argv[0]);
}

void
imgp_warm_close(struct imgp_warm *w)
{
	if (w->fd == -1)
		return;
	close(w->fd);
	w->fd = -1;
	kill(w->pid, SIGKILL);
	while (waitpid(w->pid, NULL, 0) == -1 && errno == EINTR)
		;
}

/* --- the side that is copied ------------------------------------------------------- */

struct request {
	struct head h;
	char	*words[WORDS_MAX + 1];
	int	 fds[FDS_MAX];
	size_t	 nfds;
	char	 text[REQUEST_MAX + 1];
};

/* The words behind the head: nonzero when there are as many as it says. */
static int
split(struct request *r, size_t len)
{
	char *p = r->text + sizeof r->h, *end = r->text + len;
	int i;

	memcpy(&r->h, r->text, sizeof r->h);
	if (r->h.words < 1 || r->h.words > WORDS_MAX)
		return 0;
	for (i = 0; i < r->h.words && p < end; i++) {
		r->words[i] = p;
		p += strlen(p) + 1;	/* a NUL stands behind all */
	}
	r->words[i] = NULL;
	return i == r->h.words;
}

/* 1: a request; 0: the other side is gone; -1: this is not what is sent. */
static int
receive(struct request *r)
{
	union { struct cmsghdr align; char room[CMSG_SPACE(sizeof r->fds)]; } u;
	struct iovec iov = { r->text, REQUEST_MAX };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.room,
	    .msg_controllen = sizeof u.room };
	struct cmsghdr *cm;
	ssize_t n;

	while ((n = recvmsg(STDIN_FILENO, &m, MSG_CMSG_CLOEXEC)) == -1 &&
	    errno == EINTR)
		;
	if (n <= 0)
		return n == 0 || errno == ECONNRESET ? 0 : -1;
	r->text[n] = '\0';
	r->nfds = 0;
	if ((cm = CMSG_FIRSTHDR(&m)) != NULL && cm->cmsg_type == SCM_RIGHTS) {
		r->nfds = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(r->fds, CMSG_DATA(cm), r->nfds * sizeof(int));
	}
	return r->nfds >= 2 && (size_t)n > sizeof r->h && split(r, (size_t)n) ? 1 : -1;
}

static const char *
last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* The words of the copy over those of the process that was copied, for ps(1). */
static void
show(const struct request *r, char *at, size_t room)
{
	char name[16] = "";
	size_t len = 0, i;

	for (i = 0; r->words[i] != NULL && len + 1 < room; i++) {
		strncpy(at + len, r->words[i], room - len - 1);
		len += strlen(r->words[i]) + 1;
	}
	if (len < room)
		memset(at + len, 0, room - len);
	at[room - 1] = '\0';
	strncpy(name, last_part(r->words[0]), sizeof name - 1);
	prctl(PR_SET_NAME, name);
}

/* In a copy: descriptors and signals become the program's. */
static int
become(const struct request *r, pid_t parent, struct imgp_err *e)
{
	struct imgp_child c = { r->words, r->fds[0], r->fds[1],
	    r->nfds > 2 ? r->fds[2] : -1, r->h.ends, 0 };

	if (imgp_child_become(&c, parent) == -1)
		return imgp_fail_errno(e, IMGP_E_INTERNAL, "%s", r->words[0]);
	close(c.in);
	close(c.out);
	return 1;
}

/* A copy whose parent is ours; its pid, 0 within it, or -1. */
static pid_t
copy(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}

static const struct imgp_warm_program *
find(const struct imgp_warm_program *p, const char *path)
{
	const char *name = last_part(path);

	while (p->name != NULL && strcmp(p->name, name) != 0)
		p++;
	return p->name == NULL ? NULL : p;
}

/* Nonzero in the copy. */
static int
answer(const struct request *r, int is_known)
{
	struct answer a = { 0, ENOENT };
	size_t i;

	if (is_known && (a.pid = copy()) == 0)
		return 1;
	if (is_known)
		a.failed = a.pid == -1 ? errno : 0;
	for (i = 0; i < r->nfds; i++)
		close(r->fds[i]);
	(void)!send(STDIN_FILENO, &a, sizeof a, MSG_NOSIGNAL);
	return 0;
}

int
imgp_warm_serve(const struct imgp_warm_program *programs, int argc, char *argv[],
    struct imgp_warm_call *call, struct imgp_err *e)
{
	size_t room = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0]);
	static struct request r;	/* a copy keeps its words */
	struct sigaction sa = { .sa_handler = SIG_DFL };
	pid_t parent = getppid();
	sigset_t all;
	int rc;

	/* A signal to a copy waits until the copy knows what to do with it. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigaction(SIGTERM, &sa, NULL);
	while ((rc = receive(&r)) > 0) {
		call->program = find(programs, r.words[0]);
		if (!answer(&r, call->program != NULL))
			continue;
		show(&r, argv[0], room);
		call->argc = r.h.words;
		call->argv = r.words;
		return become(&r, parent, e);
	}
	return rc == 0 ? 0 : imgp_fail_errno(e, IMGP_E_INTERNAL, "standard input");
}
