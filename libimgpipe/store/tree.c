#include <fnmatch.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/store/tree.h"

#define AHEAD	4096		/* objects listed and not yet begun: so the
				 * listing ends early, and the total is known */

struct run {
	const struct imgp_tree *tree;
	struct imgp_store *src, *dst;
	const char	*from, *to;
	int		 listed;	/* something lies there */
	int64_t		 bytes;		/* of what is to be copied */

	pthread_mutex_t	 lock;		/* of all below */
	pthread_cond_t	 more, less;	/* waiting changed */
	char		*waiting[AHEAD]; /* URLs, a ring */
	size_t		 first, n;
	int		 ended;		/* nothing more is listed */
};

static int
matches(const char **patterns, size_t n, const char *name)
{
	while (n-- > 0)
		if (fnmatch(patterns[n], name, 0) == 0)
			return 1;
	return 0;
}

/* Both must be places, and two keys must not become one file. */
static int
check_names(const struct run *r, const char *url, const char *target,
    struct imgp_err *e)
{
	struct imgp_place p;

	if (imgp_place_parse(url, &p, e) == -1)
		return -1;
	imgp_place_release(&p);
	if (imgp_place_parse(target, &p, e) == -1)
		return -1;
	imgp_place_release(&p);
	return p.scheme == IMGP_FILE && strncmp(url, "s3://", 5) == 0 &&
	    (url[strlen(url) - 1] == '/' || url[strlen(r->from)] == '/' ||
	    strstr(url + strlen(r->from), "//") != NULL) ?
	    imgp_fail(e, IMGP_E_PLACE_INVALID, "%s: no file can have that name",
	    url) : 0;
}

static void
copy_one(struct run *r, const char *url)
{
	struct imgp_copied copied = { .existed = 0 };
	struct imgp_err e = { NULL, "" };
	char *target = imgp_place_join(r->to, url + strlen(r->from));
	struct imgp_copy copy = { .src = r->src, .from = url, .dst = r->dst,
	    .to = target, .flags = r->tree->flags };
	int rc = check_names(r, url, target, &e);

	if (rc == 0 && !r->tree->dry_run)
		rc = imgp_store_copy(&copy, &copied, &e);
	/* A copy that a signal stopped has not failed; the process ends by the
	 * signal. */
	if (rc == 0 || !imgp_stop_asked()) {
		pthread_mutex_lock(&r->lock);
		r->tree->done(r->tree->arg, url, target, &copied,
		    rc == -1 ? &e : NULL);
		pthread_mutex_unlock(&r->lock);
	}
	free(target);
}

static void *
worker(void *arg)
{
	struct run *r = arg;
	char *url;

	for (;;) {
		pthread_mutex_lock(&r->lock);
		while (r->n == 0 && !r->ended)
			pthread_cond_wait(&r->more, &r->lock);
		if (r->n == 0) {
			pthread_mutex_unlock(&r->lock);
			return NULL;
		}
		url = r->waiting[r->first];
		r->first = (r->first + 1) % AHEAD;
		r->n--;
		pthread_cond_signal(&r->less);
		pthread_mutex_unlock(&r->lock);
		copy_one(r, url);
		free(url);
	}
}

static int
found(void *arg, const char *url, const struct imgp_object *object)
{
	struct run *r = arg;
	const struct imgp_tree *t = r->tree;
	const char *name = url + strlen(r->from);

	r->listed = 1;
	/* Some tools make an empty object "directory/" for each folder. */
	if (*name == '\0' ||
	    (name[strlen(name) - 1] == '/' && object->bytes == 0) ||
	    (t->ninclude > 0 && !matches(t->include, t->ninclude, name)) ||
	    matches(t->exclude, t->nexclude, name))
		return 0;
	pthread_mutex_lock(&r->lock);
	if (object->bytes < 0) {
		t->passed(t->arg, url);
		pthread_mutex_unlock(&r->lock);
		return 0;
	}
	r->bytes += object->bytes;
	while (r->n == AHEAD)
		pthread_cond_wait(&r->less, &r->lock);
	r->waiting[(r->first + r->n++) % AHEAD] = imgp_strdup(url);
	pthread_cond_signal(&r->more);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

int
imgp_tree_copy(const struct imgp_tree *t, struct imgp_store *src,
    const char *from, struct imgp_store *dst, const char *to,
    struct imgp_err *e)
{
	struct run r = { .tree = t, .src = src, .dst = dst, .from = from,
	    .to = to };
	pthread_t *threads = imgp_alloc((size_t)t->jobs * sizeof *threads);
	int n = 0, rc;

	pthread_mutex_init(&r.lock, NULL);
	pthread_cond_init(&r.more, NULL);
	pthread_cond_init(&r.less, NULL);
	while (n < t->jobs &&
	    pthread_create(&threads[n], NULL, worker, &r) == 0)
		n++;
	if (n == 0)
		rc = imgp_fail(e, IMGP_E_MEMORY, "no thread can be started");
	else
		rc = imgp_store_list(src, from, found, &r, e);
	/* In S3 a prefix exists only by the objects below it. */
	if (rc == 0 && !r.listed && strncmp(from, "s3://", 5) == 0 &&
	    strchr(from + 5, '/')[1] != '\0')
		rc = imgp_fail(e, IMGP_E_STORE_NOT_FOUND,
		    "%s: nothing lies below it", from);
	pthread_mutex_lock(&r.lock);
	r.ended = 1;
	if (rc == 0)
		t->listed(t->arg, r.bytes);
	pthread_cond_broadcast(&r.more);
	pthread_mutex_unlock(&r.lock);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	pthread_cond_destroy(&r.more);
	pthread_cond_destroy(&r.less);
	pthread_mutex_destroy(&r.lock);
	free(threads);
	return rc;
}
