#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/base/zone.h"
#include "libimgpipe/job/members.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/job/run_id.h"

#define KEY_MAX		1024	/* S3: bytes in a key */
#define SEGMENT_MAX	255	/* file systems: bytes between two '/' */
#define LOG_SUFFIX	"_error_log.txt"
#define NAME_MAX_BYTES	(SEGMENT_MAX - (sizeof LOG_SUFFIX - 1))
#define PATH_MAX_BYTES	(KEY_MAX - SEGMENT_MAX - 1)

/* What a template is filled with, beside the job itself. */
struct fill {
	struct imgp_job	*job;
	const char	*pipeline_code;	/* instead of the job's; or NULL */
	const char	*run;		/* instead of the job's; or NULL */
	const char	*file_name;	/* {file_name}; NULL: there is none */
	const char	*input_sha256;	/* {input_sha256}; NULL: there is none */
};

/* --- one component ------------------------------------------------------- */

/* Unicode 15, property White_Space. */
static int
is_white_space(unsigned int c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 ||
	    c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	    c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
	    c == 0x3000;
}

/* Unicode 15: general categories Cc and Cf, and the noncharacters. */
static int
is_refused(unsigned int c)
{
	static const struct { unsigned int first, last; } range[] = {
		{ 0x00, 0x1f }, { '/', '/' }, { '\\', '\\' }, { 0x7f, 0x9f },
		{ 0xad, 0xad }, { 0x600, 0x605 }, { 0x61c, 0x61c },
		{ 0x6dd, 0x6dd }, { 0x70f, 0x70f }, { 0x890, 0x891 },
		{ 0x8e2, 0x8e2 }, { 0x180e, 0x180e }, { 0x200b, 0x200f },
		{ 0x202a, 0x202e }, { 0x2060, 0x206f }, { 0xfdd0, 0xfdef },
		{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0x110bd, 0x110bd },
		{ 0x110cd, 0x110cd }, { 0x13430, 0x1343f },
		{ 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
		{ 0xe0000, 0xe007f },
	};
	size_t i;

	if ((c & 0xfffe) == 0xfffe)
		return 1;
	for (i = 0; i < sizeof range / sizeof range[0]; i++)
		if (c >= range[i].first && c <= range[i].last)
			return 1;
	return 0;
}

/* Append ${value}, of the member ${member}, as one component. */
static int
add_component(struct imgp_buf *out, const char *member, const char *value,
    struct imgp_err *e)
{
	size_t start = out->len, len = strlen(value), i, n;
	unsigned int c;
	const char *s;

	for (i = 0; i < len; i += n) {
		if ((n = imgp_utf8(value + i, len - i, &c)) == 0)
			return imgp_fail(e, IMGP_E_NAME_INVALID,
			    "%s is not UTF-8", member);
		if (is_white_space(c))
			continue;
		if (is_refused(c))
			return imgp_fail(e, IMGP_E_NAME_INVALID,
			    "%s holds the character U+%04X", member, c);
		imgp_buf_add(out, value + i, n);
	}
	s = out->len == start ? "" : out->s + start;
	if (strcmp(member, "extension") == 0) {
		if (*s != '\0' && (*s != '.' || s[1] == '\0'))
			return imgp_fail(e, IMGP_E_NAME_INVALID,
			    "extension is not a dot and what follows it");
	} else if (*s == '\0')
		return imgp_fail(e, IMGP_E_NAME_INVALID, "%s is empty", member);
	if (strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return imgp_fail(e, IMGP_E_NAME_INVALID,
		    "%s is \".\" or \"..\"", member);
	return 0;
}

/* --- timestamps ---------------------------------------------------------- */

/*
 * ISO 8601 with a zone ("2019-01-18T15:04:05.1+00:00", a space for the T as
 * PostgreSQL has it) as YYYYMMDD_HHMMSS in the zone of names, cut to the second.
 */
static int
stamp_of_iso(const char *iso, char stamp[16])
{
	struct tm tm = { 0 }, check;
	int zh = 0, zm = 0, n = 0;
	char sep, sign;
	const char *p;
	time_t t;

	if (sscanf(iso, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon,
	    &tm.tm_mday, &sep, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &n) != 7 ||
	    n != 19 || (sep != 'T' && sep != ' ') ||
	    strspn(iso, "0123456789-:T ") < 19)
		return -1;
	p = iso + n;
	if (*p == '.') {
		n = (int)strspn(p + 1, "0123456789");
		if (n == 0)
			return -1;
		p += 1 + n;
	}
	if (strcmp(p, "Z") != 0) {
		n = 0;
		sign = *p++;
		if ((sign != '+' && sign != '-') ||
		    strspn(p, "0123456789:") != strlen(p) || strlen(p) < 2 ||
		    sscanf(p, "%2d%n:%2d%n", &zh, &n, &zm, &n) < 1 ||
		    p[n] != '\0' || zh > 15 || zm > 59)
			return -1;
		if (sign == '-') {
			zh = -zh;
			zm = -zm;
		}
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	check = tm;
	t = timegm(&check);
	/* timegm() carries over what is out of range: then it was no date. */
	if (t == (time_t)-1 || check.tm_mon != tm.tm_mon ||
	    check.tm_mday != tm.tm_mday || check.tm_hour != tm.tm_hour ||
	    check.tm_min != tm.tm_min || check.tm_sec != tm.tm_sec)
		return -1;
	t -= zh * 3600 + zm * 60;
	if (imgp_zone_local(t, &tm) == NULL || tm.tm_year < 0 || tm.tm_year > 8099 ||
	    strftime(stamp, 16, "%Y%m%d_%H%M%S", &tm) != 15)
		return -1;
	return 0;
}

static int
add_timestamp(struct imgp_buf *out, struct imgp_job *job, struct imgp_err *e)
{
	const char *iso = imgp_job_sub_str(job, "edc_pipeline_file", "ts_create");
	char stamp[16];

	if (iso == NULL || stamp_of_iso(iso, stamp) == -1)
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "edc_pipeline_file.ts_create is not a time");
	imgp_buf_puts(out, stamp);
	return 0;
}

static int
add_run_timestamp(struct imgp_buf *out, const char *run, struct imgp_err *e)
{
	char iso[32], stamp[16];

	if (run != NULL && imgp_run_id_is(run)) {
		snprintf(iso, sizeof iso, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ",
		    run, run + 4, run + 6, run + 9, run + 11, run + 13);
		if (stamp_of_iso(iso, stamp) == 0) {
			imgp_buf_puts(out, stamp);
			return 0;
		}
	}
	return imgp_fail(e, IMGP_E_JOB_TYPE, "run is not a run's id");
}

/* --- templates ----------------------------------------------------------- */

static int
add_job_member(struct imgp_buf *out, struct imgp_job *job, const char *member,
    struct imgp_err *e)
{
	const char *s = imgp_job_str(job, member);
	char digits[24];
	int64_t n;

	if (s == NULL) {
		if (imgp_job_int(job, member, &n) == -1)
			return imgp_fail(e, IMGP_E_JOB_TYPE,
			    "%s is missing or neither text nor a whole number",
			    member);
		snprintf(digits, sizeof digits, "%lld", (long long)n);
		s = digits;
	}
	return add_component(out, member, s, e);
}

/* Is it one of a dry run, which has no row yet, and ${member} of the row? */
static int
is_to_come(struct imgp_job *job, const char *member)
{
	return (strcmp(member, "timestamp") == 0 ||
	    strcmp(member, "edc_pipeline_file.id") == 0) &&
	    imgp_json_bool(imgp_job_get(job, "planned")) == 1 &&
	    imgp_job_file_id(job) <= 0;
}

/* A file's name without its extension. */
static int
add_stem(struct imgp_buf *out, const char *name, struct imgp_err *e)
{
	char *stem = imgp_strndup(name, (size_t)(imgp_names_extension(name) -
	    name));
	int rc = add_component(out, "file_stem", stem, e);

	free(stem);
	return rc;
}

/* The text that stands for {${member}}. */
static int
add_member(struct imgp_buf *out, const struct fill *f, const char *setting,
    const char *member, struct imgp_err *e)
{
	const char *run = f->run != NULL ? f->run : imgp_job_str(f->job, "run");
	const struct imgp_member *known;
	char digits[24];

	if (is_to_come(f->job, member)) {
		imgp_buf_printf(out, "{%s}", member);
		return 0;
	}
	if (strcmp(member, "timestamp") == 0)
		return add_timestamp(out, f->job, e);
	if (strcmp(member, "run_timestamp") == 0)
		return add_run_timestamp(out, run, e);
	if (strcmp(member, "run") == 0) {
		if (run == NULL || !imgp_run_id_is(run))
			return imgp_fail(e, IMGP_E_JOB_TYPE,
			    "run is not a run's id");
		return add_component(out, member, run, e);
	}
	if (strcmp(member, "edc_pipeline_file.id") == 0) {
		if (imgp_job_file_id(f->job) <= 0)
			return imgp_fail(e, IMGP_E_JOB_TYPE,
			    "edc_pipeline_file.id is missing");
		snprintf(digits, sizeof digits, "%lld",
		    (long long)imgp_job_file_id(f->job));
		imgp_buf_puts(out, digits);
		return 0;
	}
	if (strcmp(member, "file_name") == 0 && f->file_name != NULL)
		return add_component(out, member, f->file_name, e);
	if (strcmp(member, "file_stem") == 0 && f->file_name != NULL)
		return add_stem(out, f->file_name, e);
	if (strcmp(member, "input_sha256") == 0 && f->input_sha256 != NULL)
		return add_component(out, member, f->input_sha256, e);
	if (strcmp(member, "pipeline_code") == 0 && f->pipeline_code != NULL)
		return add_component(out, member, f->pipeline_code, e);
	if ((known = imgp_member_find(member)) != NULL &&
	    (known->flags & IMGP_MEMBER_NAMES))
		return add_job_member(out, f->job, member, e);
	return imgp_fail(e, IMGP_E_NAME_TEMPLATE,
	    "%s: {%.40s} is nothing that this template can name", setting,
	    member);
}

/* Fill in ${template}, the setting ${setting}. */
static int
expand(const char *setting, const char *template, const struct fill *f,
    struct imgp_buf *out, struct imgp_err *e)
{
	char member[64];
	const char *p;
	unsigned int c;
	size_t len, n;

	for (p = template; *p != '\0'; p += n) {
		if (*p == '{') {
			len = strcspn(p + 1, "{}");
			if (p[1 + len] != '}' || len == 0 ||
			    len >= sizeof member)
				return imgp_fail(e, IMGP_E_NAME_TEMPLATE,
				    "%s: a brace without its other", setting);
			memcpy(member, p + 1, len);
			member[len] = '\0';
			if (add_member(out, f, setting, member, e) == -1)
				return -1;
			n = len + 2;
			continue;
		}
		n = imgp_utf8(p, strlen(p), &c);
		if (n == 0 || c == '}' || is_white_space(c) ||
		    (c != '/' && is_refused(c)))
			return imgp_fail(e, IMGP_E_NAME_TEMPLATE,
			    "%s: its own text holds what no name may hold",
			    setting);
		imgp_buf_add(out, p, n);
	}
	return 0;
}

/* Refuse what no store takes: empty, dotted and long segments, long keys. */
static int
check_key(const char *setting, const char *key, size_t max, struct imgp_err *e)
{
	const char *p = key;
	size_t len;

	if (strlen(key) > max)
		return imgp_fail(e, IMGP_E_NAME_TOO_LONG,
		    "%s makes %zu bytes of at most %zu", setting, strlen(key),
		    max);
	for (;;) {
		len = strcspn(p, "/");
		if (len > SEGMENT_MAX)
			return imgp_fail(e, IMGP_E_NAME_TOO_LONG,
			    "%s makes a segment of %zu bytes of at most %d",
			    setting, len, SEGMENT_MAX);
		if ((len == 1 && p[0] == '.') ||
		    (len == 2 && memcmp(p, "..", 2) == 0))
			return imgp_fail(e, IMGP_E_NAME_INVALID,
			    "%s makes a segment \".\" or \"..\"", setting);
		if (len == 0 && !(p[0] == '\0' && p != key))
			return imgp_fail(e, IMGP_E_NAME_TEMPLATE,
			    "%s makes an empty segment", setting);
		if (p[len] == '\0')
			return 0;
		p += len + 1;
	}
}

/*
 * Fill in the setting ${setting}.  Where the result names one file among all
 * (${unique}) the template must hold the row's id, which nothing else has.
 */
static int
make_name(const char *setting, int unique, size_t max, const struct fill *f,
    char **out, struct imgp_err *e)
{
	const char *code = f->pipeline_code != NULL ? f->pipeline_code :
	    imgp_job_str(f->job, "pipeline_code");
	const char *template = imgp_conf_need(code, setting, e);
	struct imgp_buf b = IMGP_BUF_INIT;
	int rc = -1;

	if (template == NULL)
		goto out;
	if (unique && strstr(template, "{edc_pipeline_file.id}") == NULL) {
		imgp_fail(e, IMGP_E_NAME_TEMPLATE,
		    "%s lacks {edc_pipeline_file.id}", setting);
		goto out;
	}
	if (expand(setting, template, f, &b, e) == -1 ||
	    check_key(setting, b.s, max, e) == -1)
		goto out;
	*out = imgp_buf_steal(&b);
	rc = 0;
out:
	imgp_buf_release(&b);
	return rc;
}

/* As make_name(), for a name that is one segment. */
static int
make_segment(const char *setting, int unique, size_t max, const struct fill *f,
    char **out, struct imgp_err *e)
{
	char *name;

	if (make_name(setting, unique, max, f, &name, e) == -1)
		return -1;
	if (strchr(name, '/') != NULL) {
		free(name);
		return imgp_fail(e, IMGP_E_NAME_TEMPLATE,
		    "%s holds a '/'", setting);
	}
	*out = name;
	return 0;
}

/* --- the names ----------------------------------------------------------- */

int
imgp_names_job(struct imgp_job *job, char **out, struct imgp_err *e)
{
	struct fill f = { .job = job };

	return make_segment("job_name", 0, SEGMENT_MAX, &f, out, e);
}

int
imgp_names_destination_path(struct imgp_job *job, char **out,
    struct imgp_err *e)
{
	struct fill f = { .job = job };
	char *path;

	if (make_name("destination_path", 0, PATH_MAX_BYTES, &f, &path, e) == -1)
		return -1;
	if (path[strlen(path) - 1] != '/') {
		free(path);
		return imgp_fail(e, IMGP_E_NAME_TEMPLATE,
		    "destination_path does not end with '/'");
	}
	*out = path;
	return 0;
}

int
imgp_names_destination_name(struct imgp_job *job, char **out,
    struct imgp_err *e)
{
	struct fill f = { .job = job };

	return make_segment("destination_name", 1, NAME_MAX_BYTES, &f, out, e);
}

/* Is ${part} in ${name}, and no longer word of which it is a piece? */
static int
has_word(const char *name, const char *part)
{
	size_t n = strlen(part);
	const char *at;

	for (at = name; (at = strstr(at, part)) != NULL; at++)
		if ((at == name || !isalnum((unsigned char)at[-1])) &&
		    !isalnum((unsigned char)at[n]))
			return 1;
	return 0;
}

int
imgp_names_check_kept(struct imgp_job *job, const char *file_name,
    struct imgp_err *e)
{
	const char *template = imgp_conf_need(imgp_job_str(job,
	    "pipeline_code"), "destination_name", e);
	struct fill f = { .job = job };
	struct imgp_buf code = IMGP_BUF_INIT;
	struct imgp_err why;
	char *own = NULL;
	int rc = -1;

	if (template == NULL)
		return -1;
	if (strstr(template, "{participant_code}") == NULL)
		return 0;
	if ((imgp_names_destination_name(job, &own, &why) == 0 &&
	    strcmp(own, file_name) == 0))
		rc = 0;
	else if (expand("destination_name", "{participant_code}", &f, &code,
	    e) == 0)
		rc = has_word(file_name, code.s) ? 0 :
		    imgp_fail(e, IMGP_E_NAME_PARTICIPANT, "the file's name has "
		    "another participant_code than the EDC");
	imgp_buf_release(&code);
	free(own);
	return rc;
}

int
imgp_names_temp_key(struct imgp_job *job, const char *file_name, char **out,
    struct imgp_err *e)
{
	struct fill f = { .job = job, .file_name = file_name };

	return make_name("temp_key", 1, KEY_MAX, &f, out, e);
}

/*
 * The sum that tells one input from another where there is no row: of the
 * line as it stands in "input", else of the id, else of the source.
 */
static void
input_sha256(struct imgp_job *job, char hex[13])
{
	const char *s = imgp_job_str(job, "input");
	char id[24], whole[IMGP_SHA256_HEX];

	if (s == NULL && imgp_job_id(job) > 0) {
		snprintf(id, sizeof id, "%lld", (long long)imgp_job_id(job));
		s = id;
	}
	if (s == NULL)
		s = imgp_job_str(job, "source");
	if (s == NULL)
		s = "";
	imgp_sha256_hex(s, strlen(s), whole);
	memcpy(hex, whole, 12);
	hex[12] = '\0';
}

int
imgp_names_error_log_key(struct imgp_job *job, char **out, struct imgp_err *e)
{
	struct fill f = { .job = job };
	char sum[13], *own_run = NULL;
	int rc;

	f.file_name = imgp_job_sub_str(job, "edc_pipeline_file", "file_name");
	if (f.file_name != NULL && imgp_job_file_id(job) > 0 &&
	    imgp_job_str(job, "pipeline_code") != NULL)
		return make_name("error_log_key", 0, KEY_MAX, &f, out, e);
	f.file_name = NULL;
	input_sha256(job, sum);
	f.input_sha256 = sum;
	/* A line that no lookup has seen carries no run: better a log under
	 * the run of the environment, or of now, than none. */
	f.run = imgp_job_str(job, "run");
	if (f.run == NULL || !imgp_run_id_is(f.run))
		f.run = getenv("IMGP_RUN");
	if (f.run == NULL || !imgp_run_id_is(f.run))
		f.run = own_run = imgp_run_id_new();
	rc = make_name("unmatched_log_key", 0, KEY_MAX, &f, out, e);
	free(own_run);
	return rc;
}

int
imgp_names_provenance_key(struct imgp_job *job, char **out,
    struct imgp_err *e)
{
	struct fill f = { .job = job };

	f.file_name = imgp_job_sub_str(job, "edc_pipeline_file", "file_name");
	if (f.file_name == NULL)
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "edc_pipeline_file.file_name is missing");
	return make_name("provenance_key", 0, KEY_MAX, &f, out, e);
}

int
imgp_names_run_log_key(const char *pipeline_code, const char *run, char **out,
    struct imgp_err *e)
{
	struct fill f = { .pipeline_code = pipeline_code, .run = run };
	int rc;

	f.job = imgp_job_new();
	rc = make_name("run_log_key", 0, KEY_MAX, &f, out, e);
	imgp_job_free(f.job);
	return rc;
}

int
imgp_names_local(struct imgp_job *job, const char *spool, char **out,
    struct imgp_err *e)
{
	const char *run = imgp_job_need_str(job, "run", e);
	size_t len = strlen(spool);

	if (run == NULL)
		return -1;
	if (!imgp_run_id_is(run))
		return imgp_fail(e, IMGP_E_JOB_TYPE, "run is not a run's id");
	if (imgp_job_file_id(job) <= 0)
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "edc_pipeline_file.id is missing");
	if (spool[0] != '/')
		return imgp_fail(e, IMGP_E_CONFIG,
		    "the spool is not an absolute path");
	while (len > 1 && spool[len - 1] == '/')
		len--;
	*out = imgp_asprintf("file://%.*s/%s/%lld/upload",
	    len == 1 ? 0 : (int)len, spool, run,
	    (long long)imgp_job_file_id(job));
	return 0;
}

/* A job that has all that a template can name. */
static struct imgp_job *
any_job(const char *pipeline)
{
	struct imgp_job *job = imgp_job_new();
	const struct imgp_member *m;

	for (m = imgp_members; m->name != NULL; m++)
		if (!(m->flags & IMGP_MEMBER_NAMES))
			continue;
		else if (m->types & IMGP_MEMBER_STR)
			imgp_job_set_str(job, m->name, ".x");
		else
			imgp_job_set_int(job, m->name, 1);
	imgp_job_set_str(job, "run", "20190118T220000Z-00000001");
	if (pipeline != NULL)
		imgp_job_set_str(job, "pipeline_code", pipeline);
	imgp_job_set_sub_int(job, "edc_pipeline_file", "id", 1);
	imgp_job_set_sub_str(job, "edc_pipeline_file", "ts_create",
	    "2019-01-18T22:00:00Z");
	imgp_job_set_sub_str(job, "edc_pipeline_file", "file_name", "x");
	return job;
}

static int
any_temp_key(struct imgp_job *job, char **out, struct imgp_err *e)
{
	return imgp_names_temp_key(job, "x", out, e);
}

static int
any_run_log_key(struct imgp_job *job, char **out, struct imgp_err *e)
{
	return imgp_names_run_log_key(imgp_job_str(job, "pipeline_code"),
	    imgp_job_str(job, "run"), out, e);
}

/* That of a job without a row. */
static int
any_unmatched_key(struct imgp_job *job, char **out, struct imgp_err *e)
{
	imgp_job_set_sub_int(job, "edc_pipeline_file", "id", 0);
	return imgp_names_error_log_key(job, out, e);
}

/* The zone is set once, for all. */
static int
check_zone(const char *pipeline, struct imgp_err *e)
{
	const char *zone = imgp_conf(NULL, "timestamp_zone");
	struct imgp_err why;

	if (pipeline != NULL)
		return strcmp(imgp_conf(pipeline, "timestamp_zone"), zone) == 0
		    ? 0 : imgp_fail(e, IMGP_E_CONFIG,
		    "timestamp_zone: one for all pipelines");
	return imgp_zone_set(zone, &why) == 0 ? 0 : imgp_fail(e,
	    IMGP_E_CONFIG, "timestamp_zone: %s", why.msg);
}

int
imgp_names_field_path(const char *pipeline, const char *ddcrf_name,
    const char *ddfile_name, char **out, struct imgp_err *e)
{
	struct imgp_job *job = any_job(pipeline);
	int rc;

	imgp_job_set_str(job, "ddcrf_name", ddcrf_name);
	imgp_job_set_str(job, "ddfile_name", ddfile_name);
	rc = imgp_names_destination_path(job, out, e);
	imgp_job_free(job);
	return rc;
}

int
imgp_names_check(const char *pipeline, struct imgp_err *e)
{
	static int (*const make[])(struct imgp_job *job, char **out,
	    struct imgp_err *e) = { imgp_names_job,
	    imgp_names_destination_path, imgp_names_destination_name,
	    any_temp_key, imgp_names_error_log_key, imgp_names_provenance_key,
	    any_run_log_key, any_unmatched_key };
	struct imgp_job *job;
	struct imgp_err why;
	int rc = 0;
	char *name;
	size_t i;

	if (check_zone(pipeline, e) == -1)
		return -1;
	job = any_job(pipeline);

	for (i = 0; rc == 0 && i < sizeof make / sizeof *make; i++)
		if ((rc = make[i](job, &name, &why)) == 0)
			free(name);
		else
			imgp_fail(e, IMGP_E_CONFIG, "%s", why.msg);
	imgp_job_free(job);
	return rc;
}

/* ${name}, which is ${len} bytes, ends with ${tail} and has more before it. */
static int
has_tail(const char *name, size_t len, const char *tail)
{
	size_t t = strlen(tail);

	return len > t && name[len - t - 1] != '/' &&
	    strcasecmp(name + len - t, tail) == 0;
}

const char *
imgp_names_extension(const char *name)
{
	size_t len = strlen(name);
	const char *base = strrchr(name, '/'), *dot;

	base = base == NULL ? name : base + 1;
	if (has_tail(name, len, ".tar.gz") || has_tail(name, len, ".nii.gz"))
		return name + len - 7;
	dot = strrchr(base, '.');
	if (dot == NULL || dot == base || dot[1] == '\0')
		return name + len;
	return dot;
}
