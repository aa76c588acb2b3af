/* Tell the program that started this one that the settings are read and good. */
#ifndef IMGPIPE_READY_H
#define IMGPIPE_READY_H

/* The environment variable that names the descriptor of a pipe to write to. */
#define IMGP_READY_FD	"IMGP_READY_FD"

/*
 * Write our process id, as a pid_t, to that pipe and close it.  A tool calls this once
 * no setting can stop it any more and before it reads its first line; imgp-run waits
 * for it.  Does nothing if the variable is not set, or on a second call.
 */
void	imgp_ready(void);

#endif
