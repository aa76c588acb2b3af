/*
 * The places of the pipelines, each opened and listed once, and where a row's file
 * is.  This file must not know what the objects there should be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/report/verify_priv.h"

/* Has another listing what lies below ${url}? */
static int
is_listed(const struct check *c, const char *url)
{
	const struct base *b;

	for (b = c->bases; b != NULL; b = b->next)
		if (b->listed && is_within(url, b->url))
			return 1;
	return 0;
}

struct base *
imgp_verify_base(struct check *c, const char *url, const char *pipeline,
    const char *setting)
{
	struct imgp_err e;
	struct base *b;
	char owner[32];

	for (b = c->bases; b != NULL; b = b->next)
		if (strcmp(b->url, url) == 0)
			return b;
	b = imgp_alloc(sizeof *b);
	b->url = imgp_strdup(url);
	b->is_source = strcmp(setting, "source") == 0;
	if ((b->store = imgp_store_open(url, 0, &e)) == NULL)
		imgp_verify_unseen(c, &e);
	else {
		snprintf(owner, sizeof owner, "%s_owner", setting);
		imgp_store_set_owner(b->store, imgp_conf(pipeline, owner));
		b->listed = is_listed(c, url);
		if (!b->listed && imgp_inventory_add(c->held, b->store, url,
		    &e) == -1)
			imgp_verify_unseen(c, &e);
		else
			b->listed = 1;
	}
	b->next = c->bases;
	c->bases = b;
	return b;
}

/* What lies below ${url} has no row, and needs none. */
static void
set_aside(struct check *c, const char *url, const char *below)
{
	if (url == NULL)
		return;
	c->others = imgp_realloc(c->others, c->nothers + 1, sizeof *c->others);
	c->others[c->nothers++] = imgp_place_join(url, below);
}

/* The places of a pipeline. */
static void
take_pipeline(struct check *c, const char *pipeline)
{
	static const char *const beside[] = { "source", "temp", "logs", NULL };
	struct imgp_err e;
	const char *destination = imgp_conf_need(pipeline, "destination", &e);
	size_t i;

	if (destination == NULL)
		imgp_verify_unseen(c, &e);
	for (i = 0; beside[i] != NULL; i++)
		if (imgp_conf(pipeline, beside[i]) != NULL && (destination ==
		    NULL || strcmp(imgp_conf(pipeline, beside[i]),
		    destination) != 0))
			set_aside(c, imgp_conf(pipeline, beside[i]), "");
	set_aside(c, destination, "manifests/");
	if (destination != NULL)
		(void)imgp_verify_base(c, destination, pipeline, "destination");
}

int
imgp_verify_list_places(struct check *c, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object(), *data = NULL;
	const struct imgp_json *i;

	imgp_json_set_int(req, "limit", 0);
	if (imgp_post_ask(c->post, "verify_files", req, &data, e) == -1)
		return -1;
	for (i = imgp_json_first(imgp_json_get(data, "pipelines")); i != NULL;
	    i = imgp_json_next(i))
		if (imgp_json_str(i) != NULL)
			take_pipeline(c, imgp_json_str(i));
	imgp_json_free(data);
	return 0;
}

char *
imgp_verify_place_of(struct check *c, const struct imgp_json *o, struct base **b)
{
	const char *pipeline = text(o, "pipeline_code");
	const char *now = imgp_conf(pipeline, "destination");
	const char *then = text(o, "destination");
	char *name = imgp_asprintf("%s%s", text(o, "file_path") == NULL ? "" :
	    text(o, "file_path"), text(o, "file_name"));
	size_t n = strlen(name), len = then == NULL ? 0 : strlen(then);
	char *url = NULL, *base;

	*b = NULL;
	if (now != NULL && (then == NULL || is_within(then, now))) {
		*b = imgp_verify_base(c, now, pipeline, "destination");
		url = then != NULL ? imgp_strdup(then) :
		    imgp_place_join(now, name);
	} else if (len > n + 1 && strcmp(then + len - n, name) == 0) {
		base = imgp_strndup(then, len - n - 1);
		*b = imgp_verify_base(c, base, pipeline, "destination");
		url = imgp_strdup(then);
		free(base);
	}
	free(name);
	return url;
}

int
imgp_verify_is_aside(const struct check *c, const char *url)
{
	size_t i;

	for (i = 0; i < c->nothers; i++)
		if (is_within(url, c->others[i]))
			return 1;
	return 0;
}

void
imgp_verify_close_places(struct check *c)
{
	struct base *b;

	while ((b = c->bases) != NULL) {
		c->bases = b->next;
		imgp_store_close(b->store);
		free(b->url);
		free(b);
	}
	while (c->nothers > 0)
		free(c->others[--c->nothers]);
	free(c->others);
}
