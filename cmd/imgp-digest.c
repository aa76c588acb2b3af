/*
 * imgp-digest: tell the labs what is new (imgp-digest(1)).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/since.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/mail/carrier.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/report/nightly.h"

enum { OPT_PRINT = 256, OPT_SINCE, OPT_UNTIL, OPT_FORMAT, OPT_RESEND,
    OPT_STALE, OPT_SEND };

static const struct imgp_opt opts[] = {
	{ OPT_PRINT, "print", NULL, "show what would be sent, change nothing" },
	{ OPT_SINCE, "since", "TIME", "show from this time on: 24h, 2019-01-18" },
	{ OPT_UNTIL, "until", "TIME", "show up to this time" },
	{ OPT_SEND, "send", NULL, "with --since: mail it, change nothing" },
	{ OPT_FORMAT, "format", "text|html|csv|json", "show in this form" },
	{ OPT_RESEND, "resend", "ID", "send this digest's letters once more" },
	{ OPT_STALE, "stale", "TIME", "has a run ended in this time? else 1" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[-nv]",
	"[-v] --print [--since TIME] [--until TIME] [--format FORMAT] [--pretty]",
	"[-v] --since TIME [--until TIME] --send",
	"[-v] --resend ID",
	"[-v] --stale TIME",
	NULL
};
static const char *(*const libs[])(void) = { imgp_db_version,
    imgp_carrier_version, NULL };
static const struct imgp_tool tool = { "imgp-digest", synopsis,
	"Mail the labs and admins what is new since the last digest.",
	opts, libs,
	IMGP_USES_DRY_RUN | IMGP_USES_VERBOSE | IMGP_USES_PRETTY
};

struct wish {
	int		 print, send;
	char		*since, *until;
	enum imgp_format as;
	long long	 resend;	/* 0: no */
	long long	 stale;		/* 0: no */
};

static char *
take_time(const char *s, const char *option)
{
	char *t = imgp_since(s);

	if (t == NULL)
		imgp_usage(&tool, "%s: neither 24h nor 2019-01-18", option);
	return t;
}

static enum imgp_format
take_format(const char *s)
{
	static const char *const name[] = { "text", "html", "csv", "json" };
	size_t i;

	for (i = 0; i < sizeof name / sizeof *name; i++)
		if (strcmp(s, name[i]) == 0)
			return (enum imgp_format)i;
	imgp_usage(&tool, "--format: text, html, csv or json");
}

static void
options(struct wish *w, int argc, char *argv[])
{
	int ch, ways, formatted = 0;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case OPT_SINCE:
			w->since = take_time(optarg, "--since");
			w->print = 1;
			break;
		case OPT_UNTIL:
			w->until = take_time(optarg, "--until");
			w->print = 1;
			break;
		case OPT_FORMAT:
			w->as = take_format(optarg);
			w->print = formatted = 1;
			break;
		case OPT_SEND:
			w->send = 1;
			break;
		case OPT_PRINT:
			w->print = 1;
			break;
		case OPT_RESEND:
			if (imgp_parse_int(optarg, 1, INT64_MAX,
			    &w->resend) == -1)
				imgp_usage(&tool, "--resend takes a number");
			break;
		case OPT_STALE:
			if (imgp_parse_duration(optarg, &w->stale) == -1 ||
			    w->stale < 1 || w->stale > 366LL * 86400)
				imgp_usage(&tool,
				    "--stale takes a time such as 26h");
			break;
		}
	if (w->send && (w->since == NULL || formatted))
		imgp_usage(&tool, "--send goes with --since, and --until");
	w->print = imgp_common.dry_run || (w->print && !w->send);
	ways = (w->print || w->send) + (w->resend != 0) + (w->stale != 0);
	if (optind != argc || ways > 1)
		imgp_usage(&tool, "one thing at a time, and no operands");
}

static int
print(struct imgp_post *p, const struct wish *w, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	if (imgp_nightly_preview(p, w->since, w->until, w->as, &b, e) == -1)
		return -1;
	if (w->as == IMGP_AS_JSON)
		imgp_print_json(&b);
	imgp_print(&b);
	imgp_buf_release(&b);
	return IMGP_EX_OK;
}

static int
watch(struct imgp_post *p, long long seconds, struct imgp_err *e)
{
	char *said;
	int rc = imgp_nightly_watch(p, seconds, &said, imgp_complain, e);

	if (rc == -1)
		return -1;
	if (rc == 1 || imgp_common.verbose)
		fprintf(stderr, "imgp-digest: %s\n", said);
	free(said);
	return rc == 1 ? IMGP_EX_ERRORS : IMGP_EX_OK;
}

int
main(int argc, char *argv[])
{
	struct wish w = { .as = IMGP_AS_TEXT };
	struct imgp_post *p;
	struct imgp_err e;
	int rc;

	imgp_conf_want(IMGP_SECRETS_RECORD | IMGP_SECRETS_MAIL);
	options(&w, argc, argv);
	if (imgp_conf_load_but(imgp_complain, &e) == -1 ||
	    (p = imgp_post_open_record(&e)) == NULL)
		imgp_die(&e);
	if (w.print)
		rc = print(p, &w, &e);
	else if (w.send)
		rc = imgp_nightly_window(p, w.since, w.until, imgp_complain,
		    &e);
	else if (w.resend != 0)
		rc = imgp_nightly_resend(p, w.resend, imgp_complain, &e);
	else if (w.stale != 0)
		rc = watch(p, w.stale, &e);
	else
		rc = imgp_nightly_send(p, imgp_complain, &e);
	imgp_post_close(p);
	free(w.since);
	free(w.until);
	if (rc == -1)
		imgp_die(&e);
	return rc;
}
