#include <sys/stat.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/conf_priv.h"
#include "libimgpipe/base/ini.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/secret.h"

#define PART	"number 5242880 5368709120"	/* S3's own limits */
#define UINT	"number 1 4294967295"
#define COUNT	"number 1 1073741824"

/*
 * Every setting there is, with its default (NULL: none) and its form (NULL: any
 * text here, and looked at by what uses it).
 */
static const struct {
	const char	*name;
	const char	*value;
	const char	*form;		/* conf_priv.h */
} known[] = {
	/* places and connections */
	{ "source", NULL, "place" },
	{ "temp", NULL, "place" },
	{ "destination", NULL, "place" },
	{ "logs", NULL, "place" },
	{ "spool", NULL, "path" },
	{ "spool_bytes", NULL, "number 1 9223372036854775807" },
	{ "spool_jobs", "64", COUNT },
	{ "database", NULL, NULL },
	{ "replica", NULL, NULL },
	{ "ledger", NULL, NULL },
	{ "api_token_file", NULL, NULL },
	{ "db_wait", "60s", "time 0 31622400" },
	{ "db_timeout", "60s", "time 1 86400" },
	{ "api_auth", "token", "of token certificate loopback" },
	{ "api_tls", "required", "of required elsewhere" },
	{ "api_ca_file", NULL, NULL },
	{ "api_cert_file", NULL, NULL },
	{ "api_key_file", NULL, NULL },
	{ "api_timeout", "90s", "time 0 31622400" },
	{ "api_spelling", NULL, "of right page" },
	{ "api_revisions", "yes", "of yes no" },
	{ "api_create", "new", "of new same" },
	/* look-up */
	{ "wait", "15m", "time 0 31622400" },
	{ "interval", "30s", "time 1 31622400" },
	{ "backoff", "10m 1h 6h 24h", "times" },
	/* what a pipeline wants */
	{ "dicom", "expected", "of required expected no" },
	{ "extra", "expected", "of required expected" },
	{ "extra_command", NULL, "command" },
	{ "extra_env", NULL, "names" },
	{ "extra_jobs", "1", "number 1 1024" },
	{ "extra_timeout", "1h", "time 1 604800" },
	{ "cut", "expected", "of required expected" },
	/* what headers are held against (dicom/checks.h) */
	{ "check_patient", "off", NULL },
	{ "check_date", "off", NULL },
	{ "check_modality", "off", NULL },
	/* names; the members are those of the job line */
	{ "job_name", "{subject_id}_{subject_event_crf_id}_{ddfile_name}_"
	    "{file_version_code}_{run_timestamp}", NULL },
	{ "destination_path", "quarantine/{ddcrf_name}{ddfile_name}/", NULL },
	{ "destination_name", "{ddcrf_name}_{ddfile_name}_{participant_code}_"
	    "{event_code}_{subject_event_crf_id}_{revision_number}_"
	    "{edc_pipeline_file.id}_{timestamp}{extension}", NULL },
	{ "temp_key", "{edc_pipeline_file.id}/{file_name}", NULL },
	{ "timestamp_zone", "UTC", NULL },
	{ "error_log_key", "image_pipelines/error_logs/{pipeline_code}/"
	    "{file_name}_error_log.txt", NULL },
	{ "unmatched_log_key", "image_pipelines/error_logs/_unmatched/"
	    "{input_sha256}_{run_timestamp}_error_log.txt", NULL },
	{ "provenance_key", "image_pipelines/provenance/{pipeline_code}/"
	    "{file_name}.prov", NULL },
	{ "run_log_key", "image_pipelines/run_logs/{pipeline_code}/"
	    "{run}.jsonl", NULL },
	/* S3 */
	{ "source_owner", NULL, "account" },
	{ "temp_owner", NULL, "account" },
	{ "destination_owner", NULL, "account" },
	{ "logs_owner", NULL, "account" },
	{ "s3_patience", "5m", "time 0 31622400" },
	{ "s3_part_bytes", "33554432", PART },
	{ "s3_multipart_bytes", "1073741824", PART },
	{ "s3_copy_bytes", "5368709120", PART },
	/* the stamp */
	{ "coordinating_center", NULL, NULL },
	{ "stamp_tag", "0012,0071 LO", NULL },
	/* the processes that read uploads */
	{ "sandbox", "expected", "of expected require" },
	{ "stall", "60s", "time 1 86400" },
	/* what an upload may cost (imgp-dcmscan(1)) */
	{ "limit_members", "100000", UINT },
	{ "limit_bytes", "1099511627776", "number 1 9223372036854775807" },
	{ "limit_ratio", "200", UINT },
	{ "limit_series", "10000", UINT },
	{ "limit_header", "16777216", COUNT },
	{ "limit_elements", "1000000", COUNT },
	{ "limit_items", "100000", COUNT },
	{ "limit_depth", "64", "number 1 64" },
	/* mail */
	{ "mail", NULL, NULL },
	{ "mail_from", NULL, NULL },
	{ "mail_tls", "auto", "of auto required no" },
	{ "mail_password_file", NULL, NULL },
	{ "labs_mail", NULL, NULL },
	{ "labs_mail_password_file", NULL, NULL },
	{ "admins_mail", NULL, NULL },
	{ "admins_mail_password_file", NULL, NULL },
	{ "mail_ca_file", NULL, NULL },
	{ "mail_timeout", "60s", "time 0 31622400" },
	{ "mail_bytes", "36864", "number 0 1073741824" },
	{ "mail_title", "imgpipe", NULL },
	{ "admins", "root@localhost", NULL },
	{ "labs", NULL, NULL },
	{ "success", "digest", "of digest immediate off" },
	{ "digest_empty", "yes", "of yes no" },
	{ "labs_at_once", "no", "of yes no" },
	{ "manifest", "needed", "of yes needed no" },
	{ "file_manifest", "no", "of yes no" },
	{ "ping", NULL, NULL },
};

#define NKNOWN	(sizeof known / sizeof *known)

struct entry {
	char	*section;	/* "" above the first */
	size_t	 which;		/* position in known[] */
	char	*value;
	int	 wrong;		/* it, or another of its section */
};

static struct entry *entries;
static size_t nentries;
static int loaded;
static imgp_conf_warn *on_wrong;	/* of imgp_conf_load_but() */

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

int
imgp_conf_is_known(const char *name)
{
	return find(name) != NKNOWN;
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
	entries[nentries].wrong = 0;
	entries[nentries++].value = imgp_strdup(value);
	return 0;
}

/* Nonzero for a setting that is a secret: a password, or an address that is as good
 * as one. */
static int
is_secret(const struct entry *n)
{
	const char *name = known[n->which].name, *at, *user;

	if (strcmp(name, "mail") == 0 || strcmp(name, "ping") == 0 ||
	    strcmp(name, "labs_mail") == 0 || strcmp(name, "admins_mail") == 0)
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

/* The name of a setting in the environment, such as IMGP_SPOOL. */
static const char *
env_name(const char *name, char env[64])
{
	size_t i;

	memcpy(env, "IMGP_", 5);
	for (i = 0; name[i] != '\0' && i + 6 < 64; i++)
		env[5 + i] = (char)toupper((unsigned char)name[i]);
	env[5 + i] = '\0';
	return env;
}

static int
check(size_t which, const char *where, const char *value, struct imgp_err *e)
{
	struct imgp_err why;

	if (known[which].form == NULL || value == NULL || *value == '\0' ||
	    imgp_conf_form(known[which].form, value, &why) == 0)
		return 0;
	return imgp_fail(e, IMGP_E_CONFIG, "%s%s: %s", where,
	    known[which].name, why.msg);
}

static int
check_env(struct imgp_err *e)
{
	char env[64];
	size_t i;

	for (i = 0; i < NKNOWN; i++)
		if (check(i, "", getenv(env_name(known[i].name, env)), e) == -1)
			return -1;
	return 0;
}

static int
check_entry(const struct entry *n, struct imgp_err *e)
{
	char where[80] = "";

	if (*n->section != '\0')
		snprintf(where, sizeof where, "[%.70s] ", n->section);
	return check(n->which, where, n->value, e);
}

void
imgp_conf_leave_out(const char *pipeline)
{
	size_t i;

	for (i = 0; i < nentries; i++)
		if (strcmp(entries[i].section, pipeline) == 0)
			entries[i].wrong = 1;
}

int
imgp_conf_is_left_out(const char *pipeline)
{
	size_t i;

	for (i = 0; pipeline != NULL && i < nentries; i++)
		if (entries[i].wrong &&
		    strcmp(entries[i].section, pipeline) == 0)
			return 1;
	return 0;
}

const char *
imgp_conf_section(size_t at)
{
	size_t i, j;

	for (i = 0; i < nentries; i++) {
		for (j = 0; j < i && strcmp(entries[j].section,
		    entries[i].section) != 0; j++)
			;
		if (j == i && *entries[i].section != '\0' && at-- == 0)
			return entries[i].section;
	}
	return NULL;
}

int
imgp_conf_load_but(imgp_conf_warn *tell, struct imgp_err *e)
{
	const char *path = getenv("IMGP_CONFIG");
	size_t i;

	if (loaded)
		return 0;
	on_wrong = tell;
	if ((path != NULL && *path != '\0' &&
	    (imgp_ini_read(path, 0, take, NULL, e) == -1 ||
	    check_mode(path, e) == -1)) || check_env(e) == -1)
		return -1;
	for (i = 0; i < nentries; i++) {
		if (check_entry(&entries[i], e) == 0)
			continue;
		if (tell == NULL || *entries[i].section == '\0')
			return -1;
		if (!imgp_conf_is_left_out(entries[i].section))
			tell(e);
		imgp_conf_leave_out(entries[i].section);
	}
	loaded = 1;
	return 0;
}

int
imgp_conf_check(imgp_conf_look *fn, struct imgp_err *e)
{
	struct imgp_err why;
	const char *code;
	size_t i;

	if (fn(NULL, e) == -1)
		return -1;
	for (i = 0; (code = imgp_conf_section(i)) != NULL; i++) {
		if (imgp_conf_is_left_out(code) || fn(code, &why) == 0)
			continue;
		imgp_fail(e, why.code, "[%.70s] %s", code, why.msg);
		if (on_wrong == NULL)
			return -1;
		on_wrong(e);
		imgp_conf_leave_out(code);
	}
	return 0;
}

int
imgp_conf_load(struct imgp_err *e)
{
	return imgp_conf_load_but(NULL, e);
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
	char env[64];
	const char *s;

	if (environment.gone)
		return environment.value[which];
	s = getenv(env_name(known[which].name, env));
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

int
imgp_conf_is_set(const char *name)
{
	const char *code;
	size_t i;

	for (i = 0; (code = imgp_conf_section(i)) != NULL; i++)
		if (imgp_conf(code, name) != NULL)
			return 1;
	return imgp_conf(NULL, name) != NULL;
}

const char *
imgp_conf_need(const char *pipeline, const char *name, struct imgp_err *e)
{
	const char *s = imgp_conf(pipeline, name);
	char env[64];

	if (s == NULL)
		imgp_fail(e, IMGP_E_CONFIG, "%s is not set",
		    env_name(name, env));
	return s;
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
