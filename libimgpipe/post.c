#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/carrier.h"
#include "libimgpipe/conf.h"
#include "libimgpipe/db.h"
#include "libimgpipe/post.h"

struct imgp_post {
	const char	*ledger;	/* NULL: none that libpq reaches */
	struct imgp_db	*db;		/* opened when first asked */
	struct imgp_err	 down;		/* code set: it could not be opened */
};

/* --- settings ------------------------------------------------------------ */

static int
is_url(const char *s)
{
	return strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0;
}

static const char *
find_ledger(void)
{
	const char *s = imgp_conf(NULL, "ledger");

	if (s == NULL)
		s = imgp_conf(NULL, "database");
	return s == NULL || is_url(s) ? NULL : s;
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

static int
check_settings(struct imgp_err *e)
{
	struct imgp_mail_list to;
	struct imgp_carrier *c;
	char *from, *addr = NULL;
	int rc = -1;

	if ((c = imgp_carrier_open(NULL, e)) == NULL)
		return -1;
	imgp_carrier_free(c);
	from = sender(NULL);
	if ((addr = imgp_mail_address(from, e)) == NULL)
		goto out;
	rc = readers(NULL, IMGP_TO_ADMINS, &to, e);
	imgp_mail_list_release(&to);
	if (rc == 0) {
		rc = readers(NULL, IMGP_TO_LABS, &to, e);
		imgp_mail_list_release(&to);
	}
out:
	free(addr);
	free(from);
	return rc;
}

struct imgp_post *
imgp_post_open(struct imgp_err *e)
{
	struct imgp_post *p;

	if (imgp_conf_load(e) == -1 || check_settings(e) == -1)
		return NULL;
	p = imgp_alloc(sizeof *p);
	p->ledger = find_ledger();
	return p;
}

void
imgp_post_close(struct imgp_post *p)
{
	if (p == NULL)
		return;
	imgp_db_close(p->db);
	free(p);
}

/* --- the record ---------------------------------------------------------- */

int
imgp_post_has_record(const struct imgp_post *p)
{
	return p->ledger != NULL;
}

/* The connection; one that failed is not tried again: nobody waits for mail. */
static struct imgp_db *
record(struct imgp_post *p, struct imgp_err *e)
{
	if (p->db == NULL && p->down.code == NULL)
		p->db = imgp_db_open(p->ledger, 0, 0, &p->down);
	if (p->db == NULL)
		*e = p->down;
	return p->db;
}

/* Take the envelope off an answer: its data, or -1 with the error it names. */
static int
open_envelope(const char *text, struct imgp_json **data, struct imgp_err *e)
{
	struct imgp_json *answer;
	const struct imgp_error *row;
	const char *said;
	int rc = -1;

	if (text == NULL ||
	    (answer = imgp_json_parse(text, strlen(text), e)) == NULL)
		return imgp_fail(e, IMGP_E_DB_QUERY,
		    "the record's answer cannot be read");
	if (imgp_json_bool(imgp_json_get(answer, "success")) == 1) {
		*data = imgp_json_copy(imgp_json_get(answer, "data"));
		rc = 0;
	} else {
		row = imgp_error_find(imgp_json_str(imgp_json_get(answer,
		    "error_code")));
		said = imgp_json_str(imgp_json_get(answer, "error"));
		imgp_fail(e, row == NULL ? IMGP_E_DB_QUERY : row->code, "%s",
		    said == NULL ? "the record refused" : said);
	}
	imgp_json_free(answer);
	return rc;
}

int
imgp_post_ask(struct imgp_post *p, const char *function,
    struct imgp_json *request, struct imgp_json **data, struct imgp_err *e)
{
	struct imgp_buf req = IMGP_BUF_INIT;
	struct imgp_db *db = record(p, e);
	struct imgp_rows *r = NULL;
	const char *param;
	char *sql;
	int rc = -1;

	imgp_json_print(request, &req);
	imgp_json_free(request);
	if (db != NULL) {
		/* ${function} is one of our own names, never data. */
		sql = imgp_asprintf("select pipeline.%s($1::jsonb)", function);
		param = req.s;
		r = imgp_db_query(db, sql, 1, &param, e);
		free(sql);
	}
	if (r != NULL)
		rc = open_envelope(imgp_rows_get(r, 0, 0), data, e);
	imgp_rows_free(r);
	imgp_buf_release(&req);
	return rc;
}

int
imgp_post_error_log(struct imgp_post *p, int64_t file_id,
    struct imgp_json **data, struct imgp_err *e)
{
	struct imgp_json *req;

	*data = NULL;
	if (!imgp_post_has_record(p))
		return 0;
	req = imgp_json_new_object();
	imgp_json_set_int(req, "edc_pipeline_file_id", file_id);
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

int
imgp_post_message(struct imgp_post *p, const struct imgp_letter *l,
    struct imgp_buf *out, struct imgp_err *e)
{
	struct imgp_mail_list to;
	char *from = sender(l->pipeline);
	int rc;

	(void)p;
	if ((rc = readers(l->pipeline, l->to, &to, e)) == 0)
		rc = build(l, &to, from, out, e);
	imgp_mail_list_release(&to);
	free(from);
	return rc;
}

static int
carry(const char *pipeline, const char *from,
    const struct imgp_mail_list *to, const struct imgp_buf *m,
    struct imgp_err *e)
{
	struct imgp_carried *res = imgp_alloc(to->n * sizeof *res);
	struct imgp_carrier *c;
	struct imgp_err why;
	size_t i;
	int rc = -1;

	if ((c = imgp_carrier_open(pipeline, e)) == NULL)
		goto out;
	rc = imgp_carrier_send(c, from, (const char *const *)to->addr, to->n,
	    m, res, &why);
	for (i = 0; rc == -1 && i < to->n; i++)
		if (!res[i].done) {
			imgp_fail(e, res[i].err.code, "to %s: %s",
			    to->addr[i], res[i].err.msg);
			break;
		}
	imgp_carrier_free(c);
out:
	free(res);
	return rc;
}

int
imgp_post_letter(struct imgp_post *p, const struct imgp_letter *l,
    struct imgp_err *e)
{
	struct imgp_mail_list to;
	struct imgp_buf m = IMGP_BUF_INIT;
	char *from = sender(l->pipeline), *addr = NULL;
	int rc;

	(void)p;
	if ((rc = readers(l->pipeline, l->to, &to, e)) == 0 &&
	    (rc = build(l, &to, from, &m, e)) == 0 &&
	    (rc = (addr = imgp_mail_address(from, e)) == NULL ? -1 : 0) == 0)
		rc = carry(l->pipeline, addr, &to, &m, e);
	imgp_mail_list_release(&to);
	imgp_buf_release(&m);
	free(from);
	free(addr);
	return rc;
}
