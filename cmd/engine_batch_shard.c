/* imgp-engine-batch in a container: its part of the shards of a round. */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/engine_batch.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/child.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/program.h"
#include "libimgpipe/base/textset.h"
#include "libimgpipe/job/rundir.h"

#define LOOK_MS		200		/* how often to look for a run that began */

extern char **environ;

struct container {
	struct engine_batch_place place;
	struct imgp_rundir dir;
	char	*path, *program;	/* of the directory, of imgp-run */
	struct imgp_buf pack;
	struct imgp_textset *done;	/* shards that an earlier attempt ended */
	char	*told;			/* the run that S3 knows of; NULL: none */
	int	 ended;			/* SIGTERM came */
};

/* --- the place -------------------------------------------------------------------- */

int
engine_batch_open(struct engine_batch_place *p, const char *dir,
    const char *url, struct imgp_err *e)
{
	char *place = imgp_place_of_path(dir, e);

	p->url = imgp_place_join(url, "");
	p->files = p->objects = NULL;
	p->dir = place == NULL ? NULL : imgp_place_join(place, "");
	free(place);
	if (p->dir == NULL || (p->files = imgp_store_open(p->dir,
	    IMGP_STORE_CLOSED, e)) == NULL)
		return -1;
	p->objects = imgp_store_open(p->url, 0, e);
	return p->objects == NULL ? -1 : 0;
}

void
engine_batch_release(struct engine_batch_place *p)
{
	imgp_store_close(p->files);
	imgp_store_close(p->objects);
	free(p->dir);
	free(p->url);
}

int
engine_batch_copy(const struct engine_batch_place *p, const char *name,
    int back, struct imgp_err *e)
{
	char *file = imgp_place_join(p->dir, name);
	char *object = imgp_place_join(p->url, name);
	struct imgp_copy copy = { .src = p->files, .from = file,
	    .dst = p->objects, .to = object };
	struct imgp_copy other = { .src = p->objects, .from = object,
	    .dst = p->files, .to = file };
	struct imgp_copied copied = { .existed = 0 };
	int rc = imgp_store_copy(back ? &other : &copy, &copied, e);

	free(file);
	free(object);
	return rc;
}

int
engine_batch_await(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	while ((sig = sigtimedwait(&set, NULL, &t)) == -1)
		if (errno != EINTR)
			return 0;
	return sig;
}

/* --- the directory ----------------------------------------------------------------- */

static int
remove_entry(const char *path, const struct stat *st, int type,
    struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

static int
make_dir(struct container *c, struct imgp_err *e)
{
	static const char *const sub[] = { "in", "out", "err", "runs", "spool" };
	const char *tmp = getenv("TMPDIR");
	size_t i;

	c->path = imgp_asprintf("%s/imgp-batch.XXXXXX",
	    tmp == NULL || *tmp == '\0' ? "/tmp" : tmp);
	if (mkdtemp(c->path) == NULL)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", c->path);
	if (imgp_rundir_enter(&c->dir, c->path, e) == -1)
		return -1;
	for (i = 0; i < sizeof sub / sizeof *sub; i++)
		if (mkdirat(c->dir.fd, sub[i], 0700) == -1)
			return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s/%s",
			    c->path, sub[i]);
	return 0;
}

/* Lines of a .pgpass file, which a definition takes from secrets. */
static int
write_pgpass(struct container *c, struct imgp_err *e)
{
	static const char *const names[] = { "IMGP_PGPASS_DATABASE",
	    "IMGP_PGPASS_REPLICA" };
	struct imgp_buf b = IMGP_BUF_INIT;
	char *path;
	const char *s;
	size_t i;
	int rc = 0;

	for (i = 0; i < sizeof names / sizeof *names; i++) {
		if ((s = getenv(names[i])) != NULL && *s != '\0')
			imgp_buf_printf(&b, "%s\n", s);
		unsetenv(names[i]);
	}
	path = imgp_asprintf("%s/pgpass", c->path);
	if (b.len > 0 && ((rc = imgp_rundir_write(&c->dir, "pgpass", b.s, b.len,
	    e)) == 0) && setenv("PGPASSFILE", path, 1) == -1)
		imgp_oom();
	explicit_bzero(b.s, b.len);
	imgp_buf_release(&b);
	free(path);
	return rc;
}

/* The settings of the run; those of the definition count before them. */
static int
settle(struct container *c, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	size_t i;
	int rc;

	if (write_pgpass(c, e) == -1 ||
	    imgp_rundir_read_all(&c->dir, "conf", &b, e) == -1)
		return -1;
	imgp_buf_printf(&b, "IMGP_SPOOL=%s/spool\n", c->path);
	for (i = 0; environ[i] != NULL; i++)
		if (strncmp(environ[i], "IMGP_", 5) == 0 &&
		    strchr(environ[i], '\n') == NULL)
			imgp_buf_printf(&b, "%s\n", environ[i]);
	rc = imgp_rundir_write(&c->dir, "conf", b.s, b.len, e);
	imgp_buf_release(&b);
	return rc;
}

/* An earlier attempt of this container may have ended some shards. */
static int
take_done(void *arg, const char *url, const struct imgp_object *object)
{
	struct container *c = arg;
	const char *name = strrchr(url, '/') + 1;
	size_t len = strlen(name);
	char *shard;

	(void)object;
	if (len > 6 && strcmp(name + len - 6, ".jsonl") == 0) {
		shard = imgp_strndup(name, strcspn(name, "."));
		imgp_textset_add(c->done, shard);
		free(shard);
	}
	return 0;
}

static int
fetch(struct container *c, const char *pack, struct imgp_err *e)
{
	const char *attempt = getenv("AWS_BATCH_JOB_ATTEMPT");
	char *out;
	int rc = 0;

	if (engine_batch_copy(&c->place, "conf", 1, e) == -1 ||
	    engine_batch_copy(&c->place, pack, 1, e) == -1 ||
	    imgp_rundir_read_all(&c->dir, pack, &c->pack, e) == -1)
		return -1;
	if (engine_batch_copy(&c->place, "config", 1, e) == -1 &&
	    strcmp(e->code, IMGP_E_STORE_NOT_FOUND) != 0)
		return -1;
	if (attempt != NULL && strcmp(attempt, "1") != 0) {
		out = imgp_place_join(c->place.url, "out/");
		rc = imgp_store_list(c->place.objects, out, take_done, c, e);
		free(out);
	}
	return rc;
}

/* --- a shard ----------------------------------------------------------------------- */

/* Copy what ${sub} has of the shard to S3. */
static int
send_files(const struct container *c, const char *sub, const char *shard,
    struct imgp_err *e)
{
	char **names = imgp_rundir_list(&c->dir, sub, e), *name;
	size_t len = strlen(shard), i;
	int rc = names == NULL ? -1 : 0;

	for (i = 0; rc == 0 && names[i] != NULL; i++) {
		if (strncmp(names[i], shard, len) != 0 || names[i][len] != '.')
			continue;
		name = imgp_asprintf("%s/%s", sub, names[i]);
		rc = engine_batch_copy(&c->place, name, 0, e);
		free(name);
	}
	imgp_rundir_free_list(names);
	return rc;
}

/* The name of the worker's run, "runs/RUN", the caller's to free; NULL: it has begun
 * none, or needs none any more. */
static char *
run_of(const struct container *c)
{
	struct imgp_err e;
	char **names = imgp_rundir_list(&c->dir, "runs", &e);
	char *run = names == NULL || names[0] == NULL ? NULL :
	    imgp_asprintf("runs/%s", names[0]);

	imgp_rundir_free_list(names);
	return run;
}

/* Tell S3 of that run, whose leases are given back should this container die; where
 * it cannot be told, they run out. */
static void
tell_run(struct container *c)
{
	struct imgp_err e;
	char *run = run_of(c);

	if (run != NULL && engine_batch_copy(&c->place, run, 0, &e) == 0)
		c->told = run;
	else
		free(run);
}

/* Leave in S3 what came of a shard. */
static int
leave(struct container *c, const char *shard, struct imgp_err *e)
{
	char *run = run_of(c), *url;
	int rc;

	if (run != NULL && c->told == NULL)
		tell_run(c);
	rc = send_files(c, "out", shard, e) == -1 ||
	    send_files(c, "err", shard, e) == -1 ||
	    (imgp_rundir_has(&c->dir, "refused") &&
	    engine_batch_copy(&c->place, "refused", 0, e) == -1) ? -1 : 0;
	if (rc == 0 && run == NULL && c->told != NULL) {
		url = imgp_place_join(c->place.url, c->told);
		rc = imgp_store_remove(c->place.objects, url, e);
		free(url);
	}
	if (run != NULL)
		(void)unlinkat(c->dir.fd, run, 0);
	free(run);
	free(c->told);
	c->told = NULL;
	return rc;
}

/* Until imgp-run is gone. */
static void
await_worker(struct container *c, pid_t pid)
{
	int status, sig = 0;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (sig == SIGTERM) {
			c->ended = 1;
			kill(pid, SIGTERM);
		}
		if (c->told == NULL)
			tell_run(c);
		sig = engine_batch_await(c->told == NULL ? LOOK_MS : 60000);
	}
	/* One that came at the end. */
	c->ended |= sig == SIGTERM;
}

static int
work_shard(struct container *c, const char *shard, const char *inputs,
    size_t len, struct imgp_err *e)
{
	char *argv[] = { c->program, imgp_strdup("--run"), c->path,
	    imgp_strdup("--shard"), imgp_strdup(shard), NULL };
	struct imgp_child child = { argv, -1, STDERR_FILENO, -1, 1, 0 };
	char *in = imgp_asprintf("in/%s", shard);
	pid_t pid = -1;
	int rc = imgp_rundir_write(&c->dir, in, inputs, len, e);

	if (rc == 0 && ((child.in = open("/dev/null", O_RDONLY | O_CLOEXEC)) ==
	    -1 || (pid = imgp_child_start(&child, e)) == -1))
		rc = -1;
	if (child.in != -1)
		close(child.in);
	if (rc == 0) {
		await_worker(c, pid);
		rc = leave(c, shard, e);
	}
	free(argv[1]);
	free(argv[3]);
	free(argv[4]);
	free(in);
	return rc;
}

/* The next shard of the pack at ${*at}: 1, 0 at its end, -1 where it is none. */
static int
next_shard(const struct imgp_buf *pack, size_t *at, char name[40],
    const char **inputs, size_t *len)
{
	const char *s = pack->s + *at, *end;

	if (*at == pack->len)
		return 0;
	if ((end = memchr(s, '\n', pack->len - *at)) == NULL || end - s > 70 ||
	    sscanf(s, "%39[0-9-] %zu", name, len) != 2)
		return -1;
	*inputs = end + 1;
	*at = (size_t)(end + 1 - pack->s);
	if (imgp_rundir_try(name) == 0 || *len > pack->len - *at)
		return -1;
	*at += *len;
	return 1;
}

static int
work(struct container *c, int size, int index, struct imgp_err *e)
{
	const char *inputs;
	size_t at = 0, len;
	char name[40];
	int i, more;

	for (i = 0; !c->ended && (more = next_shard(&c->pack, &at, name, &inputs,
	    &len)) != 0; i++) {
		if (more == -1)
			return imgp_fail(e, IMGP_E_STORE_INTEGRITY,
			    "the shards of the round are damaged");
		if (i % size == index && imgp_textset_add(c->done, name) &&
		    work_shard(c, name, inputs, len, e) == -1)
			return -1;
	}
	return 0;
}

int
engine_batch_work(const char *url, const char *pack, int size, int index)
{
	struct container c = { .pack = IMGP_BUF_INIT };
	char *tools = imgp_program_tools();
	struct imgp_err e;
	int rc = IMGP_EX_OK;

	c.dir.fd = -1;
	c.done = imgp_textset_new();
	c.program = imgp_asprintf("%s/imgp-run", tools);
	if (imgp_conf_load(&e) == -1 || make_dir(&c, &e) == -1 ||
	    engine_batch_open(&c.place, c.path, url, &e) == -1 ||
	    fetch(&c, pack, &e) == -1 || settle(&c, &e) == -1 ||
	    work(&c, size, index, &e) == -1) {
		imgp_complain(&e);
		rc = imgp_error_is_temporary(e.code) ? IMGP_EX_TEMPFAIL :
		    IMGP_EX_USAGE;
	}
	if (c.dir.fd != -1)
		nftw(c.path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	engine_batch_release(&c.place);
	imgp_rundir_release(&c.dir);
	imgp_textset_free(c.done);
	imgp_buf_release(&c.pack);
	free(c.path);
	free(c.program);
	free(tools);
	return c.ended ? 128 + SIGTERM : rc;
}
