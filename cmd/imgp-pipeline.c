/*
 * imgp-pipeline: the register of pipelines, their pauses and waivers
 * (imgp-pipeline(1)).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/since.h"
#include "libimgpipe/base/table.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/record/envelope.h"
#include "libimgpipe/record/ledger.h"

enum { OPT_REASON = 256, OPT_UNTIL, OPT_JSON };

static const struct imgp_opt opts[] = {
	{ OPT_REASON, "reason", "TEXT", "why, for the record" },
	{ OPT_UNTIL, "until", "TIME",
	    "pause, waive: when it ends by itself, such as 7d or 2026-12-31" },
	{ OPT_JSON, "json", NULL, "list: one JSON object" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[list [CODE]] [--json [--pretty]]",
	"[-nq] add CODE [--reason TEXT] [NAME=VALUE ...]",
	"[-nq] set CODE [--reason TEXT] NAME=VALUE ...",
	"[-nq] pause CODE --reason TEXT [--until TIME]",
	"[-nq] resume CODE [--reason TEXT]",
	"[-nq] waive CODE --reason TEXT [--until TIME] ID ...",
	"[-nq] unwaive CODE [--reason TEXT] ID ...",
	NULL
};
static const char *(*const libs[])(void) = { imgp_db_version, NULL };
static const struct imgp_tool tool = { "imgp-pipeline", synopsis,
	"List and change pipelines, their pauses and waivers.", opts, libs,
	IMGP_USES_DRY_RUN | IMGP_USES_QUIET | IMGP_USES_PRETTY
};

/* What the operands of a subcommand are, and what it needs. */
enum { TAKES_SETTINGS = 1, NEEDS_SETTINGS = 2, TAKES_IDS = 4, NEEDS_REASON = 8,
	TAKES_UNTIL = 16 };
static const struct verb {
	const char	*name;
	const char	*sql;
	unsigned int	 flags;
	const char	*done;		/* what is said of it */
} verbs[] = {
	{ "list", "select pipeline.pipeline_list($1::jsonb)", 0, NULL },
	{ "add", "select pipeline.pipeline_add($1::jsonb)", TAKES_SETTINGS,
	    "added" },
	{ "set", "select pipeline.pipeline_set($1::jsonb)",
	    TAKES_SETTINGS | NEEDS_SETTINGS, "changed" },
	{ "pause", "select pipeline.pipeline_pause($1::jsonb)",
	    NEEDS_REASON | TAKES_UNTIL, "paused" },
	{ "resume", "select pipeline.pipeline_resume($1::jsonb)", 0, "resumed" },
	{ "waive", "select pipeline.pipeline_waive($1::jsonb)",
	    TAKES_IDS | NEEDS_REASON | TAKES_UNTIL, "waived" },
	{ "unwaive", "select pipeline.pipeline_unwaive($1::jsonb)", TAKES_IDS,
	    "no longer waived" },
};

struct wish {
	const struct verb *verb;
	const char	*code;		/* NULL: all */
	const char	*reason;
	char		*until;
	int		 json;
};

/* --- the command line ------------------------------------------------------- */

static const struct verb *
find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	imgp_usage(&tool, "no such subcommand: %s", name);
}

/* Options may stand anywhere; what else there is, in order. */
static size_t
options(struct wish *w, int argc, char *argv[], const char **words)
{
	size_t n = 0;
	int ch;

	for (;;) {
		while ((ch = imgp_opt(&tool, argc, argv)) != -1)
			switch (ch) {
			case OPT_REASON: w->reason = optarg; break;
			case OPT_JSON: w->json = 1; break;
			case OPT_UNTIL:
				free(w->until);
				if ((w->until = imgp_until(optarg)) == NULL)
					imgp_usage(&tool,
					    "--until: neither 7d nor 2026-12-31");
				break;
			}
		if (optind == argc)
			return n;
		words[n++] = argv[optind++];
	}
}

static void
check(const struct wish *w, size_t operands)
{
	const struct verb *v = w->verb;
	int is_list = v == verbs;

	if (w->code == NULL && !is_list)
		imgp_usage(&tool, "%s: of which pipeline?", v->name);
	if (w->json && !is_list)
		imgp_usage(&tool, "--json goes with list");
	if ((v->flags & NEEDS_REASON) != 0 &&
	    (w->reason == NULL || imgp_is_blank(w->reason, strlen(w->reason))))
		imgp_usage(&tool, "%s: --reason is wanted", v->name);
	if (w->reason != NULL && is_list)
		imgp_usage(&tool, "--reason goes with a change");
	if (w->until != NULL && (v->flags & TAKES_UNTIL) == 0)
		imgp_usage(&tool, "--until goes with pause and waive");
	if (operands > 0 && (v->flags & (TAKES_SETTINGS | TAKES_IDS)) == 0)
		imgp_usage(&tool, "%s takes one pipeline", v->name);
	if (operands == 0 && (v->flags & NEEDS_SETTINGS) != 0)
		imgp_usage(&tool, "set: label=TEXT or fields=ID,ID");
	if (operands == 0 && (v->flags & TAKES_IDS) != 0)
		imgp_usage(&tool, "%s: which uploads?", v->name);
}

/* "21,22": the EDC's ids of upload fields. */
static struct imgp_json *
take_fields(const char *s)
{
	struct imgp_json *fields = imgp_json_new_array();
	char word[24];
	long long id;
	size_t n;

	for (s += strspn(s, ", "); *s != '\0'; s += n + strspn(s + n, ", ")) {
		n = strcspn(s, ", ");
		snprintf(word, sizeof word, "%.*s", (int)(n < 23 ? n : 23), s);
		if (imgp_parse_int(word, 1, INT64_MAX, &id) == -1)
			imgp_usage(&tool, "fields: \"%s\" is not the number of "
			    "an upload field", word);
		imgp_json_append_int(fields, id);
	}
	return fields;
}

static void
take_setting(struct imgp_json *req, const char *s)
{
	const char *value = strchr(s, '=');
	int len = (int)strcspn(s, "=");
	char name[64];

	snprintf(name, sizeof name, "%.*s", len, s);
	if (value == NULL)
		imgp_usage(&tool, "%s: not of the form NAME=VALUE", s);
	if (strcmp(name, "label") == 0)
		imgp_json_set_str(req, "label", value + 1);
	else if (strcmp(name, "fields") == 0)
		imgp_json_set(req, "ddfiles", take_fields(value + 1));
	else if (imgp_conf_is_known(name))
		imgp_usage(&tool, "%s is a setting of imgpipe.conf(5): it stands "
		    "in the section of the pipeline there", name);
	else
		imgp_usage(&tool, "%s is none of: label fields", name);
}

/* --- asking ----------------------------------------------------------------- */

static struct imgp_db *
reach(void)
{
	struct imgp_db *db;
	struct imgp_err e;
	const char *s = imgp_ledger_need_conninfo(&e);

	if (s == NULL || (db = imgp_db_open(s, 0, 0, &e)) == NULL ||
	    imgp_db_check_schema(db, &e) == -1)
		imgp_die(&e);
	return db;
}

/* ${req} is taken over.  A dry run is rolled back. */
static int
ask(struct imgp_db *db, const struct verb *v, struct imgp_json *req,
    struct imgp_json **data, struct imgp_err *e)
{
	unsigned int bounds = IMGP_DB_BEGIN |
	    (imgp_common.dry_run ? 0 : IMGP_DB_COMMIT);
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_db_stmt stmt = { v->sql, NULL, 1 };
	struct imgp_rows *rows = NULL;
	const char *param;
	int rc;

	imgp_json_print(req, &b);
	imgp_json_free(req);
	param = b.s;
	stmt.params = &param;
	rc = imgp_db_batch(db, bounds, &stmt, 1, &rows, e);
	if (rc == 0)
		rc = imgp_envelope_read(rows, data, e);
	imgp_rows_free(rows);
	imgp_db_rollback(db);
	imgp_buf_release(&b);
	return rc;
}

/* --- changes ---------------------------------------------------------------- */

static void
tell(const struct wish *w, const char *id, const struct imgp_json *data)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	const char *until = imgp_json_str(imgp_json_get(data, "until"));
	int changed = imgp_json_bool(imgp_json_get(data, "changed")) == 1;

	if (imgp_common.quiet)
		return;
	imgp_buf_printf(&b, "%s: ", w->code);
	if (id != NULL)
		imgp_buf_printf(&b, "upload %s: ", id);
	if (!changed)
		imgp_buf_puts(&b, "nothing to change");
	else {
		imgp_buf_printf(&b, "%s%s", imgp_common.dry_run ?
		    "would be " : "", w->verb->done);
		if (until != NULL)
			imgp_buf_printf(&b, " until %s", until);
	}
	imgp_buf_puts(&b, "\n");
	imgp_print(&b);
	imgp_buf_release(&b);
}

static struct imgp_json *
request(const struct wish *w)
{
	struct imgp_json *req = imgp_json_new_object();

	imgp_json_set_str(req, "pipeline_code", w->code);
	imgp_json_set_str(req, "reason", w->reason);
	imgp_json_set_str(req, "until", w->until);
	return req;
}

/* One change; 0, or 1 when an upload is not there. */
static int
change(struct imgp_db *db, const struct wish *w, struct imgp_json *req,
    const char *id)
{
	struct imgp_json *data = NULL;
	struct imgp_err e;

	if (ask(db, w->verb, req, &data, &e) == -1) {
		if (strcmp(e.code, IMGP_E_LOOKUP_NOT_FOUND) != 0)
			imgp_die(&e);
		imgp_complain(&e);
		return IMGP_EX_ERRORS;
	}
	tell(w, id, data);
	imgp_json_free(data);
	return IMGP_EX_OK;
}

/* The operands are looked at before anything is changed. */
static int
change_uploads(struct imgp_db *db, const struct wish *w,
    const char *const *ids, size_t n)
{
	struct imgp_json *req;
	int rc = IMGP_EX_OK;
	long long id;
	size_t i;

	for (i = 0; i < n; i++) {
		req = request(w);
		imgp_parse_int(ids[i], 1, INT64_MAX, &id);
		imgp_json_set_int(req, "subject_event_crf_file_id", id);
		rc = imgp_exit_worse(rc, change(db, w, req, ids[i]));
	}
	return rc;
}

/* --- the list --------------------------------------------------------------- */

static const char *
text(const struct imgp_json *o, const char *key, char *clean, size_t size)
{
	const char *s = imgp_json_str(imgp_json_get(o, key));

	if (s == NULL || *s == '\0')
		s = "-";
	imgp_printable(clean, size, s, strlen(s));
	return clean;
}

static void
pipeline_row(struct imgp_table *t, const struct imgp_json *p)
{
	char s[512];
	struct imgp_buf fields = IMGP_BUF_INIT;
	const struct imgp_json *i;
	int64_t id = 0, holding = 0;

	for (i = imgp_json_first(imgp_json_get(p, "ddfiles")); i != NULL;
	    i = imgp_json_next(i)) {
		imgp_json_int(i, &id);
		imgp_buf_printf(&fields, "%s%lld", fields.len == 0 ? "" : ",",
		    (long long)id);
	}
	for (i = imgp_json_first(imgp_json_get(p, "waivers")); i != NULL;
	    i = imgp_json_next(i))
		holding += imgp_json_bool(imgp_json_get(i, "holds")) == 1;
	imgp_table_str(t, text(p, "pipeline_code", s, sizeof s), IMGP_PLAIN);
	imgp_table_str(t, imgp_json_bool(imgp_json_get(p, "paused")) == 1 ?
	    "paused" : "runs", IMGP_PLAIN);
	imgp_table_str(t, fields.len == 0 ? "-" : fields.s, IMGP_PLAIN);
	imgp_table_int(t, holding);
	imgp_table_str(t, text(p, "label", s, sizeof s), IMGP_PLAIN);
	imgp_buf_release(&fields);
}

static void
pause_line(const struct imgp_json *p, struct imgp_buf *out)
{
	char code[80], by[80], since[40], until[40], reason[512];
	int ends;

	if (imgp_json_bool(imgp_json_get(p, "paused")) != 1)
		return;
	ends = imgp_json_str(imgp_json_get(p, "paused_until")) != NULL;
	imgp_buf_printf(out, "%s is paused%s%s%s%s%s%s: %s\n",
	    text(p, "pipeline_code", code, sizeof code),
	    imgp_json_str(imgp_json_get(p, "paused_by")) == NULL ? "" : " by ",
	    imgp_json_str(imgp_json_get(p, "paused_by")) == NULL ? "" :
	    text(p, "paused_by", by, sizeof by),
	    imgp_json_str(imgp_json_get(p, "paused_since")) == NULL ? "" :
	    " since ",
	    imgp_json_str(imgp_json_get(p, "paused_since")) == NULL ? "" :
	    text(p, "paused_since", since, sizeof since),
	    ends ? " until " : "", ends ? text(p, "paused_until", until,
	    sizeof until) : "", text(p, "paused_reason", reason,
	    sizeof reason));
}

static void
waiver_rows(struct imgp_table *t, const struct imgp_json *p)
{
	const struct imgp_json *i;
	int64_t id = 0;
	char s[512];

	for (i = imgp_json_first(imgp_json_get(p, "waivers")); i != NULL;
	    i = imgp_json_next(i)) {
		if (imgp_json_bool(imgp_json_get(i, "holds")) != 1)
			continue;
		imgp_json_int(imgp_json_get(i, "subject_event_crf_file_id"),
		    &id);
		imgp_table_int(t, id);
		imgp_table_str(t, text(p, "pipeline_code", s, sizeof s),
		    IMGP_PLAIN);
		imgp_table_str(t, text(i, "expires", s, sizeof s), IMGP_PLAIN);
		imgp_table_str(t, text(i, "waived_by", s, sizeof s),
		    IMGP_PLAIN);
		imgp_table_str(t, text(i, "reason", s, sizeof s), IMGP_PLAIN);
	}
}

static void
change_lines(const struct imgp_json *p, struct imgp_buf *out)
{
	const struct imgp_json *i;
	char ts[40], action[16], by[80], reason[512];
	int64_t id;

	for (i = imgp_json_first(imgp_json_get(p, "changes")); i != NULL;
	    i = imgp_json_next(i)) {
		imgp_buf_printf(out, "%s %s", text(i, "ts", ts, sizeof ts),
		    text(i, "action", action, sizeof action));
		if (imgp_json_int(imgp_json_get(i,
		    "subject_event_crf_file_id"), &id) == 0)
			imgp_buf_printf(out, " %lld", (long long)id);
		imgp_buf_printf(out, " by %s: %s\n",
		    text(i, "changed_by", by, sizeof by),
		    text(i, "reason", reason, sizeof reason));
	}
}

static void
print_list(const struct imgp_json *list, struct imgp_buf *out)
{
	static const char *const heads[] = { "PIPELINE", "STATE", "FIELDS",
	    ">WAIVED", "LABEL" };
	static const char *const waived[] = { ">UPLOAD", "PIPELINE", "UNTIL",
	    "BY", "WAIVED: WHY" };
	struct imgp_table *t = imgp_table_new(heads, 5);
	struct imgp_table *u = imgp_table_new(waived, 5);
	const struct imgp_json *p;
	int64_t n = 0;

	for (p = imgp_json_first(list); p != NULL; p = imgp_json_next(p)) {
		pipeline_row(t, p);
		waiver_rows(u, p);
		n += (int64_t)imgp_json_count(imgp_json_get(p, "waivers"));
	}
	imgp_table_print(t, 0, out);
	for (p = imgp_json_first(list); p != NULL; p = imgp_json_next(p))
		pause_line(p, out);
	if (n > 0)
		imgp_table_print(u, 0, out);
	for (p = imgp_json_first(list); p != NULL; p = imgp_json_next(p))
		change_lines(p, out);
	imgp_table_free(t);
	imgp_table_free(u);
}

static int
is_listed(const struct imgp_json *list, const char *code)
{
	const char *s;

	for (list = imgp_json_first(list); list != NULL;
	    list = imgp_json_next(list))
		if ((s = imgp_json_str(imgp_json_get(list,
		    "pipeline_code"))) != NULL && strcmp(s, code) == 0)
			return 1;
	return 0;
}

/* A section that no pipeline has is a name that is wrong. */
static int
check_sections(const struct imgp_json *list)
{
	const char *section;
	struct imgp_err e;
	int rc = IMGP_EX_OK;
	size_t i;

	for (i = 0; (section = imgp_conf_section(i)) != NULL; i++) {
		if (is_listed(list, section))
			continue;
		imgp_fail(&e, IMGP_E_CONFIG, "the settings have a section "
		    "[%.70s], and no pipeline has this code", section);
		imgp_complain(&e);
		rc = IMGP_EX_ERRORS;
	}
	return rc;
}

static int
show(struct imgp_db *db, const struct wish *w)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_json *data = NULL;
	struct imgp_err e;
	int rc = IMGP_EX_OK;

	if (ask(db, w->verb, request(w), &data, &e) == -1)
		imgp_die(&e);
	if (w->json) {
		imgp_json_print(data, &b);
		imgp_buf_puts(&b, "\n");
		imgp_print_json(&b);
	} else
		print_list(imgp_json_get(data, "pipelines"), &b);
	imgp_print(&b);
	if (w->code == NULL)
		rc = check_sections(imgp_json_get(data, "pipelines"));
	imgp_json_free(data);
	imgp_buf_release(&b);
	return rc;
}

int
main(int argc, char *argv[])
{
	const char **words = imgp_alloc((size_t)argc * sizeof *words);
	struct wish w = { verbs, NULL, NULL, NULL, 0 };
	struct imgp_json *req;
	struct imgp_db *db;
	struct imgp_err e;
	long long id;
	size_t n, i;
	int rc;

	imgp_conf_want(IMGP_SECRETS_RECORD);
	n = options(&w, argc, argv, words);
	w.verb = find_verb(n > 0 ? words[0] : "list");
	w.code = n > 1 ? words[1] : NULL;
	check(&w, n > 2 ? n - 2 : 0);
	req = request(&w);
	for (i = 2; i < n; i++)
		if ((w.verb->flags & TAKES_IDS) == 0)
			take_setting(req, words[i]);
		else if (imgp_parse_int(words[i], 1, INT64_MAX, &id) == -1)
			imgp_usage(&tool, "\"%s\" is not the id of an upload",
			    words[i]);
	if (imgp_conf_load_but(imgp_complain, &e) == -1)
		imgp_die(&e);
	db = reach();
	if (w.verb == verbs)
		rc = show(db, &w);
	else if ((w.verb->flags & TAKES_IDS) != 0)
		rc = change_uploads(db, &w, words + 2, n - 2);
	else {
		rc = change(db, &w, req, NULL);
		req = NULL;
	}
	imgp_json_free(req);
	imgp_db_close(db);
	free(w.until);
	free(words);
	return rc;
}
