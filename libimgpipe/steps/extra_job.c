#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/program.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/job/answer.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/stamp/prov.h"
#include "libimgpipe/steps/extra_job.h"
#include "libimgpipe/steps/work_copy.h"

#define SCAN_MOST	((size_t)16 << 20)	/* bytes of a job line */

/* The program of ${pipeline}; NULL: it has none. */
static const char *
command(const struct imgp_extra *x, const char *pipeline)
{
	return x->with != NULL ? x->with : imgp_conf(pipeline, "extra_command");
}

int
imgp_extra_required(struct imgp_job *job, void *unused)
{
	(void)unused;
	return strcmp(imgp_conf(imgp_job_str(job, "pipeline_code"), "extra"),
	    "required") == 0;
}

static int
can_start(const char *words, struct imgp_err *e)
{
	char **argv = imgp_program_words(words);
	struct stat st;
	int rc = 0;

	if (argv[0] == NULL || argv[0][0] != '/')
		rc = imgp_fail(e, IMGP_E_CONFIG,
		    "the extra program is no absolute path");
	else if (stat(argv[0], &st) == -1 || access(argv[0], X_OK) == -1)
		rc = imgp_fail_errno(e, IMGP_E_CONFIG, "the extra program %s",
		    argv[0]);
	else if (!S_ISREG(st.st_mode))
		rc = imgp_fail(e, IMGP_E_CONFIG,
		    "the extra program %s is no file", argv[0]);
	imgp_program_free_words(argv);
	return rc;
}

int
imgp_extra_check(const struct imgp_extra *x, struct imgp_err *e)
{
	const char *code, *words;
	size_t i;

	if ((words = command(x, NULL)) != NULL && can_start(words, e) == -1)
		return -1;
	for (i = 0; (code = imgp_conf_section(i)) != NULL; i++)
		if ((words = command(x, code)) != NULL &&
		    can_start(words, e) == -1)
			return -1;
	return 0;
}

/* --- the program -------------------------------------------------------------- */

/* No setting of ours, no password, no key; and what extra_env names. */
static char **
environment(const char *pipeline)
{
	const char *names = imgp_conf(pipeline, "extra_env");
	char **pass = imgp_program_words(names == NULL ? "" : names), **w;
	char **env;
	size_t n = 0;

	for (w = pass; *w != NULL; w++)
		n++;
	env = imgp_alloc((n + 4) * sizeof *env);
	n = 0;
	env[n++] = imgp_strdup("PATH=/usr/local/bin:/usr/bin:/bin");
	env[n++] = imgp_strdup("LC_ALL=C");
	if (getenv("IMGP_RUN") != NULL)
		env[n++] = imgp_asprintf("IMGP_RUN=%s", getenv("IMGP_RUN"));
	for (w = pass; *w != NULL; w++)
		if (getenv(*w) != NULL)
			env[n++] = imgp_asprintf("%s=%s", *w, getenv(*w));
	imgp_program_free_words(pass);
	return env;
}

/* What its end means: 0: it answered; -1 and ${e}. */
static int
judge_end(enum imgp_program_end end, int n, unsigned int seconds,
    size_t written, struct imgp_err *e)
{
	switch (end) {
	case IMGP_PROGRAM_STOPPED:
		return imgp_fail(e, IMGP_E_EXTRA_FAILED, "a signal ended it");
	case IMGP_PROGRAM_LATE:
		return imgp_fail(e, IMGP_E_EXTRA_TIMEOUT,
		    "the program was not done after %u seconds", seconds);
	case IMGP_PROGRAM_TOO_MUCH:
		return imgp_fail(e, IMGP_E_EXTRA_ANSWER,
		    "the program wrote more than a job line");
	case IMGP_PROGRAM_KILLED:
		return imgp_fail(e, IMGP_E_EXTRA_FAILED,
		    "the program died of signal %d", n);
	case IMGP_PROGRAM_EXITED:
		break;
	}
	if (n == 75)
		return imgp_fail(e, IMGP_E_EXTRA_UNAVAILABLE,
		    "the program ended with 75: try later");
	if (n != 0 && n != 1)
		return imgp_fail(e, IMGP_E_EXTRA_FAILED,
		    "the program ended with %d", n);
	if (n == 1 && written == 0)
		return imgp_fail(e, IMGP_E_EXTRA_REFUSED,
		    "the program refused the upload");
	return 0;
}

static size_t
count_errors(struct imgp_job *job)
{
	return imgp_json_count(imgp_job_get(job, "errors"));
}

/* Its line is one, and adds what it may. */
static int
judge_answer(struct imgp_job *job, const struct imgp_buf *out, int status,
    struct imgp_err *e)
{
	size_t before = count_errors(job);
	size_t len = out->len;

	len -= len > 0 && out->s[len - 1] == '\n';
	if (imgp_answer_take(job, "extra", out->s, len, IMGP_E_EXTRA_ANSWER,
	    e) == -1)
		return -1;
	if (count_errors(job) > before && imgp_extra_required(job, NULL))
		return imgp_fail(e, IMGP_E_EXTRA_REFUSED, "the program found "
		    "errors, and extra = required");
	return status == 1 && count_errors(job) == before ?
	    imgp_fail(e, IMGP_E_EXTRA_REFUSED,
	    "the program refused the upload") : 0;
}

static int
run(struct imgp_job *job, char **argv, struct imgp_err *e)
{
	const char *pipeline = imgp_job_str(job, "pipeline_code");
	struct imgp_buf line = IMGP_BUF_INIT, out = IMGP_BUF_INIT;
	struct imgp_program p = { .argv = argv, .most = IMGP_JSON_MAX };
	enum imgp_program_end end;
	char **env = environment(pipeline);
	long long seconds;
	int n, rc = -1;

	imgp_job_print(job, &line);
	imgp_buf_puts(&line, "\n");
	p.env = env;
	p.in = line.s;
	p.in_len = line.len;
	if (imgp_conf_duration(pipeline, "extra_timeout", &seconds, e) == 0) {
		p.seconds = (unsigned int)seconds;
		rc = imgp_program_run(&p, &out, &end, &n, e);
	}
	if (rc == 0)
		rc = judge_end(end, n, p.seconds, out.len, e);
	if (rc == 0)
		rc = judge_answer(job, &out, n, e);
	imgp_program_free_words(env);
	imgp_buf_release(&line);
	imgp_buf_release(&out);
	return rc;
}

/* --- what it did to the work copy ------------------------------------------------ */

static int
sum(int fd, char hex[IMGP_SHA256_HEX], int64_t *bytes, struct imgp_err *e)
{
	struct imgp_sha256 *h = imgp_sha256_new();
	unsigned char *buf = imgp_alloc((size_t)256 << 10);
	ssize_t n;
	int rc = 0;

	*bytes = 0;
	while ((n = pread(fd, buf, (size_t)256 << 10, *bytes)) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			rc = imgp_fail_errno(e, IMGP_E_STORE_IO,
			    "the work copy again");
			break;
		}
		imgp_sha256_add(h, buf, (size_t)n);
		*bytes += n;
	}
	imgp_sha256_end_hex(h, hex);
	free(buf);
	imgp_sha256_free(h);
	return rc;
}

static int
are_equal(const struct imgp_scans *a, const struct imgp_scans *b)
{
	const struct imgp_series *s, *t;
	size_t i, k;

	if (a->n != b->n)
		return 0;
	for (i = 0; i < a->n; i++) {
		if (strcmp(a->scan[i].study_uid, b->scan[i].study_uid) != 0 ||
		    a->scan[i].n != b->scan[i].n)
			return 0;
		for (k = 0; k < a->scan[i].n; k++) {
			s = &a->scan[i].series[k];
			t = &b->scan[i].series[k];
			if (strcmp(s->series_uid, t->series_uid) != 0 ||
			    s->number_of_instances != t->number_of_instances)
				return 0;
		}
	}
	return 1;
}

/* Its images are those that were counted before; imgp-dcmscan reads them in its
 * sandbox. */
static int
count_again(const struct imgp_extra *x, struct imgp_job *job, const char *path,
    struct imgp_err *e)
{
	struct imgp_scans was = IMGP_SCANS_INIT, is = IMGP_SCANS_INIT;
	char *tool = imgp_asprintf("%s/imgp-dcmscan", x->tools);
	char quiet[] = "-q", end_of_options[] = "--";
	char *file = imgp_strdup(path);
	char *argv[] = { tool, quiet, end_of_options, file, NULL };
	struct imgp_program p = { .argv = argv, .env = environ, .in = "",
	    .most = SCAN_MOST };
	struct imgp_buf out = IMGP_BUF_INIT;
	enum imgp_program_end end;
	struct imgp_job *now = NULL;
	int n, rc;

	rc = imgp_program_run(&p, &out, &end, &n, e);
	if (rc == 0 && (end != IMGP_PROGRAM_EXITED || (n != 0 && n != 1) ||
	    (now = imgp_job_parse(out.s, out.len, e)) == NULL))
		rc = imgp_fail(e, IMGP_E_EXTRA_IMAGES,
		    "what the program made could not be read");
	if (rc == 0 && (imgp_job_get_scans(job, &was, e) == -1 ||
	    imgp_job_get_scans(now, &is, e) == -1))
		rc = -1;
	if (rc == 0 && !are_equal(&was, &is))
		rc = imgp_fail(e, IMGP_E_EXTRA_IMAGES, "after the program the "
		    "upload holds other series, or more or fewer instances");
	imgp_scans_release(&was);
	imgp_scans_release(&is);
	imgp_job_free(now);
	imgp_buf_release(&out);
	free(file);
	free(tool);
	return rc;
}

/* Nothing but the bytes may have changed, and they are noted. */
static int
look_again(const struct imgp_extra *x, struct imgp_job *job,
    const char *program, struct imgp_err *e)
{
	const char *hex = imgp_job_sub_str(job, "sha256", "local");
	struct imgp_work_copy w = IMGP_WORK_COPY_INIT;
	struct imgp_prov_change c = { .program = program };
	int rc = -1;

	if (imgp_work_copy_find(&w, job, e) == -1 ||
	    imgp_work_copy_open(&w, e) == -1 ||
	    sum(w.fd, c.after, &c.after_bytes, e) == -1)
		goto out;
	snprintf(c.before, sizeof c.before, "%s", hex);
	imgp_job_sub_int(job, "bytes", "local", &c.before_bytes);
	if (strcmp(c.before, c.after) == 0)
		rc = 0;
	else if (count_again(x, job, imgp_job_str(job, "local") +
	    strlen("file://"), e) == 0 &&
	    imgp_prov_note_change(w.dir, w.name, &c, e) == 0) {
		imgp_job_set_sub_str(job, "sha256", "local", c.after);
		imgp_job_set_sub_int(job, "bytes", "local", c.after_bytes);
		rc = 0;
	}
out:
	imgp_work_copy_close(&w);
	return rc;
}

int
imgp_extra_job(const struct imgp_extra *x, struct imgp_job *job,
    struct imgp_err *e)
{
	const char *words = command(x, imgp_job_str(job, "pipeline_code"));
	struct imgp_err refused = { NULL, "" };
	char **argv;
	int rc;

	if (words == NULL)
		return 0;
	if (imgp_job_need_str(job, "local", e) == NULL)
		return -1;
	if (imgp_job_sub_str(job, "sha256", "local") == NULL)
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "the job line has no \"sha256\" of its work copy");
	argv = imgp_program_words(words);
	rc = run(job, argv, &refused);
	if (rc == -1 && strcmp(refused.code, IMGP_E_EXTRA_REFUSED) != 0)
		*e = refused;
	/* Who is refused may be delivered: with the bytes that are there. */
	else if (look_again(x, job, argv[0], e) == -1)
		rc = -1;
	else if (rc == -1)
		*e = refused;
	imgp_program_free_words(argv);
	return rc;
}
