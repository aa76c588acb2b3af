#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/base/worker.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/steps/ids_check.h"
#include "libimgpipe/steps/work_copy.h"

#define ANSWER_MAX	256	/* bytes */

struct look {
	int		 fd;
	const struct imgp_scans *scans;
	struct imgp_limits lim;
	struct imgp_stamp_tag tag;
};

/* In the process: its answer is four numbers, or the code of an error. */
static int
work(int fd, void *arg)
{
	const struct look *l = arg;
	const struct imgp_rights r = { .scratch = -1,
	    .cpu_seconds = IMGP_WORK_CPU, .memory = imgp_work_memory(0) };
	static const char *const nothing[] = { NULL };
	struct imgp_ids ids = { 0, 0, 0, 0 };
	struct imgp_err e;
	char s[ANSWER_MAX];

	imgp_conf_keep(nothing);	/* no secret is needed from here on */
	if (imgp_sandbox(&r, &e) == -1 || imgp_ids_count(l->fd, &l->lim,
	    &l->tag, l->scans, &ids, &e) == -1)
		snprintf(s, sizeof s, "%s", e.code);
	else
		snprintf(s, sizeof s, "%" PRIu64 " %" PRIu64 " %" PRIu64
		    " %" PRIu64, ids.right, ids.without, ids.other,
		    ids.unknown);
	return imgp_write_all(fd, s, strlen(s)) == -1;
}

/* The numbers, each checked, or the error: nothing else is taken from it. */
static int
take(const char *s, struct imgp_ids *ids, struct imgp_err *e)
{
	const struct imgp_error *row;
	int end = -1;

	if (sscanf(s, "%20" SCNu64 " %20" SCNu64 " %20" SCNu64 " %20" SCNu64
	    "%n", &ids->right, &ids->without, &ids->other, &ids->unknown,
	    &end) == 4 && end != -1 && s[end] == '\0')
		return 0;
	row = imgp_error_find(s);
	return imgp_fail(e, row == NULL ? IMGP_E_DICOM_CRASH : row->code,
	    "%s", row == NULL ? "the process gave no answer" : row->meaning);
}

static int
prepare(struct look *l, const char *pipeline, unsigned int *seconds,
    struct imgp_err *e)
{
	long long stall;

	if (imgp_limits_load(&l->lim, e) == -1 ||
	    imgp_stamp_tag_parse(imgp_conf(pipeline, "stamp_tag"), &l->tag,
	    e) == -1 || imgp_conf_duration(NULL, "stall", &stall, e) == -1)
		return -1;
	*seconds = (unsigned int)stall;
	return 0;
}

int
imgp_ids_check_fd(int fd, const char *pipeline, const struct imgp_scans *scans,
    struct imgp_ids *ids, struct imgp_err *e)
{
	struct look l = { .fd = fd, .scans = scans };
	struct imgp_work w = { .work = work, .arg = &l, .reader = -1,
	    .died = IMGP_E_DICOM_CRASH };
	struct imgp_buf b = { imgp_buf_empty, 0, 0, ANSWER_MAX };
	struct imgp_worker worker;
	int rc = -1;

	if (prepare(&l, pipeline, &w.seconds, e) == -1)
		return -1;
	w.keep[w.nkeep++] = fd;
	if (imgp_worker_start(&worker, &w, e) == 0) {
		imgp_worker_read(&worker, &b);
		if (imgp_worker_end(&worker, e) != -1)
			rc = take(b.s, ids, e);
	}
	imgp_buf_release(&b);
	return rc;
}

int
imgp_ids_check(const char *path, const char *pipeline,
    const struct imgp_scans *scans, struct imgp_ids *ids, struct imgp_err *e)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), rc;

	if (fd == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", path);
	rc = imgp_ids_check_fd(fd, pipeline, scans, ids, e);
	close(fd);
	return rc;
}
