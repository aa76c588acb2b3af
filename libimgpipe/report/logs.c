#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/report/logs.h"
#include "libimgpipe/store/store.h"

struct open_store {
	struct open_store *next;
	char		  *base;	/* behind the bucket's owner */
	struct imgp_store *store;	/* NULL: cannot be opened */
};

struct imgp_logs {
	struct imgp_trouble *trouble;
	struct open_store *stores;
};

struct imgp_logs *
imgp_logs_new(struct imgp_trouble *t)
{
	struct imgp_logs *l = imgp_alloc(sizeof *l);

	l->trouble = t;
	return l;
}

void
imgp_logs_free(struct imgp_logs *l)
{
	struct open_store *o;

	if (l == NULL)
		return;
	while ((o = l->stores) != NULL) {
		l->stores = o->next;
		imgp_store_close(o->store);
		free(o->base);
		free(o);
	}
	free(l);
}

/* The setting that says where logs lie. */
static const char *
place_of(const char *pipeline)
{
	return imgp_conf(pipeline, "logs") != NULL ? "logs" : "source";
}

static const char *
base_of(const char *pipeline)
{
	return imgp_conf(pipeline, place_of(pipeline));
}

/* The store ${base} in a bucket of ${owner}, opened once, so that a failure is
 * reported once. */
static struct imgp_store *
store_of(struct imgp_logs *l, const char *base, const char *owner)
{
	char *name = imgp_asprintf("%s %s", owner == NULL ? "" : owner, base);
	struct open_store *o;
	struct imgp_err e;

	for (o = l->stores; o != NULL; o = o->next)
		if (strcmp(o->base, name) == 0) {
			free(name);
			return o->store;
		}
	o = imgp_alloc(sizeof *o);
	o->base = name;
	if ((o->store = imgp_store_open(base, IMGP_STORE_CLOSED, &e)) == NULL)
		imgp_trouble_note(l->trouble, &e);
	else
		imgp_store_set_owner(o->store, owner);
	o->next = l->stores;
	l->stores = o;
	return o->store;
}

char *
imgp_logs_url(const char *pipeline, const char *key)
{
	const char *base = base_of(pipeline);

	return base == NULL ? NULL : imgp_place_join(base, key);
}

int
imgp_logs_put(struct imgp_logs *l, const char *pipeline, const char *key,
    const void *data, size_t len)
{
	const char *base = base_of(pipeline);
	struct imgp_store *store = base == NULL ? NULL : store_of(l, base,
	    imgp_conf_owner(pipeline, place_of(pipeline)));
	struct imgp_err e;
	char *url;
	int rc;

	if (store == NULL)
		return -1;
	url = imgp_place_join(base, key);
	if ((rc = imgp_store_put(store, url, data, len, &e)) == -1)
		imgp_trouble_note(l->trouble, &e);
	free(url);
	return rc;
}
