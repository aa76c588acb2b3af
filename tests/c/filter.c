/* PKGS: libcjson */
/*
 * A filter over the real line loop, for tests/filter.t: `filter MODE [-j N]`.
 * pass: sets "seen"; hold: gives jobs with an even id back only at the end of
 * input; alone: each step in its own process, where the id says what happens.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/opt.h"
#include "libimgpipe/job/filter.h"

static struct imgp_job *held[64];
static size_t nheld;

static int
pass(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	(void)f;
	(void)arg;
	switch (imgp_job_id(job)) {
	case 3:
		return imgp_fail(e, IMGP_E_STORE_NOT_FOUND, "not there\033[1m");
	case 4:
		return imgp_fail(e, IMGP_E_DB_UNAVAILABLE, "away");
	default:
		imgp_job_set_int(job, "seen", 1);
		return 0;
	}
}

static int
hold(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	if (imgp_job_id(job) % 2 != 0)
		return pass(f, job, arg, e);
	held[nheld++] = job;
	return IMGP_STEP_HELD;
}

static int64_t
idle(struct imgp_filter *f, void *arg, int eof)
{
	struct imgp_err e;

	(void)arg;
	if (!eof || nheld == 0)
		return -1;
	nheld--;
	imgp_fail(&e, IMGP_E_LOOKUP_NOT_FOUND, "not found");
	imgp_filter_put(f, held[nheld], imgp_job_id(held[nheld]) == 8 ? &e :
	    NULL);
	return nheld == 0 ? -1 : 5;
}

/* How many are open above standard error. */
static int
count_descriptors(void)
{
	int fd, n = 0;

	for (fd = STDERR_FILENO + 1; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* A line of the file "log", whole. */
static void
note(const char *line)
{
	int fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);

	if (fd == -1 || dprintf(fd, "%s\n", line) < 0)
		abort();
	close(fd);
}

static int
alone(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	switch (imgp_job_id(job)) {
	case 13:
		signal(SIGSEGV, SIG_DFL);	/* a sanitizer has a handler */
		raise(SIGSEGV);
		break;
	case 14:
		pause();
		break;
	case 15:
		_exit(3);
	case 16:
		imgp_job_set_int(job, "subject_event_crf_file_id", 17);
		return 0;
	case 23:
		imgp_job_set_sub_int(job, "bytes", "local",
		    count_descriptors());
		return 0;
	case 18:
		imgp_job_set_str(job, "destination", "file:///elsewhere");
		return 0;
	case 3: case 4:
		return pass(f, job, arg, e);
	case 19:
		note("begin 19");
		if (open("died", O_WRONLY | O_CREAT | O_EXCL, 0600) != -1)
			raise(SIGKILL);
		/* FALLTHROUGH */
	case 20: case 21: case 22:
		note("other");
		note("end");
		/* FALLTHROUGH */
	default:		/* something that a stage may add */
		imgp_job_set_sub_int(job, "bytes", "local", 7);
		return 0;
	}
	return 0;
}

/* Every job but each tenth is refused; ask() answers as ASK says. */
static int
refused(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	(void)f;
	(void)arg;
	if (imgp_job_id(job) % 10 == 0)
		return 0;
	return imgp_fail(e, imgp_job_id(job) < 100 ? IMGP_E_STORE_DENIED :
	    imgp_job_id(job) < 200 ? IMGP_E_STORE_ARCHIVED :
	    IMGP_E_STORE_NOT_FOUND, "refused");
}

static int
ask(struct imgp_job *job, const char *code, void *arg, struct imgp_err *e)
{
	(void)arg;
	fprintf(stderr, "asked for %lld: %s\n", (long long)imgp_job_id(job),
	    code);
	return getenv("ASK") == NULL ? 0 :
	    imgp_fail(e, IMGP_E_STORE_DENIED, "the place refuses");
}

int
main(int argc, char *argv[])
{
	static const char *const synopsis[] = { "MODE", NULL };
	static const struct imgp_tool tool = { "filter", synopsis,
	    "A filter for the tests.", NULL, NULL, 0 };
	struct imgp_filter_ops ops;
	const char *mode;

	memset(&ops, 0, sizeof ops);
	ops.stage = "stamp";
	ops.step = pass;
	if (imgp_opt(&tool, argc, argv) != -1 || optind + 1 > argc)
		imgp_usage(&tool, "no mode");
	mode = argv[optind++];
	if (strcmp(mode, "hold") == 0) {
		ops.step = hold;
		ops.idle = idle;
	} else if (strcmp(mode, "alone") == 0) {
		ops.step = alone;
		ops.flags = IMGP_ISOLATED;
		ops.seconds = 1;
		ops.died = IMGP_E_DICOM_CRASH;
	} else if (strcmp(mode, "sees") == 0) {
		ops.stage = "notify";
		ops.flags = IMGP_SEES_FAILED | IMGP_SEES_SKIPPED;
	} else if (strcmp(mode, "breaks") == 0) {
		ops.stage = "fetch";
		ops.step = refused;
		ops.ask = ask;
	}
	if (optind < argc)
		return imgp_filter_operands(&ops, NULL, 1, argv + optind,
		    (size_t)(argc - optind));
	return imgp_filter_run(&ops, NULL, imgp_common.jobs);
}
