/* imgp-record: keep the transaction log of jobs (imgp-record(1)). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/steps/record.h"
#include "libimgpipe/steps/settings.h"

enum { OPT_AGAIN = 256, OPT_RUN, OPT_UNCOUNTED };

static const struct imgp_opt opts[] = {
	{ OPT_AGAIN, "again", NULL,
	    "start: open what failed for good as well" },
	{ OPT_RUN, "run", "RUN", "renew, release: all leases of this run" },
	{ OPT_UNCOUNTED, "uncounted", NULL,
	    "release: take the attempt back" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[-n] start [--again] <jobs",
	"[-n] scans <jobs",
	"[-n] finish <jobs",
	"[-n] renew [--run RUN] <jobs",
	"[-n] release [--run RUN] [--uncounted] <jobs",
	NULL
};
static const char *(*const libs[])(void) = { imgp_db_version, NULL };
static const struct imgp_tool tool = {
	"imgp-record", synopsis,
	"Keep the EDC's record of each file: claim it, store its scans, end it.",
	opts, libs,
	IMGP_USES_DRY_RUN | IMGP_USES_PRETTY
};

/* Options may stand before the subcommand and after it. */
static const char *
options(struct imgp_record *r, int argc, char *argv[])
{
	const char *run = NULL;
	enum imgp_ledger_op op;
	int ch;

	for (;;) {
		while ((ch = imgp_opt(&tool, argc, argv)) != -1)
			switch (ch) {
			case OPT_AGAIN:
				r->again = 1;
				break;
			case OPT_RUN:
				run = optarg;
				break;
			case OPT_UNCOUNTED:
				r->uncounted = 1;
				break;
			}
		if (optind == argc || r->verb != NULL)
			break;
		if ((r->verb = imgp_record_find(argv[optind])) == NULL)
			imgp_usage(&tool, "no such subcommand: %s",
			    argv[optind]);
		optind++;
	}
	if (r->verb == NULL)
		imgp_usage(&tool, "start, scans, finish, renew or release?");
	if (optind != argc)
		imgp_usage(&tool, "%s takes jobs on standard input",
		    imgp_record_name(r->verb));
	op = imgp_record_op(r->verb);
	if (r->again && op != IMGP_LEDGER_START)
		imgp_usage(&tool, "--again goes with start");
	if (r->uncounted && op != IMGP_LEDGER_RELEASE)
		imgp_usage(&tool, "--uncounted goes with release");
	if (run != NULL && op != IMGP_LEDGER_RENEW &&
	    op != IMGP_LEDGER_RELEASE)
		imgp_usage(&tool, "--run goes with renew and release");
	if (run != NULL && !imgp_run_id_is(run))
		imgp_usage(&tool, "--run: not the id of a run");
	return run;
}

int
main(int argc, char *argv[])
{
	struct imgp_record r = { .verb = NULL };
	struct imgp_filter_ops ops = { .step = imgp_record_step,
	    .idle = imgp_record_idle, .rest = imgp_record_rest };
	struct imgp_err e = { NULL, "" };
	const char *run;
	int rc;

	imgp_conf_want(IMGP_SECRETS_RECORD);
	run = options(&r, argc, argv);
	if (imgp_settings_check(&e) == -1)
		imgp_die(&e);
	r.dry_run = imgp_common.dry_run;
	if (!r.dry_run && (r.ledger = imgp_ledger_open(
	    imgp_conf(NULL, "database"), &e)) == NULL)
		imgp_die(&e);
	if (r.ledger != NULL && imgp_ledger_is_new(r.ledger))
		fprintf(stderr, "%s: begins a new account of the pipeline API's "
		    "ids at IMGP_LEDGER: what was delivered before is not in "
		    "it\n", imgp_progname);
	if (run != NULL) {
		if (!r.dry_run && imgp_record_run(&r, run, &e) == -1)
			imgp_die(&e);
		rc = IMGP_EX_OK;
	} else {
		ops.stage = imgp_record_name(r.verb);
		/* The other subcommands take what is in hand to its end. */
		if (imgp_record_op(r.verb) == IMGP_LEDGER_START)
			ops.ask = imgp_record_ask;
		/* All jobs come to the step, so that they leave in order. */
		ops.flags = IMGP_SEES_FAILED | IMGP_SEES_SKIPPED;
		rc = imgp_filter_run(&ops, &r, imgp_common.jobs);
		/* The run does not wait for these two: theirs may be taken at once. */
		if (imgp_record_op(r.verb) == IMGP_LEDGER_START ||
		    imgp_record_op(r.verb) == IMGP_LEDGER_SCANS)
			imgp_ledger_idle(r.ledger, INT64_MAX);
		if (r.misconfigured)
			rc = imgp_exit_worse(rc, IMGP_EX_USAGE);
	}
	imgp_ledger_close(r.ledger);
	return rc;
}
