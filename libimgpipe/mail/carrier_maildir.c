/*
 * file:///dir: a Maildir, readable for its owner alone.  Each message is written
 * below tmp/, synced and linked into new/, so that no reader sees half of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/dirs.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/mail/carrier_priv.h"

static int
open_url(struct imgp_carrier *c, const char *url, struct imgp_err *e)
{
	(void)e;
	c->target = imgp_strdup(url + strlen("file://"));
	return 0;
}

/* A name that no other delivery on this or another machine has. */
static char *
unique_name(void)
{
	static unsigned int count;
	char host[HOST_NAME_MAX + 1];
	struct timespec now;
	char *p;

	if (gethostname(host, sizeof host) == -1)
		strcpy(host, "localhost");
	host[sizeof host - 1] = '\0';
	for (p = host; *p != '\0'; p++)
		if (*p == '/' || *p == ':')
			*p = '_';
	clock_gettime(CLOCK_REALTIME, &now);
	return imgp_asprintf("%lld.M%ldP%ldQ%u.%s", (long long)now.tv_sec,
	    now.tv_nsec / 1000, (long)getpid(), ++count, host);
}

static int
sync_dir(int fd)
{
	return fsync(fd) == -1 && errno != EINVAL ? -1 : 0;
}

/* Below the open Maildir ${dir}: tmp/name, fsync, new/name. */
static int
drop_in(int dir, const struct imgp_buf *m)
{
	char *name = unique_name();
	char *tmp = imgp_asprintf("tmp/%s", name);
	char *new = imgp_asprintf("new/%s", name);
	int fd, newdir = -1, rc = -1;

	if ((fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600)) == -1)
		goto out;
	if (imgp_write_all(fd, m->s, m->len) == 0 && fsync(fd) == 0 &&
	    linkat(dir, tmp, dir, new, 0) == 0 &&
	    (newdir = openat(dir, "new", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC)) != -1 && sync_dir(newdir) == 0)
		rc = 0;
	if (close(fd) == -1)
		rc = -1;
	unlinkat(dir, tmp, 0);
out:
	if (newdir != -1)
		close(newdir);
	free(name);
	free(tmp);
	free(new);
	return rc;
}

static int
send_parcel(const struct imgp_carrier *c, const struct imgp_parcel *m,
    struct imgp_carried *res, struct imgp_err *e)
{
	static const char *const sub[] = { "tmp", "new", "cur" };
	struct imgp_buf local = IMGP_BUF_INIT;
	int dir = -1, rc = -1;
	size_t i;

	(void)res;
	if (imgp_dirs_make(c->target) == -1)
		return imgp_fail_errno(e, IMGP_E_MAIL_UNAVAILABLE, "%s",
		    c->target);
	if ((dir = open(c->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		imgp_fail_errno(e, IMGP_E_MAIL_UNAVAILABLE, "%s", c->target);
		goto out;
	}
	for (i = 0; i < 3; i++)
		if (mkdirat(dir, sub[i], 0700) == -1 && errno != EEXIST) {
			imgp_fail_errno(e, IMGP_E_MAIL_UNAVAILABLE, "%s/%s",
			    c->target, sub[i]);
			goto out;
		}
	imgp_carrier_local(m->message, &local);
	if (drop_in(dir, &local) == -1)
		imgp_fail_errno(e, IMGP_E_MAIL_UNAVAILABLE, "%s", c->target);
	else
		rc = 0;
out:
	if (dir != -1)
		close(dir);
	imgp_buf_release(&local);
	return rc;
}

/* The directory, or the nearest above it that is there, can be written to. */
static int
ask(const struct imgp_carrier *c, struct imgp_err *e)
{
	char *path = imgp_strdup(c->target), *slash;
	int rc;

	while ((rc = access(path, W_OK | X_OK)) == -1 && errno == ENOENT &&
	    (slash = strrchr(path, '/')) != NULL && slash != path)
		*slash = '\0';
	if (rc == -1)
		imgp_fail_errno(e, IMGP_E_MAIL_UNAVAILABLE, "%s", path);
	free(path);
	return rc;
}

const struct imgp_carrier_kind imgp_carrier_maildir = {
	.urls = { "file:///" }, .open = open_url, .send = send_parcel,
	.ask = ask
};
