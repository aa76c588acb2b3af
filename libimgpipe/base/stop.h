/*
 * Ending by TERM, INT or HUP without leaving a mess at a server.
 *
 * While something is held that must be cleared up first (an upload in parts),
 * the signal only asks; what is held is let go of, and the process then dies
 * of the signal.  With nothing held, or by a second signal, it dies at once.
 */
#ifndef IMGPIPE_STOP_H
#define IMGPIPE_STOP_H

/* From now on; signals that are ignored stay so. */
void	imgp_stop_init(void);
/* Something must be cleared up before the end; from any thread, nested. */
void	imgp_stop_hold(void);
/* It is cleared up.  Does not return where a signal has come meanwhile and
 * nothing else is held. */
void	imgp_stop_release(void);
/* Nonzero when a signal has come: make for the end. */
int	imgp_stop_asked(void);

#endif
