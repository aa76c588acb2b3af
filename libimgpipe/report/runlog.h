/*
 * Run logs (M67): one object per pipeline of a run, with a line for each job.
 */
#ifndef IMGPIPE_RUNLOG_H
#define IMGPIPE_RUNLOG_H

#include "libimgpipe/base/json.h"
#include "libimgpipe/report/logs.h"

struct imgp_runlogs;

/* Both arguments must outlive it.  Free with imgp_runlogs_free(), NULL is fine. */
struct imgp_runlogs *imgp_runlogs_new(struct imgp_logs *logs,
	    struct imgp_trouble *t);
void	imgp_runlogs_free(struct imgp_runlogs *r);

/* Add a line: ${facts} from imgp_report_job() about a job of ${pipeline} (NULL: none) in
 * ${run}, which must have the form of a run's id (job/run_id.h). */
void	imgp_runlogs_add(struct imgp_runlogs *r, const char *pipeline,
	    const char *run, const struct imgp_json *facts);
/* Write all logs; failures are noted in the trouble. */
void	imgp_runlogs_write(struct imgp_runlogs *r);

#endif
