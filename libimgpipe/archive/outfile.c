#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/outfile.h"
#include "libimgpipe/base/buf.h"

#define LINKS	40		/* as the kernel follows */

/* --- unfinished files, to be removed by a signal or without memory ------------ */

static char *volatile unfinished[4];
static const int signals[] = { SIGHUP, SIGINT, SIGTERM };

static void
remove_unfinished(void)
{
	size_t i;

	for (i = 0; i < sizeof unfinished / sizeof *unfinished; i++)
		if (unfinished[i] != NULL)
			unlink(unfinished[i]);
}

static void
end_by(int sig)
{
	remove_unfinished();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Hold signals back, or let them come again. */
static void
hold(int how)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaddset(&set, signals[i]);
	sigprocmask(how, &set, NULL);
}

static void
watch(void)
{
	struct sigaction sa;
	size_t i;

	for (i = 0; i < sizeof signals / sizeof *signals; i++)
		if (sigaction(signals[i], NULL, &sa) == 0 &&
		    sa.sa_handler == SIG_DFL)
			signal(signals[i], end_by);
	imgp_at_oom = remove_unfinished;
}

static void
remember(char *tmp)
{
	size_t i;

	for (i = 0; i < sizeof unfinished / sizeof *unfinished; i++)
		if (unfinished[i] == NULL) {
			unfinished[i] = tmp;
			return;
		}
}

static void
forget(const char *tmp)
{
	size_t i;

	for (i = 0; i < sizeof unfinished / sizeof *unfinished; i++)
		if (unfinished[i] == tmp)
			unfinished[i] = NULL;
}

/* --- where a name leads -------------------------------------------------------- */

static int
refused(const struct imgp_outfile *f, struct imgp_err *e)
{
	const char *code = IMGP_E_CONFIG;	/* another run will not help */

	switch (errno) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		code = IMGP_E_STORE_FULL;
		break;
	case EIO:
	case EINTR:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ESTALE:
		code = IMGP_E_STORE_IO;
		break;
	}
	return imgp_fail_errno(e, code, "%s", f->name);
}

static char *
dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? imgp_strdup(".") : slash == path ?
	    imgp_strdup("/") : imgp_strndup(path, (size_t)(slash - path));
}

static const char *
base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* The descriptor of this process that ${path} means, or -1. */
static int
own_descriptor(const char *path)
{
	char own[32], *dir = dir_of(path), *real = realpath(dir, NULL), *end;
	const char *base = base_of(path);
	long fd = strtol(base, &end, 10);
	size_t n = (size_t)snprintf(own, sizeof own, "/proc/%ld/",
	    (long)getpid());
	int is_own = real != NULL && strncmp(real, own, n) == 0 &&
	    strcmp(base_of(real), "fd") == 0;

	free(dir);
	free(real);
	return is_own && end != base && *end == '\0' && fd >= 0 &&
	    fd <= INT_MAX ? (int)fd : -1;
}

/* What the symbolic link ${path} names, the caller's to free; NULL: errno. */
static char *
follow(const char *path)
{
	char to[PATH_MAX], *dir, *next;
	ssize_t n = readlink(path, to, sizeof to - 1);

	if (n == -1)
		return NULL;
	to[n] = '\0';
	if (to[0] == '/')
		return imgp_strdup(to);
	dir = dir_of(path);
	next = imgp_asprintf("%s/%s", dir, to);
	free(dir);
	return next;
}

static int
is_descriptor(struct imgp_outfile *f, int fd, struct imgp_err *e)
{
	/* Its own number, so that standard error stays open when it is closed. */
	if ((f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) == -1 ||
	    fstat(f->fd, &f->st) == -1)
		return refused(f, e);
	f->exists = 1;
	return 0;
}

/* ${path} is no link: find its directory, or open a pipe or device. */
static int
settle(struct imgp_outfile *f, const char *path, struct imgp_err *e)
{
	const char *base = base_of(path);
	char *dir;

	f->exists = stat(path, &f->st) == 0;
	if (f->exists && !S_ISREG(f->st.st_mode) && !S_ISDIR(f->st.st_mode)) {
		f->path = imgp_strdup(path);
		return 0;
	}
	if ((f->exists && S_ISDIR(f->st.st_mode)) || *base == '\0') {
		errno = *path == '\0' ? ENOENT : EISDIR;
		return refused(f, e);
	}
	dir = dir_of(path);
	f->dir = realpath(dir, NULL);
	free(dir);
	if (f->dir == NULL)
		return refused(f, e);
	f->path = imgp_asprintf("%s/%s", strcmp(f->dir, "/") == 0 ? "" :
	    f->dir, base);
	return 0;
}

int
imgp_outfile_find(struct imgp_outfile *f, const char *name,
    struct imgp_err *e)
{
	char *at, *next;
	struct stat st;
	int i, fd, rc;

	f->name = name;
	if (strcmp(name, "-") == 0) {
		f->name = "standard output";
		return is_descriptor(f, STDOUT_FILENO, e);
	}
	at = imgp_strdup(name);
	for (i = 0; lstat(at, &st) == 0 && S_ISLNK(st.st_mode); i++) {
		if ((fd = own_descriptor(at)) != -1) {
			free(at);
			return is_descriptor(f, fd, e);
		}
		if (stat(at, &st) == 0 && !S_ISREG(st.st_mode))
			break;
		if (i == LINKS)
			errno = ELOOP;
		if (i == LINKS || (next = follow(at)) == NULL) {
			free(at);
			return refused(f, e);
		}
		free(at);
		at = next;
	}
	rc = settle(f, at, e);
	free(at);
	return rc;
}

/* --- opening and keeping ------------------------------------------------------- */

int
imgp_outfile_open(struct imgp_outfile *f, struct imgp_err *e)
{
	mode_t mask;

	if (f->fd != -1)
		return 0;
	if (f->dir == NULL) {
		f->fd = open(f->path, O_WRONLY | O_CLOEXEC);
		return f->fd == -1 ? refused(f, e) : 0;
	}
	f->tmp = imgp_asprintf("%s.XXXXXX", f->path);
	hold(SIG_BLOCK);
	if ((f->fd = mkostemp(f->tmp, O_CLOEXEC)) == -1) {
		refused(f, e);
		free(f->tmp);
		f->tmp = NULL;
	} else
		remember(f->tmp);
	watch();
	hold(SIG_UNBLOCK);
	if (f->fd == -1)
		return -1;
	mask = umask(0);
	umask(mask);
	if (fchmod(f->fd, f->exists ? f->st.st_mode & 0777 :
	    (f->is_private ? 0600 : 0666) & ~mask) == -1)
		return refused(f, e);
	return 0;
}

int
imgp_outfile_keep(struct imgp_outfile *const f[], size_t n,
    struct imgp_err *e)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < n; i++)
		if (f[i]->tmp != NULL && fsync(f[i]->fd) == -1)
			return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s",
			    f[i]->name);
	hold(SIG_BLOCK);		/* all of them, or none */
	for (i = 0; i < n && rc == 0; i++) {
		if (f[i]->tmp == NULL)
			continue;
		if (rename(f[i]->tmp, f[i]->path) == -1) {
			rc = refused(f[i], e);
			break;
		}
		forget(f[i]->tmp);
		free(f[i]->tmp);
		f[i]->tmp = NULL;
	}
	hold(SIG_UNBLOCK);
	return rc;
}

int
imgp_outfile_release(struct imgp_outfile *f, struct imgp_err *e)
{
	int rc = 0;

	if (f->fd != -1 && close(f->fd) == -1)
		rc = imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", f->name);
	f->fd = -1;
	if (f->tmp != NULL) {
		unlink(f->tmp);
		forget(f->tmp);
	}
	free(f->tmp);
	free(f->dir);
	free(f->path);
	f->tmp = f->dir = f->path = NULL;
	return rc;
}

int
imgp_outfile_is(const struct imgp_outfile *f, const struct stat *st)
{
	return f->exists && !S_ISCHR(st->st_mode) &&
	    f->st.st_dev == st->st_dev && f->st.st_ino == st->st_ino;
}

int
imgp_outfile_same(const struct imgp_outfile *a, const struct imgp_outfile *b)
{
	if (a->dir != NULL && b->dir != NULL && strcmp(a->path, b->path) == 0)
		return 1;
	return b->exists && imgp_outfile_is(a, &b->st);
}
