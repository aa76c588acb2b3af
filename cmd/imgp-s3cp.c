/*
 * imgp-s3cp: moves a job's object from one of its places to the next, or one
 * object from one URL to another.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/s3cp.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/net/aws.h"
#include "libimgpipe/steps/transfer.h"
#include "libimgpipe/store/s3.h"

enum { OPT_KEEP = 256, OPT_READBACK, OPT_REPLACE, OPT_ANONYMOUS, OPT_INCLUDE,
    OPT_EXCLUDE, OPT_ENDPOINT, OPT_REGION, OPT_PROFILE };

static const struct imgp_opt opts[] = {
	{ OPT_KEEP, "keep", NULL, "leave what was copied where it was" },
	{ OPT_READBACK, "readback", NULL, "read all that was written again" },
	{ OPT_REPLACE, "replace", NULL, "URLs: replace what lies at TO" },
	{ 'r', "recursive", NULL, "URLs: all that lies below FROM/" },
	{ OPT_INCLUDE, "include", "PATTERN", "-r: only such names" },
	{ OPT_EXCLUDE, "exclude", "PATTERN", "-r: no such names" },
	{ OPT_ANONYMOUS, "no-sign-request", NULL, "S3: ask without a name" },
	{ OPT_ENDPOINT, "endpoint-url", "URL", "S3: the service's address" },
	{ OPT_REGION, "region", "REGION", "S3: the region" },
	{ OPT_PROFILE, "profile", "NAME", "S3: credentials of this profile" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[-nqv] [-j N] [--keep] source local",
	"[-nqv] [-j N] [--keep] local temp",
	"[-nqv] [-j N] [--keep] [--readback] temp destination",
	"[-nqv] [--readback] [--replace] FROM TO",
	"-r [-nqv] [-j N] [--include PATTERN] [--exclude PATTERN]\n"
	"                 [--readback] [--replace] FROM/ TO/",
	NULL
};
static const char *(*const libs[])(void) = { imgp_s3_version, NULL };
static const struct imgp_tool tool = {
	"imgp-s3cp", synopsis,
	"Move each job's object from one of its places to the next; or copy the\n"
	"object at the URL FROM, or all below FROM/, to the URL TO.", opts, libs,
	IMGP_USES_JOBS | IMGP_USES_DRY_RUN | IMGP_USES_QUIET | IMGP_USES_VERBOSE |
	IMGP_USES_PRETTY
};

static void
add_pattern(const char ***list, size_t *n, const char *pattern)
{
	*list = imgp_realloc(*list, *n + 1, sizeof **list);
	(*list)[(*n)++] = pattern;
}

/* A profile that is named goes before keys of the environment, as in AWS's tools. */
static void
take_profile(const char *name)
{
	static const char *const keys[] = { "AWS_ACCESS_KEY_ID",
	    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN" };
	size_t i;

	for (i = 0; i < sizeof keys / sizeof *keys; i++)
		unsetenv(keys[i]);
	setenv("AWS_PROFILE", name, 1);
}

/* Whether URLs are copied, not jobs.  A path with a slash becomes a URL. */
static int
take_operands(char *argv[])
{
	struct imgp_err e;
	int i, urls = 0;

	for (i = 0; i < 2; i++)
		if (strstr(argv[i], "://") != NULL)
			urls++;
		else if (strchr(argv[i], '/') != NULL) {
			if ((argv[i] = imgp_place_of_path(argv[i], &e)) == NULL)
				imgp_die(&e);
			urls++;
		}
	for (i = 0; i < 2 && urls > 0; i++)
		if (strstr(argv[i], "://") == NULL)
			imgp_usage(&tool, "%s: a place begins with file:// or "
			    "s3://, a path has a slash: ./%s", argv[i],
			    argv[i]);
	return urls > 0;
}

int
main(int argc, char *argv[])
{
	struct imgp_tree which = { .flags = IMGP_COPY_CREATE };
	struct imgp_err e = { NULL, "" };
	int ch, is_url, recursive = 0, replace = 0, status;
	unsigned int hop = 0;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case OPT_KEEP:
			hop |= IMGP_TRANSFER_KEEP;
			break;
		case OPT_READBACK:
			hop |= IMGP_TRANSFER_READBACK;
			which.flags |= IMGP_COPY_READBACK;
			break;
		case OPT_ANONYMOUS:
			imgp_aws_anonymous();
			break;
		case OPT_ENDPOINT:
			setenv("AWS_ENDPOINT_URL_S3", optarg, 1);
			unsetenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
			break;
		case OPT_REGION:
			setenv("AWS_REGION", optarg, 1);
			break;
		case OPT_PROFILE:
			take_profile(optarg);
			break;
		case OPT_REPLACE:
			replace = 1;
			which.flags &= ~IMGP_COPY_CREATE;
			break;
		case 'r':
			recursive = 1;
			break;
		case OPT_INCLUDE:
			add_pattern(&which.include, &which.ninclude, optarg);
			break;
		case OPT_EXCLUDE:
			add_pattern(&which.exclude, &which.nexclude, optarg);
			break;
		}
	argv += optind;
	if (argc - optind != 2)
		imgp_usage(&tool, "two operands are wanted, FROM and TO");
	if (imgp_conf_load(&e) == -1)
		imgp_die(&e);
	imgp_stop_init();
	signal(SIGXFSZ, SIG_IGN);	/* a write fails instead */
	if (imgp_common.dry_run)
		hop |= IMGP_TRANSFER_DRY;
	is_url = take_operands(argv);
	if (recursive && !is_url)
		imgp_usage(&tool, "-r wants two URLs");
	if (!recursive && which.ninclude + which.nexclude > 0)
		imgp_usage(&tool, "--include and --exclude want -r");
	if (is_url && hop & IMGP_TRANSFER_KEEP)
		imgp_usage(&tool, "--keep is for jobs");
	if (!is_url && replace)
		imgp_usage(&tool, "--replace wants two URLs");
	status = recursive ? s3cp_tree(&which, argv[0], argv[1]) :
	    is_url ? s3cp_object(argv[0], argv[1],
	    which.flags | IMGP_COPY_LOOK_AGAIN) :
	    s3cp_jobs(argv[0], argv[1], hop);
	free(which.include);
	free(which.exclude);
	return status;
}
