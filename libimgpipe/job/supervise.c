#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/child.h"
#include "libimgpipe/base/crew.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/outlines.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/job/spool.h"
#include "libimgpipe/job/supervise.h"

struct supervisor {
	const struct imgp_supervise *o;
	struct imgp_err *e;		/* why it cannot go on */
	int	 over;			/* end at once */
	pid_t	 script;		/* 0: gone */
	int	 said_bye;
	int	 status;		/* to end with */
	int	 signal;		/* the first one; 0: none yet */
	int	 sent[2];		/* how many came directly, handed on */
	struct imgp_buf asked;		/* requests not yet complete */

	struct imgp_crew next;		/* asked for, not started */
	struct imgp_crew work;		/* a pass or a run */
	int	 told[IMGP_CREW_MAX];	/* of work: its end */
	struct imgp_crew tail;
	int	 tail_in;		/* what passes write to; -1: none */
	int	 closing;		/* the tail's end is waited for */
	struct imgp_outlines out;
	int	 said_broken;

	int	 ready;			/* where stages say so; -1: at its end */
	int	 ready_w;		/* the end they get */

	int	 timer, ticker;
	char	**renew;		/* the command */
	struct imgp_crew renewal;
};

static void __attribute__((__format__(printf, 2, 3)))
say(const struct supervisor *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	s->o->say(text);
}

/* Nothing can be done any more. */
static void
fail(struct supervisor *s, const char *what)
{
	if (!s->over)
		s->status = imgp_fail_errno(s->e, IMGP_E_STORE_IO, "%s", what);
	s->over = 1;
}

static void
bad_request(struct supervisor *s, const char *word)
{
	if (!s->over)
		s->status = imgp_fail(s->e, IMGP_E_INTERNAL,
		    "the request \"%.40s\"", word);
	s->over = 1;
}

/* A script that is gone is noticed by its end, not here. */
#define tell(s, ...)	((void)dprintf((s)->o->to, __VA_ARGS__))

static char **
copy_words(char *const words[], size_t n)
{
	char **v = imgp_alloc((n + 1) * sizeof *v);
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = imgp_strdup(words[i]);
	return v;
}

/* With verbose: the words of each program of ${c} that runs, from the ${i}th on
 * and before the ${end}th. */
static void
show(const struct supervisor *s, const struct imgp_crew *c, size_t i,
    size_t end)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	size_t j;

	if (!s->o->verbose)
		return;
	for (; i < end; i++) {
		const struct imgp_crew_member *m = &c->member[i];

		if (m->pid == 0)
			continue;
		b.len = 0;
		imgp_buf_printf(&b, "starts %ld:", (long)m->pid);
		for (j = 0; m->argv[j] != NULL; j++)
			imgp_buf_printf(&b, " %s", m->argv[j]);
		s->o->say(b.s);
	}
	imgp_buf_release(&b);
}

/* --- passes, runs and the tail ------------------------------------------ */

static void
open_ready(struct supervisor *s)
{
	int fd[2];

	if (s->ready_w != -1)
		return;
	if (s->ready != -1)
		close(s->ready);
	if (pipe2(fd, O_CLOEXEC) == -1) {
		s->ready = -1;
		fail(s, "pipe");
		return;
	}
	s->ready = fd[0];
	s->ready_w = fd[1];
}

/* The file at one end of a pass, or -1 where it cannot be opened. */
static int
open_end(struct supervisor *s, const char *name, int flags)
{
	int fd;

	if (strcmp(name, "stdin") == 0)
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else if (strcmp(name, "stdout") == 0)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else if (strcmp(name, "stderr") == 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	else if (strcmp(name, "tail") == 0)
		fd = fcntl(s->tail_in, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(name, flags | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd == -1)
		say(s, "%s: %s", name, strerror(errno));
	return fd;
}

/* Standard input belongs to the first stage alone from now on. */
static void
give_stdin_away(struct supervisor *s)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1)
		fail(s, "/dev/null");
	close(fd);
}

static void
start_work(struct supervisor *s, const char *in, const char *out, int ends)
{
	int from = -1, to = -1, hold = ends && s->next.n > 1;
	size_t i;

	if (s->next.n == 0) {
		bad_request(s, ends ? "pass" : "run");
		return;
	}
	s->work = s->next;
	s->next = (struct imgp_crew)IMGP_CREW_INIT;
	s->work.ends = ends;
	memset(s->told, 0, sizeof s->told);
	if (ends && s->signal != 0)
		return;		/* settle() says that it is done */
	if ((to = open_end(s, out, O_WRONLY | O_CREAT | O_TRUNC)) == -1 ||
	    (from = open_end(s, in, O_RDONLY)) == -1) {
		if (to != -1)
			close(to);
		for (i = 0; i < s->work.n; i++)
			s->work.member[i].status = IMGP_EX_TEMPFAIL;
		return;
	}
	if (strcmp(in, "stdin") == 0)
		give_stdin_away(s);
	if (hold)
		open_ready(s);
	s->work.warm = s->o->warm;
	imgp_crew_start(&s->work, from, to, hold ? s->ready_w : -1, hold,
	    s->o->complain);
	if (hold && s->work.in == -1)
		tell(s, "refused\n");
	show(s, &s->work, 0, s->work.n);
	if (s->ready_w != -1)
		close(s->ready_w);
	s->ready_w = -1;
}

static void
start_tail(struct supervisor *s)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1) {
		fail(s, "pipe");
		return;
	}
	s->tail = s->next;
	s->next = (struct imgp_crew)IMGP_CREW_INIT;
	s->tail_in = in[1];
	s->out.in = out[0];
	open_ready(s);
	s->tail.warm = s->o->warm;
	imgp_crew_start(&s->tail, in[0], out[1], s->ready_w, 0,
	    s->o->complain);
	show(s, &s->tail, 0, s->tail.n);
}

static void
close_tail(struct supervisor *s)
{
	if (s->tail_in != -1)
		close(s->tail_in);
	s->tail_in = -1;
	s->closing = 1;
}

/* --- requests --------------------------------------------------------------- */

static void
set_renewal(struct supervisor *s, const char *seconds, char *const words[],
    size_t n)
{
	struct itimerspec t = { { 0, 0 }, { 0, 0 } };
	long long secs;

	if (imgp_parse_int(seconds, 1, 86400, &secs) == -1) {
		bad_request(s, "renew");
		return;
	}
	t.it_value.tv_sec = t.it_interval.tv_sec = (time_t)secs;
	if (timerfd_settime(s->timer, 0, &t, NULL) == -1)
		fail(s, "timer");
	s->renew = copy_words(words, n);
}

static void
tell_dead(const struct supervisor *s)
{
	char **runs = imgp_spool_dead(s->o->spool);
	size_t i;

	for (i = 0; runs[i] != NULL; i++) {
		tell(s, "dead %s\n", runs[i]);
		free(runs[i]);
	}
	free(runs);
	tell(s, "done\n");
}

static void
answer(struct supervisor *s, char *const w[], size_t n)
{
	long long status;

	if (strcmp(w[0], "stage") == 0 && n >= 2) {
		if (imgp_crew_add(&s->next, copy_words(w + 1, n - 1)) == -1)
			bad_request(s, "stage");
	} else if (strcmp(w[0], "pass") == 0 && n == 3)
		start_work(s, w[1], w[2], 1);
	else if (strcmp(w[0], "run") == 0 && n == 3)
		start_work(s, w[1], w[2], 0);
	else if (strcmp(w[0], "tail") == 0 && n == 1)
		start_tail(s);
	else if (strcmp(w[0], "close") == 0 && n == 1)
		close_tail(s);
	else if (strcmp(w[0], "renew") == 0 && n >= 3)
		set_renewal(s, w[1], w + 2, n - 2);
	else if (strcmp(w[0], "dead") == 0 && n == 1)
		tell_dead(s);
	else if (strcmp(w[0], "bye") == 0 && n == 2 &&
	    imgp_parse_int(w[1], 0, 255, &status) == 0) {
		s->status = (int)status;
		s->said_bye = 1;
	} else
		bad_request(s, w[0]);
}

/* Answer the first request in ${b}: the bytes it took; 0: it is not complete. */
static size_t
answer_first(struct supervisor *s, const struct imgp_buf *b)
{
	char *p = b->s, *end = b->s + b->len, *nul, **words;
	long long n;
	size_t i;

	if ((nul = memchr(p, '\0', b->len)) == NULL)
		return 0;
	if (imgp_parse_int(p, 1, INT32_MAX, &n) == -1 ||
	    (size_t)n > b->len) {	/* each word has its NUL */
		bad_request(s, p);
		return 0;
	}
	words = imgp_alloc((size_t)n * sizeof *words);
	for (i = 0; i < (size_t)n; i++) {
		words[i] = p = nul + 1;
		if ((nul = memchr(p, '\0', (size_t)(end - p))) == NULL)
			break;
	}
	if (nul != NULL)
		answer(s, words, (size_t)n);
	free(words);
	return nul == NULL ? 0 : (size_t)(nul + 1 - b->s);
}

static void
read_requests(struct supervisor *s)
{
	struct imgp_buf *b = &s->asked;
	char chunk[4096];
	ssize_t n;
	size_t used;

	while ((n = read(s->o->from, chunk, sizeof chunk)) > 0)
		imgp_buf_add(b, chunk, (size_t)n);
	while (b->len > 0 && (used = answer_first(s, b)) > 0) {
		memmove(b->s, b->s + used, b->len - used);
		b->len -= used;
	}
}

/* --- ends ------------------------------------------------------------------- */

/* Nonzero when a stage ended over its settings, or could not be started. */
static int
is_refused(const struct imgp_crew *c)
{
	size_t i;
	int status;

	for (i = 0; i < c->n; i++) {
		status = c->member[i].status;
		if (status == IMGP_EX_USAGE || status == 126 || status == 127)
			return 1;
	}
	return 0;
}

/*
 * The first stage of a pass waits until each of the others has read its settings
 * or is gone.  A process closes its descriptors before it can be waited for.
 */
static void
let_in(struct supervisor *s)
{
	if (s->work.in == -1 || s->ready != -1 ||
	    imgp_crew_awaits(&s->work) || imgp_crew_awaits(&s->tail))
		return;
	if (s->signal != 0)
		imgp_crew_keep_out(&s->work);
	else if (is_refused(&s->work) || is_refused(&s->tail)) {
		imgp_crew_keep_out(&s->work);
		tell(s, "refused\n");
	} else {
		imgp_crew_let_in(&s->work, s->o->complain);
		show(s, &s->work, 0, 1);
	}
}

static void
read_ready(struct supervisor *s)
{
	pid_t pid[IMGP_CREW_MAX];
	ssize_t n = read(s->ready, pid, sizeof pid), i;

	/* Each is written at once, and so never read in part. */
	for (i = 0; i < n / (ssize_t)sizeof *pid; i++) {
		imgp_crew_ready(&s->work, pid[i]);
		imgp_crew_ready(&s->tail, pid[i]);
	}
	if (n > 0)
		return;
	if (n == 0 || errno != EINTR) {
		close(s->ready);
		s->ready = -1;
	}
}

static void
settle_work(struct supervisor *s)
{
	size_t running, i;

	imgp_crew_reap(&s->work);
	let_in(s);
	running = imgp_crew_reap(&s->work);
	for (i = 0; i < s->work.n; i++)
		if (s->work.member[i].status != -1 && !s->told[i]) {
			s->told[i] = 1;
			tell(s, "end %zu %d\n", i, s->work.member[i].status);
		}
	if (s->work.n > 0 && running == 0 && s->work.in == -1) {
		tell(s, "done\n");
		imgp_crew_release(&s->work);
	}
}

static int
output_status(struct supervisor *s)
{
	if (s->out.broken == 0)
		return IMGP_EX_OK;
	if (s->out.broken == EPIPE)
		return 128 + SIGPIPE;
	if (!s->said_broken)
		say(s, "standard output: %s", strerror(s->out.broken));
	s->said_broken = 1;
	return IMGP_EX_TEMPFAIL;
}

static void
settle_tail(struct supervisor *s)
{
	size_t i;

	if (imgp_crew_reap(&s->tail) > 0 || !s->closing || s->out.in != -1 ||
	    imgp_outlines_writes(&s->out))
		return;
	s->closing = 0;
	for (i = 0; i < s->tail.n; i++)
		tell(s, "end %zu %d\n", i, s->tail.member[i].status);
	tell(s, "output %d %zu\ndone\n", output_status(s), s->out.lines);
	imgp_crew_release(&s->tail);
}

static void
settle_renewal(struct supervisor *s)
{
	if (s->renewal.n == 0 || imgp_crew_reap(&s->renewal) > 0)
		return;
	if (s->renewal.member[0].status != 0)
		say(s, "the leases of run %s could not be renewed", s->o->run);
	imgp_crew_release(&s->renewal);
}

/* Without the script nobody can say what is to be done next: end. */
static void
settle_script(struct supervisor *s)
{
	int status;

	if (s->script == 0 ||
	    waitpid(s->script, &status, WNOHANG) != s->script)
		return;
	s->script = 0;
	read_requests(s);		/* its last words */
	if (!s->said_bye) {
		say(s, "its script ended early, with status %d; the next run "
		    "clears up", imgp_child_status(status));
		s->status = s->signal != 0 ? 128 + s->signal : IMGP_EX_TEMPFAIL;
		imgp_crew_kill(&s->work, SIGTERM);
		imgp_crew_keep_out(&s->work);
	}
	close_tail(s);
}

/* --- signals, the clock ----------------------------------------------------- */

/* Slurm sends a signal to each process of a job, and a worker hands it on: one of
 * either kind is the same signal. */
static void
on_signal(struct supervisor *s, int sig, int is_handed_on)
{
	if (++s->sent[is_handed_on] > 1) {
		imgp_crew_kill(&s->work, SIGKILL);
		imgp_crew_kill(&s->tail, SIGKILL);
		imgp_crew_kill(&s->renewal, SIGKILL);
		if (s->script != 0)
			kill(s->script, SIGKILL);
		say(s, "a second signal, SIG%s: all ended at once; the next run "
		    "clears up", sigabbrev_np(sig));
		s->status = 128 + sig;
		s->over = 1;
		return;
	}
	if (s->signal != 0)
		return;
	s->signal = sig;
	if (s->said_bye)
		return;
	say(s, "SIG%s: ending; a second signal ends all at once",
	    sigabbrev_np(sig));
	tell(s, "signal %d\n", sig);
	if (s->work.ends)
		imgp_crew_kill(&s->work, SIGTERM);
}

/* Of a pass: all of it, or what has no upload in hand yet. */
static void
halt(struct supervisor *s, int now)
{
	const char *name;
	size_t i;

	if (!s->work.ends)
		return;
	if (now)
		imgp_crew_kill(&s->work, SIGTERM);
	for (i = 0; !now && i < s->work.n; i++) {
		name = strrchr(s->work.member[i].argv[0], '/');
		if (name != NULL && strcmp(name, "/imgp-s3cp") == 0)
			break;
		if (s->work.member[i].pid > 0)
			kill(s->work.member[i].pid, SIGTERM);
	}
}

static void
read_signals(struct supervisor *s)
{
	struct signalfd_siginfo i;

	while (read(s->o->signals, &i, sizeof i) == (ssize_t)sizeof i)
		if (i.ssi_signo == SIGUSR1 || i.ssi_signo == SIGUSR2)
			halt(s, i.ssi_signo == SIGUSR1);
		else if (i.ssi_signo != SIGCHLD)
			on_signal(s, (int)i.ssi_signo, i.ssi_code == SI_QUEUE);
}

static void
on_timer(struct supervisor *s)
{
	uint64_t times;
	size_t n = 0;
	int in;

	(void)!read(s->timer, &times, sizeof times);
	if (s->renewal.n > 0)
		return;		/* the last one is still at it */
	while (s->renew[n] != NULL)
		n++;
	if ((in = open("/dev/null", O_RDONLY | O_CLOEXEC)) == -1) {
		fail(s, "/dev/null");
		return;
	}
	imgp_crew_add(&s->renewal, copy_words(s->renew, n));
	s->renewal.warm = s->o->warm;
	imgp_crew_start(&s->renewal, in,
	    fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3), -1, 0, s->o->complain);
	show(s, &s->renewal, 0, 1);
}

/* What is ignored from the start stays so (nohup). */
int
imgp_supervise_signals(struct imgp_err *e)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction sa = { .sa_handler = SIG_DFL }, old;
	sigset_t set;
	size_t i;
	int fd;

	sigaction(SIGCHLD, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	for (i = 0; i < sizeof sigs / sizeof *sigs; i++)
		if (sigaction(sigs[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaddset(&set, sigs[i]);
	sigprocmask(SIG_SETMASK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd != -1 ? fd : imgp_fail_errno(e, IMGP_E_STORE_IO, "signalfd");
}

/* Sleep until something can be done, and do it. */
static void
step(struct supervisor *s)
{
	struct pollfd p[] = {
		{ s->o->signals, POLLIN, 0 },
		{ s->script == 0 || s->said_bye ? -1 : s->o->from, POLLIN, 0 },
		{ s->said_bye ? -1 : s->timer, POLLIN, 0 },
		{ s->ready_w == -1 ? s->ready : -1, POLLIN, 0 },
		{ imgp_outlines_reads(&s->out) ? s->out.in : -1, POLLIN, 0 },
		{ imgp_outlines_writes(&s->out) ? STDOUT_FILENO : -1, POLLOUT,
		    0 },
		{ s->ticker, POLLIN, 0 },
	};
	uint64_t times;

	if (poll(p, sizeof p / sizeof *p, -1) == -1) {
		if (errno != EINTR)
			fail(s, "poll");
		return;
	}
	if (p[0].revents != 0)
		read_signals(s);
	if (p[1].revents != 0)
		read_requests(s);
	if (p[2].revents != 0)
		on_timer(s);
	if (p[3].revents != 0)
		read_ready(s);
	if (p[4].revents != 0)
		imgp_outlines_read(&s->out);
	if (p[5].revents != 0)
		imgp_outlines_write(&s->out);
	if (p[6].revents != 0 &&
	    read(s->ticker, &times, sizeof times) == sizeof times)
		s->o->tick(s->o->arg);
	settle_work(s);
	settle_tail(s);
	settle_renewal(s);
	settle_script(s);
}

static int
is_over(const struct supervisor *s)
{
	return s->over || (s->script == 0 && s->work.n == 0 && s->tail.n == 0 &&
	    s->renewal.n == 0 && s->out.in == -1 &&
	    !imgp_outlines_writes(&s->out));
}

int
imgp_supervise(const struct imgp_supervise *o, struct imgp_err *e)
{
	struct supervisor s = { .o = o, .e = e, .script = o->script,
	    .tail_in = -1, .ready = -1, .ready_w = -1,
	    .out = IMGP_OUTLINES_INIT, .next = IMGP_CREW_INIT,
	    .work = IMGP_CREW_INIT, .tail = IMGP_CREW_INIT,
	    .renewal = IMGP_CREW_INIT };
	static const struct itimerspec second = { { 1, 0 }, { 1, 0 } };

	s.timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	s.ticker = o->tick == NULL ? -1 : timerfd_create(CLOCK_MONOTONIC,
	    TFD_CLOEXEC);
	if (s.ticker != -1 && timerfd_settime(s.ticker, 0, &second, NULL) == -1)
		fail(&s, "timer");
	if (s.timer == -1 || fcntl(o->from, F_SETFL, O_NONBLOCK) == -1)
		fail(&s, "timer");
	while (!is_over(&s))
		step(&s);
	return s.status;
}
