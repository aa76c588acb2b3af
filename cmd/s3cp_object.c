/* imgp-s3cp, second way: one object, from one URL to another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/s3cp.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/meter.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/place.h"

/* A bucket or a directory alone is no object. */
static int
check_object(const char *url, struct imgp_err *e)
{
	const char *slash = strncmp(url, "s3://", 5) == 0 ?
	    strchr(url + 5, '/') : strrchr(url, '/');

	if (slash == NULL || slash[1] == '\0')
		return imgp_fail(e, IMGP_E_PLACE_INVALID, "%.256s: names no "
		    "object", url);
	return 0;
}

static void
say(const char *from, const char *to, const struct imgp_copied *copied)
{
	if (copied->existed && !imgp_common.quiet)
		fprintf(stderr, "%s: %s: the same bytes lay there before\n",
		    imgp_progname, to);
	if (copied->by_length && !imgp_common.quiet)
		fprintf(stderr, "%s: %s: has no SHA-256 with it, only its "
		    "length was compared\n", imgp_progname, from);
	s3cp_say_warnings(copied);
	if (imgp_common.verbose)
		s3cp_say_copied(NULL, copied);
}

int
s3cp_object(const char *from, const char *to, unsigned int flags)
{
	struct imgp_err e = { NULL, "" };
	struct imgp_meter meter;
	struct imgp_progress progress = { imgp_meter_moved, &meter };
	struct imgp_copied copied = { .existed = 0 };
	const char *name = strrchr(from, '/');
	char *target = to[0] != '\0' && to[strlen(to) - 1] == '/' &&
	    name != NULL ? imgp_place_join(to, name + 1) : imgp_strdup(to);
	struct imgp_copy copy = { .from = from, .to = target, .flags = flags,
	    .progress = &progress };
	int rc = -1;

	imgp_meter_init(&meter, imgp_common.quiet ? NULL : stderr);
	if ((copy.src = s3cp_store_of(from, &e)) == NULL ||
	    (copy.dst = s3cp_store_of(target, &e)) == NULL ||
	    check_object(from, &e) == -1 || check_object(target, &e) == -1)
		goto out;
	if (imgp_common.dry_run) {
		rc = imgp_store_head(copy.src, from, 0, &copied.object, &e);
		goto out;
	}
	rc = imgp_store_copy(&copy, &copied, &e);
	imgp_meter_end(&meter);
	if (rc == 0)
		say(from, target, &copied);
	s3cp_say_skew();
out:
	imgp_store_close(copy.src);
	imgp_store_close(copy.dst);
	free(target);
	if (rc == 0)
		return IMGP_EX_OK;
	imgp_complain(&e);
	return s3cp_status(&e);
}
