#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/textset.h"
#include "libimgpipe/report/doctor_priv.h"
#include "libimgpipe/store/s3.h"
#include "libimgpipe/store/store.h"

/* A setting that is a place, and what imgpipe does there. */
enum { LISTS = 1, WRITES = 2, REMOVES = 4 };
static const struct role {
	const char	*name;
	unsigned int	 does;
} roles[] = {
	{ "source", LISTS },		/* imgp-verify lists it */
	{ "temp", LISTS | WRITES | REMOVES },
	{ "destination", LISTS | WRITES },
	{ "logs", WRITES },
};

struct place {
	const struct imgp_doctor *d;
	const struct role *role;
	const char	*pipeline;	/* whose settings count */
	const char	*whose;		/* NULL: they are those of all */
	const char	*url;
	struct imgp_store *st;
	struct imgp_textset *seen;
};

static void
tell(const struct place *p, enum imgp_health health, const char *act,
    const char *what)
{
	imgp_doctor_tell(p->d, health, p->role->name, p->whose, act, "%s: %s",
	    p->url, what);
}

static void
fail(const struct place *p, const struct imgp_err *e)
{
	imgp_doctor_fail(p->d, IMGP_HEALTH_BROKEN, p->role->name, p->whose, e);
}

/* --- reading, writing, removing --------------------------------------------- */

/* Whose setting counts: logs lie in the source unless they have a place. */
static const char *
owner(const struct place *p)
{
	return imgp_conf_owner(p->pipeline, strcmp(p->role->name, "logs") == 0 &&
	    imgp_conf(p->pipeline, "logs") == NULL ? "source" : p->role->name);
}

static int
enough(void *arg, const char *url, const struct imgp_object *object)
{
	(void)arg;
	(void)url;
	(void)object;
	return 1;
}

/* An object of ours is written, read and removed again; -1 with ${e}. */
static int
write_and_remove(const struct place *p, struct imgp_err *e)
{
	static const char data[] = "imgp-run --doctor\n";
	struct imgp_object o = IMGP_OBJECT_UNKNOWN;
	char sum[IMGP_SHA256_HEX], *url, *name;
	uint64_t random = 0;
	int rc, removed;

	(void)!getrandom(&random, sizeof random, 0);
	name = imgp_asprintf("imgp-doctor-%016llx", (unsigned long long)random);
	url = imgp_place_join(p->url, name);
	imgp_sha256_hex(data, sizeof data - 1, sum);
	rc = imgp_store_put(p->st, url, data, sizeof data - 1, e);
	if (rc == 0) {
		rc = imgp_store_head(p->st, url, 1, &o, e);
		if (rc == 0 && strcmp(o.sha256, sum) != 0)
			rc = imgp_fail(e, IMGP_E_STORE_INTEGRITY,
			    "%s has other bytes than were written", url);
		removed = imgp_store_remove(p->st, url, rc == 0 ? e : NULL);
		rc = rc == 0 ? removed : rc;
	}
	free(url);
	free(name);
	return rc;
}

/* Create-only writes: 0 and whether they are obeyed; -1: it was told. */
static void
conditional(const struct place *p)
{
	struct imgp_err e;
	int obeyed;

	if (imgp_store_probe(p->st, &obeyed, &e) == -1)
		fail(p, &e);
	else if (obeyed)
		tell(p, IMGP_HEALTH_OK, NULL, "create-only writes are obeyed");
	else
		tell(p, IMGP_HEALTH_WARNING, "have one imgp-run at a time write "
		    "to this service", "the service does not obey create-only "
		    "writes: each looks before and after");
}

/* 0 when it can be used for what it is for. */
static int
use(const struct place *p)
{
	char *near = imgp_place_join(p->url, "imgp-ask");
	struct imgp_err e;
	int rc = 0;

	if (p->role->does & LISTS)
		rc = imgp_store_list(p->st, p->url, enough, NULL, &e);
	if (rc == 0)
		rc = imgp_store_ask(p->st, near, 0, &e);
	if (rc == 0 && (p->role->does & REMOVES))
		rc = write_and_remove(p, &e);
	else if (rc == 0 && (p->role->does & WRITES))
		rc = imgp_store_ask(p->st, near, 1, &e);
	free(near);
	if (rc == -1)
		fail(p, &e);
	else
		tell(p, IMGP_HEALTH_OK, NULL, p->role->does & REMOVES ?
		    "listed; an object was written, read and removed again" :
		    p->role->does == WRITES ? "it can be read and written" :
		    p->role->does & WRITES ? "listed; it can be read and written" :
		    "listed; it can be read");
	return rc;
}

/* --- what a bucket says of itself --------------------------------------------- */

/* GET ?${query}: 1 and its body in ${out}; 0: it says that it has none, or it may
 * not be read, as ${why} says. */
static int
ask(struct imgp_s3 *s3, const char *query, struct imgp_buf *out, int64_t *date,
    char why[80])
{
	struct imgp_s3_request r = { .method = "GET", .query = query };
	struct imgp_s3_answer a;
	struct imgp_err e;
	int rc = imgp_s3_do(s3, &r, &a, &e);

	if (rc == 0)
		imgp_buf_add(out, a.body.s, a.body.len);
	else
		snprintf(why, 80, "status %ld%s%s", a.status,
		    a.code[0] == '\0' ? "" : " ", a.code);
	if (a.date > 0)
		*date = a.date;
	imgp_s3_answer_release(&a);
	return rc == 0;
}

static void
unread(const struct place *p, const char *question, const char *why)
{
	imgp_doctor_tell(p->d, IMGP_HEALTH_OK, p->role->name, p->whose, NULL,
	    "%s: whether %s cannot be read (%s)", p->url, question, why);
}

static void
is_public(const struct place *p, struct imgp_s3 *s3, int64_t *date)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char why[80];

	if (!ask(s3, "policyStatus=", &b, date, why))
		unread(p, "its policy is public", why);
	else if (strstr(b.s, "<IsPublic>true<") != NULL ||
	    strstr(b.s, "<IsPublic>TRUE<") != NULL)
		tell(p, IMGP_HEALTH_BROKEN, "take the public access out of the "
		    "bucket's policy", "its policy lets everybody in");
	else
		tell(p, IMGP_HEALTH_OK, NULL, "its policy lets nobody in whom it "
		    "does not name");
	imgp_buf_release(&b);
}

/* What is delivered or uploaded should survive a hand that slips. */
static void
is_versioned(const struct place *p, struct imgp_s3 *s3, int64_t *date)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char why[80];

	if (!ask(s3, "versioning=", &b, date, why))
		unread(p, "it keeps versions", why);
	else if (strstr(b.s, "<Status>Enabled<") != NULL)
		tell(p, IMGP_HEALTH_OK, NULL, "it keeps versions");
	else
		tell(p, IMGP_HEALTH_WARNING, "turn the bucket's versioning on",
		    "it keeps no versions: what is deleted there is gone");
	imgp_buf_release(&b);
}

static void
bucket(const struct place *p)
{
	struct imgp_place where;
	int64_t date = -1;
	struct imgp_s3 *s3;
	struct imgp_err e;
	char *once;

	if (imgp_place_parse(p->url, &where, &e) == -1)
		return;
	once = imgp_asprintf("bucket %s", where.bucket);
	if (imgp_textset_add(p->seen, once) &&
	    (s3 = imgp_s3_new(where.bucket, &e)) != NULL) {
		imgp_s3_set_owner(s3, owner(p));
		if (owner(p) == NULL)
			imgp_doctor_tell(p->d, IMGP_HEALTH_WARNING,
			    p->role->name, p->whose, "set the account that "
			    "owns the bucket", "%s_owner is not set: a bucket of "
			    "the same name in other hands would be used",
			    p->role->name);
		is_public(p, s3, &date);
		if (strcmp(p->role->name, "temp") != 0)
			is_versioned(p, s3, &date);
		imgp_s3_free(s3);
		if (date > 0 && imgp_textset_add(p->seen, "clock"))
			imgp_doctor_clock(p->d, "the S3 service", date);
	}
	free(once);
	imgp_place_release(&where);
}

/* --- each place once -------------------------------------------------------- */

static void
look(struct place *p)
{
	struct imgp_err e;
	int is_s3 = strncmp(p->url, "s3://", 5) == 0;

	if ((p->st = imgp_store_open(p->url, 0, &e)) == NULL) {
		fail(p, &e);
		return;
	}
	imgp_store_set_owner(p->st, owner(p));
	if (use(p) == 0) {
		/* Asked where a probe can be removed, for the whole service. */
		if (p->role->does & REMOVES)
			conditional(p);
		if (is_s3)
			bucket(p);
	}
	imgp_store_close(p->st);
}

void
imgp_doctor_places(const struct imgp_doctor *d,
    const struct imgp_doctor_scope *scope)
{
	struct place p = { .d = d, .seen = imgp_textset_new() };
	size_t i, k;
	char *once;

	for (i = 0; i < scope->n; i++)
		for (k = 0; k < sizeof roles / sizeof *roles; k++) {
			p.role = &roles[k];
			p.pipeline = scope->code[i];
			p.url = imgp_conf(p.pipeline, p.role->name);
			p.whose = imgp_doctor_whose(p.pipeline, p.role->name);
			if (p.url == NULL && strcmp(p.role->name, "logs") == 0)
				p.url = imgp_conf(p.pipeline, "source");
			once = imgp_asprintf("%s %s", p.role->name,
			    p.url == NULL ? "" : p.url);
			if (!imgp_textset_add(p.seen, once))
				;
			else if (p.url != NULL)
				look(&p);
			else
				imgp_doctor_tell(d, IMGP_HEALTH_BROKEN,
				    p.role->name, p.whose, "set it, "
				    "imgpipe.conf(5)", "%s is not set",
				    p.role->name);
			free(once);
		}
	imgp_textset_free(p.seen);
}
