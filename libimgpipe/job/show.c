#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/job/board.h"
#include "libimgpipe/job/show.h"

#define COLUMNS	79

struct imgp_show {
	char	*run;
	int	 fd;		/* of the inputs */
	int64_t	 total;		/* its lines so far */
	int64_t	 start;		/* monotonic ms */
};

/* The board, read once. */
struct counts {
	int64_t	done, failed, bytes, ms, left_s;	/* left_s -1: not known */
};

struct imgp_show *
imgp_show_new(const char *run, const char *inputs)
{
	struct imgp_show *s = imgp_alloc(sizeof *s);

	s->run = imgp_strdup(run);
	/* Here before whoever fills it, and there when it is removed. */
	s->fd = open(inputs, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	s->start = imgp_clock_ms();
	return s;
}

void
imgp_show_free(struct imgp_show *s)
{
	if (s == NULL)
		return;
	if (s->fd != -1)
		close(s->fd);
	free(s->run);
	free(s);
}

/* What was added to the file of inputs since the last call. */
static void
read_inputs(struct imgp_show *s)
{
	char chunk[16384], *p;
	ssize_t n;

	while (s->fd != -1 && (n = read(s->fd, chunk, sizeof chunk)) > 0)
		for (p = chunk; (p = memchr(p, '\n',
		    (size_t)(chunk + n - p))) != NULL; p++)
			s->total++;
}

static struct counts
count(struct imgp_show *s)
{
	const struct imgp_board *b = imgp_board();
	struct counts c = { 0, 0, 0, imgp_clock_ms() - s->start, -1 };
	size_t i;

	read_inputs(s);
	for (i = 0; b != NULL && imgp_board_stages[i] != NULL; i++) {
		c.failed += b->stage[i].failed;
		c.bytes += b->stage[i].bytes;
		c.done = b->stage[i].finished;	/* the last one's counts */
	}
	if (c.done > 0 && s->total >= c.done)
		c.left_s = c.ms * (s->total - c.done) / c.done / 1000;
	return c;
}

static double
rate(const struct counts *c)
{
	return c->ms <= 0 ? 0 : (double)c->bytes * 1000 / (double)c->ms;
}

void
imgp_show_line(struct imgp_show *s, struct imgp_buf *out)
{
	const struct imgp_board *b = imgp_board();
	struct counts c = count(s);
	size_t before = out->len, i;
	const char *comma = "; ";
	int64_t in_hand;

	imgp_buf_printf(out, "%lld/%lld done, %lld failed", (long long)c.done,
	    (long long)s->total, (long long)c.failed);
	for (i = 0; b != NULL && imgp_board_stages[i] != NULL; i++) {
		in_hand = b->stage[i].taken - b->stage[i].finished;
		if (in_hand <= 0)
			continue;
		imgp_buf_printf(out, "%s%s %lld", comma, imgp_board_stages[i],
		    (long long)in_hand);
		comma = ", ";
	}
	imgp_buf_printf(out, "; %.1f MB/s", rate(&c) / 1e6);
	if (c.left_s >= 0)
		imgp_buf_printf(out, "; %lld:%02d left",
		    (long long)(c.left_s / 60), (int)(c.left_s % 60));
	if (out->len - before > COLUMNS)
		imgp_buf_cut(out, before + COLUMNS);
}

void
imgp_show_json(struct imgp_show *s, struct imgp_buf *out)
{
	const struct imgp_board *b = imgp_board();
	struct imgp_json *o = imgp_json_new_object(), *all, *one;
	struct counts c = count(s);
	size_t i;

	imgp_json_set_str(o, "run", s->run);
	imgp_json_set_int(o, "elapsed_ms", c.ms);
	imgp_json_set_int(o, "jobs", s->total);
	imgp_json_set_int(o, "done", c.done);
	imgp_json_set_int(o, "failed", c.failed);
	imgp_json_set_int(o, "bytes", c.bytes);
	imgp_json_set_int(o, "bytes_per_s", (int64_t)rate(&c));
	if (c.left_s >= 0)
		imgp_json_set_int(o, "left_s", c.left_s);
	else
		imgp_json_set_null(o, "left_s");
	all = imgp_json_new_object();
	for (i = 0; b != NULL && imgp_board_stages[i] != NULL; i++) {
		one = imgp_json_new_object();
		imgp_json_set_int(one, "taken", b->stage[i].taken);
		imgp_json_set_int(one, "finished", b->stage[i].finished);
		imgp_json_set_int(one, "failed", b->stage[i].failed);
		imgp_json_set_int(one, "ms", b->stage[i].ms);
		imgp_json_set(all, imgp_board_stages[i], one);
	}
	imgp_json_set(o, "stages", all);
	imgp_json_print(o, out);
	imgp_buf_puts(out, "\n");
	imgp_json_free(o);
}

/* --- Prometheus ------------------------------------------------------------- */

static void
gauge(struct imgp_buf *out, const char *name, const char *help)
{
	imgp_buf_printf(out, "# HELP imgpipe_run_%s %s\n"
	    "# TYPE imgpipe_run_%s gauge\n", name, help, name);
}

static void
one(struct imgp_buf *out, const char *name, const char *help, double value)
{
	gauge(out, name, help);
	imgp_buf_printf(out, "imgpipe_run_%s %.15g\n", name, value);
}

/* A row for each stage; ${which}: of struct imgp_board_stage. */
static void
by_stage(struct imgp_buf *out, const char *name, const char *help, int which)
{
	const struct imgp_board *b = imgp_board();
	const struct imgp_board_stage *s;
	double v;
	size_t i;

	gauge(out, name, help);
	for (i = 0; b != NULL && imgp_board_stages[i] != NULL; i++) {
		s = &b->stage[i];
		v = which == 'f' ? (double)s->finished : which == 'e' ?
		    (double)s->failed : (double)s->ms / 1000;
		imgp_buf_printf(out, "imgpipe_run_%s{stage=\"%s\"} %.15g\n",
		    name, imgp_board_stages[i], v);
	}
}

void
imgp_show_metrics(struct imgp_show *s, int status, struct imgp_buf *out)
{
	struct counts c = count(s);

	one(out, "end_timestamp_seconds", "When the last run ended.",
	    (double)time(NULL));
	one(out, "duration_seconds", "How long it took.", (double)c.ms / 1000);
	one(out, "status", "Its exit status, see imgp-run(1).", status);
	one(out, "jobs", "Uploads that it was given.", (double)s->total);
	one(out, "done", "Uploads that it finished.", (double)c.done);
	one(out, "failed", "Uploads that failed in it.", (double)c.failed);
	one(out, "bytes", "Bytes that it fetched and delivered.",
	    (double)c.bytes);
	by_stage(out, "stage_jobs", "Jobs that a stage finished.", 'f');
	by_stage(out, "stage_failed", "Jobs that failed in a stage.", 'e');
	by_stage(out, "stage_seconds", "Time that a stage's jobs took in sum.",
	    't');
}
