/* imgp-s3cp, third way (-r): all objects below one URL to below another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/s3cp.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/meter.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/text.h"

struct outcome {
	int		 status;	/* the worst */
	long long	 objects, existed, by_length;
	int64_t		 bytes, total;	/* total: -1 till all is listed */
	struct imgp_meter meter;
};

static void
on_listed(void *arg, int64_t bytes)
{
	struct outcome *o = arg;

	o->total = bytes;
}

static void
on_done(void *arg, const char *from, const char *to,
    const struct imgp_copied *copied, const struct imgp_err *e)
{
	struct outcome *o = arg;

	if (e != NULL) {
		imgp_meter_end(&o->meter);
		imgp_complain(e);
		o->status = imgp_exit_worse(o->status,
		    imgp_error_is_temporary(e->code) ? IMGP_EX_TEMPFAIL :
		    IMGP_EX_ERRORS);
		return;
	}
	if (imgp_common.dry_run) {
		printf("%s\t%s\n", from, to);
		return;
	}
	o->objects++;
	o->existed += copied->existed;
	o->by_length += copied->by_length;
	o->bytes += copied->object.bytes;
	if (copied->nwarnings > 0)
		imgp_meter_end(&o->meter);
	s3cp_say_warnings(copied);
	if (imgp_common.verbose)
		s3cp_say_copied(to, copied);
	else
		imgp_meter_moved(&o->meter, o->bytes, o->total);
}

/* It is no object, but somebody may miss it. */
static void
on_passed(void *arg, const char *url)
{
	struct outcome *o = arg;
	char name[512];

	if (imgp_common.quiet)
		return;
	imgp_printable(name, sizeof name, url, strlen(url));
	imgp_meter_end(&o->meter);
	fprintf(stderr, "%s: %s: passed over, not a regular file\n",
	    imgp_progname, name);
}

static void
say_in_all(const struct outcome *o)
{
	if (o->existed > 0 && !imgp_common.quiet && !imgp_common.verbose)
		fprintf(stderr, "%s: the same bytes lay there before for %lld "
		    "of %lld objects\n", imgp_progname, o->existed,
		    o->objects);
	if (o->by_length > 0 && !imgp_common.quiet)
		fprintf(stderr, "%s: %lld of %lld objects had no SHA-256 with "
		    "them, only their length was compared\n", imgp_progname,
		    o->by_length, o->objects);
	s3cp_say_unprobed();
	s3cp_say_skew();
}

/* Open the place for temporary objects where a probe in it would help. */
static struct imgp_store *
open_temp(const struct imgp_tree *t, const char *to)
{
	const char *url = imgp_conf(NULL, "temp");
	struct imgp_store *st;

	if (t->dry_run || !(t->flags & IMGP_COPY_CREATE) || url == NULL ||
	    strncmp(url, "s3://", 5) != 0 || strncmp(to, "s3://", 5) != 0 ||
	    (st = imgp_store_open(url, 0, NULL)) == NULL)
		return NULL;
	imgp_store_set_owner(st, imgp_conf_owner(NULL, "temp"));
	imgp_store_probe_in(st);
	return st;
}

int
s3cp_tree(const struct imgp_tree *which, const char *from, const char *to)
{
	struct imgp_tree t = *which;
	char *a = imgp_place_join(from, ""), *b = imgp_place_join(to, "");
	struct imgp_err e = { NULL, "" };
	struct imgp_store *src, *dst = NULL, *temp;
	struct outcome o = { .status = IMGP_EX_OK, .total = -1 };
	int rc = -1;

	imgp_meter_init(&o.meter, imgp_common.quiet ? NULL : stderr);
	t.jobs = imgp_common.jobs;
	t.dry_run = imgp_common.dry_run;
	t.done = on_done;
	t.listed = on_listed;
	t.passed = on_passed;
	t.arg = &o;
	temp = open_temp(&t, b);
	if ((src = s3cp_store_of(a, &e)) != NULL &&
	    (dst = s3cp_store_of(b, &e)) != NULL)
		rc = imgp_tree_copy(&t, src, a, dst, b, &e);
	imgp_meter_end(&o.meter);
	say_in_all(&o);
	imgp_store_close(temp);
	imgp_store_close(src);
	imgp_store_close(dst);
	free(a);
	free(b);
	if (rc == -1) {
		imgp_complain(&e);
		return s3cp_status(&e);
	}
	if (fflush(stdout) == EOF) {
		fprintf(stderr, "%s: standard output cannot be written\n",
		    imgp_progname);
		return IMGP_EX_TEMPFAIL;
	}
	return o.status;
}
