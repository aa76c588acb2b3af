/*
 * imgp-status: what is where (imgp-status(1)).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/out.h"
#include "libimgpipe/archive/outfile.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/since.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/report/post.h"
#include "libimgpipe/report/status.h"

#define PAGE	1000		/* files asked for at once */

#define PAGE_FILES	2000	/* told one by one on the page */
#define PAGE_DAYS	14

enum { OPT_CSV = 256, OPT_JSON, OPT_SINCE, OPT_COLOR, OPT_METRICS, OPT_HTML };

static const struct imgp_opt opts[] = {
	{ OPT_CSV, "csv", NULL, "a row for each file" },
	{ OPT_JSON, "json", NULL, "the same as JSON" },
	{ OPT_METRICS, "metrics", NULL, "the counts for Prometheus" },
	{ OPT_HTML, "html", NULL, "a page for the team" },
	{ 'o', "output", "FILE", "with --html: replace FILE when all is there" },
	{ OPT_SINCE, "since", "TIME", "with --csv: made or ended since" },
	{ OPT_COLOR, "color", "auto|always|never", "auto: at a terminal" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[--json [--pretty]] [--color WHEN]",
	"--csv [--since TIME]",
	"--metrics",
	"--html [-o FILE]",
	"[--json [--pretty]] [--color WHEN] ID ...",
	NULL
};
static const char *(*const libs[])(void) = { imgp_db_version, NULL };
static const struct imgp_tool tool = { "imgp-status", synopsis,
	"Show what is where, what needs a look, or all about an upload.",
	opts, libs,
	IMGP_USES_PRETTY
};

struct wish {
	int	 csv, json, metrics, html, colour;
	char	*since;
	const char *output;
};

static int
take_colour(const char *s)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (strcmp(s, "always") == 0)
		return 1;
	if (strcmp(s, "never") == 0)
		return 0;
	if (strcmp(s, "auto") != 0)
		imgp_usage(&tool, "--color: auto, always or never");
	return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0') &&
	    term != NULL && strcmp(term, "dumb") != 0;
}

static void
options(struct wish *w, int argc, char *argv[])
{
	int ch;

	w->colour = take_colour("auto");
	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case OPT_CSV:
			w->csv = 1;
			break;
		case OPT_JSON:
			w->json = 1;
			break;
		case OPT_METRICS:
			w->metrics = 1;
			break;
		case OPT_HTML:
			w->html = 1;
			break;
		case 'o':
			w->output = optarg;
			break;
		case OPT_SINCE:
			if ((w->since = imgp_since(optarg)) == NULL)
				imgp_usage(&tool,
				    "--since: neither 24h nor 2019-01-18");
			break;
		case OPT_COLOR:
			w->colour = take_colour(optarg);
			break;
		}
	if (w->csv + w->json + w->metrics + w->html > 1 ||
	    ((w->csv || w->metrics || w->html) && optind != argc) ||
	    (w->since != NULL && !w->csv))
		imgp_usage(&tool, "--csv, --metrics and --html are for all "
		    "files, and --since is for --csv");
	if (w->output != NULL && !w->html)
		imgp_usage(&tool, "-o is for --html");
}

static int
ask(struct imgp_post *p, const char *function, struct imgp_json *req,
    struct imgp_json **data)
{
	struct imgp_err e;

	if (imgp_post_ask(p, function, req, data, &e) == -1)
		imgp_die(&e);
	return 0;
}

/* Have what is done counted, where that was too long ago: then status() need not
 * read it.  Where this fails it does. */
static void
sweep(struct imgp_post *p, long long every)
{
	struct imgp_json *req = imgp_json_new_object(), *data = NULL;
	struct imgp_err e;

	imgp_json_set_int(req, "every", every);
	(void)imgp_post_ask(p, "sweep_make", req, &data, &e);
	imgp_json_free(data);
}

/* A request for status() and what goes with it, by the last such count. */
static struct imgp_json *
request(struct imgp_post *p, int anew)
{
	struct imgp_json *req = imgp_status_request();
	struct imgp_err e;
	long long every;

	if (imgp_conf_duration(NULL, "sweep_every", &every, &e) == -1)
		imgp_die(&e);
	if (every > 0 && anew)
		sweep(p, every);
	imgp_json_set_int(req, "every", every);
	return req;
}

static void
board(struct imgp_post *p, const struct wish *w, struct imgp_buf *b)
{
	struct imgp_json *req = request(p, 1), *data = NULL;

	imgp_json_set_int(req, "limit", w->json ? 1000 : 20);
	ask(p, "status", req, &data);
	imgp_status_leave_out(data);
	imgp_status_advise(data);
	if (w->json) {
		imgp_json_print(data, b);
		imgp_buf_puts(b, "\n");
		imgp_print_json(b);
	} else if (w->metrics)
		imgp_status_metrics(data, b);
	else
		imgp_status_board(data, w->colour, b);
	imgp_print(b);
	imgp_json_free(data);
}

/* The codes of the pipelines that are not left out; the caller's. */
static struct imgp_json *
codes_of(const struct imgp_json *board)
{
	struct imgp_json *codes = imgp_json_new_array();
	const struct imgp_json *i;
	const char *code;

	for (i = imgp_json_first(imgp_json_get(board, "states")); i != NULL;
	    i = imgp_json_next(i))
		if ((code = imgp_json_str(imgp_json_get(i,
		    "pipeline_code"))) != NULL)
			imgp_json_append_str(codes, code);
	return codes;
}

/* Put the page into its file, which is replaced as a whole. */
static void
keep(const char *name, struct imgp_buf *b)
{
	struct imgp_outfile f = IMGP_OUTFILE_INIT, *const all[] = { &f };
	struct imgp_err e, ignored;

	if (imgp_outfile_find(&f, name, &e) == -1 ||
	    imgp_outfile_open(&f, &e) == -1)
		imgp_die(&e);
	if (imgp_write_all(f.fd, b->s, b->len) == -1) {
		imgp_fail_write(&e, name);
		imgp_outfile_release(&f, &ignored);
		imgp_die(&e);
	}
	if (imgp_outfile_keep(all, 1, &e) == -1 ||
	    imgp_outfile_release(&f, &e) == -1)
		imgp_die(&e);
}

static void
page(struct imgp_post *p, const struct wish *w, struct imgp_buf *b)
{
	struct imgp_json *board = NULL, *files = NULL, *days = NULL;
	struct imgp_json *req = request(p, 1);
	struct imgp_status_page s = { .title = imgp_conf(NULL, "mail_title") };

	imgp_json_set_int(req, "limit", PAGE_FILES);
	ask(p, "status_page", req, &files);
	req = request(p, 0);
	imgp_json_set_int(req, "limit", 100);
	ask(p, "status", req, &board);
	imgp_status_leave_out(board);
	imgp_status_leave_out(files);
	imgp_status_advise(board);
	req = imgp_json_new_object();
	imgp_json_set_int(req, "days", PAGE_DAYS);
	imgp_json_set(req, "pipelines", codes_of(board));
	ask(p, "digest_days", req, &days);
	s.board = board;
	s.files = files;
	s.days = imgp_json_get(days, "days");
	imgp_status_html(&s, b);
	if (w->output == NULL)
		imgp_print(b);
	else
		keep(w->output, b);
	imgp_json_free(board);
	imgp_json_free(files);
	imgp_json_free(days);
}

static void
all_files(struct imgp_post *p, const struct wish *w, struct imgp_buf *b)
{
	struct imgp_json *req, *data;
	int64_t last = 0;
	size_t n;

	imgp_status_csv_head(b);
	do {
		data = NULL;
		req = imgp_status_request();
		imgp_json_set_str(req, "since", w->since);
		imgp_json_set_int(req, "after", last);
		imgp_json_set_int(req, "limit", PAGE);
		ask(p, "status_files", req, &data);
		n = imgp_json_count(imgp_json_get(data, "files"));
		imgp_status_csv(imgp_json_get(data, "files"), b, &last);
		imgp_print(b);
		imgp_json_free(data);
	} while (n == PAGE);
}

/* 1 when nobody knows the upload, else 0. */
static int
upload(struct imgp_post *p, const struct wish *w, const char *operand,
    struct imgp_buf *b)
{
	struct imgp_json *data = NULL;
	long long id;
	int unknown;

	if (imgp_parse_int(operand, 1, INT64_MAX, &id) == -1)
		imgp_usage(&tool, "an id is a positive integer");
	ask(p, "status_upload", imgp_status_upload_request(id), &data);
	imgp_status_advise(data);
	unknown = imgp_json_bool(imgp_json_get(data, "known")) != 1 &&
	    imgp_json_count(imgp_json_get(data, "rows")) == 0;
	if (w->json) {
		imgp_json_set_int(data, "subject_event_crf_file_id", id);
		imgp_json_print(data, b);
		imgp_buf_puts(b, "\n");
		imgp_print_json(b);
	} else
		imgp_status_upload(data, id, w->colour, b);
	imgp_print(b);
	imgp_json_free(data);
	return unknown;
}

int
main(int argc, char *argv[])
{
	struct wish w = { .csv = 0 };
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_post *p;
	struct imgp_err e;
	int rc = IMGP_EX_OK;

	imgp_conf_want(IMGP_SECRETS_RECORD | IMGP_SECRETS_MAIL);
	options(&w, argc, argv);
	if (imgp_conf_load_but(imgp_complain, &e) == -1 ||
	    (p = imgp_post_open_record(&e)) == NULL)
		imgp_die(&e);
	if (w.csv)
		all_files(p, &w, &b);
	else if (w.html)
		page(p, &w, &b);
	else if (optind == argc)
		board(p, &w, &b);
	for (; optind < argc; optind++)
		if (upload(p, &w, argv[optind], &b))
			rc = IMGP_EX_ERRORS;
	imgp_post_close(p);
	imgp_buf_release(&b);
	free(w.since);
	return rc;
}
