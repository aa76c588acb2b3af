/* Credentials from beside the program: container, instance, another program. */
#include <sys/syscall.h>
#include <sys/wait.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/date.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/net/cred_priv.h"

#define PROCESS_MS	60000		/* a credential_process may take */
#define NAME_SIZE	256		/* of a role at an instance */

extern char **environ;

void
imgp_cred_own_release(struct imgp_cred_own *o)
{
	imgp_cred_wipe(o->id);
	imgp_cred_wipe(o->secret);
	imgp_cred_wipe(o->token);
	memset(o, 0, sizeof *o);
}

/* --- the JSON document they all answer with ------------------------------ */

struct document {
	const char	*token_name;
	struct imgp_cred_own o;
	char		*code, *message, *expiration;
};

/* The text of a JSON string that was found good; NULL when it is another
 * value or holds an escape that stands in no credential. */
static char *
plain(const char *value, size_t len)
{
	char *s, *to;
	size_t i;

	if (len < 2 || *value != '"')
		return NULL;
	s = to = imgp_alloc(len);
	for (i = 1; i + 1 < len; i++) {
		if (value[i] == '\\') {
			i++;
			if (strchr("\"\\/", value[i]) == NULL) {
				imgp_cred_wipe(s);
				return NULL;
			}
		}
		*to++ = value[i];
	}
	return s;
}

static void
member(void *arg, const char *key, const char *value, size_t len)
{
	struct document *d = arg;
	char **to;

	if (strcmp(key, "AccessKeyId") == 0)
		to = &d->o.id;
	else if (strcmp(key, "SecretAccessKey") == 0)
		to = &d->o.secret;
	else if (strcmp(key, d->token_name) == 0)
		to = &d->o.token;
	else if (strcmp(key, "Expiration") == 0)
		to = &d->expiration;
	else if (strcasecmp(key, "code") == 0)
		to = &d->code;
	else if (strcasecmp(key, "message") == 0)
		to = &d->message;
	else
		return;
	imgp_cred_wipe(*to);
	*to = plain(value, len);
}

/* Is ${s} something that can stand in a header? */
static int
is_printable(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
			return 0;
	return 1;
}

int
imgp_cred_json(const char *s, size_t len, const char *token,
    struct imgp_cred_own *o, struct imgp_err *e)
{
	struct document d = { token, IMGP_CRED_OWN_INIT, NULL, NULL, NULL };
	int rc = -1;

	if (s == NULL || imgp_json_check(s, len, member, &d, NULL) == -1)
		imgp_fail(e, IMGP_E_STORE_CREDENTIALS, "an answer that is no "
		    "JSON object");
	else if (d.code != NULL && strcmp(d.code, "Success") != 0)
		imgp_fail(e, IMGP_E_STORE_CREDENTIALS, "%s%s%s", d.code,
		    d.message == NULL ? "" : ": ",
		    d.message == NULL ? "" : d.message);
	else if (d.o.id == NULL || *d.o.id == '\0' || d.o.secret == NULL ||
	    *d.o.secret == '\0' || !is_printable(d.o.id) ||
	    !is_printable(d.o.secret) ||
	    (d.o.token != NULL && !is_printable(d.o.token)))
		imgp_fail(e, IMGP_E_STORE_CREDENTIALS, "an answer without "
		    "AccessKeyId and SecretAccessKey");
	else if (d.expiration != NULL &&
	    (d.o.expires = imgp_date_iso(d.expiration)) == -1)
		imgp_fail(e, IMGP_E_STORE_CREDENTIALS, "an Expiration that is "
		    "no time");
	else {
		if (d.o.token != NULL && *d.o.token == '\0') {
			free(d.o.token);
			d.o.token = NULL;
		}
		*o = d.o;
		memset(&d.o, 0, sizeof d.o);
		rc = 0;
	}
	imgp_cred_own_release(&d.o);
	free(d.code);
	free(d.message);
	free(d.expiration);
	return rc;
}

/* --- requests, and files ---------------------------------------------------- */

static void
pause_ms(int64_t ms)
{
	struct timespec ts = { (time_t)(ms / 1000), ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) == -1 && errno == EINTR)
		;
}

int
imgp_cred_http(const struct imgp_cred_net *n, struct imgp_http_request *r,
    int tries, struct imgp_http_answer *a, struct imgp_err *e)
{
	struct imgp_err why = { NULL, "" };
	int i, rc;

	r->max = IMGP_CRED_MAX;
	r->ca_bundle = n->ca_bundle;
	for (i = 1;; i++) {
		rc = imgp_http(n->http, r, a, &why);
		if (i >= tries || (rc == -1 ?
		    strcmp(why.code, IMGP_E_STORE_UNAVAILABLE) != 0 :
		    a->status != 429 && a->status < 500))
			break;
		/* Vary the pause: many processes may ask at once. */
		pause_ms((50 << i) + imgp_clock_ms() % 50);
	}
	return rc == 0 ? 0 : imgp_fail(e, why.code, "%s", why.msg);
}

char *
imgp_cred_file(const char *path, struct imgp_err *e)
{
	char *s = imgp_alloc(IMGP_CRED_MAX + 1);
	size_t len = 0;
	ssize_t got = 0;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1)
		while (len < IMGP_CRED_MAX &&
		    (got = read(fd, s + len, IMGP_CRED_MAX - len)) > 0)
			len += (size_t)got;
	if (fd == -1 || got == -1) {
		imgp_fail_errno(e, IMGP_E_STORE_CREDENTIALS, "%s", path);
		goto fail;
	}
	while (len > 0 && isspace((unsigned char)s[len - 1]))
		s[--len] = '\0';
	if (len == 0 || len == IMGP_CRED_MAX || strlen(s) != len ||
	    !is_printable(s)) {
		imgp_fail(e, IMGP_E_STORE_CREDENTIALS, "%s: holds no token",
		    path);
		goto fail;
	}
	close(fd);
	return s;
fail:
	if (fd != -1)
		close(fd);
	explicit_bzero(s, len);
	free(s);
	return NULL;
}

/* Put "${what}: " before the message. */
static int
says(struct imgp_err *e, const char *what)
{
	struct imgp_err why;

	if (e != NULL) {
		why = *e;
		imgp_fail(e, why.code, "%s: %s", what, why.msg);
	}
	return -1;
}

/* A status that is no success, with the code that fits it. */
static int
refused(struct imgp_err *e, const char *what, int status)
{
	return imgp_fail(e, status >= 500 || status == 429 ? IMGP_E_STORE_UNAVAILABLE :
	    IMGP_E_STORE_CREDENTIALS, "%s: HTTP status %d", what, status);
}

/* --- container ------------------------------------------------------------ */

static const char container[] = "container credentials";

/*
 * https, or http to this machine or to where Amazon's agents listen: ECS and
 * the two addresses of EKS.
 */
static int
may_ask(const char *url)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]",
	    "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]" };
	const char *host = url + strlen("http://");
	size_t i, n;

	if (strncasecmp(url, "https://", 8) == 0)
		return 1;
	if (strncasecmp(url, "http://", 7) != 0)
		return 0;
	for (i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		n = strlen(hosts[i]);
		if (strncasecmp(host, hosts[i], n) == 0 &&
		    strchr(":/?", host[n]) != NULL &&
		    (host[n] != ':' || strcspn(host, "@") >
		    strcspn(host, "/?")))
			return 1;
	}
	return 0;
}

static char *
container_url(struct imgp_err *e)
{
	const char *s;

	if ((s = imgp_cred_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) !=
	    NULL) {
		if (*s == '/' && is_printable(s))
			return imgp_asprintf("http://169.254.170.2%s", s);
		imgp_fail(e, IMGP_E_CONFIG,
		    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: not a path");
		return NULL;
	}
	s = imgp_cred_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	if (may_ask(s))
		return imgp_strdup(s);
	imgp_fail(e, IMGP_E_CONFIG, "AWS_CONTAINER_CREDENTIALS_FULL_URI: "
	    "neither https nor an address of this machine or a container's "
	    "agent");
	return NULL;
}

/* The Authorization line; ${*line} NULL: none is asked for. */
static int
container_token(char **line, struct imgp_err *e)
{
	const char *path = imgp_cred_env(
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = imgp_cred_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	char *s = NULL;

	*line = NULL;
	if (path != NULL && (token = s = imgp_cred_file(path, e)) == NULL)
		return says(e, container);
	if (token == NULL)
		return 0;
	*line = imgp_asprintf("Authorization: %s", token);
	imgp_cred_wipe(s);
	if (strpbrk(*line, "\r\n") == NULL)
		return 0;
	imgp_cred_wipe(*line);
	*line = NULL;
	return imgp_fail(e, IMGP_E_CONFIG,
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN: more than one line");
}

int
imgp_cred_container(const struct imgp_cred_net *n, struct imgp_cred_own *o,
    struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_http_request r;
	char *url, *line = NULL;
	const char *headers[2] = { NULL, NULL };
	int rc = -1;

	if (imgp_cred_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") == NULL &&
	    imgp_cred_env("AWS_CONTAINER_CREDENTIALS_FULL_URI") == NULL)
		return 0;
	if ((url = container_url(e)) == NULL)
		return -1;
	if (container_token(&line, e) == -1)
		goto out;
	memset(&r, 0, sizeof r);
	r.url = url;
	headers[0] = line;
	r.headers = headers;
	r.connect_ms = 2000;
	r.total_ms = 5000;
	r.flags = IMGP_HTTP_PLAIN;
	if (imgp_cred_http(n, &r, 3, &a, e) == -1)
		says(e, container);
	else if (a.status != 200)
		refused(e, container, a.status);
	else if (imgp_cred_json(a.body.s, a.body.len, "Token", o, e) == -1)
		says(e, container);
	else
		rc = 1;
out:
	imgp_http_release(&a);
	imgp_cred_wipe(line);
	free(url);
	return rc;
}

/* --- instance metadata, version 2 ----------------------------------------- */

static const char instance[] = "instance metadata";

struct imds {
	const struct imgp_cred_net *net;
	const char	*endpoint;	/* no '/' at its end */
	char		*token;		/* the header line that proves us */
};

static char *
imds_endpoint(const struct imgp_cred_net *n)
{
	const char *s, *mode;
	char *url;
	size_t len;

	if ((s = imgp_cred_env("AWS_EC2_METADATA_SERVICE_ENDPOINT")) == NULL)
		s = imgp_profiles_get(n->profiles, n->profile,
		    "ec2_metadata_service_endpoint");
	if ((mode = imgp_cred_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")) ==
	    NULL)
		mode = imgp_profiles_get(n->profiles, n->profile,
		    "ec2_metadata_service_endpoint_mode");
	if (s == NULL)
		s = mode != NULL && strcasecmp(mode, "ipv6") == 0 ?
		    "http://[fd00:ec2::254]" : "http://169.254.169.254";
	url = imgp_strdup(s);
	for (len = strlen(url); len > 0 && url[len - 1] == '/'; len--)
		url[len - 1] = '\0';
	return url;
}

static int
imds_ask(const struct imds *m, const char *method, const char *path,
    const char *header, struct imgp_http_answer *a, struct imgp_err *e)
{
	const char *headers[2] = { header, NULL };
	struct imgp_http_request r;
	char *url = imgp_asprintf("%s%s", m->endpoint, path);
	int rc;

	memset(&r, 0, sizeof r);
	r.method = method;
	r.url = url;
	r.headers = headers;
	/*
	 * Within a container the answer with the token is lost on its way when
	 * the instance's hop limit is 1: that must not take long to find out.
	 */
	r.connect_ms = 1000;
	r.total_ms = 2000;
	r.flags = IMGP_HTTP_PLAIN;
	rc = imgp_cred_http(m->net, &r, 2, a, e);
	free(url);
	return rc;
}

/* 1: there is a token; 0: no instance metadata here. */
static int
imds_token(struct imds *m, struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_err why = { NULL, "" };
	int rc = 0;

	if (imds_ask(m, "PUT", "/latest/api/token",
	    "X-aws-ec2-metadata-token-ttl-seconds: 21600", &a, &why) == -1) {
		if (strcmp(why.code, IMGP_E_STORE_UNAVAILABLE) != 0)
			rc = imgp_fail(e, why.code, "%s: %s", instance,
			    why.msg);
	} else if (a.status == 200 && a.body.len > 0 &&
	    strlen(a.body.s) == a.body.len && is_printable(a.body.s)) {
		m->token = imgp_asprintf("X-aws-ec2-metadata-token: %s",
		    a.body.s);
		rc = 1;
	} else if (a.status != 403 && a.status != 404 && a.status != 405)
		rc = refused(e, instance, a.status);
	imgp_http_release(&a);
	return rc;
}

static const char roles[] = "/latest/meta-data/iam/security-credentials/";

/* The name of the instance's role. 1; 0: it has none. */
static int
imds_role(const struct imds *m, char name[NAME_SIZE], struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	size_t len;
	int rc = -1;

	if (imds_ask(m, NULL, roles, m->token, &a, e) == -1) {
		says(e, instance);
	} else if (a.status == 404) {
		rc = 0;
	} else if (a.status != 200) {
		refused(e, instance, a.status);
	} else if (a.body.len == 0 ||
	    (len = strcspn(a.body.s, "\r\n")) == 0 || len >= NAME_SIZE ||
	    strspn(a.body.s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"
	    "VWXYZ0123456789+=,.@_-") != len) {
		imgp_fail(e, IMGP_E_STORE_CREDENTIALS,
		    "%s: not the name of a role", instance);
	} else {
		memcpy(name, a.body.s, len);
		name[len] = '\0';
		rc = 1;
	}
	imgp_http_release(&a);
	return rc;
}

static void
imds_region(const struct imds *m, char **region)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;

	if (imds_ask(m, NULL, "/latest/meta-data/placement/region", m->token,
	    &a, NULL) == 0 && a.status == 200 && a.body.len > 0 &&
	    strspn(a.body.s, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
	    a.body.len)
		*region = imgp_strdup(a.body.s);
	imgp_http_release(&a);
}

int
imgp_cred_instance(const struct imgp_cred_net *n, struct imgp_cred_own *o,
    char **region, struct imgp_err *e)
{
	const char *off = imgp_cred_env("AWS_EC2_METADATA_DISABLED");
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imds m = { n, NULL, NULL };
	char name[NAME_SIZE], *endpoint, *path = NULL;
	int rc;

	if (off != NULL && strcasecmp(off, "true") == 0)
		return 0;
	m.endpoint = endpoint = imds_endpoint(n);
	if ((rc = imds_token(&m, e)) != 1 ||
	    (rc = imds_role(&m, name, e)) != 1)
		goto out;
	rc = -1;
	path = imgp_asprintf("%s%s", roles, name);
	if (imds_ask(&m, NULL, path, m.token, &a, e) == -1)
		says(e, instance);
	else if (a.status != 200)
		refused(e, instance, a.status);
	else if (imgp_cred_json(a.body.s, a.body.len, "Token", o, e) == -1)
		says(e, instance);
	else {
		rc = 1;
		if (region != NULL)
			imds_region(&m, region);
	}
out:
	imgp_http_release(&a);
	imgp_cred_wipe(m.token);
	free(endpoint);
	free(path);
	return rc;
}

/* --- another program ------------------------------------------------------ */

static const char process[] = "credential_process";

/*
 * Split ${s} into words as a shell does, without its expansions: '…' is literal, within "…" a backslash keeps '"' and itself,
 * outside of both it keeps the next byte.  NULL at the end; one free().  NULL:
 * nothing there, or a quotation without end.
 */
static char **
words(const char *s)
{
	size_t len = strlen(s), n = 0, max = len / 2 + 2;
	char **v = imgp_alloc(max * sizeof *v + len + 1);
	char *to = (char *)(v + max), quote = '\0';
	int in = 0;

	for (; *s != '\0'; s++) {
		if (quote == '\0' && isspace((unsigned char)*s)) {
			if (in)
				*to++ = '\0';
			in = 0;
			continue;
		}
		if (!in)
			v[n++] = to;
		in = 1;
		if (quote != '\0' && *s == quote)
			quote = '\0';
		else if (quote == '\0' && (*s == '"' || *s == '\''))
			quote = *s;
		else if (*s == '\\' && s[1] != '\0' && (quote == '\0' ||
		    (quote == '"' && (s[1] == '"' || s[1] == '\\'))))
			*to++ = *++s;
		else
			*to++ = *s;
	}
	if (quote == '\0' && n > 0)
		return v;
	free(v);
	return NULL;
}

/* Start it with the pipe alone: no input, no other descriptors. */
static int
start(char **argv, int out, pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, most;
	int rc;

	sigemptyset(&none);
	sigemptyset(&most);
	sigaddset(&most, SIGPIPE);
	sigaddset(&most, SIGTERM);
	sigaddset(&most, SIGINT);
	sigaddset(&most, SIGHUP);
	if (posix_spawn_file_actions_init(&fa) != 0 ||
	    posix_spawnattr_init(&attr) != 0)
		imgp_oom();
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&fa, 3);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &most);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawnp(pid, argv[0], &fa, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	return rc;
}

/* All it says until it closes the pipe, at most ${size}; -1: too much, or not
 * till ${end}. */
static ssize_t
hear(int fd, char *s, size_t size, int64_t end)
{
	int64_t left;
	struct pollfd p = { fd, POLLIN, 0 };
	size_t len = 0;
	ssize_t n;
	int ready;

	while (len < size) {
		if ((left = end - imgp_clock_ms()) <= 0)
			return -1;
		if ((ready = poll(&p, 1, (int)left)) == -1 && errno == EINTR)
			continue;
		if (ready <= 0)
			return -1;
		if ((n = read(fd, s + len, size - len)) == 0)
			return (ssize_t)len;
		if (n == -1 && errno != EINTR)
			return -1;
		if (n > 0)
			len += (size_t)n;
	}
	return -1;
}

/* Nonzero: it is still alive at ${end}, though it may have closed the pipe. */
static int
outstays(pid_t pid, int64_t end)
{
	struct pollfd p = { (int)syscall(SYS_pidfd_open, pid, 0), POLLIN, 0 };
	int64_t left;
	int n;

	if (p.fd == -1)		/* a kernel before 5.3: it is waited for */
		return 0;
	do {
		left = end - imgp_clock_ms();
		n = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (n == -1 && errno == EINTR);
	close(p.fd);
	return n == 0;
}

int
imgp_cred_process(const char *command, struct imgp_cred_own *o,
    struct imgp_err *e)
{
	char **argv, *s = imgp_alloc(IMGP_CRED_MAX);
	int fd[2] = { -1, -1 }, rc = -1, status = 0, error;
	int64_t limit = imgp_clock_ms() + PROCESS_MS;
	ssize_t len;
	pid_t pid;

	if ((argv = words(command)) == NULL) {
		imgp_fail(e, IMGP_E_CONFIG, "%s: not a command", process);
		goto out;
	}
	if (pipe2(fd, O_CLOEXEC) == -1) {
		imgp_fail_errno(e, IMGP_E_INTERNAL, "%s", process);
		goto out;
	}
	if ((error = start(argv, fd[1], &pid)) != 0) {
		errno = error;
		imgp_fail_errno(e, IMGP_E_STORE_CREDENTIALS, "%s: %s", process,
		    argv[0]);
		goto out;
	}
	close(fd[1]);
	fd[1] = -1;
	len = hear(fd[0], s, IMGP_CRED_MAX, limit);
	if (len == -1 || outstays(pid, limit)) {
		len = -1;
		kill(-pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (len == -1)
		imgp_fail(e, IMGP_E_STORE_CREDENTIALS, "%s: %s: more than "
		    "64 KiB, or no end after a minute", process, argv[0]);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		imgp_fail(e, IMGP_E_STORE_CREDENTIALS, "%s: %s: %s %d",
		    process, argv[0], WIFEXITED(status) ? "exit status" :
		    "signal", WIFEXITED(status) ? WEXITSTATUS(status) :
		    WTERMSIG(status));
	else if (imgp_cred_json(s, (size_t)len, "SessionToken", o, e) == -1)
		says(e, process);
	else
		rc = 1;
out:
	explicit_bzero(s, IMGP_CRED_MAX);
	free(s);
	free(argv);
	if (fd[0] != -1)
		close(fd[0]);
	if (fd[1] != -1)
		close(fd[1]);
	return rc;
}
