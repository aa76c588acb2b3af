#include <sys/wait.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/supervise_engine.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/child.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/processors.h"
#include "libimgpipe/base/program.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/drive.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/job/shard.h"
#include "libimgpipe/job/tally.h"
#include "libimgpipe/steps/event.h"

#define PATIENCE	"60"		/* seconds that an engine may take to end */
#define FLUSH_BYTES	65536u

struct sharded {
	const struct engine_options *o;
	struct imgp_rundir dir;
	struct imgp_lastwords *words;
	const char	*name;		/* of the engine */
	char		*engine, *program;	/* paths */
	char		**options;	/* for the shards; ended by NULL */
	struct imgp_tally *tally;
	int		 status;
	int		 open;		/* some input may be delivered yet */
};

int
engine_is_wanted(const struct engine_options *o)
{
	return o->engine != NULL || o->run != NULL || o->shard != NULL ||
	    o->per_shard != 0 || o->shard_jobs != 0 || o->resume || o->failed;
}

static void
say(const char *text)
{
	fprintf(stderr, "%s: %s\n", imgp_progname, text);
}

static void
worsen(struct sharded *s, int status)
{
	s->status = imgp_exit_worse(s->status, status);
}

static _Noreturn void
die(const char *code, const char *what, const char *why)
{
	struct imgp_err e;

	imgp_fail(&e, code, "%s: %s", what, why);
	imgp_die(&e);
}

/* --- programs ------------------------------------------------------------------------ */

/* A tool of this build. */
static char *
tool_path(const char *name)
{
	char *tools = imgp_program_tools();
	char *path = imgp_asprintf("%s/%s", tools, name);
	char *real = realpath(path, NULL);

	free(tools);
	if (real == NULL)
		return path;
	free(path);
	return real;
}

/* imgp-engine-NAME beside this program, or in one of the directories of ${list}. */
static char *
find_engine(const char *name, const char *list)
{
	char *file = imgp_asprintf("imgp-engine-%s", name);
	char *path = imgp_program_beside(file);
	size_t n;

	free(file);
	while (access(path, X_OK) == -1) {
		free(path);
		if (*list == '\0')
			return NULL;
		n = strcspn(list, ":");
		path = imgp_asprintf("%.*s/imgp-engine-%s", n == 0 ? 1 : (int)n,
		    n == 0 ? "." : list, name);
		list += n + (list[n] == ':');
	}
	return path;
}

/* The engine's path.  It gets the PATH that imgp-run was called with. */
static void
settle_engine(struct sharded *s)
{
	const char *path = getenv("IMGP_CALLER_PATH");

	s->name = s->o->engine == NULL ? "local" : s->o->engine;
	if (*s->name == '\0' || s->name[strspn(s->name, "abcdefghijklmnopqrst"
	    "uvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] != '\0')
		die(IMGP_E_CONFIG, "--engine", "no name of an engine");
	if (path != NULL && *path != '\0' && setenv("PATH", path, 1) == -1)
		imgp_oom();
	s->engine = find_engine(s->name, path == NULL ? "" : path);
	if (s->engine == NULL)
		die(IMGP_E_CONFIG, s->name, "no imgp-engine of that name in "
		    "imgpipe's libexec directory or in PATH");
	s->program = tool_path("imgp-run");
}

/* Give back what a worker's run holds. */
static int
release(const char *run)
{
	char *path = tool_path("imgp-record"), *name = imgp_strdup(run);
	char *argv[] = { path, imgp_strdup("-q"), imgp_strdup("release"),
	    imgp_strdup("--run"), name, NULL };
	struct imgp_child c = { argv, -1, STDERR_FILENO, -1, 0, 0 };
	struct imgp_err e;
	int status = -1, i;
	pid_t pid;

	if (!imgp_run_id_is(run))
		status = 0;
	else if ((c.in = open("/dev/null", O_RDONLY | O_CLOEXEC)) == -1 ||
	    (pid = imgp_child_start(&c, &e)) == -1)
		fprintf(stderr, "%s: %s\n", imgp_progname, run);
	else
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			;
	if (c.in != -1)
		close(c.in);
	for (i = 0; argv[i] != NULL; i++)
		free(argv[i]);
	return status == 0 ? 0 : -1;
}

/* --- the directory -------------------------------------------------------------------- */

/* Nonzero when the option is not to be taken from an earlier command: it is among
 * ${words}, or one of a round. */
static int
is_named(const char *option, char *const words[], size_t n)
{
	size_t len = strcspn(option, "="), i;

	for (i = 0; i < n; i++)
		if (strncmp(words[i], option, len) == 0)
			return 1;
	return strcmp(option, "--await") == 0;
}

/* Options for the shards: those of this command, and of earlier ones those that it
 * does not name. */
static char **
shard_options(const struct engine_options *o, char *const kept[])
{
	char **words = imgp_alloc(sizeof *words * 6);
	size_t n = 0, i;

	if (o->pipeline != NULL)
		words[n++] = imgp_asprintf("--pipeline=%s", o->pipeline);
	if (o->with != NULL)
		words[n++] = imgp_asprintf("--with=%s", o->with);
	if (o->shard_jobs != 0)
		words[n++] = imgp_asprintf("--jobs=%d", o->shard_jobs);
	if (o->again || o->failed)
		words[n++] = imgp_strdup("--again");
	if (imgp_common.verbose > 0)
		words[n++] = imgp_strdup("--verbose");
	for (i = 0; kept[i] != NULL; i++) {
		if (is_named(kept[i], words, n))
			continue;
		words = imgp_realloc(words, n + 2, sizeof *words);
		words[n++] = imgp_strdup(kept[i]);
	}
	words[n] = NULL;
	return words;
}

/* For struct imgp_drive: what the shards of a round go by. */
static int
settle(void *arg, int last, struct imgp_err *e)
{
	struct sharded *s = arg;
	size_t n = 0;
	int rc;

	while (s->options[n] != NULL)
		n++;
	s->options = imgp_realloc(s->options, n + 2, sizeof *s->options);
	s->options[n] = last ? NULL : imgp_strdup("--await");
	s->options[n + 1] = NULL;
	rc = imgp_rundir_save_conf(&s->dir, s->options, e);
	free(s->options[n]);
	s->options[n] = NULL;
	return rc;
}

/* Open it, and settle what the shards go by. */
static void
open_dir(struct sharded *s)
{
	char *path, *run = imgp_run_id_new(), **kept;
	struct imgp_err e;

	path = s->o->run != NULL ? imgp_strdup(s->o->run) :
	    imgp_asprintf("imgp-run.%s", run);
	if (imgp_rundir_open(&s->dir, path, &e) == -1 ||
	    imgp_rundir_load_conf(&s->dir, 0, &kept, &e) == -1)
		imgp_die(&e);
	s->options = shard_options(s->o, kept);
	if (imgp_conf_load(&e) == -1 ||
	    imgp_conf_need_any("database", &e) == -1 ||
	    imgp_conf_need(NULL, "spool", &e) == NULL ||
	    settle(s, 1, &e) == -1)
		imgp_die(&e);
	(void)unlinkat(s->dir.fd, "refused", 0);
	imgp_rundir_free_list(kept);
	free(path);
	free(run);
}

/* --- inputs ----------------------------------------------------------------------------- */

static void
take_input(struct sharded *s, const char *line, size_t len)
{
	if (!imgp_is_blank(line, len))
		imgp_lastwords_input(s->words, line, len);
}

/* An object that an event tells of: as it is by the time a shard gets to it. */
static void
take_event(void *arg, const char *line, size_t len)
{
	struct imgp_job *job = imgp_job_parse(line, len, NULL);
	const char *source = job == NULL || imgp_job_has_errors(job) ? NULL :
	    imgp_job_str(job, "source");

	take_input(arg, source == NULL ? line : source,
	    source == NULL ? len : strlen(source));
	imgp_job_free(job);
}

static void
complain(void *arg, const struct imgp_err *e)
{
	(void)arg;
	imgp_complain(e);
}

/* Lines of ${fp}, messages about objects among them; with ${null} each ends with a
 * NUL, and a newline within it becomes one, which imgp-lookup refuses. */
static void
read_inputs(struct sharded *s, FILE *fp, int null, const char *what)
{
	const struct imgp_event_sink sink = { take_event, imgp_passed_over, complain,
	    s };
	struct imgp_event_lines *events = imgp_event_lines_new(&sink);
	char *line = NULL, *newline;
	size_t size = 0, len;
	ssize_t n;

	while ((n = getdelim(&line, &size, null ? '\0' : '\n', fp)) != -1) {
		len = (size_t)n - (line[n - 1] == (null ? '\0' : '\n'));
		while (null && (newline = memchr(line, '\n', len)) != NULL)
			*newline = '\0';
		if (!imgp_event_lines_add(events, line, len))
			take_input(s, line, len);
	}
	if (ferror(fp)) {
		fprintf(stderr, "%s: %s: %s\n", imgp_progname, what,
		    strerror(errno));
		exit(IMGP_EX_TEMPFAIL);
	}
	imgp_event_lines_end(events);
	imgp_event_lines_free(events);
	free(line);
}

/* What the directory has, then what this command names. */
static void
gather_inputs(struct sharded *s, int n, char *const operands[])
{
	struct imgp_buf ids = IMGP_BUF_INIT;
	struct imgp_err e;
	const char *text;
	size_t had, i, len;
	FILE *fp;
	int fd;

	if (imgp_rundir_has(&s->dir, "ids")) {
		if ((fd = imgp_rundir_read(&s->dir, "ids", &e)) == -1)
			imgp_die(&e);
		if ((fp = fdopen(fd, "r")) == NULL)
			imgp_oom();
		read_inputs(s, fp, 0, "ids");
		fclose(fp);
	}
	had = imgp_lastwords_count(s->words);
	if (n > 0)
		for (; n > 0; n--, operands++)
			take_input(s, *operands, strlen(*operands));
	else if (!s->o->resume && !s->o->failed)
		read_inputs(s, stdin, s->o->null, "standard input");
	if (had > 0 && had == imgp_lastwords_count(s->words))
		return;
	for (i = 0; i < imgp_lastwords_count(s->words); i++) {
		text = imgp_lastwords_text(s->words, i, &len);
		imgp_buf_add(&ids, text, len);
		imgp_buf_puts(&ids, "\n");
	}
	if (imgp_rundir_write(&s->dir, "ids", ids.s, ids.len, &e) == -1)
		imgp_die(&e);
	imgp_buf_release(&ids);
}

/* --- what came of it ---------------------------------------------------------------------- */

/* Write ${b}, and forget a descriptor that takes no more. */
static void
put(struct sharded *s, int *fd, const struct imgp_buf *b)
{
	if (*fd == -1 || imgp_write_all(*fd, b->s, b->len) != -1)
		return;
	if (*fd == STDOUT_FILENO && errno == EPIPE)
		worsen(s, 128 + SIGPIPE);
	else if (*fd == STDOUT_FILENO) {
		fprintf(stderr, "%s: standard output: %s\n", imgp_progname,
		    strerror(errno));
		worsen(s, IMGP_EX_TEMPFAIL);
	}
	*fd = -1;
}

/* Write the last words: all to "results" and standard output, and those of tries from
 * ${first} on to ${reports}. */
static void
write_results(struct sharded *s, unsigned long first, int reports)
{
	struct imgp_buf line = IMGP_BUF_INIT, all = IMGP_BUF_INIT;
	int out = STDOUT_FILENO, rc = 0;
	struct imgp_err e;
	size_t i;

	for (i = 0; i < imgp_lastwords_count(s->words) && rc != -1; i++) {
		s->open |= imgp_lastwords_of(s->words, i) < IMGP_LASTWORD_FAILED;
		imgp_buf_clear(&line);
		rc = imgp_lastwords_line(s->words, i, &line, &e);
		if (rc != 1)
			continue;
		imgp_tally_add(s->tally, line.s, line.len - 1);
		imgp_buf_add(&all, line.s, line.len);
		if (first > 0 && imgp_lastwords_try(s->words, i) >= first)
			put(s, &reports, &line);
	}
	if (rc == -1 || imgp_rundir_write(&s->dir, "results", all.s, all.len,
	    &e) == -1) {
		imgp_complain(&e);
		worsen(s, IMGP_EX_TEMPFAIL);
	}
	put(s, &out, &all);
	imgp_buf_release(&line);
	imgp_buf_release(&all);
}

/* The results, and the one report to the admins about all shards. */
static void
report(struct sharded *s, unsigned long first)
{
	char *path = tool_path("imgp-notify"), *run = imgp_run_id_new();
	char *argv[] = { path, imgp_common.quiet ? imgp_strdup("-q") : NULL,
	    NULL };
	struct imgp_child c = { argv, -1, -1, -1, 0, 0 };
	int fd[2] = { -1, -1 }, status = 0;
	struct imgp_err e = { NULL, "" };
	pid_t pid = -1;

	if (first > 0) {
		c.out = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (setenv("IMGP_RUN", run, 1) == -1)
			imgp_oom();
		if (pipe2(fd, O_CLOEXEC) == -1)
			imgp_fail_errno(&e, IMGP_E_MEMORY, "a pipe");
		c.in = fd[0];
		if (fd[0] == -1 || (pid = imgp_child_start(&c, &e)) == -1) {
			imgp_complain(&e);
			worsen(s, IMGP_EX_TEMPFAIL);
		}
		close(fd[0]);
	}
	write_results(s, first, pid == -1 ? -1 : fd[1]);
	close(fd[1]);
	if (pid != -1) {
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			;
		worsen(s, imgp_child_status(status));
	}
	close(c.out);
	free(argv[0]);
	free(argv[1]);
	free(run);
}

/* Why a shard's run refused its settings, in its own words. */
static void
show_refused(const struct sharded *s)
{
	char text[2048];
	struct imgp_err e;
	ssize_t len;
	int fd;

	if (!imgp_rundir_has(&s->dir, "refused") ||
	    (fd = imgp_rundir_read(&s->dir, "refused", &e)) == -1)
		return;
	if ((len = read(fd, text, sizeof text)) > 0)
		(void)imgp_write_all(STDERR_FILENO, text, (size_t)len);
	close(fd);
}

/* The counts, and how to go on. */
static void
summarize(const struct sharded *s, size_t left)
{
	char text[1024], more[48] = "";

	if (imgp_common.quiet && s->status == 0)
		return;
	imgp_tally_summary(s->tally, text, sizeof text);
	if (left > 0)
		snprintf(more, sizeof more, ", %zu left", left);
	if (s->open)
		fprintf(stderr, "%s: %s%s; to go on: imgp-run --engine %s "
		    "--run %s --resume\n", imgp_progname, text, more, s->name,
		    s->dir.path);
	else
		fprintf(stderr, "%s: %s%s; kept in %s\n", imgp_progname, text,
		    more, s->dir.path);
}

/* --- all of it -------------------------------------------------------------------------------- */

static int64_t
milliseconds(const char *setting)
{
	long long seconds;
	struct imgp_err e;

	if (imgp_conf_duration(NULL, setting, &seconds, &e) == -1)
		imgp_die(&e);
	return (int64_t)seconds * 1000;
}

static int64_t
patience(void)
{
	const char *given = getenv("IMGP_ENGINE_PATIENCE");
	long long seconds;

	if (imgp_parse_duration(given == NULL || *given == '\0' ? PATIENCE :
	    given, &seconds) == -1)
		die(IMGP_E_CONFIG, "IMGP_ENGINE_PATIENCE",
		    "not a duration such as 60s");
	return (int64_t)seconds * 1000;
}

static int
run_all(struct sharded *s, int signals)
{
	struct imgp_drive d = { .dir = &s->dir, .words = s->words,
	    .engine = s->engine, .worker = s->program,
	    .jobs = imgp_common.jobs_given ? imgp_common.jobs :
	    imgp_processors(), .per_shard = s->o->per_shard,
	    .wait_ms = milliseconds("wait"),
	    .interval_ms = milliseconds("interval"),
	    .patience_ms = patience(), .failed = s->o->failed,
	    .quiet = imgp_common.quiet, .signals = signals,
	    .settle = settle, .release = release, .say = say, .arg = s };
	struct imgp_driven came;
	struct imgp_err e;

	if (imgp_drive(&d, &came, &e) == -1) {
		imgp_complain(&e);
		came.status = imgp_exit_worse(came.status, IMGP_EX_TEMPFAIL);
	}
	s->status = came.status;
	if (came.at_once)
		return s->status;
	report(s, came.first);
	worsen(s, imgp_tally_exit(s->tally));
	show_refused(s);
	summarize(s, came.left);
	return s->status;
}

static int
work_shards(const struct engine_options *o, int n, char *const more[],
    int signals)
{
	char **names = imgp_alloc(((size_t)n + 2) * sizeof *names);
	char *program = tool_path("imgp-run");
	struct imgp_shard w = { o->run, names, program, signals };
	struct imgp_err e;
	int status, i;

	names[0] = imgp_strdup(o->shard);
	for (i = 0; i < n; i++)
		names[1 + i] = imgp_strdup(more[i]);
	if ((status = imgp_shard_work(&w, &e)) == -1)
		imgp_die(&e);
	imgp_rundir_free_list(names);
	free(program);
	return status;
}

int
engine_run(const struct engine_options *o, int n, char *const operands[],
    int signals)
{
	struct sharded s = { .o = o };
	char *ids;
	int status;

	if (o->shard != NULL)
		return work_shards(o, n, operands, signals);
	settle_engine(&s);
	ids = imgp_asprintf("%s/ids", o->run == NULL ? "" : o->run);
	if ((o->resume || o->failed) && access(ids, R_OK) == -1)
		die(IMGP_E_CONFIG, o->run == NULL ? "--run" : o->run,
		    "there is no run to be resumed");
	free(ids);
	open_dir(&s);
	s.tally = imgp_tally_new();
	s.words = imgp_lastwords_new(&s.dir, imgp_conf(NULL, "source"));
	gather_inputs(&s, n, operands);
	status = run_all(&s, signals);
	imgp_lastwords_free(s.words);
	imgp_tally_free(s.tally);
	imgp_rundir_release(&s.dir);
	imgp_rundir_free_list(s.options);
	free(s.engine);
	free(s.program);
	return status;
}
