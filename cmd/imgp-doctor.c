/*
 * imgp-doctor: what imgp-run --doctor shows; only imgp-run starts it.
 *
 *	imgp-doctor [--json] [--send]
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/program.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/report/doctor.h"

enum { OPT_JSON = 256, OPT_SEND };

static const struct imgp_opt opts[] = {
	{ OPT_JSON, "json", NULL, "one JSON object" },
	{ OPT_SEND, "send", NULL, "send the admins a letter" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = { "[-q] [--json [--pretty]] [--send]", NULL };
static const char *(*const libs[])(void) = { imgp_db_version, NULL };
static const struct imgp_tool tool = { "imgp-doctor", synopsis,
	"Is everything that a run needs there?", opts, libs,
	IMGP_USES_QUIET | IMGP_USES_PRETTY
};

static const char *const healths[] = {
	[IMGP_HEALTH_OK] = "ok", [IMGP_HEALTH_WARNING] = "warning",
	[IMGP_HEALTH_BROKEN] = "broken"
};

struct report {
	int	json;
	int	n[IMGP_HEALTH_BROKEN + 1];
};

static void
as_text(const struct imgp_symptom *s, struct imgp_buf *out)
{
	char what[1024];

	imgp_printable(what, sizeof what, s->what, strlen(s->what));
	imgp_buf_printf(out, "%-8s%s", healths[s->health], s->part);
	if (s->pipeline != NULL)
		imgp_buf_printf(out, " [%s]", s->pipeline);
	imgp_buf_puts(out, ": ");
	if (s->code != NULL)
		imgp_buf_printf(out, "%s: ", s->code);
	imgp_buf_puts(out, what);
	if (s->act != NULL && s->health != IMGP_HEALTH_OK)
		imgp_buf_printf(out, "; do: %s", s->act);
	imgp_buf_puts(out, "\n");
}

static void
as_json(const struct imgp_symptom *s, int first, struct imgp_buf *out)
{
	struct imgp_json *o = imgp_json_new_object();

	imgp_json_set_str(o, "part", s->part);
	imgp_json_set_str(o, "pipeline_code", s->pipeline);
	imgp_json_set_str(o, "health", healths[s->health]);
	imgp_json_set_str(o, "error_code", s->code);
	imgp_json_set_str(o, "what", s->what);
	imgp_json_set_str(o, "do", s->health == IMGP_HEALTH_OK ? NULL : s->act);
	imgp_buf_puts(out, first ? "{\"findings\":[" : ",");
	imgp_json_print(o, out);
	imgp_json_free(o);
}

static void
found(void *arg, const struct imgp_symptom *s)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct report *r = arg;

	if (r->json)
		as_json(s, r->n[0] + r->n[1] + r->n[2] == 0, &b);
	else if (s->health != IMGP_HEALTH_OK || !imgp_common.quiet)
		as_text(s, &b);
	r->n[s->health]++;
	if (r->json)
		imgp_print_json(&b);
	imgp_print(&b);
	imgp_buf_release(&b);
}

static void
end(const struct report *r)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	if (r->json)
		imgp_buf_printf(&b, "],\"ok\":%d,\"warning\":%d,\"broken\":%d}\n",
		    r->n[IMGP_HEALTH_OK], r->n[IMGP_HEALTH_WARNING],
		    r->n[IMGP_HEALTH_BROKEN]);
	else if (!imgp_common.quiet)
		imgp_buf_printf(&b, "%d ok, %d warning%s, %d broken\n",
		    r->n[IMGP_HEALTH_OK], r->n[IMGP_HEALTH_WARNING],
		    r->n[IMGP_HEALTH_WARNING] == 1 ? "" : "s",
		    r->n[IMGP_HEALTH_BROKEN]);
	if (r->json)
		imgp_print_json(&b);
	imgp_print(&b);
	imgp_buf_release(&b);
}

int
main(int argc, char *argv[])
{
	struct report r = { 0, { 0, 0, 0 } };
	struct imgp_doctor d = { .found = found, .arg = &r };
	int ch;

	imgp_conf_want(IMGP_SECRETS_RECORD | IMGP_SECRETS_MAIL);
	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case OPT_JSON: r.json = 1; break;
		case OPT_SEND: d.send = 1; break;
		}
	if (optind != argc)
		imgp_usage(&tool, "no operands");
	d.bin = imgp_program_tools();
	imgp_doctor(&d);
	end(&r);
	return r.n[IMGP_HEALTH_BROKEN] > 0 ? IMGP_EX_ERRORS : IMGP_EX_OK;
}
