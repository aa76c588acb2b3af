/* PKGS: libcjson libcrypto expat */
/*
 * Credentials for tests/cred.t: `cred [unsigned] COMMAND...`, all with one
 * struct imgp_cred.  get: the keys; clock:SECONDS moves the clock;
 * expired:ID; region, endpoint, ca, source; time:TEXT.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/date.h"
#include "libimgpipe/net/cred.h"

static int64_t offset;

static int64_t
now(void *arg)
{
	(void)arg;
	return (int64_t)time(NULL) + offset;
}

static const char *
or_none(const char *s)
{
	return s == NULL ? "-" : s;
}

static void
get(struct imgp_cred *c)
{
	struct imgp_err e = { NULL, "" };
	const struct imgp_cred_keys *k = imgp_cred_get(c, &e);

	if (k == NULL)
		printf("%s: %s\n", e.code, e.msg);
	else
		printf("%s %s %s %s\n", or_none(k->id), or_none(k->secret),
		    or_none(k->token), k->expires == 0 ? "lasts" : "ends");
}

static int
run(struct imgp_cred *c, const char *command)
{
	const char *operand = strchr(command, ':');

	if (strcmp(command, "get") == 0)
		get(c);
	else if (strcmp(command, "region") == 0)
		puts(imgp_cred_region(c));
	else if (strcmp(command, "endpoint") == 0)
		puts(or_none(imgp_cred_endpoint(c)));
	else if (strcmp(command, "ca") == 0)
		puts(or_none(imgp_cred_ca_bundle(c)));
	else if (strcmp(command, "source") == 0)
		puts(imgp_cred_source(c));
	else if (operand != NULL && strncmp(command, "clock", 5) == 0)
		offset += atoll(operand + 1);
	else if (operand != NULL && strncmp(command, "expired", 7) == 0)
		printf("%d\n", imgp_cred_expired(c, operand + 1));
	else if (operand != NULL && strncmp(command, "time", 4) == 0)
		printf("%" PRId64 "\n", imgp_date_iso(operand + 1));
	else
		return -1;
	return 0;
}

int
main(int argc, char *argv[])
{
	struct imgp_err e = { NULL, "" };
	unsigned int flags = 0;
	struct imgp_cred *c;
	int i = 1;

	if (argc > 1 && strcmp(argv[1], "unsigned") == 0) {
		flags = IMGP_CRED_UNSIGNED;
		i++;
	}
	if ((c = imgp_cred_new(flags, now, NULL, &e)) == NULL) {
		printf("%s: %s\n", e.code, e.msg);
		return 1;
	}
	for (; i < argc; i++)
		if (run(c, argv[i]) == -1)
			return 2;
	imgp_cred_free(c);
	return 0;
}
