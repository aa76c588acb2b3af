#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "libimgpipe/base/text.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/report/runlog.h"

struct runlog {			/* of one pipeline and run */
	struct runlog	*next;
	char		*pipeline;	/* NULL: jobs that have none */
	char		*run;
	FILE		*lines;		/* a temporary file; NULL: none can be made */
};

struct imgp_runlogs {
	struct imgp_logs *logs;
	struct imgp_trouble *trouble;
	struct runlog	 *all;
};

struct imgp_runlogs *
imgp_runlogs_new(struct imgp_logs *logs, struct imgp_trouble *t)
{
	struct imgp_runlogs *r = imgp_alloc(sizeof *r);

	r->logs = logs;
	r->trouble = t;
	return r;
}

void
imgp_runlogs_free(struct imgp_runlogs *r)
{
	struct runlog *l;

	if (r == NULL)
		return;
	while ((l = r->all) != NULL) {
		r->all = l->next;
		if (l->lines != NULL)
			fclose(l->lines);
		free(l->pipeline);
		free(l->run);
		free(l);
	}
	free(r);
}

static void
no_file(struct imgp_runlogs *r)
{
	struct imgp_err e;

	imgp_fail_errno(&e, IMGP_E_STORE_IO, "a temporary file");
	imgp_trouble_note(r->trouble, &e);
}

static int
is_of(const struct runlog *l, const char *pipeline, const char *run)
{
	return strcmp(l->run, run) == 0 &&
	    imgp_same_text(l->pipeline, pipeline);
}

static struct runlog *
runlog_of(struct imgp_runlogs *r, const char *pipeline, const char *run)
{
	struct runlog *l;

	for (l = r->all; l != NULL; l = l->next)
		if (is_of(l, pipeline, run))
			return l;
	l = imgp_alloc(sizeof *l);
	l->pipeline = pipeline == NULL ? NULL : imgp_strdup(pipeline);
	l->run = imgp_strdup(run);
	if ((l->lines = tmpfile()) == NULL)
		no_file(r);
	l->next = r->all;
	r->all = l;
	return l;
}

void
imgp_runlogs_add(struct imgp_runlogs *r, const char *pipeline, const char *run,
    const struct imgp_json *facts)
{
	struct runlog *l = runlog_of(r, pipeline, run);
	struct imgp_buf b = IMGP_BUF_INIT;

	if (l->lines == NULL)
		return;
	imgp_json_print(facts, &b);
	imgp_buf_puts(&b, "\n");
	fwrite(b.s, 1, b.len, l->lines);
	imgp_buf_release(&b);
}

static void
write_one(struct imgp_runlogs *r, const struct runlog *l)
{
	struct imgp_err e;
	struct stat st;
	char *key;
	void *p;

	if (l->lines == NULL)
		return;
	if (fflush(l->lines) == EOF || ferror(l->lines) ||
	    fstat(fileno(l->lines), &st) == -1 || (p = mmap(NULL,
	    (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fileno(l->lines),
	    0)) == MAP_FAILED) {
		no_file(r);
		return;
	}
	if (imgp_names_run_log_key(l->pipeline == NULL ? "_unmatched" :
	    l->pipeline, l->run, &key, &e) == -1)
		imgp_trouble_note(r->trouble, &e);
	else {
		imgp_logs_put(r->logs, l->pipeline, key, p,
		    (size_t)st.st_size);
		free(key);
	}
	munmap(p, (size_t)st.st_size);
}

void
imgp_runlogs_write(struct imgp_runlogs *r)
{
	const struct runlog *l;

	for (l = r->all; l != NULL; l = l->next)
		write_one(r, l);
}
