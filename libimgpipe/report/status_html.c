/*
 * The page for the team: each section has an anchor, and so has each participant
 * (#p-CODE) and upload (#uNUMBER), so that it is searched without a script.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/markup.h"
#include "libimgpipe/base/textset.h"
#include "libimgpipe/report/chart.h"
#include "libimgpipe/report/page.h"
#include "libimgpipe/report/states_priv.h"
#include "libimgpipe/report/status.h"

/* --- anchors ------------------------------------------------------------- */

/* Append what stands for ${code} in an anchor: letters, digits, '-' and '.' as they
 * are, other bytes as _XX. */
static void
slug(struct imgp_buf *out, const char *code)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-.";

	for (; *code != '\0'; code++)
		if (strchr(plain, *code) != NULL)
			imgp_buf_add(out, code, 1);
		else
			imgp_buf_printf(out, "_%02X",
			    (unsigned int)(unsigned char)*code);
}

/* The anchor of a participant, without the '#'; the caller's. */
static char *
participant_anchor(const char *code)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_buf_puts(&b, "p-");
	slug(&b, code);
	return imgp_buf_steal(&b);
}

static char *
upload_anchor(const struct imgp_json *file)
{
	return imgp_asprintf("u%lld", (long long)num(file,
	    "subject_event_crf_file_id"));
}

/* Append a link to ${anchor}. */
static void
link_to(struct imgp_buf *out, const char *anchor, const char *text)
{
	imgp_buf_printf(out, "<a href=\"#%s\">", anchor);
	imgp_page_element(out, "", text, "</a>");
}

static void
participant_link(struct imgp_buf *out, const struct imgp_json *o)
{
	char code[TEXT_MAX], *anchor;

	anchor = participant_anchor(str(o, "participant_code", code));
	link_to(out, anchor, code[0] == '\0' ? "not known" : code);
	free(anchor);
}

/* --- the states ---------------------------------------------------------- */

/* How many files of all pipelines are in ${state}. */
static int64_t
files_in(const struct imgp_status_page *p, const struct imgp_state *state)
{
	const struct imgp_json *i;
	int64_t n = 0;

	for (i = imgp_json_first(imgp_json_get(p->files, "groups")); i != NULL;
	    i = imgp_json_next(i))
		if (imgp_state_of(i) == state)
			n += num(i, "files");
	return n;
}

/* A state's name with '-' for blanks: its section's anchor. */
static void
state_anchor(struct imgp_buf *out, const struct imgp_state *s)
{
	const char *c;

	for (c = s->name; *c != '\0'; c++)
		imgp_buf_add(out, *c == ' ' ? "-" : c, 1);
}

/* Append "2 delivered" or "delivered" (${n} is 0) in a frame of the state's colour. */
static void
flag(struct imgp_buf *out, const struct imgp_json *o, int64_t n)
{
	static const char *const class[] = { [IMGP_RED] = "flag fail",
	    [IMGP_YELLOW] = "flag", [IMGP_GREEN] = "flag good",
	    [IMGP_DIM] = "flag dim", [IMGP_PLAIN] = "flag dim" };
	const struct imgp_state *s = imgp_state_of(o);
	char name[TEXT_MAX];

	imgp_buf_printf(out, "<span class=\"%s\">",
	    class[s == NULL ? IMGP_PLAIN : s->paint]);
	if (n > 0)
		imgp_buf_printf(out, "%lld ", (long long)n);
	imgp_page_element(out, "", str(o, "state", name), "</span> ");
}

/* --- what is at the top -------------------------------------------------- */

static void
contents(const struct imgp_status_page *p, struct imgp_buf *out)
{
	const struct imgp_state *s;
	size_t n = imgp_json_count(imgp_json_get(p->board, "lookups"));

	imgp_buf_puts(out, "<nav aria-label=\"Contents\"><ul>\n");
	if (n > 0)
		imgp_buf_printf(out, "<li><a href=\"#lookups\">could not be "
		    "looked up (%zu)</a></li>\n", n);
	for (s = imgp_states; s->name != NULL; s++) {
		if (files_in(p, s) == 0 || s->paint == IMGP_GREEN)
			continue;
		imgp_buf_puts(out, "<li><a href=\"#");
		state_anchor(out, s);
		imgp_buf_printf(out, "\">%s (%lld)</a></li>\n", s->name,
		    (long long)files_in(p, s));
	}
	imgp_buf_puts(out, "<li><a href=\"#days\">by day</a></li>\n"
	    "<li><a href=\"#events\">by participant and event</a></li>\n"
	    "<li><a href=\"#files\">all files</a></li>\n</ul></nav>\n"
	    "<p class=\"dim\">To go to upload 1203, add #u1203 to this page's "
	    "address; to participant 012, #p-012.</p>\n");
}

/* The files in all states whose names are in ${names}, which a NULL ends. */
static int64_t
together(const struct imgp_status_page *p, const char *const *names)
{
	const struct imgp_state *s;
	int64_t n = 0;

	for (; *names != NULL; names++)
		for (s = imgp_states; s->name != NULL; s++)
			if (strcmp(s->name, *names) == 0)
				n += files_in(p, s);
	return n;
}

static void
tiles(const struct imgp_status_page *p, struct imgp_buf *out)
{
	static const struct {
		const char	*class;
		const char	*what;
		const char	*states[5];
	} all[] = {
		{ NULL, "delivered",
		    { "delivered", "with errors", "with warnings", NULL } },
		{ "warn", "of them with errors", { "with errors", NULL } },
		{ NULL, "waiting or in work",
		    { "waiting", "started", "in progress", NULL } },
		{ "warn", "to be tried again",
		    { "left", "to retry", "backing off", NULL } },
		{ "fail", "failed for good", { "failed", NULL } },
		{ NULL, "not to be delivered now",
		    { "paused", "waived", "no pipeline", "outdated", NULL } },
	};
	size_t k;

	imgp_buf_puts(out, "<ul class=\"tiles\">\n");
	for (k = 0; k < sizeof all / sizeof *all; k++)
		imgp_page_tile(out, all[k].class, together(p, all[k].states),
		    all[k].what);
	imgp_buf_puts(out, "</ul>\n");
}

/* The last run, digest and full difference, mail that waits. */
static void
news(const struct imgp_json *board, struct imgp_buf *out)
{
	const struct imgp_json *run = imgp_json_get(board, "last_run");
	const struct imgp_json *digest = imgp_json_get(board, "last_digest");
	const struct imgp_json *mail = imgp_json_get(board, "mail");
	char s[TEXT_MAX];

	if (imgp_json_is_null(run))
		imgp_buf_puts(out, "<p><b>No run has come to its end yet.</b>"
		    "</p>\n");
	else {
		imgp_page_element(out, "<p>Last run: ", str(run, "ts_finish",
		    s), ": ");
		imgp_state_counts(run, out);
		imgp_page_element(out, " <span class=\"dim\">(", str(run,
		    "run", s), ")</span></p>\n");
	}
	if (!imgp_json_is_null(digest)) {
		imgp_page_element(out, "<p>Last digest: ", str(digest,
		    "until", s), "");
		imgp_buf_printf(out, ", number %lld</p>\n",
		    (long long)num(digest, "digest_id"));
	}
	if (str(board, "swept", s)[0] != '\0')
		imgp_page_element(out, "<p>All uploads were compared with the "
		    "record: ", s, "</p>\n");
	if (num(mail, "waiting") + num(mail, "refused") > 0)
		imgp_buf_printf(out, "<p><b>Mail: %lld waiting, %lld refused "
		    "in the last week</b></p>\n", (long long)num(mail,
		    "waiting"), (long long)num(mail, "refused"));
}

/* --- a section for each state -------------------------------------------- */

/* What the cells of a state's table say beside upload, participant and event. */
enum say {
	SAY_ERRORS,		/* what happened, and what to do */
	SAY_WHY,		/* what holds it up */
	SAY_NOTHING
};

static enum say
say_of(const struct imgp_state *s)
{
	return s->calm ? SAY_NOTHING : s->paint == IMGP_DIM ||
	    strcmp(s->name, "paused") == 0 ? SAY_WHY : SAY_ERRORS;
}

/* The head of a file's row: the upload, its name. */
static void
head(struct imgp_buf *out, const struct imgp_json *file)
{
	char s[TEXT_MAX], *anchor = upload_anchor(file);

	imgp_page_row(out, NULL, "", "");
	imgp_buf_printf(out, "<a href=\"#%s\">upload %s</a>", anchor,
	    anchor + 1);
	imgp_buf_printf(out, ", revision %lld",
	    (long long)num(file, "revision_number"));
	imgp_page_element(out, "<div class=\"small\">", str(file,
	    "pipeline_code", s)[0] == '\0' ? "no pipeline" : s, "</div>");
	if (str(file, "file_name", s)[0] != '\0')
		imgp_page_element(out, "<div class=\"small\">", s, "</div>");
	imgp_buf_puts(out, "</th>");
	free(anchor);
}

/* One code with its meaning and what was said. */
static void
what_happened(struct imgp_buf *out, const struct imgp_json *o)
{
	const struct imgp_error *row = imgp_error_find(imgp_json_str(
	    imgp_json_get(o, "error_code")));
	char s[TEXT_MAX];

	imgp_page_element(out, "<div><b>", row == NULL ?
	    "an error of an unknown code" : row->code, "</b><br>");
	imgp_page_element(out, "", row == NULL ? "" : row->meaning, "</div>");
	if (str(o, "error", s)[0] != '\0')
		imgp_page_element(out, "<div class=\"small\">", s, "</div>");
}

static void
what_to_do(struct imgp_buf *out, const struct imgp_json *o)
{
	const struct imgp_error *row = imgp_error_find(imgp_json_str(
	    imgp_json_get(o, "error_code")));

	if (row != NULL)
		imgp_page_element(out, "<div>", row->action, "</div>");
}

/* Call ${one} for the file's error and each of its warnings. */
static void
each_code(struct imgp_buf *out, const struct imgp_json *file,
    void (*one)(struct imgp_buf *, const struct imgp_json *))
{
	const struct imgp_json *i;

	if (imgp_json_str(imgp_json_get(file, "error_code")) != NULL)
		one(out, file);
	for (i = imgp_json_first(imgp_json_get(file, "warnings")); i != NULL;
	    i = imgp_json_next(i))
		one(out, i);
}

static void
errors(struct imgp_buf *out, const struct imgp_json *file)
{
	char s[TEXT_MAX];

	imgp_buf_puts(out, "<td role=\"cell\">");
	each_code(out, file, what_happened);
	if (str(file, "due", s)[0] != '\0')
		imgp_page_element(out, "<div>due ", s, "</div>");
	imgp_buf_puts(out, "</td><td role=\"cell\">");
	each_code(out, file, what_to_do);
	imgp_buf_puts(out, "</td>");
}

static void
why(struct imgp_buf *out, const struct imgp_json *file)
{
	const struct imgp_json *waiver = imgp_json_get(file, "waiver");
	char s[TEXT_MAX];

	imgp_buf_puts(out, "<td role=\"cell\">");
	if (imgp_json_get(file, "paused_reason") != NULL)
		imgp_page_element(out, "", str(file, "paused_reason",
		    s)[0] == '\0' ? "no reason is given" : s, "");
	if (imgp_json_is_object(waiver)) {
		imgp_page_element(out, "", str(waiver, "reason", s), "");
		imgp_page_element(out, "<div class=\"small\">", str(waiver,
		    "ts_create", s), " by ");
		imgp_page_element(out, "", str(waiver, "waived_by", s), "");
		imgp_page_element(out, ", until ", str(waiver, "expires",
		    s)[0] == '\0' ? "it is taken back" : s, "</div>");
	}
	if (str(file, "ddcrf_name", s)[0] != '\0') {
		imgp_page_element(out, "the field is ", s, " ");
		imgp_page_element(out, "", str(file, "ddfile_name", s), "");
	}
	imgp_buf_puts(out, "</td>");
}

static void
state_row(struct imgp_buf *out, const struct imgp_json *file, enum say say)
{
	char s[TEXT_MAX];

	head(out, file);
	imgp_buf_puts(out, "<td role=\"cell\" data-of=\"participant\">");
	participant_link(out, file);
	imgp_buf_puts(out, "</td>");
	imgp_page_cell(out, "event", str(file, "event_code", s));
	if (say == SAY_ERRORS)
		errors(out, file);
	else if (say == SAY_WHY)
		why(out, file);
	imgp_page_cell(out, "since", str(file, "since", s));
	imgp_buf_puts(out, "</tr>\n");
}

static void
state_section(const struct imgp_status_page *p, const struct imgp_state *state,
    struct imgp_buf *out)
{
	static const char *const columns[][7] = {
	    [SAY_ERRORS] = { "Upload", "Participant", "Event",
		"What happened", "What to do", "Since", NULL },
	    [SAY_WHY] = { "Upload", "Participant", "Event", "Why", "Since",
		NULL },
	    [SAY_NOTHING] = { "Upload", "Participant", "Event", "Since",
		NULL } };
	const struct imgp_json *i;
	struct imgp_json *advice = imgp_json_new_object();
	int64_t shown = 0, n = files_in(p, state);
	char s[TEXT_MAX];

	imgp_state_advise(advice, state);
	imgp_buf_puts(out, "<section><h2 id=\"");
	state_anchor(out, state);
	imgp_buf_printf(out, "\">%s, %lld</h2>\n", state->name, (long long)n);
	imgp_page_element(out, "<p>", str(advice, "means", s), "</p>\n");
	imgp_page_element(out, "<p>What to do: ", str(advice, "action", s),
	    "</p>\n");
	imgp_json_free(advice);
	imgp_page_rows(out, state->name, columns[say_of(state)]);
	for (i = imgp_json_first(imgp_json_get(p->files, "files")); i != NULL;
	    i = imgp_json_next(i))
		if (imgp_state_of(i) == state) {
			state_row(out, i, say_of(state));
			shown++;
		}
	imgp_buf_puts(out, "</tbody></table>\n");
	if (n > shown)
		imgp_buf_printf(out, "<p>and %lld more</p>\n",
		    (long long)(n - shown));
	imgp_buf_puts(out, "</section>\n");
}

static void
lookups(const struct imgp_json *board, struct imgp_buf *out)
{
	static const char *const columns[] = { "Upload", "What happened",
	    "What to do", "Runs", "Since", NULL };
	const struct imgp_json *list = imgp_json_get(board, "lookups"), *i;
	char s[TEXT_MAX], *anchor;

	if (imgp_json_count(list) == 0)
		return;
	imgp_buf_puts(out, "<section><h2 id=\"lookups\">could not be looked "
	    "up</h2>\n<p>no run got as far as to a row</p>\n");
	imgp_page_rows(out, "could not be looked up", columns);
	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i)) {
		anchor = upload_anchor(i);
		imgp_page_row(out, NULL, "upload ", anchor + 1);
		imgp_buf_puts(out, "</th><td role=\"cell\">");
		what_happened(out, i);
		imgp_buf_puts(out, "</td><td role=\"cell\">");
		what_to_do(out, i);
		imgp_buf_puts(out, "</td>");
		snprintf(s, sizeof s, "%lld", (long long)num(i, "failures"));
		imgp_page_cell(out, "runs", s);
		imgp_page_cell(out, "since", str(i, "since", s));
		imgp_buf_puts(out, "</tr>\n");
		free(anchor);
	}
	imgp_buf_puts(out, "</tbody></table></section>\n");
}

/* --- by participant ------------------------------------------------------ */

static int
is_same(const struct imgp_json *a, const struct imgp_json *b, const char *key)
{
	return imgp_same_text(imgp_json_str(imgp_json_get(a, key)),
	    imgp_json_str(imgp_json_get(b, key)));
}

/* A row for each participant, event and pipeline: how many are in which state. */
static void
events(const struct imgp_status_page *p, struct imgp_buf *out)
{
	static const char *const columns[] = { "Participant", "Event",
	    "Pipeline", "Files", NULL };
	const struct imgp_json *i, *last = NULL;
	char s[TEXT_MAX];

	imgp_buf_puts(out, "<section><h2 id=\"events\">By participant and "
	    "event</h2>\n");
	imgp_page_rows(out, "By participant and event", columns);
	for (i = imgp_json_first(imgp_json_get(p->files, "groups")); i != NULL;
	    last = i, i = imgp_json_next(i)) {
		if (last == NULL || !is_same(i, last, "participant_code") ||
		    !is_same(i, last, "event_code") ||
		    !is_same(i, last, "pipeline_code")) {
			if (last != NULL)
				imgp_buf_puts(out, "</td></tr>\n");
			imgp_page_row(out, NULL, "", "");
			participant_link(out, i);
			imgp_buf_puts(out, "</th>");
			imgp_page_cell(out, "event", str(i, "event_code", s));
			imgp_page_cell(out, "pipeline", str(i,
			    "pipeline_code", s));
			imgp_buf_puts(out, "<td role=\"cell\">");
		}
		flag(out, i, num(i, "files"));
	}
	imgp_buf_printf(out, "%s</tbody></table></section>\n", last == NULL ?
	    "" : "</td></tr>\n");
}

static void
file_row(struct imgp_buf *out, const struct imgp_json *file,
    struct imgp_textset *anchors)
{
	char s[TEXT_MAX], *anchor = upload_anchor(file);

	imgp_page_row(out, imgp_textset_add(anchors, anchor) ? anchor : NULL,
	    "upload ", anchor + 1);
	imgp_buf_printf(out, ", revision %lld",
	    (long long)num(file, "revision_number"));
	if (str(file, "place", s)[0] != '\0' || str(file, "file_name",
	    s)[0] != '\0')
		imgp_page_element(out, "<div class=\"small\">", s, "</div>");
	if (str(file, "sha256", s)[0] != '\0')
		imgp_page_element(out, "<div class=\"small mono\">SHA-256 ",
		    s, "</div>");
	imgp_buf_puts(out, "</th>");
	imgp_page_cell(out, "event", str(file, "event_code", s));
	imgp_buf_puts(out, "<td role=\"cell\">");
	flag(out, file, 0);
	imgp_buf_puts(out, "</td><td role=\"cell\" data-of=\"scans\">");
	if (num(file, "scans") == 0)
		imgp_buf_puts(out, "none");
	else
		imgp_buf_printf(out, "%lld (%lld instances)", (long long)num(
		    file, "scans"), (long long)num(file, "instances"));
	if (str(file, "atri_uids", s)[0] != '\0')
		imgp_page_element(out, "<div class=\"small\">ATRIUIDs ", s,
		    num(file, "scans") > 100 ? " and more</div>" : "</div>");
	imgp_buf_puts(out, "</td>");
	imgp_page_cell(out, "since", str(file, "since", s));
	imgp_buf_puts(out, "</tr>\n");
	free(anchor);
}

static void
participant(struct imgp_buf *out, const struct imgp_json *file,
    struct imgp_textset *anchors)
{
	static const char *const columns[] = { "Upload", "Event", "State",
	    "Scans", "Since", NULL };
	char code[TEXT_MAX], *anchor;

	anchor = participant_anchor(str(file, "participant_code", code));
	if (imgp_textset_add(anchors, anchor))
		imgp_buf_printf(out, "<h3 id=\"%s\">", anchor);
	else
		imgp_buf_puts(out, "<h3>");
	if (code[0] == '\0')
		snprintf(code, sizeof code, "no participant is known");
	imgp_page_element(out, "", code, "</h3>\n");
	imgp_page_rows(out, code, columns);
	free(anchor);
}

static void
participants(const struct imgp_status_page *p, struct imgp_buf *out)
{
	const struct imgp_json *i, *last = NULL;
	struct imgp_textset *anchors = imgp_textset_new();
	int64_t more = num(p->files, "more");

	imgp_buf_puts(out, "<section><h2 id=\"files\">All files</h2>\n");
	if (more > 0)
		imgp_buf_printf(out, "<p>But %lld older ones, which are "
		    "delivered or that the lists above could not hold: "
		    "imgp-status --csv</p>\n", (long long)more);
	for (i = imgp_json_first(imgp_json_get(p->files, "files")); i != NULL;
	    last = i, i = imgp_json_next(i)) {
		if (last == NULL || !is_same(i, last, "participant_code")) {
			if (last != NULL)
				imgp_buf_puts(out, "</tbody></table>\n");
			participant(out, i, anchors);
		}
		file_row(out, i, anchors);
	}
	imgp_buf_printf(out, "%s</section>\n", last == NULL ? "" :
	    "</tbody></table>\n");
	imgp_textset_free(anchors);
}

void
imgp_status_html(const struct imgp_status_page *p, struct imgp_buf *out)
{
	char *title = imgp_asprintf("%s: the state of uploads", p->title);
	char now[TEXT_MAX], *when;
	const struct imgp_state *s;

	when = imgp_asprintf("as of %s", str(p->files, "now", now));
	imgp_page_open(out, title, when);
	contents(p, out);
	tiles(p, out);
	news(p->board, out);
	lookups(p->board, out);
	for (s = imgp_states; s->name != NULL; s++)
		if (files_in(p, s) > 0 && s->paint != IMGP_GREEN)
			state_section(p, s, out);
	imgp_buf_printf(out, "<section><h2 id=\"days\">The last %zu days</h2>"
	    "\n", imgp_json_count(p->days));
	imgp_chart_days(p->days, out);
	imgp_chart_table(p->days, out);
	imgp_buf_puts(out, "</section>\n");
	events(p, out);
	participants(p, out);
	imgp_page_close(out, "Times are in UTC. imgp-status ID tells all that "
	    "is known of an upload.");
	free(when);
	free(title);
}
