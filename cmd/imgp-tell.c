/*
 * imgp-tell: a letter to the admins with what comes on standard input; only
 * imgpipe-failed@.service starts it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/mail/carrier.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/report/post.h"

#define TEXT_MAX	16384		/* bytes that are taken */

static const struct imgp_opt opts[] = { { 0, NULL, NULL, NULL } };
static const char *const synopsis[] = { "[-n] SUBJECT <text", NULL };
static const char *(*const libs[])(void) = { imgp_db_version,
    imgp_carrier_version, NULL };
static const struct imgp_tool tool = { "imgp-tell", synopsis,
	"Send the admins a letter.", opts, libs, IMGP_USES_DRY_RUN };

/* Line by line, with what cannot be shown written as \xNN. */
static void
add_lines(struct imgp_buf *b, const char *s, size_t len)
{
	char line[1024];
	size_t n;

	for (; len > 0; s += n, len -= n) {
		n = (size_t)((const char *)memchr(s, '\n', len) == NULL ? len :
		    (size_t)((const char *)memchr(s, '\n', len) - s));
		imgp_printable(line, sizeof line, s, n);
		imgp_buf_printf(b, "    %s\n", line);
		n += n < len;
	}
}

static char *
take_text(void)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char given[TEXT_MAX];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof given && ((n = read(STDIN_FILENO, given + len,
	    sizeof given - len)) > 0 || (n == -1 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	imgp_buf_puts(&b, "A service of imgpipe ended in failure.  It starts again "
	    "at its next time;\nwhat keeps failing needs somebody: "
	    "imgp-run --doctor, and imgpipe-operator(7).\n\n");
	imgp_buf_puts(&b, len == 0 ? "It left no words in the journal.\n" :
	    "Its last words in the journal:\n\n");
	add_lines(&b, given, len);
	return imgp_buf_steal(&b);
}

int
main(int argc, char *argv[])
{
	struct imgp_letter l = { .to = IMGP_TO_ADMINS, .date = time(NULL) };
	struct imgp_post *p = NULL;
	struct imgp_err e;
	char *text, *about;
	int rc = IMGP_EX_OK;

	imgp_conf_want(IMGP_SECRETS_RECORD | IMGP_SECRETS_MAIL);
	while (imgp_opt(&tool, argc, argv) != -1)
		;
	if (argc - optind != 1)
		imgp_usage(&tool, "one operand is wanted: SUBJECT");
	if (imgp_conf_load_but(imgp_complain, &e) == -1 ||
	    (p = imgp_post_open(&e)) == NULL)
		imgp_die(&e);
	l.subject = argv[optind];
	l.text = text = take_text();
	l.about = about = imgp_asprintf("tell %lld %d", (long long)l.date,
	    (int)getpid());
	if (!imgp_common.dry_run) {
		if (imgp_post_letter(p, &l, &e) == -1)
			imgp_die(&e);
		rc = imgp_post_flush(p, imgp_complain);
	}
	imgp_post_close(p);
	free(about);
	free(text);
	return rc;
}
