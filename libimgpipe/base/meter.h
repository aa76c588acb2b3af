/* A progress line for one transfer on a terminal: bytes, rate and time left. */
#ifndef IMGPIPE_METER_H
#define IMGPIPE_METER_H

#include <stdint.h>
#include <stdio.h>

struct imgp_meter {
	FILE	*to;		/* NULL: show nothing */
	int	shown;		/* a line is on the screen */
	int64_t	start, last;	/* monotonic milliseconds */
};

/* Show on ${to}, which stays the caller's; show nothing if it is NULL or no terminal. */
void	imgp_meter_init(struct imgp_meter *m, FILE *to);
/* The ${moved} of struct imgp_progress (store/store.h); ${arg} is the meter. */
void	imgp_meter_moved(void *arg, int64_t bytes, int64_t total);
/* Wipe the line. */
void	imgp_meter_end(struct imgp_meter *m);

#endif
