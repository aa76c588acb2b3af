/* Bytes, rate and time left of one transfer, on standard error. */
#ifndef IMGPIPE_METER_H
#define IMGPIPE_METER_H

#include <stdint.h>

struct imgp_meter {
	int	on;		/* standard error is a terminal */
	int	shown;		/* a line stands there */
	int64_t	start, last;	/* monotonic milliseconds */
};

/* Silent with ${quiet}, and where standard error is no terminal. */
void	imgp_meter_init(struct imgp_meter *m, int quiet);
/* As imgp_progress wants it; ${arg} is the meter. */
void	imgp_meter_moved(void *arg, int64_t bytes, int64_t total);
/* Wipe the line. */
void	imgp_meter_end(struct imgp_meter *m);

#endif
