#include <sys/file.h>
#include <sys/stat.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/dirs.h"
#include "libimgpipe/base/lock.h"
#include "libimgpipe/base/program.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/rundir.h"

#define CHUNK		((size_t)64 << 10)
#define CONF_MAX	((size_t)1 << 20)	/* bytes in conf, or in config */

extern char **environ;

static int
fail(const struct imgp_rundir *d, const char *name, struct imgp_err *e)
{
	return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s%s%s", d->path,
	    *name == '\0' ? "" : "/", name);
}

/* --- the directory ------------------------------------------------------------ */

static int
enter(struct imgp_rundir *d, const char *path, struct imgp_err *e)
{
	d->lock = -1;
	d->path = realpath(path, NULL);
	if (d->path == NULL) {
		d->fd = -1;
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", path);
	}
	if ((d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		fail(d, "", e);
		imgp_rundir_release(d);
		return -1;
	}
	return 0;
}

int
imgp_rundir_enter(struct imgp_rundir *d, const char *path, struct imgp_err *e)
{
	return enter(d, path, e);
}

/* Nonzero when it is of a run, or empty. */
static int
is_ours(const struct imgp_rundir *d)
{
	struct imgp_err e;
	char **names;
	int ours = imgp_rundir_has(d, "lock");

	if (!ours && (names = imgp_rundir_list(d, ".", &e)) != NULL) {
		ours = names[0] == NULL;
		imgp_rundir_free_list(names);
	}
	return ours;
}

int
imgp_rundir_open(struct imgp_rundir *d, const char *path, struct imgp_err *e)
{
	static const char *const sub[] = { "in", "out", "err", "runs" };
	size_t i;

	if (imgp_dirs_make(path) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", path);
	if (enter(d, path, e) == -1)
		return -1;
	if (!is_ours(d)) {
		imgp_fail(e, IMGP_E_CONFIG, "%s: is not empty, and not of a run",
		    d->path);
		goto failed;
	}
	if ((d->lock = imgp_lock(d->fd, "lock", LOCK_EX | LOCK_NB)) == -1) {
		if (errno == EWOULDBLOCK)
			imgp_fail(e, IMGP_E_STORE_IO,
			    "%s: another imgp-run is at work there", d->path);
		else
			fail(d, "lock", e);
		goto failed;
	}
	for (i = 0; i < sizeof sub / sizeof *sub; i++)
		if (mkdirat(d->fd, sub[i], 0700) == -1 && errno != EEXIST) {
			fail(d, sub[i], e);
			goto failed;
		}
	return 0;
failed:
	imgp_rundir_release(d);
	return -1;
}

void
imgp_rundir_release(struct imgp_rundir *d)
{
	if (d->lock != -1)
		close(d->lock);
	if (d->fd != -1)
		close(d->fd);
	free(d->path);
	d->path = NULL;
	d->fd = d->lock = -1;
}

/* --- files ---------------------------------------------------------------------- */

int
imgp_rundir_read(const struct imgp_rundir *d, const char *name,
    struct imgp_err *e)
{
	int fd = openat(d->fd, name, O_RDONLY | O_NOCTTY | O_CLOEXEC);

	return fd == -1 ? fail(d, name, e) : fd;
}

int
imgp_rundir_read_all(const struct imgp_rundir *d, const char *name,
    struct imgp_buf *b, struct imgp_err *e)
{
	int fd = imgp_rundir_read(d, name, e), rc = 0;
	ssize_t n;

	if (fd == -1)
		return -1;
	do {
		imgp_buf_reserve(b, CHUNK);
		if ((n = read(fd, b->s + b->len, CHUNK)) > 0)
			b->len += (size_t)n;
	} while (n > 0);
	b->s[b->len] = '\0';
	if (n == -1)
		rc = fail(d, name, e);
	close(fd);
	return rc;
}

int
imgp_rundir_has(const struct imgp_rundir *d, const char *name)
{
	return faccessat(d->fd, name, F_OK, 0) == 0;
}

int
imgp_rundir_write(const struct imgp_rundir *d, const char *name, const void *p,
    size_t len, struct imgp_err *e)
{
	char *temporary = imgp_asprintf("%s.new", name);
	int fd = openat(d->fd, temporary, O_WRONLY | O_CREAT | O_TRUNC |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = -1;

	if (fd != -1) {
		rc = imgp_write_all(fd, p, len) == -1 || fsync(fd) == -1 ? -1 : 0;
		if (close(fd) == -1)
			rc = -1;
	}
	if (rc == 0)
		rc = renameat(d->fd, temporary, d->fd, name);
	if (rc == -1)
		fail(d, name, e);
	free(temporary);
	return rc;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **
imgp_rundir_list(const struct imgp_rundir *d, const char *sub,
    struct imgp_err *e)
{
	char **names = imgp_alloc(sizeof *names);
	int fd = openat(d->fd, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	size_t n = 0;

	if (dir == NULL) {
		fail(d, sub, e);
		if (fd != -1)
			close(fd);
		free(names);
		return NULL;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		names[n++] = imgp_strdup(entry->d_name);
		names = imgp_realloc(names, n + 1, sizeof *names);
	}
	closedir(dir);
	names[n] = NULL;
	qsort(names, n, sizeof *names, by_name);
	return names;
}

void
imgp_rundir_free_list(char **names)
{
	size_t i;

	for (i = 0; names != NULL && names[i] != NULL; i++)
		free(names[i]);
	free(names);
}

unsigned long
imgp_rundir_try(const char *name)
{
	size_t digits = strspn(name, "0123456789"), more;

	if (digits == 0 || digits > 9 || name[digits] != '-')
		return 0;
	more = strspn(name + digits + 1, "0123456789");
	if (more == 0 || (name[digits + 1 + more] != '\0' &&
	    name[digits + 1 + more] != '.'))
		return 0;
	return strtoul(name, NULL, 10);
}

/* --- settings ------------------------------------------------------------------- */

/* What one process of a run tells the next, and what belongs to one machine. */
static int
is_private(const char *name)
{
	static const char *const names[] = { "IMGP_RUN", "IMGP_CONFIG",
	    "IMGP_BOARD", "IMGP_READY_FD", "IMGP_CALLER_PATH" };
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return 1;
	return 0;
}

/* Nonzero when ${name} is one of the words of ${list}. */
static int
is_among(const char *name, const char *list)
{
	char **words = imgp_program_words(list == NULL ? "" : list);
	int found = 0;
	size_t i;

	for (i = 0; words[i] != NULL && !found; i++)
		found = strcmp(words[i], name) == 0;
	imgp_program_free_words(words);
	return found;
}

/* Nonzero when a shard needs the variable ${name}. */
static int
is_setting(const char *name)
{
	static const char *const names[] = { "SSL_CERT_FILE", "SSL_CERT_DIR",
	    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
	    "ALL_PROXY", "no_proxy", "NO_PROXY" };
	const char *section = NULL;
	size_t i;

	if (is_private(name))
		return 0;
	if (strncmp(name, "IMGP_", 5) == 0 || strncmp(name, "AWS_", 4) == 0 ||
	    strncmp(name, "PG", 2) == 0)
		return 1;
	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return 1;
	for (i = 0;; i++) {
		if (is_among(name, imgp_conf(section, "extra_env")))
			return 1;
		if ((section = imgp_conf_section(i)) == NULL)
			return 0;
	}
}

static int
copy_config(const struct imgp_rundir *d, struct imgp_err *e)
{
	const char *path = getenv("IMGP_CONFIG");
	struct imgp_buf b = IMGP_BUF_INIT;
	ssize_t n = -1;
	int fd, rc = -1;

	if (path == NULL || *path == '\0')
		return 0;
	imgp_buf_reserve(&b, CONF_MAX);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1)
		while ((n = read(fd, b.s + b.len, CONF_MAX - b.len)) > 0)
			b.len += (size_t)n;
	if (n == -1)
		imgp_fail_errno(e, IMGP_E_CONFIG, "%s", path);
	else if (b.len == CONF_MAX)
		imgp_fail(e, IMGP_E_CONFIG, "%s: is too large", path);
	else
		rc = imgp_rundir_write(d, "config", b.s, b.len, e);
	if (fd != -1)
		close(fd);
	imgp_buf_release(&b);
	return rc;
}

int
imgp_rundir_save_conf(const struct imgp_rundir *d, char *const options[],
    struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char *name;
	size_t i;
	int rc = 0, wanted;

	for (i = 0; environ[i] != NULL && rc == 0; i++) {
		name = imgp_strndup(environ[i], strcspn(environ[i], "="));
		wanted = is_setting(name);
		if (wanted && strchr(environ[i], '\n') != NULL)
			rc = imgp_fail(e, IMGP_E_CONFIG, "%s holds a newline, "
			    "which cannot be handed to shards", name);
		else if (wanted)
			imgp_buf_printf(&b, "%s\n", environ[i]);
		free(name);
	}
	for (i = 0; options[i] != NULL && rc == 0; i++) {
		if (strchr(options[i], '\n') != NULL)
			rc = imgp_fail(e, IMGP_E_CONFIG, "an option holds a "
			    "newline, which cannot be handed to shards");
		imgp_buf_printf(&b, "%s\n", options[i]);
	}
	if (rc == 0 && (copy_config(d, e) == -1 ||
	    imgp_rundir_write(d, "conf", b.s, b.len, e) == -1))
		rc = -1;
	imgp_buf_release(&b);
	return rc;
}

/* No setting of imgpipe's but those of the directory. */
static void
forget_settings(void)
{
	char *name;
	size_t i = 0;

	while (environ[i] != NULL) {
		name = imgp_strndup(environ[i], strcspn(environ[i], "="));
		if (strncmp(name, "IMGP_", 5) != 0 || unsetenv(name) == -1)
			i++;
		free(name);
	}
}

/* One line of conf. */
static int
take_line(char *line, int all, char ***options, size_t *n)
{
	char *value = strchr(line, '=');

	if (strncmp(line, "--", 2) == 0) {
		*options = imgp_realloc(*options, *n + 2, sizeof **options);
		(*options)[(*n)++] = imgp_strdup(line);
		(*options)[*n] = NULL;
		return 0;
	}
	if (*line == '\0' || *line == '#')
		return 0;
	if (value == NULL || value == line)
		return -1;
	*value = '\0';
	return setenv(line, value + 1, all);
}

static int
take_conf(const struct imgp_rundir *d, FILE *fp, int all, char ***options,
    struct imgp_err *e)
{
	char *line = NULL;
	size_t size = 0, n = 0, number = 0;
	ssize_t len;
	int rc = 0;

	while (rc == 0 && (len = getline(&line, &size, fp)) != -1) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (take_line(line, all, options, &n) == -1)
			rc = imgp_fail(e, IMGP_E_CONFIG, "%s/conf: line %zu: "
			    "neither NAME=VALUE nor an option", d->path, number);
	}
	if (rc == 0 && ferror(fp))
		rc = fail(d, "conf", e);
	free(line);
	return rc;
}

int
imgp_rundir_load_conf(const struct imgp_rundir *d, int all, char ***options,
    struct imgp_err *e)
{
	char *config;
	FILE *fp;
	int fd, rc;

	*options = imgp_alloc(sizeof **options);
	if ((fd = openat(d->fd, "conf", O_RDONLY | O_CLOEXEC)) == -1)
		return errno == ENOENT && !all ? 0 : fail(d, "conf", e);
	if ((fp = fdopen(fd, "r")) == NULL)
		imgp_oom();
	if (all)
		forget_settings();
	rc = take_conf(d, fp, all, options, e);
	fclose(fp);
	if (rc == 0 && imgp_rundir_has(d, "config")) {
		config = imgp_asprintf("%s/config", d->path);
		rc = setenv("IMGP_CONFIG", config, all);
		free(config);
	}
	return rc;
}

/* --- runs of workers ---------------------------------------------------------------- */

static char *
run_file(const char *run)
{
	return imgp_asprintf("runs/%s", run);
}

int
imgp_rundir_begin(const struct imgp_rundir *d, const char *run,
    struct imgp_err *e)
{
	char *name = run_file(run);
	int fd = imgp_lock(d->fd, name, LOCK_EX | LOCK_NB);

	if (fd == -1 || fcntl(fd, F_SETFD, 0) == -1)
		fd = fail(d, name, e);
	free(name);
	return fd;
}

int
imgp_rundir_is_alive(const struct imgp_rundir *d, const char *run)
{
	char *name = run_file(run);
	int fd = imgp_lock(d->fd, name, LOCK_EX | LOCK_NB);
	int alive = fd == -1 && errno == EWOULDBLOCK;

	if (fd != -1)
		close(fd);
	free(name);
	return alive;
}

void
imgp_rundir_forget(const struct imgp_rundir *d, const char *run)
{
	char *name = run_file(run);

	(void)unlinkat(d->fd, name, 0);
	free(name);
}
