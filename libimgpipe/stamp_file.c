#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/buf.h"
#include "libimgpipe/conf.h"
#include "libimgpipe/filter.h"
#include "libimgpipe/opt.h"
#include "libimgpipe/sandbox.h"
#include "libimgpipe/stamp_file.h"

/* The unfinished output, for whoever is interrupted. */
static char *unfinished;

static void
remove_unfinished(int sig)
{
	if (unfinished != NULL)
		unlink(unfinished);
	signal(sig, SIG_DFL);
	raise(sig);
}

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
	if ((job = imgp_job_parse(b.s == NULL ? "" : b.s, len, e)) == NULL)
		goto out;
	rc = imgp_scans_get(job, scans, e);
	if (rc == 0 && imgp_scans_series(scans) == 0)
		rc = imgp_fail(e, IMGP_E_JOB_TYPE, "%s: no scans", path);
out:
	imgp_job_free(job);
	imgp_buf_release(&b);
	return rc;
}

/* Open the output: ${*tmp} is where it is until it is complete. */
static int
open_output(const char *out, char **tmp, char **dir, struct imgp_err *e)
{
	const char *slash = strrchr(out, '/');
	struct stat st;
	mode_t mask;
	int fd;

	*tmp = NULL;
	if (strcmp(out, "-") == 0 || (stat(out, &st) == 0 &&
	    !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
		*dir = imgp_strdup(getenv("TMPDIR") != NULL ?
		    getenv("TMPDIR") : "/tmp");
		if (strcmp(out, "-") == 0)
			return STDOUT_FILENO;
		if ((fd = open(out, O_WRONLY | O_CLOEXEC)) == -1)
			imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", out);
		return fd;
	}
	*dir = slash == NULL ? imgp_strdup(".") : slash == out ?
	    imgp_strdup("/") : imgp_strndup(out, (size_t)(slash - out));
	*tmp = imgp_asprintf("%s.XXXXXX", out);
	if ((fd = mkostemp(*tmp, O_CLOEXEC)) == -1) {
		imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", out);
		free(*tmp);
		*tmp = NULL;
		return -1;
	}
	mask = umask(0);
	umask(mask);
	fchmod(fd, 0666 & ~mask);
	unfinished = *tmp;
	signal(SIGINT, remove_unfinished);
	signal(SIGTERM, remove_unfinished);
	signal(SIGHUP, remove_unfinished);
	return fd;
}

static int
say(const struct imgp_stamp_result *r, const char *in)
{
	struct imgp_err e;
	size_t i;
	int status = IMGP_EX_OK;

	for (i = 0; i < r->faults.n; i++) {
		imgp_fault_text(&r->faults.fault[i], &e);
		imgp_complain(&e);
		status = IMGP_EX_ERRORS;
	}
	for (i = 0; i < r->warnings.n && !imgp_common.quiet; i++) {
		imgp_fault_text(&r->warnings.fault[i], &e);
		imgp_complain(&e);
	}
	if (imgp_common.verbose)
		fprintf(stderr, "%s: %s: %llu stamped (%llu patched, %llu "
		    "encoded again), %llu had it, %llu declined, %llu other\n",
		    imgp_progname, in, (unsigned long long)r->stamped,
		    (unsigned long long)r->patched,
		    (unsigned long long)r->encoded,
		    (unsigned long long)r->already,
		    (unsigned long long)r->declined,
		    (unsigned long long)r->other);
	return status;
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

/*
 * 0: ${to} is complete, and if ${durable} fsync() comes next; 1: it is to be
 * thrown away; -1 and ${e}.
 */
static int
stamp(struct imgp_stamp_job *s, int fd, int to, int durable, const char *in,
    int *status, struct imgp_err *e)
{
	struct imgp_stamp_result r;
	struct imgp_out out;
	struct stat st;
	int rc;

	memset(&r, 0, sizeof r);
	imgp_out_init(&out, to);
	out.durable = durable;
	rc = imgp_stamp_upload(fd, &out, &s->opts, &r, e);
	*status = say(&r, in);
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
	s->recoded = s->opts.undo != NULL && r.encoded != 0;
	if (rc == 0 && s->recoded && !imgp_common.quiet)
		fprintf(stderr, "%s: %s: the same content, compressed anew\n",
		    imgp_progname, in);
	return rc;
}

/* The sums at the end of the provenance that was written. */
static int
finish_note(struct imgp_out *note, int fd, int to, struct imgp_err *e)
{
	struct imgp_prov_sum sum;

	if (imgp_stamp_sum(fd, sum.source, &sum.source_bytes, e) == -1 ||
	    imgp_stamp_sum(to, sum.stamped, &sum.stamped_bytes, e) == -1)
		return -1;
	return imgp_prov_finish(note, &sum, e);
}

/* Is what was given back the upload as it came? */
static int
check_undone(const struct imgp_prov *undo, int to, const char *in,
    struct imgp_err *e)
{
	const struct imgp_prov_sum *sum = imgp_prov_sum(undo);
	char hex[65];
	int64_t bytes;

	if (imgp_stamp_sum(to, hex, &bytes, e) == -1)
		return -1;
	if (strcmp(hex, sum->source) == 0)
		return 0;
	return imgp_fail(e, IMGP_E_STAMP_CHECK,
	    "check: %s: what was undone is not what came", in);
}

/* What the options name, opened before rights are given up. */
struct files {
	int		 in, out, note;
	char		*tmp, *dir;
	struct imgp_scans ids;
	struct imgp_prov *undo;
	struct imgp_out	 notes;
};

static int
open_files(struct imgp_stamp_job *s, struct files *f, const char *in,
    const char *out, const char *scans, struct imgp_err *e)
{
	if ((f->in = open(in, O_RDONLY | O_CLOEXEC)) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_NOT_FOUND, "%s", in);
	if (scans != NULL && read_scans(scans, &f->ids, e) == -1)
		return -1;
	if (s->unstamp && (f->undo = imgp_prov_open(s->provenance, e)) == NULL)
		return -1;
	f->out = open_output(imgp_common.dry_run ? "/dev/null" : out, &f->tmp,
	    &f->dir, e);
	if (f->out == -1)
		return -1;
	if (s->provenance == NULL || s->unstamp || imgp_common.dry_run)
		return 0;
	/* Its directory is out of reach later: its last line tells that it is
	 * complete. */
	f->note = open(s->provenance, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0666);
	if (f->note == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", s->provenance);
	imgp_out_init(&f->notes, f->note);
	return 0;
}

static int
settle(struct imgp_stamp_job *s, struct files *f, const char *in,
    const char *out, struct imgp_err *e)
{
	if (f->note != -1 && finish_note(&f->notes, f->in, f->out, e) == -1)
		return -1;
	if (f->undo != NULL && f->tmp != NULL && s->opts.undo != NULL &&
	    !s->recoded && check_undone(f->undo, f->out, in, e) == -1)
		return -1;
	if (f->tmp == NULL)
		return 0;
	if (fsync(f->out) == -1 || (f->note != -1 && fsync(f->note) == -1))
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", out);
	if (rename(f->tmp, out) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", out);
	return 0;
}

static void
release(struct files *f, int keep)
{
	int unused;

	if (!keep && f->tmp != NULL)
		unlink(f->tmp);
	/* Without its last line it is known to be incomplete in any case. */
	unused = !keep && f->note != -1 ? ftruncate(f->note, 0) : 0;
	(void)unused;
	unfinished = NULL;
	if (f->note != -1) {
		imgp_out_release(&f->notes);
		close(f->note);
	}
	if (f->in != -1)
		close(f->in);
	imgp_scans_release(&f->ids);
	imgp_prov_free(f->undo);
	free(f->tmp);
	free(f->dir);
}

int
imgp_stamp_file(struct imgp_stamp_job *s, const char *in, const char *out,
    const char *scans)
{
	struct files f = { -1, -1, -1, NULL, NULL, IMGP_SCANS_INIT, NULL,
	    { .fd = -1 } };
	struct imgp_rights rights = { NULL, NULL, 3600, 0 };
	struct imgp_err e = { NULL, "" };
	int rc = -1, status = IMGP_EX_OK;

	if (imgp_stamp_settings(s, NULL, &e) == -1 ||
	    (s->opts.only_id != NULL && imgp_stamp_tag_takes(&s->opts.tag,
	    s->opts.only_id, &e) == -1) ||
	    open_files(s, &f, in, out, scans, &e) == -1)
		goto out;
	rights.write_path = f.dir;
	rights.memory = ((unsigned long long)768 << 20) +
	    ((unsigned long long)s->opts.threads << 27);
	if (imgp_sandbox(&rights, &e) == -1)
		goto out;
	s->opts.tmpdir = f.dir;
	s->opts.scans = scans != NULL ? &f.ids : NULL;
	s->opts.undo = f.undo;
	s->opts.note = f.note != -1 ? &f.notes : NULL;
	rc = stamp(s, f.in, f.out, f.tmp != NULL, in, &status, &e);
	if (rc == 0)
		rc = settle(s, &f, in, out, &e);
	if (close(f.out) == -1 && rc == 0)
		rc = imgp_fail_errno(&e, IMGP_E_STORE_IO, "%s", out);
out:
	release(&f, rc == 0);
	if (rc == -1)
		imgp_die(&e);
	return status;
}
