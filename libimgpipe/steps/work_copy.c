#include <sys/stat.h>

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
#include "libimgpipe/steps/work_copy.h"

/* Nothing but "local" decides where it is; the caller frees ${*path}. */
static int
path_of(struct imgp_job *job, const char *spool, char **path,
    struct imgp_err *e)
{
	const char *url = imgp_job_need_str(job, "local", e);
	struct imgp_place p;
	char *base;
	int rc = 0;

	*path = NULL;
	if (url == NULL || imgp_place_parse(url, &p, e) == -1)
		return -1;
	if (p.scheme != IMGP_FILE)
		rc = imgp_fail(e, IMGP_E_PLACE_INVALID,
		    "local is not file:///...");
	else if (spool != NULL) {
		base = imgp_asprintf("file://%s", spool);
		rc = imgp_place_within(url, base, e);
		free(base);
	}
	if (rc == 0)
		*path = imgp_strdup(p.key);
	imgp_place_release(&p);
	return rc;
}

static int
fail_open(struct imgp_err *e)
{
	return imgp_fail_errno(e, IMGP_E_STORE_IO, "the work copy");
}

/* Go down from w->dir by ${p}, segment by segment; w->name is the last one. */
static int
descend(struct imgp_work_copy *w, const char *p)
{
	size_t n;
	int next;

	for (;;) {
		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (n >= sizeof w->name) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(w->name, p, n);
		w->name[n] = '\0';
		p += n;
		if (*p == '\0')
			return 0;
		next = openat(w->dir, w->name, O_RDONLY | O_DIRECTORY |
		    O_NOFOLLOW | O_CLOEXEC);
		if (next == -1)
			return -1;
		close(w->dir);
		w->dir = next;
	}
}

int
imgp_work_copy_find(struct imgp_work_copy *w, struct imgp_job *job,
    struct imgp_err *e)
{
	const char *spool = imgp_conf(NULL, "spool");
	char *path, *base;
	const char *below;
	int rc = 0;

	w->dir = w->fd = -1;
	if (path_of(job, spool, &path, e) == -1)
		return -1;
	/* Without a spool the directory is as it is named. */
	below = spool != NULL ? path + strlen(spool) : strrchr(path, '/') + 1;
	base = imgp_strndup(path, (size_t)(below - path));
	w->dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(base);
	if (w->dir == -1 || descend(w, below) == -1) {
		rc = fail_open(e);
		imgp_work_copy_close(w);
	}
	free(path);
	return rc;
}

int
imgp_work_copy_open(struct imgp_work_copy *w, struct imgp_err *e)
{
	struct stat st;

	w->fd = openat(w->dir, w->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK | O_NOCTTY);
	if (w->fd == -1 || fstat(w->fd, &st) == -1)
		return fail_open(e);
	return S_ISREG(st.st_mode) ? 0 : imgp_fail(e, IMGP_E_STORE_IO,
	    "the work copy: not a regular file");
}

void
imgp_work_copy_close(struct imgp_work_copy *w)
{
	if (w->dir != -1)
		close(w->dir);
	if (w->fd != -1)
		close(w->fd);
	w->dir = w->fd = -1;
}

unsigned long long
imgp_work_memory(int threads)
{
	return ((unsigned long long)768 << 20) +
	    ((unsigned long long)threads << 27);
}

static int
keep_stdin(struct imgp_err *e)
{
	const char *dir = imgp_conf(NULL, "spool");
	unsigned char buf[65536];
	struct imgp_out out;
	ssize_t n;
	int fd, rc = 0, at;

	if (dir == NULL)
		dir = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
	if ((at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", dir);
	fd = imgp_tmpfile(at, e);
	close(at);
	if (fd == -1)
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
