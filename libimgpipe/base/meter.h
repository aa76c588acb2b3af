/* Bytes, rate and time left of one transfer, on a terminal of the caller's. */
#ifndef IMGPIPE_METER_H
#define IMGPIPE_METER_H

#include <stdint.h>
#include <stdio.h>

struct imgp_meter {
	FILE	*to;		/* NULL: it shows nothing */
	int	shown;		/* a line stands there */
	int64_t	start, last;	/* monotonic milliseconds */
};

/* Show on ${to}, the caller's; nothing where that is NULL or no terminal. */
void	imgp_meter_init(struct imgp_meter *m, FILE *to);
/* As imgp_progress wants it; ${arg} is the meter. */
void	imgp_meter_moved(void *arg, int64_t bytes, int64_t total);
/* Wipe the line. */
void	imgp_meter_end(struct imgp_meter *m);

#endif
