/*
 * imgp-tally: the helper of imgp-run; only scripts start it.
 *
 *	imgp-tally pass [--skip N] [--summary FILE] [--joblog FILE] [--halt WHEN]
 *	    <finished
 *	imgp-tally keep INPUTS <input
 *	imgp-tally missing INPUTS FINISHED
 *	imgp-tally fail CODE <jobs or input lines
 *
 * pass hands finished job lines on, counts them, and knows the run's exit
 * status; when so many failed that the run is to halt, it tells its parent, SIGUSR1
 * for now, SIGUSR2 for soon.  keep hands input lines on, each of which is in the file INPUTS by then;
 * for messages that tell of objects it takes the lines that they stand for.  missing
 * names the inputs that have no finished line.  fail makes
 * failed jobs.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/ready.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/board.h"
#include "libimgpipe/job/breaker.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/job/tally.h"
#include "libimgpipe/steps/event.h"

enum { OPT_SKIP = 256, OPT_SUMMARY, OPT_JOBLOG, OPT_HALT };

static const char *const synopsis[] = {
	"[--skip N] [--summary FILE] [--joblog FILE] [--halt WHEN] pass",
	"[-q] keep INPUTS",
	"missing INPUTS FINISHED",
	"fail CODE",
	NULL
};
static const struct imgp_opt opts[] = {
	{ OPT_SKIP, "skip", "N", "count the first N lines, but do not write them" },
	{ OPT_SUMMARY, "summary", "FILE", "write the counts to FILE" },
	{ OPT_JOBLOG, "joblog", "FILE", "a line for each job, as GNU parallel's" },
	{ OPT_HALT, "halt", "WHEN", "when the run is to halt" },
	{ 0, NULL, NULL, NULL }
};
static const struct imgp_tool tool = { "imgp-tally", synopsis,
	"Count the finished jobs of a run (imgp-run uses it).", opts, NULL,
	IMGP_USES_QUIET
};

/* --- pass ------------------------------------------------------------- */

static void
write_summary(const struct imgp_tally *t, const char *path)
{
	char text[1024];
	FILE *fp = path == NULL ? stderr : fopen(path, "w");

	if (fp == NULL)
		err(IMGP_EX_TEMPFAIL, "%s", path);
	imgp_tally_summary(t, text, sizeof text);
	if (fprintf(fp, "%s\n", text) < 0 ||
	    (fp == stderr ? fflush(fp) : fclose(fp)) == EOF)
		err(IMGP_EX_TEMPFAIL, "%s", path == NULL ? "stderr" : path);
}

struct passing {
	size_t		 skip;
	const char	*summary, *joblog;
	struct imgp_halt halt;
};

/* One that was begun before is gone on with. */
static FILE *
open_joblog(const struct passing *p)
{
	FILE *fp;

	if (p->joblog == NULL)
		return NULL;
	if ((fp = fopen(p->joblog, p->skip > 0 ? "ae" : "we")) == NULL)
		err(IMGP_EX_TEMPFAIL, "%s", p->joblog);
	if (p->skip == 0)
		fputs(imgp_joblog_head, fp);
	return fp;
}

static void
log_job(FILE *fp, const char *line, size_t len, size_t seq)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_joblog_line(line, len - (line[len - 1] == '\n'), seq, &b);
	fwrite(b.s, 1, b.len, fp);
	fflush(fp);
	imgp_buf_release(&b);
}

/* So many jobs failed that the run is to halt: 1.  What is left of it is known by a
 * file in its directory (job/breaker.h), whose name the job has. */
static int
halt(const struct passing *p, const char *line, size_t len)
{
	struct imgp_job *job = imgp_job_parse(line,
	    len - (line[len - 1] == '\n'), NULL);
	int now = p->halt.when == IMGP_HALT_NOW;

	if (job == NULL)
		return 0;
	fprintf(stderr, "imgp-run: halts %s: so many jobs have failed\n",
	    now ? "now" : "soon");
	imgp_breaker_tell_run(job);
	if (imgp_board() != NULL)
		imgp_board()->halt = 1;
	kill(getppid(), now ? SIGUSR1 : SIGUSR2);
	imgp_job_free(job);
	return 1;
}

/*
 * When standard output breaks, the lines are still read to their end: who
 * looks at the first line only must not stop the images behind it.
 */
static int
pass(const struct passing *p)
{
	struct imgp_tally *t = imgp_tally_new();
	size_t size = 0, nlines = 0;
	int broken = 0, halted = p->skip > 0, rc;
	char *line = NULL;
	FILE *joblog = open_joblog(p);
	ssize_t len;

	imgp_ready();
	imgp_board_join();
	while ((len = getline(&line, &size, stdin)) != -1) {
		imgp_tally_add(t, line,
		    (size_t)len - (line[len - 1] == '\n'));
		nlines++;
		if (!halted && imgp_halt_is_due(&p->halt, t))
			halted = halt(p, line, (size_t)len);
		if (nlines <= p->skip)
			continue;
		if (joblog != NULL)
			log_job(joblog, line, (size_t)len, nlines);
		if (broken)
			continue;
		if (imgp_write_all(STDOUT_FILENO, line, (size_t)len) == -1)
			broken = errno;
	}
	if (ferror(stdin))
		err(IMGP_EX_TEMPFAIL, "standard input");
	free(line);
	if (!broken && close(STDOUT_FILENO) == -1)
		broken = errno;
	write_summary(t, p->summary);
	if (joblog != NULL && fclose(joblog) == EOF)
		err(IMGP_EX_TEMPFAIL, "%s", p->joblog);
	rc = imgp_tally_exit(t);
	imgp_tally_free(t);
	if (broken == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	if (broken) {
		fprintf(stderr, "%s: standard output: %s\n", imgp_progname,
		    strerror(broken));
		rc = imgp_exit_worse(rc, IMGP_EX_TEMPFAIL);
	}
	return rc;
}

/* --- keep --------------------------------------------------------------- */

/* Where input lines go.  The file has each first: what a stage took and lost is
 * found there. */
struct keeping {
	int	 fd;
	int	 broken;		/* errno of a write to standard output */
};

static void
keep_line(void *arg, const char *line, size_t len)
{
	struct keeping *k = arg;
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_buf_add(&b, line, len);
	imgp_buf_puts(&b, "\n");
	if (imgp_write_all(k->fd, b.s, b.len) == -1)
		err(IMGP_EX_TEMPFAIL, "the file of input lines");
	if (!k->broken && imgp_write_all(STDOUT_FILENO, b.s, b.len) == -1)
		k->broken = errno;
	imgp_buf_release(&b);
}

static void
keep_complain(void *arg, const struct imgp_err *e)
{
	(void)arg;
	imgp_complain(e);
}

static int
keep(const char *path)
{
	struct keeping k = { open(path, O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC, 0600), 0 };
	const struct imgp_event_sink sink = { keep_line, imgp_passed_over,
	    keep_complain, &k };
	struct imgp_event_lines *events = imgp_event_lines_new(&sink);
	size_t size = 0, len;
	char *line = NULL;
	ssize_t n;

	/* The name under which a person started this. */
	imgp_progname = "imgp-run";
	if (k.fd == -1)
		err(IMGP_EX_TEMPFAIL, "%s", path);
	imgp_ready();
	while ((n = getline(&line, &size, stdin)) != -1) {
		len = (size_t)n - (line[n - 1] == '\n');
		if (!imgp_event_lines_add(events, line, len))
			keep_line(&k, line, len);
	}
	if (ferror(stdin))
		err(IMGP_EX_TEMPFAIL, "standard input");
	imgp_event_lines_end(events);
	imgp_event_lines_free(events);
	free(line);
	return 0;
}

/* --- missing ---------------------------------------------------------- */

static FILE *
open_input(const char *path)
{
	FILE *fp = fopen(path, "re");

	if (fp == NULL)
		err(IMGP_EX_TEMPFAIL, "%s", path);
	return fp;
}

static int
missing(const char *inputs, const char *finished)
{
	const char *source = imgp_conf(NULL, "source");
	struct imgp_match *m = imgp_match_new(source);
	size_t size = 0;
	char *line = NULL;
	ssize_t len;
	FILE *fp;

	fp = open_input(finished);
	while ((len = getline(&line, &size, fp)) != -1)
		imgp_match_finished(m, line,
		    (size_t)len - (line[len - 1] == '\n'));
	if (ferror(fp))
		err(IMGP_EX_TEMPFAIL, "%s", finished);
	fclose(fp);
	fp = open_input(inputs);
	while ((len = getline(&line, &size, fp)) != -1) {
		if (line[len - 1] == '\n')
			len--;
		if (imgp_is_blank(line, (size_t)len) ||
		    imgp_match_take(m, line, (size_t)len))
			continue;
		line[len] = '\n';	/* over the newline or the NUL */
		if (fwrite(line, 1, (size_t)len + 1, stdout) == 0)
			err(IMGP_EX_TEMPFAIL, "standard output");
	}
	if (ferror(fp))
		err(IMGP_EX_TEMPFAIL, "%s", inputs);
	fclose(fp);
	free(line);
	imgp_match_free(m);
	if (fclose(stdout) == EOF)
		err(IMGP_EX_TEMPFAIL, "standard output");
	return 0;
}

/* --- fail ------------------------------------------------------------- */

static struct imgp_job *
accept_any(const char *line, size_t len, void *arg, struct imgp_err *e)
{
	(void)arg;
	(void)e;
	return imgp_tally_job(line, len, imgp_conf(NULL, "source"));
}

static int
step_fail(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	(void)f;
	(void)job;
	return imgp_fail(e, arg, "%s",
	    strcmp(arg, IMGP_E_JOB_CRASH) == 0 ?
	    "a stage died each time it was given this file alone" :
	    "the run ended before this file was done");
}

static const struct imgp_filter_ops fail_ops = {
	.stage = "lookup", .accept = accept_any, .step = step_fail
};

static int
fail(const char *code)
{
	const struct imgp_error *row = imgp_error_find(code);

	if (row == NULL)
		imgp_usage(&tool, "%s: no such error code", code);
	/* The name under which a person started this. */
	imgp_progname = "imgp-run";
	return imgp_filter_run(&fail_ops, (void *)(size_t)row->code, 1);
}

int
main(int argc, char *argv[])
{
	struct passing p = { 0, NULL, NULL, { IMGP_HALT_NEVER, 0, 0 } };
	long long skip = 0;
	struct imgp_err e;
	int ch;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case OPT_SUMMARY: p.summary = optarg; break;
		case OPT_JOBLOG: p.joblog = optarg; break;
		case OPT_HALT:
			if (imgp_halt_parse(optarg, &p.halt) == -1)
				imgp_usage(&tool, "--halt: no such time");
			break;
		case OPT_SKIP:
			if (imgp_parse_int(optarg, 0, INT64_MAX, &skip) == -1)
				imgp_usage(&tool, "--skip: not a number");
			break;
		}
	p.skip = (size_t)skip;
	argc -= optind;
	argv += optind;
	if (argc >= 1 && imgp_conf_load(&e) == -1)
		imgp_die(&e);
	if (argc == 1 && strcmp(argv[0], "pass") == 0)
		return pass(&p);
	if (argc == 2 && strcmp(argv[0], "keep") == 0)
		return keep(argv[1]);
	if (argc == 3 && strcmp(argv[0], "missing") == 0)
		return missing(argv[1], argv[2]);
	if (argc == 2 && strcmp(argv[0], "fail") == 0)
		return fail(argv[1]);
	imgp_usage(&tool, "pass, keep, missing or fail, with operands");
}
