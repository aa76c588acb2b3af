/*
 * imgp-prune: remove what finished work leaves behind (imgp-prune(1)).
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/report/prune.h"

#define DAY		(24 * 3600LL)
#define AGE		(90 * DAY)
#define AGE_MOST	(36525 * DAY)

enum { OPT_OLDER = 256, OPT_DELETE };

static const struct imgp_opt opts[] = {
	{ OPT_OLDER, "older-than", "TIME", "what is that old; 90d is the default" },
	{ OPT_DELETE, "delete", NULL, "remove it; without, it is only listed" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[-nq] [--older-than TIME] [--delete]\n"
	    "                  [letters|run-logs|error-logs|temp|multipart|provenance ...]",
	NULL
};
static const char *(*const libs[])(void) = { imgp_db_version, NULL };
static const struct imgp_tool tool = { "imgp-prune", synopsis,
	"Remove old letters' texts, logs and leftovers: all but provenance,\n"
	"or the kinds that are named.", opts, libs,
	IMGP_USES_DRY_RUN | IMGP_USES_QUIET
};

static void
removed(void *arg, const struct imgp_prune_item *i)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	time_t t = (time_t)i->since;
	char what[2048], when[32];
	struct tm tm;

	(void)arg;
	if (imgp_common.quiet)
		return;
	imgp_printable(what, sizeof what, i->what, strlen(i->what));
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	imgp_buf_printf(&b, "%-10s %s ", imgp_prune_kinds[i->kind], when);
	if (i->bytes < 0)
		imgp_buf_printf(&b, "%12s", "-");
	else
		imgp_buf_printf(&b, "%12lld", (long long)i->bytes);
	imgp_buf_printf(&b, " %s\n", what);
	imgp_print(&b);
	imgp_buf_release(&b);
}

/* A line for each kind that was looked for, and whether anything was removed. */
static void
sum_up(const struct imgp_prune *w, const struct imgp_pruned *r)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	long long n = 0;
	int i;

	for (i = 0; i < IMGP_PRUNE_KINDS; i++) {
		if (!(w->kinds & 1u << i))
			continue;
		imgp_buf_printf(&b, "%s: %lld %s, %lld bytes; %lld still needed, "
		    "%lld not in the record", imgp_prune_kinds[i],
		    (long long)r->of[i].removed,
		    w->dry_run ? "to remove" : "removed",
		    (long long)r->of[i].bytes, (long long)r->of[i].kept,
		    (long long)r->of[i].unknown);
		if (r->of[i].failed > 0)
			imgp_buf_printf(&b, "; %lld failed",
			    (long long)r->of[i].failed);
		imgp_buf_puts(&b, "\n");
		n += r->of[i].removed;
	}
	if (w->dry_run && n > 0)
		imgp_buf_puts(&b, imgp_common.dry_run ?
		    "nothing was removed: -n\n" :
		    "nothing was removed: --delete does it\n");
	imgp_print(&b);
	imgp_buf_release(&b);
}

static unsigned int
take_kind(const char *s)
{
	unsigned int i;

	for (i = 0; i < IMGP_PRUNE_KINDS; i++)
		if (strcmp(s, imgp_prune_kinds[i]) == 0)
			return 1u << i;
	imgp_usage(&tool, "%.40s: letters, run-logs, error-logs, temp, "
	    "multipart or provenance", s);
}

static void
options(struct imgp_prune *w, int argc, char *argv[])
{
	int ch;

	for (;;) {
		while ((ch = imgp_opt(&tool, argc, argv)) != -1)
			switch (ch) {
			case OPT_OLDER:
				if (imgp_parse_duration(optarg,
				    &w->seconds) == -1 ||
				    w->seconds > AGE_MOST)
					imgp_usage(&tool, "--older-than: a "
					    "duration such as 90d");
				break;
			case OPT_DELETE:
				w->dry_run = 0;
				break;
			}
		if (optind == argc)
			break;
		w->kinds |= take_kind(argv[optind++]);
	}
	if (w->kinds == 0)
		w->kinds = ((1u << IMGP_PRUNE_KINDS) - 1) &
		    ~(1u << IMGP_PRUNE_PROVENANCE);
	if (imgp_common.dry_run)
		w->dry_run = 1;
}

int
main(int argc, char *argv[])
{
	struct imgp_prune w = { .seconds = AGE, .dry_run = 1,
	    .removed = removed, .complain = imgp_complain };
	struct imgp_pruned r;
	struct imgp_post *p;
	struct imgp_err e;
	int i, rc;

	imgp_conf_want(IMGP_SECRETS_RECORD | IMGP_SECRETS_MAIL);
	options(&w, argc, argv);
	if ((p = imgp_post_open_record(&e)) == NULL)
		imgp_die(&e);
	rc = imgp_prune(p, &w, &r, &e);
	imgp_post_close(p);
	if (rc == -1)
		imgp_die(&e);
	sum_up(&w, &r);
	for (i = 0; i < IMGP_PRUNE_KINDS; i++)
		if (r.of[i].failed > 0)
			return IMGP_EX_TEMPFAIL;
	return IMGP_EX_OK;
}
