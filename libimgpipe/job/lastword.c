#include <sys/types.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/job/lastword.h"
#include "libimgpipe/job/tally.h"

/* How much a line says; of two of one try the greater counts. */
enum rank {
	RANK_BUSY = 1,		/* another run had it, or it was not there */
	RANK_LATER,		/* skipped for now */
	RANK_OPEN,		/* failed, to be tried again */
	RANK_NOTHING,		/* skipped: nothing is to be done */
	RANK_FAILED,		/* failed for good */
	RANK_DONE,		/* was delivered before: nothing takes that back */
	RANK_DELIVERED
};

struct word {
	enum rank rank;
	enum imgp_lastword says;
	unsigned long try;
	size_t	 file;			/* in files */
	off_t	 at;			/* where its line begins */
	size_t	 given;			/* to which input, from 1; 0: to none yet */
};

struct file {
	char	*name;			/* without .jsonl */
	off_t	 read;			/* up to the end of its last whole line */
	int	 over;			/* and there will be no more */
};

struct input {
	size_t	 at, len;		/* in texts */
	size_t	 word;			/* in words; 0: none */
};

/* Which input a key belongs to: a table with open addressing. */
struct slot {
	size_t	 key;			/* in keys; its end is a NUL */
	size_t	 input;			/* from 1; 0: the slot is free */
};

struct imgp_lastwords {
	const struct imgp_rundir *dir;
	const char	*source;
	struct imgp_buf	 texts, keys;
	struct input	*inputs;
	size_t		 n, size;
	struct slot	*slots;
	size_t		 nslots, used;	/* nslots is a power of 2 */
	struct word	*words;
	size_t		 nwords, words_size;
	struct file	*files;
	size_t		 nfiles;
	FILE		*open;		/* the file that a line was read from last */
	size_t		 open_file;
};

struct imgp_lastwords *
imgp_lastwords_new(const struct imgp_rundir *d, const char *source)
{
	struct imgp_lastwords *w = imgp_alloc(sizeof *w);

	w->dir = d;
	w->source = source;
	imgp_buf_init(&w->texts);
	imgp_buf_init(&w->keys);
	w->nslots = 1024;
	w->slots = imgp_alloc(w->nslots * sizeof *w->slots);
	w->words_size = 64;
	w->words = imgp_alloc(w->words_size * sizeof *w->words);
	w->nwords = 1;			/* number 0 is none */
	return w;
}

void
imgp_lastwords_free(struct imgp_lastwords *w)
{
	size_t i;

	if (w == NULL)
		return;
	for (i = 0; i < w->nfiles; i++)
		free(w->files[i].name);
	free(w->files);
	free(w->words);
	free(w->slots);
	free(w->inputs);
	imgp_buf_release(&w->texts);
	imgp_buf_release(&w->keys);
	if (w->open != NULL)
		fclose(w->open);
	free(w);
}

/* --- inputs ----------------------------------------------------------------------- */

/* FNV-1a. */
static uint64_t
hash(const char *s)
{
	uint64_t h = 14695981039346656037u;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return h;
}

/* The slot of ${key}, or the free one where it would be. */
static struct slot *
find(const struct imgp_lastwords *w, const char *key)
{
	size_t i = (size_t)hash(key) & (w->nslots - 1);

	while (w->slots[i].input != 0 &&
	    strcmp(w->keys.s + w->slots[i].key, key) != 0)
		i = (i + 1) & (w->nslots - 1);
	return &w->slots[i];
}

static void
grow(struct imgp_lastwords *w)
{
	struct slot *old = w->slots;
	size_t n = w->nslots, i;

	w->nslots *= 2;
	w->slots = imgp_alloc(w->nslots * sizeof *w->slots);
	for (i = 0; i < n; i++)
		if (old[i].input != 0)
			*find(w, w->keys.s + old[i].key) = old[i];
	free(old);
}

static void
add_key(struct imgp_lastwords *w, const char *key, size_t input)
{
	struct slot *s;

	if (w->used * 2 >= w->nslots)
		grow(w);
	if ((s = find(w, key))->input != 0)
		return;
	s->input = input;
	s->key = w->keys.len;
	imgp_buf_add(&w->keys, key, strlen(key) + 1);
	w->used++;
}

int
imgp_lastwords_input(struct imgp_lastwords *w, const char *line, size_t len)
{
	char *keys[5];
	size_t n = imgp_tally_input_keys(line, len, w->source, keys), i;
	int known = 0;

	for (i = 0; i < n; i++)
		known = known || find(w, keys[i])->input != 0;
	if (!known) {
		if (w->n == w->size) {
			w->size = w->size * 2 + 64;
			w->inputs = imgp_realloc(w->inputs, w->size,
			    sizeof *w->inputs);
		}
		w->inputs[w->n++] = (struct input){ w->texts.len, len, 0 };
		imgp_buf_add(&w->texts, line, len);
		for (i = 0; i < n; i++)
			add_key(w, keys[i], w->n);
	}
	for (i = 0; i < n; i++)
		free(keys[i]);
	return !known;
}

size_t
imgp_lastwords_count(const struct imgp_lastwords *w)
{
	return w->n;
}

const char *
imgp_lastwords_text(const struct imgp_lastwords *w, size_t i, size_t *len)
{
	*len = w->inputs[i].len;
	return w->texts.s + w->inputs[i].at;
}

/* --- what lines say ------------------------------------------------------------------- */

static void
judge_skip(const char *code, struct word *v)
{
	if (strcmp(code, IMGP_E_SKIP_DONE) == 0) {
		v->rank = RANK_DONE;
		v->says = IMGP_LASTWORD_SETTLED;
	} else if (strcmp(code, IMGP_E_SKIP_BUSY) == 0 ||
	    strcmp(code, IMGP_E_SKIP_AWAITED) == 0) {
		v->rank = RANK_BUSY;
		v->says = IMGP_LASTWORD_WAITS;
	} else if (strcmp(code, IMGP_E_SKIP_PAUSED) == 0) {
		v->rank = RANK_LATER;
		v->says = IMGP_LASTWORD_OPEN;
	} else {
		v->rank = RANK_NOTHING;
		v->says = strcmp(code, IMGP_E_SKIP_FAILED) == 0 ?
		    IMGP_LASTWORD_FAILED : IMGP_LASTWORD_SETTLED;
	}
}

/* What a line says; of all lines but these it is that it is to be tried again. */
static void
judge(struct imgp_job *job, struct word *v)
{
	const char *status = imgp_job_sub_str(job, "edc_pipeline_file",
	    "status");

	v->rank = RANK_OPEN;
	v->says = IMGP_LASTWORD_OPEN;
	switch (imgp_job_standing(job)) {
	case IMGP_SKIPPED:
		judge_skip(imgp_job_str(job, "skip"), v);
		break;
	case IMGP_FAILED:
		if (imgp_job_is_final(job)) {
			v->rank = RANK_FAILED;
			v->says = IMGP_LASTWORD_FAILED;
		}
		break;
	case IMGP_GOING_ON:
		if (status != NULL && strcmp(status, "Completed") == 0) {
			v->rank = RANK_DELIVERED;
			v->says = IMGP_LASTWORD_SETTLED;
		}
	}
}

/* Nonzero when ${b} is rather the last word than ${a}. */
static int
is_better(const struct imgp_lastwords *w, const struct word *a,
    const struct word *b)
{
	if (a->rank >= RANK_DONE || b->rank >= RANK_DONE || a->try == b->try)
		if (a->rank != b->rank)
			return b->rank > a->rank;
	if (a->try != b->try)
		return b->try > a->try;
	/* Whichever file was read first. */
	return strcmp(w->files[b->file].name, w->files[a->file].name) < 0;
}

static void
take_line(struct imgp_lastwords *w, const char *line, size_t len,
    struct word v)
{
	struct imgp_job *job = imgp_job_parse(line, len, NULL);
	char *keys[3];
	size_t i, n, input;
	int kept = 0;

	if (job == NULL)		/* a dead machine's: it answers nothing */
		return;
	judge(job, &v);
	if (w->nwords == w->words_size) {
		w->words_size *= 2;
		w->words = imgp_realloc(w->words, w->words_size,
		    sizeof *w->words);
	}
	n = imgp_tally_keys(job, keys);
	for (i = 0; i < n; i++) {
		input = find(w, keys[i])->input;
		free(keys[i]);
		if (input == 0 || (w->inputs[input - 1].word != 0 && !is_better(
		    w, &w->words[w->inputs[input - 1].word], &v)))
			continue;
		w->words[w->nwords] = v;
		w->inputs[input - 1].word = w->nwords;
		kept = 1;
	}
	w->nwords += (size_t)kept;
	imgp_job_free(job);
}

/* --- files ------------------------------------------------------------------------------- */

/* Open the file; a worker may have renamed it since. */
static FILE *
open_file(const struct imgp_lastwords *w, size_t file, struct imgp_err *e)
{
	char *path = imgp_asprintf("out/%s", w->files[file].name), *renamed;
	FILE *fp = NULL;
	int fd;

	if (!imgp_rundir_has(w->dir, path)) {
		renamed = imgp_asprintf("%s.jsonl", path);
		free(path);
		path = renamed;
	}
	if ((fd = imgp_rundir_read(w->dir, path, e)) != -1 &&
	    (fp = fdopen(fd, "r")) == NULL)
		imgp_oom();
	free(path);
	return fp;
}

static long
read_file(struct imgp_lastwords *w, size_t file, struct imgp_err *e)
{
	struct file *f = &w->files[file];
	struct word v = { .try = imgp_rundir_try(f->name), .file = file };
	FILE *fp = open_file(w, file, e);
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	long n = 0;

	if (fp == NULL)
		return -1;
	if (fseeko(fp, f->read, SEEK_SET) == -1)
		n = -1;
	while (n != -1 && (len = getline(&line, &size, fp)) != -1) {
		if (line[len - 1] != '\n')
			break;
		v.at = f->read;
		take_line(w, line, (size_t)len - 1, v);
		f->read += len;
		n++;
	}
	if (n == -1 || ferror(fp))
		n = imgp_fail_errno(e, IMGP_E_STORE_IO, "%s/out/%s",
		    w->dir->path, f->name);
	free(line);
	fclose(fp);
	return n;
}

/* The file ${name}, made known where it is not. */
static size_t
know(struct imgp_lastwords *w, const char *name)
{
	size_t i;

	for (i = 0; i < w->nfiles; i++)
		if (strcmp(w->files[i].name, name) == 0)
			return i;
	w->files = imgp_realloc(w->files, w->nfiles + 1, sizeof *w->files);
	w->files[w->nfiles] = (struct file){ imgp_strdup(name), 0, 0 };
	return w->nfiles++;
}

long
imgp_lastwords_read(struct imgp_lastwords *w, struct imgp_err *e)
{
	char **names = imgp_rundir_list(w->dir, "out", e);
	long n = 0, more = 0;
	size_t i, len, file;
	int ended;

	for (i = 0; names != NULL && names[i] != NULL && more != -1; i++) {
		if (imgp_rundir_try(names[i]) == 0)
			continue;
		len = strlen(names[i]);
		ended = len > 6 && strcmp(names[i] + len - 6, ".jsonl") == 0;
		if (ended)
			names[i][len - 6] = '\0';
		file = know(w, names[i]);
		if (w->files[file].over)
			continue;
		more = read_file(w, file, e);
		w->files[file].over = ended;
		n += more;
	}
	if (names == NULL)
		return -1;
	imgp_rundir_free_list(names);
	return more == -1 ? -1 : n;
}

/* --- answers ------------------------------------------------------------------------------- */

enum imgp_lastword
imgp_lastwords_of(const struct imgp_lastwords *w, size_t i)
{
	return w->inputs[i].word == 0 ? IMGP_LASTWORD_NONE :
	    w->words[w->inputs[i].word].says;
}

unsigned long
imgp_lastwords_try(const struct imgp_lastwords *w, size_t i)
{
	return w->words[w->inputs[i].word].try;
}

int
imgp_lastwords_line(struct imgp_lastwords *w, size_t i, struct imgp_buf *out,
    struct imgp_err *e)
{
	struct word *v = &w->words[w->inputs[i].word];
	char *line = NULL;
	size_t size = 0;
	ssize_t len = -1;

	if (w->inputs[i].word == 0)
		return 0;
	if (v->given == 0)
		v->given = i + 1;
	if (v->given != i + 1)
		return 0;
	if (w->open == NULL || w->open_file != v->file) {
		if (w->open != NULL)
			fclose(w->open);
		w->open = open_file(w, v->file, e);
		w->open_file = v->file;
	}
	if (w->open == NULL)
		return -1;
	if (fseeko(w->open, v->at, SEEK_SET) == 0)
		len = getline(&line, &size, w->open);
	if (len == -1)
		imgp_fail_errno(e, IMGP_E_STORE_IO, "%s/out/%s", w->dir->path,
		    w->files[v->file].name);
	else
		imgp_buf_add(out, line, (size_t)len);
	free(line);
	return len == -1 ? -1 : 1;
}
