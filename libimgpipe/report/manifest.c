#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/report/digest_priv.h"
#include "libimgpipe/report/manifest.h"
#include "libimgpipe/store/store.h"

#define PAGE	1000		/* files asked for at once */

static const char *
text_of(const struct imgp_json *o, const char *key)
{
	const char *s = imgp_json_str(imgp_json_get(o, key));

	return s == NULL ? "" : s;
}

/* Nonzero when the file can be listed unescaped.  job/names makes no name with a
 * line end or a backslash, but the row may be older. */
static int
is_listable(const struct imgp_json *file, const char *pipeline)
{
	return strcmp(text_of(file, "pipeline_code"), pipeline) == 0 &&
	    strcmp(text_of(file, "status"), "Completed") == 0 &&
	    strlen(text_of(file, "sha256")) == 64 &&
	    text_of(file, "file_name")[0] != '\0' &&
	    strpbrk(text_of(file, "file_name"), "\n\r\\") == NULL &&
	    strpbrk(text_of(file, "file_path"), "\n\r\\") == NULL;
}

/* The line of a delivered file: below the place ${base} in ${here}, else with its
 * whole place in ${elsewhere}.  A row from before places were kept lies here. */
static void
sum_line(const struct imgp_json *file, const char *base, struct imgp_buf *here,
    struct imgp_buf *elsewhere)
{
	const char *place = text_of(file, "place"), *key;
	struct imgp_err e;

	if (place[0] == '\0')
		imgp_buf_printf(here, "%s  %s%s\n", text_of(file, "sha256"),
		    text_of(file, "file_path"), text_of(file, "file_name"));
	else if (imgp_place_within(place, base, &e) == 0) {
		for (key = place + strlen(base); *key == '/'; key++)
			;
		imgp_buf_printf(here, "%s  %s\n", text_of(file, "sha256"),
		    key);
	} else
		imgp_buf_printf(elsewhere, "%s  %s\n", text_of(file,
		    "sha256"), place);
}

/* All delivered files of a pipeline whose setting destination is ${base}. */
static int
sums(struct imgp_post *p, const char *pipeline, const char *base,
    struct imgp_buf *here, struct imgp_buf *elsewhere, struct imgp_err *e)
{
	struct imgp_json *req, *data;
	const struct imgp_json *list, *i;
	int64_t last = 0;
	size_t n;

	do {
		data = NULL;
		req = imgp_json_new_object();
		imgp_json_set_int(req, "after", last);
		imgp_json_set_int(req, "limit", PAGE);
		if (imgp_post_ask(p, "status_files", req, &data, e) == -1)
			return -1;
		list = imgp_json_get(data, "files");
		n = imgp_json_count(list);
		for (i = imgp_json_first(list); i != NULL;
		    i = imgp_json_next(i)) {
			imgp_json_int(imgp_json_get(i, "edc_pipeline_file_id"),
			    &last);
			if (is_listable(i, pipeline))
				sum_line(i, base, here, elsewhere);
		}
		imgp_json_free(data);
	} while (n == PAGE);
	return 0;
}

static int
is_of(void *arg, const char *pipeline)
{
	return strcmp(arg, pipeline) == 0;
}

/* Put ${b} at manifests/CODE/${name}. */
static int
put(struct imgp_store *store, const char *base, const char *pipeline,
    const char *name, const struct imgp_buf *b, struct imgp_err *e)
{
	char *key = imgp_asprintf("manifests/%s/%s", pipeline, name);
	char *url = imgp_place_join(base, key);
	int rc = imgp_store_put(store, url, b->s, b->len, e);

	free(key);
	free(url);
	return rc;
}

/* "2019-01-18T22:00:00Z" as "20190118T220000Z". */
static void
put_stamp(struct imgp_buf *b, const char *iso)
{
	for (; *iso != '\0'; iso++)
		if ((*iso >= '0' && *iso <= '9') || *iso == 'T' || *iso == 'Z')
			imgp_buf_add(b, iso, 1);
}

/* Digest 17 of 2019-01-18T22:00:00Z: "new-20190118T220000Z-17.csv", the caller's to
 * free. */
static char *
list_name(const struct imgp_json *content)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	int64_t id, after;

	imgp_buf_puts(&b, "new-");
	put_stamp(&b, text_of(content, "until"));
	if (imgp_json_int(imgp_json_get(content, "digest_id"), &id) == 0)
		imgp_buf_printf(&b, "-%lld", (long long)id);
	else {
		imgp_buf_puts(&b, "-since-");
		put_stamp(&b, text_of(content, "since"));
	}
	if (imgp_json_int(imgp_json_get(content, "after"), &after) == 0)
		imgp_buf_printf(&b, "-after-%lld", (long long)after);
	imgp_buf_puts(&b, ".csv");
	return imgp_buf_steal(&b);
}

static struct imgp_store *
open_store(const char *pipeline, const char **base, struct imgp_err *e)
{
	struct imgp_store *store = NULL;

	if ((*base = imgp_conf_need(pipeline, "destination", e)) != NULL &&
	    (store = imgp_store_open(*base, 0, e)) != NULL)
		imgp_store_set_owner(store, imgp_conf_owner(pipeline,
		    "destination"));
	return store;
}

char *
imgp_manifest_place(const struct imgp_json *content, const char *pipeline)
{
	const char *base = imgp_conf(pipeline, "destination");
	char *name, *key, *url;

	if (base == NULL || strcmp(imgp_conf(pipeline, "manifest"), "no") == 0)
		return NULL;
	name = list_name(content);
	key = imgp_asprintf("manifests/%s/%s", pipeline, name);
	url = imgp_place_join(base, key);
	free(key);
	free(name);
	return url;
}

int
imgp_manifest_list(const struct imgp_json *content, const char *pipeline,
    struct imgp_err *e)
{
	char *code = imgp_strdup(pipeline), *name = list_name(content);
	struct imgp_digest d = { .content = content, .wants = is_of,
	    .arg = code, .title = "" };
	struct imgp_buf fresh = IMGP_BUF_INIT;
	const char *base;
	struct imgp_store *store = open_store(pipeline, &base, e);
	int rc = -1;

	if (store != NULL) {
		imgp_digest_csv(&d, &fresh);
		rc = put(store, base, pipeline, name, &fresh, e);
	}
	imgp_store_close(store);
	imgp_buf_release(&fresh);
	free(name);
	free(code);
	return rc;
}

static int
write_sums(struct imgp_post *p, const char *pipeline, struct imgp_err *e)
{
	struct imgp_buf here = IMGP_BUF_INIT, elsewhere = IMGP_BUF_INIT;
	const char *base;
	struct imgp_store *store = open_store(pipeline, &base, e);
	int rc = -1;

	if (store != NULL && sums(p, pipeline, base, &here, &elsewhere, e) == 0)
		rc = put(store, base, pipeline, "SHA256SUMS", &here, e);
	if (rc == 0 && elsewhere.len > 0)
		rc = put(store, base, pipeline, "SHA256SUMS.elsewhere",
		    &elsewhere, e);
	imgp_store_close(store);
	imgp_buf_release(&here);
	imgp_buf_release(&elsewhere);
	return rc;
}

int
imgp_manifest_write(struct imgp_post *p, const struct imgp_json *content,
    int all, void (*complain)(const struct imgp_err *))
{
	const struct imgp_json *i;
	struct imgp_err e;
	int status = IMGP_EX_OK;

	for (i = imgp_json_first(imgp_json_get(content, "pipelines"));
	    i != NULL; i = imgp_json_next(i)) {
		if (imgp_json_str(i) == NULL ||
		    imgp_conf_is_left_out(imgp_json_str(i)) || strcmp(imgp_conf(
		    imgp_json_str(i), "manifest"), "yes") != 0)
			continue;
		if ((all && write_sums(p, imgp_json_str(i), &e) == -1) ||
		    imgp_manifest_list(content, imgp_json_str(i), &e) == -1) {
			complain(&e);
			status = IMGP_EX_TEMPFAIL;
		}
	}
	return status;
}

/* --- beside each file ----------------------------------------------------- */

/* Nonzero when the file is delivered, and its pipeline asks for its manifest. */
static int
is_asked_for(const struct imgp_json *file)
{
	const char *pipeline = text_of(file, "pipeline_code");

	return imgp_digest_is_delivered(file) && pipeline[0] != '\0' &&
	    !imgp_conf_is_left_out(pipeline) &&
	    strcmp(imgp_conf(pipeline, "file_manifest"), "yes") == 0;
}

/* Below ${base}; a file that lies elsewhere has none. */
static int
put_beside(struct imgp_store *store, const char *base,
    const struct imgp_json *file, struct imgp_err *e)
{
	struct imgp_json *o = imgp_digest_file(file);
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_object there;
	char *url = imgp_asprintf("%s.manifest.json", text_of(o, "place"));
	int rc = 0;

	imgp_json_remove(o, "ts");
	imgp_json_print(o, &b);
	imgp_buf_puts(&b, "\n");
	if (imgp_place_within(url, base, e) == 0 &&
	    imgp_store_head(store, url, 0, &there, e) == -1)
		rc = strcmp(e->code, IMGP_E_STORE_NOT_FOUND) != 0 ? -1 :
		    imgp_store_put(store, url, b.s, b.len, e);
	imgp_buf_release(&b);
	imgp_json_free(o);
	free(url);
	return rc;
}

/* Those of the pipeline of ${first}, from it on. */
static int
beside_of(const struct imgp_json *first, struct imgp_err *e)
{
	const char *pipeline = text_of(first, "pipeline_code"), *base;
	struct imgp_store *store = open_store(pipeline, &base, e);
	const struct imgp_json *i;
	int rc = store == NULL ? -1 : 0;

	for (i = first; i != NULL && rc == 0; i = imgp_json_next(i))
		if (is_asked_for(i) &&
		    strcmp(text_of(i, "pipeline_code"), pipeline) == 0)
			rc = put_beside(store, base, i, e);
	imgp_store_close(store);
	return rc;
}

int
imgp_manifest_beside(const struct imgp_json *files,
    void (*complain)(const struct imgp_err *))
{
	const struct imgp_json *i, *k;
	struct imgp_err e;
	int status = IMGP_EX_OK;

	for (i = imgp_json_first(files); i != NULL; i = imgp_json_next(i)) {
		if (!is_asked_for(i))
			continue;
		for (k = imgp_json_first(files); k != i; k = imgp_json_next(k))
			if (is_asked_for(k) && strcmp(text_of(k,
			    "pipeline_code"), text_of(i, "pipeline_code")) == 0)
				break;
		if (k != i || beside_of(i, &e) == 0)
			continue;
		complain(&e);
		status = IMGP_EX_TEMPFAIL;
	}
	return status;
}
