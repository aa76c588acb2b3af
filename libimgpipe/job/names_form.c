#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/job/names_form.h"

#define MEMBERS	16		/* in a template */

struct imgp_names_form {
	char		*dir;
	char		*text;		/* the regular expression */
	regex_t		 re;
	char		*members[MEMBERS]; /* of its groups, in order */
	size_t		 n;
};

/* What a member may look like in a key. */
static const char *
looks_of(const char *member)
{
	static const struct { const char *member, *re; } looks[] = {
		{ "edc_pipeline_file.id", "([1-9][0-9]{0,18})" },
		{ "run", "([0-9]{8}T[0-9]{6}Z-[0-9a-f]{8})" },
		{ "timestamp", "([0-9]{8}_[0-9]{6})" },
		{ "run_timestamp", "([0-9]{8}_[0-9]{6})" },
		{ "input_sha256", "([0-9a-f]{12})" },
		{ "file_name", "([^/]+)" },
	};
	size_t i;

	for (i = 0; i < sizeof looks / sizeof *looks; i++)
		if (strcmp(looks[i].member, member) == 0)
			return looks[i].re;
	return "([^/]*)";
}

static void
add_literal(struct imgp_buf *re, const char *s, size_t n)
{
	for (; n > 0; s++, n--) {
		if (strchr(".[]()*+?{}|^$\\", *s) != NULL)
			imgp_buf_puts(re, "\\");
		imgp_buf_add(re, s, 1);
	}
}

/* Take the template apart; -1 where it is broken. */
static int
read_template(struct imgp_names_form *f, const char *template,
    const char *code, struct imgp_buf *re, struct imgp_buf *start)
{
	const char *p = template, *end;
	char *member;

	for (; *p != '\0'; p = end) {
		if (*p != '{') {
			end = p + strcspn(p, "{");
			add_literal(re, p, (size_t)(end - p));
			if (f->n == 0)
				imgp_buf_add(start, p, (size_t)(end - p));
			continue;
		}
		if ((end = strchr(p, '}')) == NULL || f->n == MEMBERS)
			return -1;
		member = imgp_strndup(p + 1, (size_t)(end - p - 1));
		end++;
		if (code != NULL && strcmp(member, "pipeline_code") == 0) {
			add_literal(re, code, strlen(code));
			if (f->n == 0)
				imgp_buf_puts(start, code);
			free(member);
			continue;
		}
		imgp_buf_puts(re, looks_of(member));
		f->members[f->n++] = member;
	}
	return 0;
}

struct imgp_names_form *
imgp_names_form_new(const char *pipeline, const char *code,
    const char *setting, struct imgp_err *e)
{
	const char *template = imgp_conf_need(pipeline, setting, e), *slash;
	struct imgp_buf re = IMGP_BUF_INIT, start = IMGP_BUF_INIT;
	struct imgp_names_form *f;

	if (template == NULL)
		return NULL;
	f = imgp_alloc(sizeof *f);
	imgp_buf_puts(&re, "^");
	if (read_template(f, template, pipeline != NULL ? pipeline : code, &re,
	    &start) == -1)
		goto broken;
	imgp_buf_puts(&re, "$");
	imgp_buf_puts(&start, "");
	slash = strrchr(start.s, '/');
	f->dir = imgp_strndup(start.s,
	    slash == NULL ? 0 : (size_t)(slash + 1 - start.s));
	f->text = imgp_buf_steal(&re);
	if (regcomp(&f->re, f->text, REG_EXTENDED) == 0) {
		imgp_buf_release(&start);
		return f;
	}
broken:
	imgp_buf_release(&re);
	imgp_buf_release(&start);
	free(f->text);
	f->text = NULL;
	imgp_names_form_free(f);
	imgp_fail(e, IMGP_E_CONFIG, "%s: its keys cannot be told", setting);
	return NULL;
}

void
imgp_names_form_free(struct imgp_names_form *f)
{
	if (f == NULL)
		return;
	if (f->text != NULL)
		regfree(&f->re);
	while (f->n > 0)
		free(f->members[--f->n]);
	free(f->dir);
	free(f->text);
	free(f);
}

const char *
imgp_names_form_dir(const struct imgp_names_form *f)
{
	return f->dir;
}

const char *
imgp_names_form_text(const struct imgp_names_form *f)
{
	return f->text;
}

int
imgp_names_form_has(const struct imgp_names_form *f, const char *member)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (strcmp(f->members[i], member) == 0)
			return 1;
	return 0;
}

/* Take the text of ${member}, twice only where it is the same; -1: it is not. */
static int
take_text(char **to, const char *s, size_t len)
{
	if (*to == NULL)
		*to = imgp_strndup(s, len);
	return strlen(*to) == len && memcmp(*to, s, len) == 0 ? 0 : -1;
}

static int
take_part(struct imgp_names_parts *parts, const char *member, const char *s,
    size_t len)
{
	char digits[24];
	long long n;

	if (strcmp(member, "file_name") == 0)
		return take_text(&parts->file_name, s, len);
	if (strcmp(member, "run") == 0)
		return take_text(&parts->run, s, len);
	if (strcmp(member, "edc_pipeline_file.id") != 0)
		return 0;
	memcpy(digits, s, len);		/* at most 19: looks_of() */
	digits[len] = '\0';
	if (imgp_parse_int(digits, 1, INT64_MAX, &n) == -1 ||
	    (parts->file_id != 0 && parts->file_id != n))
		return -1;
	parts->file_id = n;
	return 0;
}

int
imgp_names_form_fits(const struct imgp_names_form *f, const char *key,
    struct imgp_names_parts *parts)
{
	regmatch_t m[MEMBERS + 1];
	size_t i;

	memset(parts, 0, sizeof *parts);
	if (regexec(&f->re, key, f->n + 1, m, 0) != 0)
		return 0;
	for (i = 0; i < f->n; i++)
		if (take_part(parts, f->members[i], key + m[i + 1].rm_so,
		    (size_t)(m[i + 1].rm_eo - m[i + 1].rm_so)) == -1) {
			imgp_names_parts_release(parts);
			return 0;
		}
	return 1;
}

void
imgp_names_parts_release(struct imgp_names_parts *parts)
{
	free(parts->file_name);
	free(parts->run);
	memset(parts, 0, sizeof *parts);
}
