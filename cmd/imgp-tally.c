/*
 * imgp-tally: the helper of imgp-run; only scripts start it.
 *
 *	imgp-tally pass [--written FILE] [--summary FILE] <finished
 *	imgp-tally missing INPUTS FINISHED
 *	imgp-tally fail CODE <jobs or input lines
 *	imgp-tally settings NAME...
 *
 * pass hands finished job lines on, counts them, and knows the run's exit
 * status.  missing names the inputs that have no finished line.  fail makes
 * failed jobs.  settings prints settings, each ended by a NUL, for a shell that
 * must not evaluate them.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/job/tally.h"

enum { OPT_WRITTEN = 256, OPT_SUMMARY };

static const char *const synopsis[] = {
	"[--written FILE] [--summary FILE] pass",
	"missing INPUTS FINISHED",
	"fail CODE",
	"settings NAME ...",
	NULL
};
static const struct imgp_opt opts[] = {
	{ OPT_WRITTEN, "written", "FILE",
	    "count in FILE the lines written; start after those" },
	{ OPT_SUMMARY, "summary", "FILE", "write the counts to FILE" },
	{ 0, NULL, NULL, NULL }
};
static const struct imgp_tool tool = { "imgp-tally", synopsis,
	"Count the finished jobs of a run (imgp-run uses it).", opts, NULL };

/* --- pass ------------------------------------------------------------- */

/* How many lines an earlier imgp-tally of this run wrote. */
static size_t
read_written(int fd)
{
	char text[32];
	ssize_t n;

	if ((n = pread(fd, text, sizeof text - 1, 0)) <= 0)
		return 0;
	text[n] = '\0';
	return (size_t)strtoull(text, NULL, 10);
}

/* The line is out: whoever takes over after a crash need not repeat it. */
static void
note_written(int fd, size_t n)
{
	char text[32];
	int len = snprintf(text, sizeof text, "%zu\n", n);

	if (fd != -1 && (pwrite(fd, text, (size_t)len, 0) == -1 ||
	    lseek(fd, len, SEEK_SET) == -1))
		err(IMGP_EX_TEMPFAIL, "count of lines written");
}

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

/*
 * When standard output breaks, the lines are still read to their end: who
 * looks at the first line only must not stop the images behind it.
 */
static int
pass(const char *written_path, const char *summary_path)
{
	struct imgp_tally *t = imgp_tally_new();
	size_t size = 0, skip = 0, nlines = 0;
	int broken = 0, fd = -1, rc;
	char *line = NULL;
	ssize_t len;

	if (written_path != NULL) {
		fd = open(written_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd == -1)
			err(IMGP_EX_TEMPFAIL, "%s", written_path);
		skip = read_written(fd);
	}
	while ((len = getline(&line, &size, stdin)) != -1) {
		imgp_tally_add(t, line,
		    (size_t)len - (line[len - 1] == '\n'));
		nlines++;
		if (broken || nlines <= skip)
			continue;
		if (imgp_write_all(STDOUT_FILENO, line, (size_t)len) == -1)
			broken = errno;
		else
			note_written(fd, nlines);
	}
	if (ferror(stdin))
		err(IMGP_EX_TEMPFAIL, "standard input");
	free(line);
	if (!broken && close(STDOUT_FILENO) == -1)
		broken = errno;
	write_summary(t, summary_path);
	rc = imgp_tally_exit(t);
	imgp_tally_free(t);
	/* Said in the file, too: nobody need try to write the rest. */
	if (fd != -1 && broken && dprintf(fd, "broken\n") < 0)
		warn("%s", written_path);
	if (fd != -1)
		close(fd);
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
		if (imgp_match_take(m, line, (size_t)len))
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

/* --- settings --------------------------------------------------------- */

/* NAME must have a value, NAME? may be empty. */
static int
settings(char *const names[], int n)
{
	struct imgp_err e;
	const char *value;
	char *name;
	size_t len;
	int i;

	imgp_progname = "imgp-run";
	if (imgp_conf_load(&e) == -1)
		imgp_die(&e);
	for (i = 0; i < n; i++) {
		name = imgp_strdup(names[i]);
		len = strlen(name);
		if (len > 0 && name[len - 1] == '?') {
			name[len - 1] = '\0';
			value = imgp_conf(NULL, name);
		} else if ((value = imgp_conf_need(NULL, name, &e)) == NULL)
			imgp_die(&e);
		if (fwrite(value == NULL ? "" : value, 1,
		    (value == NULL ? 0 : strlen(value)) + 1, stdout) == 0)
			err(IMGP_EX_TEMPFAIL, "standard output");
		free(name);
	}
	if (fclose(stdout) == EOF)
		err(IMGP_EX_TEMPFAIL, "standard output");
	return 0;
}

int
main(int argc, char *argv[])
{
	const char *written = NULL, *summary = NULL;
	struct imgp_err e;
	int ch;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		if (ch == OPT_WRITTEN)
			written = optarg;
		else
			summary = optarg;
	argc -= optind;
	argv += optind;
	if (argc >= 2 && strcmp(argv[0], "settings") == 0)
		return settings(argv + 1, argc - 1);
	if (argc >= 1 && imgp_conf_load(&e) == -1)
		imgp_die(&e);
	if (argc == 1 && strcmp(argv[0], "pass") == 0)
		return pass(written, summary);
	if (argc == 3 && strcmp(argv[0], "missing") == 0)
		return missing(argv[1], argv[2]);
	if (argc == 2 && strcmp(argv[0], "fail") == 0)
		return fail(argv[1]);
	imgp_usage(&tool, "pass, missing, fail or settings, with operands");
}
