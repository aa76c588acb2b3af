#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/conf_priv.h"
#include "libimgpipe/base/dictionary.h"
#include "libimgpipe/base/ini.h"
#include "libimgpipe/base/nearest.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/secret.h"

#define SYSTEM_FILE	"/etc/imgpipe/imgpipe.conf"

static struct imgp_conf_entry *entries;
static size_t nentries;
static char *paths[2];			/* the files that were read */
static int loaded, system_only;
static unsigned int wanted;		/* IMGP_SECRETS_… */
static imgp_conf_warn *on_wrong;	/* of imgp_conf_load_but() */

/* By row. */
static struct {
	const char *value, *name;
} options[IMGP_CONF_ROWS];
static char *credentials[IMGP_CONF_ROWS];	/* paths */
static char *read_credential[IMGP_CONF_ROWS];	/* what stands in them */
static char *read_environment[IMGP_CONF_ROWS];	/* by IMGP_…_FILE, _COMMAND */

/* What the environment had, once that is gone. */
static struct {
	int	 gone;
	char	*value[IMGP_CONF_ROWS];
} environment;

size_t
imgp_conf_find(const char *name)
{
	size_t i;

	for (i = 0; i < imgp_conf_nrows; i++)
		if (strcmp(imgp_conf_rows[i].name, name) == 0)
			break;
	return i;
}

size_t
imgp_conf_base(size_t which)
{
	unsigned int flags = imgp_conf_rows[which].flags;

	return which - (flags & IMGP_CONF_BY_FILE ? 1 :
	    flags & IMGP_CONF_BY_COMMAND ? 2 : 0);
}

int
imgp_conf_is_known(const char *name)
{
	return imgp_conf_find(name) != imgp_conf_nrows;
}

int
imgp_conf_holds_secret(const char *name, const char *value)
{
	size_t which = imgp_conf_find(name);

	return which != imgp_conf_nrows && imgp_conf_is_secret(which, value);
}

void
imgp_conf_system_only(void)
{
	system_only = 1;
}

void
imgp_conf_want(unsigned int secrets)
{
	wanted |= secrets;
}

void
imgp_conf_unwant(void)
{
	wanted = 0;
}

void
imgp_conf_option(const char *name, const char *value, const char *option)
{
	size_t which = imgp_conf_find(name);

	if (which == imgp_conf_nrows)
		abort();
	options[which].value = value;
	options[which].name = option;
}

const char *
imgp_conf_path(size_t at)
{
	return at < sizeof paths / sizeof *paths ? paths[at] : NULL;
}

const struct imgp_conf_entry *
imgp_conf_entry(size_t at)
{
	return at < nentries ? &entries[at] : NULL;
}

/* --- reading the files -------------------------------------------------------- */

static int
unknown(const char *key, struct imgp_err *e)
{
	struct imgp_nearest n = { key, NULL, 0 };
	size_t i;

	for (i = 0; i < imgp_conf_nrows; i++)
		imgp_nearest_try(&n, imgp_conf_rows[i].name);
	if (n.name == NULL)
		return imgp_fail(e, IMGP_E_CONFIG, "unknown setting \"%s\"",
		    key);
	return imgp_fail(e, IMGP_E_CONFIG, "unknown setting \"%s\"; is %s "
	    "meant?", key, n.name);
}

static int
take(void *arg, const char *section, const char *key, const char *value,
    size_t line, struct imgp_err *e)
{
	size_t which = imgp_conf_find(key);
	struct imgp_conf_entry *n;

	if (which == imgp_conf_nrows)
		return unknown(key, e);
	entries = imgp_realloc(entries, nentries + 1, sizeof *entries);
	n = &entries[nentries++];
	memset(n, 0, sizeof *n);
	n->section = imgp_strdup(section);
	n->which = which;
	n->value = imgp_strdup(value);
	n->path = arg;
	n->line = line;
	return 0;
}

int
imgp_conf_is_secret(size_t which, const char *value)
{
	unsigned int flags = imgp_conf_rows[which].flags;
	const char *name = imgp_conf_rows[which].name, *at, *user;

	if (!(flags & (IMGP_SECRETS_RECORD | IMGP_SECRETS_MAIL)) ||
	    imgp_conf_base(which) != which)
		return 0;
	/* An address that is as good as a password. */
	if (strcmp(name, "mail") == 0 || strcmp(name, "ping") == 0 ||
	    strcmp(name, "labs_mail") == 0 || strcmp(name, "admins_mail") == 0)
		return strncmp(value, "https://", 8) == 0;
	if (strcmp(name, "database") != 0 && strcmp(name, "replica") != 0 &&
	    strcmp(name, "ledger") != 0)
		return *value != '\0';
	if (strstr(value, "password") != NULL)
		return 1;
	user = strstr(value, "://");		/* user:password@host */
	at = user == NULL ? NULL : strchr(user, '@');
	return at != NULL &&
	    memchr(user + 3, ':', (size_t)(at - user) - 3) != NULL;
}

/* A file that holds a secret, in its lines from ${first} on, keeps others out. */
static int
check_mode(const char *path, size_t first, struct imgp_err *e)
{
	struct stat st;
	size_t i;

	if (stat(path, &st) == -1 || !S_ISREG(st.st_mode) ||
	    imgp_secret_mode(st.st_mode))
		return 0;
	for (i = first; i < nentries; i++)
		if (imgp_conf_is_secret(entries[i].which, entries[i].value))
			return imgp_fail(e, IMGP_E_CONFIG, "%s: %s is a "
			    "secret, and the file's mode lets others in: 0600 "
			    "or 0640 is wanted", path,
			    imgp_conf_rows[entries[i].which].name);
	return 0;
}

/* Read ${path}, which is kept or freed; ${must}: it has to be there. */
static int
read_file(char *path, int must, struct imgp_err *e)
{
	size_t first = nentries;

	if (!must && access(path, F_OK) == -1 &&
	    (errno == ENOENT || errno == ENOTDIR)) {
		free(path);
		return 0;
	}
	paths[paths[0] == NULL ? 0 : 1] = path;
	return imgp_ini_read(path, 0, take, path, e) == -1 ||
	    check_mode(path, first, e) == -1 ? -1 : 0;
}

/* The user's own file, or NULL: root has none, nor who serves others. */
static char *
user_file(void)
{
	const char *base = secure_getenv("XDG_CONFIG_HOME");
	const char *home = secure_getenv("HOME");

	if (system_only || getuid() == 0 || geteuid() == 0)
		return NULL;
	if (base != NULL && *base == '/')
		return imgp_asprintf("%s/imgpipe/imgpipe.conf", base);
	return home == NULL || *home != '/' ? NULL :
	    imgp_asprintf("%s/.config/imgpipe/imgpipe.conf", home);
}

static int
read_files(struct imgp_err *e)
{
	const char *named = getenv("IMGP_CONFIG");
	char *own;

	if (named != NULL && *named != '\0')
		return read_file(imgp_strdup(named), 1, e);
	if (read_file(imgp_strdup(SYSTEM_FILE), 0, e) == -1)
		return -1;
	return (own = user_file()) == NULL ? 0 : read_file(own, 0, e);
}

const char *
imgp_conf_env(const char *name, char env[64])
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

	if (imgp_conf_rows[which].form == NULL || value == NULL || *value == '\0' ||
	    imgp_conf_form(imgp_conf_rows[which].form, value, &why) == 0)
		return 0;
	return imgp_fail(e, IMGP_E_CONFIG, "%s%s: %s", where,
	    imgp_conf_rows[which].name, why.msg);
}

/* The row ${which} in the environment, or NULL. */
static const char *
in_environment(size_t which)
{
	char env[64];
	const char *s;

	if (environment.gone)
		return environment.value[which];
	s = getenv(imgp_conf_env(imgp_conf_rows[which].name, env));
	return s != NULL && *s != '\0' ? s : NULL;
}

static int
check_env(struct imgp_err *e)
{
	const char *given = NULL;
	char one[64], two[64];
	size_t i;

	for (i = 0; i < imgp_conf_nrows; i++) {
		if (imgp_conf_base(i) == i)
			given = NULL;
		if (in_environment(i) == NULL)
			continue;
		if (given != NULL)
			return imgp_fail(e, IMGP_E_CONFIG, "both %s and %s are "
			    "set", imgp_conf_env(given, one),
			    imgp_conf_env(imgp_conf_rows[i].name, two));
		given = imgp_conf_rows[i].name;
		if (check(i, "", in_environment(i), e) == -1)
			return -1;
	}
	return 0;
}

static int
check_entry(const struct imgp_conf_entry *n, struct imgp_err *e)
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

/* --- secrets ------------------------------------------------------------------ */

/* Which secrets, or files, systemd has for us. */
static void
find_credentials(void)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY"), *name;
	char *path;
	size_t i;

	if (dir == NULL || *dir != '/')
		return;
	for (i = 0; i < imgp_conf_nrows; i++) {
		if (imgp_conf_base(i) != i || imgp_conf_rows[i].flags == 0)
			continue;
		name = imgp_conf_rows[i].name;
		path = imgp_asprintf("%s/%.*s", dir, (int)(strlen(name) -
		    (imgp_conf_rows[i].flags & IMGP_CONF_PATH ?
		    strlen("_file") : 0)), name);
		if (access(path, F_OK) == 0)
			credentials[i] = path;
		else
			free(path);
	}
}

static int
is_wanted(size_t which)
{
	return (imgp_conf_rows[which].flags & wanted) != 0;
}

/* Whatever this process asks for that stands elsewhere, for ${pipeline}. */
static int
read_secrets(const char *pipeline, struct imgp_err *e)
{
	struct imgp_conf_source s;
	struct imgp_err why;
	size_t i;

	for (i = 0; i < imgp_conf_nrows; i++) {
		if (!is_wanted(i) || imgp_conf_base(i) != i)
			continue;
		s = imgp_conf_find_source(pipeline, i);
		if (s.secret == NULL || *s.secret != NULL ||
		    imgp_conf_read_secret(&s, &why) == 0)
			continue;
		if (s.origin == IMGP_CONF_SECTION)
			return imgp_fail(e, why.code, "[%.70s] %s", pipeline,
			    why.msg);
		*e = why;
		return -1;
	}
	return 0;
}

/* --- loading ------------------------------------------------------------------ */

/* What is wrong in a section: told, where somebody is to be told. */
static int
wrong_section(const char *section, const struct imgp_err *e)
{
	if (on_wrong == NULL)
		return -1;
	if (!imgp_conf_is_left_out(section))
		on_wrong(e);
	imgp_conf_leave_out(section);
	return 0;
}

static int
check_entries(struct imgp_err *e)
{
	size_t i;

	for (i = 0; i < nentries; i++)
		if (check_entry(&entries[i], e) == -1 &&
		    (*entries[i].section == '\0' ||
		    wrong_section(entries[i].section, e) == -1))
			return -1;
	return 0;
}

int
imgp_conf_load_but(imgp_conf_warn *tell, struct imgp_err *e)
{
	const char *code, *path;
	size_t i;

	if (loaded)
		return 0;
	on_wrong = tell;
	find_credentials();
	if (read_files(e) == -1 || check_env(e) == -1 ||
	    check_entries(e) == -1 || read_secrets(NULL, e) == -1)
		return -1;
	for (i = 0; (code = imgp_conf_section(i)) != NULL; i++)
		if (!imgp_conf_is_left_out(code) &&
		    read_secrets(code, e) == -1 && wrong_section(code, e) == -1)
			return -1;
	path = imgp_conf(NULL, "error_dictionary");
	if (path != NULL && imgp_dictionary_read(path, e) == -1)
		return -1;
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

/* --- asking ------------------------------------------------------------------- */

/* The line of ${section} that gives the row ${which}; the last one counts. */
static struct imgp_conf_entry *
in_file(const char *section, size_t which)
{
	size_t i;

	for (i = nentries; i-- > 0; )
		if (imgp_conf_base(entries[i].which) == which &&
		    strcmp(entries[i].section, section) == 0 &&
		    *entries[i].value != '\0')
			return &entries[i];
	return NULL;
}

static struct imgp_conf_source
of_entry(enum imgp_conf_origin origin, struct imgp_conf_entry *n)
{
	struct imgp_conf_source s = { origin, n->which, n->value, NULL, n,
	    NULL };

	if (imgp_conf_base(n->which) != n->which)
		s.secret = &n->secret;
	return s;
}

/* By the environment or by systemd; unset where by none. */
static struct imgp_conf_source
of_process(size_t which)
{
	struct imgp_conf_source s = { IMGP_CONF_ENVIRONMENT, which, NULL, NULL,
	    NULL, NULL };

	for (; s.which < imgp_conf_nrows && imgp_conf_base(s.which) == which;
	    s.which++) {
		if ((s.given = in_environment(s.which)) == NULL)
			continue;
		if (s.which != which)
			s.secret = &read_environment[which];
		return s;
	}
	s.which = which;
	s.origin = IMGP_CONF_UNSET;
	if ((s.given = credentials[which]) == NULL)
		return s;
	s.origin = IMGP_CONF_CREDENTIAL;
	if (!(imgp_conf_rows[which].flags & IMGP_CONF_PATH))
		s.secret = &read_credential[which];
	return s;
}

struct imgp_conf_source
imgp_conf_find_source(const char *pipeline, size_t which)
{
	struct imgp_conf_source s = { IMGP_CONF_OPTION, which,
	    options[which].value, NULL, NULL, options[which].name };
	struct imgp_conf_entry *n;

	if (s.given != NULL)
		return s;
	s = of_process(which);
	if (s.origin != IMGP_CONF_UNSET)
		return s;
	if (pipeline != NULL && *pipeline != '\0' &&
	    (n = in_file(pipeline, which)) != NULL)
		return of_entry(IMGP_CONF_SECTION, n);
	if ((n = in_file("", which)) != NULL)
		return of_entry(IMGP_CONF_FILE, n);
	s.given = imgp_conf_rows[which].value;
	s.origin = s.given == NULL ? IMGP_CONF_UNSET : IMGP_CONF_DEFAULT;
	return s;
}

static void
wipe(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
}

void
imgp_conf_keep(const char *const names[])
{
	char keep[IMGP_CONF_ROWS] = { 0 }, **v;
	const char *s;
	size_t i;

	for (; *names != NULL; names++) {
		if ((i = imgp_conf_find(*names)) == imgp_conf_nrows)
			abort();
		keep[i] = 1;
		if ((s = in_environment(i)) != NULL)
			environment.value[i] = imgp_strdup(s);
	}
	for (i = 0; i < nentries; i++) {
		wipe(entries[i].secret);
		if (!keep[entries[i].which])
			wipe(entries[i].value);		/* as if not set */
	}
	for (i = 0; i < imgp_conf_nrows; i++) {
		wipe(read_environment[i]);
		wipe(read_credential[i]);
	}
	for (v = environ; v != NULL && *v != NULL; v++)
		wipe(*v);
	clearenv();
	environment.gone = 1;
}

const char *
imgp_conf(const char *pipeline, const char *name)
{
	size_t which = imgp_conf_find(name);
	struct imgp_conf_source s;

	if (which == imgp_conf_nrows)
		abort();		/* a setting that is not in the table */
	s = imgp_conf_find_source(pipeline, which);
	if (s.secret == NULL)
		return s.given;
	if (*s.secret == NULL)
		abort();		/* not asked for by imgp_conf_want() */
	return *s.secret;
}

int
imgp_conf_is_set(const char *name)
{
	size_t which = imgp_conf_find(name), i;
	const char *code;

	for (i = 0; (code = imgp_conf_section(i)) != NULL; i++)
		if (imgp_conf_find_source(code, which).origin != IMGP_CONF_UNSET)
			return 1;
	return imgp_conf_find_source(NULL, which).origin != IMGP_CONF_UNSET;
}

static int
not_set(const char *name, struct imgp_err *e)
{
	const char *path = paths[0] == NULL ? SYSTEM_FILE : paths[0];
	char env[64];

	return imgp_fail(e, IMGP_E_CONFIG, "%s is not set, nor %s in %s%s%s",
	    imgp_conf_env(name, env), name, path,
	    paths[1] == NULL ? "" : " or ", paths[1] == NULL ? "" : paths[1]);
}

const char *
imgp_conf_need(const char *pipeline, const char *name, struct imgp_err *e)
{
	const char *s = imgp_conf(pipeline, name);

	if (s == NULL)
		not_set(name, e);
	return s;
}

int
imgp_conf_need_any(const char *name, struct imgp_err *e)
{
	return imgp_conf_is_set(name) ? 0 : not_set(name, e);
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
