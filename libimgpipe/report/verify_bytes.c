/*
 * An object's bytes against what its row says of them: size, ETag, SHA-256 and ids.
 * This file must not know which row an object is of, nor what of it follows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/job/spool.h"
#include "libimgpipe/report/verify_priv.h"
#include "libimgpipe/steps/ids_check.h"

int
imgp_verify_has_other_sum(struct check *c, struct base *b, const char *url,
    const char *sha256, int read_it)
{
	struct imgp_object got;
	struct imgp_err e;

	if (sha256 == NULL)
		return 0;
	if (imgp_store_head(b->store, url, read_it, &got, &e) == -1 ||
	    (got.sha256[0] == '\0' &&
	    imgp_store_head(b->store, url, 1, &got, &e) == -1)) {
		imgp_verify_unseen(c, &e);
		return 0;
	}
	return strcmp(got.sha256, sha256) != 0;
}

int
imgp_verify_make_dir(struct check *c, struct imgp_err *e)
{
	const char *spool = imgp_conf_need(NULL, "spool", e);
	char *run, *url;

	if (spool == NULL)
		return -1;
	run = imgp_run_id_new();
	if ((c->lock = imgp_spool_open(spool, run, e)) != -1) {
		c->dir = imgp_asprintf("%s/%s", spool, run);
		url = imgp_asprintf("file://%s", c->dir);
		c->here = imgp_store_open(url, 0, e);
		free(url);
	}
	free(run);
	return c->here == NULL ? -1 : 0;
}

void
imgp_verify_remove_dir(struct check *c)
{
	char *lock;

	imgp_store_close(c->here);
	if (c->dir == NULL)
		return;
	lock = imgp_asprintf("%s/lock", c->dir);
	unlink(lock);
	rmdir(c->dir);
	close(c->lock);
	free(lock);
	free(c->dir);
}

/* Find the instances of ${file}, a copy of the object at ${url}, that lack their
 * ids. */
static void
check_ids(struct check *c, const struct imgp_json *o, const char *file,
    const struct imgp_scans *scans, const char *url)
{
	struct imgp_ids ids = { 0, 0, 0, 0 };
	struct imgp_err e;
	char what[160];

	if (imgp_ids_check(file, text(o, "pipeline_code"), scans, &ids,
	    &e) == -1) {
		imgp_verify_unseen(c, &e);
		return;
	}
	if (ids.without + ids.other + ids.unknown == 0)
		return;
	snprintf(what, sizeof what, "%llu of its instances have no id, %llu "
	    "another one, %llu are of a series that has none",
	    (unsigned long long)ids.without, (unsigned long long)ids.other,
	    (unsigned long long)ids.unknown);
	imgp_verify_found_of(c, IMGP_WITHOUT_ID, o, url, what);
}

/* Fetch the object, sum it up on its way, and look at its ids.  Nonzero: its sum is
 * not ${sha256}. */
static int
has_other_bytes(struct check *c, const struct imgp_json *o, struct base *b,
    const char *url, const char *sha256)
{
	struct imgp_scans scans = IMGP_SCANS_INIT;
	struct imgp_copied got;
	struct imgp_err e;
	char *file = NULL, *to = NULL;
	int other = 0;

	if (imgp_scans_parse(imgp_json_get(o, "scans"), &scans, &e) == -1) {
		imgp_verify_unseen(c, &e);
		goto out;
	}
	if (scans.n == 0) {	/* no images: no ids */
		other = imgp_verify_has_other_sum(c, b, url, sha256, 1);
		goto out;
	}
	file = imgp_asprintf("%s/object", c->dir);
	to = imgp_asprintf("file://%s", file);
	if (imgp_store_copy(&(struct imgp_copy){ .src = b->store, .from = url,
	    .dst = c->here, .to = to }, &got, &e) == -1) {
		imgp_verify_unseen(c, &e);
		goto out;
	}
	other = sha256 != NULL && strcmp(got.object.sha256, sha256) != 0;
	if (!other)
		check_ids(c, o, file, &scans, url);
	unlink(file);
out:
	imgp_scans_release(&scans);
	free(file);
	free(to);
	return other;
}

void
imgp_verify_compare(struct check *c, const struct imgp_json *o, struct base *b,
    const struct imgp_held *h, const char *url)
{
	const char *etag = text(o, "destination_etag");
	int64_t bytes = number(o, "bytes");
	int other, known = h->etag != 0 && etag != NULL;
	char what[96];

	if (c->v->level >= IMGP_VERIFY_SIZE && bytes >= 0 && h->bytes != bytes) {
		snprintf(what, sizeof what, "%lld bytes, delivered were %lld",
		    (long long)h->bytes, (long long)bytes);
		imgp_verify_found_of(c, IMGP_OTHER_SIZE, o, url, what);
		return;
	}
	if (c->v->level < IMGP_VERIFY_SUM)
		return;
	other = !imgp_held_may_be(h, etag);
	if (c->v->level >= IMGP_VERIFY_IDS)
		other = has_other_bytes(c, o, b, url, text(o, "sha256"));
	else if (c->v->level == IMGP_VERIFY_FETCH || other || !known)
		other = imgp_verify_has_other_sum(c, b, url, text(o, "sha256"),
		    c->v->level == IMGP_VERIFY_FETCH || other);
	if (other)
		imgp_verify_found_of(c, IMGP_OTHER_BYTES, o, url,
		    "its SHA-256 is not the delivered one");
}
