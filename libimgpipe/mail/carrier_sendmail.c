/*
 * sendmail:[/path]: the local mail program, started as "sendmail -i -t" with an
 * environment of its own.  It reads the recipients from the message.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/mail/carrier_priv.h"

#define SENDMAIL	"/usr/sbin/sendmail"
#define SAID_MAX	4096	/* bytes kept of a failing program's output */

static int
open_url(struct imgp_carrier *c, const char *url, struct imgp_err *e)
{
	const char *path = url + strlen("sendmail:");

	if (path[0] != '\0' && path[0] != '/')
		return imgp_fail(e, IMGP_E_CONFIG,
		    "mail: sendmail: is followed by an absolute path or nothing");
	c->target = imgp_strdup(path[0] == '\0' ? SENDMAIL : path);
	return 0;
}

/* The program's environment: no setting of ours, no password, no key. */
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

/* Write as much as the program accepts; 0 when it accepts no more. */
static int
feed(int in, const struct imgp_buf *m, size_t *done)
{
	ssize_t n = write(in, m->s + *done, m->len - *done);

	if (n > 0)
		*done += (size_t)n;
	return *done < m->len && (n != -1 || errno == EAGAIN || errno == EINTR);
}

/* Read the program's output; 0 at its end, -1 when there is none at the moment. */
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
 * Write the message to the program and read its output until it ends.  The pidfd
 * tells its end, because a process that it leaves in the background may hold the
 * output open; without one (-1) the output's end counts.  0, or -1 when ${deadline}
 * passed.  If it stops reading early, its exit status says why.  ${in} is closed.
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

/* Exit statuses of sysexits(3). */
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
send_parcel(const struct imgp_carrier *c, const struct imgp_parcel *m,
    struct imgp_carried *res, struct imgp_err *e)
{
	struct imgp_buf local = IMGP_BUF_INIT;
	struct imgp_buf said = { NULL, 0, 0, SAID_MAX };
	int in, out, pidfd, late, status, rc;
	pid_t pid;

	(void)res;
	if (start_sendmail(c->target, &pid, &in, &out, e) == -1)
		return -1;
	imgp_carrier_local(m->message, &local);
	fcntl(in, F_SETFL, O_NONBLOCK);
	fcntl(out, F_SETFL, O_NONBLOCK);
	pidfd = pidfd_open(pid, 0);
	late = converse(pidfd, in, out, &local, &said,
	    imgp_clock_ms() + (int64_t)c->timeout * 1000);
	while (said.len < SAID_MAX - 512 && listen_to(out, &said) == 1)
		;			/* the rest of its output */
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

static int
ask(const struct imgp_carrier *c, struct imgp_err *e)
{
	return access(c->target, X_OK) == 0 ? 0 :
	    imgp_fail_errno(e, IMGP_E_CONFIG, "mail: %s", c->target);
}

const struct imgp_carrier_kind imgp_carrier_sendmail = {
	.urls = { "sendmail:" }, .relays = 1, .open = open_url,
	.send = send_parcel, .ask = ask
};
