/*
 * imgp-machine: what a state machine (AWS Step Functions) cannot do to job lines
 * by itself; only scripts/aws/bootstrap starts it (imgpipe-aws(7)).
 *
 *	imgp-machine begin <event		{"run", "files": [job, ...]}
 *	imgp-machine lines <run			the jobs of "files", one a line
 *	imgp-machine fail <job			with what a Catch put into "caught"
 *	imgp-machine end <run			with "status" and "summary"
 *
 * Each reads one JSON value and writes one; lines writes several.
 */
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/base/textset.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/job/tally.h"
#include "libimgpipe/steps/event.h"

static const struct imgp_opt opts[] = { { 0, NULL, NULL, NULL } };
static const char *const synopsis[] = { "begin <event", "lines <run",
	"fail <job", "end <run", NULL };
static const struct imgp_tool tool = { "imgp-machine", synopsis,
	"Begin and end a run, and fail its jobs, for a state machine.", opts,
	NULL, 0 };

/* All of standard input; the caller's to free. */
static struct imgp_json *
read_value(void)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_json *j;
	struct imgp_err e;
	ssize_t n;

	do {
		imgp_buf_reserve(&b, 65536);
		if ((n = read(STDIN_FILENO, b.s + b.len, 65536)) == -1)
			err(IMGP_EX_TEMPFAIL, "standard input");
		b.len += (size_t)n;
	} while (n > 0 && b.len <= IMGP_JSON_MAX);
	if ((j = imgp_json_parse(b.s, b.len, &e)) == NULL)
		imgp_die(&e);
	imgp_buf_release(&b);
	return j;
}

static void
write_value(const struct imgp_json *j)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_json_print(j, &b);
	imgp_buf_puts(&b, "\n");
	imgp_print(&b);
}

static char *
text_of(const struct imgp_json *j)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_json_print(j, &b);
	return imgp_buf_steal(&b);
}

/* --- begin ---------------------------------------------------------------- */

struct beginning {
	const char		*run, *source;
	struct imgp_textset	*seen;
	struct imgp_json	*files;
};

/* A file named twice is one job: the jobs of a state machine run at once, where
 * imgp-lookup's look at what was named before does not reach. */
static void
begin_line(void *arg, const char *line, size_t len)
{
	struct beginning *b = arg;
	struct imgp_job *job = imgp_tally_job(line, len, b->source);
	struct imgp_buf text = IMGP_BUF_INIT;

	imgp_job_set_str(job, "run", b->run);
	imgp_job_print(job, &text);
	if (imgp_textset_add(b->seen, text.s))
		imgp_json_append(b->files, imgp_json_parse(text.s, text.len,
		    NULL));
	imgp_buf_release(&text);
	imgp_job_free(job);
}

static void
begin_complain(void *arg, const struct imgp_err *e)
{
	(void)arg;
	imgp_complain(e);
}

/* An event, an id, a key, a place or a job, as imgp-lookup takes them. */
static void
begin_item(struct beginning *b, const struct imgp_json *item)
{
	const struct imgp_event_sink sink = { begin_line, imgp_passed_over,
	    begin_complain, b };
	struct imgp_event_lines *events = imgp_event_lines_new(&sink);
	const char *word = imgp_json_str(item);
	char *line = word != NULL ? imgp_strdup(word) : text_of(item);

	if (!imgp_event_lines_add(events, line, strlen(line)))
		begin_line(b, line, strlen(line));
	imgp_event_lines_end(events);
	imgp_event_lines_free(events);
	free(line);
}

static void
begin(void)
{
	struct imgp_json *in = read_value(), *out = imgp_json_new_object();
	const struct imgp_json *i;
	char *run = imgp_run_id_new();
	struct beginning b = { run, imgp_conf(NULL, "source"),
	    imgp_textset_new(), imgp_json_new_array() };

	if (imgp_json_is_array(in))
		for (i = imgp_json_first(in); i != NULL; i = imgp_json_next(i))
			begin_item(&b, i);
	else
		begin_item(&b, in);
	imgp_json_set_str(out, "run", run);
	imgp_json_set(out, "files", b.files);
	write_value(out);
	imgp_json_free(out);
	imgp_json_free(in);
	imgp_textset_free(b.seen);
	free(run);
}

/* --- lines ---------------------------------------------------------------- */

static void
lines(void)
{
	struct imgp_json *in = read_value();
	const struct imgp_json *i;

	for (i = imgp_json_first(imgp_json_get(in, "files")); i != NULL;
	    i = imgp_json_next(i))
		write_value(i);
	imgp_json_free(in);
}

/* --- fail ----------------------------------------------------------------- */

/* The entries that the bootstrap sent as the error's message; NULL: it sent none. */
static struct imgp_json *
entries_of(const struct imgp_json *caught)
{
	const char *cause = imgp_json_str(imgp_json_get(caught, "Cause"));
	const char *message;
	struct imgp_json *j, *entries = NULL;

	if (cause == NULL)
		return NULL;
	j = imgp_json_parse(cause, strlen(cause), NULL);
	message = imgp_json_str(imgp_json_get(j, "errorMessage"));
	if (message != NULL)
		entries = imgp_json_parse(message, strlen(message), NULL);
	imgp_json_free(j);
	if (imgp_json_is_array(entries) && imgp_json_count(entries) > 0)
		return entries;
	imgp_json_free(entries);
	return NULL;
}

static int
has_entry_form(const struct imgp_json *entry)
{
	const char *code = imgp_json_str(imgp_json_get(entry, "error_code"));

	return code != NULL && imgp_error_find(code) != NULL &&
	    imgp_json_str(imgp_json_get(entry, "stage")) != NULL &&
	    imgp_json_bool(imgp_json_get(entry, "fatal")) != -1;
}

/* Add the entries as the stage wrote them: 0, or -1 where there are none. */
static int
fail_by_entries(struct imgp_job *job, const struct imgp_json *caught)
{
	struct imgp_json *entries = entries_of(caught), *all;
	const struct imgp_json *i, *had = imgp_job_get(job, "errors");
	int taken = 0;

	all = had != NULL ? imgp_json_copy(had) : imgp_json_new_array();
	for (i = imgp_json_first(entries); i != NULL; i = imgp_json_next(i))
		if (has_entry_form(i)) {
			imgp_json_append(all, imgp_json_copy(i));
			taken++;
		}
	imgp_json_free(entries);
	if (taken == 0) {
		imgp_json_free(all);
		return -1;
	}
	imgp_job_set(job, "errors", all);
	return 0;
}

/* A stage died, ran out of time, or its function could not be run. */
static void
fail_by_name(struct imgp_job *job, const struct imgp_json *caught)
{
	const char *name = imgp_json_str(imgp_json_get(caught, "Error"));
	char clean[80] = "an error without a name";
	struct imgp_err e;

	if (name != NULL)
		imgp_printable(clean, sizeof clean, name, strlen(name));
	imgp_fail(&e, name != NULL && strcmp(name, "Killed") == 0 ?
	    IMGP_E_JOB_CRASH : IMGP_E_JOB_DIED, "the state machine caught %s",
	    clean);
	imgp_complain(&e);
	imgp_job_error(job, "lookup", &e, 0);
}

static void
fail(void)
{
	struct imgp_json *in = read_value();
	char *line = text_of(in);
	struct imgp_job *job = imgp_tally_job(line, strlen(line), NULL);
	const struct imgp_json *caught = imgp_json_get(in, "caught");
	struct imgp_buf b = IMGP_BUF_INIT;

	if (fail_by_entries(job, caught) == -1)
		fail_by_name(job, caught);
	imgp_job_remove(job, "caught");
	imgp_job_set_ok(job);
	imgp_job_print(job, &b);
	imgp_buf_puts(&b, "\n");
	imgp_print(&b);
	imgp_job_free(job);
	imgp_json_free(in);
	free(line);
}

/* --- end ------------------------------------------------------------------ */

/* What the job asks for beyond its errors: one whose error path failed, too, or that
 * no stage ended, is not done. */
static int
is_left(const char *line)
{
	struct imgp_job *job = imgp_job_parse(line, strlen(line), NULL);
	const char *status = job == NULL ? NULL :
	    imgp_job_sub_str(job, "edc_pipeline_file", "status");
	int left = job != NULL && (imgp_job_get(job, "caught") != NULL ||
	    (imgp_job_standing(job) == IMGP_GOING_ON &&
	    (status == NULL || strcmp(status, "Completed") != 0)));

	imgp_job_free(job);
	return left;
}

static void
end(void)
{
	struct imgp_json *in = read_value();
	const struct imgp_json *i;
	struct imgp_tally *t = imgp_tally_new();
	char summary[1024], *line;
	int status = imgp_json_get(in, "caught") != NULL ?
	    IMGP_EX_TEMPFAIL : IMGP_EX_OK;

	for (i = imgp_json_first(imgp_json_get(in, "files")); i != NULL;
	    i = imgp_json_next(i)) {
		line = text_of(i);
		imgp_tally_add(t, line, strlen(line));
		if (is_left(line))
			status = IMGP_EX_TEMPFAIL;
		free(line);
	}
	imgp_tally_summary(t, summary, sizeof summary);
	imgp_json_set_int(in, "status", imgp_exit_worse(status,
	    imgp_tally_exit(t)));
	imgp_json_set_str(in, "summary", summary);
	write_value(in);
	imgp_tally_free(t);
	imgp_json_free(in);
}

int
main(int argc, char *argv[])
{
	static const struct {
		const char *verb;
		void	(*run)(void);
	} verbs[] = { { "begin", begin }, { "lines", lines },
	    { "fail", fail }, { "end", end } };
	struct imgp_err e;
	size_t i;

	while (imgp_opt(&tool, argc, argv) != -1)
		;
	if (argc - optind == 1)
		for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
			if (strcmp(argv[optind], verbs[i].verb) == 0) {
				if (imgp_conf_load(&e) == -1)
					imgp_die(&e);
				verbs[i].run();
				return 0;
			}
	imgp_usage(&tool, "begin, lines, fail or end");
}
