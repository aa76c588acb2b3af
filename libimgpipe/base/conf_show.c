/* --show-config. */
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf_priv.h"
#include "libimgpipe/base/nearest.h"
#include "libimgpipe/base/text.h"

#define WIDTH	1024		/* bytes of a value that are shown */

static void
origin(const struct imgp_conf_source *s, struct imgp_buf *b)
{
	const char *name = imgp_conf_rows[s->which].name;
	char env[64], path[WIDTH];

	switch (s->origin) {
	case IMGP_CONF_UNSET:
		imgp_buf_puts(b, "not set");
		break;
	case IMGP_CONF_DEFAULT:
		imgp_buf_puts(b, "default");
		break;
	case IMGP_CONF_SECTION:
	case IMGP_CONF_FILE:
		imgp_printable(path, sizeof path, s->entry->path,
		    strlen(s->entry->path));
		imgp_buf_printf(b, "%s:%zu%s%s", path, s->entry->line,
		    s->secret == NULL ? "" : ", ",
		    s->secret == NULL ? "" : name);
		break;
	case IMGP_CONF_CREDENTIAL:
		imgp_buf_puts(b, "credential of systemd");
		break;
	case IMGP_CONF_ENVIRONMENT:
		imgp_buf_printf(b, "environment, %s",
		    imgp_conf_env(name, env));
		break;
	case IMGP_CONF_OPTION:
		imgp_buf_printf(b, "option %s", s->option);
		break;
	}
}

/* The setting ${which} for ${pipeline}. */
static void
show(const char *pipeline, size_t which, struct imgp_buf *b)
{
	struct imgp_conf_source s = imgp_conf_find_source(pipeline, which);
	char value[WIDTH];

	imgp_buf_printf(b, "%s =", imgp_conf_rows[which].name);
	if (s.secret != NULL || (s.given != NULL &&
	    imgp_conf_is_secret(which, s.given)))
		imgp_buf_puts(b, " (secret)");
	else if (s.given != NULL) {
		imgp_printable(value, sizeof value, s.given, strlen(s.given));
		imgp_buf_printf(b, " %s", value);
	}
	imgp_buf_puts(b, "\t# ");
	origin(&s, b);
	/* What a section says, and something above all files overrules. */
	if (pipeline != NULL && s.origin != IMGP_CONF_SECTION)
		imgp_buf_puts(b, ", over the section's");
	imgp_buf_puts(b, "\n");
}

/* Nonzero when the section sets the row ${which}. */
static int
sets(const char *section, size_t which)
{
	const struct imgp_conf_entry *n;
	size_t i;

	for (i = 0; (n = imgp_conf_entry(i)) != NULL; i++)
		if (imgp_conf_base(n->which) == which && *n->value != '\0' &&
		    strcmp(n->section, section) == 0)
			return 1;
	return 0;
}

/* Of the environment, without its IMGP_ and in small letters: a setting, or one of
 * the words that are about a run. */
static int
is_ours(const char *name)
{
	/* The last four are imgp-run's with an engine: imgpipe-engines(7). */
	static const char *const names[] = { "config", "run", "caller_path",
	    "engine_patience", "sbatch", "ssh_hosts" };
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return 1;
	return imgp_conf_is_known(name);
}

/* The variable ${v}, if it looks like a setting and is none. */
static void
show_stranger(const char *v, struct imgp_buf *b)
{
	char word[64], name[64], env[64];
	struct imgp_nearest n = { name, NULL, 0 };
	size_t len = strcspn(v, "="), i;

	if (strncmp(v, "IMGP_", 5) != 0 || len >= sizeof word)
		return;
	imgp_printable(word, sizeof word, v, len);
	for (i = 0; word[5 + i] != '\0'; i++)
		name[i] = (char)tolower((unsigned char)word[5 + i]);
	name[i] = '\0';
	if (is_ours(name))
		return;
	for (i = 0; i < imgp_conf_nrows; i++)
		imgp_nearest_try(&n, imgp_conf_rows[i].name);
	imgp_buf_printf(b, "# %s in the environment is no setting%s%s%s\n", word,
	    n.name == NULL ? "" : "; is ",
	    n.name == NULL ? "" : imgp_conf_env(n.name, env),
	    n.name == NULL ? "" : " meant?");
}

int
imgp_conf_show(struct imgp_buf *b, imgp_conf_warn *tell, struct imgp_err *e)
{
	const char *s;
	size_t i, which;
	char **v;
	int rc;

	imgp_conf_unwant();
	rc = imgp_conf_load_but(tell, e);
	for (i = 0; (s = imgp_conf_path(i)) != NULL; i++)
		imgp_buf_printf(b, "# read: %s\n", s);
	if (i == 0)
		imgp_buf_puts(b, "# no file was read\n");
	for (v = environ; v != NULL && *v != NULL; v++)
		show_stranger(*v, b);
	for (which = 0; which < imgp_conf_nrows; which++)
		if (imgp_conf_base(which) == which)
			show(NULL, which, b);
	for (i = 0; (s = imgp_conf_section(i)) != NULL; i++) {
		imgp_buf_printf(b, "[%s]\n", s);
		for (which = 0; which < imgp_conf_nrows; which++)
			if (imgp_conf_base(which) == which && sets(s, which))
				show(s, which, b);
	}
	return rc;
}
