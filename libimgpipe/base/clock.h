/* A clock for deadlines and intervals; setting the system's time does not move it. */
#ifndef IMGPIPE_CLOCK_H
#define IMGPIPE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC (clock_gettime(2)). */
int64_t	imgp_clock_ms(void);

#endif
