/* imgp-s3cp: what its three ways to work share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/s3cp.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/store/s3.h"

/* This bucket's expected owner, from the *_owner setting of a place in it (M18). */
static const char *
owner_of(const char *bucket)
{
	static const char *const places[] = { "source", "temp",
	    "destination", "logs" };
	size_t i, n = strlen(bucket);
	const char *base;

	for (i = 0; i < sizeof places / sizeof *places; i++)
		if ((base = imgp_conf(NULL, places[i])) != NULL &&
		    strncmp(base, bucket, n) == 0 &&
		    (base[n] == '/' || base[n] == '\0'))
			return imgp_conf_owner(NULL, places[i]);
	return NULL;
}

struct imgp_store *
s3cp_store_of(const char *url, struct imgp_err *e)
{
	struct imgp_store *st;
	char *base = imgp_strdup(url), *end;

	end = strncmp(url, "file:///", 8) == 0 ? strrchr(base + 7, '/') + 1 :
	    strncmp(url, "s3://", 5) == 0 ? base + 5 + strcspn(base + 5, "/") :
	    base + strlen(base);
	*end = '\0';
	if ((st = imgp_store_open(base, 0, e)) != NULL)
		imgp_store_set_owner(st, owner_of(base));
	free(base);
	return st;
}

void
s3cp_say_copied(const char *to, const struct imgp_copied *c)
{
	const char *sum = c->object.sha256;

	fprintf(stderr, "%s: %s%s%lld bytes, SHA-256 %s%s", imgp_progname,
	    to == NULL ? "" : to, to == NULL ? "" : ": ",
	    (long long)c->object.bytes, *sum == '\0' ? "not known" : sum,
	    c->existed ? ", lay there before" : "");
	if (c->resumed > 0)
		fprintf(stderr, ", %lld of them sent before",
		    (long long)c->resumed);
	fputc('\n', stderr);
}

void
s3cp_say_warnings(const struct imgp_copied *copied)
{
	int i;

	for (i = 0; i < copied->nwarnings && !imgp_common.quiet; i++)
		imgp_complain(&copied->warnings[i]);
}

void
s3cp_say_unprobed(void)
{
	const char *why = imgp_store_probe_failed();

	if (why != NULL && imgp_common.verbose)
		fprintf(stderr, "%s: whether the service creates only could "
		    "not be found out: %s\n", imgp_progname, why);
}

void
s3cp_say_skew(void)
{
	long skew = imgp_s3_skew();

	if (skew != 0 && !imgp_common.quiet)
		fprintf(stderr, "%s: the clock of this machine is %ld s %s "
		    "that of the S3 service, which was made good\n",
		    imgp_progname, labs(skew), skew > 0 ? "behind" :
		    "ahead of");
}

int
s3cp_status(const struct imgp_err *e)
{
	const struct imgp_error *row = imgp_error_find(e->code);

	if (row != NULL && strcmp(row->class, "config") == 0)
		return IMGP_EX_USAGE;
	return imgp_error_is_temporary(e->code) ? IMGP_EX_TEMPFAIL :
	    IMGP_EX_ERRORS;
}
