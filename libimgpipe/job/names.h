/*
 * Every name and key that imgpipe makes, computed here and nowhere else
 * (M7-M17, M54, M64-M67).
 *
 * Names come from templates, which are settings (imgpipe.conf(5)): literal text
 * with {member} for a member of the job line, {edc_pipeline_file.id},
 * {timestamp} for edc_pipeline_file.ts_create and {run_timestamp} for the run's
 * start, both as YYYYMMDD_HHMMSS in the zone of the setting timestamp_zone, which
 * imgp_names_check() sets, else UTC; {file_stem} is {file_name} without extension.  From every component all Unicode white
 * space (the White_Space property; tab and line feed are of it) is removed.  A
 * component with another control or a format character (Cc, Cf: bidirectional
 * and zero-width ones), a noncharacter, '/', '\', or that is "." or "..", is
 * refused, never mapped.  An empty component is allowed only for {extension}.
 *
 * In a job that is "planned" and has no row, {edc_pipeline_file.id} and
 * {timestamp} stay as they are: the row will give them.
 */
#ifndef IMGPIPE_NAMES_H
#define IMGPIPE_NAMES_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

/*
 * Each sets ${*out}, the caller's to free, and returns 0; or returns -1 with
 * IMGP-NAME-INVALID (naming the member, never its value), IMGP-NAME-TOO-LONG
 * (a key above 1024 bytes, a path segment above 255; a destination's file name
 * above 241 and its path above 768, so that path, name and the error log's name
 * fit together), IMGP-NAME-TEMPLATE or IMGP-JOB-TYPE.
 */

/*
 * Make each of these names with the templates of ${pipeline} (NULL: those of no
 * section) for an upload that has all members.  0, or -1 with IMGP-CONFIG
 * naming the setting.
 */
int	imgp_names_check(const char *pipeline, struct imgp_err *e);

/* "job" (M54): from subject, event form, field, version code, run's start. */
int	imgp_names_job(struct imgp_job *job, char **out, struct imgp_err *e);
/* The destination's path below the place, with its last '/' (M10, M11). */
int	imgp_names_destination_path(struct imgp_job *job, char **out,
	    struct imgp_err *e);
/* The same for an upload of that form and field, of which all else is the same for
 * all; where two of them share it, their files lie in one directory. */
int	imgp_names_field_path(const char *pipeline, const char *ddcrf_name,
	    const char *ddfile_name, char **out, struct imgp_err *e);
/* The destination's file name with extension (M12-M16). */
int	imgp_names_destination_name(struct imgp_job *job, char **out,
	    struct imgp_err *e);
/*
 * May ${file_name}, which a row keeps, still be the job's?  Where the template has
 * {participant_code} it must hold today's; else -1 with IMGP-NAME-PARTICIPANT.
 */
int	imgp_names_check_kept(struct imgp_job *job, const char *file_name,
	    struct imgp_err *e);
/* The key in IMGP_TEMP (M17): <edc_pipeline_file.id>/<file name>. */
int	imgp_names_temp_key(struct imgp_job *job, const char *file_name,
	    char **out, struct imgp_err *e);
/*
 * The key of the error log in IMGP_LOGS (M64-M66): below the pipeline's code
 * where the job has a row and a file name, else below _unmatched, of the
 * SHA-256 of the input: its "input", else its id, else its source.
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
