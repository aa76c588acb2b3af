#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/secret.h"
#include "libimgpipe/net/http.h"
#include "libimgpipe/record/api.h"
#include "libimgpipe/record/ledger_priv.h"
#include "libimgpipe/record/token.h"

struct imgp_ledger_http {
	struct imgp_http	*http;
	char			*base;		/* without its last slash */
	char			*authorization;	/* a header, or NULL */
	const char		*ca_file;
	const char		*cert_file;
	const char		*key_file;
	long			 total_ms;
	int			 page_spelling;	/* edc_pipieline_file_id */
};

/* --- settings ------------------------------------------------------------- */

/* Nonzero when the setting ${name} is ${value}. */
static int
is_set_to(const char *name, const char *value)
{
	const char *s = imgp_conf(NULL, name);

	return s != NULL && strcmp(s, value) == 0;
}

/* Nonzero for the page's own spelling: by default that of an API like the page's. */
static int
is_page_spelling(void)
{
	return imgp_conf(NULL, "api_spelling") == NULL ?
	    is_set_to("api_revisions", "no") : is_set_to("api_spelling", "page");
}

static int
take_base(struct imgp_ledger_http *h, const char *base, struct imgp_err *e)
{
	const char *host = strstr(base, "://") + 3;
	size_t len = strlen(base);

	/* A secret in an address ends up in a log. */
	if (strpbrk(base, "?# ") != NULL ||
	    memchr(host, '@', strcspn(host, "/")) != NULL)
		return imgp_fail(e, IMGP_E_CONFIG, "the pipeline API's base "
		    "has neither user nor query");
	while (len > 0 && base[len - 1] == '/')
		len--;
	h->base = imgp_strndup(base, len);
	return 0;
}

static int
take_token(struct imgp_ledger_http *h, struct imgp_err *e)
{
	const char *text = imgp_conf(NULL, "api_token");
	struct imgp_tokens *t;

	if (text == NULL)
		return 0;
	if ((t = imgp_tokens_parse(text, e)) == NULL)
		return -1;
	h->authorization = imgp_asprintf("Authorization: Bearer %s",
	    imgp_tokens_first(t));
	imgp_tokens_free(t);
	return 0;
}

/* The key is curl's to read. */
static int
check_key(const struct imgp_ledger_http *h, struct imgp_err *e)
{
	int fd;

	if (h->key_file == NULL)
		return 0;
	if ((fd = imgp_secret_open(h->key_file, e)) == -1)
		return -1;
	close(fd);
	return 0;
}

struct imgp_ledger_http *
imgp_ledger_http_open(const char *base, struct imgp_err *e)
{
	struct imgp_ledger_http *h = imgp_alloc(sizeof *h);
	long long s;

	h->http = imgp_http_new();
	h->ca_file = imgp_conf(NULL, "api_ca_file");
	h->cert_file = imgp_conf(NULL, "api_cert_file");
	h->key_file = imgp_conf(NULL, "api_key_file");
	if (take_base(h, base, e) == -1 || take_token(h, e) == -1 ||
	    check_key(h, e) == -1 ||
	    imgp_conf_duration(NULL, "api_timeout", &s, e) == -1) {
		imgp_ledger_http_close(h);
		return NULL;
	}
	h->total_ms = (long)s * 1000;
	h->page_spelling = is_page_spelling();
	return h;
}

void
imgp_ledger_http_close(struct imgp_ledger_http *h)
{
	if (h == NULL)
		return;
	imgp_http_free(h->http);
	if (h->authorization != NULL)
		explicit_bzero(h->authorization, strlen(h->authorization));
	free(h->authorization);
	free(h->base);
	free(h);
}

/* --- one exchange --------------------------------------------------------- */

/* Send ${body} (NULL: GET) to ${path}; an answer of any status is one.  ${flags}:
 * http.h's. */
static int
exchange(struct imgp_ledger_http *h, const char *path,
    const struct imgp_buf *body, unsigned int flags,
    struct imgp_http_answer *a, struct imgp_err *e)
{
	const char *headers[4] = { "Accept: application/json" };
	struct imgp_http_request r = { .headers = headers,
	    .ca_bundle = h->ca_file, .cert = h->cert_file,
	    .key = h->key_file, .total_ms = h->total_ms,
	    .max = IMGP_JSON_MAX, .flags = flags };
	struct imgp_err why = { NULL, "" };
	char *url = imgp_asprintf("%s%s", h->base, path);
	size_t n = 1;
	int rc;

	r.url = url;
	if (h->authorization != NULL)
		headers[n++] = h->authorization;
	if (body != NULL) {
		headers[n++] = "Content-Type: application/json";
		r.body = body->s;
		r.body_len = body->len;
	}
	rc = imgp_http(h->http, &r, a, &why);
	free(url);
	if (rc == 0)
		return 0;
	if (strcmp(why.code, IMGP_E_STORE_UNAVAILABLE) == 0)
		why.code = IMGP_E_DB_UNAVAILABLE;
	else if (strcmp(why.code, IMGP_E_STORE_DENIED) == 0)
		why.code = IMGP_E_DB_DENIED;
	return imgp_fail(e, why.code, "%s", why.msg);
}

/* The server refuses who we are: 401, 403. */
static int
check_admitted(const struct imgp_http_answer *a, struct imgp_err *e)
{
	if (a->status != 401 && a->status != 403)
		return 0;
	return imgp_fail(e, IMGP_E_DB_DENIED,
	    "the pipeline API refused us with status %d", a->status);
}

int
imgp_ledger_http_reach(struct imgp_ledger_http *h, struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	int rc;

	if ((rc = exchange(h, IMGP_API_FILE, NULL, 0, &a, e)) == 0)
		rc = check_admitted(&a, e);
	imgp_http_release(&a);
	return rc;
}

/* The status of an answer that is not in the envelope. */
static int
fail_status(int status, struct imgp_err *e)
{
	if (status == 408 || status == 429 || status >= 500)
		return imgp_fail(e, IMGP_E_DB_UNAVAILABLE,
		    "the pipeline API answered with status %d", status);
	if (status == 404 || status == 405 || status / 100 == 3)
		return imgp_fail(e, IMGP_E_CONFIG, "status %d: the pipeline "
		    "API's base is another", status);
	return imgp_fail(e, IMGP_E_DB_QUERY, "status %d, and an answer that "
	    "is not in the API's envelope", status);
}

/*
 * An answer of status 500 and more: the envelope may name what is wrong there
 * for good; else asking again may help.
 */
static int
is_final(const struct imgp_json *answer)
{
	const char *code = imgp_json_str(imgp_json_get(answer, "error_code"));

	return imgp_error_find(code) != NULL && !imgp_error_is_temporary(code);
}

/* Take the answer apart: 0 with ${call} filled in, or -1. */
static int
take(struct imgp_ledger_call *call, const struct imgp_http_answer *a,
    struct imgp_err *e)
{
	struct imgp_json *j = NULL;
	int rc = 0;

	if (check_admitted(a, e) == -1)
		return -1;
	if (a->body.len > 0)
		j = imgp_json_parse(a->body.s, a->body.len, NULL);
	if (j == NULL && a->status / 100 == 2)
		/* Where a server ends its answer by closing, a cut is one. */
		rc = imgp_fail(e, IMGP_E_DB_UNAVAILABLE,
		    "the pipeline API's answer is not whole");
	else if (imgp_json_bool(imgp_json_get(j, "success")) == -1 ||
	    a->status / 100 == 1 || a->status / 100 == 3 ||
	    (a->status >= 500 && !is_final(j)))
		rc = fail_status(a->status, e);
	else
		imgp_ledger_take(call, j);
	imgp_json_free(j);
	return rc;
}

/* --- requests and answers ------------------------------------------------- */

/* The text of a request as the API spells it. */
static void
print_request(const struct imgp_ledger_http *h,
    const struct imgp_json *request, struct imgp_buf *out)
{
	struct imgp_json *wire = imgp_json_copy(request);
	const struct imgp_json *id = imgp_json_get(wire,
	    "edc_pipeline_file_id");

	if (h->page_spelling && id != NULL) {
		imgp_json_set(wire, "edc_pipieline_file_id",
		    imgp_json_copy(id));
		imgp_json_remove(wire, "edc_pipeline_file_id");
	}
	imgp_json_print(wire, out);
	imgp_json_free(wire);
}

/* A request of ${op} as the API tells it from others. */
static void
put_request(const struct imgp_ledger_http *h, enum imgp_ledger_op op,
    const struct imgp_json *request, struct imgp_buf *out)
{
	struct imgp_json *wire = imgp_json_copy(request);

	if (op == IMGP_LEDGER_RELEASE)
		imgp_json_set_bool(wire, "release", 1);
	if (op == IMGP_LEDGER_LOOKUP_FAILED)
		imgp_json_set_str(wire, "status", "Failed");
	print_request(h, wire, out);
	imgp_json_free(wire);
}

const char *
imgp_ledger_status(const char *s)
{
	static const struct {
		const char	*given;
		const char	*right;
	} words[] = {
		{ "started", "Started" }, { "in progress", "In Progress" },
		{ "completed", "Completed" }, { "done", "Completed" },
		{ "failed", "Failed" }, { "error", "Failed" },
	};
	size_t i, k;

	for (i = 0; i < sizeof words / sizeof *words; i++) {
		for (k = 0; s[k] != '\0'; k++)
			if ((s[k] == '_' ? ' ' : s[k] | 32) !=
			    (words[i].given[k] | 32))
				break;
		if (s[k] == '\0' && words[i].given[k] == '\0')
			return words[i].right;
	}
	return NULL;
}

/* Nonzero when member ${name} of both is the same integer, or lacks in one. */
static int
agree(const struct imgp_json *a, const char *name_a,
    const struct imgp_json *b, const char *name_b)
{
	int64_t m, n;

	a = imgp_json_get(a, name_a);
	b = imgp_json_get(b, name_b);
	if (imgp_json_is_null(a) || imgp_json_is_null(b))
		return 1;
	return imgp_json_int(a, &m) == 0 && imgp_json_int(b, &n) == 0 && m == n;
}

/* The answer is about what was asked for, and not about another file. */
static int
check_same(const struct imgp_json *request, const struct imgp_json *data,
    struct imgp_err *e)
{
	const struct imgp_json *row = imgp_json_get(data, "edc_pipeline_file");
	static const char id[] = "edc_pipeline_file_id";
	static const char upload[] = "subject_event_crf_file_id";

	if (agree(request, id, row, "id") && agree(request, id, data, id) &&
	    agree(request, upload, row, upload) &&
	    agree(request, upload, data, upload) &&
	    agree(request, "revision_number", row, "revision_number"))
		return 0;
	return imgp_fail(e, IMGP_E_DB_QUERY,
	    "the pipeline API's answer is about another file");
}

/* The row of start's answer, which must be one. */
static int
check_row(const struct imgp_json *row, struct imgp_err *e)
{
	int64_t n;

	if (imgp_json_int(imgp_json_get(row, "id"), &n) == -1 || n <= 0 ||
	    imgp_json_str(imgp_json_get(row, "status")) == NULL)
		return imgp_fail(e, IMGP_E_DB_QUERY,
		    "the pipeline API's answer has no row with id and status");
	if (imgp_json_int(imgp_json_get(row, "revision_number"), &n) == -1)
		return imgp_fail(e, IMGP_E_CONFIG, "the pipeline API does not "
		    "tell revision_number: it cannot be used unless "
		    "api_revisions = no, with an account of ids (IMGP_LEDGER)");
	return 0;
}

/* Translate the answer's row into the ledger's words. */
static int
normalise(struct imgp_json *data, struct imgp_err *e)
{
	struct imgp_json *row;
	const char *s, *right;

	if (!imgp_json_is_object(imgp_json_get(data, "edc_pipeline_file")))
		return 0;
	row = imgp_json_copy(imgp_json_get(data, "edc_pipeline_file"));
	if ((s = imgp_json_str(imgp_json_get(row, "status"))) != NULL) {
		if ((right = imgp_ledger_status(s)) == NULL) {
			imgp_json_free(row);
			return imgp_fail(e, IMGP_E_DB_QUERY,
			    "the pipeline API's answer has no such status");
		}
		imgp_json_set_str(row, "status", right);
	}
	imgp_json_set(data, "edc_pipeline_file", row);
	return 0;
}

static const char *
path_of(enum imgp_ledger_op op)
{
	switch (op) {
	case IMGP_LEDGER_SCANS:
		return IMGP_API_SCANS;
	case IMGP_LEDGER_NOTICE_LIST:
	case IMGP_LEDGER_NOTICE_DONE:
		return IMGP_API_NOTICE;
	default:
		return IMGP_API_FILE;
	}
}

/* Ask ${request} for ${call}. */
static int
ask(struct imgp_ledger_http *h, struct imgp_ledger_call *call,
    const struct imgp_json *request, struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_buf body = IMGP_BUF_INIT;
	int rc;

	put_request(h, call->op, request, &body);
	rc = exchange(h, path_of(call->op), &body, 0, &a, e);
	if (rc == 0)
		rc = take(call, &a, e);
	imgp_buf_release(&body);
	imgp_http_release(&a);
	if (rc == -1 || call->err.code != NULL)
		return rc;
	if (normalise(call->data, &call->err) == -1 ||
	    check_same(request, call->data, &call->err) == -1 ||
	    (call->op == IMGP_LEDGER_START && check_row(imgp_json_get(
	    call->data, "edc_pipeline_file"), &call->err) == -1)) {
		/* Do not believe the rest of the answer. */
		imgp_json_free(call->data);
		call->data = NULL;
	}
	return 0;
}

/* May the server have done what it was asked, by an answer that is no good one? */
static int
may_be_done(const struct imgp_http_answer *a)
{
	struct imgp_json *j = imgp_json_parse(a->body.s, a->body.len, NULL);
	int says_no = imgp_json_bool(imgp_json_get(j, "success")) == 0;

	imgp_json_free(j);
	return !says_no && (a->status / 100 == 2 ||
	    (a->status >= 500 && a->status != 503));
}

int
imgp_ledger_http_send(struct imgp_ledger_http *h, const char *path,
    const struct imgp_json *request, struct imgp_ledger_call *call,
    int *done, struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_buf body = IMGP_BUF_INIT;
	int rc;

	imgp_ledger_forget(call);
	print_request(h, request, &body);
	rc = exchange(h, path, &body, IMGP_HTTP_ONCE, &a, e);
	*done = a.sent;
	if (rc == 0) {
		rc = take(call, &a, e);
		*done = call->data != NULL || may_be_done(&a);
	}
	imgp_buf_release(&body);
	imgp_http_release(&a);
	return rc;
}

int
imgp_ledger_http_is_page(const struct imgp_ledger_http *h)
{
	return h->page_spelling;
}

int
imgp_ledger_http_call(struct imgp_ledger_http *h,
    struct imgp_ledger_call *call, struct imgp_err *e)
{
	struct imgp_json *second;
	int rc;

	imgp_ledger_forget(call);
	if ((rc = ask(h, call, call->request, e)) == -1 ||
	    call->err.code != NULL || call->then == NULL)
		return rc;
	second = call->then(call->arg, call->data, &call->err);
	if (second != NULL)
		rc = ask(h, call, second, e);
	imgp_json_free(second);
	return rc;
}
