#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/encode.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/base/worker.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/steps/confine.h"
#include "libimgpipe/steps/ids_check.h"
#include "libimgpipe/steps/scan_job.h"
#include "libimgpipe/steps/stamp_job.h"

#define FEW_BYTES	((int64_t)4 << 20)	/* for one thread */
#define LARGE_READ	((size_t)256 << 10)
#define SMALL_READ	((size_t)16 << 10)	/* a small file touches no more memory */

int
imgp_stamp_sum(int fd, char hex[65], int64_t *bytes, struct imgp_err *e)
{
	struct imgp_sha256 *h = imgp_sha256_new();
	unsigned char *buf = imgp_alloc_bytes(LARGE_READ);
	ssize_t n;
	int rc = -1;

	*bytes = 0;
	while ((n = pread(fd, buf, *bytes < (int64_t)LARGE_READ ? SMALL_READ :
	    LARGE_READ, *bytes)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			imgp_fail_errno(e, IMGP_E_STORE_IO, "the file again");
			goto out;
		}
		imgp_worker_beat();
		imgp_sha256_add(h, buf, (size_t)n);
		*bytes += n;
	}
	imgp_sha256_end_hex(h, hex);
	rc = 0;
out:
	free(buf);
	imgp_sha256_free(h);
	return rc;
}

static void
tell(struct imgp_job *job, const struct imgp_stamp_result *r)
{
	struct imgp_json *a;
	size_t i;

	imgp_job_add_faults(job, "stamp", &r->faults,
	    imgp_scan_required(job, NULL));
	imgp_job_add_warnings(job, "stamp", &r->warnings);
	if (r->nreplaced == 0)
		return;
	a = imgp_json_new_array();
	for (i = 0; i < r->nreplaced; i++)
		imgp_json_append_str(a, r->replaced[i]);
	imgp_job_set(job, "replaced", a);
}

/* What the work copy was before: the job knows it, or it is summed up. */
static int
source_sum(struct imgp_job *job, int fd, struct imgp_prov_sum *sum,
    struct imgp_err *e)
{
	const char *hex = imgp_job_sub_str(job, "sha256", "local");

	if (hex == NULL || !imgp_hex_is_sha256(hex) ||
	    imgp_job_sub_int(job, "bytes", "local", &sum->source_bytes) == -1)
		return imgp_stamp_sum(fd, sum->source, &sum->source_bytes, e);
	memcpy(sum->source, hex, sizeof sum->source);
	return 0;
}

/* Stamp ${fd} into ${to}, noting it in ${note}: as imgp_stamp_upload(). */
static int
stamp_noted(struct imgp_stamp_job *s, struct imgp_job *job, int fd, int to,
    int note, struct imgp_stamp_result *r, struct imgp_err *e)
{
	struct imgp_prov_sum sum;
	struct imgp_out out, notes;
	int rc;

	imgp_out_init(&out, to);
	imgp_out_init(&notes, note);
	s->opts.note = &notes;
	rc = imgp_stamp_upload(fd, &out, &s->opts, r, e);
	if (rc == 0 && r->stamped > 0) {
		sum.has_crc = r->has_crc;
		sum.crc = r->old_crc;
		sum.gzip_changed = r->gzip_changed;
		sum.gzip_end = r->gzip_end;
		rc = source_sum(job, fd, &sum, e);
		if (rc == 0)
			rc = imgp_stamp_sum(to, sum.stamped,
			    &sum.stamped_bytes, e);
		if (rc == 0)
			rc = imgp_prov_finish(&notes, &sum, e);
		if (rc == 0 && !s->dry_run) {
			imgp_job_set_sub_str(job, "sha256", "local",
			    sum.stamped);
			imgp_job_set_sub_int(job, "bytes", "local",
			    sum.stamped_bytes);
		}
	}
	imgp_out_release(&notes);
	imgp_out_release(&out);
	return rc;
}

int
imgp_stamp_settings(struct imgp_stamp_job *s, const char *pipeline,
    struct imgp_err *e)
{
	s->opts.cut_required = strcmp(imgp_conf(pipeline, "cut"),
	    "required") == 0;
	s->opts.center = imgp_conf(pipeline, "coordinating_center");
	if (s->opts.center != NULL &&
	    imgp_stamp_check_center(s->opts.center, e) == -1)
		return -1;
	return imgp_stamp_tag_parse(s->tag != NULL ? s->tag :
	    imgp_conf(pipeline, "stamp_tag"), &s->opts.tag, e);
}

/*
 * What is beside the work copy: the result and its provenance until they are
 * complete, and the provenance.
 */
enum beside { RESULT, NOTE, PROVENANCE };

static void
name_beside(const struct imgp_work_copy *w, enum beside which,
    char name[NAME_MAX + 16])
{
	static const char *const suffix[] = { ".stamp", ".prov.new", ".prov" };

	snprintf(name, NAME_MAX + 16, "%s%s", w->name, suffix[which]);
}

static int
create(const struct imgp_work_copy *w, enum beside which, struct imgp_err *e)
{
	char name[NAME_MAX + 16];
	int fd;

	name_beside(w, which, name);
	unlinkat(w->dir, name, 0);	/* of a run that was killed */
	fd = openat(w->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd == -1)
		imgp_fail_write(e, "the stamped file");
	return fd;
}

/*
 * A run that was killed may have stamped the work copy after the line was made:
 * it left a provenance beside it.  Then the line's sums are not believed.
 */
static int
has_stale_sums(struct imgp_job *job, const struct imgp_work_copy *w)
{
	char name[NAME_MAX + 16];
	struct stat st;
	int64_t bytes;

	if (imgp_job_sub_str(job, "sha256", "local") == NULL)
		return 0;
	name_beside(w, PROVENANCE, name);
	return fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	    fstat(w->fd, &st) == -1 ||
	    imgp_job_sub_int(job, "bytes", "local", &bytes) == -1 ||
	    bytes != st.st_size;
}

static int
refresh_sums(struct imgp_job *job, int fd, struct imgp_err *e)
{
	char hex[65];
	int64_t bytes;

	if (imgp_stamp_sum(fd, hex, &bytes, e) == -1)
		return -1;
	imgp_job_set_sub_str(job, "sha256", "local", hex);
	imgp_job_set_sub_int(job, "bytes", "local", bytes);
	return 0;
}

static int
open_all(struct imgp_stamp_job *s, struct imgp_job *job, struct imgp_err *e)
{
	if (imgp_stamp_settings(s, imgp_job_str(job, "pipeline_code"),
	    e) == -1 || imgp_work_copy_find(&s->work, job, e) == -1 ||
	    imgp_work_copy_open(&s->work, e) == -1 ||
	    (s->to = create(&s->work, RESULT, e)) == -1 ||
	    (s->note = create(&s->work, NOTE, e)) == -1 ||
	    imgp_tmpfile_ahead(s->work.dir, IMGP_STAMP_TMPFILES(
	    (size_t)s->opts.threads), e) == -1)
		return -1;
	s->stale = has_stale_sums(job, &s->work);
	return 0;
}

/* Several threads cost more than they save for an upload that is small. */
static int
threads_for(struct imgp_job *job, int most)
{
	int64_t bytes;

	return imgp_job_sub_int(job, "bytes", "local", &bytes) == 0 &&
	    bytes < FEW_BYTES ? 1 : most;
}

/* In the process: open what it needs, give up everything else. */
static int
confine(struct imgp_job *job, void *arg, struct imgp_err *e)
{
	struct imgp_stamp_job *s = arg;
	struct imgp_rights r = { .scratch = -1, .cpu_seconds = IMGP_WORK_CPU };
	struct imgp_scans scans = IMGP_SCANS_INIT;

	s->opts.threads = threads_for(job, s->opts.threads);
	r.memory = imgp_work_memory(s->opts.threads);
	if (imgp_job_get_scans(job, &scans, e) == -1)
		return -1;
	s->series = imgp_scans_series(&scans);
	imgp_scans_release(&scans);
	if (s->series > 0) {
		if (open_all(s, job, e) == -1)
			return -1;
		r.writes = 1;
		r.scratch = s->work.dir;
		r.threads = s->opts.threads > 1;
	}
	return imgp_sandbox(&r, e);
}

static int
step(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct imgp_stamp_job *s = arg;
	struct imgp_scans scans = IMGP_SCANS_INIT;
	struct imgp_stamp_result r;
	int rc = -1;

	(void)f;
	if (s->series == 0)
		return 0;		/* no image: nothing to stamp */
	memset(&r, 0, sizeof r);
	if (imgp_job_get_scans(job, &scans, e) == -1 ||
	    (s->stale && refresh_sums(job, s->work.fd, e) == -1))
		goto out;
	s->opts.lim = &s->lim;
	s->opts.scans = &scans;
	s->opts.tmpdir = s->work.dir;
	rc = stamp_noted(s, job, s->work.fd, s->to, s->note, &r, e);
	tell(job, &r);
	if (close(s->to) == -1 && rc != -1)
		rc = imgp_fail_write(e, "the stamped file");
	if (rc == 0 && r.stamped > 0 && !s->dry_run)
		rc = IMGP_STEP_KEEP;
	else if (rc == 1)
		rc = 0;
out:
	imgp_stamp_release(&r);
	imgp_scans_release(&scans);
	return rc;
}

/* Is the result one at all, with a provenance?  It is not looked into. */
static int
has_result(const struct imgp_work_copy *w, const char *result, const char *note,
    struct imgp_err *e)
{
	struct stat file, noted;

	if (fstatat(w->dir, result, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(w->dir, note, &noted, AT_SYMLINK_NOFOLLOW) == 0 &&
	    file.st_size > 0 && noted.st_size > 0)
		return 1;
	imgp_fail(e, IMGP_E_DICOM_CRASH,
	    "the process says that it stamped, and left nothing");
	return 0;
}

/*
 * Here: the stamped file takes the place of the work copy, its provenance beside
 * it; or both are removed.  Nothing is synced: after a power cut the spool is
 * thrown away whole.
 */
static int
settle(struct imgp_job *job, int keep, void *arg, struct imgp_err *e)
{
	char result[NAME_MAX + 16], note[NAME_MAX + 16], prov[NAME_MAX + 16];
	struct imgp_work_copy w;
	int rc = 0;

	(void)arg;
	if (imgp_job_get(job, "scans") == NULL)
		return 0;
	if (imgp_work_copy_find(&w, job, e) == -1)
		return keep ? -1 : 0;	/* there was nothing either */
	name_beside(&w, RESULT, result);
	name_beside(&w, NOTE, note);
	name_beside(&w, PROVENANCE, prov);
	if (keep && !has_result(&w, result, note, e))
		rc = -1;
	else if (keep && (renameat(w.dir, note, w.dir, prov) == -1 ||
	    renameat(w.dir, result, w.dir, w.name) == -1))
		rc = imgp_fail_errno(e, IMGP_E_STORE_IO,
		    "rename the stamped file");
	if (!keep || rc == -1) {
		if (unlinkat(w.dir, result, 0) == -1 && errno != ENOENT)
			rc = imgp_fail_errno(e, IMGP_E_STORE_IO,
			    "remove the stamped file");
		unlinkat(w.dir, note, 0);
	}
	imgp_work_copy_close(&w);
	return rc;
}

/*
 * Here: nothing was stamped, and nothing says why.  So it is where an earlier run
 * stamped all of it, else the process lied; another one looks.
 */
static int
unchanged(struct imgp_job *job, void *arg, struct imgp_err *e)
{
	const struct imgp_stamp_job *s = arg;
	struct imgp_work_copy w = IMGP_WORK_COPY_INIT;
	struct imgp_scans scans = IMGP_SCANS_INIT;
	struct imgp_ids ids = { 0, 0, 0, 0 };
	int rc = 0;

	if (s->dry_run || imgp_job_get(job, "scans") == NULL)
		return 0;
	if (imgp_job_get_scans(job, &scans, e) == -1)
		return -1;
	if (imgp_scans_series(&scans) > 0)
		rc = imgp_work_copy_find(&w, job, e) == -1 ||
		    imgp_work_copy_open(&w, e) == -1 ||
		    imgp_ids_check_fd(w.fd, imgp_job_str(job, "pipeline_code"),
		    &scans, &ids, e) == -1 ? -1 : 0;
	if (rc == 0 && ids.without + ids.other + ids.unknown > 0)
		rc = imgp_fail(e, IMGP_E_DICOM_CRASH,
		    "the process stamped nothing and did not say why");
	imgp_work_copy_close(&w);
	imgp_scans_release(&scans);
	return rc;
}

static int
ask(struct imgp_job *job, const char *code, void *arg, struct imgp_err *e)
{
	(void)job;
	(void)code;
	(void)arg;
	return imgp_confine_ask(1, e);
}

struct imgp_filter_ops
imgp_stamp_ops(unsigned int seconds)
{
	return (struct imgp_filter_ops){
		.stage = "stamp",
		.flags = IMGP_ISOLATED,
		.confine = confine,
		.step = step,
		.settle = settle,
		.unchanged = unchanged,
		.ask = ask,
		.required = imgp_scan_required,
		.seconds = seconds,
		.died = IMGP_E_DICOM_CRASH,
	};
}
