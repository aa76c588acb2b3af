/*
 * imgp-stages: the programs of a run that read no image, loaded once for all of them
 * (warm.h); only imgp-supervise starts it.
 *
 *	imgp-stages - | libcurl
 *
 * imgp-dcmscan, imgp-stamp and imgp-extra are not among them: where an upload is
 * parsed, and where a program of the site's runs, nothing is loaded but what that
 * needs.
 */
#include <curl/curl.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/base/warm.h"

int	imgp_lookup_main(int argc, char *argv[]);
int	imgp_notify_main(int argc, char *argv[]);
int	imgp_record_main(int argc, char *argv[]);
int	imgp_s3cp_main(int argc, char *argv[]);
int	imgp_tally_main(int argc, char *argv[]);

static const struct imgp_warm_program programs[] = {
	{ "imgp-lookup", imgp_lookup_main },
	{ "imgp-notify", imgp_notify_main },
	{ "imgp-record", imgp_record_main },
	{ "imgp-s3cp", imgp_s3cp_main },
	{ "imgp-tally", imgp_tally_main },
	{ NULL, NULL }
};

#if defined __SANITIZE_ADDRESS__
#define SANITIZED		/* looks for leaks at exit(3) */
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

/*
 * exit(3) would have each library take down what it set up.  In a copy that is a write
 * to pages that it shares with all others so far: a third of all page faults of a small
 * run.
 */
static _Noreturn void
leave(int status)
{
#ifdef SANITIZED
	exit(status);
#else
	fflush(NULL);
	_exit(status);
#endif
}

int
main(int argc, char *argv[])
{
	char hex[IMGP_SHA256_HEX];
	struct imgp_warm_call call;
	struct imgp_err e;

	if (argc != 3)
		errx(IMGP_EX_USAGE, "only imgp-run starts this");
	if (strcmp(argv[1], "libcurl") == 0)
		curl_free(NULL);	/* any of its functions loads it (libcurl.c) */
	imgp_sha256_hex("", 0, hex);	/* OpenSSL reads its settings and finds it */
	switch (imgp_warm_serve(programs, argc, argv, &call, &e)) {
	case 0:
		return IMGP_EX_OK;
	case 1:
		leave(call.program->main(call.argc, call.argv));
	default:
		errx(IMGP_EX_USAGE, "only imgp-run starts this: %s", e.msg);
	}
}
