/*
 * A job line: one uploaded file on its way, one JSON object (imgp-job(5)).
 *
 * A job keeps the text of every member as it was read.  Members that a tool does not set
 * are written byte for byte, in their place, so unknown members and integers of any size
 * pass through unchanged.
 */
#ifndef IMGPIPE_JOB_H
#define IMGPIPE_JOB_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"

struct imgp_job;

enum imgp_standing {
	IMGP_GOING_ON,		/* no fatal error, no skip */
	IMGP_FAILED,		/* has a fatal error */
	IMGP_SKIPPED		/* has "skip" (whatever else it has) */
};

/*
 * Parse one line without its newline.  Beyond imgp_json_check(), the members that
 * imgp-job(5) lists must have their types.  NULL with IMGP-JOB-SYNTAX, IMGP-JOB-TYPE or
 * IMGP-JOB-TOO-LONG; free with imgp_job_free(), NULL is fine.
 */
struct imgp_job *imgp_job_parse(const char *line, size_t len,
	    struct imgp_err *e);
/* An empty job with "v":1. */
struct imgp_job *imgp_job_new(void);
/*
 * Make a job for a line that is no job: "v", and as "input" its first 200 bytes, with
 * \xNN for each byte that is not printable ASCII.
 */
struct imgp_job *imgp_job_of_input(const char *line, size_t len);
void	imgp_job_free(struct imgp_job *job);
/* The number of the job's input line, from 1, for messages about a job without an id; 0
 * when none was noted. */
void	imgp_job_note_line(struct imgp_job *job, size_t number);
size_t	imgp_job_line(const struct imgp_job *job);
/* When this process took the job, in milliseconds of base/clock.h; 0: not noted. */
void	imgp_job_note_taken(struct imgp_job *job, int64_t ms);
int64_t	imgp_job_taken(const struct imgp_job *job);
/* Append the line, without newline, to ${out}. */
void	imgp_job_print(const struct imgp_job *job, struct imgp_buf *out);

/*
 * Reading; results are borrowed until the member is set or the job freed.
 * A member that is null counts as not there.
 */
const struct imgp_json *imgp_job_get(struct imgp_job *job, const char *name);
const char *imgp_job_str(struct imgp_job *job, const char *name);
int	imgp_job_int(struct imgp_job *job, const char *name, int64_t *out);
/* The name of the member at ${i} from 0; NULL past the last. */
const char *imgp_job_name(const struct imgp_job *job, size_t i);
/* Nonzero when the member has the same text in both, or is in neither. */
int	imgp_job_is_same(const struct imgp_job *a, const struct imgp_job *b,
	    const char *name);
/* The member subject_event_crf_file_id, the upload's id; 0 when the job has none. */
int64_t	imgp_job_id(struct imgp_job *job);
/* The member edc_pipeline_file.id, the row's id; 0 when the job has none. */
int64_t	imgp_job_file_id(struct imgp_job *job);
/*
 * The value of a mandatory member; NULL, or -1, with IMGP-JOB-TYPE.
 */
const char *imgp_job_need_str(struct imgp_job *job, const char *name,
	    struct imgp_err *e);
int	imgp_job_need_int(struct imgp_job *job, const char *name, int64_t *out,
	    struct imgp_err *e);
/* A member of an object member: ("sha256", "source") is sha256.source.  NULL, or -1,
 * when it is not there. */
const char *imgp_job_sub_str(struct imgp_job *job, const char *name,
	    const char *key);
int	imgp_job_sub_int(struct imgp_job *job, const char *name,
	    const char *key, int64_t *out);

/* Writing: replaces the member in its place, or appends it. */
void	imgp_job_set_str(struct imgp_job *job, const char *name, const char *s);
void	imgp_job_set_int(struct imgp_job *job, const char *name, int64_t n);
void	imgp_job_set_bool(struct imgp_job *job, const char *name, int b);
/* ${j} is owned by the job from now on. */
void	imgp_job_set(struct imgp_job *job, const char *name,
	    struct imgp_json *j);
/* Set a member of an object member, which is made if it is not there. */
void	imgp_job_set_sub_str(struct imgp_job *job, const char *name,
	    const char *key, const char *s);
void	imgp_job_set_sub_int(struct imgp_job *job, const char *name,
	    const char *key, int64_t n);
void	imgp_job_remove(struct imgp_job *job, const char *name);

/* The job's standing. */
enum imgp_standing imgp_job_standing(struct imgp_job *job);
/* Nonzero when "errors" has an entry, fatal or not. */
int	imgp_job_has_errors(struct imgp_job *job);
/* Set "skip" to ${code}. */
void	imgp_job_skip(struct imgp_job *job, const char *code);
/*
 * Append an entry to "errors" or "warnings": ${stage} is one of
 * lookup start fetch scan scans stamp extra stage deliver finish notify digest;
 * class and retryable come from the dictionary.  The job fails by an error when ${fatal}
 * is nonzero, or by job/fault.h.
 */
void	imgp_job_error(struct imgp_job *job, const char *stage,
	    const struct imgp_err *e, int fatal);
void	imgp_job_warn(struct imgp_job *job, const char *stage,
	    const struct imgp_err *e);
/* Add ${n} to the retries of ${stage} in "retries". */
void	imgp_job_retried(struct imgp_job *job, const char *stage, int64_t n);

#endif
