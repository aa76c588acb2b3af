/*
 * Run logs (M67): for each pipeline of a run one object, a line for each job.
 */
#ifndef IMGPIPE_RUNLOG_H
#define IMGPIPE_RUNLOG_H

#include "libimgpipe/base/json.h"
#include "libimgpipe/report/logs.h"

struct imgp_runlogs;

/* Both must outlive it.  Free with imgp_runlogs_free(), NULL is fine. */
struct imgp_runlogs *imgp_runlogs_new(struct imgp_logs *logs,
	    struct imgp_trouble *t);
void	imgp_runlogs_free(struct imgp_runlogs *r);

/* Add a line: ${facts} of imgp_report_job(), of a job of ${pipeline} (NULL: none)
 * in ${run}, which has the form of a run's id. */
void	imgp_runlogs_add(struct imgp_runlogs *r, const char *pipeline,
	    const char *run, const struct imgp_json *facts);
/* Write them all. */
void	imgp_runlogs_write(struct imgp_runlogs *r);

#endif
