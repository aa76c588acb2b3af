#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/base/version.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/stamp/prov.h"

#define PROGRAM_MAX	128	/* bytes of a program's name */

static const char *const hows[] = { "spliced", "patched", "encoded" };

/* --- writing ----------------------------------------------------------------- */

static void
add_hex(struct imgp_buf *b, const unsigned char *p, size_t len)
{
	static const char digit[] = "0123456789abcdef";
	size_t i;

	imgp_buf_add(b, "\"", 1);
	for (i = 0; i < len; i++) {
		imgp_buf_add(b, &digit[p[i] >> 4], 1);
		imgp_buf_add(b, &digit[p[i] & 15], 1);
	}
	imgp_buf_add(b, "\"", 1);
}

static int
put_line(struct imgp_out *out, struct imgp_buf *b, struct imgp_err *e)
{
	int rc;

	imgp_buf_add(b, "\n", 1);
	rc = imgp_out_write(out, b->s, b->len, e);
	imgp_buf_release(b);
	return rc;
}

int
imgp_prov_begin(struct imgp_out *out, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_buf_printf(&b, "{\"v\":1,\"tool\":\"imgp-stamp\","
	    "\"version\":\"%s\"}", IMGP_VERSION);
	return put_line(out, &b, e);
}

int
imgp_prov_put(struct imgp_out *out, const struct imgp_prov_record *r,
    struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	size_t i;

	imgp_buf_printf(&b, "{\"member\":%llu,\"how\":\"%s\",\"edits\":[",
	    (unsigned long long)r->member, hows[r->how]);
	for (i = 0; i < r->edits; i++) {
		imgp_buf_printf(&b, "%s[%llu,", i == 0 ? "" : ",",
		    (unsigned long long)r->edit[i].at);
		add_hex(&b, r->old[i], (size_t)r->edit[i].del);
		imgp_buf_puts(&b, ",");
		add_hex(&b, r->edit[i].ins, r->edit[i].inslen);
		imgp_buf_puts(&b, "]");
	}
	imgp_buf_puts(&b, "]");
	if (r->how == IMGP_PROV_PATCHED) {
		imgp_buf_puts(&b, ",\"undo\":");
		add_hex(&b, r->undo, r->undolen);
	}
	if (r->has_crc)
		imgp_buf_printf(&b, ",\"crc\":\"%08x\"", r->crc);
	imgp_buf_puts(&b, "}");
	return put_line(out, &b, e);
}

static const char *
truth(int is)
{
	return is ? "true" : "false";
}

int
imgp_prov_put_growth(struct imgp_out *out, const struct imgp_zip_growth *g,
    struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_buf_printf(&b, "{\"zip64\":%llu,\"made\":%s",
	    (unsigned long long)g->record, truth(g->made));
	if (g->record == 0)
		imgp_buf_printf(&b, ",\"offset\":%s,\"size\":%s",
		    truth(g->offset), truth(g->size));
	else
		imgp_buf_printf(&b, ",\"version\":%u", g->version);
	if (g->count)
		imgp_buf_printf(&b, ",\"count\":true");
	if (g->wrapped)
		imgp_buf_printf(&b, ",\"wrapped\":true");
	imgp_buf_printf(&b, "}");
	return put_line(out, &b, e);
}

int
imgp_prov_put_stream(struct imgp_out *out, const void *p, size_t len,
    struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_buf_puts(&b, "{\"stream\":");
	add_hex(&b, p, len);
	imgp_buf_puts(&b, "}");
	return put_line(out, &b, e);
}

int
imgp_prov_finish(struct imgp_out *out, const struct imgp_prov_sum *sum,
    struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_buf_printf(&b, "{\"source\":{\"sha256\":\"%s\",\"bytes\":%lld",
	    sum->source, (long long)sum->source_bytes);
	if (sum->has_crc)
		imgp_buf_printf(&b, ",\"crc\":\"%08x\"", sum->crc);
	if (sum->gzip_changed) {
		imgp_buf_puts(&b, ",\"trailer\":");
		add_hex(&b, sum->gzip_end.trailer,
		    sizeof sum->gzip_end.trailer);
		imgp_buf_printf(&b, ",\"zeros\":%llu",
		    (unsigned long long)sum->gzip_end.zeros);
	}
	imgp_buf_printf(&b, "},\"stamped\":{\"sha256\":\"%s\","
	    "\"bytes\":%lld}}", sum->stamped, (long long)sum->stamped_bytes);
	if (put_line(out, &b, e) == -1)
		return -1;
	return imgp_out_flush(out, e);
}

/* --- a change after the stamp --------------------------------------------------- */

/* The provenance to be added to, complete; -1 and ${e}. */
static int
open_complete(int dir, const char *path, const struct imgp_prov_change *c,
    struct imgp_err *e)
{
	struct imgp_prov_sum sum = { .has_crc = 0 };
	int fd = openat(dir, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct imgp_out out;
	int rc;

	if (fd != -1)
		return fd;
	if (errno != ENOENT || (fd = openat(dir, path, O_RDWR | O_CREAT |
	    O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "the provenance");
	memcpy(sum.source, c->before, sizeof sum.source);
	memcpy(sum.stamped, c->before, sizeof sum.stamped);
	sum.source_bytes = sum.stamped_bytes = c->before_bytes;
	imgp_out_init(&out, fd);
	rc = imgp_prov_begin(&out, e);
	if (rc == 0)
		rc = imgp_prov_finish(&out, &sum, e);
	imgp_out_release(&out);
	if (rc == -1)
		close(fd);
	return rc == -1 ? -1 : fd;
}

int
imgp_prov_note_change(int dir, const char *name,
    const struct imgp_prov_change *c, struct imgp_err *e)
{
	char *path = imgp_asprintf("%s.prov", name);
	const char *slash = strrchr(c->program, '/');
	const char *program = slash == NULL ? c->program : slash + 1;
	size_t len = strlen(program);
	struct imgp_buf b = IMGP_BUF_INIT;
	char end[2];
	int fd = open_complete(dir, path, c, e), rc = -1;
	off_t size;

	free(path);
	if (fd == -1)
		return -1;
	imgp_buf_puts(&b, ",\"changed\":{\"program\":");
	imgp_json_quote(&b, program, len < PROGRAM_MAX ? len : PROGRAM_MAX);
	imgp_buf_printf(&b, ",\"before\":{\"sha256\":\"%s\",\"bytes\":%lld},"
	    "\"after\":{\"sha256\":\"%s\",\"bytes\":%lld}}}\n", c->before,
	    (long long)c->before_bytes, c->after, (long long)c->after_bytes);
	/* Over the brace and the newline at its end. */
	if ((size = lseek(fd, -2, SEEK_END)) == -1 ||
	    pread(fd, end, 2, size) != 2 || memcmp(end, "}\n", 2) != 0)
		imgp_fail(e, IMGP_E_STORE_IO, "the provenance is not complete");
	else if (imgp_write_all(fd, b.s, b.len) == -1)
		imgp_fail_write(e, "the provenance");
	else
		rc = 0;
	if (close(fd) == -1 && rc == 0)
		rc = imgp_fail_write(e, "the provenance");
	imgp_buf_release(&b);
	return rc;
}

/* --- reading ----------------------------------------------------------------- */

#define TAIL	2048		/* the last line is shorter */

enum line { NONE, BEGIN, RECORD, GROWTH, STREAM, SUMS };

struct imgp_prov {
	FILE		*fp;
	char		*path;		/* for messages */
	char		*line;
	size_t		 size;
	enum line	 next;		/* NONE: not read yet */
	struct imgp_prov_record record;
	struct imgp_zip_growth growth;
	unsigned char	*bytes;		/* what the record points into; or a piece
					 * of a stream, of which are left: */
	size_t		 at, left;
	struct imgp_prov_sum sum;
};

static int
wrong(const struct imgp_prov *p, struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_CONFIG, "%.300s: the provenance is broken",
	    p->path);
}

static int
nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode hex to ${*to}, which moves on; its length, or -1. */
static long
get_hex(const struct imgp_json *j, unsigned char **to)
{
	const char *s = imgp_json_str(j);
	size_t i, n;

	if (s == NULL || (n = strlen(s)) % 2 != 0)
		return -1;
	for (i = 0; i < n; i += 2) {
		if (nibble(s[i]) == -1 || nibble(s[i + 1]) == -1)
			return -1;
		*(*to)++ = (unsigned char)(nibble(s[i]) << 4 |
		    nibble(s[i + 1]));
	}
	return (long)(n / 2);
}

/* The CRC of ${j}, if it has one; -1 when it is broken. */
static int
get_crc(const struct imgp_json *j, int *has, uint32_t *crc)
{
	unsigned char b[4], *to = b;
	const char *s;

	*has = 0;
	if ((j = imgp_json_get(j, "crc")) == NULL)
		return 0;
	s = imgp_json_str(j);
	if (s == NULL || strlen(s) != 8 || get_hex(j, &to) != 4)
		return -1;
	*crc = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	    (uint32_t)b[2] << 8 | b[3];
	*has = 1;
	return 0;
}

static int
get_edit(struct imgp_prov *p, const struct imgp_json *j, unsigned char **to)
{
	struct imgp_prov_record *r = &p->record;
	struct imgp_deflate_edit *d = &r->edit[r->edits];
	const struct imgp_json *old, *new;
	int64_t at;
	long n;

	if (r->edits == IMGP_PROV_EDITS || imgp_json_count(j) != 3 ||
	    imgp_json_int(imgp_json_first(j), &at) == -1 || at < 0)
		return -1;
	old = imgp_json_next(imgp_json_first(j));
	new = imgp_json_next(old);
	d->at = (uint64_t)at;
	r->old[r->edits] = *to;
	if ((n = get_hex(old, to)) == -1)
		return -1;
	d->del = (uint64_t)n;
	d->ins = *to;
	if ((n = get_hex(new, to)) == -1)
		return -1;
	d->inslen = (size_t)n;
	r->edits++;
	return 0;
}

static int
get_record(struct imgp_prov *p, const struct imgp_json *j, size_t len)
{
	struct imgp_prov_record *r = &p->record;
	const struct imgp_json *edit;
	const char *how = imgp_json_str(imgp_json_get(j, "how"));
	unsigned char *to;
	int64_t member;
	size_t i;
	long n;

	memset(r, 0, sizeof *r);
	free(p->bytes);
	to = p->bytes = imgp_alloc(len);	/* more than all hex together */
	if (imgp_json_int(imgp_json_get(j, "member"), &member) == -1 ||
	    member < 0 || how == NULL ||
	    get_crc(j, &r->has_crc, &r->crc) == -1)
		return -1;
	r->member = (uint64_t)member;
	for (i = 0; i < 3 && strcmp(how, hows[i]) != 0; i++)
		;
	if (i == 3)
		return -1;
	r->how = (enum imgp_prov_how)i;
	for (edit = imgp_json_first(imgp_json_get(j, "edits")); edit != NULL;
	    edit = imgp_json_next(edit))
		if (get_edit(p, edit, &to) == -1)
			return -1;
	if (r->how != IMGP_PROV_PATCHED)
		return r->edits == 0 ? -1 : 0;
	r->undo = to;
	if ((n = get_hex(imgp_json_get(j, "undo"), &to)) == -1)
		return -1;
	r->undolen = (size_t)n;
	return 0;
}

static int
get_sum(const struct imgp_json *j, char sha256[65], int64_t *bytes)
{
	const char *s = imgp_json_str(imgp_json_get(j, "sha256"));

	if (s == NULL || !imgp_hex_is_sha256(s) ||
	    imgp_json_int(imgp_json_get(j, "bytes"), bytes) == -1)
		return -1;
	memcpy(sha256, s, 65);
	return 0;
}

static int
get_truth(const struct imgp_json *j, const char *name, int *is)
{
	*is = imgp_json_bool(imgp_json_get(j, name));
	return *is == -1 ? -1 : 0;
}

static int
get_truth_if_any(const struct imgp_json *j, const char *name, int *is)
{
	return imgp_json_get(j, name) == NULL ? 0 : get_truth(j, name, is);
}

static int
get_growth(struct imgp_prov *p, const struct imgp_json *j)
{
	struct imgp_zip_growth *g = &p->growth;
	int64_t n, version;

	memset(g, 0, sizeof *g);
	if (imgp_json_int(imgp_json_get(j, "zip64"), &n) == -1 || n < 0 ||
	    get_truth(j, "made", &g->made) == -1 ||
	    get_truth_if_any(j, "count", &g->count) == -1 ||
	    get_truth_if_any(j, "wrapped", &g->wrapped) == -1)
		return -1;
	g->record = (uint64_t)n;
	if (n == 0)
		return get_truth(j, "offset", &g->offset) == -1 ||
		    get_truth(j, "size", &g->size) == -1 ? -1 : 0;
	if (imgp_json_int(imgp_json_get(j, "version"), &version) == -1 ||
	    version < 0 || version > UINT16_MAX)
		return -1;
	g->version = (uint16_t)version;
	return 0;
}

static int
get_stream(struct imgp_prov *p, const struct imgp_json *j, size_t len)
{
	unsigned char *to;
	long n;

	free(p->bytes);
	to = p->bytes = imgp_alloc(len);
	if ((n = get_hex(imgp_json_get(j, "stream"), &to)) < 1)
		return -1;
	p->at = 0;
	p->left = (size_t)n;
	return 0;
}

/* What ${source} says of its gzip, if anything. */
static int
get_gzip_end(const struct imgp_json *source, struct imgp_prov_sum *sum)
{
	const struct imgp_json *trailer = imgp_json_get(source, "trailer");
	unsigned char *to = sum->gzip_end.trailer;
	const char *s;
	int64_t n;

	sum->gzip_changed = trailer != NULL;
	if (trailer == NULL)
		return 0;
	s = imgp_json_str(trailer);
	if (s == NULL || strlen(s) != 2 * sizeof sum->gzip_end.trailer ||
	    get_hex(trailer, &to) == -1 || imgp_json_int(imgp_json_get(source,
	    "zeros"), &n) == -1 || n < 0 || n > sum->source_bytes)
		return -1;
	sum->gzip_end.zeros = (uint64_t)n;
	return 0;
}

/* What the last line says. */
static int
get_sums(const struct imgp_json *j, struct imgp_prov_sum *sum)
{
	const struct imgp_json *source = imgp_json_get(j, "source");

	return get_sum(source, sum->source, &sum->source_bytes) == -1 ||
	    get_sum(imgp_json_get(j, "stamped"), sum->stamped,
	    &sum->stamped_bytes) == -1 ||
	    get_crc(source, &sum->has_crc, &sum->crc) == -1 ||
	    get_gzip_end(source, sum) == -1 ? -1 : 0;
}

/* Read a line: what it is, or NONE and ${e}. */
static enum line
read_line(struct imgp_prov *p, struct imgp_err *e)
{
	struct imgp_json *j;
	ssize_t n = getline(&p->line, &p->size, p->fp);
	enum line is = NONE;
	int64_t v;

	if (n > 0 && p->line[n - 1] == '\n')
		n--;
	if (n <= 0 || (j = imgp_json_parse(p->line, (size_t)n, NULL)) == NULL) {
		wrong(p, e);
		return NONE;
	}
	if (imgp_json_int(imgp_json_get(j, "v"), &v) == 0)
		is = v == 1 ? BEGIN : NONE;
	else if (imgp_json_get(j, "member") != NULL)
		is = get_record(p, j, (size_t)n) == 0 ? RECORD : NONE;
	else if (imgp_json_get(j, "zip64") != NULL)
		is = get_growth(p, j) == 0 ? GROWTH : NONE;
	else if (imgp_json_get(j, "stream") != NULL)
		is = get_stream(p, j, (size_t)n) == 0 ? STREAM : NONE;
	else if (get_sums(j, &p->sum) == 0 && getc(p->fp) == EOF)
		is = SUMS;
	imgp_json_free(j);
	if (is == NONE)
		wrong(p, e);
	return is;
}

/* Keep what comes from a pipe: its last line is read first. */
static int
make_seekable(struct imgp_prov *p)
{
	char buf[65536];
	FILE *to;
	size_t n;

	if (fseeko(p->fp, 0, SEEK_END) == 0)
		return 0;
	if ((to = tmpfile()) == NULL)
		return -1;
	while ((n = fread(buf, 1, sizeof buf, p->fp)) > 0)
		if (fwrite(buf, 1, n, to) != n)
			break;
	if (ferror(p->fp) || ferror(to) || fseeko(to, 0, SEEK_END) == -1) {
		fclose(to);
		return -1;
	}
	fclose(p->fp);
	p->fp = to;
	return 0;
}

/* The last line has the sums; without them nothing else is used. */
static int
read_sums(struct imgp_prov *p, struct imgp_err *e)
{
	struct imgp_json *j;
	char tail[TAIL + 1], *line;
	off_t size;
	size_t n;
	int rc;

	if (make_seekable(p) == -1 || (size = ftello(p->fp)) == -1 ||
	    fseeko(p->fp, size > TAIL ? size - TAIL : 0, SEEK_SET) == -1)
		return imgp_fail_errno(e, IMGP_E_CONFIG, "%.300s", p->path);
	n = fread(tail, 1, TAIL, p->fp);
	rewind(p->fp);
	if (n == 0 || tail[n - 1] != '\n')
		return wrong(p, e);
	tail[--n] = '\0';
	if ((line = memrchr(tail, '\n', n)) == NULL)
		return wrong(p, e);
	line++;
	j = imgp_json_parse(line, (size_t)(tail + n - line), NULL);
	rc = j != NULL && get_sums(j, &p->sum) == 0 ? 0 : wrong(p, e);
	imgp_json_free(j);
	return rc;
}

struct imgp_prov *
imgp_prov_open(const char *path, struct imgp_err *e)
{
	struct imgp_prov *p = imgp_alloc(sizeof *p);
	enum line first = NONE;

	p->path = imgp_strdup(path);
	if ((p->fp = fopen(path, "re")) == NULL)
		imgp_fail_errno(e, IMGP_E_CONFIG, "%s", path);
	else if (read_sums(p, e) == 0 && (first = read_line(p, e)) != BEGIN &&
	    first != NONE)
		wrong(p, e);
	if (first != BEGIN) {
		imgp_prov_free(p);
		return NULL;
	}
	return p;
}

int
imgp_prov_fd(const struct imgp_prov *p)
{
	return fileno(p->fp);
}

void
imgp_prov_free(struct imgp_prov *p)
{
	if (p == NULL)
		return;
	if (p->fp != NULL)
		fclose(p->fp);
	free(p->path);
	free(p->line);
	free(p->bytes);
	free(p);
}

/* Is the next line ${what}?  1, 0, or -1 and ${e}. */
static int
is_next(struct imgp_prov *p, enum line what, struct imgp_err *e)
{
	if (p->next == NONE) {
		if ((p->next = read_line(p, e)) == NONE)
			return -1;
		if (p->next == BEGIN)
			return wrong(p, e);
	}
	return p->next == what;
}

int
imgp_prov_peek(struct imgp_prov *p, const struct imgp_prov_record **r,
    struct imgp_err *e)
{
	*r = &p->record;
	return is_next(p, RECORD, e);
}

int
imgp_prov_peek_growth(struct imgp_prov *p, const struct imgp_zip_growth **g,
    struct imgp_err *e)
{
	*g = &p->growth;
	return is_next(p, GROWTH, e);
}

void
imgp_prov_next(struct imgp_prov *p)
{
	if (p->next != SUMS)
		p->next = NONE;
}

long
imgp_prov_read_stream(struct imgp_prov *p, void *buf, size_t len,
    struct imgp_err *e)
{
	int rc;

	if ((rc = is_next(p, STREAM, e)) != 1)
		return rc;
	if (len > p->left)
		len = p->left;
	memcpy(buf, p->bytes + p->at, len);
	p->at += len;
	if ((p->left -= len) == 0)
		imgp_prov_next(p);
	return (long)len;
}

const struct imgp_prov_sum *
imgp_prov_sum(const struct imgp_prov *p)
{
	return &p->sum;
}
