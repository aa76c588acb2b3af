/* How many processors this process may use. */
#ifndef IMGPIPE_PROCESSORS_H
#define IMGPIPE_PROCESSORS_H

/* At least 1.  Counts the affinity mask, which taskset(1) and cpusets narrow. */
int	imgp_processors(void);

#endif
