/* PKGS: libcjson libcrypto */
#include <stdlib.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/job/run_id.h"
#include "tests/c/tap.h"

#define RUN	"20190118T150405Z-0a1b2c3d"

/* A job as it stands after imgp-record start. */
static struct imgp_job *
a_job(void)
{
	static const char line[] =
	    "{\"v\":1,\"run\":\"" RUN "\",\"subject_event_crf_file_id\":1201,"
	    "\"pipeline_code\":\"image\",\"subject_id\":7,"
	    "\"participant_code\":\"1001\",\"event_code\":\"bl\","
	    "\"ddcrf_name\":\"MRI Upload\",\"ddfile_name\":\"mri_zip\","
	    "\"subject_event_crf_id\":9223372036854775807,"
	    "\"revision_number\":2,\"file_version_code\":\"abc.1\","
	    "\"extension\":\".zip\",\"edc_pipeline_file\":{\"id\":812,"
	    "\"ts_create\":\"2019-01-18T15:04:05Z\","
	    "\"file_name\":\"a_b.zip\"}}";
	struct imgp_err e = { NULL, "" };
	struct imgp_job *job = imgp_job_parse(line, sizeof line - 1, &e);

	if (job == NULL) {
		printf("Bail out! %s\n", e.msg);
		exit(1);
	}
	return job;
}

typedef int maker(struct imgp_job *, char **, struct imgp_err *);

static int
temp_key(struct imgp_job *job, char **out, struct imgp_err *e)
{
	return imgp_names_temp_key(job, "a_b.zip", out, e);
}

/* ${make} on a job with ${member} set to ${value} gives ${want}, a name or a code. */
static void
with(maker *make, const char *member, const char *value, const char *want,
    const char *title)
{
	struct imgp_job *job = a_job();
	struct imgp_err e = { NULL, "" };
	char *got = NULL;

	if (member != NULL && value == NULL)
		imgp_job_remove(job, member);
	else if (member != NULL)
		imgp_job_set_str(job, member, value);
	if (make(job, &got, &e) == -1) {
		is(e.code, want, title);
		/* Long values would show in a message that repeats them. */
		if (value != NULL && strlen(value) > 9)
			ok(strstr(e.msg, value) == NULL, "%s: not the value",
			    title);
	} else
		is(got, want, title);
	free(got);
	imgp_job_free(job);
}

/* The destination's name with ${ts} as ts_create begins its stamp so. */
static void
with_time(const char *ts, const char *want)
{
	struct imgp_job *job = a_job();
	struct imgp_err e = { NULL, "" };
	char *got = NULL, title[128];

	imgp_job_set_sub_str(job, "edc_pipeline_file", "ts_create", ts);
	snprintf(title, sizeof title, "M14 M15: the time %s", ts);
	if (imgp_names_destination_name(job, &got, &e) == -1)
		is(e.code, want, title);
	else
		is(got + strlen(got) - 19, want, title);
	free(got);
	imgp_job_free(job);
}

#define NAME_OF(form)	form "_mri_zip_1001_bl_9223372036854775807_2_812_" \
			"20190118_150405.zip"
#define INVALID	IMGP_E_NAME_INVALID

static void
test_components(void)
{
	static const struct { const char *value, *want, *title; } row[] = {
	{ "MRI", NAME_OF("MRI"), "M12: the parts in their order" },
	{ "M R I", NAME_OF("MRI"), "M13: spaces go" },
	{ "\tM\nR\r\v\fI", NAME_OF("MRI"), "M13: ASCII white space goes" },
	{ "M\xc2\xa0R\xc2\x85I", NAME_OF("MRI"), "M13: U+00A0 and U+0085 go" },
	{ "M\xe1\x9a\x80R\xe2\x80\x80\xe2\x80\x8aI", NAME_OF("MRI"),
	    "M13: U+1680, U+2000 and U+200A go" },
	{ "M\xe2\x80\xa8\xe2\x80\xa9R\xe2\x80\xaf\xe2\x81\x9fI", NAME_OF("MRI"),
	    "M13: U+2028, U+2029, U+202F and U+205F go" },
	{ "M\xe3\x80\x80RI", NAME_OF("MRI"), "M13: the ideographic space goes" },
	{ "\xe7\xa3\x81\xe6\xb0\x97", NAME_OF("\xe7\xa3\x81\xe6\xb0\x97"),
	    "M13: letters of any script stay" },
	{ "_M_", NAME_OF("_M_"), "M12: underscores stay" },
	{ "...", NAME_OF("..."), "M13: three dots are a name" },
	{ "a..b", NAME_OF("a..b"), "M13: dots inside a name stay" },
	{ "-rf", NAME_OF("-rf"), "M13: a leading dash stays" },
	{ "%2e%2E", NAME_OF("%2e%2E"), "M13: nothing is decoded" },
	{ "{extension}", NAME_OF("{extension}"),
	    "M12: a value is no template" },
	{ "", INVALID, "M13: nothing is no name" },
	{ " \xe3\x80\x80\t", INVALID, "M13: white space alone is no name" },
	{ "..", INVALID, "M13: .. is refused" },
	{ ".", INVALID, "M13: . is refused" },
	{ " . . ", INVALID, "M13: .. after white space went is refused" },
	{ "a/b-and-more", INVALID, "M13: / is refused" },
	{ "a\\b-and-more", INVALID, "M13: \\ is refused" },
	{ "../../etc/passwd", INVALID, "M13: a way out is refused" },
	{ "a\x01-and-more", INVALID, "M13: C0 is refused" },
	{ "a\x1b[2J-and-more", INVALID, "M13: ESC is refused" },
	{ "a\x7f-and-more", INVALID, "M13: DEL is refused" },
	{ "a\xc2\x9b-and-more", INVALID, "M13: C1 is refused" },
	{ "a\xe2\x80\xae-and-more", INVALID, "M13: U+202E is refused" },
	{ "a\xe2\x81\xa6-and-more", INVALID, "M13: U+2066 is refused" },
	{ "a\xd8\x9c-and-more", INVALID, "M13: U+061C is refused" },
	{ "a\xe2\x80\x8b-and-more", INVALID, "M13: zero width U+200B is refused" },
	{ "a\xe2\x80\x8d-and-more", INVALID, "M13: U+200D is refused" },
	{ "a\xe2\x81\xa0-and-more", INVALID, "M13: U+2060 is refused" },
	{ "\xef\xbb\xbf-and-more", INVALID, "M13: U+FEFF is refused" },
	{ "a\xc2\xad-and-more", INVALID, "M13: the soft hyphen is refused" },
	{ "a\xef\xbf\xbe-and-more", INVALID, "M13: U+FFFE is refused" },
	{ "a\xf3\xa0\x81\x81-and-more", INVALID, "M13: tags are refused" },
	};
	size_t i;

	for (i = 0; i < sizeof row / sizeof row[0]; i++)
		with(imgp_names_destination_name, "ddcrf_name", row[i].value,
		    row[i].want, row[i].title);
	with(imgp_names_destination_name, "ddcrf_name", NULL, IMGP_E_JOB_TYPE,
	    "M12: a missing part is no empty one");
}

static void
test_extensions(void)
{
	static const struct { const char *name, *want; } row[] = {
		{ "abc.zip", ".zip" }, { "abc.ZIP", ".ZIP" },
		{ "a.tar.gz", ".tar.gz" }, { "a.TAR.GZ", ".TAR.GZ" },
		{ "brain.nii.gz", ".nii.gz" }, { "a.b.nii.gz", ".nii.gz" },
		{ "a.gz", ".gz" }, { "tar.gz", ".gz" }, { ".tar.gz", ".gz" },
		{ "x/.tar.gz", ".gz" }, { "star.gz", ".gz" },
		{ "abc", "" }, { "", "" }, { ".hidden", "" }, { "x/.hidden", "" },
		{ "dir.d/file", "" }, { "dir.tar.gz/file", "" }, { "abc.", "" },
		{ "a..zip", ".zip" }, { "a/b/c.dcm", ".dcm" },
	};
	char title[64];
	size_t i;

	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		snprintf(title, sizeof title, "M16: extension of \"%s\"",
		    row[i].name);
		is(imgp_names_extension(row[i].name), row[i].want, title);
	}
	with(imgp_names_destination_name, "extension", "",
	    "MRIUpload_mri_zip_1001_bl_9223372036854775807_2_812_"
	    "20190118_150405", "M16: none stays none");
	with(imgp_names_destination_name, "extension", ".Tar.gz",
	    "MRIUpload_mri_zip_1001_bl_9223372036854775807_2_812_"
	    "20190118_150405.Tar.gz", "M16: the case stays");
	with(imgp_names_destination_name, "extension", "zip", INVALID,
	    "M16: an extension has its dot");
	with(imgp_names_destination_name, "extension", ".", INVALID,
	    "M16: a dot is no extension");
	with(imgp_names_destination_name, "extension", "./../etc/x", INVALID,
	    "M16: an extension leads nowhere");
}

static void
test_lengths(void)
{
	/* NAME_OF("") is 60 bytes. */
	char form[800], name[900], path[900];
	size_t fill = 241 - strlen(NAME_OF(""));

	memset(form, 'x', sizeof form);
	form[fill] = '\0';
	snprintf(name, sizeof name, "%s" NAME_OF(""), form);
	with(imgp_names_destination_name, "ddcrf_name", form, name,
	    "M12: a name of 241 bytes");
	form[fill] = 'x';
	form[fill + 1] = '\0';
	with(imgp_names_destination_name, "ddcrf_name", form,
	    IMGP_E_NAME_TOO_LONG, "M12: not one of 242");
	memset(form, 'x', sizeof form);
	form[255 - 7] = '\0';
	snprintf(path, sizeof path, "quarantine/%smri_zip/", form);
	with(imgp_names_destination_path, "ddcrf_name", form, path,
	    "M11: a path segment of 255 bytes");
	form[255 - 7] = 'x';
	form[255 - 6] = '\0';
	with(imgp_names_destination_path, "ddcrf_name", form,
	    IMGP_E_NAME_TOO_LONG, "M11: not one of 256");
}

static void
test_times(void)
{
	with_time("2019-01-18T15:04:05Z", "20190118_150405.zip");
	with_time("2019-01-18T15:04:05.999999Z", "20190118_150405.zip");
	with_time("2019-01-18 15:04:05+00", "20190118_150405.zip");
	with_time("2019-01-18T23:34:05-05:30", "20190119_050405.zip");
	with_time("2020-03-01T00:30:00+01:00", "20200229_233000.zip");
	with_time("9999-12-31T23:59:59Z", "99991231_235959.zip");
	with_time("2019-02-29T00:00:00Z", IMGP_E_JOB_TYPE);
	with_time("2019-13-01T00:00:00Z", IMGP_E_JOB_TYPE);
	with_time("2019-01-18T24:00:00Z", IMGP_E_JOB_TYPE);
	with_time("2019-01-18T15:04:05", IMGP_E_JOB_TYPE);
	with_time("2019-01-18T15:04:05Zx", IMGP_E_JOB_TYPE);
	with_time("2019-01-18T15:04:05+", IMGP_E_JOB_TYPE);
	with_time("2019-01-18", IMGP_E_JOB_TYPE);
	with_time("", IMGP_E_JOB_TYPE);
}

static void
test_keys(void)
{
	struct imgp_job *job;
	struct imgp_err e = { NULL, "" };
	char *s = NULL;

	with(imgp_names_destination_path, NULL, NULL,
	    "quarantine/MRIUploadmri_zip/", "M11: the path is literal");
	with(imgp_names_job, NULL, NULL,
	    "7_9223372036854775807_mri_zip_abc.1_20190118_150405",
	    "M54: the job's name");
	with(imgp_names_job, "run", "yesterday", IMGP_E_JOB_TYPE,
	    "M54: no run, no name");
	with(imgp_names_job, "subject_id", "7/8", INVALID,
	    "M54: a name is one segment");
	with(temp_key, NULL, NULL, "812/a_b.zip", "M17: the temporary key");
	with(temp_key, "edc_pipeline_file", NULL, IMGP_E_JOB_TYPE,
	    "M17: no row, no key");
	with(imgp_names_error_log_key, NULL, NULL,
	    "image_pipelines/error_logs/image/a_b.zip_error_log.txt",
	    "M64 M65: the error log's key");
	/* printf 1201 | sha256sum */
	with(imgp_names_error_log_key, "edc_pipeline_file", NULL,
	    "image_pipelines/error_logs/_unmatched/"
	    "3b4749274494_20190118_150405_error_log.txt",
	    "M66: without a row by the input's sum");

	job = imgp_job_of_input("not json", 8);
	setenv("IMGP_RUN", RUN, 1);
	/* printf 'not json' | sha256sum */
	ok(imgp_names_error_log_key(job, &s, &e) == 0, "M66: a broken line");
	is(s, "image_pipelines/error_logs/_unmatched/"
	    "7ccfa1fbf394_20190118_150405_error_log.txt",
	    "M66: ... of the run in the environment");
	free(s);
	unsetenv("IMGP_RUN");
	s = NULL;
	ok(imgp_names_error_log_key(job, &s, &e) == 0 && s != NULL,
	    "M66: ... and of none");
	free(s);
	imgp_job_free(job);

	s = NULL;
	imgp_names_run_log_key("image", RUN, &s, &e);
	is(s, "image_pipelines/run_logs/image/" RUN ".jsonl", "M67: the run's log");
	free(s);
	s = NULL;
	ok(imgp_names_run_log_key("../x", RUN, &s, &e) == -1, "M67: no way out");
	is(e.code, INVALID, "M67: ... by its code");
	ok(imgp_names_run_log_key("image", "x", &s, &e) == -1, "M67: no run");
	is(e.code, IMGP_E_JOB_TYPE, "M67: ... by its code");

	job = a_job();
	imgp_names_local(job, "/var/spool/imgpipe/", &s, &e);
	is(s, "file:///var/spool/imgpipe/" RUN "/812/upload", "M61: the work copy");
	free(s);
	ok(imgp_names_local(job, "spool", &s, &e) == -1 &&
	    strcmp(e.code, IMGP_E_CONFIG) == 0, "M61: a relative spool");
	imgp_job_set_str(job, "run", "../../x");
	ok(imgp_names_local(job, "/spool", &s, &e) == -1 &&
	    strcmp(e.code, IMGP_E_JOB_TYPE) == 0, "R35: a hostile run");
	imgp_job_free(job);
}

static void
test_runs(void)
{
	static const char *const bad[] = {
		"", "x", "20190118T150405Z-0A1B2C3D", "20190118T150405Z-0a1b2c3",
		"20190118T150405Z-0a1b2c3d0", "2019-118T150405Z-0a1b2c3d",
		"20190118T150405Z/0a1b2c3d", NULL
	};
	char *a = imgp_run_id_new(), *b = imgp_run_id_new();
	size_t i;

	ok(imgp_run_id_is(a) && imgp_run_id_is(b), "a new run's form");
	ok(strcmp(a, b) != 0, "two runs differ");
	for (i = 0; bad[i] != NULL; i++)
		ok(!imgp_run_id_is(bad[i]), "no run: \"%s\"", bad[i]);
	free(a);
	free(b);
}

/* With the setting ${name} (a variable) at ${value}, ${make} fails so. */
static void
bad_template(const char *name, const char *value, maker *make,
    const char *title)
{
	setenv(name, value, 1);
	with(make, NULL, NULL, IMGP_E_NAME_TEMPLATE, title);
	unsetenv(name);
}

static void
test_templates(void)
{
	setenv("IMGP_DESTINATION_PATH", "q/{ddcrf_name}/{ddfile_name}/", 1);
	with(imgp_names_destination_path, NULL, NULL, "q/MRIUpload/mri_zip/",
	    "M11: the path is a setting");
	unsetenv("IMGP_DESTINATION_PATH");
	bad_template("IMGP_DESTINATION_PATH", "q/{ddcrf_name}",
	    imgp_names_destination_path, "M11: a path ends with /");
	bad_template("IMGP_DESTINATION_PATH", "/q/",
	    imgp_names_destination_path, "M11: a path does not begin with /");
	bad_template("IMGP_DESTINATION_PATH", "q//x/",
	    imgp_names_destination_path, "M11: no empty segment");
	bad_template("IMGP_DESTINATION_PATH", "my quarantine/",
	    imgp_names_destination_path, "M13: no white space in a template");
	bad_template("IMGP_DESTINATION_NAME", "{ddcrf_name}",
	    imgp_names_destination_name, "M12: a name without the row's id");
	bad_template("IMGP_DESTINATION_NAME", "a/{edc_pipeline_file.id}",
	    imgp_names_destination_name, "M12: a name is one segment");
	bad_template("IMGP_DESTINATION_NAME", "{edc_pipeline_file.id}_{bogus}",
	    imgp_names_destination_name, "M12: an unknown member");
	bad_template("IMGP_DESTINATION_NAME", "{edc_pipeline_file.id}_{event",
	    imgp_names_destination_name, "M12: an open brace");
	bad_template("IMGP_DESTINATION_NAME", "{edc_pipeline_file.id}}",
	    imgp_names_destination_name, "M12: a stray brace");
	bad_template("IMGP_DESTINATION_NAME",
	    "{edc_pipeline_file.id}_{edc_pipeline_file.attempt}",
	    imgp_names_destination_name, "M14: nothing that changes by attempt");
	bad_template("IMGP_TEMP_KEY", "{file_name}", temp_key,
	    "M17: a temporary key without the row's id");
	setenv("IMGP_DESTINATION_PATH", "q/.{ddfile_name}/", 1);
	with(imgp_names_destination_path, "ddfile_name", ".x", "q/..x/",
	    "M13: a segment that only begins with dots");
	unsetenv("IMGP_DESTINATION_PATH");
}

int
main(void)
{
	test_components();
	test_extensions();
	test_lengths();
	test_times();
	test_keys();
	test_runs();
	test_templates();
	return done_testing();
}
