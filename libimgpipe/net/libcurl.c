/*
 * libcurl's functions under their own names.  The library is opened when one of them
 * is called first: a run over directories calls none, and libcurl with the thirty
 * libraries behind it costs the start of a program as much as all the rest.
 *
 * Names, arguments and answers are those of <curl/curl.h>.  Where libcurl cannot be
 * opened the program ends at once with a line and status 2.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include "libimgpipe/base/buf.h"

/* The checks of types that these macros do are for callers. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#if LIBCURL_VERSION_NUM >= 0x080000
#define URL_READ	const CURLU
#else
#define URL_READ	CURLU
#endif
#define SONAME	"libcurl.so.4"		/* since 2006; on Debian as elsewhere */

/* Result, name, parameters and arguments of each whose arguments have known types. */
#define PLAIN(X)	\
	X(CURLcode, curl_global_init, (long flags), (flags))	\
	X(curl_version_info_data *, curl_version_info, (CURLversion v), (v))	\
	X(CURL *, curl_easy_init, (void), ())	\
	X(CURLcode, curl_easy_perform, (CURL *c), (c))	\
	X(CURLcode, curl_easy_pause, (CURL *c, int what), (c, what))	\
	X(void, curl_easy_reset, (CURL *c), (c))	\
	X(void, curl_easy_cleanup, (CURL *c), (c))	\
	X(const char *, curl_easy_strerror, (CURLcode rc), (rc))	\
	X(CURLM *, curl_multi_init, (void), ())	\
	X(CURLMcode, curl_multi_add_handle, (CURLM *m, CURL *c), (m, c))	\
	X(CURLMcode, curl_multi_remove_handle, (CURLM *m, CURL *c), (m, c))	\
	X(CURLMcode, curl_multi_socket_action,	\
	    (CURLM *m, curl_socket_t fd, int what, int *running), (m, fd, what, running))	\
	X(CURLMsg *, curl_multi_info_read, (CURLM *m, int *left), (m, left))	\
	X(CURLMcode, curl_multi_cleanup, (CURLM *m), (m))	\
	X(struct curl_slist *, curl_slist_append,	\
	    (struct curl_slist *list, const char *line), (list, line))	\
	X(void, curl_slist_free_all, (struct curl_slist *list), (list))	\
	X(CURLU *, curl_url, (void), ())	\
	X(CURLUcode, curl_url_set,	\
	    (CURLU *u, CURLUPart part, const char *value, unsigned flags),	\
	    (u, part, value, flags))	\
	X(CURLUcode, curl_url_get,	\
	    (URL_READ *u, CURLUPart part, char **value, unsigned flags),	\
	    (u, part, value, flags))	\
	X(void, curl_url_cleanup, (CURLU *u), (u))	\
	X(void, curl_free, (void *p), (p))

static struct {
#define MEMBER(result, name, parameters, arguments)	result (*name) parameters;
PLAIN(MEMBER)
#undef MEMBER
	CURLcode (*curl_easy_setopt)(CURL *, CURLoption, ...);
	CURLcode (*curl_easy_getinfo)(CURL *, CURLINFO, ...);
	CURLMcode (*curl_multi_setopt)(CURLM *, CURLMoption, ...);
} lib;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
find(void *so, const char *name, void *function)
{
	void *p = dlsym(so, name);

	if (p == NULL)
		imgp_end_at_once(2, "IMGP-CONFIG: ", dlerror());
	memcpy(function, &p, sizeof p);
}

static void
open_libcurl(void)
{
	void *so = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);

	if (so == NULL)
		imgp_end_at_once(2, "IMGP-CONFIG: ", dlerror());
#define FIND(result, name, parameters, arguments)	find(so, #name, &lib.name);
PLAIN(FIND)
#undef FIND
	find(so, "curl_easy_setopt", &lib.curl_easy_setopt);
	find(so, "curl_easy_getinfo", &lib.curl_easy_getinfo);
	find(so, "curl_multi_setopt", &lib.curl_multi_setopt);
}

/* Hidden, so that libcurl's calls of its own functions stay its own. */
#define HIDDEN	__attribute__((__visibility__("hidden")))

#define DEFINE(result, name, parameters, arguments)	\
	HIDDEN result	\
	name parameters	\
	{	\
		pthread_once(&once, open_libcurl);	\
		return lib.name arguments;	\
	}
PLAIN(DEFINE)
#undef DEFINE

/*
 * The argument behind ${option} goes on as what it came as: curl.h numbers options by
 * the types of their arguments.
 */
#define PASS_ON(function, handle, option)	do {	\
	switch ((int)(option) / 10000 * 10000) {	\
	case CURLOPTTYPE_LONG:	\
		rc = function(handle, option, va_arg(ap, long));	\
		break;	\
	case CURLOPTTYPE_OFF_T:	\
		rc = function(handle, option, va_arg(ap, curl_off_t));	\
		break;	\
	default:	\
		rc = function(handle, option, va_arg(ap, void *));	\
	}	\
} while (0)

HIDDEN CURLcode
curl_easy_setopt(CURL *c, CURLoption option, ...)
{
	va_list ap;
	CURLcode rc;

	pthread_once(&once, open_libcurl);
	va_start(ap, option);
	PASS_ON(lib.curl_easy_setopt, c, option);
	va_end(ap);
	return rc;
}

HIDDEN CURLMcode
curl_multi_setopt(CURLM *m, CURLMoption option, ...)
{
	va_list ap;
	CURLMcode rc;

	pthread_once(&once, open_libcurl);
	va_start(ap, option);
	PASS_ON(lib.curl_multi_setopt, m, option);
	va_end(ap);
	return rc;
}

/* What it takes are pointers, all of them. */
HIDDEN CURLcode
curl_easy_getinfo(CURL *c, CURLINFO what, ...)
{
	va_list ap;
	CURLcode rc;

	pthread_once(&once, open_libcurl);
	va_start(ap, what);
	rc = lib.curl_easy_getinfo(c, what, va_arg(ap, void *));
	va_end(ap);
	return rc;
}
