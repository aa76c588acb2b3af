/*
 * smtp://[user@]host[:port][/helo-name], smtps://: SMTP by libcurl.
 *
 * smtp:// requires STARTTLS with a trusted certificate (TLS 1.2 or later) as enum
 * imgp_tls says; a password is never sent without TLS.  Each recipient gets a
 * transaction of its own over one connection, because libcurl reports only the last
 * reply: one refused recipient would fail the others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>

#include "libimgpipe/mail/carrier_priv.h"
#include "libimgpipe/mail/mail.h"

struct reader {			/* the message, as far as libcurl has read it */
	const char	*s;
	size_t		 left;
};

/* --- the URL ------------------------------------------------------------- */

static int
open_url(struct imgp_carrier *c, const char *url, struct imgp_err *e)
{
	char *name = NULL, *password = NULL, *text = NULL, *query = NULL;
	CURLU *u = curl_url();
	int rc = -1;

	if (u == NULL)
		imgp_oom();
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK) {
		imgp_fail(e, IMGP_E_CONFIG, "mail: not a URL");
		goto out;
	}
	curl_url_get(u, CURLUPART_USER, &name, CURLU_URLDECODE);
	curl_url_get(u, CURLUPART_PASSWORD, &password, 0);
	curl_url_get(u, CURLUPART_QUERY, &query, 0);
	if (password != NULL || query != NULL) {
		imgp_fail(e, IMGP_E_CONFIG, "mail: no password and no query "
		    "in the URL; a password stands in mail_password_file");
		goto out;
	}
	curl_url_set(u, CURLUPART_USER, NULL, 0);
	if (curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK) {
		imgp_fail(e, IMGP_E_CONFIG, "mail: not a URL");
		goto out;
	}
	c->target = imgp_strdup(text);
	c->user = name == NULL ? NULL : imgp_strdup(name);
	rc = 0;
out:
	curl_free(name);
	curl_free(password);
	curl_free(text);
	curl_free(query);
	curl_url_cleanup(u);
	return rc;
}

/* Nonzero when the URL's host can only be this machine. */
static int
is_loopback(const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL;
	int yes = 0;

	if (u == NULL)
		imgp_oom();
	if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		yes = strcasecmp(host, "localhost") == 0 ||
		    strcmp(host, "[::1]") == 0 ||
		    (strncmp(host, "127.", 4) == 0 &&
		    host[strspn(host, "0123456789.")] == '\0');
	curl_free(host);
	curl_url_cleanup(u);
	return yes;
}

/* --- one transfer -------------------------------------------------------- */

static size_t
give(char *dst, size_t size, size_t nmemb, void *arg)
{
	struct reader *r = arg;
	size_t n = size * nmemb < r->left ? size * nmemb : r->left;

	memcpy(dst, r->s, n);
	r->s += n;
	r->left -= n;
	return n;
}

static size_t
swallow(char *src, size_t size, size_t nmemb, void *arg)
{
	(void)src;
	(void)arg;
	return size * nmemb;
}

static int
set_up(CURL *c, const struct imgp_carrier *s, struct imgp_err *e)
{
	/* Nobody can intercept loopback: a self-signed certificate will do. */
	int lax = s->tls == IMGP_TLS_AUTO && s->user == NULL &&
	    strncmp(s->target, "smtp:", 5) == 0 && is_loopback(s->target);
	long ssl = s->tls == IMGP_TLS_NO ? CURLUSESSL_NONE :
	    lax ? CURLUSESSL_TRY : CURLUSESSL_ALL;

	curl_easy_setopt(c, CURLOPT_URL, s->target);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_USE_SSL, ssl);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, lax ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, lax ? 0L : 2L);
	if (s->ca_file != NULL)
		curl_easy_setopt(c, CURLOPT_CAINFO, s->ca_file);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, s->timeout);
	curl_easy_setopt(c, CURLOPT_SERVER_RESPONSE_TIMEOUT, s->timeout);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, s->timeout);
	curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(c, CURLOPT_READFUNCTION, give);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, swallow);
	if (s->user == NULL)
		return 0;
	if (s->tls == IMGP_TLS_NO)
		return imgp_fail(e, IMGP_E_CONFIG,
		    "mail: a password is not sent without TLS");
	if (s->password == NULL)
		return imgp_fail(e, IMGP_E_CONFIG,
		    "mail: a user, but mail_password_file is not set");
	curl_easy_setopt(c, CURLOPT_USERNAME, s->user);
	curl_easy_setopt(c, CURLOPT_PASSWORD, s->password);
	return 0;
}

/* Nonzero when the other recipients would fail as well: no server, no TLS, no login,
 * no answer. */
static int
is_hopeless(CURL *c, CURLcode rc)
{
	long reply = 0;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &reply);
	return rc == CURLE_LOGIN_DENIED || rc == CURLE_OPERATION_TIMEDOUT ||
	    rc == CURLE_USE_SSL_FAILED || (rc != CURLE_OK && reply == 0);
}

/* Turn libcurl's result and the server's last reply into an error. */
static int
judge(CURL *c, CURLcode rc, struct imgp_err *e)
{
	long reply = 0;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &reply);
	switch (rc) {
	case CURLE_OK:
		return 0;
	case CURLE_USE_SSL_FAILED:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
		return imgp_fail(e, IMGP_E_MAIL_TLS, "%s",
		    curl_easy_strerror(rc));
	case CURLE_OUT_OF_MEMORY:
		imgp_oom();
	case CURLE_LOGIN_DENIED:
		return imgp_fail(e, reply / 100 == 4 ?
		    IMGP_E_MAIL_UNAVAILABLE : IMGP_E_MAIL_REFUSED,
		    "the mail server refused the login (reply %ld)", reply);
	default:
		break;
	}
	if (reply / 100 == 5)
		return imgp_fail(e, IMGP_E_MAIL_REFUSED,
		    "the mail server refused with reply %ld", reply);
	if (reply / 100 == 4)
		return imgp_fail(e, IMGP_E_MAIL_UNAVAILABLE,
		    "the mail server put it off with reply %ld", reply);
	return imgp_fail(e, IMGP_E_MAIL_UNAVAILABLE, "%s%s",
	    curl_easy_strerror(rc),
	    reply == 354 ? ", after the text was sent" : "");
}

static int
send_one(CURL *c, const char *from, const char *to, const struct imgp_buf *m,
    int *hopeless, struct imgp_err *e)
{
	struct reader r = { m->s, m->len };
	struct curl_slist *rcpt;
	char *sender, *receiver;
	CURLcode rc;

	if (imgp_mail_check_address(to, e) == -1)
		return -1;
	sender = imgp_asprintf("<%s>", from);
	receiver = imgp_asprintf("<%s>", to);
	if ((rcpt = curl_slist_append(NULL, receiver)) == NULL)
		imgp_oom();
	curl_easy_setopt(c, CURLOPT_MAIL_FROM, sender);
	curl_easy_setopt(c, CURLOPT_MAIL_RCPT, rcpt);
	curl_easy_setopt(c, CURLOPT_READDATA, &r);
	curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)m->len);
	rc = curl_easy_perform(c);
	curl_easy_setopt(c, CURLOPT_MAIL_RCPT, NULL);
	curl_slist_free_all(rcpt);
	free(receiver);
	free(sender);
	*hopeless = is_hopeless(c, rc);
	return judge(c, rc, e);
}

/* A handle that is set up; NULL with ${e}. */
static CURL *
begin(const struct imgp_carrier *s, struct imgp_err *e)
{
	static int ready;
	CURL *c;

	if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		imgp_oom();
	ready = 1;
	if ((c = curl_easy_init()) == NULL)
		imgp_oom();
	if (set_up(c, s, e) == 0)
		return c;
	curl_easy_cleanup(c);
	return NULL;
}

/* Connect, log in, and say NOOP. */
static int
ask(const struct imgp_carrier *s, struct imgp_err *e)
{
	CURL *c = begin(s, e);
	int rc;

	if (c == NULL)
		return -1;
	curl_easy_setopt(c, CURLOPT_UPLOAD, 0L);
	curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, "NOOP");
	rc = judge(c, curl_easy_perform(c), e);
	curl_easy_cleanup(c);
	return rc;
}

static int
send_parcel(const struct imgp_carrier *s, const struct imgp_parcel *m,
    struct imgp_carried *res, struct imgp_err *e)
{
	struct imgp_err why;
	size_t i, failed = 0;
	int hopeless = 0;
	CURL *c;

	if (imgp_mail_check_address(m->from, e) == -1 ||
	    (c = begin(s, e)) == NULL)
		return -1;
	for (i = 0; i < m->n_to; i++) {
		if (!hopeless && send_one(c, m->from, m->to[i], m->message,
		    &hopeless, &why) == 0) {
			res[i].done = 1;
			continue;
		}
		res[i].err = why;
		if (failed++ == 0)
			*e = why;
	}
	curl_easy_cleanup(c);
	return failed == 0 ? 0 : -1;
}

const struct imgp_carrier_kind imgp_carrier_smtp = {
	.urls = { "smtp://", "smtps://" }, .relays = 1, .open = open_url,
	.send = send_parcel, .ask = ask
};
