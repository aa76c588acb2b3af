/*
 * imgp-verify: the proof that what the EDC has is delivered (imgp-verify(1)).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/csv.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/since.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/report/verify.h"

enum { OPT_LEVEL = 256, OPT_SINCE, OPT_PIPELINE, OPT_CSV, OPT_JSON,
	OPT_REPAIR, OPT_REASON };

static const struct imgp_opt opts[] = {
	{ OPT_LEVEL, "level", "row|exists|size|sum|fetch|ids",
	    "how closely to look; size is the default" },
	{ OPT_SINCE, "since", "TIME", "rows made or ended since" },
	{ OPT_PIPELINE, "pipeline", "CODE", "findings of this pipeline only" },
	{ OPT_REPAIR, "repair", NULL,
	    "open the rows whose objects are missing" },
	{ OPT_REASON, "reason", "TEXT", "with --repair: why, for the record" },
	{ OPT_CSV, "csv", NULL, "a row for each finding" },
	{ OPT_JSON, "json", NULL, "one JSON object" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[--level LEVEL] [--since TIME] [--pipeline CODE]\n"
	    "                   [--csv | --json [--pretty]] [-n] [--repair --reason TEXT]",
	NULL
};
static const char *(*const libs[])(void) = { imgp_db_version, NULL };
static const struct imgp_tool tool = { "imgp-verify", synopsis,
	"Prove that all the EDC has lies at the destinations.", opts, libs,
	IMGP_USES_DRY_RUN | IMGP_USES_PRETTY
};

static const char *const levels[] = {
	[IMGP_VERIFY_ROW] = "row", [IMGP_VERIFY_EXISTS] = "exists",
	[IMGP_VERIFY_SIZE] = "size", [IMGP_VERIFY_SUM] = "sum",
	[IMGP_VERIFY_FETCH] = "fetch", [IMGP_VERIFY_IDS] = "ids"
};

/* What is printed of a finding. */
struct form {
	void	(*finding)(struct form *f, const struct imgp_finding *i,
	    struct imgp_buf *out);
	int	 n;			/* findings so far */
};

static void
as_text(struct form *f, const struct imgp_finding *i, struct imgp_buf *out)
{
	char s[2048];

	(void)f;
	imgp_buf_printf(out, "%-14s ", imgp_verify_kinds[i->kind]);
	if (i->upload > 0)
		imgp_buf_printf(out, "upload %lld revision %lld (%s)",
		    (long long)i->upload, (long long)i->revision, i->pipeline);
	if (i->place != NULL) {
		imgp_printable(s, sizeof s, i->place, strlen(i->place));
		imgp_buf_printf(out, "%s%s", i->upload > 0 ? ": " : "", s);
	}
	imgp_printable(s, sizeof s, i->what, strlen(i->what));
	imgp_buf_printf(out, ": %s\n", s);
}

static void
as_csv(struct form *f, const struct imgp_finding *i, struct imgp_buf *out)
{
	(void)f;
	imgp_csv_str(out, imgp_verify_kinds[i->kind], 0);
	imgp_csv_int(out, i->file_id > 0 ? i->file_id : -1);
	imgp_csv_int(out, i->upload > 0 ? i->upload : -1);
	imgp_csv_int(out, i->upload > 0 ? i->revision : -1);
	imgp_csv_str(out, i->pipeline == NULL ? "" : i->pipeline, 0);
	imgp_csv_str(out, i->place == NULL ? "" : i->place, 0);
	imgp_csv_str(out, i->what, 1);
}

static void
as_json(struct form *f, const struct imgp_finding *i, struct imgp_buf *out)
{
	struct imgp_json *o = imgp_json_new_object();

	imgp_json_set_str(o, "finding", imgp_verify_kinds[i->kind]);
	if (i->file_id > 0)
		imgp_json_set_int(o, "edc_pipeline_file_id", i->file_id);
	if (i->upload > 0) {
		imgp_json_set_int(o, "subject_event_crf_file_id", i->upload);
		imgp_json_set_int(o, "revision_number", i->revision);
		imgp_json_set_str(o, "pipeline_code", i->pipeline);
	}
	if (i->place != NULL)
		imgp_json_set_str(o, "place", i->place);
	imgp_json_set_str(o, "what", i->what);
	imgp_buf_puts(out, f->n > 0 ? "," : "");
	imgp_json_print(o, out);
	imgp_json_free(o);
}

static void
print(const struct form *f, struct imgp_buf *b)
{
	if (f->finding == as_json)
		imgp_print_json(b);
	imgp_print(b);
}

static void
found(void *arg, const struct imgp_finding *i)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct form *f = arg;

	f->finding(f, i, &b);
	f->n++;
	print(f, &b);
	imgp_buf_release(&b);
}

static void
begin(const struct form *f, enum imgp_verify_level level)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	if (f->finding == as_csv)
		imgp_buf_puts(&b, "finding,edc_pipeline_file_id,"
		    "subject_event_crf_file_id,revision_number,pipeline_code,"
		    "place,what\r\n");
	else if (f->finding == as_json)
		imgp_buf_printf(&b, "{\"level\":\"%s\",\"findings\":[",
		    levels[level]);
	print(f, &b);
	imgp_buf_release(&b);
}

/* ${r} is NULL where the record could not be asked to the end. */
static void
end(const struct form *f, enum imgp_verify_level level,
    const struct imgp_verified *r)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	int holds = r != NULL && r->findings == 0 && r->unseen == 0;

	if (f->finding == as_json) {
		imgp_buf_puts(&b, "]");
		if (r != NULL)
			imgp_buf_printf(&b, ",\"rows\":%lld,\"objects\":%lld,"
			    "\"unseen\":%lld,\"refused\":%lld",
			    (long long)r->rows, (long long)r->objects,
			    (long long)r->unseen, (long long)r->refused);
		imgp_buf_printf(&b, ",\"holds\":%s}\n",
		    holds ? "true" : "false");
	} else if (f->finding == as_text && r != NULL) {
		imgp_buf_printf(&b, "level %s: ", levels[level]);
		if (level > IMGP_VERIFY_ROW)
			imgp_buf_printf(&b, "%lld rows, %lld objects, ",
			    (long long)r->rows, (long long)r->objects);
		imgp_buf_printf(&b, "%lld finding%s%s\n",
		    (long long)r->findings, r->findings == 1 ? "" : "s",
		    holds ? ": all holds" : r->unseen > 0 ?
		    ", and not all could be looked at" : "");
	}
	print(f, &b);
	imgp_buf_release(&b);
}

static enum imgp_verify_level
take_level(const char *s)
{
	size_t i;

	for (i = 0; i < sizeof levels / sizeof *levels; i++)
		if (strcmp(s, levels[i]) == 0)
			return (enum imgp_verify_level)i;
	imgp_usage(&tool, "--level: row, exists, size, sum, fetch or ids");
}

static void
options(struct imgp_verify *v, struct form *f, int argc, char *argv[])
{
	int ch, forms = 0, repairs = 0;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case OPT_LEVEL:
			v->level = take_level(optarg);
			break;
		case OPT_SINCE:
			if ((v->since = imgp_since(optarg)) == NULL)
				imgp_usage(&tool,
				    "--since: neither 24h nor 2019-01-18");
			break;
		case OPT_PIPELINE:
			v->pipeline = optarg;
			break;
		case OPT_REPAIR:
			repairs = 1;
			break;
		case OPT_REASON:
			v->repair = optarg;
			break;
		case OPT_CSV:
		case OPT_JSON:
			f->finding = ch == OPT_CSV ? as_csv : as_json;
			forms++;
			break;
		}
	if (repairs != (v->repair != NULL && v->repair[0] != '\0') ||
	    (repairs && v->level == IMGP_VERIFY_ROW))
		imgp_usage(&tool, "--repair and --reason go together, and not "
		    "with --level row");
	if (imgp_common.dry_run)
		v->repair = NULL;
	v->dry_run = imgp_common.dry_run;
	if (optind != argc || forms > 1)
		imgp_usage(&tool, "no operands, and one of --csv and --json");
}

int
main(int argc, char *argv[])
{
	struct form f = { as_text, 0 };
	struct imgp_verify v = { .level = IMGP_VERIFY_SIZE, .found = found,
	    .complain = imgp_complain, .arg = &f };
	struct imgp_verified r;
	struct imgp_post *p;
	struct imgp_err e;
	int rc;

	imgp_conf_want(IMGP_SECRETS_RECORD | IMGP_SECRETS_MAIL);
	options(&v, &f, argc, argv);
	if ((p = imgp_post_open_record(&e)) == NULL)
		imgp_die(&e);
	begin(&f, v.level);
	rc = imgp_verify(p, &v, &r, &e);
	end(&f, v.level, rc == 0 ? &r : NULL);
	if (rc == -1)
		imgp_die(&e);
	imgp_post_close(p);
	return r.unseen + r.refused > 0 ? IMGP_EX_TEMPFAIL : r.findings > 0 ?
	    IMGP_EX_ERRORS : IMGP_EX_OK;
}
