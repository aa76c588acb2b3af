#include <sys/random.h>

#include <time.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/job/run_id.h"

char *
imgp_run_id_new(void)
{
	unsigned char r[4];
	char stamp[20], hex[9];
	struct tm tm;
	time_t now = time(NULL);
	ssize_t n;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	/* Up to 256 bytes getrandom() gives whole, once the pool is ready. */
	do
		n = getrandom(r, sizeof r, 0);
	while (n != (ssize_t)sizeof r);
	imgp_hex(r, sizeof r, hex);
	return imgp_asprintf("%s-%s", stamp, hex);
}

int
imgp_run_id_is(const char *run)
{
	static const char form[] = "00000000T000000Z-xxxxxxxx";
	size_t i;

	for (i = 0; form[i] != '\0'; i++) {
		int c = (unsigned char)run[i];

		if (form[i] == '0' ? !(c >= '0' && c <= '9') :
		    form[i] == 'x' ? !(c >= '0' && c <= '9') &&
		    !(c >= 'a' && c <= 'f') : c != form[i])
			return 0;
	}
	return run[i] == '\0';
}
