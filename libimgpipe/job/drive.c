#include <sys/signalfd.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/child.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/job/drive.h"

#define MOST_SHARDS	1000	/* Slurm's arrays have 1001 numbers by default */
#define SHARDS_A_JOB	4	/* so that a slow one does not hold up all */
#define MOST_LOSSES	3	/* then an input that no worker finishes is left */
#define LOOK_MS		1000	/* how often to look whether all shards have ended */

struct drive {
	const struct imgp_drive *o;
	struct imgp_driven *came;
	struct imgp_err *e;
	size_t	*todo, ntodo;		/* inputs of this round */
	unsigned char *losses;		/* by input */
	unsigned long try;		/* number of this round */
	size_t	 shards;		/* of this round */
	int64_t	 began;			/* this round */
	pid_t	 engine;		/* 0: none */
	int	 engine_status;
	int64_t	 ending;		/* when the engine was told to end; 0: not */
	int	 signal;		/* the first one; 0: none */
};

static void __attribute__((__format__(printf, 2, 3)))
say(const struct drive *d, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	d->o->say(text);
}

static void
worsen(struct drive *d, int status)
{
	d->came->status = imgp_exit_worse(d->came->status, status);
}

/* --- shards ----------------------------------------------------------------------- */

/* The number of the next try: no name was used before. */
static int
number_try(struct drive *d)
{
	char **names = imgp_rundir_list(d->o->dir, "in", d->e);
	unsigned long n;
	size_t i;

	for (i = 0; names != NULL && names[i] != NULL; i++) {
		n = strtoul(names[i], NULL, 10);
		if (n > d->try)
			d->try = n;
	}
	imgp_rundir_free_list(names);
	return names == NULL ? -1 : 0;
}

static size_t
shard_size(const struct drive *d)
{
	size_t jobs = (size_t)d->o->jobs * SHARDS_A_JOB;
	size_t n = d->o->per_shard, least;

	if (n == 0)
		n = (d->ntodo + jobs - 1) / jobs;
	least = (d->ntodo + MOST_SHARDS - 1) / MOST_SHARDS;
	return n < least ? least : n;
}

static int
write_shard(struct drive *d, const char *name, size_t from, size_t to)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char *path = imgp_asprintf("in/%s", name);
	const char *text;
	size_t len;
	int rc;

	for (; from < to; from++) {
		text = imgp_lastwords_text(d->o->words, d->todo[from], &len);
		imgp_buf_add(&b, text, len);
		imgp_buf_puts(&b, "\n");
	}
	rc = imgp_rundir_write(d->o->dir, path, b.s, b.len, d->e);
	free(path);
	imgp_buf_release(&b);
	return rc;
}

/* Write the shards, and the list of their names, in/TRY. */
static int
write_shards(struct drive *d)
{
	struct imgp_buf names = IMGP_BUF_INIT;
	size_t size = shard_size(d), at, to;
	char name[40], list[32];
	int rc = 0;

	d->try++;
	d->shards = 0;
	for (at = 0; at < d->ntodo && rc == 0; at = to) {
		to = d->ntodo - at > size ? at + size : d->ntodo;
		snprintf(name, sizeof name, "%lu-%04zu", d->try, ++d->shards);
		imgp_buf_printf(&names, "%s\n", name);
		rc = write_shard(d, name, at, to);
	}
	snprintf(list, sizeof list, "in/%lu", d->try);
	if (rc == 0)
		rc = imgp_rundir_write(d->o->dir, list, names.s, names.len,
		    d->e);
	imgp_buf_release(&names);
	return rc;
}

/* --- the engine ------------------------------------------------------------------- */

static int
start_engine(struct drive *d)
{
	char jobs[16], list[32];
	char *argv[] = { imgp_strdup(d->o->engine), d->o->dir->path, jobs,
	    imgp_strdup(d->o->worker), NULL };
	struct imgp_child c = { argv, -1, STDERR_FILENO, -1, 1, 0 };

	snprintf(jobs, sizeof jobs, "%d", d->o->jobs);
	snprintf(list, sizeof list, "in/%lu", d->try);
	d->engine = -1;
	d->ending = 0;
	if ((c.in = imgp_rundir_read(d->o->dir, list, d->e)) != -1) {
		d->engine = imgp_child_start(&c, d->e);
		close(c.in);
	}
	free(argv[0]);
	free(argv[3]);
	if (d->engine != -1)
		return 0;
	d->engine = 0;
	return -1;
}

static void
tell_engine(struct drive *d, int sig)
{
	if (d->engine > 0)
		kill(d->engine, sig);
	if (d->ending == 0)
		d->ending = imgp_clock_ms();
}

/* Children of this process that are gone; the engine may be one. */
static void
reap(struct drive *d)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == d->engine) {
			d->engine = 0;
			d->engine_status = imgp_child_status(status);
		}
}

static void
take_signal(struct drive *d)
{
	struct signalfd_siginfo si;

	if (read(d->o->signals, &si, sizeof si) != sizeof si)
		return;
	if (si.ssi_signo == SIGCHLD)
		reap(d);
	if (si.ssi_signo != SIGTERM && si.ssi_signo != SIGINT &&
	    si.ssi_signo != SIGHUP)
		return;
	if (d->signal != 0) {
		d->came->at_once = 1;
		tell_engine(d, SIGKILL);
		return;
	}
	d->signal = (int)si.ssi_signo;
	worsen(d, 128 + d->signal);
	tell_engine(d, SIGTERM);
}

static void
await(const struct drive *d, int64_t ms)
{
	struct pollfd p = { d->o->signals, POLLIN, 0 };

	if (ms < 0)
		ms = 0;
	(void)poll(&p, 1, (int)(ms < LOOK_MS ? ms : LOOK_MS));
}

/* Nonzero when each shard of the round has a worker that came to its end. */
static int
all_ended(const struct drive *d)
{
	struct imgp_err e;
	char **names = imgp_rundir_list(d->o->dir, "out", &e);
	size_t i, len, ended = 0;
	const char *last = "";

	for (i = 0; names != NULL && names[i] != NULL; i++) {
		len = strcspn(names[i], ".");
		if (imgp_rundir_try(names[i]) != d->try ||
		    strcmp(names[i] + strlen(names[i]) - 6, ".jsonl") != 0)
			continue;
		/* Sorted: a shard that ran twice has its files in a row. */
		if (strncmp(last, names[i], len + 1) != 0)
			ended++;
		last = names[i];
	}
	ended = ended >= d->shards;
	imgp_rundir_free_list(names);
	return ended != 0;
}

/*
 * Until the engine is gone.  One that stays although all shards have ended is told to
 * go; one that does not go is killed.
 */
static void
await_engine(struct drive *d)
{
	int64_t now, idle = 0;

	while (d->engine != 0 && !d->came->at_once) {
		await(d, LOOK_MS);
		take_signal(d);
		now = imgp_clock_ms();
		if (d->engine == 0)
			break;
		if (d->ending != 0) {
			if (now - d->ending > d->o->patience_ms)
				tell_engine(d, SIGKILL);
		} else if (!all_ended(d))
			idle = 0;
		else if (idle == 0)
			idle = now;
		else if (now - idle > d->o->patience_ms) {
			say(d, "the engine hangs although all shards have "
			    "ended; it is cancelled");
			tell_engine(d, SIGTERM);
		}
	}
}

/* --- after a round ---------------------------------------------------------------- */

/* Leases of workers that are no more are given back. */
static int
release_dead(const struct drive *d)
{
	char **runs = imgp_rundir_list(d->o->dir, "runs", d->e);
	size_t i;

	for (i = 0; runs != NULL && runs[i] != NULL; i++)
		if (!imgp_rundir_is_alive(d->o->dir, runs[i]) &&
		    d->o->release(runs[i]) == 0)
			imgp_rundir_forget(d->o->dir, runs[i]);
	imgp_rundir_free_list(runs);
	return runs == NULL ? -1 : 0;
}

/* Nonzero when some worker lives that this driver did not start. */
static int
is_haunted(const struct drive *d)
{
	struct imgp_err e;
	char **runs = imgp_rundir_list(d->o->dir, "runs", &e);
	int alive = 0;
	size_t i;

	for (i = 0; runs != NULL && runs[i] != NULL && !alive; i++)
		alive = imgp_rundir_is_alive(d->o->dir, runs[i]);
	imgp_rundir_free_list(runs);
	return alive;
}

/* A driver that was killed may have left workers, which their engine cancels. */
static void
await_ghosts(struct drive *d)
{
	int64_t end = imgp_clock_ms() + d->o->patience_ms;

	if (is_haunted(d) && !d->o->quiet)
		say(d, "waiting for workers of a run that was here before");
	while (is_haunted(d) && imgp_clock_ms() < end && d->signal == 0) {
		await(d, LOOK_MS / 4);
		take_signal(d);
	}
}

/* What to do in the first round: all that has no last word, or one that is to be
 * tried again. */
static void
choose_first(struct drive *d)
{
	enum imgp_lastword says;
	size_t i;

	for (i = 0; i < imgp_lastwords_count(d->o->words); i++) {
		says = imgp_lastwords_of(d->o->words, i);
		if (says < IMGP_LASTWORD_FAILED ||
		    (says == IMGP_LASTWORD_FAILED && d->o->failed))
			d->todo[d->ntodo++] = i;
	}
}

/*
 * What to do again: ${*lost} inputs whose worker died, and ${*waiting} that are waited
 * for.  An input that was lost too often is left.
 */
static void
choose_again(struct drive *d, size_t *lost, size_t *waiting)
{
	size_t i, n = d->ntodo, at;
	enum imgp_lastword says;
	int lacks, waits;

	d->ntodo = *lost = *waiting = 0;
	for (i = 0; i < n; i++) {
		at = d->todo[i];
		says = imgp_lastwords_of(d->o->words, at);
		lacks = says != IMGP_LASTWORD_SETTLED &&
		    imgp_lastwords_try(d->o->words, at) < d->try;
		waits = !lacks && says == IMGP_LASTWORD_WAITS;
		if (lacks && ++d->losses[at] > MOST_LOSSES)
			continue;
		*lost += (size_t)lacks;
		*waiting += (size_t)waits;
		if (lacks || waits)
			d->todo[d->ntodo++] = at;
	}
}

/* Until ${end}, while nothing runs. */
static void
await_replica(struct drive *d, int64_t end)
{
	int64_t left;

	while (d->signal == 0 && (left = end - imgp_clock_ms()) > 0) {
		await(d, left);
		take_signal(d);
	}
}

/* --- rounds ------------------------------------------------------------------------ */

/* One round; 0, or -1 with ${d->e}. */
static int
do_round(struct drive *d)
{
	if (write_shards(d) == -1)
		return -1;
	if (d->came->first == 0)
		d->came->first = d->try;
	if (!d->o->quiet)
		say(d, "round %lu: %zu input%s in %zu shard%s", d->try,
		    d->ntodo, d->ntodo == 1 ? "" : "s", d->shards,
		    d->shards == 1 ? "" : "s");
	d->began = imgp_clock_ms();
	if (start_engine(d) == -1)
		return -1;
	await_engine(d);
	if (d->came->at_once)
		return 0;
	if (d->signal == 0 && d->engine_status != 0 && d->ending == 0) {
		say(d, "the engine failed with status %d", d->engine_status);
		worsen(d, d->engine_status == IMGP_EX_USAGE ||
		    d->engine_status == 126 || d->engine_status == 127 ?
		    IMGP_EX_USAGE : IMGP_EX_TEMPFAIL);
	}
	if (imgp_lastwords_read(d->o->words, d->e) == -1)
		return -1;
	if (imgp_rundir_has(d->o->dir, "refused"))
		worsen(d, IMGP_EX_USAGE);
	return release_dead(d);
}

/* Round after round, the last of which looks for the last time at what is not there;
 * 0, or -1 with ${d->e}. */
static int
do_rounds(struct drive *d)
{
	int64_t end = imgp_clock_ms() + d->o->wait_ms, next;
	int last = d->o->wait_ms == 0;
	size_t lost, waiting;

	while (d->ntodo > 0 && d->signal == 0) {
		if (d->o->settle(d->o->arg, last, d->e) == -1 ||
		    do_round(d) == -1)
			return -1;
		if (d->came->status != 0)
			break;
		choose_again(d, &lost, &waiting);
		if (lost == 0 && last)
			break;
		next = d->began + d->o->interval_ms;
		if (waiting > 0 && next >= end) {
			last = 1;
			next = end;
		}
		if (lost == 0)
			await_replica(d, next);
	}
	return 0;
}

/* What no worker finished, this time either. */
static void
count_left(struct drive *d)
{
	size_t i;

	for (i = 0; i < imgp_lastwords_count(d->o->words); i++)
		d->came->left += imgp_lastwords_of(d->o->words, i) ==
		    IMGP_LASTWORD_NONE;
	if (d->came->left > 0)
		worsen(d, IMGP_EX_TEMPFAIL);
}

int
imgp_drive(const struct imgp_drive *o, struct imgp_driven *came,
    struct imgp_err *e)
{
	size_t n = imgp_lastwords_count(o->words);
	struct drive d = { .o = o, .came = came, .e = e };
	int rc = -1;

	memset(came, 0, sizeof *came);
	d.todo = imgp_alloc((n + 1) * sizeof *d.todo);
	d.losses = imgp_alloc(n + 1);
	await_ghosts(&d);
	if (number_try(&d) == 0 && release_dead(&d) == 0 &&
	    imgp_lastwords_read(o->words, e) != -1) {
		choose_first(&d);
		rc = do_rounds(&d);
	}
	if (rc == 0)
		count_left(&d);
	free(d.todo);
	free(d.losses);
	return rc;
}
