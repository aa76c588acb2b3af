#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "libimgpipe/net/http.h"

#define HEAD_MAX	((size_t)64 << 10)
#define BODY_MAX	((size_t)1 << 20)
#define SMALL		((size_t)64 << 10)
#define CONNECT_MS	10000L
#define TOTAL_MS	60000L

struct imgp_http {
	CURL	*curl;
};

struct imgp_http *
imgp_http_new(void)
{
	struct imgp_http *h = imgp_alloc(sizeof *h);

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (h->curl = curl_easy_init()) == NULL)
		imgp_oom();
	return h;
}

void
imgp_http_free(struct imgp_http *h)
{
	if (h == NULL)
		return;
	curl_easy_cleanup(h->curl);
	free(h);
}

/* Nonzero: http to ${host} stays on this machine. */
static int
is_loopback(const char *host)
{
	return strcasecmp(host, "localhost") == 0 ||
	    strcmp(host, "[::1]") == 0 || (strncmp(host, "127.", 4) == 0 &&
	    host[strspn(host, "0123456789.")] == '\0');
}

/*
 * Check where ${r} goes; ${*shown} is the address for messages, without user
 * and query, the caller's to free.
 */
static int
check_url(const struct imgp_http_request *r, char **shown, struct imgp_err *e)
{
	char *scheme = NULL, *host = NULL, *text = NULL;
	CURLU *u = curl_url();
	int rc = -1;

	if (u == NULL)
		imgp_oom();
	if (curl_url_set(u, CURLUPART_URL, r->url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
		imgp_fail(e, IMGP_E_CONFIG, "an address that is no URL");
		goto out;
	}
	curl_url_set(u, CURLUPART_USER, NULL, 0);
	curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(u, CURLUPART_QUERY, NULL, 0);
	curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	if (curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK)
		imgp_oom();
	if (strcmp(scheme, "https") != 0 && (strcmp(scheme, "http") != 0 ||
	    (!(r->flags & IMGP_HTTP_PLAIN) && !is_loopback(host)))) {
		imgp_fail(e, IMGP_E_CONFIG, "%s: not https", text);
		goto out;
	}
	*shown = imgp_strdup(text);
	rc = 0;
out:
	curl_free(scheme);
	curl_free(host);
	curl_free(text);
	curl_url_cleanup(u);
	return rc;
}

static int
make_headers(const struct imgp_http_request *r, struct curl_slist **list,
    struct imgp_err *e)
{
	struct curl_slist *more;
	const char *const *h, *p;

	for (h = r->headers; h != NULL && *h != NULL; h++) {
		for (p = *h; *p != '\0'; p++)
			if (((unsigned char)*p < ' ' && *p != '\t') ||
			    *p == '\177')
				return imgp_fail(e, IMGP_E_INTERNAL,
				    "a control character in a header");
		if ((more = curl_slist_append(*list, *h)) == NULL)
			imgp_oom();
		*list = more;
	}
	/* Else curl sends "Expect: 100-continue" and waits. */
	if ((more = curl_slist_append(*list, "Expect:")) == NULL)
		imgp_oom();
	*list = more;
	return 0;
}

static void
free_headers(struct curl_slist *list)
{
	struct curl_slist *l;

	for (l = list; l != NULL; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(list);
}

static size_t
take(char *p, size_t size, size_t n, void *arg)
{
	return imgp_buf_add(arg, p, size * n) == -1 ? 0 : size * n;
}

static size_t
take_head(char *p, size_t size, size_t n, void *arg)
{
	struct imgp_buf *head = arg;

	/* A status line begins another header: the one before was interim. */
	if (size * n > 5 && strncmp(p, "HTTP/", 5) == 0)
		imgp_buf_clear(head);
	return take(p, size, n, arg);
}

static void
set(CURL *c, const struct imgp_http_request *r, struct curl_slist *headers,
    struct imgp_http_answer *a, char *why)
{
	const char *method = r->method;

	curl_easy_reset(c);
	if (method == NULL)
		method = r->body == NULL ? "GET" : "POST";
	curl_easy_setopt(c, CURLOPT_URL, r->url);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	if (r->body != NULL) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)r->body_len);
	} else if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &a->body);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_head);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &a->head);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
	    r->connect_ms > 0 ? r->connect_ms : CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
	    r->total_ms > 0 ? r->total_ms : TOTAL_MS);
	/* Take nothing from the environment, go nowhere else. */
#if CURL_AT_LEAST_VERSION(7, 85, 0)
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(c, CURLOPT_PROTOCOLS,
	    (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	if (r->flags & IMGP_HTTP_ONCE)
		curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	if (!(r->flags & IMGP_HTTP_PROXY) ||
	    strncasecmp(r->url, "https:", 6) != 0)
		curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_SSLVERSION,
	    (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	if (r->ca_bundle != NULL)
		curl_easy_setopt(c, CURLOPT_CAINFO, r->ca_bundle);
	if (r->cert != NULL)
		curl_easy_setopt(c, CURLOPT_SSLCERT, r->cert);
	if (r->key != NULL)
		curl_easy_setopt(c, CURLOPT_SSLKEY, r->key);
}

/* The code for what libcurl could not do. */
static const char *
code_of(CURLcode res)
{
	switch (res) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return IMGP_E_STORE_DENIED;
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return IMGP_E_CONFIG;
	default:
		return IMGP_E_STORE_UNAVAILABLE;
	}
}

/*
 * What libcurl could not do, in its words.  Where they may quote the proxy's
 * address, and so its password, only the fault's name.
 */
static void
say_fault(CURL *c, CURLcode res, const struct imgp_http_request *r,
    const char *shown, const char *why, struct imgp_err *e)
{
	long proxied = 0;

	curl_easy_getinfo(c, CURLINFO_HTTP_CONNECTCODE, &proxied);
	if (proxied / 100 == 4)
		imgp_fail(e, IMGP_E_STORE_DENIED,
		    "%s: the proxy refuses it: status %ld", shown, proxied);
	else if (strncmp(why, "Unsupported proxy", 17) == 0)
		imgp_fail(e, IMGP_E_CONFIG,
		    "%s: https_proxy: not an address of a proxy", shown);
	else if (*why == '\0' || ((r->flags & IMGP_HTTP_PROXY) &&
	    (res == CURLE_COULDNT_RESOLVE_PROXY ||
	    res == CURLE_COULDNT_RESOLVE_HOST || res == CURLE_COULDNT_CONNECT ||
	    strcasestr(why, "proxy") != NULL)))
		imgp_fail(e, code_of(res), "%s: %s", shown,
		    curl_easy_strerror(res));
	else
		imgp_fail(e, code_of(res), "%s: %s", shown, why);
}

int
imgp_http(struct imgp_http *h, const struct imgp_http_request *r,
    struct imgp_http_answer *a, struct imgp_err *e)
{
	char why[CURL_ERROR_SIZE] = "", *shown = NULL;
	struct curl_slist *headers = NULL;
	CURLcode res;
	long status = 0, sent = 0;
	int rc = -1;

	imgp_http_release(a);
	a->body.max = r->max > 0 ? r->max : BODY_MAX;
	a->head.max = HEAD_MAX;
	/* A small answer is never moved, so no copy of a secret is left. */
	if (a->body.max <= SMALL)
		imgp_buf_reserve(&a->body, a->body.max);
	if (check_url(r, &shown, e) == -1 ||
	    make_headers(r, &headers, e) == -1)
		goto out;
	set(h->curl, r, headers, a, why);
	res = curl_easy_perform(h->curl);
	if (res == CURLE_WRITE_ERROR)
		imgp_fail(e, IMGP_E_STORE_UNAVAILABLE, "%s: an answer longer than %zu "
		    "bytes", shown, a->body.max);
	else if (res == CURLE_OUT_OF_MEMORY)
		imgp_oom();
	else if (res != CURLE_OK)
		say_fault(h->curl, res, r, shown, why, e);
	else {
		curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
		a->status = (int)status;
		rc = 0;
	}
	curl_easy_getinfo(h->curl, CURLINFO_REQUEST_SIZE, &sent);
	curl_easy_reset(h->curl);	/* it points to our locals */
out:
	free_headers(headers);
	free(shown);
	if (rc == -1)
		imgp_http_release(a);
	a->sent = sent > 0;
	return rc;
}

static void
wipe(struct imgp_buf *b)
{
	if (b->size != 0)
		explicit_bzero(b->s, b->size);
	imgp_buf_release(b);
}

void
imgp_http_release(struct imgp_http_answer *a)
{
	wipe(&a->body);
	wipe(&a->head);
	a->status = 0;
	a->sent = 0;
}

int
imgp_http_header(const struct imgp_http_answer *a, const char *name,
    char *dst, size_t size)
{
	const char *line, *end, *s;
	size_t n = strlen(name);

	for (line = a->head.s; line != NULL && *line != '\0'; line = end) {
		end = line + strcspn(line, "\n");
		if (*end == '\n')
			end++;
		if (strncasecmp(line, name, n) != 0 || line[n] != ':')
			continue;
		for (s = line + n + 1; *s == ' ' || *s == '\t'; s++)
			;
		for (n = (size_t)(end - s);
		    n > 0 && isspace((unsigned char)s[n - 1]); n--)
			;
		if (n >= size || memchr(s, '\0', n) != NULL)
			return -1;
		memcpy(dst, s, n);
		dst[n] = '\0';
		return 0;
	}
	return -1;
}
