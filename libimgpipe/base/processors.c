#include <sched.h>

#include "libimgpipe/base/processors.h"

int
imgp_processors(void)
{
	cpu_set_t set;
	int n;

	/* The kernel refuses a set that is too small for it: 1024 processors. */
	if (sched_getaffinity(0, sizeof set, &set) == -1)
		return 1;
	n = CPU_COUNT(&set);
	return n < 1 ? 1 : n;
}
