#include <sys/prctl.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/ready.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/filter.h"

#define CHUNK	65536

/* A step in a process of its own (IMGP_ISOLATED). */
struct child {
	pid_t		 pid;		/* 0: free */
	int		 fd;		/* its answer */
	int64_t		 deadline;	/* monotonic ms; -1: none */
	int		 killed;	/* by us, for taking too long */
	struct imgp_job	*job;		/* as it went in */
	struct imgp_buf	 answer;
};

struct imgp_filter {
	const struct imgp_filter_ops *ops;
	void		*arg;
	int		 status;	/* worst so far */
	size_t		 line;		/* lines taken so far */
	int		 alone;		/* one job, and no line that it stood on */

	/* Where lines come from: operands, or standard input. */
	char *const	*operands;
	size_t		 noperands;
	struct imgp_buf	 in;
	size_t		 in_pos;	/* first byte not yet taken */
	size_t		 in_seen;	/* bytes looked at for a newline */
	int		 in_eof;
	int		 too_long;	/* dropping the rest of such a line */

	struct child	*children;
	size_t		 nchildren;
	size_t		 nrunning;
};

/* Standard output is broken: nothing can be done for the jobs that are left. */
static void
output_broken(struct imgp_filter *f)
{
	int saved = errno;
	size_t i;

	for (i = 0; i < f->nchildren; i++)
		if (f->children[i].pid > 0)
			kill(f->children[i].pid, SIGKILL);
	if (saved == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	fprintf(stderr, "%s: standard output: %s\n", imgp_progname,
	    strerror(saved));
	exit(IMGP_EX_TEMPFAIL);
}

static void
write_line(struct imgp_filter *f, const char *s, size_t len)
{
	if (imgp_write_all(STDOUT_FILENO, s, len) == -1)
		output_broken(f);
}

static void
emit(struct imgp_filter *f, struct imgp_job *job)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	f->status = imgp_exit_worse(f->status, imgp_job_exit(job));
	imgp_job_print(job, &b);
	imgp_buf_puts(&b, "\n");
	write_line(f, b.s, b.len);
	imgp_buf_release(&b);
}

/* Name on standard error what a step added to "errors" after ${n} entries. */
static void
complain_since(struct imgp_job *job, size_t n)
{
	const struct imgp_json *i;
	const char *code, *msg;
	char clean[512];
	int64_t id = imgp_job_id(job);

	for (i = imgp_json_first(imgp_job_get(job, "errors")); i != NULL;
	    i = imgp_json_next(i)) {
		if (n > 0) {
			n--;
			continue;
		}
		code = imgp_json_str(imgp_json_get(i, "error_code"));
		msg = imgp_json_str(imgp_json_get(i, "error"));
		if (msg == NULL)
			msg = "";
		imgp_printable(clean, sizeof clean, msg, strlen(msg));
		if (id > 0)
			fprintf(stderr, "%s: %lld: %s: %s\n", imgp_progname,
			    (long long)id, code, clean);
		else if (imgp_job_line(job) == 0)
			fprintf(stderr, "%s: %s: %s\n", imgp_progname, code,
			    clean);
		else
			fprintf(stderr, "%s: line %zu: %s: %s\n",
			    imgp_progname, imgp_job_line(job), code, clean);
	}
}

static void
add_error(struct imgp_filter *f, struct imgp_job *job,
    const struct imgp_err *e)
{
	const struct imgp_filter_ops *o = f->ops;

	imgp_job_error(job, o->stage, e,
	    o->required != NULL && o->required(job, f->arg));
}

/* A job that no step will see again. */
static void
finish_job(struct imgp_filter *f, struct imgp_job *job, size_t nerrors)
{
	complain_since(job, nerrors);
	emit(f, job);
	imgp_job_free(job);
}

void
imgp_filter_put(struct imgp_filter *f, struct imgp_job *job,
    const struct imgp_err *e)
{
	size_t n = imgp_json_count(imgp_job_get(job, "errors"));

	if (e != NULL)
		add_error(f, job, e);
	finish_job(f, job, n);
}

static int
is_for_step(const struct imgp_filter *f, struct imgp_job *job)
{
	switch (imgp_job_standing(job)) {
	case IMGP_FAILED:
		return (f->ops->flags & IMGP_SEES_FAILED) != 0;
	case IMGP_SKIPPED:
		return (f->ops->flags & IMGP_SEES_SKIPPED) != 0;
	default:
		return 1;
	}
}

/*
 * Close all descriptors above standard error but two: a child holds neither the
 * lock of a run nor anything else that its parent was given.
 */
static void
close_others(int a, int b)
{
	unsigned int low = (unsigned int)(a < b ? a : b);
	unsigned int high = (unsigned int)(a < b ? b : a);

	if (low > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

/* The child's side: one step, its job written to ${fd}.  Does not return. */
static void
child_main(struct imgp_filter *f, struct imgp_job *job, int fd, pid_t parent)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_err e = { NULL, "" };
	int upload = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	close(STDIN_FILENO);
	if (f->ops->upload_fd != NULL)
		upload = f->ops->upload_fd(f->arg);
	close_others(fd, upload == -1 ? fd : upload);
	if ((f->ops->confine != NULL &&
	    f->ops->confine(job, f->arg, &e) == -1) ||
	    f->ops->step(f, job, f->arg, &e) == -1)
		add_error(f, job, &e);
	imgp_job_print(job, &b);
	if (imgp_write_all(fd, b.s, b.len) == -1)
		_exit(1);
	imgp_buf_release(&b);
	imgp_job_free(job);
	_exit(0);
}

static void
start_child(struct imgp_filter *f, struct imgp_job *job)
{
	pid_t parent = getpid();
	struct imgp_err e;
	struct child *c;
	int fd[2];

	for (c = f->children; c->pid != 0; c++)
		;
	if (pipe2(fd, O_CLOEXEC) == -1) {
		imgp_fail_errno(&e, IMGP_E_MEMORY, "pipe");
		imgp_filter_put(f, job, &e);
		return;
	}
	if ((c->pid = fork()) == 0) {
		close(fd[0]);
		child_main(f, job, fd[1], parent);
	}
	close(fd[1]);
	if (c->pid == -1) {
		c->pid = 0;
		close(fd[0]);
		imgp_fail_errno(&e, IMGP_E_MEMORY, "fork");
		imgp_filter_put(f, job, &e);
		return;
	}
	c->fd = fd[0];
	c->job = job;
	c->killed = 0;
	imgp_buf_init(&c->answer);
	c->answer.max = IMGP_JSON_MAX + 1;
	c->deadline = f->ops->seconds == 0 ? -1 :
	    imgp_clock_ms() + (int64_t)f->ops->seconds * 1000;
	f->nrunning++;
}

/*
 * A process that read hostile bytes must not be able to say which file it was,
 * or where it goes.
 */
static int
is_same_job(struct imgp_job *a, struct imgp_job *b)
{
	static const char *const fixed[] = { "run", "job", "pipeline_code",
	    "source", "temp", "destination", "local" };
	int64_t x = 0, y = 0;
	size_t i;

	for (i = 0; i < sizeof fixed / sizeof *fixed; i++)
		if (!imgp_same_text(imgp_job_str(a, fixed[i]),
		    imgp_job_str(b, fixed[i])))
			return 0;
	imgp_job_sub_int(a, "edc_pipeline_file", "lease", &x);
	imgp_job_sub_int(b, "edc_pipeline_file", "lease", &y);
	return x == y && imgp_job_id(a) == imgp_job_id(b) &&
	    imgp_job_file_id(a) == imgp_job_file_id(b) &&
	    imgp_same_text(imgp_job_sub_str(a, "edc_pipeline_file", "file_name"),
	    imgp_job_sub_str(b, "edc_pipeline_file", "file_name"));
}

/* The child closed its end: take its answer, or make the job a failed one. */
static void
reap(struct imgp_filter *f, struct child *c)
{
	size_t nerrors = imgp_json_count(imgp_job_get(c->job, "errors"));
	const char *code = f->ops->died == NULL ? IMGP_E_JOB_DIED :
	    f->ops->died;
	struct imgp_job *job = NULL;
	struct imgp_err e = { NULL, "" };
	int st;

	close(c->fd);
	while (waitpid(c->pid, &st, 0) == -1 && errno == EINTR)
		;
	if (c->killed)
		imgp_fail(&e, code, "no end after %u s", f->ops->seconds);
	else if (WIFSIGNALED(st))
		imgp_fail(&e, code, "the process died of signal %d",
		    WTERMSIG(st));
	else if (WEXITSTATUS(st) == IMGP_EX_TEMPFAIL)
		imgp_fail(&e, IMGP_E_MEMORY, "the process ran out of memory");
	else if (WEXITSTATUS(st) != 0)
		imgp_fail(&e, code, "the process ended with status %d",
		    WEXITSTATUS(st));
	else if ((job = imgp_job_parse(c->answer.s, c->answer.len,
	    &e)) != NULL && !is_same_job(c->job, job)) {
		imgp_fail(&e, code, "the process answered for another job");
		imgp_job_free(job);
		job = NULL;
	}
	if (job == NULL) {
		job = c->job;
		add_error(f, job, &e);
	} else {
		imgp_job_note_line(job, imgp_job_line(c->job));
		imgp_job_free(c->job);
	}
	finish_job(f, job, nerrors);
	imgp_buf_release(&c->answer);
	c->pid = 0;
	f->nrunning--;
}

static void
read_child(struct imgp_filter *f, struct child *c)
{
	char chunk[CHUNK];
	ssize_t n;

	if ((n = read(c->fd, chunk, sizeof chunk)) == -1) {
		if (errno == EINTR || errno == EAGAIN)
			return;
		n = 0;
	}
	if (n > 0 && imgp_buf_add(&c->answer, chunk, (size_t)n) == 0)
		return;
	if (n > 0) {			/* more than a line may have */
		kill(c->pid, SIGKILL);
	}
	reap(f, c);
}

/* One line, whatever it is, becomes one job on its way. */
static void
take(struct imgp_filter *f, const char *s, size_t len, int too_long)
{
	const struct imgp_filter_ops *o = f->ops;
	struct imgp_err e = { NULL, "" };
	struct imgp_job *job = NULL;
	size_t nerrors;
	int rc;

	f->line++;
	if ((o->flags & IMGP_BLANK_IS_NONE) && f->operands == NULL &&
	    !too_long && imgp_is_blank(s, len))
		return;
	if (too_long)
		imgp_fail(&e, IMGP_E_JOB_TOO_LONG,
		    "a line of more than %zu bytes", IMGP_JSON_MAX);
	else
		job = o->accept != NULL ? o->accept(s, len, f->arg, &e) :
		    imgp_job_parse(s, len, &e);
	if (job == NULL) {
		job = imgp_job_of_input(s, len);
		imgp_job_note_line(job, f->alone ? 0 : f->line);
		imgp_job_error(job, o->stage, &e, 1);
		complain_since(job, 0);
		/* The stages that look after failed jobs get this one too. */
		if (!(o->flags & IMGP_SEES_FAILED)) {
			emit(f, job);
			imgp_job_free(job);
			return;
		}
	} else if (!is_for_step(f, job)) {
		f->status = imgp_exit_worse(f->status, imgp_job_exit(job));
		if (o->accept == NULL) {	/* untouched, byte for byte */
			write_line(f, s, len);
			write_line(f, "\n", 1);
		} else
			emit(f, job);
		imgp_job_free(job);
		return;
	}
	imgp_job_note_line(job, f->alone ? 0 : f->line);
	if (o->flags & IMGP_ISOLATED) {
		start_child(f, job);
		return;
	}
	nerrors = imgp_json_count(imgp_job_get(job, "errors"));
	if ((rc = o->step(f, job, f->arg, &e)) == IMGP_STEP_HELD)
		return;
	if (rc == -1)
		add_error(f, job, &e);
	finish_job(f, job, nerrors);
}

/* Take the next complete line if one is there: 1, else 0. */
static int
take_next(struct imgp_filter *f)
{
	const char *nl, *s;
	size_t len;

	if (f->operands != NULL) {
		if (f->noperands == 0)
			return 0;
		s = *f->operands++;
		f->noperands--;
		take(f, s, strlen(s), strlen(s) > IMGP_JSON_MAX);
		return 1;
	}
	for (;;) {
		s = f->in.s + f->in_pos;
		len = f->in.len - f->in_pos;
		nl = len > f->in_seen ? memchr(s + f->in_seen, '\n',
		    len - f->in_seen) : NULL;
		f->in_seen = len;
		if (nl == NULL && !f->in_eof) {
			if (len <= IMGP_JSON_MAX)
				return 0;
			if (!f->too_long) {
				f->too_long = 1;
				take(f, s, len, 1);
			}
			f->in_pos = f->in.len;	/* drop what there is */
			f->in_seen = 0;
			return 0;
		}
		if (nl == NULL && len == 0)
			return 0;
		if (nl != NULL)
			len = (size_t)(nl - s);
		f->in_pos += len + (nl != NULL);
		f->in_seen = 0;
		if (!f->too_long) {
			take(f, s, len, len > IMGP_JSON_MAX);
			return 1;
		}
		f->too_long = 0;	/* its end; it was reported before */
	}
}

static void
read_input(struct imgp_filter *f)
{
	ssize_t n;

	if (f->in_pos == f->in.len)
		imgp_buf_clear(&f->in);
	else if (f->in_pos > 0) {
		memmove(f->in.s, f->in.s + f->in_pos, f->in.len - f->in_pos);
		f->in.len -= f->in_pos;
	}
	f->in_pos = 0;
	if (f->in.len == 0 && f->in.size > 16 * CHUNK)
		imgp_buf_release(&f->in);	/* after a very long line */
	imgp_buf_reserve(&f->in, CHUNK);
	while ((n = read(STDIN_FILENO, f->in.s + f->in.len, CHUNK)) == -1)
		if (errno != EINTR) {
			fprintf(stderr, "%s: standard input: %s\n",
			    imgp_progname, strerror(errno));
			exit(errno == EISDIR ? IMGP_EX_USAGE :
			    IMGP_EX_TEMPFAIL);
		}
	f->in.len += (size_t)n;
	f->in.s[f->in.len] = '\0';
	f->in_eof = n == 0;
}

/* The time until the nearest of ${wait} and the children's deadlines. */
static int
wait_ms(const struct imgp_filter *f, int64_t wait)
{
	int64_t now = imgp_clock_ms(), left;
	size_t i;

	for (i = 0; i < f->nchildren; i++)
		if (f->children[i].pid != 0 && !f->children[i].killed &&
		    f->children[i].deadline != -1) {
			left = f->children[i].deadline - now;
			if (left < 0)
				left = 0;
			if (wait == -1 || left < wait)
				wait = left;
		}
	return wait > 3600000 ? 3600000 : (int)wait;
}

/* Sleep until input, an answer, a deadline, or ${wait} ms (-1: for ever). */
static void
await(struct imgp_filter *f, int want_input, int64_t wait)
{
	struct pollfd p[2 + f->nchildren];
	struct child *who[2 + f->nchildren];
	nfds_t n = 0, first;
	size_t i;
	int64_t now;

	if (want_input) {
		p[n].fd = STDIN_FILENO;
		p[n++].events = POLLIN;
	}
	if (f->ops->wake_fd > 0) {
		p[n].fd = f->ops->wake_fd;
		p[n++].events = POLLIN;
	}
	first = n;
	for (i = 0; i < f->nchildren; i++)
		if (f->children[i].pid != 0) {
			who[n] = &f->children[i];
			p[n].fd = f->children[i].fd;
			p[n++].events = POLLIN;
		}
	if (poll(p, n, wait_ms(f, wait)) == -1) {
		if (errno != EINTR)
			err(IMGP_EX_TEMPFAIL, "poll");
		return;
	}
	for (now = imgp_clock_ms(), i = first; i < n; i++)
		if (p[i].revents != 0)
			read_child(f, who[i]);
		else if (!who[i]->killed && who[i]->deadline != -1 &&
		    now >= who[i]->deadline) {
			who[i]->killed = 1;
			kill(who[i]->pid, SIGKILL);
		}
	if (want_input && p[0].revents != 0)
		read_input(f);
}

static void
loop(struct imgp_filter *f)
{
	int64_t wait;
	int busy, more;

	for (;;) {
		busy = (f->ops->flags & IMGP_ISOLATED) != 0 &&
		    f->nrunning == f->nchildren;
		if (!busy && take_next(f))
			continue;
		more = f->operands != NULL ? f->noperands > 0 : !f->in_eof ||
		    f->in_pos < f->in.len;
		wait = -1;
		if (!busy && f->ops->idle != NULL) {
			wait = f->ops->idle(f, f->arg, !more);
			if (wait == -1 && !more && f->nrunning == 0)
				return;
		} else if (!more && f->nrunning == 0)
			return;
		await(f, !busy && f->operands == NULL && !f->in_eof, wait);
	}
}

static int
run(struct imgp_filter *f, int jobs)
{
	imgp_ready();
	if (f->ops->flags & IMGP_ISOLATED) {
		f->nchildren = (size_t)jobs;
		f->children = imgp_alloc(f->nchildren * sizeof *f->children);
	}
	loop(f);
	free(f->children);
	imgp_buf_release(&f->in);
	if (close(STDOUT_FILENO) == -1)		/* NFS tells of a full disk here */
		output_broken(f);
	return f->status;
}

int
imgp_filter_run(const struct imgp_filter_ops *ops, void *arg, int jobs)
{
	struct imgp_filter f;

	memset(&f, 0, sizeof f);
	imgp_buf_init(&f.in);
	f.ops = ops;
	f.arg = arg;
	return run(&f, jobs);
}

int
imgp_filter_operands(const struct imgp_filter_ops *ops, void *arg, int jobs,
    char *const *operands, size_t n)
{
	struct imgp_filter f;

	memset(&f, 0, sizeof f);
	imgp_buf_init(&f.in);
	f.ops = ops;
	f.arg = arg;
	f.operands = operands;
	f.noperands = n;
	return run(&f, jobs);
}

int
imgp_filter_one(const struct imgp_filter_ops *ops, void *arg,
    struct imgp_job *job)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_filter_ops plain = *ops;
	struct imgp_filter f;
	char *line;
	int rc;

	plain.accept = NULL;
	imgp_job_print(job, &b);
	imgp_job_free(job);
	line = imgp_buf_steal(&b);
	memset(&f, 0, sizeof f);
	imgp_buf_init(&f.in);
	f.ops = &plain;
	f.arg = arg;
	f.operands = &line;
	f.noperands = 1;
	f.alone = 1;
	rc = run(&f, 1);
	free(line);
	return rc;
}
