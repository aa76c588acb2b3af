#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/supervise_watch.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/board.h"

/* Nonzero when it is to be shown while the run goes on. */
static int
is_shown(const struct watch *w)
{
	const char *term = getenv("TERM");

	if (w->show == NULL || (w->progress != NULL &&
	    strcmp(w->progress, "never") == 0))
		return 0;
	return w->json || (!imgp_common.quiet && isatty(STDERR_FILENO) &&
	    term != NULL && strcmp(term, "dumb") != 0);
}

static void
tick(void *arg)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct watch *w = arg;

	if (w->json)
		imgp_show_json(w->show, &b);
	else {
		/* What others write begins where the line does. */
		imgp_buf_puts(&b, "\r\033[K");
		imgp_show_line(w->show, &b);
		imgp_buf_puts(&b, "\r");
		w->stands = 1;
	}
	(void)imgp_write_all(STDERR_FILENO, b.s, b.len);
	imgp_buf_release(&b);
}

void
watch_begin(struct watch *w, struct imgp_supervise *s)
{
	char *board, *inputs;
	struct imgp_err e;

	if (imgp_common.dry_run)
		return;
	board = imgp_asprintf("%s/%s/board", s->spool, s->run);
	inputs = imgp_asprintf("%s/%s/inputs", s->spool, s->run);
	w->json = w->progress != NULL && strcmp(w->progress, "json") == 0;
	if (imgp_board_make(board, &e) == -1)
		imgp_complain(&e);
	else
		w->show = imgp_show_new(s->run, inputs);
	free(board);
	free(inputs);
	if ((w->shown = is_shown(w))) {
		s->tick = tick;
		s->arg = w;
	}
}

/* Written beside ${path} and renamed, so that nobody reads half of it. */
static int
write_metrics(const struct watch *w, const char *path, int status)
{
	char *temporary = imgp_asprintf("%s.%ld", path, (long)getpid());
	struct imgp_buf b = IMGP_BUF_INIT;
	int fd, rc = -1;

	imgp_show_metrics(w->show, status, &b);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0644);
	if (fd != -1) {
		(void)fchmod(fd, 0644);		/* a scraper is somebody else */
		rc = imgp_write_all(fd, b.s, b.len);
		if (close(fd) == -1 || rc == -1 ||
		    rename(temporary, path) == -1)
			rc = -1;
	}
	if (rc == -1) {
		fprintf(stderr, "%s: %s: %s\n", imgp_progname, path,
		    strerror(errno));
		unlink(temporary);
	}
	imgp_buf_release(&b);
	free(temporary);
	return rc;
}

int
watch_end(struct watch *w, int status)
{
	if (w->shown && w->json)
		tick(w);
	else if (w->stands)
		(void)imgp_write_all(STDERR_FILENO, "\r\033[K", 4);
	if (w->metrics != NULL && (w->show == NULL ||
	    write_metrics(w, w->metrics, status) == -1))
		status = imgp_exit_worse(status, IMGP_EX_TEMPFAIL);
	imgp_show_free(w->show);
	return status;
}
