/* How many processors this process may use. */
#ifndef IMGPIPE_PROCESSORS_H
#define IMGPIPE_PROCESSORS_H

/* At least 1; as taskset(1) and a container's set of processors leave it. */
int	imgp_processors(void);

#endif
