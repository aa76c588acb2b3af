#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/stamp/stamp_priv.h"

/* Objects that are prepared ahead, for each thread. */
#define AHEAD	2

/* One object that is being prepared. */
struct slot {
	struct imgp_mark *o;
	struct imgp_mark_src src;
	size_t		 member;	/* position in the archive */
	int		 done;
};

int
imgp_is_atri_uid(const char *s)
{
	static const char digits[] = "0123456789";
	size_t n = strspn(s, digits), k;

	if (n == 0 || s[n] != '.')
		return 0;
	k = strspn(s + n + 1, digits);
	return k > 0 && s[n + 1 + k] == '\0';
}

/* --- ids ------------------------------------------------------------------- */

static int
by_uids(const void *a, const void *b)
{
	const struct imgp_stamp_id *x = a, *y = b;
	int rc = strcmp(x->study, y->study);

	return rc != 0 ? rc : strcmp(x->series, y->series);
}

static void
load_ids(struct imgp_stamp *s)
{
	const struct imgp_scans *scans = s->opts->scans;
	struct imgp_stamp_id *id;
	size_t i, k;

	s->id = imgp_alloc((imgp_scans_series(scans) + 1) * sizeof *s->id);
	for (i = 0; i < scans->n; i++)
		for (k = 0; k < scans->scan[i].n; k++) {
			id = &s->id[s->ids++];
			id->study = scans->scan[i].study_uid;
			id->series = scans->scan[i].series[k].series_uid;
			id->id = scans->scan[i].series[k].atri_uid;
		}
	qsort(s->id, s->ids, sizeof *s->id, by_uids);
}

static const char *
id_of(void *arg, const char *study, const char *series, struct imgp_err *e)
{
	const struct imgp_stamp *s = arg;
	const struct imgp_stamp_id key = { study, series, NULL }, *id;

	id = bsearch(&key, s->id, s->ids, sizeof *s->id, by_uids);
	if (id == NULL)
		imgp_fail(e, IMGP_E_STAMP_NO_ID,
		    "its series is not among the scans");
	else if (id->id == NULL)
		imgp_fail(e, IMGP_E_STAMP_NO_ID, "its series has no ATRIUID");
	else if (imgp_stamp_tag_takes(&s->opts->tag, id->id, e) == 0)
		return id->id;
	return NULL;
}

/* One id was given: for the first series that is seen, and no other. */
static const char *
only_id(void *arg, const char *study, const char *series, struct imgp_err *e)
{
	struct imgp_stamp *s = arg;
	const char *id = s->opts->only_id;

	pthread_mutex_lock(&s->only);
	if (s->study[0] == '\0') {
		strcpy(s->study, study);
		strcpy(s->series, series);
	} else if (strcmp(s->study, study) != 0 ||
	    strcmp(s->series, series) != 0) {
		imgp_fail(e, IMGP_E_STAMP_SERIES,
		    "one id was given, but there are several series");
		id = NULL;
	}
	pthread_mutex_unlock(&s->only);
	return id;
}

/* --- what became of an object -------------------------------------------------- */

static void
remember_old(struct imgp_stamp_result *r, const char *old)
{
	size_t i;

	for (i = 0; i < r->nreplaced; i++)
		if (strcmp(r->replaced[i], old) == 0)
			return;
	if (i < IMGP_STAMP_REPLACED)
		strcpy(r->replaced[r->nreplaced++], old);
}

int
imgp_stamp_take(struct imgp_stamp *s, const struct imgp_mark *o, size_t number,
    struct imgp_err *e)
{
	struct imgp_stamp_result *r = s->r;
	struct imgp_err why;

	if (o->is_instance)
		imgp_census_add(s->census, o->study, o->series, o->instance,
		    NULL, number);
	if (o->is_signed && o->outcome == IMGP_MARK_STAMPED) {
		imgp_fail(&why, IMGP_E_STAMP_SIGNED,
		    "it is signed; the signature does not cover the stamp");
		imgp_faults_add(&r->warnings, number, &why);
	}
	if (o->is_cut && (o->outcome == IMGP_MARK_STAMPED ||
	    o->outcome == IMGP_MARK_ALREADY)) {
		imgp_fail(&why, IMGP_E_DICOM_CUT,
		    "it ends within its last element");
		if (s->opts->cut_required)
			imgp_faults_add_fatal(&r->faults, number, &why);
		else
			imgp_faults_add_mild(&r->faults, number, &why);
	}
	if (o->old[0] != '\0' && o->outcome == IMGP_MARK_STAMPED)
		remember_old(r, o->old);
	switch (o->outcome) {
	case IMGP_MARK_OTHER:
		r->other++;
		return 0;
	case IMGP_MARK_ALREADY:
		r->already++;
		return 0;
	case IMGP_MARK_STAMPED:
		r->stamped++;
		return 0;
	case IMGP_MARK_DECLINED:
		r->declined++;
		if (!o->is_fatal) {
			imgp_faults_add(&r->faults, number, &o->err);
			return strcmp(o->err.code, IMGP_E_STAMP_SERIES) == 0;
		}
		imgp_faults_add_fatal(&r->faults, number, &o->err);
		return 1;
	case IMGP_MARK_FAILED:
		break;
	}
	*e = o->err;
	if (number != 0)
		imgp_fail(e, o->err.code, "member %zu: %.400s", number,
		    o->err.msg);
	return -1;
}

void
imgp_stamp_prepare(struct imgp_stamp *s, struct imgp_mark *o,
    const struct imgp_mark_src *src, size_t number)
{
	const struct imgp_prov_record *r;
	int rc;

	if (s->opts->undo == NULL) {
		imgp_mark_prepare(o, src);
		return;
	}
	o->is_instance = o->is_signed = o->is_cut = 0;
	o->old[0] = '\0';
	rc = imgp_prov_peek(s->opts->undo, &r, &o->err);
	if (rc == -1)
		o->outcome = IMGP_MARK_FAILED;
	else if (rc == 0 || r->member != number)
		o->outcome = IMGP_MARK_OTHER;
	else {
		imgp_mark_undo(o, src, r);
		s->encoded |= r->how == IMGP_PROV_ENCODED;
		imgp_prov_next(s->opts->undo);
	}
}

int
imgp_stamp_note(struct imgp_stamp *s, struct imgp_mark *o, size_t number,
    struct imgp_err *e)
{
	if (s->opts->note == NULL)
		return 0;
	o->record.member = number;
	return imgp_prov_put(s->opts->note, &o->record, e);
}

static int
write_pieces(struct imgp_stamp *s, const struct imgp_mark *o, struct imgp_err *e)
{
	const struct imgp_mark_piece *p;
	size_t i;
	int rc = 0;

	for (i = 0; i < o->pieces && rc == 0; i++) {
		p = &o->piece[i];
		rc = p->mem != NULL ?
		    imgp_out_write(s->out, p->mem, (size_t)p->len, e) :
		    imgp_out_copy(s->out, p->fd, p->off, p->len, e);
	}
	return rc;
}

/* --- a bare object --------------------------------------------------------------- */

static int
stamp_bare(struct imgp_stamp *s, const struct imgp_intake *u, struct imgp_err *e)
{
	struct imgp_mark_src src;
	struct imgp_mark *o = imgp_mark_new(&s->oo);
	int rc;

	memset(&src, 0, sizeof src);
	src.fd = u->fd;
	src.csize = src.size = u->size;
	imgp_stamp_prepare(s, o, &src, 0);
	rc = imgp_stamp_take(s, o, 0, e);
	if (rc == 0 && o->outcome != IMGP_MARK_STAMPED)
		rc = imgp_out_copy(s->out, u->fd, 0, u->size, e);
	else if (rc == 0 && (rc = write_pieces(s, o, e)) == 0)
		rc = imgp_stamp_note(s, o, 0, e);
	imgp_mark_free(o);
	return rc;
}

/* --- an archive ------------------------------------------------------------------- */

/*
 * Members are prepared by several threads, each in a slot of a ring, and taken
 * from it in the order of the file: so the output is the same for any number of
 * threads.
 */
struct ring {
	struct imgp_stamp *s;
	struct imgp_zip	*z;
	int		 fd;
	struct slot	*slot;
	size_t		 n;
	pthread_mutex_t	 lock;		/* guards what follows, and done */
	pthread_cond_t	 prepared;	/* the one to take is done */
	pthread_cond_t	 room;		/* one was taken, or stop */
	size_t		 next;		/* in order: the next one to prepare */
	size_t		 taken;		/* in order: the next one to take */
	int		 stop;
};

static int
is_candidate(const struct imgp_zip_member *m)
{
	return (m->type == IMGP_ZIP_FILE || m->type == IMGP_ZIP_MAC) &&
	    m->size > 0;
}

static void
prepare(struct ring *g, struct slot *t, size_t k)
{
	const struct imgp_zip_member *m;

	t->member = imgp_zip_in_order(g->z, k);
	m = imgp_zip_at(g->z, t->member);
	if (!is_candidate(m))
		return;
	t->src.fd = g->fd;
	t->src.off = m->data;
	t->src.csize = m->csize;
	t->src.size = m->size;
	t->src.crc = m->crc;
	t->src.has_crc = 1;
	t->src.deflated = m->method == IMGP_ZIP_DEFLATED;
	if (t->o == NULL)
		t->o = imgp_mark_new(&g->s->oo);
	imgp_stamp_prepare(g->s, t->o, &t->src, k + 1);
}

/*
 * Prepare the next member; 0 when none is left or no slot is free.  Called with the
 * lock, which is released meanwhile.
 */
static int
prepare_next(struct ring *g)
{
	size_t k = g->next;
	struct slot *t;

	if (g->stop || k >= imgp_zip_count(g->z) || k - g->taken >= g->n)
		return 0;
	g->next++;
	t = &g->slot[k % g->n];
	pthread_mutex_unlock(&g->lock);
	prepare(g, t, k);
	pthread_mutex_lock(&g->lock);
	t->done = 1;
	if (k == g->taken)
		pthread_cond_signal(&g->prepared);
	return 1;
}

static void *
worker(void *arg)
{
	struct ring *g = arg;

	pthread_mutex_lock(&g->lock);
	while (!g->stop && g->next < imgp_zip_count(g->z))
		if (!prepare_next(g))
			pthread_cond_wait(&g->room, &g->lock);
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

/* Take the ${k}th member: count it, and write it when it is stamped. */
static int
commit(struct ring *g, struct imgp_zip_writer *w, const struct slot *t,
    struct imgp_err *e)
{
	struct imgp_mark *o = t->o;
	struct imgp_stamp_result *r = g->s->r;
	struct imgp_err why;
	int rc;

	if (!is_candidate(imgp_zip_at(g->z, t->member)))
		return 0;
	if (o->outcome == IMGP_MARK_STAMPED && imgp_zip_writer_fits(w,
	    t->member, o->csize, o->size, &why) == -1) {
		imgp_faults_add(&r->faults, t->member + 1, &why);
		r->declined++;
		imgp_census_add(g->s->census, o->study, o->series,
		    o->instance, NULL, t->member + 1);
		return 0;
	}
	if ((rc = imgp_stamp_take(g->s, o, t->member + 1, e)) != 0)
		return rc;
	if (o->outcome != IMGP_MARK_STAMPED)
		return 0;
	if (t->src.deflated && o->is_patched)
		r->patched++;
	else if (t->src.deflated)
		r->encoded++;
	if (imgp_zip_writer_begin(w, t->member, o->crc, o->csize, o->size,
	    e) == -1 || write_pieces(g->s, o, e) == -1 ||
	    imgp_zip_writer_end(w, e) == -1)
		return -1;
	return imgp_stamp_note(g->s, o, g->taken + 1, e);
}

/* Take all in order; a thread that waits for one prepares another. */
static int
take_all(struct ring *g, struct imgp_zip_writer *w, struct imgp_err *e)
{
	struct slot *t;
	int rc = 0;

	pthread_mutex_lock(&g->lock);
	while (rc == 0 && g->taken < imgp_zip_count(g->z)) {
		t = &g->slot[g->taken % g->n];
		while (!t->done)
			if (!prepare_next(g))
				pthread_cond_wait(&g->prepared, &g->lock);
		pthread_mutex_unlock(&g->lock);
		rc = commit(g, w, t, e);
		pthread_mutex_lock(&g->lock);
		t->done = 0;
		g->taken++;
		pthread_cond_signal(&g->room);
	}
	g->stop = 1;
	pthread_cond_broadcast(&g->room);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

/* What the directory gained is noted, or taken away as it is noted. */
static int
note_growth(void *arg, const struct imgp_zip_growth *g, struct imgp_err *e)
{
	struct imgp_stamp *s = arg;

	return s->opts->note == NULL ? 0 :
	    imgp_prov_put_growth(s->opts->note, g, e);
}

static int
noted_growth(void *arg, uint64_t record, struct imgp_zip_growth *g,
    struct imgp_err *e)
{
	struct imgp_stamp *s = arg;
	const struct imgp_zip_growth *next;
	int rc;

	if (s->opts->undo == NULL)
		return 0;
	rc = imgp_prov_peek_growth(s->opts->undo, &next, e);
	if (rc != 1 || next->record != record)
		return rc == -1 ? -1 : 0;
	*g = *next;
	imgp_prov_next(s->opts->undo);
	return 1;
}

static int
stamp_members(struct imgp_stamp *s, struct imgp_zip *z, int fd, struct imgp_err *e)
{
	const struct imgp_zip_history history = { note_growth, noted_growth, s };
	struct imgp_zip_writer *w = imgp_zip_writer_new(z, s->out);
	size_t threads = s->opts->undo != NULL ? 1 : (size_t)s->opts->threads;
	size_t i, started = 0;
	pthread_t *thread = imgp_alloc(threads * sizeof *thread);
	struct ring g;
	int rc;

	memset(&g, 0, sizeof g);
	g.s = s;
	g.z = z;
	g.fd = fd;
	g.n = threads < 2 ? 1 : threads * AHEAD;
	g.slot = imgp_alloc(g.n * sizeof *g.slot);
	pthread_mutex_init(&g.lock, NULL);
	pthread_cond_init(&g.prepared, NULL);
	pthread_cond_init(&g.room, NULL);
	for (i = 1; i < threads; i++)	/* this one is the first */
		if (pthread_create(&thread[started], NULL, worker, &g) == 0)
			started++;
	imgp_zip_writer_history(w, &history);
	rc = take_all(&g, w, e);
	for (i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
	if (rc == 0)
		rc = imgp_zip_writer_finish(w, e);
	for (i = 0; i < g.n; i++)
		imgp_mark_free(g.slot[i].o);
	pthread_cond_destroy(&g.prepared);
	pthread_cond_destroy(&g.room);
	pthread_mutex_destroy(&g.lock);
	free(g.slot);
	free(thread);
	imgp_zip_writer_free(w);
	return rc;
}

int
imgp_stamp_untouched(struct imgp_stamp *s, const struct imgp_err *why, struct imgp_err *e)
{
	if (imgp_error_owner(why->code) != IMGP_OWNER_UPLOAD) {
		*e = *why;
		return -1;
	}
	imgp_faults_add(&s->r->faults, 0, why);
	return 1;
}

static int
stamp_zip(struct imgp_stamp *s, int fd, struct imgp_err *e)
{
	struct imgp_err why;
	struct imgp_zip *z;
	int rc;

	if ((z = imgp_zip_open(fd, &s->opts->lim->zip, &why)) == NULL)
		return imgp_stamp_untouched(s, &why, e);
	rc = stamp_members(s, z, fd, e);
	imgp_zip_free(z);
	return rc;
}

static int
stamp_any(struct imgp_stamp *s, int fd, struct imgp_err *e)
{
	struct imgp_intake u;
	struct imgp_err why;

	if (imgp_intake_look(fd, &u, e) == -1)
		return -1;
	switch (u.kind) {
	case IMGP_INTAKE_DICOM:
		return stamp_bare(s, &u, e);
	case IMGP_INTAKE_ZIP:
		return stamp_zip(s, fd, e);
	case IMGP_INTAKE_EMPTY:
		imgp_fail(&why, IMGP_E_ARCHIVE_EMPTY, "the upload is empty");
		return imgp_stamp_untouched(s, &why, e);
	case IMGP_INTAKE_TAR:
	case IMGP_INTAKE_TGZ:
	case IMGP_INTAKE_GZ:
		return imgp_stamp_tar(s, &u, e);
	case IMGP_INTAKE_ARCHIVE:
		return imgp_stamp_untouched(s, &u.why, e);
	case IMGP_INTAKE_OTHER:
		break;
	}
	imgp_fail(&why, IMGP_E_DICOM_NONE, "it holds no DICOM");
	return imgp_stamp_untouched(s, &why, e);
}

/* Is nothing of the provenance left over? */
static int
all_undone(struct imgp_stamp *s, struct imgp_err *e)
{
	const struct imgp_zip_growth *g;
	const struct imgp_prov_record *r;
	int rc = imgp_prov_peek(s->opts->undo, &r, e);

	if (rc == 0)
		rc = imgp_prov_peek_growth(s->opts->undo, &g, e);
	s->r->encoded = (uint64_t)s->encoded;
	return rc != 1 ? rc : imgp_fail(e, IMGP_E_STAMP_CHECK,
	    "check: the provenance is of another upload");
}

/* It was not scanned, so report here that it has no image. */
static void
miss_instances(struct imgp_stamp_result *r)
{
	struct imgp_err why;

	if (r->stamped + r->already + r->declined > 0 || r->faults.n > 0)
		return;
	imgp_fail(&why, IMGP_E_DICOM_NONE, "no DICOM instance was found");
	imgp_faults_add(&r->faults, 0, &why);
}

int
imgp_stamp_upload(int fd, struct imgp_out *out,
    const struct imgp_stamp_opts *opts, struct imgp_stamp_result *r,
    struct imgp_err *e)
{
	struct imgp_stamp s;
	int rc;

	memset(r, 0, sizeof *r);
	memset(&s, 0, sizeof s);
	s.opts = opts;
	s.r = r;
	s.out = out;
	s.census = imgp_census_new();
	pthread_mutex_init(&s.only, NULL);
	s.oo.lim = &opts->lim->dicom;
	s.oo.want = opts->tag.want;
	s.oo.vr = opts->tag.vr;
	s.oo.center = opts->center == NULL ? "" : opts->center;
	s.oo.tmpdir = opts->tmpdir;
	s.oo.replace = opts->replace;
	s.oo.trust = opts->trust;
	s.oo.provenance = opts->note != NULL;
	s.oo.id_of = opts->scans != NULL ? id_of : only_id;
	s.oo.arg = &s;
	if (opts->scans != NULL)
		load_ids(&s);
	if (opts->note != NULL && imgp_prov_begin(opts->note, e) == -1)
		rc = -1;
	else
		rc = stamp_any(&s, fd, e);
	if (rc == 0 && opts->undo != NULL)
		rc = all_undone(&s, e);
	if (rc == 0 && opts->undo == NULL && opts->scans == NULL)
		miss_instances(r);
	/* Every instance that the scan counted must have passed. */
	if (rc == 0 && opts->scans != NULL &&
	    !imgp_census_equal(s.census, opts->scans))
		rc = imgp_fail(e, IMGP_E_STAMP_COUNT,
		    "its instances are not those that were scanned");
	if (rc == 0)
		rc = imgp_out_flush(out, e);
	pthread_mutex_destroy(&s.only);
	imgp_census_free(s.census);
	free(s.id);
	return rc;
}

void
imgp_stamp_release(struct imgp_stamp_result *r)
{
	imgp_faults_release(&r->faults);
	imgp_faults_release(&r->warnings);
	memset(r, 0, sizeof *r);
}
