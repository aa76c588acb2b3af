#include <sys/eventfd.h>

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/job/pool.h"

#define AHEAD	2	/* jobs held for each thread: the next one is there */
#define STACK	((size_t)1 << 20)	/* 8 MB each are dear to map and to give
				 * back: libc keeps 40 MB of them at most */

/* A job in the pool, on one of its two lists. */
struct item {
	struct imgp_job	*job;
	int		 failed;
	struct imgp_err	 e;
	struct item	*next;
};

struct list {
	struct item	*first, **last;
};

struct imgp_pool {
	imgp_pool_work	*work;
	void		*arg;
	int		 fd;		/* counts finished jobs */
	int		 most;		/* threads */
	int		 nthreads;
	pthread_t	*threads;

	pthread_mutex_t	 lock;		/* of all below */
	pthread_cond_t	 given, finished;
	struct list	 waiting, done;
	int		 begun;		/* taken by a thread, not yet done */
	int		 nwaiting;
	int		 held;		/* given and not yet put */
	int		 full;		/* a step waits for one to finish */
	int		 ending;
};

static void
list_add(struct list *l, struct item *i)
{
	i->next = NULL;
	*l->last = i;
	l->last = &i->next;
}

static struct item *
list_take(struct list *l)
{
	struct item *i = l->first;

	if (i != NULL && (l->first = i->next) == NULL)
		l->last = &l->first;
	return i;
}

static void *
worker(void *arg)
{
	static const uint64_t one = 1;
	struct imgp_pool *p = arg;
	struct item *i;
	int full, first;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while ((i = list_take(&p->waiting)) == NULL && !p->ending)
			pthread_cond_wait(&p->given, &p->lock);
		if (i == NULL)
			break;
		p->nwaiting--;
		p->begun++;
		pthread_mutex_unlock(&p->lock);
		i->failed = p->work(i->job, p->arg, &i->e) == -1;
		pthread_mutex_lock(&p->lock);
		p->begun--;
		full = p->full;
		first = p->done.first == NULL;
		p->full = 0;
		list_add(&p->done, i);
		pthread_mutex_unlock(&p->lock);
		/* Whoever is woken finds the lock free. */
		if (full)
			pthread_cond_signal(&p->finished);
		/* Full is the same as readable; it cannot be broken. */
		else if (first)
			(void)!write(p->fd, &one, sizeof one);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* One thread more; -1 where it cannot be had. */
static int
start(struct imgp_pool *p)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	rc = pthread_create(&p->threads[p->nthreads], &attr, worker, p);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return -1;
	p->nthreads++;
	return 0;
}

struct imgp_pool *
imgp_pool_new(int n, imgp_pool_work *work, void *arg, struct imgp_err *e)
{
	struct imgp_pool *p = imgp_alloc(sizeof *p);

	p->most = n;
	p->work = work;
	p->arg = arg;
	p->waiting.last = &p->waiting.first;
	p->done.last = &p->done.first;
	p->threads = imgp_alloc((size_t)n * sizeof *p->threads);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->given, NULL);
	pthread_cond_init(&p->finished, NULL);
	if ((p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		imgp_fail_errno(e, IMGP_E_MEMORY, "eventfd");
	else if (start(p) == 0)
		return p;
	else
		imgp_fail(e, IMGP_E_MEMORY, "no thread can be started");
	imgp_pool_free(p);
	return NULL;
}

void
imgp_pool_free(struct imgp_pool *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = 1;
	pthread_cond_broadcast(&p->given);
	pthread_mutex_unlock(&p->lock);
	while (p->nthreads > 0)
		pthread_join(p->threads[--p->nthreads], NULL);
	pthread_cond_destroy(&p->given);
	pthread_cond_destroy(&p->finished);
	pthread_mutex_destroy(&p->lock);
	if (p->fd != -1)
		close(p->fd);
	free(p->threads);
	free(p);
}

/* What no thread has begun is nobody's.  Called with the lock held. */
static void
drop_waiting(struct imgp_pool *p)
{
	struct item *i;

	while ((i = list_take(&p->waiting)) != NULL) {
		p->nwaiting--;
		p->held--;
		imgp_job_free(i->job);
		free(i);
	}
}

/* Give back all that is finished, but nothing that failed because a signal asked
 * to stop: that is not finished.  Called with the lock held. */
static void
put_done(struct imgp_pool *p, struct imgp_filter *f)
{
	struct item *i;

	while ((i = list_take(&p->done)) != NULL) {
		p->held--;
		pthread_mutex_unlock(&p->lock);
		if (i->failed && imgp_stop_asked())
			imgp_job_free(i->job);
		else
			imgp_filter_put(f, i->job, i->failed ? &i->e : NULL);
		free(i);
		pthread_mutex_lock(&p->lock);
		if (imgp_filter_stopped(f))
			drop_waiting(p);
	}
}

int
imgp_pool_step(struct imgp_pool *p, struct imgp_filter *f,
    struct imgp_job *job)
{
	struct item *i = imgp_alloc(sizeof *i);

	i->job = job;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		put_done(p, f);
		if (p->held < AHEAD * p->most)
			break;
		p->full = 1;
		pthread_cond_wait(&p->finished, &p->lock);
	}
	p->full = 0;
	if (imgp_filter_stopped(f)) {
		pthread_mutex_unlock(&p->lock);
		imgp_job_free(job);
		free(i);
		return IMGP_STEP_HELD;
	}
	p->held++;
	p->nwaiting++;
	list_add(&p->waiting, i);
	/* With those that there are it works as well, later. */
	if (p->begun + p->nwaiting > p->nthreads && p->nthreads < p->most)
		(void)start(p);
	pthread_mutex_unlock(&p->lock);
	pthread_cond_signal(&p->given);
	return IMGP_STEP_HELD;
}

int64_t
imgp_pool_idle(struct imgp_pool *p, struct imgp_filter *f)
{
	uint64_t count;
	int held;

	(void)!read(p->fd, &count, sizeof count);
	pthread_mutex_lock(&p->lock);
	put_done(p, f);
	held = p->held;
	pthread_mutex_unlock(&p->lock);
	/* The descriptor wakes the loop; the time is only not "never". */
	return held > 0 ? 3600000 : -1;
}

int
imgp_pool_fd(const struct imgp_pool *p)
{
	return p->fd;
}
