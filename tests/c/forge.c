/* PKGS: libcjson zlib libisal libcrypto dcmtk */
/*
 * A parser child that was taken over and lies, for tests/sandbox.t.
 *
 *	forge lines		answers that one of the processes of job/isolate.h
 *				must not give; a line for each: "refused" or "THROUGH"
 *	forge scan silent|empty	imgp-dcmscan whose process finds nothing and says
 *				no reason; the job's line
 *	forge stamp silent|copy|empty <JOB
 *				imgp-stamp whose process says that there was nothing
 *				to stamp, or that the work copy as it is, or nothing,
 *				is the stamped file
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/isolate.h"
#include "libimgpipe/steps/scan_job.h"
#include "libimgpipe/steps/stamp_job.h"

#define JOB	"\"v\":1,\"subject_event_crf_file_id\":7,\"job\":\"j\"," \
	"\"participant_code\":\"P7\",\"local\":\"file:///spool/7\"," \
	"\"destination\":\"file:///lab/7\",\"edc_pipeline_file\":" \
	"{\"id\":70,\"lease\":9,\"file_name\":\"f7\"},\"sha256\":{\"source\":\"s\"}," \
	"\"errors\":[{\"stage\":\"fetch\",\"error_code\":\"IMGP-STORE-IO\"," \
	"\"error\":\"x\",\"fatal\":false,\"retryable\":true}]," \
	"\"scans\":[{\"study_uid\":\"1.2\",\"series\":[{\"series_uid\":\"1.3\"," \
	"\"series_number\":1,\"number_of_instances\":1,\"atri_uid\":\"70.1\"}]}]"
#define SHA	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FIRST	"{\"stage\":\"fetch\",\"error_code\":\"IMGP-STORE-IO\"," \
	"\"error\":\"x\",\"fatal\":false,\"retryable\":true}"
#define ERRORS(code, text)	"{\"errors\":[" FIRST ",{\"stage\":\"stamp\"," \
	"\"error_code\":\"" code "\",\"error\":\"" text "\",\"fatal\":false}]}"
#define SERIES(uid, n)	"{\"scans\":[{\"study_uid\":\"1.2\",\"series\":" \
	"[{\"series_uid\":\"" uid "\",\"series_number\":1," \
	"\"number_of_instances\":" n "}]}]}"
#define LONG	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct forged {
	const char	*name, *stage, *line;
};
static const struct forged forged[] = {
	{ "another id", "stamp", "{\"subject_event_crf_file_id\":8}" },
	{ "another participant", "stamp", "{\"participant_code\":\"P8\"}" },
	{ "another work copy", "stamp", "{\"local\":\"file:///spool/8\"}" },
	{ "another destination", "stamp", "{\"destination\":\"file:///x\"}" },
	{ "another source", "stamp", "{\"source\":\"file:///x\"}" },
	{ "another place for the temporary", "stamp", "{\"temp\":\"s3://a/b\"}" },
	{ "another name of the job", "stamp", "{\"job\":\"k\"}" },
	{ "another pipeline", "stamp", "{\"pipeline_code\":\"q\"}" },
	{ "another run", "stamp", "{\"run\":\"r\"}" },
	{ "another row", "stamp",
	    "{\"edc_pipeline_file\":{\"id\":71,\"lease\":9,\"file_name\":\"f7\"}}" },
	{ "another lease", "stamp",
	    "{\"edc_pipeline_file\":{\"id\":70,\"lease\":10,\"file_name\":\"f7\"}}" },
	{ "another file name", "stamp",
	    "{\"edc_pipeline_file\":{\"id\":70,\"lease\":9,\"file_name\":\"f8\"}}" },
	{ "a member that nobody knows", "stamp", "{\"x\":1}" },
	{ "a skip", "stamp", "{\"skip\":\"IMGP-SKIP-DONE\"}" },
	{ "an ETag", "stamp", "{\"etag\":{\"source\":\"x\"}}" },
	{ "retries", "stamp", "{\"retries\":{\"fetch\":1}}" },
	{ "another participant, by the scan", "scan",
	    "{\"participant_code\":\"P8\"}" },
	{ "another work copy, by the scan", "scan", "{\"local\":\"file:///8\"}" },
	{ "ids, by the scan", "scan",
	    "{\"scans\":[{\"study_uid\":\"1.2\",\"series\":[{\"series_uid\":"
	    "\"1.3\",\"number_of_instances\":1,\"atri_uid\":\"80.1\"}]}]}" },
	{ "scans, by the stamp", "stamp", SERIES("1.9", "1") },
	{ "a sum, by the scan", "scan", "{\"sha256\":{\"local\":\"" SHA "\"}}" },
	{ "a size, by the scan", "scan", "{\"bytes\":{\"local\":1}}" },
	{ "a listing, by the stamp", "stamp", "{\"listing\":{\"dicom\":1}}" },
	{ "no instance", "scan", SERIES("1.3", "0") },
	{ "instances below none", "scan", SERIES("1.3", "-1") },
	{ "half an instance", "scan", SERIES("1.3", "1.5") },
	{ "instances as text", "scan", SERIES("1.3", "\"1\"") },
	{ "a UID of 128 characters", "scan", SERIES(LONG, "1") },
	{ "an empty UID", "scan", SERIES("", "1") },
	{ "a UID with a blank", "scan", SERIES("1 .3", "1") },
	{ "a UID with a control character", "scan", SERIES("1\\u001b[1m", "1") },
	{ "scans that are none", "scan", "{\"scans\":{}}" },
	{ "more instances than can be", "scan", SERIES("1.3", "4294967296") },
	{ "as many as a number holds", "scan",
	    SERIES("1.3", "9223372036854775807") },
	{ "more than that", "scan", SERIES("1.3", "9223372036854775808") },
	{ "instances with an exponent", "scan", SERIES("1.3", "1e3") },
	{ "minus no instances", "scan", SERIES("1.3", "-0") },
	{ "a sum that is too much", "scan", "{\"scans\":[{\"study_uid\":\"1.2\","
	    "\"series\":[{\"series_uid\":\"1.3\",\"number_of_instances\":"
	    "4294967295},{\"series_uid\":\"1.4\",\"number_of_instances\":1}]}]}" },
	{ "a series number that is no IS", "scan", "{\"scans\":[{\"study_uid\":"
	    "\"1.2\",\"series\":[{\"series_uid\":\"1.3\",\"series_number\":"
	    "2147483648,\"number_of_instances\":1}]}]}" },
	{ "a series number below all", "scan", "{\"scans\":[{\"study_uid\":"
	    "\"1.2\",\"series\":[{\"series_uid\":\"1.3\",\"series_number\":"
	    "-2147483649,\"number_of_instances\":1}]}]}" },
	{ "a series twice", "scan", "{\"scans\":[{\"study_uid\":\"1.2\","
	    "\"series\":[{\"series_uid\":\"1.3\",\"number_of_instances\":1},"
	    "{\"series_uid\":\"1.3\",\"number_of_instances\":1}]}]}" },
	{ "a UID that is not ASCII", "scan", SERIES("1.\\u0663", "1") },
	{ "a UID with NUL", "scan", SERIES("1.3\\u0000.4", "1") },
	{ "a UID with half a character", "scan", SERIES("1.\\ud800", "1") },
	{ "a UID of bytes that are not UTF-8", "scan", SERIES("1.\xff", "1") },
	{ "scans that are numbers", "scan", "{\"scans\":[1,2]}" },
	{ "scans in scans", "scan", "{\"scans\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
	    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}" },
	{ "a key twice within", "scan", "{\"scans\":[{\"study_uid\":\"1.2\","
	    "\"study_uid\":\"1.3\",\"series\":[]}]}" },
	{ "a key twice, once escaped", "scan",
	    "{\"listing\":{\"dicom\":1,\"dic\\u006fm\":2}}" },
	{ "a member twice, once escaped", "stamp",
	    "{\"job\":\"j\",\"j\\u006fb\":\"k\"}" },
	{ "a listing that is too much", "scan",
	    "{\"listing\":{\"dicom\":4294967296}}" },
	{ "a listing of a cell", "scan", "{\"listing\":{\"=1+1\":1}}" },
	{ "a listing of HTML", "scan", "{\"listing\":{\"<b>\":1}}" },
	{ "a listing of an archive's member", "scan",
	    "{\"listing\":{\"../x\":1}}" },
	{ "a text that turns round", "stamp",
	    ERRORS("IMGP-STAMP-VALUE", "a\\u202eb") },
	{ "a text with C1", "stamp", ERRORS("IMGP-STAMP-VALUE", "a\\u009bb") },
	{ "a text with a line separator", "stamp",
	    ERRORS("IMGP-STAMP-VALUE", "a\\u2028b") },
	{ "a sum in capitals", "stamp", "{\"sha256\":{\"local\":\"0123456789ABCDEF"
	    "0123456789abcdef0123456789abcdef0123456789abcdef\"}}" },
	{ "a size with a point", "stamp", "{\"bytes\":{\"local\":1.0}}" },
	{ "a size of nothing", "stamp", "{\"bytes\":{\"local\":null}}" },
	{ "a sum as a list", "stamp", "{\"sha256\":[\"" SHA "\"]}" },
	{ "stamped, it says", "stamp", "{\"stamped\":true}" },
	{ "it is well, by the stamp", "stamp", "{\"ok\":true}" },
	{ "another source of the sum, by the scan", "scan",
	    "{\"sha256\":{\"source\":\"x\"}}" },
	{ "a lease as text", "stamp", "{\"edc_pipeline_file\":{\"id\":70,"
	    "\"lease\":\"9\",\"file_name\":\"f7\"}}" },
	{ "an id with an exponent", "stamp",
	    "{\"subject_event_crf_file_id\":7e0}" },
	{ "a version that is not", "stamp", "{\"v\":2}" },
	{ "a byte order mark", "stamp", "\xef\xbb\xbf{}" },
	{ "a list", "stamp", "[{}]" },
	{ "something after it", "stamp", "{}{}" },
	{ "a listing with a negative count", "scan",
	    "{\"listing\":{\"dicom\":-1}}" },
	{ "a listing with text", "scan", "{\"listing\":{\"dicom\":\"x\"}}" },
	{ "a listing with a name", "scan", "{\"listing\":{\"Mr. Smith\":1}}" },
	{ "a listing that is none", "scan", "{\"listing\":[1]}" },
	{ "a code that nobody knows", "stamp", ERRORS("IMGP-NO-SUCH", "x") },
	{ "a reason to skip as an error", "stamp",
	    ERRORS("IMGP-SKIP-DONE", "x") },
	{ "a text that is not printable", "stamp",
	    ERRORS("IMGP-STAMP-VALUE", "\\u001b[1m") },
	{ "a text with a newline", "stamp",
	    ERRORS("IMGP-STAMP-VALUE", "a\\nb") },
	{ "a text that is too long", "stamp", ERRORS("IMGP-STAMP-VALUE",
	    LONG LONG LONG LONG) },
	{ "an error without a text", "stamp", "{\"errors\":[" FIRST ",{\"stage\":"
	    "\"stamp\",\"error_code\":\"IMGP-STAMP-VALUE\",\"fatal\":false}]}" },
	{ "an error of another stage", "stamp", "{\"errors\":[" FIRST ",{"
	    "\"stage\":\"deliver\",\"error_code\":\"IMGP-STORE-IO\",\"error\":"
	    "\"x\",\"fatal\":false}]}" },
	{ "errors taken away", "stamp", "{\"errors\":[]}" },
	{ "errors that are none", "stamp", "{\"errors\":{}}" },
	{ "a sum that is none", "stamp", "{\"sha256\":{\"local\":\"x\"}}" },
	{ "a sum that is a number", "stamp", "{\"sha256\":7}" },
	{ "a size below nothing", "stamp", "{\"bytes\":{\"local\":-1}}" },
	{ "a replaced value that is no id", "stamp",
	    "{\"replaced\":[\"Mr. Smith\"]}" },
	{ "a replaced value that is no text", "stamp", "{\"replaced\":[7]}" },
	{ "a second line", "stamp", "{}\n{\"participant_code\":\"P8\"}" },
	{ "a whole other line first", "stamp",
	    "{\"participant_code\":\"P8\"}\n{" JOB "}\n" },
	{ "a newline at its end", "stamp", "{}\n" },
	{ "no JSON", "stamp", "all is well" },
	{ "nothing", "stamp", "" },
	{ "half a line", "stamp", "{\"replaced\":[\"1.2\"]" },
	{ "a member twice", "stamp",
	    "{\"replaced\":[\"1.2\"],\"replaced\":[\"1.3\"]}" },
};

/* Long ones, made when they are needed: ${head}, ${part} a hundred thousand times,
 * ${tail}. */
#define MANY	100000
static const struct {
	const char	*name, *stage, *head, *part, *tail;
} longs[] = {
	{ "warnings without end", "stamp", "{\"warnings\":[", "{\"stage\":\"stamp\","
	    "\"error_code\":\"IMGP-STAMP-VALUE\",\"error\":\"x\"},", "0]}" },
	{ "depth without end", "stamp", "{\"replaced\":", "[", "" },
	{ "replaced values without end", "stamp", "{\"replaced\":[", "\"1\",",
	    "\"1\"]}" },
	{ "kinds without end", "scan", "{\"listing\":{", "\"%zu\":1,", "\"a\":1}}" },
	{ "series without end", "scan", "{\"scans\":[{\"study_uid\":\"1\","
	    "\"series\":[", "{\"series_uid\":\"1.%zu\",\"number_of_instances\":1},",
	    "{\"series_uid\":\"1\",\"number_of_instances\":1}]}]}" },
	{ "studies without end", "scan", "{\"scans\":[", "{\"study_uid\":\"1.%zu\","
	    "\"series\":[{\"series_uid\":\"1\",\"number_of_instances\":1}]},",
	    "{\"study_uid\":\"1\",\"series\":[]}]}" },
	{ "a line without end", "stamp", "{\"replaced\":[\"", LONG LONG LONG, "\"]}" },
};

static const struct forged *now;

static int
forge(struct imgp_job *job, void *arg)
{
	int fd;

	(void)job;
	(void)arg;
	for (fd = 3; fcntl(fd, F_GETFD) == -1; fd++)
		;
	if (imgp_write_all(fd, now->line, strlen(now->line)) == -1)
		return 1;
	_exit(0);
}

static void
taken(struct imgp_job *job, size_t before, int keep, const struct imgp_err *e,
    void *arg)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	(void)keep;
	(void)arg;
	imgp_job_print(job, &b);
	printf("%s %s\n", e != NULL && strcmp(e->code, IMGP_E_DICOM_CRASH) == 0 &&
	    strcmp(b.s, "{" JOB "}") == 0 && before == 1 ? "refused" : "THROUGH",
	    now->name);
	imgp_buf_release(&b);
	imgp_job_free(job);
}

static void
try_forged(const struct forged *f)
{
	const struct imgp_isolate_ops ops = { f->stage, 0, -1,
	    IMGP_E_DICOM_CRASH, forge, taken };
	struct imgp_isolate *s = imgp_isolate_new(&ops, NULL, 1);
	struct pollfd p[1];
	struct imgp_err e;
	int64_t wait = -1;

	now = f;
	imgp_isolate_put(s, imgp_job_parse("{" JOB "}", sizeof JOB + 1, &e));
	while (imgp_isolate_jobs(s) > 0) {
		poll(p, (nfds_t)imgp_isolate_poll(s, p, &wait), -1);
		imgp_isolate_turn(s, p);
	}
	imgp_isolate_free(s);
}

/* The scan says nothing, or that there is nothing. */
static int
say_nothing(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct imgp_json *none = imgp_json_new_array();

	(void)f;
	(void)e;
	if (*(const int *)arg)
		imgp_job_set(job, "scans", none);
	else
		imgp_json_free(none);
	return 0;
}

static int
upload_fd(const void *arg)
{
	(void)arg;
	return -1;
}

static int
scan_nothing(int empty)
{
	struct imgp_filter_ops ops = imgp_scan_ops(0);

	ops.step = say_nothing;
	ops.upload_fd = upload_fd;
	ops.confine = NULL;
	return imgp_filter_one(&ops, &empty, imgp_job_new());
}

enum lie { SILENT, COPY, EMPTY };
static enum lie lie;

static int
stamp_nothing(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct imgp_stamp_job *s = arg;
	char hex[65], buf[65536];
	int64_t bytes;
	ssize_t n;

	(void)f;
	if (lie == SILENT)
		return 0;
	while (lie == COPY && (n = read(s->work.fd, buf, sizeof buf)) > 0)
		if (write(s->to, buf, (size_t)n) != n)
			return -1;
	if (imgp_stamp_sum(s->to, hex, &bytes, e) == -1)
		return -1;
	imgp_job_set_sub_str(job, "sha256", "local", hex);
	imgp_job_set_sub_int(job, "bytes", "local", bytes);
	return IMGP_STEP_KEEP;
}

static int
stamp_lies(const char *how)
{
	struct imgp_stamp_job s = { .opts.threads = 1 };
	struct imgp_filter_ops ops = imgp_stamp_ops(0);
	struct imgp_err e;

	if (imgp_limits_load(&s.lim, &e) == -1)
		return 2;
	lie = strcmp(how, "copy") == 0 ? COPY : strcmp(how, "empty") == 0 ?
	    EMPTY : SILENT;
	ops.step = stamp_nothing;
	return imgp_filter_run(&ops, &s, 1);
}

/* ${s} with ${n} where it says so. */
static void
add_part(struct imgp_buf *b, const char *s, size_t n)
{
	const char *at = strstr(s, "%zu");
	char digits[24];

	snprintf(digits, sizeof digits, "%zu", n);
	imgp_buf_add(b, s, at == NULL ? strlen(s) : (size_t)(at - s));
	if (at != NULL) {
		imgp_buf_puts(b, digits);
		imgp_buf_puts(b, at + strlen("%zu"));
	}
}

static void
try_longs(void)
{
	struct imgp_buf b;
	struct forged f;
	size_t i, n;

	for (i = 0; i < sizeof longs / sizeof *longs; i++) {
		imgp_buf_init(&b);
		imgp_buf_puts(&b, longs[i].head);
		for (n = 0; n < MANY; n++)
			add_part(&b, longs[i].part, n);
		imgp_buf_puts(&b, longs[i].tail);
		f = (struct forged){ longs[i].name, longs[i].stage, b.s };
		try_forged(&f);
		imgp_buf_release(&b);
	}
}

int
main(int argc, char *argv[])
{
	size_t i;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc == 3 && strcmp(argv[1], "scan") == 0)
		return scan_nothing(strcmp(argv[2], "empty") == 0);
	if (argc == 3 && strcmp(argv[1], "stamp") == 0)
		return stamp_lies(argv[2]);
	if (argc != 2 || strcmp(argv[1], "lines") != 0)
		return 2;
	for (i = 0; i < sizeof forged / sizeof *forged; i++)
		try_forged(&forged[i]);
	try_longs();
	return 0;
}
