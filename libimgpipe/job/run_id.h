/* The id of a run: the second of its start and eight random digits. */
#ifndef IMGPIPE_RUN_ID_H
#define IMGPIPE_RUN_ID_H

/* A new one: YYYYMMDDTHHMMSSZ-xxxxxxxx, the caller's to free. */
char	*imgp_run_id_new(void);
/* Nonzero when ${run} has that form. */
int	imgp_run_id_is(const char *run);

#endif
