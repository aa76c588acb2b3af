#include <string.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/report/status.h"
#include "libimgpipe/report/states_priv.h"

const struct imgp_state imgp_states[] = {
	{ "failed", IMGP_RED, 0, IMGP_E_SKIP_FAILED,
	    "for good: no run takes it unless it is opened", NULL },
	{ "left", IMGP_YELLOW, 0, NULL, "a run gave it up or died with it",
	    "nothing: the next run takes it" },
	{ "to retry", IMGP_YELLOW, 0, NULL, "failed, but not for good",
	    "nothing now: the next run tries again" },
	{ "backing off", IMGP_YELLOW, 0, NULL,
	    "failed by a fault of its own, and waits until it is due",
	    "nothing: imgp-run --pending takes it when it is due, imgp-run ID "
	    "at once" },
	{ "with errors", IMGP_YELLOW, 0, NULL,
	    "delivered, with an error that is not fatal",
	    "imgp-status ID says which, and what to do" },
	{ "with warnings", IMGP_YELLOW, 0, NULL, "delivered, with warnings",
	    "imgp-status ID says which, and what to do" },
	{ "paused", IMGP_YELLOW, 0, IMGP_E_SKIP_PAUSED, NULL, NULL },
	{ "waived", IMGP_DIM, 0, IMGP_E_SKIP_WAIVED, NULL, NULL },
	{ "no pipeline", IMGP_DIM, 0, IMGP_E_SKIP_NO_PIPELINE, NULL, NULL },
	{ "outdated", IMGP_DIM, 0, NULL,
	    "not delivered, and the EDC has a newer revision",
	    "nothing: the newer revision is what counts" },
	{ "waiting", IMGP_PLAIN, 1, NULL, "no run has taken it yet",
	    "nothing: the next run takes it" },
	{ "started", IMGP_PLAIN, 1, IMGP_E_SKIP_BUSY, "a run has it", NULL },
	{ "in progress", IMGP_PLAIN, 1, IMGP_E_SKIP_BUSY, "a run has it",
	    NULL },
	{ "delivered", IMGP_GREEN, 1, NULL, "delivered", "nothing" },
	{ NULL, IMGP_PLAIN, 1, NULL, NULL, NULL }
};

const struct imgp_state *
imgp_state_of(const struct imgp_json *o)
{
	const char *name = imgp_json_str(imgp_json_get(o, "state"));
	const struct imgp_state *s;

	for (s = imgp_states; name != NULL && s->name != NULL; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

void
imgp_state_advise(struct imgp_json *o, const struct imgp_state *s)
{
	const struct imgp_error *code = s == NULL ? NULL :
	    imgp_error_find(s->code);

	if (s == NULL)
		return;
	imgp_json_set_str(o, "means", s->means != NULL || code == NULL ?
	    s->means : code->meaning);
	imgp_json_set_str(o, "action", s->action != NULL || code == NULL ?
	    s->action : code->action);
}

static void
advise_error(struct imgp_json *o)
{
	const struct imgp_error *code = imgp_error_find(imgp_json_str(
	    imgp_json_get(o, "error_code")));

	if (code == NULL)
		return;
	imgp_json_set_str(o, "means", code->meaning);
	imgp_json_set_str(o, "action", code->action);
}

/* Give each object of the array ${key} of ${o} what ${one} adds to it. */
static void
advise_list(struct imgp_json *o, const char *key,
    void (*one)(struct imgp_json *))
{
	const struct imgp_json *i;
	struct imgp_json *list, *copy;

	if (!imgp_json_is_array(imgp_json_get(o, key)))
		return;
	list = imgp_json_new_array();
	for (i = imgp_json_first(imgp_json_get(o, key)); i != NULL;
	    i = imgp_json_next(i)) {
		copy = imgp_json_copy(i);
		one(copy);
		imgp_json_append(list, copy);
	}
	imgp_json_set(o, key, list);
}

/* Append what to do about each code of ${errors} that ${todo} does not have. */
static void
add_codes(struct imgp_json *todo, const struct imgp_json *errors,
    int64_t attempt)
{
	const struct imgp_json *i, *k;
	struct imgp_json *o;
	const char *code, *had;
	int64_t n;

	for (i = imgp_json_first(errors); i != NULL; i = imgp_json_next(i)) {
		code = imgp_json_str(imgp_json_get(i, "error_code"));
		if (imgp_error_find(code) == NULL || (imgp_json_int(
		    imgp_json_get(i, "attempt"), &n) == 0 && n != attempt))
			continue;
		for (k = imgp_json_first(todo); k != NULL;
		    k = imgp_json_next(k)) {
			had = imgp_json_str(imgp_json_get(k, "error_code"));
			if (had != NULL && strcmp(had, code) == 0)
				break;
		}
		if (k != NULL)
			continue;
		o = imgp_json_new_object();
		imgp_json_set_str(o, "error_code", code);
		advise_error(o);
		imgp_json_append(todo, o);
	}
}

/* About the state, and about what went wrong in the attempt that ended last. */
static void
add_todo(struct imgp_json *row)
{
	const struct imgp_json *i, *end = NULL;
	struct imgp_json *todo = imgp_json_new_array(), *o;
	const struct imgp_state *s = imgp_state_of(row);
	int64_t attempt;

	if (s != NULL && !s->calm && strncmp(s->name, "with ", 5) != 0) {
		o = imgp_json_new_object();
		imgp_json_set_str(o, "state", s->name);
		imgp_state_advise(o, s);
		imgp_json_append(todo, o);
	}
	for (i = imgp_json_first(imgp_json_get(row, "outcomes")); i != NULL;
	    i = imgp_json_next(i))
		end = i;
	if (end != NULL) {
		attempt = num(end, "attempt");
		add_codes(todo, imgp_json_get(row, "errors"), attempt);
		add_codes(todo, imgp_json_get(end, "warnings"), attempt);
	}
	imgp_json_set(row, "what_to_do", todo);
}

static void
advise_outcome(struct imgp_json *outcome)
{
	advise_list(outcome, "warnings", advise_error);
}

static void
advise_row(struct imgp_json *row)
{
	advise_list(row, "errors", advise_error);
	advise_list(row, "outcomes", advise_outcome);
	add_todo(row);
}

static void
advise_count(struct imgp_json *o)
{
	imgp_state_advise(o, imgp_state_of(o));
}

void
imgp_status_advise(struct imgp_json *data)
{
	advise_list(data, "states", advise_count);
	advise_list(data, "lookups", advise_error);
	advise_list(data, "without_row", add_todo);
	advise_list(data, "rows", advise_row);
}

void
imgp_state_counts(const struct imgp_json *run, struct imgp_buf *out)
{
	static const struct {
		const char	*key;
		const char	*name;
	} counts[] = {
		{ "delivered", "delivered" }, { "with_errors", "with errors" },
		{ "to_retry", "to retry" }, { "for_good", "failed" },
		{ "unfinished", "unfinished" }, { "skipped", "skipped" },
	};
	int64_t c;
	size_t k;
	int n = 0;

	for (k = 0; k < sizeof counts / sizeof *counts; k++) {
		c = num(imgp_json_get(run, "counts"), counts[k].key);
		if (c > 0)
			imgp_buf_printf(out, "%s%lld %s", n++ == 0 ? "" : ", ",
			    (long long)c, counts[k].name);
	}
	if (n == 0)
		imgp_buf_puts(out, "nothing");
}
