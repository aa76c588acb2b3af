#include <stddef.h>

#include "libimgpipe/base/exit.h"

int
imgp_exit_worse(int a, int b)
{
	static const int order[] = { IMGP_EX_USAGE, IMGP_EX_TEMPFAIL,
	    IMGP_EX_ERRORS };
	size_t i;

	if (a > 128 || b > 128)		/* by a signal */
		return a > 128 ? a : b;
	for (i = 0; i < sizeof order / sizeof *order; i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return a != 0 ? a : b;
}
