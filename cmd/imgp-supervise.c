/*
 * imgp-supervise: imgp-run's options and settings, and the process that looks
 * after all others of a run; only imgp-run starts it.
 *
 *	imgp-supervise SCRIPT OPTION... [ID...]
 *
 * imgp-run replaces itself by this program, so that the process that the caller
 * knows is the one that stays to the end.  The rest of imgp-run is its child
 * SCRIPT, a process id: it asks by descriptor 3 and is told by 4, first what it
 * has to know, then as supervise.h says.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/supervise_engine.h"
#include "cmd/supervise_watch.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/processors.h"
#include "libimgpipe/base/program.h"
#include "libimgpipe/base/seats.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/base/warm.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/job/spool.h"
#include "libimgpipe/job/supervise.h"
#include "libimgpipe/job/tally.h"

/*
 * Without -j: a stage that waits for stores has so many jobs in hand, and one that
 * computes as many as there are processors, and two more, so that large uploads do
 * not hold up small ones.
 */
#define WAITING_JOBS	16
#define MORE_JOBS	2

enum { FROM_SCRIPT = 3, TO_SCRIPT = 4 };
enum { OPT_FROM = 256, OPT_PENDING, OPT_WAIT, OPT_INTERVAL, OPT_PIPELINE,
    OPT_AGAIN, OPT_FAILED, OPT_NOW, OPT_EXPLAIN, OPT_EXPLAIN_ERROR, OPT_JSON, OPT_DOCTOR,
    OPT_SEND, OPT_PROGRESS, OPT_JOBLOG, OPT_HALT, OPT_METRICS,
    OPT_WITH, OPT_ENGINE, OPT_RUN, OPT_PER_SHARD, OPT_SHARD_JOBS, OPT_RETRY_FOR,
    OPT_RETRY_EVERY, OPT_RESUME, OPT_RESUME_FAILED, OPT_SHARD,
    OPT_NO_NOTIFY, OPT_AWAIT };

static const char *const synopsis[] = {
	"[-nqv] [-j N] [--wait D] [--interval D] [--pipeline CODE] [--again] [ID ...]",
	"[-nqv0] [-j N] [--wait D] [--interval D] [--pipeline CODE] [--again] [--from FILE]",
	"[-nqv] [-j N] [--pipeline CODE] --pending [--again] [--now]",
	"[-nqv] [-j N] [--pipeline CODE] --again --failed [ERROR ...]",
	"[--pipeline CODE] --explain [--json [--pretty]] ID ...",
	"--explain-error CODE",
	"[-q] --doctor [--json [--pretty]] [--send]",
	"... [--with CMD] [--progress WHEN] [--joblog FILE] [--halt WHEN] [--metrics FILE]",
	"[-qv0] [-j JOBS] --engine NAME [--run DIR] [--per-shard N] [--shard-jobs N] "
	    "[--retry-for D] [--retry-every D] [--pipeline CODE] [--again] [--with CMD] "
	    "[--from FILE | ID ...]",
	"[-qv] [-j JOBS] [--engine NAME] --run DIR --resume | --resume-failed",
	"--run DIR --shard NAME [NAME ...]",
	NULL
};
static const struct imgp_opt opts[] = {
	{ '0', "null", NULL, "what is read ends with NUL, not with newline" },
	{ OPT_FROM, "from", "FILE", "read from FILE instead of standard input" },
	{ OPT_PENDING, "pending", NULL,
	    "deliver everything that has not been delivered" },
	{ OPT_WAIT, "wait", "D",
	    "wait so long for what the EDC does not show yet" },
	{ OPT_INTERVAL, "interval", "D", "look for it so often" },
	{ OPT_PIPELINE, "pipeline", "CODE",
	    "where several pipelines list an upload, take this" },
	{ OPT_AGAIN, "again", NULL, "open what failed for good" },
	{ OPT_FAILED, "failed", NULL,
	    "with --again, all that failed, of these codes or of any" },
	{ OPT_NOW, "now", NULL,
	    "with --pending, also what failed a short while ago" },
	{ OPT_WITH, "with", "CMD",
	    "a program of the site's for each stamped upload" },
	{ OPT_PROGRESS, "progress", "auto|json|never",
	    "how far the run is; auto: at a terminal" },
	{ OPT_JOBLOG, "joblog", "FILE", "a line for each job, as GNU parallel's" },
	{ OPT_HALT, "halt", "WHEN", "never, or soon or now,fail=N or N%" },
	{ OPT_METRICS, "metrics", "FILE", "numbers of the run for Prometheus" },
	{ OPT_AWAIT, "await", NULL,
	    "pass over what the EDC does not show yet" },
	{ OPT_NO_NOTIFY, "no-notify", NULL, "tell nobody what came of the run" },
	{ OPT_ENGINE, "engine", "NAME",
	    "cut the run into shards, for local, ssh, slurm or another engine" },
	{ OPT_RUN, "run", "DIR", "the directory of the sharded run" },
	{ OPT_PER_SHARD, "per-shard", "N", "so many uploads in a shard" },
	{ OPT_SHARD_JOBS, "shard-jobs", "N", "so many jobs at once in each shard" },
	{ OPT_RETRY_FOR, "retry-for", "D", "how long a sharded run looks for what is not there" },
	{ OPT_RETRY_EVERY, "retry-every", "D", "how often it does" },
	{ OPT_RESUME, "resume", NULL, "go on with the run of --run" },
	{ OPT_RESUME_FAILED, "resume-failed", NULL,
	    "the same, and open what failed for good" },
	{ OPT_SHARD, "shard", "NAME", "do this shard, and those that follow; only engines give it" },
	{ OPT_EXPLAIN, "explain", NULL,
	    "say what a run would do with each upload, and why" },
	{ OPT_JSON, "json", NULL, "with --explain and --doctor, as JSON" },
	{ OPT_EXPLAIN_ERROR, "explain-error", "CODE",
	    "say what an error code means" },
	{ OPT_DOCTOR, "doctor", NULL,
	    "say whether everything that a run needs is there" },
	{ OPT_SEND, "send", NULL, "with --doctor, send the admins a letter" },
	{ 0, NULL, NULL, NULL }
};
static const struct imgp_tool tool = { "imgp-run", synopsis,
	"Deliver uploads, named by id, source key, place or job line.", opts,
	NULL,
	IMGP_USES_JOBS | IMGP_USES_DRY_RUN | IMGP_USES_QUIET | IMGP_USES_VERBOSE |
	IMGP_USES_PRETTY
};

/* Words for the script. */
struct words {
	const char *w[128];
	size_t	 n;
};

struct options {
	struct words lookup;	/* imgp-lookup's own */
	const char *from;	/* NULL: standard input */
	int	 null, pending, again, failed, now;
	int	 explain, json, doctor, send;
	const char *progress, *joblog, *halt, *metrics;	/* NULL: not given */
	const char *with;
	int	 no_notify, retry;	/* --retry-for or --retry-every is given */
	const char *code;	/* to be explained; NULL: none */
	struct engine_options engine;
};

static void
add(struct words *w, const char *option, const char *value)
{
	if (w->n + 2 > sizeof w->w / sizeof *w->w)
		imgp_usage(&tool, "%s: given too often", option);
	w->w[w->n++] = option;
	if (value != NULL)
		w->w[w->n++] = value;
}

/* The option is the setting ${setting}, a duration. */
static void
take_duration(const char *option, const char *setting)
{
	long long s;

	if (imgp_parse_duration(optarg, &s) == -1)
		imgp_usage(&tool, "%s: not a duration such as 30s or 15m",
		    option);
	imgp_conf_option(setting, optarg, option);
}

static size_t
count(const char *option, long long most)
{
	long long n;

	if (imgp_parse_int(optarg, 1, most, &n) == -1)
		imgp_usage(&tool, "%s: not a number from 1 to %lld", option,
		    most);
	return (size_t)n;
}

/* An option of sharded runs. */
static void
take_engine(struct options *o, int ch)
{
	struct engine_options *g = &o->engine;

	switch (ch) {
	case OPT_ENGINE: g->engine = optarg; break;
	case OPT_RUN: g->run = optarg; break;
	case OPT_PER_SHARD:
		g->per_shard = count("--per-shard", 1000000);
		break;
	case OPT_SHARD_JOBS:
		g->shard_jobs = (int)count("--shard-jobs", 1024);
		break;
	case OPT_RETRY_FOR:
		take_duration("--retry-for", "wait");
		o->retry = 1;
		break;
	case OPT_RETRY_EVERY:
		take_duration("--retry-every", "interval");
		o->retry = 1;
		break;
	case OPT_RESUME: g->resume = 1; break;
	case OPT_RESUME_FAILED: g->failed = 1; break;
	case OPT_SHARD: g->shard = optarg; break;
	}
}

static void
parse(int argc, char *argv[], struct options *o)
{
	int ch;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case '0': o->null = 1; break;
		case OPT_FROM: o->from = optarg; break;
		case OPT_PENDING: o->pending = 1; break;
		case OPT_WAIT:
			take_duration("--wait", "wait");
			add(&o->lookup, "--wait", optarg);
			break;
		case OPT_INTERVAL:
			take_duration("--interval", "interval");
			add(&o->lookup, "--interval", optarg);
			break;
		case OPT_PIPELINE:
			if (*optarg == '\0')
				imgp_usage(&tool, "--pipeline: no code");
			add(&o->lookup, "--pipeline", optarg);
			o->engine.pipeline = optarg;
			break;
		case OPT_AGAIN: o->again = 1; break;
		case OPT_FAILED: o->failed = 1; break;
		case OPT_NOW: o->now = 1; break;
		case OPT_EXPLAIN: o->explain = 1; break;
		case OPT_JSON: o->json = 1; break;
		case OPT_WITH:
			o->with = optarg;
			imgp_conf_option("extra_command", optarg, "--with");
			break;
		case OPT_PROGRESS: o->progress = optarg; break;
		case OPT_JOBLOG: o->joblog = optarg; break;
		case OPT_HALT: o->halt = optarg; break;
		case OPT_METRICS: o->metrics = optarg; break;
		case OPT_DOCTOR: o->doctor = 1; break;
		case OPT_SEND: o->send = 1; break;
		case OPT_EXPLAIN_ERROR: o->code = optarg; break;
		case OPT_NO_NOTIFY: o->no_notify = 1; break;
		case OPT_AWAIT: add(&o->lookup, "--await", NULL); break;
		default: take_engine(o, ch); break;
		}
}

/* Become another program, which lies beside this one. */
static _Noreturn void
become(const char *program, char *argv[])
{
	char *path = imgp_program_beside(program);
	struct imgp_err e;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(path, argv);
	imgp_fail_errno(&e, IMGP_E_CONFIG, "%s", path);
	imgp_die(&e);
}

/* Nonzero when an option is given that only a run has. */
static int
is_run(const struct options *o)
{
	return o->null || o->pending || o->again || o->failed || o->now ||
	    o->from != NULL || o->progress != NULL || o->joblog != NULL ||
	    o->halt != NULL || o->metrics != NULL || o->with != NULL ||
	    o->no_notify || o->retry || engine_is_wanted(&o->engine);
}

/* Another program explains: no run, no script, nothing is written. */
static _Noreturn void
explain(const struct options *o, char *name, int n, char *operands[])
{
	char **argv = imgp_alloc(((size_t)n + o->lookup.n + 5) * sizeof *argv);
	size_t k = 0, i;

	if (is_run(o) || o->send ||
	    (o->code != NULL) == o->explain || (o->json && !o->explain) ||
	    (n > 0) != o->explain)
		imgp_usage(&tool, "--explain goes with ids, --json and "
		    "--pipeline, --explain-error with nothing else");
	argv[k++] = name;
	for (i = 0; i < o->lookup.n; i++)
		argv[k++] = imgp_strdup(o->lookup.w[i]);
	if (o->json)
		argv[k++] = imgp_strdup("--json");
	if (imgp_common.pretty)
		argv[k++] = imgp_strdup("--pretty");
	argv[k++] = imgp_strdup(o->explain ? "--" : "--error");
	if (!o->explain)
		argv[k++] = imgp_strdup(o->code);
	memcpy(argv + k, operands, (size_t)n * sizeof *argv);
	become("imgp-explain", argv);
}

/* Another program looks whether there can be a run. */
static _Noreturn void
doctor(const struct options *o, char *name, int n)
{
	char *argv[6] = { name };
	size_t k = 1;

	if (is_run(o) || o->explain || o->code != NULL || o->lookup.n > 0 ||
	    n > 0)
		imgp_usage(&tool, "--doctor goes with --json and --send");
	if (o->json)
		argv[k++] = imgp_strdup("--json");
	if (imgp_common.pretty)
		argv[k++] = imgp_strdup("--pretty");
	if (o->send)
		argv[k++] = imgp_strdup("--send");
	if (imgp_common.quiet)
		argv[k++] = imgp_strdup("-q");
	become("imgp-doctor", argv);
}

/* What does not fit together in a sharded run. */
static void
check_engine(const struct options *o, int n)
{
	const struct engine_options *g = &o->engine;

	if (!engine_is_wanted(g)) {
		if (o->retry)
			imgp_usage(&tool, "--retry-for and --retry-every go "
			    "with --engine; --wait and --interval do so here");
		return;
	}
	if (imgp_common.dry_run || o->pending || o->failed || o->now ||
	    o->no_notify || o->joblog != NULL || o->halt != NULL ||
	    o->metrics != NULL || o->progress != NULL)
		imgp_usage(&tool, "--engine goes without -n, --pending, --now, "
		    "--failed, --no-notify, --joblog, --halt, --metrics and "
		    "--progress");
	if ((g->resume || g->failed) && (g->run == NULL || n > 0 ||
	    o->from != NULL || o->null))
		imgp_usage(&tool, "--resume and --resume-failed go with --run, "
		    "and without ids");
	if (g->shard != NULL && (g->run == NULL || g->resume || g->failed ||
	    g->engine != NULL))
		imgp_usage(&tool, "--shard goes with --run alone");
}

/* What does not fit together, and standard input where it is FILE. */
static void
check(const struct options *o, int n, char *const operands[])
{
	struct imgp_halt halt;
	struct imgp_err e;
	int fd, i;

	check_engine(o, n);

	if (o->progress != NULL && strcmp(o->progress, "auto") != 0 &&
	    strcmp(o->progress, "json") != 0 &&
	    strcmp(o->progress, "never") != 0)
		imgp_usage(&tool, "--progress: auto, json or never");
	if (o->halt != NULL && imgp_halt_parse(o->halt, &halt) == -1)
		imgp_usage(&tool, "--halt: never, or soon or now with fail=N or "
		    "fail=N%%, such as soon,fail=10%%");
	if (imgp_common.dry_run && (o->joblog != NULL || o->halt != NULL ||
	    o->metrics != NULL))
		imgp_usage(&tool, "a dry run has no --joblog, --halt, --metrics");
	if (o->pending && (n > 0 || o->null || o->from != NULL))
		imgp_usage(&tool, "--pending takes no ids");
	if (o->failed && (!o->again || o->pending || o->null || o->from != NULL))
		imgp_usage(&tool, "--failed goes with --again and with codes");
	if (o->failed && imgp_conf_load(&e) == -1)
		imgp_die(&e);		/* a site has codes of its own */
	for (i = 0; i < n && o->failed; i++)
		if (imgp_error_named(operands[i]) == NULL)
			imgp_usage(&tool, "%s: no such code; --failed takes "
			    "those of --explain-error", operands[i]);
	if (o->now && !o->pending)
		imgp_usage(&tool, "--now goes with --pending");
	if (o->from != NULL && n > 0)
		imgp_usage(&tool,
		    "--from FILE and operands exclude each other");
	for (i = 0; i < n; i++) {
		if (strchr(operands[i], '\n') != NULL)
			imgp_usage(&tool, "an operand holds a newline");
		if (imgp_is_blank(operands[i], strlen(operands[i])))
			imgp_usage(&tool, "an operand is blank");
	}
	if (o->joblog != NULL) {
		if ((fd = open(o->joblog, O_WRONLY | O_CREAT | O_CLOEXEC |
		    O_NOCTTY, 0666)) == -1)
			imgp_usage(&tool, "--joblog %s: %s", o->joblog,
			    strerror(errno));
		close(fd);
	}
	if (o->from != NULL) {
		if ((fd = open(o->from, O_RDONLY | O_CLOEXEC)) == -1 ||
		    dup2(fd, STDIN_FILENO) == -1)
			imgp_usage(&tool, "--from %s: %s", o->from,
			    strerror(errno));
		close(fd);
	}
	if (!o->pending && !o->failed && !o->engine.resume &&
	    !o->engine.failed && o->engine.shard == NULL && n == 0 && read(STDIN_FILENO, NULL, 0) == -1)
		imgp_usage(&tool, "standard input: %s", strerror(errno));
}

/* --- settings --------------------------------------------------------------- */

/* For all pipelines or for some. */
static void
need(const char *name)
{
	struct imgp_err e;

	if (imgp_conf_need_any(name, &e) == -1)
		imgp_die(&e);
}

static _Noreturn void
wrong(const char *why)
{
	struct imgp_err e;

	imgp_fail(&e, IMGP_E_CONFIG, "%s", why);
	imgp_die(&e);
}

/* Whatever is wrong is said before anything starts. */
static void
settle(struct imgp_supervise *s)
{
	const char *run = getenv("IMGP_RUN");
	struct imgp_err e;
	char *seats;

	if (imgp_conf_load(&e) == -1)
		imgp_die(&e);
	if (imgp_conf_need(NULL, "spool", &e) == NULL)
		imgp_die(&e);
	need("database");
	need("source");
	need("temp");
	need("destination");
	s->spool = imgp_strdup(imgp_conf(NULL, "spool"));
	if (*s->spool != '/')
		wrong("IMGP_SPOOL: not an absolute path");
	if (run == NULL || *run == '\0')
		s->run = imgp_run_id_new();
	else if (imgp_run_id_is(run))
		s->run = imgp_strdup(run);
	else
		wrong("IMGP_RUN: not of the form YYYYMMDDTHHMMSSZ-xxxxxxxx");
	if (setenv("IMGP_RUN", s->run, 1) == -1 ||
	    setenv("IMGP_SPOOL", s->spool, 1) == -1 ||
	    /* Bound once, and not by each process that scan and stamp fork (ld.so(8)). */
	    setenv("LD_BIND_NOW", "1", 0) == -1)
		imgp_oom();
	/* All that is started from here on holds the run's lock. */
	unsetenv(IMGP_SEATS);
	if (imgp_common.dry_run)
		return;
	seats = imgp_asprintf("%s/%s/seats", s->spool, s->run);
	if (imgp_spool_open(s->spool, s->run, &e) == -1 ||
	    imgp_seats_make(seats, &e) == -1)
		imgp_die(&e);
	free(seats);
}

/* Nonzero when something is in S3.  (Where it is not, and libcurl is needed for
 * another end or by a single pipeline, each stage loads it for itself.) */
static int
needs_libcurl(void)
{
	static const char *const names[] = { "source", "temp", "destination", "logs" };
	const char *place;
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		if ((place = imgp_conf(NULL, names[i])) != NULL &&
		    strncmp(place, "s3://", 5) == 0)
			return 1;
	return 0;
}

/* When the lock and the environment are those of the run: they are inherited. */
static void
open_warm(struct imgp_warm *w)
{
	char *path = imgp_program_beside("imgp-stages");

	imgp_warm_open(w, path, needs_libcurl() ? "libcurl" : "-");
	free(path);
}

/* --- the script ------------------------------------------------------------- */

/* One list: the number of its words, then its words, each ended by a NUL. */
static void
put_list(struct imgp_buf *b, const char *const words[], size_t n)
{
	size_t i;

	imgp_buf_printf(b, "%zu", n);
	imgp_buf_add(b, "", 1);
	for (i = 0; i < n; i++)
		imgp_buf_add(b, words[i], strlen(words[i]) + 1);
}

/* What the script must know, in the order in which it reads it. */
static void
hand_over(const struct options *o, const struct imgp_supervise *s,
    const char *const operands[], size_t n)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct words common = { .n = 0 }, again = { .n = 0 };
	struct words sources = { .n = 0 }, watch = { .n = 0 };
	struct words extra = { .n = 0 }, waits = { .n = 0 };
	struct words computes = { .n = 0 };
	char waiting[16], computing[16], flags[64];
	int given = imgp_common.jobs_given;

	snprintf(waiting, sizeof waiting, "%d",
	    given ? imgp_common.jobs : WAITING_JOBS);
	snprintf(computing, sizeof computing, "%d",
	    given ? imgp_common.jobs : imgp_processors() + MORE_JOBS);
	snprintf(flags, sizeof flags, "%d %d %d %d %d",
	    imgp_common.dry_run != 0, imgp_common.quiet != 0, o->null,
	    o->pending || o->failed, !o->no_notify);
	add(&waits, "-j", waiting);
	add(&computes, "-j", computing);
	if (imgp_common.quiet)
		add(&common, "-q", NULL);
	if (imgp_common.verbose > 0)
		add(&common, imgp_common.verbose > 1 ? "-vv" : "-v", NULL);
	if (o->again)
		add(&again, "--again", NULL);
	if (o->pending) {
		add(&sources, "--pending", NULL);
		if (o->again)
			add(&sources, "--again", NULL);
		if (o->now)
			add(&sources, "--now", NULL);
	}
	/* Codes are for the look-up, not for the run. */
	if (o->failed) {
		add(&sources, "--failed", NULL);
		for (; n > 0; n--)
			add(&sources, *operands++, NULL);
	}
	put_list(&b, (const char *const []){ s->run, s->spool, flags }, 3);
	put_list(&b, common.w, common.n);
	put_list(&b, waits.w, waits.n);
	put_list(&b, computes.w, computes.n);
	put_list(&b, o->lookup.w, o->lookup.n);
	put_list(&b, again.w, again.n);
	put_list(&b, sources.w, sources.n);
	if (o->joblog != NULL)
		add(&watch, "--joblog", o->joblog);
	if (o->halt != NULL)
		add(&watch, "--halt", o->halt);
	put_list(&b, watch.w, watch.n);
	if (o->with != NULL || imgp_conf_is_set("extra_command"))
		add(&extra, "imgp-extra", NULL);
	if (o->with != NULL)
		add(&extra, "--with", o->with);
	put_list(&b, extra.w, extra.n);
	put_list(&b, operands, n);
	/* A script that is gone is noticed by its end. */
	(void)imgp_write_all(TO_SCRIPT, b.s, b.len);
	imgp_buf_release(&b);
}

static void
say(const char *text)
{
	fprintf(stderr, "%s: %s\n", imgp_progname, text);
}

int
main(int argc, char *argv[])
{
	struct imgp_supervise s = { .from = FROM_SCRIPT, .to = TO_SCRIPT,
	    .say = say, .complain = imgp_complain };
	struct options o = { .from = NULL };
	struct imgp_warm warm = IMGP_WARM_INIT;
	struct watch w = { .progress = NULL };
	struct imgp_err e;
	long long script;
	int status;

	if ((s.signals = imgp_supervise_signals(&e)) == -1)
		imgp_die(&e);
	if (argc < 2 ||
	    imgp_parse_int(argv[1], 1, INT32_MAX, &script) == -1 ||
	    fcntl(FROM_SCRIPT, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(TO_SCRIPT, F_SETFD, FD_CLOEXEC) == -1)
		errx(IMGP_EX_USAGE, "only imgp-run starts this");
	s.script = (pid_t)script;
	/* From here on it is said here why there is no run. */
	(void)!write(TO_SCRIPT, "", 1);
	argv[1] = argv[0];
	parse(argc - 1, argv + 1, &o);
	argv += 1 + optind;
	argc -= 1 + optind;
	if (o.doctor)
		doctor(&o, argv[-optind], argc);
	if (o.explain || o.json || o.send || o.code != NULL)
		explain(&o, argv[-optind], argc, argv);
	check(&o, argc, argv);
	if (engine_is_wanted(&o.engine)) {
		close(FROM_SCRIPT);	/* nothing is asked of the script */
		close(TO_SCRIPT);
		o.engine.with = o.with;
		o.engine.again = o.again;
		o.engine.null = o.null;
		return engine_run(&o.engine, argc, argv, s.signals);
	}
	s.verbose = imgp_common.verbose > 0;
	settle(&s);
	w.progress = o.progress;
	w.metrics = o.metrics;
	watch_begin(&w, &s);
	open_warm(&warm);
	s.warm = &warm;
	hand_over(&o, &s, (const char *const *)argv, (size_t)argc);
	status = imgp_supervise(&s, &e);
	imgp_warm_close(&warm);
	if (status == -1)
		imgp_die(&e);
	status = watch_end(&w, status);
	if (close(STDOUT_FILENO) == -1 && errno != EBADF) {
		/* NFS tells of a full disk here. */
		say("standard output could not be closed");
		status = imgp_exit_worse(status, IMGP_EX_TEMPFAIL);
	}
	return status;
}
