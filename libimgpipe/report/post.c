#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/mail/carrier.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/record/envelope.h"
#include "libimgpipe/report/audience.h"
#include "libimgpipe/report/post.h"
#include "libimgpipe/steps/settings.h"

struct imgp_post {
	const char	*ledger;	/* NULL: none that libpq reaches */
	struct imgp_db	*db;		/* opened when first asked */
	const char	*api;		/* NULL: no API that keeps notices */
	struct imgp_ledger *notices;	/* the API's, opened when first asked */
	struct imgp_err	 down;		/* code set: it could not be opened */
};

/* --- settings ------------------------------------------------------------ */

/* The pipeline API, unless it knows no more than the design page. */
static const char *
find_api(void)
{
	const char *s = imgp_conf(NULL, "database");

	return imgp_ledger_is_api(s) &&
	    strcmp(imgp_conf(NULL, "api_revisions"), "no") != 0 ? s : NULL;
}

/* The sender, the caller's to free; unless set, this machine's. */
static char *
sender(const char *pipeline)
{
	const char *from = imgp_conf(pipeline, "mail_from");
	char host[HOST_NAME_MAX + 1], *addr;

	if (from != NULL)
		return imgp_strdup(from);
	if (gethostname(host, sizeof host) == -1)
		host[0] = '\0';
	host[sizeof host - 1] = '\0';
	addr = imgp_asprintf("imgpipe@%s", host);
	if (imgp_mail_check_address(addr, NULL) == 0)
		return addr;
	free(addr);
	return imgp_strdup("imgpipe@localhost");
}

static int
readers(const char *pipeline, enum imgp_readers who, struct imgp_mail_list *to,
    struct imgp_err *e)
{
	const char *s = NULL;

	if (who == IMGP_TO_LABS)
		s = imgp_conf(pipeline, "labs");
	if (s == NULL)
		s = imgp_conf(pipeline, "admins");
	return imgp_mail_list_parse(s, to, e);
}

/* Who gets the letters to ${who}: without labs the admins, by their carrier. */
static enum imgp_readers
served(const char *pipeline, enum imgp_readers who)
{
	return who == IMGP_TO_LABS && imgp_conf(pipeline, "labs") != NULL ?
	    IMGP_TO_LABS : IMGP_TO_ADMINS;
}

static int
has_domain(const char *addr)
{
	const char *at = strrchr(addr, '@');

	return at != NULL && strchr(at, '.') != NULL;
}

/*
 * Mailing lists drop a letter whose sender has no domain, after they took it with
 * "250 OK".  The sender that stands in for an unset mail_from may be such a one as
 * long as all readers are of this machine.
 */
static int
check_domain(const char *pipeline, const char *addr,
    const struct imgp_mail_list *to, struct imgp_err *e)
{
	int set = imgp_conf(pipeline, "mail_from") != NULL;
	size_t i;

	for (i = 0; !set && i < to->n && !has_domain(to->addr[i]); i++)
		;
	if (has_domain(addr) || (!set && i == to->n))
		return 0;
	return imgp_fail(e, IMGP_E_CONFIG, "mail_from: %s has no domain, and "
	    "mailing lists drop such mail without a word: an address such as "
	    "imgpipe@example.org is wanted", addr);
}

static int
check_readers(const char *pipeline, enum imgp_readers who, const char *addr,
    struct imgp_err *e)
{
	struct imgp_carrier *c = imgp_carrier_open(pipeline,
	    imgp_audience_mail(served(pipeline, who)), e);
	struct imgp_mail_list to;
	int rc;

	if (c == NULL)
		return -1;
	rc = readers(pipeline, who, &to, e);
	if (rc == 0 && imgp_carrier_relays(c))
		rc = check_domain(pipeline, addr, &to, e);
	imgp_mail_list_release(&to);
	imgp_carrier_free(c);
	return rc;
}

/* The readers' own carrier, though nobody may be served by it yet. */
static int
check_own(const char *pipeline, enum imgp_readers who, struct imgp_err *e)
{
	const char *own = imgp_audience_mail(who);
	struct imgp_carrier *c;

	if (imgp_conf(pipeline, own) == NULL)
		return 0;
	c = imgp_carrier_open(pipeline, own, e);
	imgp_carrier_free(c);
	return c == NULL ? -1 : 0;
}

static int
check_mail(const char *pipeline, struct imgp_err *e)
{
	char *from = sender(pipeline), *addr = imgp_mail_address(from, e);
	int rc = -1;

	if (addr != NULL && check_own(pipeline, IMGP_TO_LABS, e) == 0 &&
	    check_own(pipeline, IMGP_TO_ADMINS, e) == 0 &&
	    check_readers(pipeline, IMGP_TO_ADMINS, addr, e) == 0)
		rc = check_readers(pipeline, IMGP_TO_LABS, addr, e);
	free(addr);
	free(from);
	return rc;
}

struct imgp_post *
imgp_post_open(struct imgp_err *e)
{
	struct imgp_post *p;

	if (imgp_settings_check(e) == -1 || imgp_conf_check(check_mail, e) == -1)
		return NULL;
	p = imgp_alloc(sizeof *p);
	p->ledger = imgp_ledger_conninfo();
	p->api = find_api();
	return p;
}

struct imgp_post *
imgp_post_open_record(struct imgp_err *e)
{
	struct imgp_post *p = imgp_post_open(e);

	if (p == NULL || imgp_ledger_need_conninfo(e) != NULL)
		return p;
	imgp_post_close(p);
	return NULL;
}

void
imgp_post_close(struct imgp_post *p)
{
	if (p == NULL)
		return;
	imgp_db_close(p->db);
	imgp_ledger_close(p->notices);
	free(p);
}

/* --- the record ---------------------------------------------------------- */

int
imgp_post_has_record(const struct imgp_post *p)
{
	return p->ledger != NULL;
}

/* The connection.  One that failed is not tried again: letters can wait for the next
 * process. */
static struct imgp_db *
record(struct imgp_post *p, struct imgp_err *e)
{
	if (p->db == NULL && p->down.code == NULL &&
	    (p->db = imgp_db_open(p->ledger, 0, 0, &p->down)) != NULL &&
	    imgp_db_check_schema(p->db, &p->down) == -1) {
		imgp_db_close(p->db);
		p->db = NULL;
	}
	if (p->db == NULL)
		*e = p->down;
	return p->db;
}

int
imgp_post_idle(struct imgp_post *p, int64_t ms)
{
	return imgp_db_idle(p->db, ms);
}

/* All statements are constants. */
static const char *
statement(const char *function)
{
	static const struct {
		const char	*function;
		const char	*sql;
	} all[] = {
#define CALL(f)	{ f, "select pipeline." f "($1::jsonb)" }
		CALL("error_log"), CALL("run_end"), CALL("run_watch"),
		CALL("outbox_put"), CALL("outbox_take"), CALL("outbox_done"),
		CALL("outbox_state"), CALL("digest_open"), CALL("digest_sent"),
		CALL("digest_resend"), CALL("digest_preview"),
		CALL("digest_days"), CALL("status"), CALL("status_files"),
		CALL("status_page"), CALL("status_upload"), CALL("sweep_make"),
		CALL("notice_list"), CALL("notice_done"),
		CALL("verify_uploads"), CALL("verify_files"),
		CALL("verify_seen"), CALL("repair"),
		CALL("prune_files"), CALL("prune_letters")
#undef CALL
	};
	size_t i;

	for (i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(all[i].function, function) == 0)
			return all[i].sql;
	abort();	/* a name that was not added above */
}

int
imgp_post_ask(struct imgp_post *p, const char *function,
    struct imgp_json *request, struct imgp_json **data, struct imgp_err *e)
{
	struct imgp_buf req = IMGP_BUF_INIT;
	struct imgp_db *db = record(p, e);
	struct imgp_rows *r = NULL;
	const char *param;
	int rc = -1;

	imgp_json_print(request, &req);
	imgp_json_free(request);
	if (db != NULL) {
		param = req.s;
		r = imgp_db_query(db, statement(function), 1, &param, e);
	}
	if (r != NULL)
		rc = imgp_envelope_read(r, data, e);
	imgp_rows_free(r);
	imgp_buf_release(&req);
	return rc;
}

int
imgp_post_has_notices(const struct imgp_post *p)
{
	return p->ledger != NULL || p->api != NULL;
}

int
imgp_post_lacks_notices(const struct imgp_post *p)
{
	return !imgp_post_has_notices(p) &&
	    imgp_ledger_is_api(imgp_conf(NULL, "database"));
}

/* Ask the API, which is opened at most once, as the record is. */
static int
ask_api(struct imgp_post *p, enum imgp_ledger_op op, struct imgp_json *request,
    struct imgp_json **data, struct imgp_err *e)
{
	struct imgp_ledger_call call;

	if (p->notices == NULL && p->down.code == NULL &&
	    (p->notices = imgp_ledger_open(p->api, &p->down)) != NULL)
		imgp_ledger_patience(p->notices, 0);
	if (p->notices == NULL) {
		imgp_json_free(request);
		*e = p->down;
		return -1;
	}
	memset(&call, 0, sizeof call);
	call.op = op;
	call.request = request;
	imgp_ledger_run(p->notices, &call, 1);
	imgp_json_free(request);
	if (call.err.code == NULL) {
		*data = call.data;
		return 0;
	}
	imgp_json_free(call.data);
	*e = call.err;
	return -1;
}

int
imgp_post_notice(struct imgp_post *p, enum imgp_ledger_op op,
    struct imgp_json *request, struct imgp_json **data, struct imgp_err *e)
{
	if (p->ledger == NULL)
		return ask_api(p, op, request, data, e);
	return imgp_post_ask(p, op == IMGP_LEDGER_NOTICE_LIST ? "notice_list" :
	    "notice_done", request, data, e);
}

int
imgp_post_error_log(struct imgp_post *p, int64_t file_id, int64_t lease,
    struct imgp_json **data, struct imgp_err *e)
{
	struct imgp_json *req;

	*data = NULL;
	if (!imgp_post_has_record(p))
		return 0;
	req = imgp_json_new_object();
	imgp_json_set_int(req, "edc_pipeline_file_id", file_id);
	if (lease != -1)
		imgp_json_set_int(req, "lease", lease);
	return imgp_post_ask(p, "error_log", req, data, e);
}

/* --- letters ------------------------------------------------------------- */

static int
build(const struct imgp_letter *l, const struct imgp_mail_list *to,
    const char *from, struct imgp_buf *out, struct imgp_err *e)
{
	struct imgp_mail m = { 0 };
	char *id = imgp_mail_id(l->about);
	int rc;

	m.from = from;
	m.to = (const char *const *)to->addr;
	m.n_to = to->n;
	m.subject = l->subject;
	m.id = id;
	m.date = l->date;
	m.text = l->text;
	m.html = l->html;
	m.files = l->files;
	m.n_files = l->n_files;
	rc = imgp_mail_build(&m, out, e);
	free(id);
	return rc;
}

/* The error ${why} with the address that it concerns. */
static int
not_served(const struct imgp_err *why, const char *addr, struct imgp_err *e)
{
	return imgp_fail(e, why->code, "to %s: %s", addr, why->msg);
}

/* ${own}: the setting of the readers' own carrier; NULL: not known. */
static int
carry(const char *pipeline, const char *own, const struct imgp_parcel *m,
    struct imgp_carried *res, struct imgp_err *e)
{
	struct imgp_carrier *c = imgp_carrier_open(pipeline, own, e);
	struct imgp_err why;
	size_t i;
	int rc;

	memset(res, 0, m->n_to * sizeof *res);
	if (c == NULL) {
		for (i = 0; i < m->n_to; i++)
			res[i].err = *e;
		return -1;
	}
	rc = imgp_carrier_send(c, m, res, &why);
	for (i = 0; rc == -1 && i < m->n_to; i++)
		if (!res[i].done) {
			not_served(&res[i].err, m->to[i], e);
			break;
		}
	imgp_carrier_free(c);
	return rc;
}

static struct imgp_json *
notices(const struct imgp_letter *l)
{
	struct imgp_json *list = imgp_json_new_array();
	size_t i;

	for (i = 0; i < l->n_notices; i++)
		imgp_json_append_int(list, l->notices[i]);
	return list;
}

/* Where there is no outbox: note that the letter reports these notices. */
static int
note_told(struct imgp_post *p, const struct imgp_letter *l, const char *id,
    struct imgp_err *e)
{
	struct imgp_json *req, *data = NULL;
	int rc;

	if (l->n_notices == 0 || p->api == NULL || imgp_post_has_record(p))
		return 0;
	req = imgp_json_new_object();
	imgp_json_set(req, "told", notices(l));
	imgp_json_set_str(req, "message_id", id);
	rc = imgp_post_notice(p, IMGP_LEDGER_NOTICE_DONE, req, &data, e);
	imgp_json_free(data);
	return rc;
}

static int
keep(struct imgp_post *p, const struct imgp_letter *l,
    const struct imgp_parcel *m, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object(), *data = NULL;
	struct imgp_json *who = imgp_json_new_array();
	size_t i;
	int rc;

	for (i = 0; i < m->n_to; i++)
		imgp_json_append_str(who, m->to[i]);
	imgp_json_set_str(req, "message_id", m->id);
	imgp_json_set_str(req, "pipeline_code", l->pipeline);
	imgp_json_set_str(req, "readers", imgp_audience_name(
	    served(l->pipeline, l->to)));
	imgp_json_set_str(req, "sender", m->from);
	imgp_json_set(req, "recipients", who);
	imgp_json_set_str(req, "message", m->message->s);
	imgp_json_set_str(req, "subject", m->subject);
	imgp_json_set_str(req, "body", m->text);
	if (l->digest_id != 0)
		imgp_json_set_int(req, "digest_id", l->digest_id);
	if (l->n_notices > 0)
		imgp_json_set(req, "notices", notices(l));
	rc = imgp_post_ask(p, "outbox_put", req, &data, e);
	imgp_json_free(data);
	return rc;
}

int
imgp_post_letter(struct imgp_post *p, const struct imgp_letter *l,
    struct imgp_err *e)
{
	struct imgp_mail_list to;
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_parcel m = { .message = &b, .subject = l->subject,
	    .text = l->text };
	struct imgp_carried *res = NULL;
	char *from = sender(l->pipeline), *addr = NULL;
	char *id = imgp_mail_id(l->about);
	int rc = -1;

	if (readers(l->pipeline, l->to, &to, e) == -1 ||
	    build(l, &to, from, &b, e) == -1 ||
	    (addr = imgp_mail_address(from, e)) == NULL)
		goto out;
	m.from = addr;
	m.to = (const char *const *)to.addr;
	m.n_to = to.n;
	m.id = id;
	if (imgp_post_has_record(p) && (rc = keep(p, l, &m, e)) == 0)
		goto out;
	/* A digest's letter is sent from the outbox only; failures that another
	 * letter reports are not reported again. */
	if (l->digest_id != 0 || (imgp_post_has_record(p) &&
	    strcmp(e->code, IMGP_E_DB_FENCED) == 0))
		goto out;
	res = imgp_alloc(to.n * sizeof *res);
	if ((rc = carry(l->pipeline, imgp_audience_mail(served(l->pipeline,
	    l->to)), &m, res, e)) == 0)
		rc = note_told(p, l, id, e);
out:
	imgp_mail_list_release(&to);
	imgp_buf_release(&b);
	free(res);
	free(from);
	free(addr);
	free(id);
	return rc;
}

void
imgp_draft_release(struct imgp_draft *d)
{
	imgp_buf_release(&d->text);
	imgp_buf_release(&d->html);
	imgp_buf_release(&d->csv);
}

/* Set the letter's parts; ${file} is where its table is named. */
static void
enclose(struct imgp_letter *l, const struct imgp_draft *d, const char *csv,
    struct imgp_mail_file *file)
{
	file->name = csv;
	file->data = d->csv.s;
	file->type = "text/csv; charset=utf-8; header=present";
	file->len = d->csv.len;
	l->text = d->text.s;
	l->html = d->html.len == 0 ? NULL : d->html.s;
	l->files = file;
	l->n_files = d->csv.len == 0 ? 0 : 1;
}

int
imgp_post_draft(struct imgp_post *p, struct imgp_letter *l,
    const struct imgp_draft *d, const char *csv, struct imgp_err *e)
{
	struct imgp_mail_file file;
	int rc;

	enclose(l, d, csv, &file);
	rc = imgp_post_letter(p, l, e);
	l->files = NULL;
	l->n_files = 0;
	return rc;
}

/* The bytes of the letter with these parts; -1 with ${e}. */
static int
size_of(const struct imgp_letter *letter, const struct imgp_draft *d,
    long long *size, struct imgp_err *e)
{
	struct imgp_letter l = *letter;
	struct imgp_mail_list to;
	struct imgp_mail_file file;
	struct imgp_buf b = IMGP_BUF_INIT;
	char *from = sender(l.pipeline);
	int rc;

	enclose(&l, d, "table.csv", &file);
	rc = readers(l.pipeline, l.to, &to, e);
	if (rc == 0)
		rc = build(&l, &to, from, &b, e);
	*size = (long long)b.len;
	imgp_mail_list_release(&to);
	imgp_buf_release(&b);
	free(from);
	return rc;
}

/* Make it anew, and nonzero in ${*fits} when it is small enough; -1 with ${e}. */
static int
try_fit(const struct imgp_letter *l, enum imgp_fit fit, size_t most,
    imgp_fit_make *make, void *arg, struct imgp_draft *d, int *fits,
    struct imgp_err *e)
{
	const char *limit = imgp_conf(l->pipeline, "mail_bytes");
	long long size, max = 0;

	imgp_buf_clear(&d->text);
	imgp_buf_clear(&d->html);
	imgp_buf_clear(&d->csv);
	make(arg, fit, most, d);
	if (imgp_parse_int(limit, 0, INT64_MAX, &max) == -1 || max == 0) {
		*fits = 1;
		return 0;
	}
	if (size_of(l, d, &size, e) == -1)
		return -1;
	*fits = size <= max;
	return 0;
}

int
imgp_post_fit(const struct imgp_letter *l, size_t entries, imgp_fit_make *make,
    void *arg, struct imgp_draft *d, enum imgp_fit *fit, struct imgp_err *e)
{
	size_t low = 0, high = entries, most;	/* low entries fit, or none do */
	int fits = 0;

	for (*fit = IMGP_FIT_ALL; *fit < IMGP_FIT_BRIEF; ++*fit)
		if (try_fit(l, *fit, entries, make, arg, d, &fits, e) == -1)
			return -1;
		else if (fits)
			return 0;
	while (low < high) {
		most = low + (high - low + 1) / 2;
		if (try_fit(l, *fit, most, make, arg, d, &fits, e) == -1)
			return -1;
		if (fits)
			low = most;
		else
			high = most - 1;
	}
	return try_fit(l, *fit, low, make, arg, d, &fits, e);
}

/* --- the outbox ---------------------------------------------------------- */

static struct imgp_json *
results(const struct imgp_mail_list *to, const struct imgp_carried *res)
{
	struct imgp_json *list = imgp_json_new_array(), *o;
	size_t i;

	for (i = 0; i < to->n; i++) {
		o = imgp_json_new_object();
		imgp_json_set_str(o, "address", to->addr[i]);
		imgp_json_set_str(o, "status", res[i].done ? "sent" :
		    strcmp(res[i].err.code, IMGP_E_MAIL_REFUSED) == 0 ?
		    "refused" : "waiting");
		if (!res[i].done) {
			imgp_json_set_str(o, "error_code", res[i].err.code);
			imgp_json_set_str(o, "error", res[i].err.msg);
		}
		imgp_json_append(list, o);
	}
	return list;
}

static int
recipients(const struct imgp_json *array, struct imgp_mail_list *to,
    struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	const struct imgp_json *i;
	int rc;

	for (i = imgp_json_first(array); i != NULL; i = imgp_json_next(i))
		if (imgp_json_str(i) != NULL)
			imgp_buf_printf(&b, "%s ", imgp_json_str(i));
	rc = imgp_mail_list_parse(b.s, to, e);
	imgp_buf_release(&b);
	return rc;
}

/* The setting of the readers' own carrier; NULL in a letter of an older release. */
static const char *
carrier_of(const struct imgp_json *letter)
{
	const char *who = imgp_json_str(imgp_json_get(letter, "readers"));

	if (who == NULL)
		return NULL;
	return imgp_audience_mail(strcmp(who, imgp_audience_name(
	    IMGP_TO_LABS)) == 0 ? IMGP_TO_LABS : IMGP_TO_ADMINS);
}

/* Send one letter of the outbox and note the result for each reader.  0, or -1 with
 * ${e} when it cannot be read, or the result cannot be noted. */
static int
deliver(struct imgp_post *p, const struct imgp_json *letter,
    void (*complain)(const struct imgp_err *), int *status, int *reached,
    struct imgp_err *e)
{
	const char *pipeline = imgp_json_str(imgp_json_get(letter,
	    "pipeline_code"));
	const char *text = imgp_json_str(imgp_json_get(letter, "message"));
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_parcel m = { .message = &b,
	    .from = imgp_json_str(imgp_json_get(letter, "sender")),
	    .id = imgp_json_str(imgp_json_get(letter, "message_id")),
	    .subject = imgp_json_str(imgp_json_get(letter, "subject")),
	    .text = imgp_json_str(imgp_json_get(letter, "body")) };
	struct imgp_carried *res = NULL;
	struct imgp_json *req, *data = NULL;
	struct imgp_mail_list to;
	struct imgp_err why;
	int64_t id;
	size_t i;
	int rc = -1;

	if (recipients(imgp_json_get(letter, "recipients"), &to, e) == -1)
		goto out;
	if (m.from == NULL || m.id == NULL || m.subject == NULL ||
	    m.text == NULL || text == NULL || to.n == 0 ||
	    imgp_json_int(imgp_json_get(letter, "outbox_id"), &id) == -1) {
		imgp_fail(e, IMGP_E_DB_QUERY, "a letter cannot be read");
		goto out;
	}
	imgp_buf_puts(&b, text);
	m.to = (const char *const *)to.addr;
	m.n_to = to.n;
	res = imgp_alloc(to.n * sizeof *res);
	carry(pipeline, carrier_of(letter), &m, res, &why);
	for (*reached = 0, i = 0; i < to.n; i++) {
		if (res[i].done || strcmp(res[i].err.code,
		    IMGP_E_MAIL_REFUSED) == 0)
			*reached = 1;
		if (res[i].done)
			continue;
		*status = imgp_exit_worse(*status, strcmp(res[i].err.code,
		    IMGP_E_MAIL_REFUSED) == 0 ? IMGP_EX_ERRORS :
		    IMGP_EX_TEMPFAIL);
		not_served(&res[i].err, to.addr[i], &why);
		complain(&why);
	}
	req = imgp_json_new_object();
	imgp_json_set_int(req, "outbox_id", id);
	imgp_json_set_str(req, "claim", imgp_json_str(imgp_json_get(letter,
	    "claim")));
	imgp_json_set(req, "results", results(&to, res));
	rc = imgp_post_ask(p, "outbox_done", req, &data, e);
	imgp_json_free(data);
out:
	imgp_mail_list_release(&to);
	imgp_buf_release(&b);
	free(res);
	return rc;
}

int
imgp_post_flush(struct imgp_post *p, void (*complain)(const struct imgp_err *))
{
	const struct imgp_json *letter;
	struct imgp_json *req, *data;
	struct imgp_err e;
	int64_t after = 0;
	long long hold;
	int status = IMGP_EX_OK, in_vain = 0, reached = 0, rc = 0;

	if (!imgp_post_has_record(p))
		return status;
	/* Hold the letter for as long as its carrier may need. */
	if (imgp_conf_duration(NULL, "mail_timeout", &hold, &e) == -1)
		hold = 60;
	hold = 60 + 4 * hold;
	/* After two letters that reached nobody the mail server is taken to be
	 * away, and the rest waits. */
	while (in_vain < 2) {
		data = NULL;
		req = imgp_json_new_object();
		imgp_json_set_int(req, "after", after);
		imgp_json_set_int(req, "seconds", hold);
		imgp_json_set_str(req, "run", getenv("IMGP_RUN"));
		if ((rc = imgp_post_ask(p, "outbox_take", req, &data, &e)) == -1)
			break;
		letter = imgp_json_get(data, "letter");
		if (imgp_json_is_null(letter)) {
			imgp_json_free(data);
			break;
		}
		imgp_json_int(imgp_json_get(letter, "outbox_id"), &after);
		rc = deliver(p, letter, complain, &status, &reached, &e);
		imgp_json_free(data);
		if (rc == -1)
			break;
		in_vain = reached ? 0 : in_vain + 1;
	}
	if (rc == -1) {
		complain(&e);
		status = imgp_exit_worse(status, IMGP_EX_TEMPFAIL);
	}
	return status;
}
