#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/indent.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/ready.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/board.h"
#include "libimgpipe/job/breaker.h"
#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/job/isolate.h"

#define CHUNK	65536
#define REST_MS	250

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
	int		 expanding;	/* within ops->expand */
	int		 ended;		/* ops->expand knows of the end */
	int64_t		 idle_since;	/* 0: it is not */

	struct imgp_breaker breaker;
	int		 stopped;	/* by it */

	struct imgp_board_stage *board;	/* NULL: no run has one */
	int		 halts;		/* it takes no job of a run that is to */

	struct imgp_isolate *isolate;	/* IMGP_ISOLATED */
	size_t		 nisolated;	/* processes at most */
};

/* Standard output is broken: nothing can be done for the jobs that are left. */
static void
output_broken(struct imgp_filter *f)
{
	int saved = errno;

	if (f->isolate != NULL)
		imgp_isolate_kill(f->isolate);
	errno = saved;
	imgp_print_failed();
}

/* Wait until a page can be written without waiting, or the step holds nothing. */
static void
await_reader(struct imgp_filter *f)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
	int64_t since = 0;
	int n;

	while ((n = poll(&p, 1, since == 0 ? 0 : REST_MS)) == 0 ||
	    (n == -1 && errno == EINTR)) {
		if (since == 0)
			since = imgp_clock_ms();
		if (!f->ops->rest(f->arg, imgp_clock_ms() - since))
			return;
	}
}

static void
write_line(struct imgp_filter *f, const char *s, size_t len)
{
	size_t n;

	for (; len > 0; s += n, len -= n) {
		n = len;
		if (f->ops->rest != NULL) {
			n = len < PIPE_BUF ? len : PIPE_BUF;
			await_reader(f);
		}
		if (imgp_write_all(STDOUT_FILENO, s, n) == -1)
			output_broken(f);
	}
}

static void
emit(struct imgp_filter *f, struct imgp_job *job)
{
	struct imgp_buf b = IMGP_BUF_INIT, lines = IMGP_BUF_INIT;
	struct imgp_indent i = IMGP_INDENT_INIT;

	f->status = imgp_exit_worse(f->status, imgp_job_exit(job));
	imgp_job_set_ok(job);
	imgp_job_print(job, &b);
	imgp_buf_puts(&b, "\n");
	if (imgp_common.pretty) {
		imgp_indent(&i, b.s, b.len, &lines);
		write_line(f, lines.s, lines.len);
	} else
		write_line(f, b.s, b.len);
	imgp_buf_release(&b);
	imgp_buf_release(&lines);
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

/* Take no more lines.  Whoever writes them is to notice. */
static void
close_input(struct imgp_filter *f)
{
	int fd;

	f->stopped = 1;
	if (f->operands == NULL &&
	    (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) != -1) {
		dup2(fd, STDIN_FILENO);
		close(fd);
	}
	f->in_eof = 1;
	f->in_pos = f->in.len;
	f->in_seen = 0;
	f->noperands = 0;
}

/* The breaker tripped. */
static void
stop_taking(struct imgp_filter *f, struct imgp_job *job,
    const struct imgp_err *e)
{
	f->status = imgp_exit_worse(f->status, IMGP_EX_TEMPFAIL);
	imgp_complain(e);
	fprintf(stderr, "%s: %u jobs in a row failed by %s: no more are "
	    "taken\n", imgp_progname, f->breaker.in_a_row, f->breaker.code);
	imgp_breaker_tell_run(job);
	close_input(f);
}

/* In a run: how long the job took here, in its line and on the board. */
static void
note_time(struct imgp_filter *f, struct imgp_job *job, size_t nerrors)
{
	int64_t ms, bytes = 0;

	if (f->board == NULL)
		return;
	ms = imgp_clock_ms() - imgp_job_taken(job);
	f->board->finished++;
	f->board->ms += ms;
	f->board->failed += imgp_job_standing(job) == IMGP_FAILED &&
	    imgp_json_count(imgp_job_get(job, "errors")) > nerrors;
	if ((strcmp(f->ops->stage, "fetch") == 0 &&
	    imgp_job_sub_int(job, "bytes", "source", &bytes) == 0) ||
	    (strcmp(f->ops->stage, "deliver") == 0 &&
	    imgp_job_sub_int(job, "bytes", "destination", &bytes) == 0))
		f->board->bytes += bytes;
	if (imgp_job_get(job, "started_ms") == NULL)
		imgp_job_set_int(job, "started_ms",
		    (int64_t)time(NULL) * 1000 - ms);
	imgp_job_set_sub_int(job, "stage_ms", f->ops->stage, ms);
}

/* A job that no step will see again. */
static void
finish_job(struct imgp_filter *f, struct imgp_job *job, size_t nerrors)
{
	struct imgp_err e = { NULL, "" };

	note_time(f, job, nerrors);
	complain_since(job, nerrors);
	emit(f, job);
	if (f->ops->ask != NULL && !f->stopped && imgp_breaker_note(&f->breaker,
	    job, nerrors, f->ops->ask, f->arg, &e) == -1)
		stop_taking(f, job, &e);
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

int
imgp_filter_stopped(const struct imgp_filter *f)
{
	return f->stopped;
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

/* In the process of one job: its step. */
static int
work(struct imgp_job *job, void *arg)
{
	struct imgp_filter *f = arg;
	struct imgp_err e = { NULL, "" };
	int rc = -1;

	if (f->ops->confine == NULL ||
	    f->ops->confine(job, f->arg, &e) == 0)
		rc = f->ops->step(f, job, f->arg, &e);
	if (rc == -1)
		add_error(f, job, &e);
	return rc == IMGP_STEP_KEEP ? IMGP_ISOLATE_KEEP : 0;
}

/* Here: that process is gone. */
static void
done(struct imgp_job *job, size_t before, int keep, const struct imgp_err *e,
    void *arg)
{
	struct imgp_filter *f = arg;
	struct imgp_err why;

	if (f->ops->settle != NULL &&
	    f->ops->settle(job, keep, f->arg, &why) == -1 && e == NULL)
		e = &why;
	if (f->ops->unchanged != NULL && e == NULL && !keep &&
	    !imgp_job_has_errors(job) &&
	    f->ops->unchanged(job, f->arg, &why) == -1)
		e = &why;
	if (e != NULL && strcmp(e->code, IMGP_E_JOB_CRASH) == 0)
		imgp_job_error(job, f->ops->stage, e, 1);	/* never as it is */
	else if (e != NULL)
		add_error(f, job, e);
	finish_job(f, job, before);
}

static void	take(struct imgp_filter *, const char *, size_t, int);

void
imgp_filter_take(struct imgp_filter *f, const char *line, size_t len)
{
	take(f, line, len, len > IMGP_JSON_MAX);
}

/* Does the line (NULL: the end) stand for other jobs, which are taken instead? */
static int
expand(struct imgp_filter *f, const char *s, size_t len)
{
	int rc;

	if (f->ops->expand == NULL || f->operands != NULL || f->expanding)
		return 0;
	f->expanding = 1;
	rc = f->ops->expand(f, s, len, f->arg);
	f->expanding = 0;
	return rc;
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

	f->line += !f->expanding;
	f->idle_since = 0;
	if (!too_long && expand(f, s, len))
		return;
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
	if (f->board != NULL) {
		imgp_job_note_taken(job, imgp_clock_ms());
		f->board->taken++;
	}
	if (o->flags & IMGP_ISOLATED) {
		imgp_isolate_put(f->isolate, job);
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
		if (nl == NULL && len == 0) {
			if (!f->ended)
				expand(f, NULL, 0);
			f->ended = 1;
			return 0;
		}
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

/* Sleep until input, an answer, a deadline, or ${wait} ms (-1: for ever). */
static void
await(struct imgp_filter *f, int want_input, int64_t wait)
{
	struct pollfd p[3 + f->nisolated];
	nfds_t n = 0, first, out;

	if (want_input) {
		p[n].fd = STDIN_FILENO;
		p[n++].events = POLLIN;
	}
	/* A reader that is gone shows by itself. */
	out = n;
	p[n].fd = STDOUT_FILENO;
	p[n++].events = 0;
	if (f->ops->wake_fd > 0) {
		p[n].fd = f->ops->wake_fd;
		p[n++].events = POLLIN;
	}
	if (f->ops->rest != NULL) {
		if (f->idle_since == 0)
			f->idle_since = imgp_clock_ms();
		if (f->ops->rest(f->arg, imgp_clock_ms() - f->idle_since) &&
		    (wait == -1 || wait > REST_MS))
			wait = REST_MS;
	}
	first = n;
	if (f->isolate != NULL)
		n += imgp_isolate_poll(f->isolate, p + first, &wait);
	if (poll(p, n, wait > 3600000 ? 3600000 : (int)wait) == -1) {
		if (errno != EINTR)
			err(IMGP_EX_TEMPFAIL, "poll");
		return;
	}
	if (p[out].revents & POLLERR) {
		errno = EPIPE;
		output_broken(f);
	}
	if (f->isolate != NULL)
		imgp_isolate_turn(f->isolate, p + first);
	if (want_input && p[0].revents != 0)
		read_input(f);
}

static void
loop(struct imgp_filter *f)
{
	int64_t wait;
	int busy, more, stopped;

	for (;;) {
		if (f->halts && !f->stopped && imgp_board()->halt)
			close_input(f);
		busy = f->isolate != NULL && imgp_isolate_is_full(f->isolate);
		if (!busy && take_next(f))
			continue;
		more = f->operands != NULL ? f->noperands > 0 : !f->in_eof ||
		    f->in_pos < f->in.len;
		wait = -1;
		if (!busy && f->ops->idle != NULL) {
			stopped = f->stopped;
			wait = f->ops->idle(f, f->arg, !more);
			if (f->stopped != stopped)
				continue;	/* this is the end of input */
			if (wait == -1 && !more && imgp_isolate_jobs(f->isolate) == 0)
				return;
		} else if (!more && imgp_isolate_jobs(f->isolate) == 0)
			return;
		await(f, !busy && f->operands == NULL && !f->in_eof, wait);
	}
}

static int
run(struct imgp_filter *f, int jobs)
{
	const struct imgp_filter_ops *o = f->ops;
	const struct imgp_isolate_ops isolated = { o->stage, o->seconds,
	    o->upload_fd == NULL ? -1 : o->upload_fd(f->arg),
	    o->died == NULL ? IMGP_E_JOB_DIED : o->died, work, done };

	imgp_ready();
	imgp_board_join();
	f->board = imgp_board_stage(o->stage);
	f->halts = f->board != NULL && strcmp(o->stage, "fetch") == 0;
	if (o->flags & IMGP_ISOLATED) {
		f->nisolated = (size_t)jobs;
		f->isolate = imgp_isolate_new(&isolated, f, f->nisolated);
	}
	loop(f);
	imgp_isolate_free(f->isolate);
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
