/* Telling the program that started this one that the settings are read. */
#ifndef IMGPIPE_READY_H
#define IMGPIPE_READY_H

/* The environment variable that names the descriptor of a pipe to write to. */
#define IMGP_READY_FD	"IMGP_READY_FD"

/*
 * Write our process id, a pid_t, to that pipe and close it.  A tool calls this when nothing in its
 * settings can stop it any more and before it reads its first line; imgp-run
 * waits for it.  Does nothing where the variable is not set, or a second time.
 */
void	imgp_ready(void);

#endif
