/* PKGS: libcjson libcrypto expat */
/*
 * Build one message from files of the working directory and print it, or hand
 * it to the carrier that the settings name and say what became of each
 * recipient: mail build|send FROM TO,TO SUBJECT ID DATE.  The text is text, and
 * html and new.csv go along where they are there.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/mail/carrier.h"
#include "libimgpipe/mail/mail.h"

static char *
slurp(const char *path, size_t *len)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	FILE *fp = fopen(path, "r");
	char chunk[4096];
	size_t n;

	if (fp == NULL)
		return NULL;
	while ((n = fread(chunk, 1, sizeof chunk, fp)) > 0)
		imgp_buf_add(&b, chunk, n);
	fclose(fp);
	*len = b.len;
	return imgp_buf_steal(&b);
}

static int
fail(const struct imgp_err *e)
{
	printf("%s: %s\n", e->code, e->msg);
	return 1;
}

static int
send_it(const char *from, const struct imgp_mail *m, const struct imgp_buf *b)
{
	struct imgp_parcel p = { from, m->to, m->n_to, b, m->id, m->subject,
	    m->text };
	struct imgp_carried *res = imgp_alloc(m->n_to * sizeof *res);
	struct imgp_carrier *c;
	struct imgp_err e;
	size_t i;
	int rc;

	imgp_conf_want(IMGP_SECRETS_MAIL);
	if (imgp_conf_load(&e) == -1 ||
	    (c = imgp_carrier_open(NULL, NULL, &e)) == NULL) {
		free(res);
		return fail(&e);
	}
	rc = imgp_carrier_send(c, &p, res, &e);
	for (i = 0; i < m->n_to; i++)
		printf("%s %s%s%s\n", m->to[i], res[i].done ? "done" :
		    res[i].err.code, res[i].done ? "" : ": ",
		    res[i].done ? "" : res[i].err.msg);
	imgp_carrier_free(c);
	free(res);
	return rc == 0 ? 0 : 1;
}

int
main(int argc, char *argv[])
{
	struct imgp_mail m = { NULL, NULL, 0, NULL, NULL, 0, NULL, NULL, NULL,
	    0 };
	struct imgp_mail_file csv = { "new.csv", "text/csv; charset=utf-8",
	    NULL, 0 };
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_mail_list to;
	struct imgp_err e;
	char *from, *text, *html, *data;
	size_t len;
	int rc = 1;

	if (argc != 7)
		return 2;
	signal(SIGPIPE, SIG_IGN);	/* as imgp_opt() does */
	if (imgp_mail_list_parse(argv[3], &to, &e) == -1) {
		imgp_mail_list_release(&to);
		return fail(&e);
	}
	m.from = argv[2];
	m.to = (const char *const *)to.addr;
	m.n_to = to.n;
	m.subject = argv[4];
	m.id = argv[5];
	m.date = atoll(argv[6]);
	m.text = text = slurp("text", &len);
	m.html = html = slurp("html", &len);
	if ((csv.data = data = slurp("new.csv", &csv.len)) != NULL) {
		m.files = &csv;
		m.n_files = 1;
	}
	if (imgp_mail_build(&m, &b, &e) == -1)
		rc = fail(&e);
	else if (strcmp(argv[1], "build") == 0) {
		fwrite(b.s, 1, b.len, stdout);
		rc = 0;
	} else if ((from = imgp_mail_address(m.from, &e)) == NULL)
		rc = fail(&e);
	else {
		rc = send_it(from, &m, &b);
		free(from);
	}
	imgp_mail_list_release(&to);
	imgp_buf_release(&b);
	free(text);
	free(html);
	free(data);
	return rc;
}
