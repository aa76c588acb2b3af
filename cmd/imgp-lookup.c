/*
 * imgp-lookup: from an id or a source key to what the EDC knows of the upload
 * (imgp-lookup(1)).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/steps/event.h"
#include "libimgpipe/steps/lookup.h"
#include "libimgpipe/steps/settings.h"

/* --- options -------------------------------------------------------------- */

/* All that is to be delivered, as if named by operands. */
static int
run_pending(struct imgp_lookup *l, const struct imgp_filter_ops *ops)
{
	struct imgp_err e = { NULL, "" };
	char **line;
	size_t i, n;
	int rc;

	if ((line = imgp_lookup_pending(l, &n, &e)) == NULL)
		imgp_die(&e);
	rc = imgp_filter_operands(ops, l, imgp_common.jobs, line, n);
	for (i = 0; i < n; i++)
		free(line[i]);
	free(line);
	return rc;
}

enum { OPT_PENDING = 256, OPT_FAILED, OPT_AGAIN, OPT_NOW, OPT_PIPELINE, OPT_WAIT,
	OPT_INTERVAL, OPT_AWAIT };

static const struct imgp_opt opts[] = {
	{ OPT_PENDING, "pending", NULL, "all that is still to be delivered" },
	{ OPT_FAILED, "failed", NULL, "all that failed, of these codes or of any" },
	{ OPT_AGAIN, "again", NULL,
	    "and what failed for good by no fault of its own" },
	{ OPT_NOW, "now", NULL, "and what failed by its own a short while ago" },
	{ OPT_PIPELINE, "pipeline", "CODE",
	    "take this pipeline where several list a field" },
	{ OPT_WAIT, "wait", "TIME", "how long to wait for what is not there yet" },
	{ OPT_AWAIT, "await", NULL,
	    "skip what is not there by then: somebody looks again" },
	{ OPT_INTERVAL, "interval", "TIME", "how often to look again" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[-q] [--pipeline CODE] [--wait TIME] [--interval TIME] [--await] [ID|KEY|URL...]",
	"[-q] [--pipeline CODE] --pending [--again] [--now]",
	"[-q] [--pipeline CODE] --failed [ERROR ...]",
	NULL
};
static const char *(*const libs[])(void) = { imgp_db_version, NULL };
static const struct imgp_tool tool = {
	"imgp-lookup", synopsis,
	"Look up uploads in the EDC: ids, source keys, places, job lines or events.",
	opts, libs,
	IMGP_USES_QUIET | IMGP_USES_PRETTY
};

static int64_t
duration(const char *opt, const char *name, struct imgp_err *e)
{
	long long s;

	if (opt == NULL) {
		if (imgp_conf_duration(NULL, name, &s, e) == -1)
			imgp_die(e);
	} else if (imgp_parse_duration(opt, &s) == -1)
		imgp_usage(&tool, "--%s: no duration such as 30s, 15m", name);
	return s * 1000;
}

/* --- events --------------------------------------------------------------- */

static void
take(void *arg, const char *line, size_t len)
{
	imgp_filter_take(arg, line, len);
}

static void
complain(void *arg, const struct imgp_err *e)
{
	(void)arg;
	imgp_complain(e);
}

/* For struct imgp_filter_ops: messages among the lines. */
static int
expand(struct imgp_filter *f, const char *line, size_t len, void *arg)
{
	static struct imgp_event_sink k = { take, imgp_passed_over, complain,
	    NULL };
	static struct imgp_event_lines *lines;

	(void)arg;
	k.arg = f;
	if (lines == NULL)
		lines = imgp_event_lines_new(&k);
	if (line != NULL)
		return imgp_event_lines_add(lines, line, len);
	imgp_event_lines_end(lines);
	imgp_event_lines_free(lines);
	lines = NULL;
	return 0;
}

/* --- the rest of its settings ------------------------------------------------ */

/* The operands of --failed as a JSON array, to be freed; NULL: none. */
static char *
take_codes(char *const words[], int n)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	const struct imgp_error *code;
	int i;

	if (n == 0)
		return NULL;
	for (i = 0; i < n; i++) {
		if ((code = imgp_error_named(words[i])) == NULL)
			imgp_usage(&tool, "%s: no such code", words[i]);
		imgp_buf_printf(&b, "%s\"%s\"", i == 0 ? "[" : ",", code->code);
	}
	imgp_buf_puts(&b, "]");
	return imgp_buf_steal(&b);
}

/* The id of this run; to be freed. */
static char *
run_id(struct imgp_err *e)
{
	const char *given = getenv("IMGP_RUN");

	if (given == NULL || *given == '\0')
		return imgp_run_id_new();
	if (imgp_run_id_is(given))
		return imgp_strdup(given);
	imgp_fail(e, IMGP_E_CONFIG, "IMGP_RUN is not the id of a run");
	imgp_die(e);
}

/* Settings, after the options; ends the program when they are wrong. */
static struct imgp_lookup *
configure(struct imgp_lookup_opts *o, const char *wait, const char *interval,
    int now)
{
	struct imgp_err e = { NULL, "" };
	struct imgp_lookup *l;

	if (imgp_settings_check(&e) == -1 ||
	    (o->source = imgp_conf_need(NULL, "source", &e)) == NULL)
		imgp_die(&e);
	o->interval_ms = duration(interval, "interval", &e);
	if (o->interval_ms == 0)
		imgp_usage(&tool, "the interval is not above 0");
	o->retries = duration(wait, "wait", &e) / o->interval_ms;
	if ((o->replica = imgp_conf(NULL, "replica")) == NULL)
		o->replica = imgp_conf(NULL, "database");
	/* An API's address is none. */
	if (imgp_db_check_conninfo(imgp_conf(NULL, "database"), &e) == 0)
		o->database = imgp_conf(NULL, "database");
	o->sweep_every = duration(NULL, "sweep_every", &e) / 1000;
	if (!now)
		o->backoff = imgp_conf(NULL, "backoff");
	l = imgp_lookup_new(o);
	if (imgp_lookup_check(l, &e) == 0)
		return l;
	/* One that is away for now is waited for; one that is wrong is not. */
	if (strcmp(e.code, IMGP_E_DB_UNAVAILABLE) != 0)
		imgp_die(&e);
	if (!imgp_common.quiet && o->retries > 0)
		fprintf(stderr, "%s: %s: %s; it is tried for %lld s\n",
		    imgp_progname, e.code, e.msg,
		    (long long)(o->retries * o->interval_ms / 1000));
	return l;
}

int
main(int argc, char *argv[])
{
	static const struct imgp_filter_ops ops = {
		.stage = "lookup", .accept = imgp_lookup_accept,
		.expand = expand,
		.step = imgp_lookup_step, .idle = imgp_lookup_idle,
		.rest = imgp_lookup_rest,
		.ask = imgp_lookup_ask,
		/* All jobs come to the step, so that they leave in order. */
		.flags = IMGP_SEES_FAILED | IMGP_SEES_SKIPPED |
		    IMGP_BLANK_IS_NONE
	};
	struct imgp_lookup_opts o = { .pipeline = NULL };
	struct imgp_err e = { NULL, "" };
	struct imgp_lookup *l;
	const char *wait = NULL, *interval = NULL;
	char *run, *codes = NULL;
	int ch, all = 0, now = 0, rc;

	imgp_conf_want(IMGP_SECRETS_RECORD);
	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case OPT_PENDING: all = 1; break;
		case OPT_FAILED: o.failed = 1; break;
		case OPT_AGAIN: o.again = 1; break;
		case OPT_NOW: now = 1; break;
		case OPT_PIPELINE: o.pipeline = optarg; break;
		case OPT_WAIT:
			wait = optarg;
			imgp_conf_option("wait", optarg, "--wait");
			break;
		case OPT_INTERVAL:
			interval = optarg;
			imgp_conf_option("interval", optarg, "--interval");
			break;
		case OPT_AWAIT: o.await = 1; break;
		}
	if (all && (o.failed || optind < argc))
		imgp_usage(&tool, "--pending takes no operands, and not --failed");
	if (!all && (o.again || now))
		imgp_usage(&tool, "--again and --now go with --pending");
	if (o.failed && imgp_conf_load(&e) == -1)
		imgp_die(&e);		/* a site has codes of its own */
	if (o.failed)
		o.codes = codes = take_codes(argv + optind, argc - optind);
	o.run = run = run_id(&e);
	l = configure(&o, wait, interval, now);
	if (all || o.failed)
		rc = run_pending(l, &ops);
	else if (optind < argc)
		rc = imgp_filter_operands(&ops, l, imgp_common.jobs,
		    argv + optind, (size_t)(argc - optind));
	else {
		rc = imgp_filter_run(&ops, l, imgp_common.jobs);
		imgp_lookup_rest(l, INT64_MAX);
	}
	imgp_lookup_free(l);
	free(run);
	free(codes);
	return rc;
}
