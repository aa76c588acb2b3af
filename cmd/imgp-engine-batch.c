/*
 * imgp-engine-batch: shards of a sharded run as jobs of AWS Batch (imgpipe-engines(7)).
 *
 *	imgp-engine-batch RUN JOBS CMD <names of shards
 *	imgp-engine-batch --shard URL PACK SIZE		in a container
 *
 * A round is one array of as many containers as may be at work at once, each with its
 * share of the shards; Batch itself has no other cap on an array.  Nothing that Batch
 * says of a job counts as a result: these come by S3 (engine_batch.h).
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/engine_batch.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/ini.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/program.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/job/rundir.h"
#include "libimgpipe/net/batch.h"
#include "libimgpipe/store/tree.h"

#define SOON_MS		1000		/* how soon to look at a job, at first */
#define LATER_MS	10000		/* and later */
#define TRIES		6		/* before a job is there */
#define UNKNOWN		10		/* looks at a job that Batch does not know */

enum { OPT_SHARD = 256 };
static const struct imgp_opt opts[] = {
	{ OPT_SHARD, "shard", NULL, "in a container: do a part of the shards" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = { "RUN JOBS CMD <names",
	"--shard URL PACK SIZE", NULL };
static const struct imgp_tool tool = { "imgp-engine-batch", synopsis,
	"Run the shards of a sharded run as jobs of AWS Batch.", opts, NULL, 0 };

struct engine {
	char	**site;			/* words of IMGP_BATCH */
	const char *queue, *definition;
	struct imgp_rundir dir;
	struct engine_batch_place place;
	char	*job;			/* the name of jobs of this directory */
	char	*pack;			/* of this round */
	int	 size;			/* containers */
	struct imgp_batch *batch;
	char	 id[64];		/* "": there is no job */
	int	 status;		/* the worst of copies */
};

struct swept {
	const struct engine *en;
	char	**urls;
};

static void __attribute__((__format__(printf, 1, 2)))
say(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", imgp_progname);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* Put a copy of ${s} at the end of a list. */
static void
take_text(char ***list, const char *s)
{
	size_t n = 0;

	while ((*list)[n] != NULL)
		n++;
	*list = imgp_realloc(*list, n + 2, sizeof **list);
	(*list)[n] = imgp_strdup(s);
	(*list)[n + 1] = NULL;
}

/* --- what goes to the containers ----------------------------------------------------- */

static int
begins(const char *line, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strncmp(line, *names, strlen(*names)) == 0)
			return 1;
	return 0;
}

/* Nonzero when the setting is of use in a container, and no secret.  Of AWS's these
 * are few: a container has the role of its definition. */
static int
is_sent(const char *line)
{
	static const char *const own[] = { "IMGP_SPOOL=", "IMGP_BATCH=",
	    "IMGP_API_TOKEN", "IMGP_MAIL", "IMGP_LABS_MAIL", "IMGP_ADMINS_MAIL",
	    "IMGP_PING", "PGPASSWORD=", "PGPASSFILE=", "PGSERVICEFILE=",
	    "PGSYSCONFDIR=", NULL };
	static const char *const aws[] = { "AWS_REGION=", "AWS_DEFAULT_REGION=",
	    "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=", NULL };

	return strncmp(line, "AWS_", 4) == 0 ? begins(line, aws) :
	    !begins(line, own);
}

/* -1 with ${e} when ${value} of the setting ${name}, as ${where} has it, is a secret. */
static int
keep_secret(const char *where, const char *name, const char *value,
    struct imgp_err *e)
{
	if (!imgp_conf_holds_secret(name, value))
		return 0;
	return imgp_fail(e, IMGP_E_CONFIG, "%s: %s holds a secret, which is not "
	    "for S3: let the job's definition take it from a secret of AWS's",
	    where, name);
}

/* The same of a line of "conf", IMGP_NAME=VALUE. */
static int
check_line(const char *line, struct imgp_err *e)
{
	char name[64];
	size_t n = 0;

	if (strncmp(line, "IMGP_", 5) != 0)
		return 0;
	for (line += 5; *line != '\0' && *line != '=' && n < sizeof name - 1;
	    line++)
		name[n++] = (char)tolower((unsigned char)*line);
	name[n] = '\0';
	return *line == '\0' ? 0 : keep_secret("the environment", name, line + 1,
	    e);
}

/* For imgp_ini_read(). */
static int
check_setting(void *arg, const char *section, const char *key,
    const char *value, size_t line, struct imgp_err *e)
{
	(void)arg;
	(void)section;
	(void)line;
	return keep_secret("the file of settings", key, value, e);
}

static int
send_config(const struct engine *en, struct imgp_err *e)
{
	char *path;
	int rc;

	if (!imgp_rundir_has(&en->dir, "config"))
		return 0;
	path = imgp_asprintf("%s/config", en->dir.path);
	rc = imgp_ini_read(path, 0, check_setting, NULL, e);
	free(path);
	return rc == -1 ? -1 : engine_batch_copy(&en->place, "config", 0, e);
}

static int
send_conf(const struct engine *en, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char *line = NULL, *url;
	size_t size = 0;
	int fd = imgp_rundir_read(&en->dir, "conf", e), rc = 0;
	FILE *fp = fd == -1 ? NULL : fdopen(fd, "r");

	if (fp == NULL)
		return -1;
	while (rc == 0 && getline(&line, &size, fp) != -1) {
		if (!is_sent(line))
			continue;
		rc = check_line(line, e);
		imgp_buf_puts(&b, line);
	}
	fclose(fp);
	free(line);
	url = imgp_place_join(en->place.url, "conf");
	if (rc == 0)
		rc = imgp_store_put(en->place.objects, url, b.s, b.len, e);
	free(url);
	imgp_buf_release(&b);
	return rc;
}

/* Add in/${name} to the pack. */
static int
pack_shard(const struct engine *en, const char *name, struct imgp_buf *pack,
    struct imgp_err *e)
{
	char *in = imgp_asprintf("in/%s", name);
	struct imgp_buf b = IMGP_BUF_INIT;
	int rc = imgp_rundir_read_all(&en->dir, in, &b, e);

	free(in);
	if (rc == 0) {
		imgp_buf_printf(pack, "%s %zu\n", name, b.len);
		imgp_buf_add(pack, b.s, b.len);
	}
	imgp_buf_release(&b);
	return rc;
}

/* Take the names of the shards: how many, -1 with ${e}. */
static int
read_names(struct engine *en, struct imgp_buf *pack, struct imgp_err *e)
{
	char *line = NULL;
	size_t size = 0;
	int n = 0;

	while (n != -1 && getline(&line, &size, stdin) != -1) {
		line[strcspn(line, "\n")] = '\0';
		if (imgp_rundir_try(line) == 0 || strchr(line, '.') != NULL) {
			imgp_fail(e, IMGP_E_CONFIG, "standard input has what is "
			    "no name of a shard");
			n = -1;
		} else if (pack_shard(en, line, pack, e) == -1)
			n = -1;
		else if (n++ == 0)
			en->pack = imgp_asprintf("%s.pack", line);
	}
	free(line);
	return n;
}

static int
send_all(const struct engine *en, const struct imgp_buf *pack,
    struct imgp_err *e)
{
	char *url = imgp_place_join(en->place.url, en->pack);
	int rc = send_conf(en, e);

	if (rc == 0)
		rc = send_config(en, e);
	if (rc == 0)
		rc = imgp_store_put(en->place.objects, url, pack->s, pack->len,
		    e);
	free(url);
	return rc;
}

/* --- what comes back ------------------------------------------------------------------ */

static void
on_copied(void *arg, const char *from, const char *to,
    const struct imgp_copied *copied, const struct imgp_err *e)
{
	struct engine *en = arg;
	struct imgp_err why;

	(void)to;
	(void)copied;
	if (e == NULL && imgp_store_remove(en->place.objects, from, &why) == 0)
		return;
	imgp_complain(e == NULL ? &why : e);
	en->status = IMGP_EX_TEMPFAIL;
}

static void
on_listed(void *arg, int64_t bytes)
{
	(void)arg;
	(void)bytes;
}

/* Take what containers left into the directory, and out of S3. */
static void
fetch(struct engine *en)
{
	static const char *names[] = { "out/*", "err/*", "runs/*", "refused" };
	const struct imgp_tree t = { .include = names,
	    .ninclude = sizeof names / sizeof *names, .jobs = 8,
	    .done = on_copied, .listed = on_listed, .arg = en };
	struct imgp_err e;

	if (imgp_tree_copy(&t, en->place.objects, en->place.url,
	    en->place.files, en->place.dir, &e) == -1 &&
	    strcmp(e.code, IMGP_E_STORE_NOT_FOUND) != 0) {
		imgp_complain(&e);
		en->status = IMGP_EX_TEMPFAIL;
	}
}

static int
take_sent(void *arg, const char *url, const struct imgp_object *object)
{
	struct swept *s = arg;

	(void)object;
	if (strchr(url + strlen(s->en->place.url), '/') == NULL)
		take_text(&s->urls, url);
	return 0;
}

/* Remove what was sent, by this engine or one that was killed, and what is said by a
 * container that refused its settings then. */
static void
sweep(struct engine *en)
{
	struct swept s = { en, imgp_alloc(sizeof *s.urls) };
	struct imgp_err e;
	size_t i;

	if (imgp_store_list(en->place.objects, en->place.url, take_sent, &s,
	    &e) == -1)
		imgp_complain(&e);
	for (i = 0; s.urls[i] != NULL; i++)
		if (imgp_store_remove(en->place.objects, s.urls[i], &e) == -1)
			imgp_complain(&e);
	imgp_rundir_free_list(s.urls);
}

/* --- the job --------------------------------------------------------------------------- */

static void
take_left(void *arg, const char *id)
{
	take_text(arg, id);
}

/* Terminate what an engine of this directory left that was killed. */
static int
cancel_left(struct engine *en, struct imgp_err *e)
{
	char **ids = imgp_alloc(sizeof *ids);
	int rc = imgp_batch_left(en->batch, en->queue, en->job, take_left, &ids,
	    e);
	size_t i;

	for (i = 0; rc == 0 && ids[i] != NULL; i++)
		rc = imgp_batch_terminate(en->batch, ids[i], e);
	imgp_rundir_free_list(ids);
	return rc;
}

/* Submit it, after what may be left; again where Batch has no time now. */
static int
submit(struct engine *en, struct imgp_err *e)
{
	char size[16];
	const char *command[] = { "imgp-engine-batch", "--shard", en->place.url,
	    en->pack, size, NULL };
	const struct imgp_batch_job job = { en->job, en->queue, en->definition,
	    command, en->size };
	int tries, ms = SOON_MS;

	snprintf(size, sizeof size, "%d", en->size);
	for (tries = 0; tries < TRIES; tries++, ms *= 2) {
		if (tries > 0 && engine_batch_await(ms) == SIGTERM)
			return 128 + SIGTERM;
		if (cancel_left(en, e) == 0 && imgp_batch_submit(en->batch, &job,
		    en->id, e) == 0)
			return 0;
		if (strcmp(e->code, IMGP_E_STORE_UNAVAILABLE) != 0)
			break;
	}
	imgp_complain(e);
	return strcmp(e->code, IMGP_E_STORE_UNAVAILABLE) == 0 ? IMGP_EX_TEMPFAIL :
	    IMGP_EX_USAGE;
}

/* Look at the job until it has ended, or with ${stop} is to be ended: 1; 0 on SIGTERM;
 * -1 with ${e}.  An error that may pass is no answer. */
static int
await_job(struct engine *en, struct imgp_batch_state *s, int stop,
    struct imgp_err *e)
{
	int ms = SOON_MS, unknown = 0, said = 0;

	for (;; ms = ms * 2 > LATER_MS ? LATER_MS : ms * 2) {
		if (engine_batch_await(stop || unknown ? SOON_MS : ms) == SIGTERM && !stop)
			return 0;
		if (imgp_batch_look(en->batch, en->id, s, e) == 0) {
			if (s->ended || (!s->known && ++unknown == UNKNOWN))
				return 1;
			if (s->known)
				unknown = 0;
			continue;
		}
		if (strcmp(e->code, IMGP_E_STORE_UNAVAILABLE) != 0)
			return -1;
		if (!said++)
			imgp_complain(e);
	}
}

/* End the job, and wait for that. */
static void
cancel(struct engine *en)
{
	struct imgp_batch_state s;
	struct imgp_err e;
	int tries;

	for (tries = 0; imgp_batch_terminate(en->batch, en->id, &e) == -1;
	    tries++) {
		if (strcmp(e.code, IMGP_E_STORE_UNAVAILABLE) != 0 ||
		    tries == TRIES) {
			imgp_complain(&e);
			return;
		}
		(void)engine_batch_await(SOON_MS);
	}
	if (await_job(en, &s, 1, &e) == -1)
		imgp_complain(&e);
}

/* What is said of a job that has ended, and the status for it. */
static int
judge(struct engine *en, const struct imgp_batch_state *s)
{
	struct imgp_err e;
	char words[256];
	int status;

	if (!s->known) {
		say("job %s is not known any more", en->id);
		return IMGP_EX_OK;
	}
	if (s->cancelled) {
		say("job %s was cancelled", en->id);
		return IMGP_EX_TEMPFAIL;
	}
	if (s->failed == 0)
		return IMGP_EX_OK;
	if (imgp_batch_why(en->batch, en->id, s->elements > 1, &status, words,
	    &e) == -1) {
		imgp_complain(&e);
		return IMGP_EX_OK;
	}
	say("job %s: %d of %d containers failed: status %d, %s", en->id,
	    s->failed, s->elements, status, words);
	/* A host that was lost, or a worker that died, is the driver's matter. */
	if (status == IMGP_EX_USAGE)
		return IMGP_EX_USAGE;
	return status != -1 || strncmp(words, "Host EC2", 8) == 0 ? IMGP_EX_OK :
	    IMGP_EX_TEMPFAIL;
}

static int
watch(struct engine *en)
{
	struct imgp_batch_state s;
	struct imgp_err e;
	int rc = await_job(en, &s, 0, &e);

	if (rc == 1)
		return judge(en, &s);
	if (rc == -1)
		imgp_complain(&e);
	cancel(en);
	return rc == 0 ? 128 + SIGTERM : IMGP_EX_TEMPFAIL;
}

/* --- all of it ------------------------------------------------------------------------- */

/* QUEUE DEFINITION URL. */
static int
take_site(struct engine *en, struct imgp_err *e)
{
	const char *words = getenv("IMGP_BATCH");

	en->site = imgp_program_words(words == NULL ? "" : words);
	if (en->site[0] == NULL || en->site[1] == NULL || en->site[2] == NULL ||
	    en->site[3] != NULL || strncmp(en->site[2], "s3://", 5) != 0)
		return imgp_fail(e, IMGP_E_CONFIG, "IMGP_BATCH must be a job "
		    "queue, a job definition and a place s3://BUCKET/PREFIX");
	en->queue = en->site[0];
	en->definition = en->site[1];
	return 0;
}

/* The name under which S3 and Batch know the directory, made once: in/.batch. */
static char *
name_of_dir(const struct engine *en, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char *made;

	if (imgp_rundir_has(&en->dir, "in/.batch")) {
		if (imgp_rundir_read_all(&en->dir, "in/.batch", &b, e) == -1)
			return NULL;
		if (imgp_run_id_is(b.s))
			return imgp_buf_steal(&b);
		imgp_buf_release(&b);
	}
	made = imgp_run_id_new();
	if (imgp_rundir_write(&en->dir, "in/.batch", made, strlen(made), e) == 0)
		return made;
	free(made);
	return NULL;
}

static int
open_all(struct engine *en, const char *run, struct imgp_err *e)
{
	char *name, *url;
	int rc;

	if (take_site(en, e) == -1 || imgp_conf_load(e) == -1 ||
	    imgp_rundir_enter(&en->dir, run, e) == -1 ||
	    (name = name_of_dir(en, e)) == NULL)
		return -1;
	en->job = imgp_asprintf("imgp-%s", name);
	url = imgp_place_join(en->site[2], name);
	rc = engine_batch_open(&en->place, en->dir.path, url, e);
	free(name);
	free(url);
	return rc == -1 || (en->batch = imgp_batch_open(e)) == NULL ? -1 : 0;
}

static int
drive(struct engine *en, struct imgp_err *e)
{
	struct imgp_buf pack = IMGP_BUF_INIT;
	int n = read_names(en, &pack, e), status;

	if (en->size > n)
		en->size = n;
	if (en->size > IMGP_BATCH_ELEMENTS)
		en->size = IMGP_BATCH_ELEMENTS;
	if (n == 0 || n == -1 || cancel_left(en, e) == -1) {
		imgp_buf_release(&pack);
		return n == 0 ? 0 : -1;
	}
	sweep(en);
	fetch(en);
	if (send_all(en, &pack, e) == -1)
		status = -1;
	else if ((status = submit(en, e)) == 0)
		status = watch(en);
	if (status != -1)
		fetch(en);
	sweep(en);
	imgp_buf_release(&pack);
	return status;
}

static int
run_engine(char *const operands[], int jobs)
{
	struct engine en = { .size = jobs, .dir = { .fd = -1, .lock = -1 } };
	struct imgp_err e;
	int status = -1;

	if (open_all(&en, operands[0], &e) == 0)
		status = drive(&en, &e);
	if (status == -1) {
		imgp_complain(&e);
		status = imgp_error_is_temporary(e.code) ? IMGP_EX_TEMPFAIL :
		    IMGP_EX_USAGE;
	}
	imgp_batch_close(en.batch);
	engine_batch_release(&en.place);
	imgp_rundir_release(&en.dir);
	imgp_program_free_words(en.site);
	free(en.job);
	free(en.pack);
	return status > 128 ? status : imgp_exit_worse(status, en.status);
}

static int
number(const char *s, long long least, long long most)
{
	long long n;

	if (imgp_parse_int(s, least, most, &n) == -1)
		imgp_usage(&tool, "%s: %lld to %lld", s, least, most);
	return (int)n;
}

int
main(int argc, char *argv[])
{
	const char *index = getenv("AWS_BATCH_JOB_ARRAY_INDEX");
	int ch, shard = 0;
	sigset_t set;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		shard = ch == OPT_SHARD;
	argv += optind;
	if (argc - optind != 3)
		imgp_usage(&tool, "three operands are wanted");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		imgp_usage(&tool, "signals cannot be blocked");
	if (!shard)
		return run_engine(argv, number(argv[1], 1, INT_MAX));
	return engine_batch_work(argv[0], argv[1], number(argv[2], 1,
	    IMGP_BATCH_ELEMENTS), index == NULL || *index == '\0' ? 0 :
	    number(index, 0, IMGP_BATCH_ELEMENTS - 1));
}
