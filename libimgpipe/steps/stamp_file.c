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
#include "libimgpipe/job/filter.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/steps/stamp_file.h"

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

/* Hand on what became of ${in}; the exit status. */
static int
tell(const struct imgp_stamp_result *r, const char *in, imgp_stamp_said *said)
{
	struct imgp_err e;
	size_t i;

	for (i = 0; i < r->faults.n; i++) {
		imgp_fault_text(&r->faults.fault[i], &e);
		said(IMGP_STAMP_FAULT, &e);
	}
	for (i = 0; i < r->warnings.n; i++) {
		imgp_fault_text(&r->warnings.fault[i], &e);
		said(IMGP_STAMP_WARNING, &e);
	}
	imgp_fail(&e, NULL, "%.200s: %llu stamped (%llu patched, %llu "
	    "encoded again), %llu had it, %llu declined, %llu other", in,
	    (unsigned long long)r->stamped, (unsigned long long)r->patched,
	    (unsigned long long)r->encoded, (unsigned long long)r->already,
	    (unsigned long long)r->declined, (unsigned long long)r->other);
	said(IMGP_STAMP_COUNTS, &e);
	return r->faults.n > 0 ? IMGP_EX_ERRORS : IMGP_EX_OK;
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
    imgp_stamp_said *said, int *status, struct imgp_err *e)
{
	struct imgp_err note;
	struct imgp_stamp_result r;
	struct imgp_out out;
	struct stat st;
	int rc;

	memset(&r, 0, sizeof r);
	imgp_out_init(&out, to);
	out.durable = durable;
	rc = imgp_stamp_upload(fd, &out, &s->opts, &r, e);
	*status = tell(&r, in, said);
	if (rc == 1 && !has_fatal(&r.faults)) {
		/* It cannot be stamped: it is delivered as it came. */
		rc = -1;
		if (out.n != 0)
			imgp_fail(e, IMGP_E_INTERNAL, "output had begun");
		else if (fstat(fd, &st) == -1)
			imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", in);
		else if (imgp_out_copy(&out, fd, 0, (uint64_t)st.st_size,
		    e) == 0)
			rc = imgp_out_flush(&out, e);
	}
	imgp_out_release(&out);
	s->has_crc = r.has_crc;
	s->old_crc = r.old_crc;
	s->recoded = s->opts.undo != NULL && r.encoded != 0;
	if (rc == 0 && s->recoded)
		rc = check_within(imgp_prov_sum(s->opts.undo), &r, in, e);
	if (rc == 0 && s->recoded) {
		imgp_fail(&note, NULL, "%.200s: the same content, compressed anew",
		    in);
		said(IMGP_STAMP_NOTE, &note);
	}
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
	struct stat st;
	int rc;

	if (fstat(fd, &st) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "the file again");
	imgp_out_init(&out, to);
	out.durable = durable;
	rc = imgp_out_copy(&out, fd, 0, (uint64_t)st.st_size, e);
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
open_files(struct imgp_stamp_job *s, struct files *f, const char *in,
    const char *out, const char *scans, struct imgp_err *e)
{
	int notes = s->provenance != NULL && !s->unstamp;

	if (open_in(f, in, e) == -1 ||
	    imgp_outfile_find(&f->out, out, e) == -1 ||
	    (notes && imgp_outfile_find(&f->note, s->provenance, e) == -1) ||
	    check_names(s, f, in, out, e) == -1 ||
	    choose_dir(f, s->dry_run, e) == -1)
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
		if (imgp_outfile_open(&f->note, e) == -1)
			return -1;
		imgp_out_init(&f->notes, f->note.fd);
		imgp_sandbox_also(f->note.dir);
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
		f->to = f->work = imgp_tmpfile(f->dir, e);
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
    imgp_stamp_said *said, int *status, struct imgp_err *e)
{
	const struct imgp_prov_sum *sum = imgp_prov_sum(f->undo);
	int durable = f->out.tmp != NULL, rc;

	if (check_sum(f->in, sum->stamped, in, "it is not what the "
	    "provenance was written for", e) == -1)
		return -1;
	if (strcmp(sum->source, sum->stamped) == 0)
		return copy_all(f->in, f->to, durable, e);
	s->opts.undo = f->undo;
	rc = stamp(s, f->in, f->to, durable, in, said, status, e);
	if (rc == 0 && !s->recoded)
		rc = check_sum(f->to, sum->source, in,
		    "what was undone is not what came", e);
	return rc;
}

/* All is written: what has a name appears under it, the way back first. */
static int
keep(const struct imgp_stamp_job *s, struct files *f, struct imgp_err *e)
{
	struct imgp_outfile *const both[] = { &f->note, &f->out };

	if (f->note.fd != -1 && finish_note(s, &f->notes, f->in, f->to,
	    e) == -1)
		return -1;
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
	free(f->dir);
	return rc;
}

int
imgp_stamp_file(struct imgp_stamp_job *s, const char *in, const char *out,
    const char *scans, imgp_stamp_said *said, struct imgp_err *e)
{
	struct files f = { .in = -1, .to = -1, .work = -1,
	    .out = IMGP_OUTFILE_INIT, .note = IMGP_OUTFILE_INIT,
	    .notes = { .fd = -1 } };
	struct imgp_rights rights = { NULL, NULL, 3600, 0 };
	struct imgp_err last;
	int rc = -1, status = IMGP_EX_OK;

	if (imgp_stamp_settings(s, NULL, e) == -1 ||
	    (s->opts.only_id != NULL && imgp_stamp_tag_takes(&s->opts.tag,
	    s->opts.only_id, e) == -1) ||
	    open_files(s, &f, in, out, scans, e) == -1 ||
	    open_work(&f, s->dry_run, e) == -1)
		goto out;
	rights.write_path = f.dir;
	rights.memory = ((unsigned long long)768 << 20) +
	    ((unsigned long long)s->opts.threads << 27);
	if (imgp_sandbox(&rights, e) == -1)
		goto out;
	s->opts.tmpdir = f.dir;
	s->opts.scans = scans != NULL ? &f.ids : NULL;
	s->opts.note = f.note.fd != -1 ? &f.notes : NULL;
	rc = f.undo != NULL ? undo(s, &f, in, said, &status, e) :
	    stamp(s, f.in, f.to, f.out.tmp != NULL, in, said, &status, e);
	if (rc == 0)
		rc = keep(s, &f, e);
out:
	if (release(&f, &last) == -1 && rc == 0) {
		*e = last;
		rc = -1;
	}
	return rc == -1 ? -1 : status;
}
