#include <sys/stat.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/ini.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/secret.h"

/* Every setting there is, with its default (NULL: none). */
static const struct {
	const char	*name;
	const char	*value;
} known[] = {
	/* places and connections */
	{ "source", NULL }, { "temp", NULL }, { "destination", NULL },
	{ "logs", NULL }, { "spool", NULL }, { "database", NULL },
	{ "replica", NULL }, { "ledger", NULL }, { "api_token_file", NULL },
	{ "db_wait", "60s" }, { "db_timeout", "60s" },
	{ "api_auth", "token" }, { "api_tls", "required" },
	{ "api_ca_file", NULL }, { "api_cert_file", NULL },
	{ "api_key_file", NULL }, { "api_timeout", "90s" },
	{ "api_spelling", "right" }, { "api_revisions", "yes" },
	/* look-up */
	{ "wait", "15m" }, { "interval", "30s" },
	{ "backoff", "10m 1h 6h 24h" },
	/* what a pipeline wants */
	{ "dicom", "expected" }, { "extra", "expected" },
	{ "cut", "expected" },
	/* names; the members are those of the job line */
	{ "job_name", "{subject_id}_{subject_event_crf_id}_{ddfile_name}_"
	    "{file_version_code}_{run_timestamp}" },
	{ "destination_path", "quarantine/{ddcrf_name}{ddfile_name}/" },
	{ "destination_name", "{ddcrf_name}_{ddfile_name}_{participant_code}_"
	    "{event_code}_{subject_event_crf_id}_{revision_number}_"
	    "{edc_pipeline_file.id}_{timestamp}{extension}" },
	{ "temp_key", "{edc_pipeline_file.id}/{file_name}" },
	{ "error_log_key", "image_pipelines/error_logs/{pipeline_code}/"
	    "{file_name}_error_log.txt" },
	{ "unmatched_log_key", "image_pipelines/error_logs/_unmatched/"
	    "{input_sha256}_{run_timestamp}_error_log.txt" },
	{ "provenance_key", "image_pipelines/provenance/{pipeline_code}/"
	    "{file_name}.prov" },
	{ "run_log_key", "image_pipelines/run_logs/{pipeline_code}/"
	    "{run}.jsonl" },
	/* S3 */
	{ "source_owner", NULL }, { "temp_owner", NULL },
	{ "destination_owner", NULL }, { "logs_owner", NULL },
	{ "s3_patience", "5m" }, { "s3_part_bytes", "33554432" },
	{ "s3_multipart_bytes", "1073741824" },
	{ "s3_copy_bytes", "5368709120" },
	/* the stamp */
	{ "coordinating_center", NULL }, { "stamp_tag", "0012,0071 LO" },
	/* the processes that read uploads */
	{ "sandbox", "expected" }, { "stall", "60s" },
	/* what an upload may cost (imgp-dcmscan(1)) */
	{ "limit_members", "100000" }, { "limit_bytes", "1099511627776" },
	{ "limit_ratio", "200" }, { "limit_series", "10000" },
	{ "limit_header", "16777216" }, { "limit_elements", "1000000" },
	{ "limit_items", "100000" }, { "limit_depth", "64" },
	/* mail */
	{ "mail", NULL }, { "mail_from", NULL }, { "mail_tls", "auto" },
	{ "mail_password_file", NULL }, { "mail_ca_file", NULL },
	{ "mail_timeout", "60s" }, { "mail_title", "imgpipe" },
	{ "admins", "root@localhost" }, { "labs", NULL }, { "success", "digest" },
	{ "digest_empty", "yes" }, { "labs_at_once", "no" },
	{ "manifest", "no" }, { "ping", NULL },
};

#define NKNOWN	(sizeof known / sizeof *known)

struct entry {
	char	*section;	/* "" above the first */
	size_t	 which;		/* position in known[] */
	char	*value;
};

static struct entry *entries;
static size_t nentries;
static int loaded;

/* What the environment had, once that is gone. */
static struct {
	int	 gone;
	char	*value[NKNOWN];
} environment;

static size_t
find(const char *name)
{
	size_t i;

	for (i = 0; i < NKNOWN; i++)
		if (strcmp(known[i].name, name) == 0)
			break;
	return i;
}

static int
take(void *arg, const char *section, const char *key, const char *value,
    struct imgp_err *e)
{
	size_t which = find(key);

	(void)arg;
	if (which == NKNOWN)
		return imgp_fail(e, IMGP_E_CONFIG, "unknown setting \"%s\"",
		    key);
	entries = imgp_realloc(entries, nentries + 1, sizeof *entries);
	entries[nentries].section = imgp_strdup(section);
	entries[nentries].which = which;
	entries[nentries++].value = imgp_strdup(value);
	return 0;
}

/* Nonzero for a setting that is a secret: a password, or an address that is as good
 * as one. */
static int
is_secret(const struct entry *n)
{
	const char *name = known[n->which].name, *at, *user;

	if (strcmp(name, "mail") == 0 || strcmp(name, "ping") == 0)
		return strncmp(n->value, "https://", 8) == 0;
	if (strcmp(name, "database") != 0 && strcmp(name, "replica") != 0 &&
	    strcmp(name, "ledger") != 0)
		return 0;
	if (strstr(n->value, "password") != NULL)
		return 1;
	user = strstr(n->value, "://");		/* user:password@host */
	at = user == NULL ? NULL : strchr(user, '@');
	return at != NULL &&
	    memchr(user + 3, ':', (size_t)(at - user) - 3) != NULL;
}

/* A file that holds a secret keeps others out. */
static int
check_mode(const char *path, struct imgp_err *e)
{
	struct stat st;
	size_t i;

	if (stat(path, &st) == -1 || !S_ISREG(st.st_mode) ||
	    imgp_secret_mode(st.st_mode))
		return 0;
	for (i = 0; i < nentries; i++)
		if (is_secret(&entries[i]))
			return imgp_fail(e, IMGP_E_CONFIG, "%s: %s is a "
			    "secret, and the file's mode lets others in: 0600 "
			    "or 0640 is wanted", path,
			    known[entries[i].which].name);
	return 0;
}

int
imgp_conf_load(struct imgp_err *e)
{
	const char *path = getenv("IMGP_CONFIG");

	if (loaded)
		return 0;
	if (path != NULL && *path != '\0' &&
	    (imgp_ini_read(path, 0, take, NULL, e) == -1 ||
	    check_mode(path, e) == -1))
		return -1;
	loaded = 1;
	return 0;
}

static const char *
in_file(const char *section, size_t which)
{
	size_t i;

	for (i = nentries; i-- > 0; )	/* the last one counts */
		if (entries[i].which == which &&
		    strcmp(entries[i].section, section) == 0 &&
		    *entries[i].value != '\0')
			return entries[i].value;
	return NULL;
}

static const char *
in_environment(size_t which)
{
	char env[64] = "IMGP_";
	const char *name = known[which].name, *s;
	size_t i;

	if (environment.gone)
		return environment.value[which];
	for (i = 0; name[i] != '\0' && i + 6 < sizeof env; i++)
		env[5 + i] = (char)toupper((unsigned char)name[i]);
	env[5 + i] = '\0';
	s = getenv(env);
	return s != NULL && *s != '\0' ? s : NULL;
}

static void
wipe(char *s)
{
	explicit_bzero(s, strlen(s));
}

void
imgp_conf_keep(const char *const names[])
{
	char keep[NKNOWN] = { 0 }, **v;
	const char *s;
	size_t i;

	for (; *names != NULL; names++) {
		if ((i = find(*names)) == NKNOWN)
			abort();
		keep[i] = 1;
		if ((s = in_environment(i)) != NULL)
			environment.value[i] = imgp_strdup(s);
	}
	for (i = 0; i < nentries; i++)
		if (!keep[entries[i].which])
			wipe(entries[i].value);		/* as if not set */
	for (v = environ; v != NULL && *v != NULL; v++)
		wipe(*v);
	clearenv();
	environment.gone = 1;
}

const char *
imgp_conf(const char *pipeline, const char *name)
{
	const char *s;
	size_t which = find(name);

	if (which == NKNOWN)
		abort();		/* a setting that is not in the table */
	if ((s = in_environment(which)) != NULL)
		return s;
	if (pipeline != NULL && *pipeline != '\0' &&
	    (s = in_file(pipeline, which)) != NULL)
		return s;
	if ((s = in_file("", which)) != NULL)
		return s;
	return known[which].value;
}

const char *
imgp_conf_need(const char *pipeline, const char *name, struct imgp_err *e)
{
	const char *s = imgp_conf(pipeline, name);
	char env[64];
	size_t i;

	if (s != NULL)
		return s;
	for (i = 0; name[i] != '\0' && i + 1 < sizeof env; i++)
		env[i] = (char)toupper((unsigned char)name[i]);
	env[i] = '\0';
	imgp_fail(e, IMGP_E_CONFIG, "IMGP_%s is not set", env);
	return NULL;
}

const char *
imgp_conf_owner(const char *pipeline, const char *place)
{
	char name[64];

	snprintf(name, sizeof name, "%s_owner", place);
	return imgp_conf(pipeline, name);
}

int
imgp_conf_duration(const char *pipeline, const char *name, long long *seconds,
    struct imgp_err *e)
{
	const char *s = imgp_conf_need(pipeline, name, e);

	if (s == NULL)
		return -1;
	if (imgp_parse_duration(s, seconds) == -1)
		return imgp_fail(e, IMGP_E_CONFIG, "%s: \"%s\" is no duration "
		    "such as 30s, 15m, 24h", name, s);
	return 0;
}
