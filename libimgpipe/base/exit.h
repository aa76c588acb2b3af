/*
 * Exit statuses, the same for every tool (imgpipe(7)).
 */
#ifndef IMGPIPE_EXIT_H
#define IMGPIPE_EXIT_H

#define IMGP_EX_OK		0
#define IMGP_EX_ERRORS		1	/* some job has errors */
#define IMGP_EX_USAGE		2	/* wrong usage or configuration */
#define IMGP_EX_TEMPFAIL	75	/* could not go on for now: run again */

/*
 * Of two statuses the one that a tool ends with, the first that applies:
 * above 128 (by a signal), 2, 75, 1, any other, 0.
 */
int	imgp_exit_worse(int a, int b);

#endif
