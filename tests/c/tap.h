/* TAP for the C test programs: ok(), is(), and done_testing() at main's end. */
#ifndef IMGPIPE_TAP_H
#define IMGPIPE_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tap_run, tap_failed;

static int __attribute__((__format__(printf, 2, 3)))
ok(int good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	if (!good)
		tap_failed++;
	return good;
}

/* Two texts, either of which may be NULL, are equal. */
static int __attribute__((__unused__))
is(const char *got, const char *want, const char *title)
{
	int good = got == NULL || want == NULL ? got == want :
	    strcmp(got, want) == 0;

	ok(good, "%s", title);
	if (!good)
		printf("#      got: %s\n# expected: %s\n",
		    got == NULL ? "(null)" : got, want == NULL ? "(null)" : want);
	return good;
}

static int
done_testing(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed != 0;
}

#endif
