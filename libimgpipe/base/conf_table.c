#include <stddef.h>

#include "libimgpipe/base/conf_priv.h"

#define PART	"number 5242880 5368709120"	/* S3's own limits */
#define UINT	"number 1 4294967295"
#define COUNT	"number 1 1073741824"

/* A secret may stand in a file of its own, or be what a command writes. */
#define SECRET(name, flags) \
	{ name, NULL, NULL, (flags) }, \
	{ name "_file", NULL, NULL, (flags) | IMGP_CONF_BY_FILE }, \
	{ name "_command", NULL, "command", (flags) | IMGP_CONF_BY_COMMAND }

/* Every setting there is. */
const struct imgp_conf_row imgp_conf_rows[] = {
	/* places and connections */
	{ "source", NULL, "place", 0 },
	{ "temp", NULL, "place", 0 },
	{ "destination", NULL, "place", 0 },
	{ "logs", NULL, "place", 0 },
	{ "spool", NULL, "path", 0 },
	{ "spool_bytes", NULL, "number 1 9223372036854775807", 0 },
	{ "spool_jobs", "64", COUNT, 0 },
	{ "error_dictionary", NULL, "path", 0 },
	SECRET("database", IMGP_SECRETS_RECORD),
	SECRET("replica", IMGP_SECRETS_RECORD),
	SECRET("ledger", IMGP_SECRETS_RECORD),
	SECRET("api_token", IMGP_SECRETS_RECORD | IMGP_CONF_LINES),
	{ "db_wait", "60s", "time 0 31622400", 0 },
	{ "db_connections", "4", "number 1 1024", 0 },
	{ "db_timeout", "60s", "time 1 86400", 0 },
	{ "api_auth", "token", "of token certificate loopback", 0 },
	{ "api_tls", "required", "of required elsewhere", 0 },
	{ "api_ca_file", NULL, NULL, 0 },
	{ "api_cert_file", NULL, NULL, IMGP_CONF_PATH },
	{ "api_key_file", NULL, NULL, IMGP_CONF_PATH },
	{ "api_timeout", "90s", "time 0 31622400", 0 },
	{ "api_spelling", NULL, "of right page", 0 },
	{ "api_revisions", "yes", "of yes no", 0 },
	{ "api_create", "new", "of new same", 0 },
	/* look-up */
	{ "wait", "15m", "time 0 31622400", 0 },
	{ "interval", "30s", "time 1 31622400", 0 },
	{ "backoff", "10m 1h 6h 24h", "times", 0 },
	{ "sweep_every", "20h", "time 0 86400", 0 },
	/* what a pipeline wants */
	{ "dicom", "expected", "of required expected no", 0 },
	{ "extra", "expected", "of required expected", 0 },
	{ "extra_command", NULL, "command", 0 },
	{ "extra_env", NULL, "names", 0 },
	{ "extra_jobs", "1", "number 1 1024", 0 },
	{ "extra_timeout", "1h", "time 1 604800", 0 },
	{ "cut", "expected", "of required expected", 0 },
	/* what headers are held against (dicom/checks.h) */
	{ "check_patient", "off", NULL, 0 },
	{ "check_date", "off", NULL, 0 },
	{ "check_modality", "off", NULL, 0 },
	/* names; the members are those of the job line */
	{ "job_name", "{subject_id}_{subject_event_crf_id}_{ddfile_name}_"
	    "{file_version_code}_{run_timestamp}", NULL, 0 },
	{ "destination_path", "quarantine/{ddcrf_name}{ddfile_name}/", NULL, 0 },
	{ "destination_name", "{ddcrf_name}_{ddfile_name}_{participant_code}_"
	    "{event_code}_{subject_event_crf_id}_{revision_number}_"
	    "{edc_pipeline_file.id}_{timestamp}{extension}", NULL, 0 },
	{ "temp_key", "{edc_pipeline_file.id}/{file_name}", NULL, 0 },
	{ "timestamp_zone", "UTC", NULL, 0 },
	{ "error_log_key", "image_pipelines/error_logs/{pipeline_code}/"
	    "{file_name}_error_log.txt", NULL, 0 },
	{ "unmatched_log_key", "image_pipelines/error_logs/_unmatched/"
	    "{input_sha256}_{run_timestamp}_error_log.txt", NULL, 0 },
	{ "provenance_key", "image_pipelines/provenance/{pipeline_code}/"
	    "{file_name}.prov", NULL, 0 },
	{ "run_log_key", "image_pipelines/run_logs/{pipeline_code}/"
	    "{run}.jsonl", NULL, 0 },
	/* S3 */
	{ "source_owner", NULL, "account", 0 },
	{ "temp_owner", NULL, "account", 0 },
	{ "destination_owner", NULL, "account", 0 },
	{ "logs_owner", NULL, "account", 0 },
	{ "s3_patience", "5m", "time 0 31622400", 0 },
	{ "s3_part_bytes", "33554432", PART, 0 },
	{ "s3_multipart_bytes", "1073741824", PART, 0 },
	{ "s3_copy_bytes", "5368709120", PART, 0 },
	/* the stamp */
	{ "coordinating_center", NULL, NULL, 0 },
	{ "stamp_tag", "0012,0071 LO", NULL, 0 },
	/* the processes that read uploads */
	{ "sandbox", "expected", "of expected require", 0 },
	{ "stall", "60s", "time 1 86400", 0 },
	/* what an upload may cost (imgp-dcmscan(1)) */
	{ "limit_members", "100000", UINT, 0 },
	{ "limit_bytes", "1099511627776", "number 1 9223372036854775807", 0 },
	{ "limit_ratio", "200", UINT, 0 },
	{ "limit_series", "10000", UINT, 0 },
	{ "limit_header", "16777216", COUNT, 0 },
	{ "limit_elements", "1000000", COUNT, 0 },
	{ "limit_items", "100000", COUNT, 0 },
	{ "limit_depth", "64", "number 1 64", 0 },
	/* mail */
	SECRET("mail", IMGP_SECRETS_MAIL),
	{ "mail_from", NULL, NULL, 0 },
	{ "mail_tls", "auto", "of auto required no", 0 },
	SECRET("mail_password", IMGP_SECRETS_MAIL),
	SECRET("labs_mail", IMGP_SECRETS_MAIL),
	SECRET("labs_mail_password", IMGP_SECRETS_MAIL),
	SECRET("admins_mail", IMGP_SECRETS_MAIL),
	SECRET("admins_mail_password", IMGP_SECRETS_MAIL),
	{ "mail_ca_file", NULL, NULL, 0 },
	{ "mail_timeout", "60s", "time 0 31622400", 0 },
	{ "mail_bytes", "36864", "number 0 1073741824", 0 },
	{ "mail_title", "imgpipe", NULL, 0 },
	{ "admins", "root@localhost", NULL, 0 },
	{ "labs", NULL, NULL, 0 },
	{ "success", "digest", "of digest immediate off", 0 },
	{ "digest_empty", "yes", "of yes no", 0 },
	{ "labs_at_once", "no", "of yes no", 0 },
	{ "manifest", "needed", "of yes needed no", 0 },
	{ "file_manifest", "no", "of yes no", 0 },
	SECRET("ping", IMGP_SECRETS_MAIL),
};

const size_t imgp_conf_nrows = sizeof imgp_conf_rows / sizeof *imgp_conf_rows;

_Static_assert(sizeof imgp_conf_rows / sizeof *imgp_conf_rows < IMGP_CONF_ROWS,
    "IMGP_CONF_ROWS is more");
