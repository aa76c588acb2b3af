/* imgp-queue: uploads by the messages of an SQS queue (imgp-queue(1)). */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/steps/queue.h"

enum { OPT_WAIT = 256, OPT_MOST, OPT_KEEP };

static const struct imgp_opt opts[] = {
	{ OPT_WAIT, "wait", NULL, "receive: wait for a first message" },
	{ OPT_MOST, "max", "N", "receive: at most so many messages" },
	{ OPT_KEEP, "keep", "TIME",
	    "receive: for how long a message is kept at a time" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[-qv] receive [--wait] [--max N] [--keep TIME] URL",
	"[-qv] done <jobs",
	NULL
};
static const struct imgp_tool tool = {
	"imgp-queue", synopsis,
	"Receive events from an SQS queue, and delete them when their jobs end.",
	opts, NULL, IMGP_USES_QUIET | IMGP_USES_VERBOSE
};

static int
put_line(void *arg, const char *line, size_t len)
{
	(void)arg;
	return imgp_write_all(STDOUT_FILENO, line, len) == -1 ||
	    imgp_write_all(STDOUT_FILENO, "\n", 1) == -1 ? -1 : 0;
}

/* The reader sees the end of its input now. */
static void
last(void *arg)
{
	(void)arg;
	close(STDOUT_FILENO);
}

static void
complain(void *arg, const struct imgp_err *e)
{
	int *rc = arg;

	*rc = imgp_exit_worse(*rc, strcmp(e->code, IMGP_E_LOOKUP_EVENT) == 0 ?
	    IMGP_EX_ERRORS : IMGP_EX_TEMPFAIL);
	imgp_complain(e);
}

static int
receive(const struct imgp_queue_options *o)
{
	int rc = IMGP_EX_OK;
	const struct imgp_queue_tell tell = { put_line, last,
	    imgp_passed_over, complain, &rc };
	struct imgp_queue_counts c;
	struct imgp_err e;

	imgp_stop_init();
	if (imgp_queue_receive(o, &tell, &c, &e) == -1)
		imgp_die(&e);
	if (imgp_common.verbose)
		fprintf(stderr, "imgp-queue: %zu received, %zu deleted, %zu "
		    "left for another try\n", c.received, c.deleted, c.left);
	return c.left > 0 ? imgp_exit_worse(rc, IMGP_EX_TEMPFAIL) : rc;
}

static int
done(void)
{
	struct imgp_queue_done *d = imgp_queue_done_new();
	struct imgp_err e;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int rc = IMGP_EX_OK, said;

	while ((n = getline(&line, &size, stdin)) > 0) {
		if (imgp_write_all(STDOUT_FILENO, line, (size_t)n) == -1) {
			warn("standard output");
			rc = imgp_exit_worse(rc, IMGP_EX_TEMPFAIL);
			break;
		}
		if (line[n - 1] == '\n')
			n--;
		said = imgp_queue_done_line(d, line, (size_t)n, &e);
		if (said == -1)
			imgp_complain(&e);
		if (said <= 0)
			rc = imgp_exit_worse(rc, IMGP_EX_TEMPFAIL);
	}
	imgp_queue_done_end(d);
	free(line);
	return rc;
}

/* Take an option of receive's own. */
static void
take_option(struct imgp_queue_options *o, int ch)
{
	long long n;

	switch (ch) {
	case OPT_WAIT:
		o->wait = 1;
		break;
	case OPT_MOST:
		if (imgp_parse_int(optarg, 1, 100000, &n) == -1)
			imgp_usage(&tool, "--max: 1 to 100000");
		o->most = (size_t)n;
		break;
	case OPT_KEEP:
		if (imgp_parse_duration(optarg, &n) == -1 || n < 2 || n > 43200)
			imgp_usage(&tool, "--keep: 2s to 12h");
		o->seconds = (int)n;
		break;
	}
}

/* Options may stand before and after each operand. */
int
main(int argc, char *argv[])
{
	struct imgp_queue_options o = { .most = 1000, .seconds = 300 };
	const char *verb = NULL;
	int ch, own = 0;

	for (;;) {
		for (; (ch = imgp_opt(&tool, argc, argv)) != -1; own = 1)
			take_option(&o, ch);
		if (optind == argc || o.url != NULL)
			break;
		if (verb == NULL)
			verb = argv[optind++];
		else
			o.url = argv[optind++];
	}
	if (verb == NULL)
		imgp_usage(&tool, "receive or done?");
	if (strcmp(verb, "done") == 0) {
		if (own || o.url != NULL)
			imgp_usage(&tool, "done takes finished jobs on standard "
			    "input and nothing else");
		return done();
	}
	if (strcmp(verb, "receive") != 0)
		imgp_usage(&tool, "no such subcommand: %s", verb);
	if (o.url == NULL || optind != argc)
		imgp_usage(&tool, "receive takes the URL of one queue");
	return receive(&o);
}
