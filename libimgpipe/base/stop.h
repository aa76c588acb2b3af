/*
 * Ending by TERM, INT or HUP without leaving a mess at a server.
 *
 * While a thread holds something that must be cleared up first (a multipart upload), the
 * first signal only sets a flag (imgp_stop_asked()); when the last hold is released, the
 * process dies of the signal.  With nothing held, or by a second signal, it dies at once.
 */
#ifndef IMGPIPE_STOP_H
#define IMGPIPE_STOP_H

/* Install the handlers; signals that are ignored stay ignored. */
void	imgp_stop_init(void);
/* Hold: something must be cleared up before the end.  From any thread; holds nest. */
void	imgp_stop_hold(void);
/* Release one hold.  Does not return if a signal has come and nothing else is held. */
void	imgp_stop_release(void);
/* Nonzero once a signal has come: finish soon. */
int	imgp_stop_asked(void);

#endif
