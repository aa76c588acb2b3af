#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/worker.h"

#define LOOKS	12		/* in the time that it may do nothing */

static uint64_t nobody_looks;
static uint64_t *my_beats = &nobody_looks;

void
imgp_worker_beat(void)
{
	__atomic_fetch_add(my_beats, 1, __ATOMIC_RELAXED);
}

/* --- in the worker ---------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* close_range(2), by its number: it is newer than some C libraries and kernels. */
static void
close_from(unsigned int first, unsigned int last)
{
	long most;

	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	most = sysconf(_SC_OPEN_MAX);
	for (; first <= last && (long)first < most; first++)
		close((int)first);
}

/* Close all but the standard descriptors, the answer and what is kept. */
static void
close_others(const struct imgp_work *w, int answer)
{
	int keep[IMGP_WORKER_KEEPS + 1];
	unsigned int from = STDERR_FILENO + 1;
	size_t i, n = 0;

	keep[n++] = answer;
	for (i = 0; i < w->nkeep; i++)
		keep[n++] = w->keep[i];
	qsort(keep, n, sizeof *keep, compare);
	for (i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		close_from(from, (unsigned int)keep[i] - 1);
		from = (unsigned int)keep[i] + 1;
	}
	close_from(from, ~0u);
}

static int
hide_standard(void)
{
	int fd, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1)
		return -1;
	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fd != null && dup2(null, fd) == -1)
			return -1;
	return 0;
}

static void
become(const struct imgp_worker *c, int answer, pid_t parent)
{
	const struct imgp_work *w = c->w;

	imgp_at_oom = NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || hide_standard() == -1)
		_exit(1);
	close_others(w, answer);
	my_beats = c->beats;
	_exit(w->work(answer, w->arg));
}

/* --- here ------------------------------------------------------------------- */

static int64_t
tick(const struct imgp_worker *c)
{
	return (int64_t)c->w->seconds * 1000 / LOOKS;
}

static void
unmap(struct imgp_worker *c)
{
	munmap(c->beats, sizeof *c->beats);
	c->beats = NULL;
}

int
imgp_worker_start(struct imgp_worker *c, const struct imgp_work *w,
    struct imgp_err *e)
{
	pid_t parent = getpid();
	int fd[2];

	memset(c, 0, sizeof *c);
	c->fd = -1;
	c->w = w;
	c->beats = mmap(NULL, sizeof *c->beats, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->beats == MAP_FAILED)
		return imgp_fail_errno(e, IMGP_E_MEMORY, "mmap");
	if (pipe2(fd, O_CLOEXEC) == -1) {
		unmap(c);
		return imgp_fail_errno(e, IMGP_E_MEMORY, "pipe");
	}
	if ((c->pid = fork()) == 0)
		become(c, fd[1], parent);
	close(fd[1]);
	if (c->pid == -1) {
		c->pid = 0;
		imgp_fail_errno(e, IMGP_E_MEMORY, "fork");
		close(fd[0]);
		unmap(c);
		return -1;
	}
	/* The next worker shall not speak for this one. */
	madvise(c->beats, sizeof *c->beats, MADV_DONTFORK);
	c->fd = fd[0];
	c->looked = imgp_clock_ms();
	return 0;
}

int64_t
imgp_worker_due(const struct imgp_worker *c)
{
	int64_t left;

	if (c->w->seconds == 0 || c->hung)
		return -1;
	left = c->looked + tick(c) - imgp_clock_ms();
	return left < 0 ? 0 : left;
}

/* Does it wait for somebody to read what it wrote? */
static int
waits_for_reader(const struct imgp_worker *c)
{
	struct pollfd p = { c->w->reader, POLLOUT, 0 };

	return c->w->reader != -1 && poll(&p, 1, 0) == 0;
}

void
imgp_worker_watch(struct imgp_worker *c)
{
	uint64_t beats;

	if (imgp_worker_due(c) != 0)
		return;
	beats = __atomic_load_n(c->beats, __ATOMIC_RELAXED);
	c->idle = beats != c->seen || waits_for_reader(c) ? 0 :
	    c->idle + tick(c);
	c->seen = beats;
	c->looked = imgp_clock_ms();
	if (c->idle >= tick(c) * LOOKS) {
		c->hung = 1;
		kill(c->pid, SIGKILL);
	}
}

void
imgp_worker_read(struct imgp_worker *c, struct imgp_buf *answer)
{
	struct pollfd p = { c->fd, POLLIN, 0 };
	char chunk[4096];
	ssize_t n;

	for (;;) {
		if (poll(&p, 1, (int)imgp_worker_due(c)) == -1 &&
		    errno != EINTR)
			return;
		imgp_worker_watch(c);
		if (p.revents == 0)
			continue;
		if ((n = read(c->fd, chunk, sizeof chunk)) == 0 ||
		    (n == -1 && errno != EINTR))
			return;
		if (n > 0 && imgp_buf_add(answer, chunk, (size_t)n) == -1)
			kill(c->pid, SIGKILL);
	}
}

int
imgp_worker_end(struct imgp_worker *c, struct imgp_err *e)
{
	const char *died = c->w->died;
	int st;

	close(c->fd);
	while (waitpid(c->pid, &st, 0) == -1 && errno == EINTR)
		;
	c->pid = 0;
	unmap(c);
	if (c->hung)
		return imgp_fail(e, died, "the process neither read nor wrote "
		    "for %u s", c->w->seconds);
	if (WIFSIGNALED(st))
		return imgp_fail(e, died, "the process died of signal %d",
		    WTERMSIG(st));
	if (WEXITSTATUS(st) == 0 || WEXITSTATUS(st) == c->w->also)
		return WEXITSTATUS(st);
	if (WEXITSTATUS(st) == IMGP_EX_TEMPFAIL)
		return imgp_fail(e, IMGP_E_MEMORY,
		    "the process ran out of memory");
	return imgp_fail(e, died, "the process ended with status %d",
	    WEXITSTATUS(st));
}
