#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/worker.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/answer.h"
#include "libimgpipe/job/isolate.h"

#define CHUNK	4096	/* each page of the stack is copied once a process */
#define TRIES	2

struct place {
	struct imgp_isolate *s;
	struct imgp_worker worker;
	struct imgp_job	*job;		/* as it came; NULL: the place is free */
	size_t		 before;	/* entries of "errors" that it had */
	unsigned int	 tries, most;
	struct imgp_buf	 answer;
};

struct imgp_isolate {
	const struct imgp_isolate_ops *ops;
	void		*arg;
	struct place	*place;
	struct imgp_work *work;		/* one a place */
	size_t		 n;
	size_t		 jobs;
	size_t		 running;
};

/* --- in the process ------------------------------------------------------------ */

static int
work(int fd, void *arg)
{
	struct place *p = arg;
	struct imgp_buf b = IMGP_BUF_INIT;
	int status = p->s->ops->work(p->job, p->s->arg);

	imgp_job_print(p->job, &b);
	if (imgp_write_all(fd, b.s, b.len) == -1)
		status = 1;
	imgp_buf_release(&b);
	imgp_job_free(p->job);
	return status;
}

/* --- here ------------------------------------------------------------------------ */

struct imgp_isolate *
imgp_isolate_new(const struct imgp_isolate_ops *ops, void *arg, size_t n)
{
	struct imgp_isolate *s = imgp_alloc(sizeof *s);
	size_t i;

	s->ops = ops;
	s->arg = arg;
	s->n = n;
	s->place = imgp_alloc(n * sizeof *s->place);
	s->work = imgp_alloc(n * sizeof *s->work);
	for (i = 0; i < n; i++) {
		s->place[i].s = s;
		s->work[i] = (struct imgp_work){ .work = work,
		    .arg = &s->place[i], .also = IMGP_ISOLATE_KEEP,
		    .seconds = ops->seconds, .keep = { ops->fd },
		    .nkeep = ops->fd != -1, .reader = -1, .died = ops->died };
	}
	return s;
}

void
imgp_isolate_free(struct imgp_isolate *s)
{
	if (s == NULL)
		return;
	free(s->work);
	free(s->place);
	free(s);
}

/* Jobs that wait to be tried alone keep others out. */
int
imgp_isolate_is_full(const struct imgp_isolate *s)
{
	size_t i;

	if (s->jobs == s->n || s->running < s->jobs)
		return 1;
	for (i = 0; i < s->n && s->jobs == 1; i++)
		if (s->place[i].job != NULL)
			return s->place[i].tries > 1;
	return 0;
}

size_t
imgp_isolate_jobs(const struct imgp_isolate *s)
{
	return s == NULL ? 0 : s->jobs;
}

static void
end(struct place *p, int keep, const struct imgp_err *e)
{
	struct imgp_isolate *s = p->s;
	struct imgp_job *job = p->job;

	imgp_buf_release(&p->answer);
	p->job = NULL;
	s->jobs--;
	s->ops->done(job, p->before, keep, e, s->arg);
}

static void
start(struct place *p)
{
	struct imgp_isolate *s = p->s;
	struct imgp_err e;

	p->tries++;
	imgp_buf_init(&p->answer);
	p->answer.max = IMGP_JSON_MAX + 1;
	if (imgp_worker_start(&p->worker, &s->work[p - s->place], &e) == -1)
		end(p, 0, &e);
	else
		s->running++;
}

void
imgp_isolate_put(struct imgp_isolate *s, struct imgp_job *job)
{
	struct place *p;
	int64_t crashes = 0;

	for (p = s->place; p->job != NULL; p++)
		;
	imgp_job_sub_int(job, "edc_pipeline_file", "crashes", &crashes);
	p->job = job;
	p->before = imgp_json_count(imgp_job_get(job, "errors"));
	p->tries = 0;
	p->most = crashes > 0 ? TRIES + 1 : TRIES;
	s->jobs++;
	start(p);
}

/* Its last try failed, too: by the fault of the upload, or of nobody knows what. */
static void
give_up(struct place *p, struct imgp_err *e)
{
	struct imgp_err why = *e;

	if (p->most > TRIES && strcmp(e->code, p->s->ops->died) == 0)
		imgp_fail(e, IMGP_E_JOB_CRASH, "%s, as in an earlier run",
		    why.msg);
	end(p, 0, e);
}

/* Its answer is whole, or it died. */
static void
reap(struct imgp_isolate *s, struct place *p)
{
	struct imgp_err e;
	int status = imgp_worker_end(&p->worker, &e);

	s->running--;
	if (status != -1 && imgp_answer_take(p->job, s->ops->stage,
	    p->answer.s, p->answer.len, s->ops->died, &e) == 0)
		end(p, status == IMGP_ISOLATE_KEEP, NULL);
	else if (p->tries == p->most)
		give_up(p, &e);
	else
		imgp_buf_release(&p->answer);	/* once more, when all have ended */
}

static void
read_answer(struct imgp_isolate *s, struct place *p)
{
	char chunk[CHUNK];
	ssize_t n;

	if ((n = read(p->worker.fd, chunk, sizeof chunk)) == -1) {
		if (errno == EINTR || errno == EAGAIN)
			return;
		n = 0;
	}
	if (n > 0 && imgp_buf_add(&p->answer, chunk, (size_t)n) == 0)
		return;
	if (n > 0)			/* more than a line may have */
		kill(p->worker.pid, SIGKILL);
	reap(s, p);
}

size_t
imgp_isolate_poll(const struct imgp_isolate *s, struct pollfd *p,
    int64_t *wait)
{
	size_t i, n = 0;
	int64_t due;

	for (i = 0; i < s->n; i++) {
		if (s->place[i].worker.pid == 0)
			continue;
		p[n].fd = s->place[i].worker.fd;
		p[n++].events = POLLIN;
		due = imgp_worker_due(&s->place[i].worker);
		if (due != -1 && (*wait == -1 || due < *wait))
			*wait = due;
	}
	return n;
}

void
imgp_isolate_turn(struct imgp_isolate *s, const struct pollfd *p)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->place[i].worker.pid == 0)
			continue;
		imgp_worker_watch(&s->place[i].worker);
		if ((p++)->revents != 0)
			read_answer(s, &s->place[i]);
	}
	for (i = 0; i < s->n && s->running == 0 && s->jobs > 0; i++)
		if (s->place[i].job != NULL)
			start(&s->place[i]);
}

void
imgp_isolate_kill(struct imgp_isolate *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->place[i].worker.pid > 0)
			kill(s->place[i].worker.pid, SIGKILL);
}
