#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/report/digest.h"
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

/* All delivered files of a pipeline. */
static int
sums(struct imgp_post *p, const char *pipeline, struct imgp_buf *out,
    struct imgp_err *e)
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
				imgp_buf_printf(out, "%s  %s%s\n",
				    text_of(i, "sha256"),
				    text_of(i, "file_path"),
				    text_of(i, "file_name"));
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

/* Digest 17 of 2019-01-18T22:00:00Z: "new-20190118T220000Z-17.csv", the caller's to
 * free. */
static char *
list_name(const struct imgp_json *content)
{
	const char *s = text_of(content, "until");
	struct imgp_buf b = IMGP_BUF_INIT;
	int64_t id = 0;

	imgp_buf_puts(&b, "new-");
	for (; *s != '\0'; s++)
		if ((*s >= '0' && *s <= '9') || *s == 'T' || *s == 'Z')
			imgp_buf_add(&b, s, 1);
	imgp_json_int(imgp_json_get(content, "digest_id"), &id);
	imgp_buf_printf(&b, "-%lld.csv", (long long)id);
	return imgp_buf_steal(&b);
}

static int
write_both(struct imgp_post *p, const struct imgp_json *content, char *pipeline,
    struct imgp_err *e)
{
	struct imgp_digest d = { .content = content, .wants = is_of,
	    .arg = pipeline, .title = "" };
	const char *base = imgp_conf_need(pipeline, "destination", e);
	struct imgp_buf all = IMGP_BUF_INIT, fresh = IMGP_BUF_INIT;
	struct imgp_store *store = NULL;
	char *name = list_name(content);
	int rc = -1;

	if (base == NULL || (store = imgp_store_open(base, 0, e)) == NULL)
		goto out;
	imgp_store_set_owner(store, imgp_conf_owner(pipeline, "destination"));
	imgp_digest_csv(&d, &fresh);
	if (sums(p, pipeline, &all, e) == -1 ||
	    put(store, base, pipeline, "SHA256SUMS", &all, e) == -1 ||
	    put(store, base, pipeline, name, &fresh, e) == -1)
		goto out;
	rc = 0;
out:
	imgp_store_close(store);
	free(name);
	imgp_buf_release(&all);
	imgp_buf_release(&fresh);
	return rc;
}

int
imgp_manifest_write(struct imgp_post *p, const struct imgp_json *content,
    void (*complain)(const struct imgp_err *))
{
	const struct imgp_json *i;
	struct imgp_err e;
	char *pipeline;
	int status = IMGP_EX_OK;

	for (i = imgp_json_first(imgp_json_get(content, "pipelines"));
	    i != NULL; i = imgp_json_next(i)) {
		if (imgp_json_str(i) == NULL ||
		    imgp_conf_is_left_out(imgp_json_str(i)) || strcmp(imgp_conf(
		    imgp_json_str(i), "manifest"), "yes") != 0)
			continue;
		pipeline = imgp_strdup(imgp_json_str(i));
		if (write_both(p, content, pipeline, &e) == -1) {
			complain(&e);
			status = IMGP_EX_TEMPFAIL;
		}
		free(pipeline);
	}
	return status;
}
