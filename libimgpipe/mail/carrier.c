#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/mail/carrier_priv.h"

static const struct imgp_carrier_kind *const kinds[] = {
#define ROW(name)	&imgp_carrier_##name,
	IMGP_CARRIERS(ROW)
#undef ROW
};
#define N_KINDS	(sizeof kinds / sizeof *kinds)

/* --- opening ------------------------------------------------------------- */

/* The carrier when "mail" is not set: a Maildir below the user's state directory
 * (XDG base directories). */
static char *
default_url(struct imgp_err *e)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state != NULL && state[0] == '/')
		return imgp_asprintf("file://%s/imgpipe/mail", state);
	if (home != NULL && home[0] == '/')
		return imgp_asprintf("file://%s/.local/state/imgpipe/mail",
		    strcmp(home, "/") == 0 ? "" : home);
	imgp_fail(e, IMGP_E_CONFIG,
	    "mail is not set, and there is no HOME to keep a Maildir in");
	return NULL;
}

static int
has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The setting names no carrier: say which there are. */
static int
no_such_carrier(struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	const char *const *p;
	size_t i;

	for (i = 0; i < N_KINDS; i++)
		for (p = kinds[i]->urls; *p != NULL; p++)
			imgp_buf_printf(&b, "%s%s", b.len == 0 ? "" : ", ", *p);
	imgp_fail(e, IMGP_E_CONFIG, "mail: none of %s", b.s);
	imgp_buf_release(&b);
	return -1;
}

static int
open_url(struct imgp_carrier *c, const char *url, struct imgp_err *e)
{
	const char *const *p;
	size_t i;

	for (i = 0; i < N_KINDS; i++)
		for (p = kinds[i]->urls; *p != NULL; p++)
			if (has_prefix(url, *p)) {
				c->kind = kinds[i];
				return c->kind->open(c, url, e);
			}
	return no_such_carrier(e);
}

/* The password: that of the setting ${own}, which the URL is of, or of mail. */
static const char *
password_of(const char *pipeline, const char *own)
{
	char name[64];

	snprintf(name, sizeof name, "%s_password", own == NULL ? "mail" :
	    own);
	return imgp_conf(pipeline, name);
}

struct imgp_carrier *
imgp_carrier_open(const char *pipeline, const char *own, struct imgp_err *e)
{
	struct imgp_carrier *c = imgp_alloc(sizeof *c);
	const char *url = own == NULL ? NULL : imgp_conf(pipeline, own), *tls;
	char *made = NULL;
	long long seconds;

	if (url == NULL) {
		own = NULL;
		url = imgp_conf(pipeline, "mail");
	}
	if (url == NULL && (url = made = default_url(e)) == NULL)
		goto fail;
	if (open_url(c, url, e) == -1)
		goto fail;
	tls = imgp_conf(pipeline, "mail_tls");
	if (strcmp(tls, "auto") == 0)
		c->tls = IMGP_TLS_AUTO;
	else if (strcmp(tls, "required") == 0)
		c->tls = IMGP_TLS_REQUIRED;
	else if (strcmp(tls, "no") == 0)
		c->tls = IMGP_TLS_NO;
	else {
		imgp_fail(e, IMGP_E_CONFIG, "mail_tls: auto, required or no");
		goto fail;
	}
	if (imgp_conf_duration(pipeline, "mail_timeout", &seconds, e) == -1)
		goto fail;
	c->timeout = seconds < 1 ? 1 : seconds > 3600 ? 3600 : (long)seconds;
	c->password = password_of(pipeline, own);
	c->ca_file = imgp_conf(pipeline, "mail_ca_file");
	free(made);
	return c;
fail:
	if (own != NULL) {
		struct imgp_err why = *e;

		imgp_fail(e, why.code, "%s: %s", own, why.msg);
	}
	free(made);
	imgp_carrier_free(c);
	return NULL;
}

void
imgp_carrier_free(struct imgp_carrier *c)
{
	if (c == NULL)
		return;
	free(c->target);
	free(c->user);
	free(c);
}

int
imgp_carrier_relays(const struct imgp_carrier *c)
{
	return c->kind->relays;
}

/* --- sending ------------------------------------------------------------- */

void
imgp_carrier_local(const struct imgp_buf *m, struct imgp_buf *out)
{
	const char *p = m->s, *end = m->s + m->len, *cr;

	while ((cr = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		imgp_buf_add(out, p, (size_t)(cr - p));
		p = cr + 1;
	}
	imgp_buf_add(out, p, (size_t)(end - p));
}

int
imgp_carrier_send(struct imgp_carrier *c, const struct imgp_parcel *m,
    struct imgp_carried *res, struct imgp_err *e)
{
	struct imgp_err why = { NULL, "" };
	size_t i;
	int rc;

	memset(res, 0, m->n_to * sizeof *res);
	rc = c->kind->send(c, m, res, &why);
	for (i = 0; i < m->n_to; i++) {
		if (rc == 0)
			res[i].done = 1;
		else if (!res[i].done && res[i].err.code == NULL)
			res[i].err = why;
	}
	if (rc == -1)
		*e = why;
	return rc;
}

int
imgp_carrier_ask(struct imgp_carrier *c, struct imgp_err *e)
{
	return c->kind->ask(c, e);
}

const char *
imgp_carrier_version(void)
{
	static char s[64];

	snprintf(s, sizeof s, "libcurl %s", curl_version_info(CURLVERSION_NOW)
	    ->version);
	return s;
}
