/*
 * Writes logs to the place for logs: a pipeline's setting logs, else its source.
 */
#ifndef IMGPIPE_LOGS_H
#define IMGPIPE_LOGS_H

#include <stddef.h>

#include "libimgpipe/report/trouble.h"

struct imgp_logs;

/* Stores are opened when first written to; failures are noted in ${t}, which must
 * outlive it.  Free with imgp_logs_free(), NULL is fine. */
struct imgp_logs *imgp_logs_new(struct imgp_trouble *t);
void	imgp_logs_free(struct imgp_logs *l);

/* The URL of the log ${key} of ${pipeline} (NULL: of none), which the caller frees; NULL
 * when no place is set. */
char	*imgp_logs_url(const char *pipeline, const char *key);
/* Write or replace the log.  0, or -1 when no place is set or the failure was noted
 * in ${t}. */
int	imgp_logs_put(struct imgp_logs *l, const char *pipeline,
	    const char *key, const void *data, size_t len);

#endif
