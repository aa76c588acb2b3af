/* Secrets that stand in files of their own, or that a command writes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf_priv.h"
#include "libimgpipe/base/program.h"
#include "libimgpipe/base/secret.h"

#define SECRET_MAX	65536		/* bytes */
#define COMMAND_SECONDS	60

static int
read_all(int fd, const char *path, struct imgp_buf *b, struct imgp_err *e)
{
	char chunk[4096];
	ssize_t n;

	do {
		n = read(fd, chunk, sizeof chunk);
		if (n > 0 && imgp_buf_add(b, chunk, (size_t)n) == -1) {
			explicit_bzero(chunk, sizeof chunk);
			return imgp_fail(e, IMGP_E_CONFIG, "%s: longer than "
			    "%d bytes", path, SECRET_MAX);
		}
	} while (n > 0 || (n == -1 && errno == EINTR));
	explicit_bzero(chunk, sizeof chunk);
	return n == 0 ? 0 : imgp_fail_errno(e, IMGP_E_CONFIG, "%s", path);
}

static int
by_file(const char *path, struct imgp_buf *b, struct imgp_err *e)
{
	int fd, rc;

	if ((fd = imgp_secret_open(path, e)) == -1)
		return -1;
	rc = read_all(fd, path, b, e);
	close(fd);
	return rc;
}

/* Its words may be secrets: only its path is told. */
static int
by_command(const char *command, struct imgp_buf *b, struct imgp_err *e)
{
	char **words = imgp_program_words(command);
	struct imgp_program p = { words, environ, "", 0, SECRET_MAX,
	    COMMAND_SECONDS };
	enum imgp_program_end end;
	int n, rc;

	if ((rc = imgp_program_run(&p, b, &end, &n, e)) == -1)
		;
	else if (end == IMGP_PROGRAM_EXITED && n != 0)
		rc = imgp_fail(e, IMGP_E_CONFIG, "%s ended with status %d",
		    words[0], n);
	else if (end != IMGP_PROGRAM_EXITED)
		rc = imgp_fail(e, IMGP_E_CONFIG, "%s %s", words[0],
		    end == IMGP_PROGRAM_KILLED ? "was killed" :
		    end == IMGP_PROGRAM_LATE ? "took longer than a minute" :
		    end == IMGP_PROGRAM_TOO_MUCH ? "wrote too much" :
		    "was ended with this program");
	imgp_program_free_words(words);
	return rc;
}

/* All of it, or its first line: the caller's. */
static char *
text_of(const struct imgp_buf *b, unsigned int flags, struct imgp_err *e)
{
	size_t len = flags & IMGP_CONF_LINES ? b->len :
	    strcspn(b->s, "\r\n");

	if (memchr(b->s, '\0', b->len) != NULL)
		imgp_fail(e, IMGP_E_CONFIG, "a NUL in it");
	else if (len == 0)
		imgp_fail(e, IMGP_E_CONFIG, "nothing in its first line");
	else
		return imgp_strndup(b->s, len);
	return NULL;
}

int
imgp_conf_read_secret(const struct imgp_conf_source *s, struct imgp_err *e)
{
	const struct imgp_conf_row *row = &imgp_conf_rows[s->which];
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_err why;
	int rc;

	b.max = SECRET_MAX;
	rc = row->flags & IMGP_CONF_BY_COMMAND ?
	    by_command(s->given, &b, &why) : by_file(s->given, &b, &why);
	if (rc == 0 && (*s->secret = text_of(&b, row->flags, &why)) == NULL)
		rc = -1;
	if (rc == -1)
		imgp_fail(e, why.code, "%s%s: %s",
		    s->origin == IMGP_CONF_CREDENTIAL ? "credential " : "",
		    row->name, why.msg);
	explicit_bzero(b.s, b.len);
	imgp_buf_release(&b);
	return rc;
}
