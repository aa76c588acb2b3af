/* The line on the terminal, of a transfer that began a while ago. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "libimgpipe/base/meter.h"
#include "tests/c/tap.h"

/* What the meter writes. */
static const char *
line(int64_t bytes, int64_t total, int64_t seconds, int since_last)
{
	static char buf[256];
	FILE *to = fmemopen(buf, sizeof buf, "w");
	struct imgp_meter m = { .to = to };
	struct timespec ts;

	if (to == NULL)
		exit(1);
	buf[0] = '\0';
	clock_gettime(CLOCK_MONOTONIC, &ts);
	m.last = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	m.start = m.last - seconds * 1000;
	m.last -= since_last;
	imgp_meter_moved(&m, bytes, total);
	fclose(to);
	return buf;
}

int
main(void)
{
	struct imgp_meter m;

	/* So much after so long that a slow test shows the same. */
	is(line(5000000000, 5152500000, 1000, 1000), "\r  5000.0 MB of 5152.5 MB, "
	    " 97 %, 5.0 MB/s, 0:30 left\033[K", "bytes, rate and time left");
	is(line(5000000000, -1, 1000, 1000), "\r  5000.0 MB, 5.0 MB/s\033[K",
	    "without a total: bytes and rate");
	is(line(5000000000, 5000000000, 1000, 1000), "\r  5000.0 MB of 5000.0 "
	    "MB, 100 %, 5.0 MB/s\033[K", "at the end");
	is(line(100000000000, 100723050000, 1000000, 1000), "\r100000.0 MB of "
	    "100723.1 MB,  99 %, 0.1 MB/s, 120:30 left\033[K", "a long one");
	is(line(5000000000, 5152500000, 1000, -100000), "",
	    "not more often than one can read");
	imgp_meter_init(&m, NULL);
	ok(m.to == NULL, "nothing with -q");
	return done_testing();
}
