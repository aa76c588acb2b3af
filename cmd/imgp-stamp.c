/*
 * imgp-stamp: writes each series' ATRIUID into its instances.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/encode.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/processors.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/stamp/dcm.h"
#include "libimgpipe/steps/confine.h"
#include "libimgpipe/steps/settings.h"
#include "libimgpipe/steps/stamp_file.h"
#include "libimgpipe/steps/stamp_job.h"

enum { OPT_ID = 256, OPT_SCANS, OPT_TAG, OPT_REPLACE, OPT_TRUST,
	OPT_UNSTAMP, OPT_PROVENANCE, OPT_NO_SANDBOX };

static const struct imgp_opt opts[] = {
	{ 'o', "output", "FILE", "write the stamped upload to FILE, or -" },
	{ OPT_ID, "id", "ID", "the ATRIUID of the one series in the upload" },
	{ OPT_SCANS, "scans", "FILE", "the ATRIUIDs: a job line with scans" },
	{ OPT_TAG, "tag", "TAG",
	    "the element for the id: a keyword or \"GGGG,EEEE [VR]\"" },
	{ OPT_REPLACE, "replace", NULL, "replace another value" },
	{ OPT_PROVENANCE, "provenance", "FILE",
	    "note in FILE what was changed" },
	{ OPT_UNSTAMP, "unstamp", NULL, "undo what the provenance tells" },
	{ OPT_TRUST, "trust", NULL, "do not check the CRC of what is read" },
	{ OPT_NO_SANDBOX, "no-sandbox", NULL,
	    "keep all rights while hostile bytes are read" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[-nqv] [-j N] [--replace] [--tag TAG] [--trust] [--no-sandbox]",
	"[-nqv] [-j N] [--replace] [--tag TAG] [--trust] [--no-sandbox]\n"
	"           --id ID [--provenance FILE] -o OUT IN",
	"[-nqv] [-j N] [--replace] [--tag TAG] [--trust] [--no-sandbox]\n"
	"           --scans FILE [--provenance FILE] -o OUT IN",
	"[-nqv] [--no-sandbox] --unstamp --provenance FILE -o OUT IN",
	NULL
};
static const char *(*const libs[])(void) = { imgp_dcm_version,
    imgp_archive_version, NULL };
static const struct imgp_tool tool = {
	"imgp-stamp", synopsis,
	"Write each series' ATRIUID into the instances of each job's upload; or of\n"
	"the upload IN, giving OUT.  Nothing else in it changes.", opts, libs,
	IMGP_USES_JOBS | IMGP_USES_DRY_RUN | IMGP_USES_QUIET | IMGP_USES_VERBOSE |
	IMGP_USES_PRETTY
};

static void
say(enum imgp_stamp_word word, const struct imgp_err *e)
{
	if (word == IMGP_STAMP_FAULT ||
	    (word == IMGP_STAMP_WARNING && !imgp_common.quiet))
		imgp_complain(e);
	else if ((word == IMGP_STAMP_NOTE && !imgp_common.quiet) ||
	    (word == IMGP_STAMP_COUNTS && imgp_common.verbose))
		fprintf(stderr, "%s: %s\n", imgp_progname, e->msg);
}

/* How long a process may stand still; what is to be said of its sandbox is. */
static unsigned int
confine(void)
{
	struct imgp_err e = { NULL, "" };
	unsigned int seconds;
	int rc = imgp_confine_begin(&seconds, &e);

	if (rc == -1)
		imgp_die(&e);
	if (rc == 1 && !imgp_common.quiet)
		imgp_complain(&e);
	return seconds;
}

/* At exit: DCMTK 3.6.7's logger allocates as it is destroyed, and aborts the process where
 * it cannot.  What failed for want of memory must end with its own status. */
static void
spare_destructors(int status, void *arg)
{
	(void)arg;
	if (status == IMGP_EX_TEMPFAIL) {
		fflush(NULL);
		_exit(status);
	}
}

int
main(int argc, char *argv[])
{
	struct imgp_stamp_job s = { .dry_run = 0 };
	const char *out = NULL, *scans = NULL;
	struct imgp_filter_ops ops;
	struct imgp_err e = { NULL, "" };
	/* Asked before imgp_opt() opens something in its place. */
	int ch, status, closed = fcntl(STDOUT_FILENO, F_GETFD) == -1;

	on_exit(spare_destructors, NULL);
	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case 'o':
			out = optarg;
			break;
		case OPT_ID:
			s.opts.only_id = optarg;
			break;
		case OPT_SCANS:
			scans = optarg;
			break;
		case OPT_TAG:
			s.tag = optarg;
			imgp_conf_option("stamp_tag", optarg, "--tag");
			break;
		case OPT_REPLACE:
			s.opts.replace = 1;
			break;
		case OPT_PROVENANCE:
			s.provenance = optarg;
			break;
		case OPT_UNSTAMP:
			s.unstamp = 1;
			break;
		case OPT_TRUST:
			s.opts.trust = 1;
			break;
		case OPT_NO_SANDBOX:
			imgp_sandbox_off();
			break;
		}
	signal(SIGXFSZ, SIG_IGN);	/* a write fails instead */
	if (closed && (optind == argc || (out != NULL &&
	    (strcmp(out, "-") == 0 || strcmp(out, "/dev/stdout") == 0))))
		imgp_usage(&tool, "standard output is closed");
	s.opts.threads = imgp_common.jobs;
	s.dry_run = imgp_common.dry_run;
	if (imgp_settings_check_stamp(&e) == -1 ||
	    imgp_limits_load(&s.lim, &e) == -1 || (s.tag != NULL &&
	    imgp_stamp_tag_parse(s.tag, &s.opts.tag, &e) == -1))
		imgp_die(&e);
	s.opts.lim = &s.lim;
	imgp_sha256_only();
	if (optind == argc) {
		if (out != NULL || scans != NULL || s.opts.only_id != NULL ||
		    s.provenance != NULL || s.unstamp)
			imgp_usage(&tool, "an operand is wanted: IN");
		imgp_dcm_init();
		/* More would wait for each other: other jobs run beside it. */
		if (s.opts.threads > imgp_processors())
			s.opts.threads = imgp_processors();
		ops = imgp_stamp_ops(confine());
		return imgp_filter_run(&ops, &s, imgp_common.jobs);
	}
	if (argc - optind != 1 || out == NULL)
		imgp_usage(&tool, "one operand and -o OUT are wanted");
	if ((s.opts.only_id != NULL) + (scans != NULL) + s.unstamp != 1)
		imgp_usage(&tool, "one of --id, --scans and --unstamp is wanted");
	if (s.unstamp && (s.provenance == NULL || strcmp(out, "-") == 0))
		imgp_usage(&tool, "--unstamp wants --provenance and a file");
	if (s.provenance != NULL && strcmp(out, "-") == 0)
		imgp_usage(&tool, "--provenance wants a file");
	imgp_dcm_init();
	if ((status = imgp_stamp_file(&s, argv[optind], out, scans, say,
	    &e)) == -1) {
		/* What does not fit will not fit later either. */
		if (!s.unstamp || strcmp(e.code, IMGP_E_STAMP_CHECK) != 0)
			imgp_die(&e);
		imgp_complain(&e);
		status = IMGP_EX_ERRORS;
	}
	return status;
}
