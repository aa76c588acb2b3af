#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/encode.h"
#include "libimgpipe/archive/outfile.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/base/worker.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/answer.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/steps/confine.h"
#include "libimgpipe/steps/stamp_file.h"

#define KEEP	10		/* the process's status: what it wrote is complete */
#define STAGE	"stamp-file"	/* in the answer of the process (answer.h) */

/* Read all of ${path}, at most the length of a job line. */
static int
read_text(const char *path, struct imgp_buf *b, struct imgp_err *e)
{
	char chunk[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;

	if (fd == -1)
		return imgp_fail_errno(e, IMGP_E_CONFIG, "%s", path);
	b->max = IMGP_JSON_MAX;
	while (rc == 0 && (n = read(fd, chunk, sizeof chunk)) != 0) {
		if (n == -1)
			rc = imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", path);
		else if (imgp_buf_add(b, chunk, (size_t)n) == -1)
			rc = imgp_fail(e, IMGP_E_JOB_TOO_LONG, "%s", path);
	}
	close(fd);
	return rc;
}

/* Name the file ${path} in ${e}. */
static int
of_file(const char *path, struct imgp_err *e)
{
	struct imgp_err why = *e;

	return imgp_fail(e, why.code, "%.200s: %s", path, why.msg);
}

static int
read_scans(const char *path, struct imgp_scans *scans, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_job *job = NULL;
	size_t len;
	int rc = -1;

	if (read_text(path, &b, e) == -1)
		goto out;
	for (len = b.len; len > 0 && (b.s[len - 1] == '\n' ||
	    b.s[len - 1] == '\r'); len--)
		;
	job = imgp_job_parse(b.s, len, e);
	if (job == NULL || imgp_job_get_scans(job, scans, e) == -1)
		of_file(path, e);
	else if (imgp_scans_series(scans) == 0)
		imgp_fail(e, IMGP_E_JOB_TYPE, "%s: no scans", path);
	else
		rc = 0;
out:
	imgp_job_free(job);
	imgp_buf_release(&b);
	return rc;
}

/* --- in the process: the upload is read ------------------------------------- */

/* What is said of it here, for whoever has standard error. */
static void
tell(struct imgp_job *answer, const struct imgp_stamp_result *r)
{
	const struct { const char *name; uint64_t n; } counts[] = {
		{ "stamped", r->stamped }, { "patched", r->patched },
		{ "encoded", r->encoded }, { "already", r->already },
		{ "declined", r->declined }, { "other", r->other },
	};
	struct imgp_json *o = imgp_json_new_object();
	size_t i;

	for (i = 0; i < sizeof counts / sizeof *counts; i++)
		imgp_json_set_int(o, counts[i].name, (int64_t)counts[i].n);
	imgp_job_set(answer, "listing", o);
	imgp_job_add_faults(answer, STAGE, &r->faults, 0);
	imgp_job_add_warnings(answer, STAGE, &r->warnings);
}

static int
has_fatal(const struct imgp_faults *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (f->fault[i].fatal ||
		    strcmp(f->fault[i].e.code, IMGP_E_STAMP_SERIES) == 0)
			return 1;
	return 0;
}

/* What was compressed anew must hold what came. */
static int
check_within(const struct imgp_prov_sum *sum,
    const struct imgp_stamp_result *r, const char *in, struct imgp_err *e)
{
	if (!sum->has_crc || r->inner_encoded ||
	    (r->has_crc && r->new_crc == sum->crc))
		return 0;
	return imgp_fail(e, IMGP_E_STAMP_CHECK,
	    "check: %s: what was undone is not what came", in);
}

/*
 * 0: ${to} is complete, and if ${durable} fsync() comes next; 1: it is to be
 * thrown away; -1 and ${e}.
 */
static int
stamp(struct imgp_stamp_job *s, int fd, int to, int durable, const char *in,
    struct imgp_job *answer, struct imgp_err *e)
{
	struct imgp_stamp_result r;
	struct imgp_out out;
	uint64_t size;
	int rc;

	memset(&r, 0, sizeof r);
	imgp_out_init(&out, to);
	out.durable = durable;
	rc = imgp_stamp_upload(fd, &out, &s->opts, &r, e);
	tell(answer, &r);
	if (rc == 1 && !has_fatal(&r.faults)) {
		/* It cannot be stamped: it is delivered as it came. */
		rc = -1;
		if (out.n != 0)
			imgp_fail(e, IMGP_E_INTERNAL, "output had begun");
		else if (imgp_file_size(fd, &size, e) == 0 &&
		    imgp_out_copy(&out, fd, 0, size, e) == 0)
			rc = imgp_out_flush(&out, e);
	}
	imgp_out_release(&out);
	s->has_crc = r.has_crc;
	s->old_crc = r.old_crc;
	s->gzip_changed = r.gzip_changed;
	s->gzip_end = r.gzip_end;
	s->recoded = s->opts.undo != NULL && r.encoded != 0;
	if (rc == 0 && s->recoded)
		rc = check_within(imgp_prov_sum(s->opts.undo), &r, in, e);
	imgp_stamp_release(&r);
	return rc;
}

/* The sums at the end of the provenance that was written. */
static int
finish_note(const struct imgp_stamp_job *s, struct imgp_out *note, int fd,
    int to, struct imgp_err *e)
{
	struct imgp_prov_sum sum;

	sum.has_crc = s->has_crc;
	sum.crc = s->old_crc;
	sum.gzip_changed = s->gzip_changed;
	sum.gzip_end = s->gzip_end;
	if (imgp_stamp_sum(fd, sum.source, &sum.source_bytes, e) == -1 ||
	    imgp_stamp_sum(to, sum.stamped, &sum.stamped_bytes, e) == -1)
		return -1;
	return imgp_prov_finish(note, &sum, e);
}

/* Are the bytes of ${fd} those of ${sum}?  If not, ${what}. */
static int
check_sum(int fd, const char *sum, const char *in, const char *what,
    struct imgp_err *e)
{
	char hex[65];
	int64_t bytes;

	if (imgp_stamp_sum(fd, hex, &bytes, e) == -1)
		return -1;
	if (strcmp(hex, sum) == 0)
		return 0;
	return imgp_fail(e, IMGP_E_STAMP_CHECK, "check: %s: %s", in, what);
}

static int
copy_all(int fd, int to, int durable, struct imgp_err *e)
{
	struct imgp_out out;
	uint64_t size;
	int rc;

	if (imgp_file_size(fd, &size, e) == -1)
		return -1;
	imgp_out_init(&out, to);
	out.durable = durable;
	rc = imgp_out_copy(&out, fd, 0, size, e);
	if (rc == 0)
		rc = imgp_out_flush(&out, e);
	imgp_out_release(&out);
	return rc;
}

/* What the options name, opened before rights are given up. */
struct files {
	int		 in;
	int		 to;		/* what is stamped into: out's, or */
	int		 work;		/* an unnamed file */
	struct stat	 st;		/* of in */
	struct imgp_outfile out, note;
	char		*dir;		/* for unnamed files */
	int		 scratch;	/* dir, open */
	struct imgp_scans ids;
	struct imgp_prov *undo;
	struct imgp_out	 notes;
};

static int
open_in(struct files *f, const char *in, struct imgp_err *e)
{
	/* A pipe would wait for its writer, and is of no use then. */
	f->in = open(in, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (f->in == -1 || fstat(f->in, &f->st) == -1)
		return imgp_fail_errno(e, errno == EACCES ?
		    IMGP_E_STORE_DENIED : IMGP_E_STORE_NOT_FOUND, "%s", in);
	if (!S_ISREG(f->st.st_mode))
		return imgp_fail(e, IMGP_E_STORE_NOT_FOUND,
		    "%s: not a regular file", in);
	return 0;
}

/* No file may be two of them, but for ${in} and ${out}. */
static int
check_names(const struct imgp_stamp_job *s, const struct files *f,
    const char *in, const char *out, struct imgp_err *e)
{
	const char *what = NULL;
	struct stat st;

	if (f->out.dir == NULL && imgp_outfile_is(&f->out, &f->st))
		return imgp_fail(e, IMGP_E_CONFIG,
		    "%s: the output is the input", in);
	if (s->provenance == NULL)
		return 0;
	if (s->unstamp)
		what = stat(s->provenance, &st) == -1 ? NULL :
		    imgp_outfile_is(&f->out, &st) ? out : NULL;
	else if (imgp_outfile_is(&f->note, &f->st))
		what = in;
	else if (imgp_outfile_same(&f->note, &f->out))
		what = out;
	return what == NULL ? 0 : imgp_fail(e, IMGP_E_CONFIG,
	    "--provenance %.200s: the same file as %.200s", s->provenance,
	    what);
}

/* Where unnamed files go: beside the output if it is in a directory. */
static int
choose_dir(struct files *f, int dry_run, struct imgp_err *e)
{
	const char *dir = getenv("TMPDIR");
	struct stat st;

	if (f->out.dir != NULL && !dry_run) {
		f->dir = imgp_strdup(f->out.dir);
		return 0;
	}
	if (dir == NULL)
		dir = "/tmp";
	f->dir = imgp_strdup(dir);
	if (stat(dir, &st) == -1)
		return imgp_fail_errno(e, IMGP_E_CONFIG, "TMPDIR: %s", dir);
	return S_ISDIR(st.st_mode) ? 0 : imgp_fail(e, IMGP_E_CONFIG,
	    "TMPDIR: %s: not a directory", dir);
}

static int
open_dir(struct files *f, struct imgp_err *e)
{
	f->scratch = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->scratch == -1 ? imgp_fail_errno(e, IMGP_E_STORE_IO, "%s",
	    f->dir) : 0;
}

static int
open_files(struct imgp_stamp_job *s, struct files *f, const char *in,
    const char *out, const char *scans, struct imgp_err *e)
{
	int notes = s->provenance != NULL && !s->unstamp;

	if (open_in(f, in, e) == -1 ||
	    imgp_outfile_find(&f->out, out, e) == -1 ||
	    (notes && imgp_outfile_find(&f->note, s->provenance, e) == -1) ||
	    check_names(s, f, in, out, e) == -1 ||
	    choose_dir(f, s->dry_run, e) == -1 || open_dir(f, e) == -1)
		return -1;
	if (scans != NULL && read_scans(scans, &f->ids, e) == -1)
		return -1;
	if (s->unstamp && (f->undo = imgp_prov_open(s->provenance, e)) == NULL)
		return -1;
	if (s->dry_run)
		return 0;
	if (imgp_outfile_open(&f->out, e) == -1)
		return -1;
	if (notes) {
		f->note.is_private = 1;
		if (imgp_outfile_open(&f->note, e) == -1)
			return -1;
		imgp_out_init(&f->notes, f->note.fd);
	}
	return 0;
}

/* What goes to a pipe, and must be read again first, is kept meanwhile. */
static int
open_work(struct files *f, int dry_run, struct imgp_err *e)
{
	f->to = f->out.tmp != NULL ? f->out.fd : -1;
	if (f->to != -1)
		return 0;
	if (f->undo != NULL || f->note.fd != -1)
		f->to = f->work = imgp_tmpfile(f->scratch, e);
	else if (!dry_run)
		f->to = f->out.fd;
	else if ((f->to = f->work = open("/dev/null", O_WRONLY | O_CLOEXEC))
	    == -1)
		imgp_fail_errno(e, IMGP_E_STORE_IO, "/dev/null");
	return f->to == -1 ? -1 : 0;
}

/* 0: it can be kept; 1: it is to be thrown away; -1 and ${e}. */
static int
undo(struct imgp_stamp_job *s, struct files *f, const char *in,
    struct imgp_job *answer, struct imgp_err *e)
{
	const struct imgp_prov_sum *sum = imgp_prov_sum(f->undo);
	int durable = f->out.tmp != NULL, rc;

	if (check_sum(f->in, sum->stamped, in, "it is not what the "
	    "provenance was written for", e) == -1)
		return -1;
	if (strcmp(sum->source, sum->stamped) == 0)
		return copy_all(f->in, f->to, durable, e);
	s->opts.undo = f->undo;
	rc = stamp(s, f->in, f->to, durable, in, answer, e);
	if (rc == 0 && !s->recoded)
		rc = check_sum(f->to, sum->source, in,
		    "what was undone is not what came", e);
	return rc;
}

struct doing {
	struct imgp_stamp_job *s;
	struct files	*f;
	const char	*in;
	struct imgp_job	*answer;
};

/* 0: what is written can be kept; 1: it is to be thrown away; -1 and ${e}. */
static int
do_it(struct doing *d, struct imgp_err *e)
{
	struct imgp_stamp_job *s = d->s;
	struct files *f = d->f;
	const struct imgp_rights r = { .writes = 1, .scratch = f->scratch,
	    .threads = s->opts.threads > 1, .cpu_seconds = IMGP_WORK_CPU,
	    .memory = imgp_work_memory(s->opts.threads) };
	int rc;

	if (imgp_tmpfile_ahead(f->scratch, IMGP_STAMP_TMPFILES(
	    (size_t)s->opts.threads), e) == -1 || imgp_sandbox(&r, e) == -1)
		return -1;
	s->opts.tmpdir = f->scratch;
	rc = f->undo != NULL ? undo(s, f, d->in, d->answer, e) :
	    stamp(s, f->in, f->to, f->out.tmp != NULL, d->in, d->answer, e);
	if (rc == 0 && f->note.fd != -1)
		rc = finish_note(s, &f->notes, f->in, f->to, e);
	return rc;
}

/* The process: its answer is a job line with what is to be said. */
static int
work(int fd, void *arg)
{
	struct doing *d = arg;
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_err e = { NULL, "" };
	struct imgp_job *job = d->answer;
	int rc = do_it(d, &e);

	if (rc == -1)
		imgp_job_error(job, STAGE, &e, 1);
	imgp_job_set_sub_int(job, "listing", "anew", d->s->recoded);
	imgp_job_set_sub_int(job, "listing", "broken", rc == -1);
	imgp_job_print(job, &b);
	if (imgp_write_all(fd, b.s, b.len) == -1)
		return 1;
	return rc == 0 ? KEEP : 0;
}

/* --- here ------------------------------------------------------------------------ */

/* The ${i}th entry of ${list} as an error; 0 where it has none. */
static int
entry(struct imgp_job *job, const char *list, size_t i, struct imgp_err *e)
{
	const struct imgp_json *j = imgp_json_first(imgp_job_get(job, list));
	const struct imgp_error *row;

	for (; i > 0 && j != NULL; i--)
		j = imgp_json_next(j);
	if (j == NULL)
		return 0;
	row = imgp_error_find(imgp_json_str(imgp_json_get(j, "error_code")));
	imgp_fail(e, row == NULL ? IMGP_E_INTERNAL : row->code, "%s",
	    imgp_json_str(imgp_json_get(j, "error")));
	return 1;
}

static long long
count(struct imgp_job *job, const char *name)
{
	int64_t n = 0;

	imgp_job_sub_int(job, "listing", name, &n);
	return n;
}

/* Say what the process had to say; -1 and ${e} where it broke off by an error. */
static int
say(struct imgp_job *job, const char *in, int kept, imgp_stamp_said *said,
    int *status, struct imgp_err *e)
{
	size_t i, n = imgp_json_count(imgp_job_get(job, "errors"));
	int broken = count(job, "broken") != 0;
	struct imgp_err why;

	for (i = 0; i + (size_t)broken < n && entry(job, "errors", i, &why);
	    i++) {
		said(IMGP_STAMP_FAULT, &why);
		*status = IMGP_EX_ERRORS;
	}
	for (i = 0; entry(job, "warnings", i, &why); i++)
		said(IMGP_STAMP_WARNING, &why);
	imgp_fail(&why, NULL, "%.200s: %lld stamped (%lld patched, %lld "
	    "encoded again), %lld had it, %lld declined, %lld other", in,
	    count(job, "stamped"), count(job, "patched"),
	    count(job, "encoded"), count(job, "already"),
	    count(job, "declined"), count(job, "other"));
	said(IMGP_STAMP_COUNTS, &why);
	if (kept && count(job, "anew")) {
		imgp_fail(&why, NULL, "%.200s: the same content, compressed anew",
		    in);
		said(IMGP_STAMP_NOTE, &why);
	}
	if (!broken || kept)
		return 0;
	if (n == 0 || !entry(job, "errors", n - 1, e))
		imgp_fail(e, IMGP_E_INTERNAL, "%s: no reason was given", in);
	return -1;
}

static void
keep_open(struct imgp_work *w, int fd)
{
	if (fd != -1)
		w->keep[w->nkeep++] = fd;
}

/* As do_it(), in a process of its own. */
static int
isolate(struct doing *d, unsigned int seconds, imgp_stamp_said *said,
    int *status, struct imgp_err *e)
{
	struct files *f = d->f;
	struct imgp_work w = { .work = work, .arg = d, .also = KEEP,
	    .seconds = seconds, .died = IMGP_E_DICOM_CRASH,
	    .reader = f->out.dir == NULL && f->to == f->out.fd ? f->to : -1 };
	struct imgp_buf b = { imgp_buf_empty, 0, 0, IMGP_JSON_MAX };
	struct imgp_worker worker;
	int rc = -1, how;

	keep_open(&w, f->in);
	keep_open(&w, f->to);
	keep_open(&w, f->note.fd);
	keep_open(&w, f->scratch);
	keep_open(&w, f->undo == NULL ? -1 : imgp_prov_fd(f->undo));
	if (imgp_worker_start(&worker, &w, e) == -1)
		return -1;
	imgp_worker_read(&worker, &b);
	how = imgp_worker_end(&worker, e);
	if (how != -1 && imgp_answer_take(d->answer, STAGE, b.s, b.len,
	    w.died, e) == 0)
		rc = say(d->answer, d->in, how == KEEP, said, status, e) == -1 ?
		    -1 : how == KEEP ? 0 : 1;
	imgp_buf_release(&b);
	return rc;
}

/* All is written: what has a name appears under it, the way back first. */
static int
keep(const struct imgp_stamp_job *s, struct files *f, struct imgp_err *e)
{
	struct imgp_outfile *const both[] = { &f->note, &f->out };

	if (s->dry_run)
		return 0;
	if (f->to != f->out.fd && copy_all(f->to, f->out.fd, 0, e) == -1)
		return -1;
	return imgp_outfile_keep(both, 2, e);
}

static int
release(struct files *f, struct imgp_err *e)
{
	int rc;

	imgp_out_release(&f->notes);
	rc = imgp_outfile_release(&f->note, e);
	if (imgp_outfile_release(&f->out, e) == -1)
		rc = -1;
	if (f->work != -1)
		close(f->work);
	if (f->in != -1)
		close(f->in);
	imgp_scans_release(&f->ids);
	imgp_prov_free(f->undo);
	if (f->scratch != -1)
		close(f->scratch);
	free(f->dir);
	return rc;
}

int
imgp_stamp_file(struct imgp_stamp_job *s, const char *in, const char *out,
    const char *scans, imgp_stamp_said *said, struct imgp_err *e)
{
	struct files f = { .in = -1, .to = -1, .work = -1, .scratch = -1,
	    .out = IMGP_OUTFILE_INIT, .note = IMGP_OUTFILE_INIT,
	    .notes = { .fd = -1 } };
	struct doing d = { s, &f, in, imgp_job_new() };
	struct imgp_err last;
	int rc = -1, status = IMGP_EX_OK, confined;
	unsigned int seconds;

	if (imgp_stamp_settings(s, NULL, e) == -1 ||
	    (s->opts.only_id != NULL && imgp_stamp_tag_takes(&s->opts.tag,
	    s->opts.only_id, e) == -1) ||
	    open_files(s, &f, in, out, scans, e) == -1 ||
	    open_work(&f, s->dry_run, e) == -1 ||
	    (confined = imgp_confine_begin(&seconds, e)) == -1)
		goto out;
	if (confined == 1)
		said(IMGP_STAMP_WARNING, e);
	if (imgp_stamp_settings(s, NULL, e) == -1)	/* they moved */
		goto out;
	s->opts.scans = scans != NULL ? &f.ids : NULL;
	s->opts.note = f.note.fd != -1 ? &f.notes : NULL;
	rc = isolate(&d, seconds, said, &status, e);
	if (rc == 0)
		rc = keep(s, &f, e);
out:
	imgp_job_free(d.answer);
	if (release(&f, &last) == -1 && rc == 0) {
		*e = last;
		rc = -1;
	}
	return rc == -1 ? -1 : status;
}
