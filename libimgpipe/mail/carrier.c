#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/mail/carrier.h"
#include "libimgpipe/mail/carrier_http.h"
#include "libimgpipe/mail/carrier_smtp.h"

#define SENDMAIL	"/usr/sbin/sendmail"
#define SAID_MAX	4096	/* of what a failing sendmail says */

enum kind { SMTP, SENDMAIL_PROGRAM, MAILDIR, WEBHOOK, SNS };

struct imgp_carrier {
	enum kind	 kind;
	char		*url;		/* without user; SNS: the ARN */
	char		*path;		/* program or Maildir */
	char		*user;
	const char	*password_file;
	const char	*ca_file;
	enum imgp_tls	 tls;
	long		 timeout;
};

/* --- opening ------------------------------------------------------------- */

/*
 * Where mail goes when nobody said: a Maildir among the state files
 * of the user (XDG base directories), which any mail reader opens.
 */
static char *
default_url(struct imgp_err *e)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state != NULL && state[0] == '/')
		return imgp_asprintf("file://%s/imgpipe/mail", state);
	if (home != NULL && home[0] == '/')
		return imgp_asprintf("file://%s/.local/state/imgpipe/mail",
		    strcmp(home, "/") == 0 ? "" : home);
	imgp_fail(e, IMGP_E_CONFIG,
	    "mail is not set, and there is no HOME to keep a Maildir in");
	return NULL;
}

static int
open_url(struct imgp_carrier *c, const char *url, struct imgp_err *e)
{
	if (strncmp(url, "smtp://", 7) == 0 || strncmp(url, "smtps://", 8) == 0) {
		c->kind = SMTP;
		return imgp_smtp_url(url, &c->url, &c->user, e);
	}
	if (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0) {
		c->kind = WEBHOOK;
		c->url = imgp_strdup(url);
		return 0;
	}
	if (strncmp(url, "sns:", 4) == 0) {
		c->kind = SNS;
		c->url = imgp_strdup(url + 4);
		return imgp_sns_check(c->url, e);
	}
	if (strncmp(url, "file:///", 8) == 0) {
		c->kind = MAILDIR;
		c->path = imgp_strdup(url + 7);
		return 0;
	}
	if (strncmp(url, "sendmail:", 9) == 0 &&
	    (url[9] == '\0' || url[9] == '/')) {
		c->kind = SENDMAIL_PROGRAM;
		c->path = imgp_strdup(url[9] == '\0' ? SENDMAIL : url + 9);
		return 0;
	}
	return imgp_fail(e, IMGP_E_CONFIG,
	    "mail: none of smtp://, smtps://, sendmail:, file:///, https://, "
	    "sns:");
}

struct imgp_carrier *
imgp_carrier_open(const char *pipeline, struct imgp_err *e)
{
	struct imgp_carrier *c = imgp_alloc(sizeof *c);
	const char *url, *tls;
	char *own = NULL;
	long long seconds;

	if ((url = imgp_conf(pipeline, "mail")) == NULL &&
	    (url = own = default_url(e)) == NULL)
		goto fail;
	if (open_url(c, url, e) == -1)
		goto fail;
	tls = imgp_conf(pipeline, "mail_tls");
	if (strcmp(tls, "auto") == 0)
		c->tls = IMGP_TLS_AUTO;
	else if (strcmp(tls, "required") == 0)
		c->tls = IMGP_TLS_REQUIRED;
	else if (strcmp(tls, "no") == 0)
		c->tls = IMGP_TLS_NO;
	else {
		imgp_fail(e, IMGP_E_CONFIG, "mail_tls: auto, required or no");
		goto fail;
	}
	if (imgp_conf_duration(pipeline, "mail_timeout", &seconds, e) == -1)
		goto fail;
	c->timeout = seconds < 1 ? 1 : seconds > 3600 ? 3600 : (long)seconds;
	c->password_file = imgp_conf(pipeline, "mail_password_file");
	c->ca_file = imgp_conf(pipeline, "mail_ca_file");
	free(own);
	return c;
fail:
	free(own);
	imgp_carrier_free(c);
	return NULL;
}

void
imgp_carrier_free(struct imgp_carrier *c)
{
	if (c == NULL)
		return;
	free(c->url);
	free(c->path);
	free(c->user);
	free(c);
}

/* --- Maildir ------------------------------------------------------------- */

/* Make ${path} and what is missing above it, for the user alone. */
static int
make_dirs(const char *path, struct imgp_err *e)
{
	char *s = imgp_strdup(path), *p;
	int rc = 0, last = 0;

	for (p = s + 1; rc == 0 && !last; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		last = *p == '\0';
		*p = '\0';
		if (mkdir(s, 0700) == -1 && errno != EEXIST)
			rc = imgp_fail_errno(e, IMGP_E_MAIL_UNAVAILABLE,
			    "%s", s);
		*p = '/';
	}
	free(s);
	return rc;
}

/* The local form of a message: lines end by LF. */
static void
to_unix(const struct imgp_buf *m, struct imgp_buf *out)
{
	const char *p = m->s, *end = m->s + m->len, *cr;

	while ((cr = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		imgp_buf_add(out, p, (size_t)(cr - p));
		p = cr + 1;
	}
	imgp_buf_add(out, p, (size_t)(end - p));
}

static int
write_all(int fd, const char *s, size_t len)
{
	ssize_t n;

	for (; len > 0; s += n, len -= (size_t)n)
		if ((n = write(fd, s, len)) == -1) {
			if (errno != EINTR)
				return -1;
			n = 0;
		}
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
	if (write_all(fd, m->s, m->len) == 0 && fsync(fd) == 0 &&
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
maildir_send(const struct imgp_carrier *c, const struct imgp_buf *m,
    struct imgp_err *e)
{
	static const char *const sub[] = { "tmp", "new", "cur" };
	struct imgp_buf local = IMGP_BUF_INIT;
	int dir = -1, rc = -1;
	size_t i;

	if (make_dirs(c->path, e) == -1)
		return -1;
	if ((dir = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		imgp_fail_errno(e, IMGP_E_MAIL_UNAVAILABLE, "%s", c->path);
		goto out;
	}
	for (i = 0; i < 3; i++)
		if (mkdirat(dir, sub[i], 0700) == -1 && errno != EEXIST) {
			imgp_fail_errno(e, IMGP_E_MAIL_UNAVAILABLE, "%s/%s",
			    c->path, sub[i]);
			goto out;
		}
	to_unix(m, &local);
	if (drop_in(dir, &local) == -1)
		imgp_fail_errno(e, IMGP_E_MAIL_UNAVAILABLE, "%s", c->path);
	else
		rc = 0;
out:
	if (dir != -1)
		close(dir);
	imgp_buf_release(&local);
	return rc;
}

/* --- sendmail ------------------------------------------------------------ */

/* What a mail program may see: nothing of ours, no password, no key. */
static char **
sendmail_env(void)
{
	static const char *const keep[] = { "HOME", "USER", "LOGNAME", "TZ",
	    "TMPDIR" };
	char **env = imgp_realloc(NULL, sizeof keep / sizeof *keep + 3,
	    sizeof *env);
	size_t i, n = 0;

	env[n++] = imgp_strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	env[n++] = imgp_strdup("LC_ALL=C");
	for (i = 0; i < sizeof keep / sizeof *keep; i++)
		if (getenv(keep[i]) != NULL)
			env[n++] = imgp_asprintf("%s=%s", keep[i],
			    getenv(keep[i]));
	env[n] = NULL;
	return env;
}

/* Hand over what the program takes; 0 when it wants no more. */
static int
feed(int in, const struct imgp_buf *m, size_t *done)
{
	ssize_t n = write(in, m->s + *done, m->len - *done);

	if (n > 0)
		*done += (size_t)n;
	return *done < m->len && (n != -1 || errno == EAGAIN || errno == EINTR);
}

/* Take what the program said; 0 at its end, -1 when nothing is there now. */
static int
listen_to(int out, struct imgp_buf *said)
{
	char buf[512];
	ssize_t n = read(out, buf, sizeof buf);

	if (n > 0)
		imgp_buf_add(said, buf, (size_t)n);
	else if (n == -1)
		return errno == EAGAIN || errno == EINTR ? -1 : 0;
	return n > 0;
}

/*
 * Feed the program and listen to it until it ends; what it leaves running in
 * the background may hold its output open.  Where a kernel has no ${pidfd} (-1)
 * its end is that of its output.  0; -1 when ${deadline} passed.  A
 * program that stops reading early says by its status what that means.  Takes
 * ${in}, closes it.
 */
static int
converse(int pidfd, int in, int out, const struct imgp_buf *m,
    struct imgp_buf *said, int64_t deadline)
{
	struct pollfd p[3] = { { pidfd, POLLIN, 0 }, { in, POLLOUT, 0 },
	    { out, POLLIN, 0 } };
	size_t done = 0;
	int64_t left;
	int over = 0;

	while (!over && (left = deadline - imgp_clock_ms()) > 0) {
		if (poll(p, 3, (int)left) == -1)
			continue;
		if (p[1].revents != 0 && !feed(in, m, &done)) {
			close(in);
			p[1].fd = -1;
			p[1].revents = 0;
		}
		if (p[2].revents != 0 && listen_to(out, said) == 0) {
			p[2].fd = -1;
			p[2].revents = 0;
		}
		over = p[0].revents != 0 || (pidfd == -1 && p[2].fd == -1);
	}
	if (p[1].fd != -1)
		close(in);
	return over ? 0 : -1;
}

/* sysexits(3) as the program means them. */
static int
sendmail_status(int status, const struct imgp_buf *said, struct imgp_err *e)
{
	const char *words = said->len == 0 ? "nothing" : said->s;
	int ex = WEXITSTATUS(status);

	if (WIFSIGNALED(status))
		return imgp_fail(e, IMGP_E_MAIL_UNAVAILABLE,
		    "sendmail died of signal %d", WTERMSIG(status));
	switch (ex) {
	case 0:
		return 0;
	case 64:	/* EX_USAGE */
	case 65:	/* EX_DATAERR */
	case 67:	/* EX_NOUSER */
	case 68:	/* EX_NOHOST */
	case 77:	/* EX_NOPERM */
		return imgp_fail(e, IMGP_E_MAIL_REFUSED,
		    "sendmail ended with %d, saying: %s", ex, words);
	case 78:	/* EX_CONFIG */
	case 126:
	case 127:
		return imgp_fail(e, IMGP_E_CONFIG,
		    "sendmail ended with %d, saying: %s", ex, words);
	default:
		return imgp_fail(e, IMGP_E_MAIL_UNAVAILABLE,
		    "sendmail ended with %d, saying: %s", ex, words);
	}
}

/* Start ${path} -i -t; its descriptors in ${*in} and ${*out}. */
static int
start_sendmail(char *path, pid_t *pid, int *in, int *out, struct imgp_err *e)
{
	char flag_i[] = "-i", flag_t[] = "-t";
	char *argv[] = { path, flag_i, flag_t, NULL };
	char **env = sendmail_env(), **p;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t sigs;
	int to[2] = { -1, -1 }, from[2] = { -1, -1 }, rc;

	if (pipe2(to, O_CLOEXEC) == -1 || pipe2(from, O_CLOEXEC) == -1) {
		rc = errno;
		goto out;
	}
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, to[0], 0);
	posix_spawn_file_actions_adddup2(&fa, from[1], 1);
	posix_spawn_file_actions_adddup2(&fa, from[1], 2);
	posix_spawnattr_init(&attr);
	sigemptyset(&sigs);
	posix_spawnattr_setsigmask(&attr, &sigs);
	sigaddset(&sigs, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &sigs);
	posix_spawnattr_setflags(&attr,
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawn(pid, path, &fa, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
out:
	if (to[0] != -1)
		close(to[0]);
	if (from[1] != -1)
		close(from[1]);
	for (p = env; *p != NULL; p++)
		free(*p);
	free(env);
	if (rc != 0) {
		if (to[1] != -1)
			close(to[1]);
		if (from[0] != -1)
			close(from[0]);
		errno = rc;
		return imgp_fail_errno(e, IMGP_E_CONFIG, "mail: %s", path);
	}
	*in = to[1];
	*out = from[0];
	return 0;
}

static int
sendmail_send(const struct imgp_carrier *c, const struct imgp_buf *m,
    struct imgp_err *e)
{
	struct imgp_buf local = IMGP_BUF_INIT;
	struct imgp_buf said = { NULL, 0, 0, SAID_MAX };
	int in, out, pidfd, late, status, rc;
	pid_t pid;

	if (start_sendmail(c->path, &pid, &in, &out, e) == -1)
		return -1;
	to_unix(m, &local);
	fcntl(in, F_SETFL, O_NONBLOCK);
	fcntl(out, F_SETFL, O_NONBLOCK);
	pidfd = pidfd_open(pid, 0);
	late = converse(pidfd, in, out, &local, &said,
	    imgp_clock_ms() + (int64_t)c->timeout * 1000);
	while (said.len < SAID_MAX - 512 && listen_to(out, &said) == 1)
		;			/* its last words */
	close(out);
	if (pidfd != -1)
		close(pidfd);
	if (late)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (late)
		rc = imgp_fail(e, IMGP_E_MAIL_UNAVAILABLE,
		    "sendmail took longer than %ld s", c->timeout);
	else
		rc = sendmail_status(status, &said, e);
	imgp_buf_release(&local);
	imgp_buf_release(&said);
	return rc;
}

/* --- all ----------------------------------------------------------------- */

/* The carriers that take one message for all whom it is for. */
static int
send_one(const struct imgp_carrier *c, const struct imgp_parcel *m,
    struct imgp_err *e)
{
	switch (c->kind) {
	case MAILDIR:
		return maildir_send(c, m->message, e);
	case SENDMAIL_PROGRAM:
		return sendmail_send(c, m->message, e);
	case SNS:
		return imgp_sns_send(c->url, c->timeout, m, e);
	default:
		return imgp_webhook_send(c->url, c->ca_file, c->timeout, m, e);
	}
}

int
imgp_carrier_send(struct imgp_carrier *c, const struct imgp_parcel *m,
    struct imgp_carried *res, struct imgp_err *e)
{
	struct imgp_smtp s = { c->url, c->user, c->password_file, c->ca_file,
	    c->tls, c->timeout };
	struct imgp_err why = { NULL, "" };
	size_t i;
	int rc;

	memset(res, 0, m->n_to * sizeof *res);
	rc = c->kind == SMTP ? imgp_smtp_send(&s, m, res, &why) :
	    send_one(c, m, &why);
	for (i = 0; i < m->n_to; i++) {
		if (rc == 0)
			res[i].done = 1;
		else if (!res[i].done && res[i].err.code == NULL)
			res[i].err = why;
	}
	if (rc == -1)
		*e = why;
	return rc;
}
