#include <sys/wait.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/crypto.h>

#include "libimgpipe/aws.h"
#include "libimgpipe/buf.h"
#include "libimgpipe/json.h"
#include "libimgpipe/sha256.h"
#include "libimgpipe/sigv4.h"
#include "libimgpipe/xml.h"

#define ANSWER_MAX	((size_t)64 << 10)	/* bytes of an endpoint's answer */
#define EARLY		300		/* seconds before the end to renew */
#define PROFILES	5		/* source_profile of source_profile of … */

extern char **environ;

/* What a source of credentials gave. */
struct grant {
	struct imgp_aws_key key;
	time_t		 expires;	/* 0: never */
};

/* 1: there is a grant; 0: this source knows nothing; -1: it failed. */
typedef int source_fn(struct grant *g, struct imgp_err *e);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct grant kept;
static int have, anonymous;

/* A variable that is set to something. */
static const char *
env(const char *name)
{
	const char *s = getenv(name);

	return s == NULL || *s == '\0' ? NULL : s;
}

static void
wipe(char **s)
{
	if (*s != NULL)
		OPENSSL_cleanse(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void
imgp_aws_key_release(struct imgp_aws_key *k)
{
	wipe(&k->access);
	wipe(&k->secret);
	wipe(&k->token);
}

static void
grant_set(struct grant *g, const char *access, const char *secret,
    const char *token, time_t expires)
{
	g->key.access = imgp_strdup(access);
	g->key.secret = imgp_strdup(secret);
	g->key.token = token == NULL || *token == '\0' ? NULL :
	    imgp_strdup(token);
	g->expires = expires;
}

/* The whole of a small file, without white space at its end; NULL and errno. */
static char *
read_file(const char *path)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char chunk[4096];
	FILE *fp = fopen(path, "re");
	size_t n;

	if (fp == NULL)
		return NULL;
	b.max = ANSWER_MAX;
	while ((n = fread(chunk, 1, sizeof chunk, fp)) > 0 &&
	    imgp_buf_add(&b, chunk, n) == 0)
		;
	fclose(fp);
	while (b.len > 0 && isspace((unsigned char)b.s[b.len - 1]))
		b.s[--b.len] = '\0';
	return imgp_buf_steal(&b);
}

/* --- the shared files --------------------------------------------------------- */

static char *
shared_path(const char *variable, const char *below_home)
{
	const char *home = env("HOME");

	if (env(variable) != NULL)
		return imgp_strdup(env(variable));
	return home == NULL ? NULL : imgp_asprintf("%s/%s", home, below_home);
}

static char *
trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r\n");
	for (n = strlen(s); n > 0 && isspace((unsigned char)s[n - 1]); n--)
		s[n - 1] = '\0';
	return s;
}

/* The value of ${key} in [${section}] of the file, the caller's; or NULL. */
static char *
ini_get(const char *path, const char *section, const char *key)
{
	char *line = NULL, *p, *eq, *value = NULL;
	size_t size = 0, n;
	int inside = 0;
	FILE *fp;

	if (path == NULL || (fp = fopen(path, "re")) == NULL)
		return NULL;
	while (value == NULL && getline(&line, &size, fp) != -1) {
		p = trim(line);
		n = strlen(p);
		if (*p == '[' && n > 1 && p[n - 1] == ']') {
			p[n - 1] = '\0';
			inside = strcmp(trim(p + 1), section) == 0;
		} else if (inside && *p != '#' && *p != ';' &&
		    (eq = strchr(p, '=')) != NULL) {
			*eq = '\0';
			if (strcmp(trim(p), key) == 0)
				value = imgp_strdup(trim(eq + 1));
		}
	}
	if (line != NULL)
		OPENSSL_cleanse(line, size);
	free(line);
	fclose(fp);
	return value;
}

/* A setting of a profile: the credentials file first, then the config file. */
static char *
profile_get(const char *profile, const char *key)
{
	char *path = shared_path("AWS_SHARED_CREDENTIALS_FILE",
	    ".aws/credentials");
	char *section, *value = ini_get(path, profile, key);

	free(path);
	if (value != NULL)
		return value;
	path = shared_path("AWS_CONFIG_FILE", ".aws/config");
	section = strcmp(profile, "default") == 0 ? imgp_strdup(profile) :
	    imgp_asprintf("profile %s", profile);
	value = ini_get(path, section, key);
	free(section);
	free(path);
	return value;
}

static const char *
profile_name(void)
{
	return env("AWS_PROFILE") != NULL ? env("AWS_PROFILE") :
	    env("AWS_DEFAULT_PROFILE") != NULL ? env("AWS_DEFAULT_PROFILE") :
	    "default";
}

char *
imgp_aws_region(void)
{
	char *s;

	if (env("AWS_REGION") != NULL)
		return imgp_strdup(env("AWS_REGION"));
	if (env("AWS_DEFAULT_REGION") != NULL)
		return imgp_strdup(env("AWS_DEFAULT_REGION"));
	s = profile_get(profile_name(), "region");
	return s != NULL ? s : imgp_strdup("us-east-1");
}

char *
imgp_aws_endpoint(void)
{
	if (env("AWS_ENDPOINT_URL_S3") != NULL)
		return imgp_strdup(env("AWS_ENDPOINT_URL_S3"));
	if (env("AWS_ENDPOINT_URL") != NULL)
		return imgp_strdup(env("AWS_ENDPOINT_URL"));
	return profile_get(profile_name(), "endpoint_url");
}

/* --- asking an endpoint --------------------------------------------------------- */

static size_t
take(char *p, size_t size, size_t n, void *arg)
{
	return imgp_buf_add(arg, p, size * n) == 0 ? size * n : 0;
}

/*
 * One small request.  ${headers} are lines, ${body} NULL or a form.  The status,
 * the answer in ${out}; 0 when there was none.
 */
static long
ask(const char *method, const char *url, const char *const *headers, size_t n,
    const char *body, struct imgp_buf *out)
{
	struct curl_slist *list = NULL;
	CURL *c = curl_easy_init();
	long status = 0;
	size_t i;

	if (c == NULL)
		imgp_oom();
	out->max = ANSWER_MAX;
	for (i = 0; i < n; i++)
		list = curl_slist_append(list, headers[i]);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 2L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, 10L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
	if (strncmp(url, "http://", 7) == 0)
		curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	if (env("AWS_CA_BUNDLE") != NULL)
		curl_easy_setopt(c, CURLOPT_CAINFO, env("AWS_CA_BUNDLE"));
	if (body != NULL)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	if (curl_easy_perform(c) == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	curl_slist_free_all(list);
	return status;
}

static time_t
time_of(const char *iso)
{
	struct tm tm = { 0 };
	const char *end = iso == NULL ? NULL :
	    strptime(iso, "%Y-%m-%dT%H:%M:%S", &tm);

	return end == NULL ? 0 : timegm(&tm);
}

/* Credentials as containers, instances and credential_process give them. */
static int
grant_json(struct grant *g, const char *text, const char *token_key,
    const char *who, struct imgp_err *e)
{
	struct imgp_json *j = imgp_json_parse(text, strlen(text), NULL);
	const char *access = imgp_json_str(imgp_json_get(j, "AccessKeyId"));
	const char *secret = imgp_json_str(imgp_json_get(j,
	    "SecretAccessKey"));
	int rc = 1;

	if (access == NULL || secret == NULL)
		rc = imgp_fail(e, IMGP_E_STORE_DENIED,
		    "%s gave no credentials", who);
	else
		grant_set(g, access, secret,
		    imgp_json_str(imgp_json_get(j, token_key)),
		    time_of(imgp_json_str(imgp_json_get(j, "Expiration"))));
	imgp_json_free(j);
	return rc;
}

/* --- STS ------------------------------------------------------------------------ */

static char *
sts_endpoint(void)
{
	char *region, *url;

	if (env("AWS_ENDPOINT_URL_STS") != NULL)
		return imgp_strdup(env("AWS_ENDPOINT_URL_STS"));
	region = imgp_aws_region();
	url = imgp_asprintf("https://sts.%s.amazonaws.com", region);
	free(region);
	return url;
}

static int
grant_sts(struct grant *g, long status, const struct imgp_buf *answer,
    const char *action, struct imgp_err *e)
{
	static const char *const names[] = { "AccessKeyId", "SecretAccessKey",
	    "SessionToken", "Expiration" };
	char path[128], value[4][4096] = { "" }, code[64];
	size_t i;

	for (i = 0; status == 200 && i < 4; i++) {
		snprintf(path, sizeof path,
		    "%sResponse/%sResult/Credentials/%s", action, action,
		    names[i]);
		imgp_xml_text(answer->s, answer->len, path, value[i],
		    sizeof value[i]);
	}
	if (value[0][0] == '\0' || value[1][0] == '\0') {
		if (imgp_xml_text(answer->s, answer->len,
		    "ErrorResponse/Error/Code", code, sizeof code) == -1)
			snprintf(code, sizeof code, "no credentials");
		return imgp_fail(e, status == 0 || status >= 500 ?
		    IMGP_E_STORE_IO : IMGP_E_STORE_DENIED,
		    "STS, %s: status %ld, %s", action, status, code);
	}
	grant_set(g, value[0], value[1], value[2], time_of(value[3]));
	OPENSSL_cleanse(value, sizeof value);
	return 1;
}

static void
add_field(struct imgp_buf *form, const char *name, const char *value)
{
	if (value == NULL)
		return;
	imgp_buf_printf(form, "%s%s=", form->len == 0 ? "" : "&", name);
	imgp_sigv4_encode(form, value, 0);
}

static int
web_identity(struct grant *g, const char *file, const char *role,
    const char *session, struct imgp_err *e)
{
	static const char *const type[] = {
	    "Content-Type: application/x-www-form-urlencoded" };
	struct imgp_buf form = IMGP_BUF_INIT, answer = IMGP_BUF_INIT;
	char *token = read_file(file), *url;
	long status;
	int rc;

	if (token == NULL)
		return imgp_fail_errno(e, IMGP_E_CONFIG,
		    "the web identity token file %s", file);
	url = sts_endpoint();
	add_field(&form, "Action", "AssumeRoleWithWebIdentity");
	add_field(&form, "Version", "2011-06-15");
	add_field(&form, "RoleArn", role);
	add_field(&form, "RoleSessionName", session == NULL ? "imgpipe" :
	    session);
	add_field(&form, "WebIdentityToken", token);
	status = ask("POST", url, type, 1, form.s, &answer);
	rc = grant_sts(g, status, &answer, "AssumeRoleWithWebIdentity", e);
	wipe(&token);
	free(url);
	imgp_buf_release(&form);
	imgp_buf_release(&answer);
	return rc;
}

static int
assume_role(struct grant *g, const struct imgp_aws_key *by, const char *role,
    const char *session, const char *external_id, struct imgp_err *e)
{
	struct imgp_buf form = IMGP_BUF_INIT, answer = IMGP_BUF_INIT;
	struct imgp_buf auth = IMGP_BUF_INIT;
	char *url = sts_endpoint(), *region = imgp_aws_region();
	char date[17], sum[IMGP_SHA256_HEX], *lines[4], *host;
	struct imgp_header h[] = {
		{ "Content-Type", "application/x-www-form-urlencoded" },
		{ "Host", NULL }, { "X-Amz-Date", date },
		{ "X-Amz-Security-Token", by->token },
	};
	struct imgp_sigv4 r = {
		.access_key = by->access, .secret_key = by->secret,
		.token = by->token, .region = region, .service = "sts",
		.now = time(NULL), .method = "POST", .path = "/", .headers = h,
		.nheaders = by->token == NULL ? 3 : 4, .payload = sum
	};
	size_t i;
	long status;
	int rc;

	host = strstr(url, "://");
	host = imgp_strdup(host == NULL ? url : host + 3);
	host[strcspn(host, "/")] = '\0';
	h[1].value = host;
	add_field(&form, "Action", "AssumeRole");
	add_field(&form, "Version", "2011-06-15");
	add_field(&form, "RoleArn", role);
	add_field(&form, "RoleSessionName", session == NULL ? "imgpipe" :
	    session);
	add_field(&form, "ExternalId", external_id);
	imgp_sha256_hex(form.s, form.len, sum);
	imgp_sigv4_date(r.now, date);
	imgp_buf_puts(&auth, "Authorization: ");
	imgp_sigv4_authorize(&r, &auth);
	lines[0] = auth.s;
	for (i = 0; i < r.nheaders; i++)
		if (i != 1)
			lines[i == 0 ? 1 : i] = imgp_asprintf("%s: %s",
			    h[i].name, h[i].value);
	status = ask("POST", url, (const char *const *)lines, r.nheaders,
	    form.s, &answer);
	rc = grant_sts(g, status, &answer, "AssumeRole", e);
	for (i = 1; i < r.nheaders; i++)
		free(lines[i]);
	free(host);
	free(url);
	free(region);
	imgp_buf_release(&form);
	imgp_buf_release(&auth);
	imgp_buf_release(&answer);
	return rc;
}

/* --- the sources, in their order --------------------------------------------------- */

static int
from_environment(struct grant *g, struct imgp_err *e)
{
	(void)e;
	if (env("AWS_ACCESS_KEY_ID") == NULL ||
	    env("AWS_SECRET_ACCESS_KEY") == NULL)
		return 0;
	grant_set(g, env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"),
	    env("AWS_SESSION_TOKEN"), 0);
	return 1;
}

static int
from_web_identity(struct grant *g, struct imgp_err *e)
{
	if (env("AWS_WEB_IDENTITY_TOKEN_FILE") == NULL ||
	    env("AWS_ROLE_ARN") == NULL)
		return 0;
	return web_identity(g, env("AWS_WEB_IDENTITY_TOKEN_FILE"),
	    env("AWS_ROLE_ARN"), env("AWS_ROLE_SESSION_NAME"), e);
}

/* What ${command} prints; its own diagnostics go to our standard error. */
static int
from_process(struct grant *g, const char *command, struct imgp_err *e)
{
	char *argv[] = { imgp_strdup("sh"), imgp_strdup("-c"),
	    imgp_strdup(command), NULL }, chunk[4096];
	struct imgp_buf out = IMGP_BUF_INIT;
	posix_spawn_file_actions_t fa;
	int fd[2], st = 1, rc;
	size_t i;
	ssize_t n;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) == -1) {
		rc = imgp_fail_errno(e, IMGP_E_STORE_IO, "pipe");
		goto out;
	}
	out.max = ANSWER_MAX;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null",
	    O_RDONLY, 0);
	rc = posix_spawn(&pid, "/bin/sh", &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	close(fd[1]);
	if (rc == 0) {
		while ((n = read(fd[0], chunk, sizeof chunk)) > 0 ||
		    (n == -1 && errno == EINTR))
			if (n > 0 && imgp_buf_add(&out, chunk, (size_t)n) == -1)
				break;
		close(fd[0]);
		while (waitpid(pid, &st, 0) == -1 && errno == EINTR)
			;
	} else
		close(fd[0]);
	if (rc != 0 || st != 0)
		rc = imgp_fail(e, IMGP_E_STORE_DENIED,
		    "credential_process failed");
	else
		rc = grant_json(g, out.s == NULL ? "" : out.s, "SessionToken",
		    "credential_process", e);
	if (out.s != NULL)
		OPENSSL_cleanse(out.s, out.size);
	imgp_buf_release(&out);
out:
	for (i = 0; argv[i] != NULL; i++)
		free(argv[i]);
	return rc;
}

static int	from_container(struct grant *g, struct imgp_err *e);
static int	from_instance(struct grant *g, struct imgp_err *e);

static int
from_named(const char *name, struct grant *g, struct imgp_err *e)
{
	if (strcmp(name, "Environment") == 0)
		return from_environment(g, e);
	if (strcmp(name, "EcsContainer") == 0)
		return from_container(g, e);
	if (strcmp(name, "Ec2InstanceMetadata") == 0)
		return from_instance(g, e);
	return imgp_fail(e, IMGP_E_CONFIG, "unknown credential_source %.40s",
	    name);
}

static int
from_profile_named(const char *profile, int depth, struct grant *g,
    struct imgp_err *e)
{
	char *access = profile_get(profile, "aws_access_key_id");
	char *secret = profile_get(profile, "aws_secret_access_key");
	char *token = profile_get(profile, "aws_session_token");
	char *role = profile_get(profile, "role_arn");
	char *source = profile_get(profile, "source_profile");
	char *named = profile_get(profile, "credential_source");
	char *file = profile_get(profile, "web_identity_token_file");
	char *session = profile_get(profile, "role_session_name");
	char *external = profile_get(profile, "external_id");
	char *process = profile_get(profile, "credential_process");
	struct grant by = { { NULL, NULL, NULL }, 0 };
	int rc = 0;

	if (depth > PROFILES)
		rc = imgp_fail(e, IMGP_E_CONFIG,
		    "source_profile goes round in circles");
	else if (role != NULL && file != NULL)
		rc = web_identity(g, file, role, session, e);
	else if (role != NULL && (source != NULL || named != NULL)) {
		/* A profile may name itself: then its own keys ask. */
		if (source != NULL && strcmp(source, profile) == 0 &&
		    access != NULL && secret != NULL) {
			grant_set(&by, access, secret, token, 0);
			rc = 1;
		} else
			rc = source != NULL ? from_profile_named(source,
			    depth + 1, &by, e) : from_named(named, &by, e);
		if (rc == 1)
			rc = assume_role(g, &by.key, role, session, external,
			    e);
		else if (rc == 0)
			rc = imgp_fail(e, IMGP_E_CONFIG,
			    "no credentials to take the role with");
	} else if (access != NULL && secret != NULL) {
		grant_set(g, access, secret, token, 0);
		rc = 1;
	} else if (process != NULL)
		rc = from_process(g, process, e);
	imgp_aws_key_release(&by.key);
	wipe(&access);
	wipe(&secret);
	wipe(&token);
	free(role);
	free(source);
	free(named);
	free(file);
	free(session);
	free(external);
	free(process);
	return rc;
}

static int
from_profile(struct grant *g, struct imgp_err *e)
{
	return from_profile_named(profile_name(), 0, g, e);
}

/* Over plain http the token may go to this machine and its agents only. */
static int
is_near(const char *url)
{
	static const char *const hosts[] = { "http://127.", "http://localhost:",
	    "http://localhost/", "http://[::1]", "http://169.254.170.2/",
	    "http://169.254.170.23/", "http://[fd00:ec2::23]" };
	size_t i;

	if (strncmp(url, "https://", 8) == 0)
		return 1;
	for (i = 0; i < sizeof hosts / sizeof *hosts; i++)
		if (strncmp(url, hosts[i], strlen(hosts[i])) == 0)
			return 1;
	return 0;
}

static int
from_container(struct grant *g, struct imgp_err *e)
{
	const char *relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct imgp_buf answer = IMGP_BUF_INIT;
	char *url, *token = NULL, *line = NULL;
	long status;
	int rc;

	if (relative == NULL && full == NULL)
		return 0;
	url = relative != NULL ? imgp_asprintf("http://169.254.170.2%s",
	    relative) : imgp_strdup(full);
	if (env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") != NULL)
		token = read_file(
		    env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
	else if (env("AWS_CONTAINER_AUTHORIZATION_TOKEN") != NULL)
		token = imgp_strdup(env("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
	if (!is_near(url) || (token != NULL && strpbrk(token, "\r\n") != NULL))
		rc = imgp_fail(e, IMGP_E_CONFIG,
		    "the container's credentials endpoint is not usable");
	else {
		if (token != NULL)
			line = imgp_asprintf("Authorization: %s", token);
		status = ask("GET", url, (const char *const *)&line,
		    line != NULL, NULL, &answer);
		rc = status == 200 ? grant_json(g, answer.s, "Token",
		    "the container's endpoint", e) : imgp_fail(e,
		    status == 0 || status >= 500 ? IMGP_E_STORE_IO :
		    IMGP_E_STORE_DENIED,
		    "the container's credentials endpoint: status %ld", status);
	}
	wipe(&token);
	wipe(&line);
	free(url);
	imgp_buf_release(&answer);
	return rc;
}

static int
from_instance(struct grant *g, struct imgp_err *e)
{
	static const char *const ttl[] = {
	    "X-aws-ec2-metadata-token-ttl-seconds: 21600" };
	const char *base = env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *off = env("AWS_EC2_METADATA_DISABLED");
	struct imgp_buf b = IMGP_BUF_INIT;
	char *url, *line = NULL;
	int rc = 0;

	if (off != NULL && strcasecmp(off, "true") == 0)
		return 0;
	if (base == NULL)
		base = "http://169.254.169.254";
	url = imgp_asprintf("%s/latest/api/token", base);
	/* No answer: this is no instance. */
	if (ask("PUT", url, ttl, 1, NULL, &b) != 200 || b.s == NULL ||
	    strpbrk(b.s, "\r\n") != NULL)
		goto out;
	line = imgp_asprintf("X-aws-ec2-metadata-token: %s", b.s);
	free(url);
	url = imgp_asprintf("%s/latest/meta-data/iam/security-credentials/",
	    base);
	imgp_buf_clear(&b);
	if (ask("GET", url, (const char *const *)&line, 1, NULL, &b) != 200 ||
	    b.s == NULL)
		goto out;
	b.s[strcspn(b.s, "\r\n")] = '\0';
	free(url);
	url = imgp_asprintf("%s/latest/meta-data/iam/security-credentials/%s",
	    base, b.s);
	imgp_buf_clear(&b);
	if (ask("GET", url, (const char *const *)&line, 1, NULL, &b) == 200 &&
	    b.s != NULL)
		rc = grant_json(g, b.s, "Token", "the instance's endpoint", e);
out:
	free(url);
	wipe(&line);
	if (b.s != NULL)
		OPENSSL_cleanse(b.s, b.size);
	imgp_buf_release(&b);
	return rc;
}

/* --- what callers get ----------------------------------------------------------- */

void
imgp_aws_anonymous(void)
{
	anonymous = 1;
}

static int
renew(struct imgp_err *e)
{
	static source_fn *const sources[] = { from_environment, from_web_identity,
	    from_profile, from_container, from_instance };
	struct grant g = { { NULL, NULL, NULL }, 0 };
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < sizeof sources / sizeof *sources; i++)
		rc = sources[i](&g, e);
	if (rc == 0)
		return imgp_fail(e, IMGP_E_STORE_DENIED,
		    "no AWS credentials: neither environment, shared files, "
		    "container nor instance have any");
	if (rc == -1)
		return -1;
	imgp_aws_key_release(&kept.key);
	kept = g;
	have = 1;
	return 0;
}

static char *
dup_or_null(const char *s)
{
	return s == NULL ? NULL : imgp_strdup(s);
}

int
imgp_aws_key(struct imgp_aws_key *k, const char *stale, struct imgp_err *e)
{
	int rc = 0;

	memset(k, 0, sizeof *k);
	if (anonymous)
		return 0;
	pthread_mutex_lock(&lock);
	if (!have || (kept.expires != 0 &&
	    kept.expires - EARLY <= time(NULL)) ||
	    (stale != NULL && strcmp(stale, kept.key.access) == 0)) {
		rc = renew(e);
		/* What still holds for a while is good enough. */
		if (rc == -1 && have && stale == NULL &&
		    kept.expires > time(NULL))
			rc = 0;
	}
	if (rc == 0) {
		k->access = dup_or_null(kept.key.access);
		k->secret = dup_or_null(kept.key.secret);
		k->token = dup_or_null(kept.key.token);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}
