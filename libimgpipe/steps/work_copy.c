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
#include "libimgpipe/steps/work_copy.h"

char *
imgp_work_path(struct imgp_job *job, struct imgp_err *e)
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
imgp_work_open(const char *path, struct imgp_err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd == -1)
		imgp_fail_errno(e, IMGP_E_STORE_IO, "the work copy");
	return fd;
}

int
imgp_work_confine(struct imgp_job *job, int is_open, int write, int threads,
    struct imgp_err *e)
{
	struct imgp_rights r = { NULL, NULL, 3600, 0 };
	char *path = NULL, *slash;
	int rc;

	if (is_open)
		path = NULL;
	else if ((path = imgp_work_path(job, e)) == NULL)
		return -1;
	if (path != NULL && access(path, F_OK) == -1) {
		rc = imgp_fail_errno(e, IMGP_E_STORE_IO, "the work copy");
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
imgp_work_operand(const char *file, struct imgp_job *job, struct imgp_err *e)
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
