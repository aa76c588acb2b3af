#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/err_priv.h"
#include "libimgpipe/base/text.h"

static const struct imgp_error *dictionary = imgp_error_table;

static void
fill(struct imgp_err *e, const char *code, const char *fmt, va_list ap,
    int errnum)
{
	char raw[sizeof e->msg];
	size_t len;

	vsnprintf(raw, sizeof raw, fmt, ap);
	len = strlen(raw);
	if (errnum != 0)
		snprintf(raw + len, sizeof raw - len, ": %s", strerror(errnum));
	e->code = code;
	imgp_printable(e->msg, sizeof e->msg, raw, strlen(raw));
}

int
imgp_fail(struct imgp_err *e, const char *code, const char *fmt, ...)
{
	va_list ap;

	if (e != NULL) {
		va_start(ap, fmt);
		fill(e, code, fmt, ap, 0);
		va_end(ap);
	}
	return -1;
}

int
imgp_fail_errno(struct imgp_err *e, const char *code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (e != NULL) {
		va_start(ap, fmt);
		fill(e, code, fmt, ap, saved);
		va_end(ap);
	}
	errno = saved;
	return -1;
}

void
imgp_error_use(const struct imgp_error *rows)
{
	dictionary = rows;
}

const struct imgp_error *
imgp_error_at(size_t i)
{
	return dictionary[i].code == NULL ? NULL : &dictionary[i];
}

const struct imgp_error *
imgp_error_find(const char *code)
{
	const struct imgp_error *r;

	for (r = dictionary; code != NULL && r->code != NULL; r++)
		if (strcmp(r->code, code) == 0)
			return r;
	return NULL;
}

const struct imgp_error *
imgp_error_named(const char *code)
{
	char whole[64] = "IMGP-";
	size_t n = strlen(whole), i;

	if (strncasecmp(code, whole, n) == 0)
		code += n;
	for (i = 0; code[i] != '\0' && n + 1 < sizeof whole; i++)
		whole[n++] = (char)toupper((unsigned char)code[i]);
	whole[n] = '\0';
	return code[i] == '\0' ? imgp_error_find(whole) : NULL;
}

enum imgp_owner
imgp_error_owner(const char *code)
{
	const struct imgp_error *r = imgp_error_find(code);

	return r == NULL ? IMGP_OWNER_OURS : r->owner;
}

int
imgp_error_is_temporary(const char *code)
{
	const struct imgp_error *r = imgp_error_find(code);

	return r != NULL && strcmp(r->class, "temporary") == 0;
}
