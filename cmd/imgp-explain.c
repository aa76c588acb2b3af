/*
 * imgp-explain: what imgp-run --explain shows; only imgp-run starts it.
 *
 *	imgp-explain [--pipeline CODE] [--json] [--] ID ...
 *	imgp-explain --error CODE
 *
 * Its connections are read only, and it opens no store.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/record/ledger.h"
#include "libimgpipe/report/explain.h"
#include "libimgpipe/steps/lookup.h"
#include "libimgpipe/steps/settings.h"

enum { OPT_PIPELINE = 256, OPT_JSON, OPT_ERROR };

static const struct imgp_opt opts[] = {
	{ OPT_PIPELINE, "pipeline", "CODE",
	    "where several pipelines list an upload, take this" },
	{ OPT_JSON, "json", NULL, "a line of JSON for each" },
	{ OPT_ERROR, "error", "CODE", "what the error dictionary says of a code" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[--pipeline CODE] [--json [--pretty]] ID ...",
	"--error CODE",
	NULL
};
static const char *(*const libs[])(void) = { imgp_db_version, NULL };
static const struct imgp_tool tool = { "imgp-explain", synopsis,
	"Show what a run would do with an upload, and why.", opts, libs,
	IMGP_USES_PRETTY
};

static struct imgp_db *
reach(const char *conninfo)
{
	struct imgp_err e;
	struct imgp_db *db = imgp_db_open(conninfo, IMGP_DB_READ_ONLY, 0, &e);

	if (db == NULL || imgp_db_check_schema(db, &e) == -1)
		imgp_die(&e);
	return db;
}

/* The record's side of the settings; NULL: it is a pipeline API. */
static struct imgp_db *
reach_record(void)
{
	const char *s = imgp_ledger_conninfo();

	return s == NULL ? NULL : reach(s);
}

static void
configure(struct imgp_explain_of *of)
{
	const char *database, *replica;
	struct imgp_err e;

	if (imgp_settings_check(&e) == -1 ||
	    (of->source = imgp_conf_need(NULL, "source", &e)) == NULL ||
	    (database = imgp_conf_need(NULL, "database", &e)) == NULL)
		imgp_die(&e);
	replica = imgp_conf(NULL, "replica");
	of->edc = reach(replica != NULL ? replica : database);
	of->record = reach_record();
}

static int
explain(const struct imgp_explain_of *of, const char *id, int json,
    struct imgp_buf *b)
{
	struct imgp_json *facts;
	struct imgp_job *job;
	struct imgp_err e;
	int rc;

	if ((job = imgp_lookup_accept(id, strlen(id), NULL, &e)) == NULL ||
	    (facts = imgp_explain(of, job, &e)) == NULL) {
		imgp_complain(&e);
		imgp_job_free(job);
		return strcmp(e.code, IMGP_E_JOB_INPUT) == 0 ||
		    imgp_error_owner(e.code) == IMGP_OWNER_UPLOAD ?
		    IMGP_EX_ERRORS : IMGP_EX_TEMPFAIL;
	}
	rc = imgp_explain_is_unknown(facts) ? IMGP_EX_ERRORS : IMGP_EX_OK;
	if (json) {
		imgp_json_print(facts, b);
		imgp_buf_puts(b, "\n");
		imgp_print_json(b);
	} else
		imgp_explain_text(facts, b);
	imgp_print(b);
	imgp_json_free(facts);
	imgp_job_free(job);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct imgp_explain_of of = { .pipeline = NULL };
	struct imgp_buf b = IMGP_BUF_INIT;
	const char *code = NULL;
	struct imgp_err e;
	int ch, json = 0, rc = IMGP_EX_OK;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case OPT_PIPELINE: of.pipeline = optarg; break;
		case OPT_JSON: json = 1; break;
		case OPT_ERROR: code = optarg; break;
		}
	imgp_progname = "imgp-run";	/* is what the caller knows */
	if ((code == NULL) != (optind < argc))
		imgp_usage(&tool, "it takes ids, or --error with a code");
	if (code != NULL) {
		/* A site may have a dictionary of its own; what is wrong with
		 * the settings may be what is to be explained. */
		if (imgp_conf_load(&e) == -1)
			imgp_complain(&e);
		if (imgp_explain_code(code, &b) == -1) {
			fprintf(stderr, "%s: no such code: %s\n",
			    imgp_progname, code);
			return IMGP_EX_ERRORS;
		}
		imgp_print(&b);
		imgp_buf_release(&b);
		return IMGP_EX_OK;
	}
	imgp_conf_want(IMGP_SECRETS_RECORD);
	configure(&of);
	for (; optind < argc; optind++)
		rc = imgp_exit_worse(rc, explain(&of, argv[optind], json, &b));
	imgp_db_close(of.edc);
	imgp_db_close(of.record);
	imgp_buf_release(&b);
	return rc;
}
