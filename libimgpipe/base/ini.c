#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/ini.h"

#define ROOM	((size_t)4096)		/* at first; IMGP_INI_MAX is a power of two
					 * times as much */

struct reader {
	unsigned int	 flags;
	imgp_ini_setting *fn;
	void		*arg;
	char		*section;
	char		*parent;	/* the setting before, or NULL */
	size_t		 indent;	/* how far that was indented */
	size_t		 line;		/* its number */
};

/* Cut white space off both ends, in place. */
static char *
trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	for (n = strlen(s); n > 0 && isspace((unsigned char)s[n - 1]); n--)
		;
	s[n] = '\0';
	return s;
}

/* Cut off what follows white space and '#' or ';'. */
static void
cut_comment(char *s)
{
	char *p;

	for (p = s; *p != '\0'; p++)
		if ((*p == '#' || *p == ';') &&
		    (p == s || isspace((unsigned char)p[-1]))) {
			*p = '\0';
			return;
		}
}

static int
take_section(struct reader *r, char *s, struct imgp_err *e)
{
	size_t n;

	if (r->flags & IMGP_INI_AWS)
		cut_comment(s);
	n = strlen(s = trim(s));
	if (n < 3 || s[n - 1] != ']')
		return imgp_fail(e, IMGP_E_CONFIG, "a section is [NAME]");
	s[n - 1] = '\0';
	free(r->section);
	r->section = imgp_strdup(trim(s + 1));
	free(r->parent);
	r->parent = NULL;
	return 0;
}

static int
take_line(struct reader *r, char *line, struct imgp_err *e)
{
	char *key = trim(line), *value, *p, *whole = NULL;
	size_t indent = (size_t)(key - line);
	int below, rc;

	if (*key == '\0' || *key == '#' || *key == ';')
		return 0;
	if (*key == '[')
		return take_section(r, key, e);
	below = r->flags & IMGP_INI_AWS && r->parent != NULL &&
	    indent > r->indent;
	if ((value = strchr(key, '=')) == NULL) {
		if (below)
			return 0;	/* more of a value we do not read */
		return imgp_fail(e, IMGP_E_CONFIG,
		    "neither key = value nor [NAME]");
	}
	*value++ = '\0';
	key = trim(key);
	if (r->flags & IMGP_INI_AWS) {
		cut_comment(value);
		for (p = key; *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
	}
	if (below) {
		key = whole = imgp_asprintf("%s.%s", r->parent, key);
	} else {
		free(r->parent);
		r->parent = imgp_strdup(key);
		r->indent = indent;
	}
	rc = r->fn(r->arg, r->section, key, trim(value), r->line, e);
	free(whole);
	return rc;
}

/* Twice the room for a text that fills it; nothing of it stays in the old one. */
static char *
double_room(char *s, size_t len)
{
	char *new = imgp_alloc(2 * len + 1);

	memcpy(new, s, len);
	explicit_bzero(s, len);
	free(s);
	return new;
}

/* All of ${path}: ${*len} bytes and a NUL, the caller's to free. */
static char *
read_all(const char *path, size_t *len, struct imgp_err *e)
{
	size_t room = ROOM;
	char *s = imgp_alloc(room + 1);
	ssize_t n = 0;
	int fd;

	*len = 0;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1)
		while (*len < IMGP_INI_MAX &&
		    (n = read(fd, s + *len, room - *len)) > 0)
			if ((*len += (size_t)n) == room && room < IMGP_INI_MAX) {
				s = double_room(s, room);
				room *= 2;
			}
	if (fd == -1 || n == -1)
		imgp_fail_errno(e, IMGP_E_CONFIG, "%s", path);
	else if (*len == IMGP_INI_MAX)
		imgp_fail(e, IMGP_E_CONFIG, "%s: longer than 1 MiB", path);
	else if (memchr(s, '\0', *len) != NULL)
		imgp_fail(e, IMGP_E_CONFIG, "%s: a NUL in it", path);
	else {
		close(fd);
		return s;
	}
	if (fd != -1)
		close(fd);
	explicit_bzero(s, *len);
	free(s);
	return NULL;
}

int
imgp_ini_read(const char *path, unsigned int flags, imgp_ini_setting *fn,
    void *arg, struct imgp_err *e)
{
	struct reader r = { flags, fn, arg, NULL, NULL, 0, 0 };
	struct imgp_err why = { NULL, "" };
	char *text, *line, *next;
	size_t len;
	int rc = -1;

	if ((text = read_all(path, &len, e)) == NULL)
		return -1;
	r.section = imgp_strdup("");
	for (line = text; line != NULL; line = next) {
		r.line++;
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		if (take_line(&r, line, &why) == -1) {
			imgp_fail(e, why.code, "%s:%zu: %s", path, r.line,
			    why.msg);
			goto out;
		}
	}
	rc = 0;
out:
	explicit_bzero(text, len);
	free(text);
	free(r.section);
	free(r.parent);
	return rc;
}
