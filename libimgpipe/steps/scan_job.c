#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/encode.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/dicom/scan.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/steps/scan_job.h"

char *
imgp_scan_local_path(struct imgp_job *job, struct imgp_err *e)
{
	const char *url = imgp_job_need_str(job, "local", e);
	const char *spool = imgp_conf(NULL, "spool");
	struct imgp_place p;
	char *base, *path = NULL;
	int rc = 0;

	if (url == NULL || imgp_place_parse(url, &p, e) == -1)
		return NULL;
	if (p.scheme != IMGP_FILE)
		imgp_fail(e, IMGP_E_PLACE_INVALID, "local is not file:///...");
	else {
		if (spool != NULL) {
			base = imgp_asprintf("file://%s", spool);
			rc = imgp_place_within(url, base, e);
			free(base);
		}
		if (rc == 0)
			path = imgp_strdup(p.key);
	}
	imgp_place_release(&p);
	return path;
}

int
imgp_scan_open_local(const char *path, struct imgp_err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd == -1)
		imgp_fail_errno(e, errno == ENOENT ? IMGP_E_STORE_NOT_FOUND :
		    IMGP_E_STORE_IO, "the work copy");
	return fd;
}

static const char *
dicom_setting(struct imgp_job *job)
{
	return imgp_conf(imgp_job_str(job, "pipeline_code"), "dicom");
}

int
imgp_scan_required(struct imgp_job *job)
{
	return strcmp(dicom_setting(job), "required") == 0;
}

int
imgp_scan_confine(struct imgp_job *job, int is_open, int write, int threads,
    struct imgp_err *e)
{
	struct imgp_rights r = { NULL, NULL, 3600, 0 };
	char *path = NULL, *slash;
	int rc;

	if (is_open)
		path = NULL;
	else if ((path = imgp_scan_local_path(job, e)) == NULL)
		return -1;
	if (path != NULL && access(path, F_OK) == -1) {
		rc = imgp_fail_errno(e, errno == ENOENT || errno == ENOTDIR ?
		    IMGP_E_STORE_NOT_FOUND : IMGP_E_STORE_IO, "the work copy");
		free(path);
		return rc;
	}
	r.memory = ((unsigned long long)768 << 20) +
	    ((unsigned long long)threads << 27);
	if (write && path != NULL) {
		if ((slash = strrchr(path, '/')) != NULL && slash != path)
			*slash = '\0';
		r.write_path = path;
	} else
		r.read_path = path;
	rc = imgp_sandbox(&r, e);
	free(path);
	return rc;
}

/* --- scanning ---------------------------------------------------------------- */

static void
set_listing(struct imgp_job *job, const struct imgp_scan_result *r)
{
	struct imgp_json *o = imgp_json_new_object();
	size_t i;

	for (i = 0; i < r->nlisting; i++)
		imgp_json_set_int(o, r->listing[i].kind,
		    (int64_t)r->listing[i].count);
	imgp_job_set(job, "listing", o);
}

int
imgp_scan_job(struct imgp_scan_job *s, struct imgp_job *job,
    struct imgp_err *e)
{
	struct imgp_scan_result r;
	struct imgp_err none;
	const char *wanted = dicom_setting(job);
	char *path = NULL;
	int fd = s->fd, rc;

	if (fd == -1) {
		if ((path = imgp_scan_local_path(job, e)) == NULL)
			return -1;
		fd = imgp_scan_open_local(path, e);
		free(path);
		if (fd == -1)
			return -1;
	}
	rc = imgp_scan_upload(fd, &s->lim, &r, e);
	if (fd != s->fd)
		close(fd);
	if (rc == 0) {
		imgp_job_set_scans(job, &r.scans);
		set_listing(job, &r);
		if (r.instances == 0 && r.faults.n == 0) {
			imgp_fail(&none, IMGP_E_DICOM_NONE,
			    "no DICOM instance was found");
			imgp_faults_add(&r.faults, 0, &none);
		}
		/* Where no images are expected, none are missed. */
		if (r.instances > 0 || strcmp(wanted, "no") != 0)
			imgp_job_add_faults(job, "scan", &r.faults,
			    imgp_scan_required(job));
	}
	imgp_scan_release(&r);
	return rc;
}

static int
keep_stdin(struct imgp_err *e)
{
	const char *dir = imgp_conf(NULL, "spool");
	unsigned char buf[65536];
	struct imgp_out out;
	ssize_t n;
	int fd, rc = 0;

	if (dir == NULL)
		dir = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
	if ((fd = imgp_tmpfile(dir, e)) == -1)
		return -1;
	imgp_out_init(&out, fd);
	while (rc == 0 && (n = read(STDIN_FILENO, buf, sizeof buf)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		rc = n == -1 ? imgp_fail_errno(e, IMGP_E_STORE_IO,
		    "standard input") :
		    imgp_out_write(&out, buf, (size_t)n, e);
	}
	if (rc == 0)
		rc = imgp_out_flush(&out, e);
	imgp_out_release(&out);
	if (rc == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

int
imgp_scan_open(const char *file, struct imgp_job *job, struct imgp_err *e)
{
	char *path, *url;
	int fd;

	if (strcmp(file, "-") == 0)
		return keep_stdin(e);
	if ((fd = open(file, O_RDONLY | O_CLOEXEC)) == -1 ||
	    (path = realpath(file, NULL)) == NULL) {
		imgp_fail_errno(e, IMGP_E_STORE_NOT_FOUND, "%s", file);
		if (fd != -1)
			close(fd);
		return -1;
	}
	url = imgp_asprintf("file://%s", path);
	imgp_job_set_str(job, "local", url);
	free(url);
	free(path);
	return fd;
}
