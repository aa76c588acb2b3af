/* AWS's shared files: ~/.aws/config and ~/.aws/credentials. */
#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "libimgpipe/base/ini.h"
#include "libimgpipe/base/secret.h"
#include "libimgpipe/net/cred_priv.h"

struct setting {
	char	*section;	/* "lab"; "services NAME" */
	char	*key;
	char	*value;
};

struct imgp_profiles {
	struct setting	*settings;	/* those of the credentials file last */
	size_t		 n;
	int		 is_config;	/* while reading: sections are prefixed */
};

const char *
imgp_cred_env(const char *name)
{
	const char *s = getenv(name);

	return s != NULL && *s != '\0' ? s : NULL;
}

void
imgp_cred_wipe(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* "profile lab", "profile "my lab"", "default" and "services x" of the one file,
 * "lab" of the other, under one name, the caller's; NULL: not ours to read. */
static char *
plain_name(const struct imgp_profiles *ps, const char *section)
{
	size_t n = strlen("profile"), len;

	if (!ps->is_config || strcmp(section, "default") == 0 ||
	    strncmp(section, "services", 8) == 0)
		return imgp_strdup(section);
	if (strncmp(section, "profile", n) != 0 ||
	    !isspace((unsigned char)section[n]))
		return NULL;
	for (section += n; isspace((unsigned char)*section); section++)
		;
	/* So aws(1) itself writes a name with a space in it. */
	len = strlen(section);
	if (len > 1 && (*section == '"' || *section == '\'') &&
	    section[len - 1] == *section)
		return imgp_strndup(section + 1, len - 2);
	return imgp_strdup(section);
}

static int
take(void *arg, const char *section, const char *key, const char *value,
    size_t line, struct imgp_err *e)
{
	struct imgp_profiles *ps = arg;
	struct setting *s;
	char *name = plain_name(ps, section);

	(void)line;
	(void)e;
	if (name == NULL)
		return 0;
	ps->settings = imgp_realloc(ps->settings, ps->n + 1, sizeof *s);
	s = &ps->settings[ps->n++];
	s->section = name;
	s->key = imgp_strdup(key);
	s->value = imgp_strdup(value);
	return 0;
}

/* A file that gave keys, those from ${first} on, must keep others out. */
static int
check_mode(const struct imgp_profiles *ps, size_t first, const char *path,
    struct imgp_err *e)
{
	struct stat st;

	for (; first < ps->n; first++)
		if (strcmp(ps->settings[first].key, "aws_secret_access_key") == 0)
			break;
	if (first == ps->n || stat(path, &st) == -1 ||
	    !S_ISREG(st.st_mode) || imgp_secret_mode(st.st_mode))
		return 0;
	return imgp_fail(e, IMGP_E_CONFIG, "%s: it holds a secret key, and its "
	    "mode lets others in: 0600 or 0640 is wanted", path);
}

/* ${variable}, else ~/.aws/${name}: one that is not there is no fault, one by
 * default that may not be read is not either. */
static int
read_file(struct imgp_profiles *ps, const char *variable, const char *name,
    struct imgp_err *e)
{
	const char *given = imgp_cred_env(variable);
	const char *home = imgp_cred_env("HOME");
	size_t before = ps->n;
	char *path;
	int rc = 0;

	if (given != NULL && (strncmp(given, "~/", 2) != 0 || home == NULL))
		path = imgp_strdup(given);
	else if (given != NULL)
		path = imgp_asprintf("%s%s", home, given + 1);
	else if (home != NULL)
		path = imgp_asprintf("%s/.aws/%s", home, name);
	else
		return 0;
	if (access(path, R_OK) == 0 || (errno != ENOENT && errno != ENOTDIR &&
	    (given != NULL || errno != EACCES)))
		rc = imgp_ini_read(path, IMGP_INI_AWS, take, ps, e);
	if (rc == 0)
		rc = check_mode(ps, before, path, e);
	free(path);
	return rc;
}

struct imgp_profiles *
imgp_profiles_read(struct imgp_err *e)
{
	struct imgp_profiles *ps = imgp_alloc(sizeof *ps);

	ps->is_config = 1;
	if (read_file(ps, "AWS_CONFIG_FILE", "config", e) == -1)
		goto fail;
	ps->is_config = 0;
	if (read_file(ps, "AWS_SHARED_CREDENTIALS_FILE", "credentials",
	    e) == -1)
		goto fail;
	return ps;
fail:
	imgp_profiles_free(ps);
	return NULL;
}

void
imgp_profiles_free(struct imgp_profiles *ps)
{
	size_t i;

	if (ps == NULL)
		return;
	for (i = 0; i < ps->n; i++) {
		free(ps->settings[i].section);
		free(ps->settings[i].key);
		imgp_cred_wipe(ps->settings[i].value);
	}
	free(ps->settings);
	free(ps);
}

int
imgp_profiles_has(const struct imgp_profiles *ps, const char *profile)
{
	size_t i;

	for (i = 0; i < ps->n; i++)
		if (strcmp(ps->settings[i].section, profile) == 0)
			return 1;
	return 0;
}

const char *
imgp_profiles_get(const struct imgp_profiles *ps, const char *profile,
    const char *key)
{
	const struct setting *s;
	size_t i;

	for (i = ps->n; i-- > 0; ) {	/* the last one counts */
		s = &ps->settings[i];
		if (strcmp(s->key, key) == 0 && *s->value != '\0' &&
		    strcmp(s->section, profile) == 0)
			return s->value;
	}
	return NULL;
}

static int
is_true(const char *s)
{
	return s != NULL && strcasecmp(s, "true") == 0;
}

const char *
imgp_profiles_endpoint(const struct imgp_profiles *ps, const char *profile,
    const char *service)
{
	char variable[32] = "AWS_ENDPOINT_URL_", *key;
	const char *s, *ignore;
	char *section;
	size_t i, n = strlen(variable);

	if ((ignore = imgp_cred_env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) ==
	    NULL)
		ignore = imgp_profiles_get(ps, profile,
		    "ignore_configured_endpoint_urls");
	if (is_true(ignore))
		return NULL;
	for (i = 0; service[i] != '\0' && n + i + 1 < sizeof variable; i++)
		variable[n + i] = (char)toupper((unsigned char)service[i]);
	variable[n + i] = '\0';
	if ((s = imgp_cred_env(variable)) != NULL ||
	    (s = imgp_cred_env("AWS_ENDPOINT_URL")) != NULL)
		return s;
	if ((s = imgp_profiles_get(ps, profile, "services")) != NULL) {
		section = imgp_asprintf("services %s", s);
		key = imgp_asprintf("%s.endpoint_url", service);
		s = imgp_profiles_get(ps, section, key);
		free(section);
		free(key);
		if (s != NULL)
			return s;
	}
	return imgp_profiles_get(ps, profile, "endpoint_url");
}
