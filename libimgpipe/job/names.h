/*
 * Computes every name and key that imgpipe makes; nothing else does (M7-M17, M54,
 * M64-M67).
 *
 * Names come from templates, which are settings (imgpipe.conf(5)): literal text
 * with {member} for a member of the job line, {edc_pipeline_file.id},
 * {timestamp} for edc_pipeline_file.ts_create and {run_timestamp} for the run's
 * start, both as YYYYMMDD_HHMMSS in the zone of the setting timestamp_zone once
 * imgp_names_check() has set it, else in UTC; {file_stem} is {file_name} without
 * extension.  All Unicode white space (the White_Space property, which includes tab and
 * line feed) is removed from every component.  A component with another control or a
 * format character (Cc, Cf: bidirectional and zero-width ones), a noncharacter, '/' or
 * '\', or that is "." or "..", is refused, never mapped.  Only {extension} may be empty.
 *
 * In a job that is "planned" and has no row, {edc_pipeline_file.id} and {timestamp} are
 * left as they are, since only the row will have their values.
 */
#ifndef IMGPIPE_NAMES_H
#define IMGPIPE_NAMES_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

/*
 * Each function sets ${*out}, which the caller frees, and returns 0; or returns -1 with
 * IMGP-NAME-INVALID (whose message names the member, never its value), IMGP-NAME-TOO-LONG
 * (a key above 1024 bytes, a path segment above 255; a destination's file name
 * above 241 and its path above 768, so that path, name and the error log's name
 * fit together), IMGP-NAME-TEMPLATE or IMGP-JOB-TYPE.
 */

/*
 * Check the templates of ${pipeline} (NULL: those above the first section) by making
 * each of these names for an upload that has all members.  Returns 0, or -1 with
 * IMGP-CONFIG, whose message names the setting.
 */
int	imgp_names_check(const char *pipeline, struct imgp_err *e);

/* "job" (M54): from subject, event form, field, version code, run's start. */
int	imgp_names_job(struct imgp_job *job, char **out, struct imgp_err *e);
/* The destination's path below the place, with its last '/' (M10, M11). */
int	imgp_names_destination_path(struct imgp_job *job, char **out,
	    struct imgp_err *e);
/* The same for a sample upload of this form and field; fields with the same result
 * deliver into the same directory. */
int	imgp_names_field_path(const char *pipeline, const char *ddcrf_name,
	    const char *ddfile_name, char **out, struct imgp_err *e);
/* The destination's file name with extension (M12-M16). */
int	imgp_names_destination_name(struct imgp_job *job, char **out,
	    struct imgp_err *e);
/*
 * Check that ${file_name}, which a row keeps, still fits the job: if the template has
 * {participant_code}, the name must contain the current one.  Returns 0, or -1 with
 * IMGP-NAME-PARTICIPANT.
 */
int	imgp_names_check_kept(struct imgp_job *job, const char *file_name,
	    struct imgp_err *e);
/* The key in IMGP_TEMP (M17): <edc_pipeline_file.id>/<file name>. */
int	imgp_names_temp_key(struct imgp_job *job, const char *file_name,
	    char **out, struct imgp_err *e);
/*
 * The key of the error log in IMGP_LOGS (M64-M66): below the pipeline's code if the job
 * has a row and a file name; else below _unmatched, made from the SHA-256 of its "input",
 * its id or its source, the first that it has.
 */
int	imgp_names_error_log_key(struct imgp_job *job, char **out,
	    struct imgp_err *e);
/* The key in IMGP_LOGS of the record of what the stamp changed (F40). */
int	imgp_names_provenance_key(struct imgp_job *job, char **out,
	    struct imgp_err *e);
/* The key of the run's log in IMGP_LOGS (M67). */
int	imgp_names_run_log_key(const char *pipeline_code, const char *run,
	    char **out, struct imgp_err *e);
/* The work copy: file://SPOOL/<run>/<edc_pipeline_file.id>/upload. */
int	imgp_names_local(struct imgp_job *job, const char *spool, char **out,
	    struct imgp_err *e);

/*
 * The extension of an upload's file name with its dot, case kept, compound
 * ".tar.gz" and ".nii.gz" kept whole; "" when there is none (M16).  Points into
 * ${name}.
 */
const char *imgp_names_extension(const char *name);

#endif
