#include <arpa/inet.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/record/api_priv.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/record/token.h"

#define BODY_MAX	IMGP_JSON_MAX
#define BODY_MS		60000	/* for the whole of a body to come */
#define DB_SECONDS	2	/* for the database to come back */

static const struct {
	int		 status;
	const char	*reason;
} reasons[] = {
	{ 200, "OK" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
	{ 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 408, "Request Timeout" },
	{ 409, "Conflict" }, { 411, "Length Required" },
	{ 413, "Content Too Large" }, { 415, "Unsupported Media Type" },
	{ 500, "Internal Server Error" }, { 503, "Service Unavailable" },
};

/* How the ledger's refusals look in HTTP; what is not here is 500. */
static const struct {
	const char	*code;
	int		 status;
} statuses[] = {
	{ IMGP_E_API_DENIED, 403 },
	{ IMGP_E_API_REQUEST, 400 }, { IMGP_E_DB_REQUEST, 400 },
	{ IMGP_E_LOOKUP_NOT_FOUND, 404 },
	{ IMGP_E_LOOKUP_STALE, 409 }, { IMGP_E_DB_FENCED, 409 },
	{ IMGP_E_DB_STATE, 409 }, { IMGP_E_SKIP_BUSY, 409 },
	{ IMGP_E_DELIVERED_OTHER, 409 }, { IMGP_E_SKIP_PAUSED, 409 },
	{ IMGP_E_SKIP_WAIVED, 409 }, { IMGP_E_DB_UNAVAILABLE, 503 },
};

static const char *
env(const char *name)
{
	const char *s = getenv(name);

	return s == NULL ? "" : s;
}

static int
refuse(struct imgp_api_answer *a, int status, const char *header,
    const char *code, const char *why)
{
	a->status = status;
	a->header = header;
	return imgp_fail(&a->err, code, "%s", why);
}

/* The answer for what ${a}->err holds. */
static void
refuse_as_err(struct imgp_api_answer *a)
{
	size_t i;

	a->status = 500;
	for (i = 0; i < sizeof statuses / sizeof *statuses; i++)
		if (strcmp(statuses[i].code, a->err.code) == 0)
			a->status = statuses[i].status;
	if (a->status == 503)
		a->header = "Retry-After: 5";
}

/* --- who may ask ---------------------------------------------------------- */

enum auth { AUTH_TOKEN, AUTH_LOOPBACK, AUTH_CERTIFICATE };

static int
auth_wanted(enum auth *auth, struct imgp_err *e)
{
	static const char *const names[] = {
		[AUTH_TOKEN] = "token", [AUTH_LOOPBACK] = "loopback",
		[AUTH_CERTIFICATE] = "certificate"
	};
	const char *s = imgp_conf(NULL, "api_auth");
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(s, names[i]) == 0) {
			*auth = (enum auth)i;
			return 0;
		}
	return imgp_fail(e, IMGP_E_CONFIG,
	    "api_auth is token, loopback or certificate");
}

static struct imgp_tokens *
load_tokens(struct imgp_err *e)
{
	const char *text = imgp_conf_need(NULL, "api_token", e);

	return text == NULL ? NULL : imgp_tokens_parse(text, e);
}

/* Who asks; its pipelines (codes, spaces between) are to be freed, NULL: all. */
struct caller {
	char	*pipelines;
	int	 page;		/* it knows the design page alone */
};

/* The words after the token. */
static void
take_words(struct caller *c, const char *words)
{
	static const char mark[] = "page";
	size_t n = strcspn(words, " \t");

	if (n == sizeof mark - 1 && strncmp(words, mark, n) == 0) {
		c->page = 1;
		words += n;
		words += strspn(words, " \t");
	}
	if (*words != '\0')
		c->pipelines = imgp_strdup(words);
}

static int
check_token(struct caller *c, struct imgp_api_answer *a)
{
	const char *given = env("HTTP_AUTHORIZATION"), *pipelines;
	struct imgp_tokens *t;

	if ((t = load_tokens(&a->err)) == NULL) {
		a->status = 500;
		return -1;
	}
	if (strncasecmp(given, "Bearer ", 7) != 0) {
		imgp_tokens_free(t);
		return refuse(a, 401, "WWW-Authenticate: Bearer "
		    "realm=\"imgpipe\"", IMGP_E_API_DENIED, "a bearer token "
		    "is needed");
	}
	given += 7 + strspn(given + 7, " ");
	pipelines = imgp_tokens_pipelines(t, given, strlen(given));
	if (pipelines != NULL)
		take_words(c, pipelines);
	imgp_tokens_free(t);
	return pipelines != NULL ? 0 : refuse(a, 401, "WWW-Authenticate: Bearer "
	    "realm=\"imgpipe\", error=\"invalid_token\"", IMGP_E_API_DENIED,
	    "the bearer token is not valid");
}

/* Nonzero for an address of CGI's REMOTE_ADDR on the loopback interface. */
static int
is_loopback(const char *addr)
{
	struct in_addr a;
	struct in6_addr b;

	if (inet_pton(AF_INET, addr, &a) == 1)
		return ntohl(a.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, addr, &b) != 1)
		return 0;
	return IN6_IS_ADDR_LOOPBACK(&b) ||
	    (IN6_IS_ADDR_V4MAPPED(&b) && b.s6_addr[12] == 127);
}

/* A token is of use only where nobody can listen. */
static int
check_tls(struct imgp_api_answer *a)
{
	const char *tls = imgp_conf(NULL, "api_tls"), *https = env("HTTPS");

	if (strcmp(tls, "elsewhere") == 0)
		return 0;
	if (strcmp(tls, "required") != 0)
		return refuse(a, 500, NULL, IMGP_E_CONFIG,
		    "api_tls is required or elsewhere");
	if (strcasecmp(https, "on") == 0 || strcmp(https, "1") == 0)
		return 0;
	if (*env("REMOTE_ADDR") == '\0' || is_loopback(env("REMOTE_ADDR")))
		return 0;
	return refuse(a, 403, NULL, IMGP_E_API_DENIED, "TLS is needed");
}

static int
admit(struct caller *c, struct imgp_api_answer *a)
{
	enum auth auth;

	if (auth_wanted(&auth, &a->err) == -1) {
		a->status = 500;
		return -1;
	}
	if (check_tls(a) == -1)
		return -1;
	if (auth == AUTH_LOOPBACK)
		return is_loopback(env("REMOTE_ADDR")) ? 0 : refuse(a, 403,
		    NULL, IMGP_E_API_DENIED, "only this machine is served");
	/* Set by the web server; no header of a request has this name. */
	if (auth == AUTH_CERTIFICATE)
		return strcmp(env("SSL_CLIENT_VERIFY"), "SUCCESS") == 0 ? 0 :
		    refuse(a, 403, NULL, IMGP_E_API_DENIED,
		    "a client certificate is needed");
	return check_token(c, a);
}

/* --- the request ---------------------------------------------------------- */

static int
is_json(const char *type)
{
	static const char json[] = "application/json";

	size_t n = strcspn(type, "; \t");

	if (n != sizeof json - 1 || strncasecmp(type, json, n) != 0)
		return 0;
	n += strspn(type + n, " \t");
	return type[n] == '\0' || type[n] == ';';
}

/* Path, method, type and length are as they must be. */
static int
check_head(struct imgp_api_answer *a, size_t *len)
{
	const char *path = env("PATH_INFO"), *coding, *s;
	long long n;

	if (strcmp(path, IMGP_API_FILE) != 0 &&
	    strcmp(path, IMGP_API_SCANS) != 0 &&
	    strcmp(path, IMGP_API_NOTICE) != 0)
		return refuse(a, 404, NULL, IMGP_E_API_REQUEST,
		    "the API has no such path");
	if (strcmp(env("REQUEST_METHOD"), "POST") != 0)
		return refuse(a, 405, "Allow: POST", IMGP_E_API_REQUEST,
		    "only POST is served");
	coding = env("HTTP_CONTENT_ENCODING");
	if (!is_json(env("CONTENT_TYPE")) ||
	    (*coding != '\0' && strcasecmp(coding, "identity") != 0))
		return refuse(a, 415, "Accept: application/json",
		    IMGP_E_API_REQUEST, "the body is to be application/json, "
		    "not encoded");
	s = env("CONTENT_LENGTH");
	if (*s == '\0')
		return refuse(a, 411, NULL, IMGP_E_API_REQUEST,
		    "the length of the body is not known");
	if (s[strspn(s, "0123456789")] != '\0')
		return refuse(a, 400, NULL, IMGP_E_API_REQUEST,
		    "Content-Length is not a length");
	if (imgp_parse_int(s, 0, (long long)BODY_MAX, &n) == -1)
		return refuse(a, 413, NULL, IMGP_E_API_REQUEST,
		    "the body is longer than 16 MiB");
	*len = (size_t)n;
	return 0;
}

/* Read ${len} bytes of body into ${s}. */
static int
read_body(int fd, char *s, size_t len, struct imgp_api_answer *a)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t end = imgp_clock_ms() + BODY_MS, left;
	size_t have = 0;
	ssize_t n;

	while (have < len) {
		if ((left = end - imgp_clock_ms()) <= 0)
			return refuse(a, 408, NULL, IMGP_E_API_REQUEST,
			    "the body did not come in time");
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		if ((n = read(fd, s + have, len - have)) == -1) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return refuse(a, 400, NULL, IMGP_E_API_REQUEST,
			    "the body cannot be read");
		}
		if (n == 0)
			return refuse(a, 400, NULL, IMGP_E_API_REQUEST,
			    "the body is shorter than Content-Length");
		have += (size_t)n;
	}
	return 0;
}

static struct imgp_json *
read_request(int fd, size_t len, struct imgp_api_answer *a)
{
	struct imgp_json *req = NULL;
	struct imgp_err why = { NULL, "" };
	char *s = imgp_alloc(len + 1);

	if (read_body(fd, s, len, a) == -1)
		goto out;
	if ((req = imgp_json_parse(s, len, &why)) == NULL)
		refuse(a, 400, NULL, IMGP_E_API_REQUEST, why.msg);
	else if (!imgp_json_is_object(req)) {
		imgp_json_free(req);
		req = NULL;
		refuse(a, 400, NULL, IMGP_E_API_REQUEST,
		    "the body is not a JSON object");
	}
out:
	free(s);
	return req;
}

/* A request of a token that names its pipelines is about one of them. */
static int
check_pipeline(const struct caller *c, enum imgp_ledger_op op,
    struct imgp_json *req, struct imgp_api_answer *a)
{
	const char *code = imgp_json_str(imgp_json_get(req, "pipeline_code"));
	const char *s = c->pipelines;
	struct imgp_json *codes;
	size_t len;
	char *one;
	int good = 0;

	if (s == NULL)
		return 0;
	codes = imgp_json_new_array();
	for (; *s != '\0'; s += len, s += strspn(s, " \t")) {
		len = strcspn(s, " \t");
		one = imgp_strndup(s, len);
		good = good || (code != NULL && strcmp(one, code) == 0);
		imgp_json_append_str(codes, one);
		free(one);
	}
	/* What a run holds in other pipelines is left alone, their notices too. */
	imgp_json_set(req, "pipelines", codes);
	good = good || op == IMGP_LEDGER_NOTICE_LIST ||
	    op == IMGP_LEDGER_NOTICE_DONE ||
	    (code == NULL && imgp_api_names_row(req, NULL) == 0 &&
	    (op == IMGP_LEDGER_RENEW || op == IMGP_LEDGER_RELEASE));
	return good ? 0 : refuse(a, 403, NULL, IMGP_E_API_DENIED,
	    "the bearer token is for other pipelines");
}

/* --- asking the ledger ---------------------------------------------------- */

static struct imgp_ledger *
open_ledger(struct imgp_err *e)
{
	const char *where = imgp_conf(NULL, "database");
	struct imgp_ledger *l;

	if (where != NULL && (strncmp(where, "http:", 5) == 0 ||
	    strncmp(where, "https:", 6) == 0)) {
		imgp_fail(e, IMGP_E_CONFIG, "imgp-api serves from a "
		    "PostgreSQL database, not from another API");
		return NULL;
	}
	if ((l = imgp_ledger_open(where, e)) != NULL)
		imgp_ledger_patience(l, DB_SECONDS);
	return l;
}

/* Ask the ledger; its data, or NULL with the answer set to why not. */
static struct imgp_json *
perform(const struct caller *c, const char *path, struct imgp_json *req,
    imgp_api_namer *namer, struct imgp_api_answer *a)
{
	struct imgp_api_page page = { .req = req, .namer = namer };
	struct imgp_json *first = NULL;
	struct imgp_ledger_call call;
	struct imgp_ledger *l = NULL;
	int rc;

	memset(&call, 0, sizeof call);
	call.request = req;
	rc = c->page ? imgp_api_page_take(path, req, &call.op, &a->err) :
	    imgp_api_op(path, req, &call.op, &a->err);
	if (rc == 0 && check_pipeline(c, call.op, req, a) == -1)
		return NULL;
	if (rc == 0 && call.op == IMGP_LEDGER_PAGE_FILE) {
		call.request = first = imgp_api_page_first(req);
		call.then = imgp_api_page_change;
		call.arg = &page;
	}
	if (a->err.code == NULL && (l = open_ledger(&a->err)) != NULL) {
		/* The page's "in progress" says nothing of scans. */
		if (call.op == IMGP_LEDGER_SCANS && !imgp_api_has(req, "scans"))
			imgp_json_set(req, "scans", imgp_json_new_array());
		imgp_ledger_run(l, &call, 1);
		a->err = call.err;
		imgp_ledger_close(l);
	}
	if (call.data != NULL && call.op == IMGP_LEDGER_PAGE_FILE)
		imgp_api_page_finish(call.data, &page);
	imgp_json_free(first);
	free(page.path);
	free(page.name);
	if (a->err.code == NULL)
		return call.data;
	imgp_json_free(call.data);
	refuse_as_err(a);
	return NULL;
}

/* The envelope (M47). */
static void
put_body(struct imgp_api_answer *a, struct imgp_json *data)
{
	const struct imgp_error *row;
	struct imgp_json *j = imgp_json_new_object();

	imgp_json_set_bool(j, "success", data != NULL);
	if (data == NULL) {
		row = imgp_error_find(a->err.code);
		imgp_json_set_str(j, "error_code", a->err.code);
		/* The client is not told what is wrong on our side; our log is. */
		imgp_json_set_str(j, "error", a->status >= 500 && row != NULL ?
		    row->meaning : a->err.msg);
		imgp_json_set_null(j, "data");
	} else
		imgp_json_set(j, "data", data);
	imgp_json_print(j, &a->body);
	imgp_buf_puts(&a->body, "\n");
	imgp_json_free(j);
}

void
imgp_api_serve(int fd, imgp_api_namer *namer, struct imgp_api_answer *a)
{
	struct imgp_json *req = NULL, *data = NULL;
	struct caller c = { NULL, 0 };
	size_t len;

	a->status = 200;
	if (imgp_conf_load(&a->err) == -1)
		a->status = 500;
	else if (admit(&c, a) == 0 && check_head(a, &len) == 0 &&
	    (req = read_request(fd, len, a)) != NULL)
		data = perform(&c, env("PATH_INFO"), req, namer, a);
	put_body(a, data);
	free(c.pipelines);
	imgp_json_free(req);
}

int
imgp_api_check(struct imgp_err *e)
{
	struct imgp_db *db;
	struct imgp_ledger *l;
	struct imgp_tokens *t = NULL;
	enum auth auth;
	int rc = -1;

	if (auth_wanted(&auth, e) == -1 ||
	    (auth == AUTH_TOKEN && (t = load_tokens(e)) == NULL))
		return -1;
	imgp_tokens_free(t);
	if ((l = open_ledger(e)) == NULL)
		return -1;
	imgp_ledger_close(l);
	/* The ledger takes a database that is away for one that comes back. */
	if ((db = imgp_db_open(imgp_conf(NULL, "database"), 0, DB_SECONDS,
	    e)) == NULL)
		return -1;
	rc = imgp_db_check_schema(db, e);
	imgp_db_close(db);
	return rc;
}

int
imgp_api_write(int fd, const struct imgp_api_answer *a)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	const char *reason = "";
	size_t i;
	int rc;

	for (i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == a->status)
			reason = reasons[i].reason;
	imgp_buf_printf(&b, "Status: %d %s\n", a->status, reason);
	imgp_buf_puts(&b, "Content-Type: application/json\n"
	    "Cache-Control: no-store\nX-Content-Type-Options: nosniff\n");
	if (a->header != NULL)
		imgp_buf_printf(&b, "%s\n", a->header);
	imgp_buf_printf(&b, "Content-Length: %zu\n\n", a->body.len);
	imgp_buf_add(&b, a->body.s, a->body.len);
	rc = imgp_write_all(fd, b.s, b.len);
	imgp_buf_release(&b);
	return rc;
}
