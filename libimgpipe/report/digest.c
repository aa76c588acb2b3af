#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/csv.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/report/digest.h"
#include "libimgpipe/report/digest_priv.h"

void
imgp_digest_str(const struct imgp_json *o, const char *key, char *dst,
    size_t size)
{
	const char *s = imgp_json_str(imgp_json_get(o, key));

	imgp_printable(dst, size, s == NULL ? "" : s,
	    s == NULL ? 0 : strlen(s));
}

static int64_t
int_of(const struct imgp_json *o, const char *key, int64_t none)
{
	int64_t n;

	return imgp_json_int(imgp_json_get(o, key), &n) == 0 ? n : none;
}

static void
read_place(const struct imgp_json *o, struct imgp_digest_file *f)
{
	const char *base = imgp_conf(f->pipeline, "destination");
	const char *path = imgp_json_str(imgp_json_get(o, "file_path"));
	const char *name = imgp_json_str(imgp_json_get(o, "file_name"));
	char *key, *url;

	if (imgp_json_str(imgp_json_get(o, "place")) != NULL) {
		imgp_digest_str(o, "place", f->place, sizeof f->place);
		return;
	}
	if (name == NULL) {
		f->place[0] = '\0';
		return;
	}
	key = imgp_asprintf("%s%s", path == NULL ? "" : path, name);
	url = base == NULL ? imgp_strdup(key) : imgp_place_join(base, key);
	imgp_printable(f->place, sizeof f->place, url, strlen(url));
	free(url);
	free(key);
}

static void
read_scans(const struct imgp_json *o, struct imgp_digest_file *f)
{
	const struct imgp_json *i, *all;
	char id[64];

	imgp_buf_clear(&f->ids);
	f->scans = f->instances = 0;
	for (i = imgp_json_first(imgp_json_get(o, "scans")); i != NULL;
	    i = imgp_json_next(i)) {
		imgp_digest_str(i, "atri_uid", id, sizeof id);
		imgp_buf_printf(&f->ids, "%s%s", f->scans == 0 ? "" : " ", id);
		f->scans++;
		f->instances += int_of(i, "number_of_instances", 0);
	}
	all = imgp_json_get(o, "scans_in_all");
	if (int_of(all, "scans", 0) > f->scans) {
		if (f->scans > 0)
			imgp_buf_printf(&f->ids, " and %lld more",
			    (long long)(int_of(all, "scans", 0) - f->scans));
		f->scans = int_of(all, "scans", 0);
		f->instances = int_of(all, "instances", 0);
	}
	imgp_buf_puts(&f->ids, "");
}

void
imgp_digest_read(const struct imgp_json *o, struct imgp_digest_file *f)
{
	const char *status = imgp_json_str(imgp_json_get(o, "status"));

	imgp_digest_str(o, "file_name", f->name, sizeof f->name);
	imgp_digest_str(o, "pipeline_code", f->pipeline, sizeof f->pipeline);
	imgp_digest_str(o, "participant_code", f->participant, sizeof f->participant);
	imgp_digest_str(o, "event_code", f->event, sizeof f->event);
	imgp_digest_str(o, "sha256", f->sha256, sizeof f->sha256);
	imgp_digest_str(o, "ts", f->ts, sizeof f->ts);
	imgp_digest_str(o, "error", f->error, sizeof f->error);
	f->code = imgp_error_find(imgp_json_str(imgp_json_get(o,
	    "error_code")));
	f->delivered = status != NULL && strcmp(status, "Completed") == 0;
	f->has_error = imgp_json_bool(imgp_json_get(o, "has_error")) == 1;
	f->for_good = imgp_json_bool(imgp_json_get(o, "failed_for_good")) == 1;
	f->bytes = int_of(o, "bytes", -1);
	f->upload = int_of(o, "subject_event_crf_file_id", 0);
	f->row = int_of(o, "edc_pipeline_file_id", 0);
	f->revision = int_of(o, "revision_number", 0);
	f->attempt = int_of(o, "attempt", 0);
	f->warnings = imgp_json_get(o, "warnings");
	read_place(o, f);
	read_scans(o, f);
}

const struct imgp_json *
imgp_digest_warning(const struct imgp_digest_file *f, const struct imgp_json *i,
    const struct imgp_error **code, char *said, size_t size)
{
	for (i = i == NULL ? imgp_json_first(f->warnings) : imgp_json_next(i);
	    i != NULL; i = imgp_json_next(i))
		if ((*code = imgp_error_find(imgp_json_str(imgp_json_get(i,
		    "error_code")))) != NULL)
			break;
	if (i != NULL)
		imgp_digest_str(i, "error", said, size);
	return i;
}

/* The next entry of ${list} after ${i} whose pipeline this reader may see. */
static const struct imgp_json *
next_wanted(const struct imgp_digest *d, const struct imgp_json *list,
    const struct imgp_json *i)
{
	const char *pipeline;

	for (i = i == NULL ? imgp_json_first(list) : imgp_json_next(i);
	    i != NULL; i = imgp_json_next(i)) {
		pipeline = imgp_json_str(imgp_json_get(i, "pipeline_code"));
		if (d->wants == NULL || ((pipeline != NULL || d->admins) &&
		    d->wants(d->arg, pipeline)))
			break;
	}
	return i;
}

const struct imgp_json *
imgp_digest_next(const struct imgp_digest *d, const struct imgp_json *i)
{
	return next_wanted(d, imgp_json_get(d->content, "files"), i);
}

const struct imgp_json *
imgp_digest_still(const struct imgp_digest *d, const struct imgp_json *i,
    char *what, size_t size)
{
	char pipeline[sizeof ((struct imgp_digest_file *)0)->pipeline];
	char since[32];
	int64_t n;

	if (!d->admins || (i = next_wanted(d, imgp_json_get(d->content,
	    "still"), i)) == NULL)
		return NULL;
	n = int_of(i, "files", 0);
	imgp_digest_str(i, "pipeline_code", pipeline, sizeof pipeline);
	imgp_digest_str(i, "since", since, sizeof since);
	snprintf(what, size, "%lld file%s of %s, since %s", (long long)n,
	    n == 1 ? "" : "s", pipeline[0] == '\0' ? "no known pipeline" :
	    pipeline, since);
	return i;
}

int
imgp_digest_is_delivered(const struct imgp_json *o)
{
	const char *s = imgp_json_str(imgp_json_get(o, "status"));

	return s != NULL && strcmp(s, "Completed") == 0;
}

void
imgp_digest_count(const struct imgp_digest *d, struct imgp_digest_counts *n)
{
	const struct imgp_json *i = NULL;
	char what[IMGP_DIGEST_LINE];

	memset(n, 0, sizeof *n);
	while ((i = imgp_digest_still(d, i, what, sizeof what)) != NULL)
		n->still += int_of(i, "files", 0);
	while ((i = next_wanted(d, imgp_json_get(d->content, "waiting"),
	    i)) != NULL) {
		n->waiting += int_of(i, "files", 0);
		if (imgp_json_bool(imgp_json_get(i, "paused")) == 1)
			n->paused += int_of(i, "files", 0);
	}
	while ((i = imgp_digest_next(d, i)) != NULL) {
		if (!imgp_digest_is_delivered(i)) {
			n->failed++;
			continue;
		}
		n->fresh++;
		if (imgp_json_bool(imgp_json_get(i, "has_error")) == 1)
			n->with_error++;
	}
}

char *
imgp_digest_subject(const struct imgp_digest *d)
{
	struct imgp_digest_counts n;
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_digest_count(d, &n);
	imgp_buf_printf(&b, "%s: %lld new file%s", d->title,
	    (long long)n.fresh, n.fresh == 1 ? "" : "s");
	if (n.failed != 0)
		imgp_buf_printf(&b, ", %lld failed", (long long)n.failed);
	return imgp_buf_steal(&b);
}

void
imgp_digest_window(const struct imgp_digest *d, char *dst, size_t size)
{
	char since[32], until[32];

	imgp_digest_str(d->content, "since", since, sizeof since);
	imgp_digest_str(d->content, "until", until, sizeof until);
	since[strcspn(since, "T")] = since[0] == '\0' ? '\0' : ' ';
	until[strcspn(until, "T")] = until[0] == '\0' ? '\0' : ' ';
	since[strcspn(since, "Z")] = '\0';
	until[strcspn(until, "Z")] = '\0';
	snprintf(dst, size, "%s to %s UTC", since[0] == '\0' ?
	    "the beginning" : since, until);
}

void
imgp_digest_human(int64_t bytes, char *dst, size_t size)
{
	static const char *const unit[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 999.95 && i + 1 < sizeof unit / sizeof *unit) {
		v /= 1000;
		i++;
	}
	if (bytes < 0)
		snprintf(dst, size, "not known");
	else
		snprintf(dst, size, i == 0 ? "%.0f %s" : "%.1f %s", v, unit[i]);
}

/* --- text ---------------------------------------------------------------- */

static void
text_warnings(struct imgp_buf *out, const struct imgp_digest_file *f)
{
	const struct imgp_json *i = NULL;
	const struct imgp_error *code;
	char said[IMGP_DIGEST_LINE];

	while ((i = imgp_digest_warning(f, i, &code, said,
	    sizeof said)) != NULL)
		imgp_buf_printf(out, "   warning      %s\n"
		    "                %s\n                %s\n", code->code,
		    code->meaning, said);
}

static void
text_new(struct imgp_buf *out, const struct imgp_digest_file *f, int64_t number)
{
	char size[32];

	imgp_digest_human(f->bytes, size, sizeof size);
	imgp_buf_printf(out, "\n%lld. %s\n", (long long)number, f->name);
	imgp_buf_printf(out, "   place        %s\n", f->place);
	if (f->participant[0] != '\0')
		imgp_buf_printf(out, "   participant  %s\n", f->participant);
	if (f->event[0] != '\0')
		imgp_buf_printf(out, "   event        %s\n", f->event);
	if (f->bytes >= 1000)
		imgp_buf_printf(out, "   size         %lld bytes (%s)\n",
		    (long long)f->bytes, size);
	else if (f->bytes >= 0)
		imgp_buf_printf(out, "   size         %lld bytes\n",
		    (long long)f->bytes);
	if (f->sha256[0] != '\0')
		imgp_buf_printf(out, "   SHA-256      %s\n", f->sha256);
	if (f->scans == 0)
		imgp_buf_puts(out, "   scans        none\n");
	else
		imgp_buf_printf(out, "   scans        %lld, %lld instances%s"
		    "%s\n", (long long)f->scans, (long long)f->instances,
		    f->ids.len == 0 ? "" : ": ", f->ids.s);
	if (f->has_error)
		imgp_buf_printf(out, "   with error   %s\n", f->code == NULL ?
		    "of an unknown code" : f->code->code);
	if (f->has_error && f->code != NULL)
		imgp_buf_printf(out, "                %s\n", f->code->meaning);
	text_warnings(out, f);
}

static void
text_failed(struct imgp_buf *out, const struct imgp_digest_file *f, int64_t number)
{
	const char *outcome = f->for_good ? "failed for good" :
	    "to be tried again";

	if (f->row == 0)
		imgp_buf_printf(out, "\n%lld. upload %lld, not taken yet: %s\n",
		    (long long)number, (long long)f->upload, outcome);
	else
		imgp_buf_printf(out, "\n%lld. upload %lld, revision %lld: %s "
		    "after attempt %lld\n", (long long)number,
		    (long long)f->upload, (long long)f->revision, outcome,
		    (long long)f->attempt);
	if (f->name[0] != '\0')
		imgp_buf_printf(out, "   file     %s\n", f->name);
	if (f->code == NULL) {
		imgp_buf_puts(out, "   error    of an unknown code\n");
		return;
	}
	imgp_buf_printf(out, "   error    %s\n   means    %s\n   do       "
	    "%s\n", f->code->code, f->code->meaning, f->code->action);
	if (f->error[0] != '\0')
		imgp_buf_printf(out, "   said     %s\n", f->error);
}

/* A line for each file. */
static void
text_brief(struct imgp_buf *out, const struct imgp_digest_file *f, int64_t number)
{
	const char *code = f->code == NULL ? "of an unknown code" :
	    f->code->code;

	if (number == 1)
		imgp_buf_puts(out, "\n");
	imgp_buf_printf(out, "%lld. ", (long long)number);
	if (!f->delivered)
		imgp_buf_printf(out, "upload %lld: %s, %s\n",
		    (long long)f->upload, f->for_good ? "failed for good" :
		    "to be tried again", code);
	else if (f->has_error)
		imgp_buf_printf(out, "%s, with error %s\n", f->name, code);
	else
		imgp_buf_printf(out, "%s\n", f->name);
}

/* How many of the delivered or the failed files are told one by one. */
static int64_t
most_of(const struct imgp_digest *d, const struct imgp_digest_counts *n,
    int delivered)
{
	int64_t most = (int64_t)d->most, failed;

	if (!d->brief)
		return IMGP_DIGEST_MOST;
	failed = !d->admins ? 0 : n->failed < most ? n->failed : most;
	return delivered ? most - failed : failed;
}

/* List the delivered or the failed files, at most ${most} of them. */
static void
text_list(const struct imgp_digest *d, struct imgp_buf *out, int delivered,
    int64_t most, void (*one)(struct imgp_buf *,
    const struct imgp_digest_file *, int64_t))
{
	const struct imgp_json *i = NULL;
	struct imgp_digest_file *f = imgp_alloc(sizeof *f);
	int64_t n = 0;

	imgp_buf_init(&f->ids);
	while ((i = imgp_digest_next(d, i)) != NULL) {
		if (imgp_digest_is_delivered(i) != delivered || ++n > most)
			continue;
		imgp_digest_read(i, f);
		if (d->brief)
			text_brief(out, f, n);
		else
			one(out, f, n);
	}
	if (n > most)
		imgp_buf_printf(out, "\nand %lld more\n",
		    (long long)(n - most));
	imgp_buf_release(&f->ids);
	free(f);
}

static void
text_still(const struct imgp_digest *d, struct imgp_buf *out)
{
	const struct imgp_json *i = NULL;
	char what[IMGP_DIGEST_LINE];

	while ((i = imgp_digest_still(d, i, what, sizeof what)) != NULL)
		imgp_buf_printf(out, "\nStill failing: %s\n", what);
}

static void
text_post(const struct imgp_digest *d, struct imgp_buf *out)
{
	static const char *const what[] = { "waiting", "refused" };
	const struct imgp_json *i;
	const struct imgp_error *row;
	char address[300], since[32];
	size_t k;

	for (k = 0; k < 2; k++)
		for (i = imgp_json_first(imgp_json_get(d->post, what[k]));
		    i != NULL; i = imgp_json_next(i)) {
			row = imgp_error_find(imgp_json_str(imgp_json_get(i,
			    "error_code")));
			if (row == NULL)
				continue;	/* not yet tried */
			imgp_digest_str(i, "address", address, sizeof address);
			imgp_digest_str(i, "since", since, sizeof since);
			imgp_buf_printf(out, "\nMail to %s of %s is %s: %s\n",
			    address, since, what[k], row->meaning);
		}
}

void
imgp_digest_text(const struct imgp_digest *d, struct imgp_buf *out)
{
	struct imgp_digest_counts n;
	char when[80];

	imgp_digest_count(d, &n);
	imgp_digest_window(d, when, sizeof when);
	imgp_buf_printf(out, "%s, %s\n\n", d->title, when);
	imgp_buf_printf(out, "%10lld  new file%s in quarantine, the labs' "
	    "delivery area\n", (long long)n.fresh, n.fresh == 1 ? "" : "s");
	imgp_buf_printf(out, "%10lld  of them with errors\n",
	    (long long)n.with_error);
	imgp_buf_printf(out, "%10lld  failed to be transferred or processed\n",
	    (long long)n.failed);
	if (n.waiting != 0)
		imgp_buf_printf(out, "%10lld  upload%s that no run has taken "
		    "yet\n", (long long)n.waiting, n.waiting == 1 ? "" : "s");
	if (n.paused != 0)
		imgp_buf_printf(out, "%10lld  of them in a paused pipeline\n",
		    (long long)n.paused);
	if (d->where != NULL)
		imgp_buf_printf(out, "\n%s", d->where);
	if (int_of(d->content, "more", 0) > 0)
		imgp_buf_printf(out, "\nof the first %zu files; there are "
		    "%lld more: ask for a shorter time\n",
		    imgp_json_count(imgp_json_get(d->content, "files")),
		    (long long)int_of(d->content, "more", 0));
	if (n.fresh != 0)
		imgp_buf_puts(out, "\nNEW FILES\n");
	text_list(d, out, 1, most_of(d, &n, 1), text_new);
	if (!d->admins)
		return;
	if (n.failed != 0)
		imgp_buf_puts(out, "\nFAILED\n");
	text_list(d, out, 0, most_of(d, &n, 0), text_failed);
	text_still(d, out);
	text_post(d, out);
}

/* --- CSV ----------------------------------------------------------------- */

/* Their codes, by blanks. */
static void
csv_warnings(struct imgp_buf *out, const struct imgp_digest_file *f)
{
	struct imgp_buf codes = IMGP_BUF_INIT;
	const struct imgp_json *i = NULL;
	const struct imgp_error *code;
	char said[IMGP_DIGEST_LINE];

	while ((i = imgp_digest_warning(f, i, &code, said,
	    sizeof said)) != NULL)
		imgp_buf_printf(&codes, "%s%s", codes.len == 0 ? "" : " ",
		    code->code);
	imgp_csv_str(out, codes.len == 0 ? "" : codes.s, 1);
	imgp_buf_release(&codes);
}

void
imgp_digest_csv(const struct imgp_digest *d, struct imgp_buf *out)
{
	const struct imgp_json *i = NULL;
	struct imgp_digest_file *f = imgp_alloc(sizeof *f);

	imgp_buf_init(&f->ids);
	imgp_buf_puts(out, "file_name,place,pipeline_code,participant_code,"
	    "event_code,subject_event_crf_file_id,revision_number,"
	    "edc_pipeline_file_id,bytes,sha256,scans,instances,atri_uids,"
	    "status,has_error,error_code,ts,warnings\r\n");
	while ((i = imgp_digest_next(d, i)) != NULL) {
		if (!imgp_digest_is_delivered(i) && !d->admins)
			continue;
		imgp_digest_read(i, f);
		imgp_csv_str(out, f->name, 0);
		imgp_csv_str(out, f->place, 0);
		imgp_csv_str(out, f->pipeline, 0);
		imgp_csv_str(out, f->participant, 0);
		imgp_csv_str(out, f->event, 0);
		imgp_csv_int(out, f->upload);
		imgp_csv_int(out, f->revision);
		imgp_csv_int(out, f->row);
		imgp_csv_int(out, f->bytes);
		imgp_csv_str(out, f->sha256, 0);
		imgp_csv_int(out, f->scans);
		imgp_csv_int(out, f->instances);
		imgp_csv_str(out, f->ids.s, 0);
		imgp_csv_str(out, f->delivered ? "Completed" : "Failed", 0);
		imgp_csv_str(out, f->has_error ? "true" : "false", 0);
		imgp_csv_str(out, f->code == NULL ? "" : f->code->code, 0);
		imgp_csv_str(out, f->ts, 0);
		csv_warnings(out, f);
	}
	imgp_buf_release(&f->ids);
	free(f);
}

/* --- JSON ---------------------------------------------------------------- */

static struct imgp_json *
json_warnings(const struct imgp_digest_file *f)
{
	struct imgp_json *list = imgp_json_new_array(), *o;
	const struct imgp_json *i = NULL;
	const struct imgp_error *code;
	char said[IMGP_DIGEST_LINE];

	while ((i = imgp_digest_warning(f, i, &code, said,
	    sizeof said)) != NULL) {
		o = imgp_json_new_object();
		imgp_json_set_str(o, "error_code", code->code);
		imgp_json_set_str(o, "error", said);
		imgp_json_append(list, o);
	}
	return list;
}

static struct imgp_json *
json_file(const struct imgp_digest_file *f)
{
	struct imgp_json *o = imgp_json_new_object();

	imgp_json_set_str(o, "file_name", f->name);
	imgp_json_set_str(o, "place", f->place);
	imgp_json_set_str(o, "pipeline_code", f->pipeline);
	imgp_json_set_str(o, "participant_code", f->participant);
	imgp_json_set_str(o, "event_code", f->event);
	imgp_json_set_int(o, "subject_event_crf_file_id", f->upload);
	imgp_json_set_int(o, "revision_number", f->revision);
	imgp_json_set_int(o, "edc_pipeline_file_id", f->row);
	if (f->bytes >= 0)
		imgp_json_set_int(o, "bytes", f->bytes);
	if (f->sha256[0] != '\0')
		imgp_json_set_str(o, "sha256", f->sha256);
	imgp_json_set_int(o, "scans", f->scans);
	imgp_json_set_int(o, "instances", f->instances);
	imgp_json_set_str(o, "atri_uids", f->ids.s);
	imgp_json_set_str(o, "status", f->delivered ? "Completed" : "Failed");
	imgp_json_set_bool(o, "has_error", f->has_error);
	if (f->code != NULL)
		imgp_json_set_str(o, "error_code", f->code->code);
	if (imgp_json_count(f->warnings) > 0)
		imgp_json_set(o, "warnings", json_warnings(f));
	imgp_json_set_str(o, "ts", f->ts);
	return o;
}

struct imgp_json *
imgp_digest_file(const struct imgp_json *file)
{
	struct imgp_digest_file *f = imgp_alloc(sizeof *f);
	struct imgp_json *o;

	imgp_buf_init(&f->ids);
	imgp_digest_read(file, f);
	o = json_file(f);
	imgp_buf_release(&f->ids);
	free(f);
	return o;
}

void
imgp_digest_json(const struct imgp_digest *d, struct imgp_buf *out)
{
	struct imgp_json *o = imgp_json_new_object();
	struct imgp_json *list = imgp_json_new_array();
	struct imgp_json *counts = imgp_json_new_object();
	struct imgp_digest_file *f = imgp_alloc(sizeof *f);
	const struct imgp_json *i = NULL;
	struct imgp_digest_counts n;
	char t[32];

	imgp_buf_init(&f->ids);
	imgp_digest_count(d, &n);
	imgp_digest_str(d->content, "since", t, sizeof t);
	imgp_json_set_str(o, "since", t[0] == '\0' ? NULL : t);
	imgp_digest_str(d->content, "until", t, sizeof t);
	imgp_json_set_str(o, "until", t);
	imgp_json_set_int(counts, "new", n.fresh);
	imgp_json_set_int(counts, "with_error", n.with_error);
	imgp_json_set_int(counts, "failed", n.failed);
	imgp_json_set_int(counts, "waiting", n.waiting);
	imgp_json_set_int(counts, "paused", n.paused);
	imgp_json_set(o, "counts", counts);
	while ((i = imgp_digest_next(d, i)) != NULL) {
		if (!imgp_digest_is_delivered(i) && !d->admins)
			continue;
		imgp_digest_read(i, f);
		imgp_json_append(list, json_file(f));
	}
	imgp_json_set(o, "files", list);
	if (imgp_json_get(d->content, "still") != NULL)
		imgp_json_set(o, "still", imgp_json_copy(
		    imgp_json_get(d->content, "still")));
	imgp_json_print(o, out);
	imgp_buf_puts(out, "\n");
	imgp_buf_release(&f->ids);
	free(f);
	imgp_json_free(o);
}
