#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/steps/scan_job.h"
#include "libimgpipe/steps/stamp_job.h"
#include "libimgpipe/steps/work_copy.h"

int
imgp_stamp_sum(int fd, char hex[65], int64_t *bytes, struct imgp_err *e)
{
	struct imgp_sha256 *h = imgp_sha256_new();
	unsigned char *buf = imgp_alloc((size_t)256 << 10);
	ssize_t n;
	int rc = -1;

	*bytes = 0;
	while ((n = pread(fd, buf, (size_t)256 << 10, *bytes)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			imgp_fail_errno(e, IMGP_E_STORE_IO, "the file again");
			goto out;
		}
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
	struct imgp_err e;
	size_t i;

	imgp_job_add_faults(job, "stamp", &r->faults,
	    imgp_scan_required(job, NULL));
	for (i = 0; i < r->warnings.n; i++) {
		imgp_fault_text(&r->warnings.fault[i], &e);
		imgp_job_warn(job, "stamp", &e);
	}
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

static int
create(const char *path, struct imgp_err *e)
{
	int fd;

	unlink(path);		/* of a run that was killed */
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		imgp_fail_errno(e, IMGP_E_STORE_IO, "the stamped file");
	return fd;
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

/*
 * Stamp ${fd} and put the result in place of ${path}, its provenance beside it.
 * Nothing is synced: after a power cut the spool is thrown away whole.
 */
static int
replace_local(struct imgp_stamp_job *s, struct imgp_job *job, int fd,
    const char *path, struct imgp_err *e)
{
	char *tmp = imgp_asprintf("%s.stamp", path);
	char *tmpnote = imgp_asprintf("%s.prov.new", path);
	char *prov = imgp_asprintf("%s.prov", path);
	struct imgp_stamp_result r;
	int to, note = -1, rc = -1, keep;

	if ((to = create(tmp, e)) == -1 || (note = create(tmpnote, e)) == -1)
		goto out;
	memset(&r, 0, sizeof r);
	rc = stamp_noted(s, job, fd, to, note, &r, e);
	tell(job, &r);
	keep = rc == 0 && r.stamped > 0 && !s->dry_run;
	if (keep && (rename(tmpnote, prov) == -1 || rename(tmp, path) == -1))
		rc = imgp_fail_errno(e, IMGP_E_STORE_IO,
		    "rename the stamped file");
	if (close(to) == -1 && rc != -1)
		rc = imgp_fail_errno(e, IMGP_E_STORE_IO, "the stamped file");
	to = -1;
out:
	if (to != -1)
		close(to);
	if (note != -1)
		close(note);
	unlink(tmp);		/* gone already when it was kept */
	unlink(tmpnote);
	free(prov);
	free(tmpnote);
	free(tmp);
	return rc == -1 ? -1 : 0;
}

int
imgp_stamp_settings(struct imgp_stamp_job *s, const char *pipeline,
    struct imgp_err *e)
{
	const char *cut = imgp_conf(pipeline, "cut");

	s->opts.cut_required = strcmp(cut, "required") == 0;
	if (!s->opts.cut_required && strcmp(cut, "expected") != 0)
		return imgp_fail(e, IMGP_E_CONFIG,
		    "cut: neither \"expected\" nor \"required\"");
	s->opts.center = imgp_conf(pipeline, "coordinating_center");
	if (s->opts.center != NULL &&
	    imgp_stamp_check_center(s->opts.center, e) == -1)
		return -1;
	return imgp_stamp_tag_parse(s->tag != NULL ? s->tag :
	    imgp_conf(pipeline, "stamp_tag"), &s->opts.tag, e);
}

/*
 * A run that was killed may have stamped the work copy after the line was made:
 * it left a provenance beside it.  Then the line's sums are not believed.
 */
static int
refresh_sums(struct imgp_job *job, int fd, const char *path,
    struct imgp_err *e)
{
	char *prov, hex[65];
	struct stat st;
	int64_t bytes;
	int stale;

	if (imgp_job_sub_str(job, "sha256", "local") == NULL)
		return 0;
	if (fstat(fd, &st) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "the work copy");
	prov = imgp_asprintf("%s.prov", path);
	stale = access(prov, F_OK) == 0 || imgp_job_sub_int(job, "bytes",
	    "local", &bytes) == -1 || bytes != st.st_size;
	free(prov);
	if (!stale)
		return 0;
	if (imgp_stamp_sum(fd, hex, &bytes, e) == -1)
		return -1;
	imgp_job_set_sub_str(job, "sha256", "local", hex);
	imgp_job_set_sub_int(job, "bytes", "local", bytes);
	return 0;
}

static int
step(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct imgp_stamp_job *s = arg;
	struct imgp_scans scans = IMGP_SCANS_INIT;
	char *path = NULL, *dir = NULL;
	int fd = -1, rc = -1;

	(void)f;
	if (imgp_job_get_scans(job, &scans, e) == -1)
		goto out;
	if (imgp_scans_series(&scans) == 0) {
		rc = 0;		/* no image: nothing to stamp */
		goto out;
	}
	if ((path = imgp_work_path(job, e)) == NULL ||
	    (fd = imgp_work_open(path, e)) == -1 ||
	    refresh_sums(job, fd, path, e) == -1)
		goto out;
	dir = imgp_strndup(path, (size_t)(strrchr(path, '/') - path));
	s->opts.lim = &s->lim;
	s->opts.scans = &scans;
	s->opts.tmpdir = dir;
	if (imgp_stamp_settings(s, imgp_job_str(job, "pipeline_code"),
	    e) == -1)
		goto out;
	rc = replace_local(s, job, fd, path, e);
out:
	if (fd != -1)
		close(fd);
	free(dir);
	free(path);
	imgp_scans_release(&scans);
	return rc;
}

static int
confine(struct imgp_job *job, void *arg, struct imgp_err *e)
{
	const struct imgp_stamp_job *s = arg;

	return imgp_work_confine(job, 0, 1, s->opts.threads, e);
}

const struct imgp_filter_ops imgp_stamp_ops = {
	.stage = "stamp",
	.flags = IMGP_ISOLATED,
	.step = step,
	.confine = confine,
	.required = imgp_scan_required,
	.seconds = 3600,
	.died = IMGP_E_DICOM_CRASH,
};
