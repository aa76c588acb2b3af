#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/completion.h"
#include "libimgpipe/base/textset.h"

struct script {
	const struct imgp_tool *tool;
	const struct imgp_opt *const *tables;
	size_t		 n;
	struct imgp_buf	*out;
};

/* --- what the tables say -------------------------------------------------- */

static int
is_file(const char *arg)
{
	return strcmp(arg, "FILE") == 0 || strcmp(arg, "OUT") == 0;
}

/* The values that an argument may have, by blanks; "" where it may be anything.  The
 * caller's. */
static char *
choices(const char *arg)
{
	char *words = imgp_strdup(strchr(arg, '|') == NULL ? "" : arg), *c;

	for (c = words; *c != '\0'; c++)
		if (*c == '|')
			*c = ' ';
	return words;
}

/* The next word of a synopsis line at ${*s} without brackets and dots, in ${word} of
 * 64 bytes; 0 at the end. */
static int
next_word(const char **s, char *word)
{
	size_t n;

	*s += strspn(*s, " \n[]|.");
	n = strcspn(*s, " \n[]|.");
	snprintf(word, 64, "%.*s", (int)n, *s);
	*s += n;
	return n > 0;
}

void
imgp_completion_words(const struct imgp_tool *tool,
    void (*one)(void *arg, const char *word), void *arg)
{
	struct imgp_textset *seen = imgp_textset_new();
	const char *const *line, *s;
	char word[64];
	size_t i;

	for (line = tool->synopsis; *line != NULL; line++)
		for (s = *line; next_word(&s, word);) {
			for (i = 0; islower((unsigned char)word[i]); i++)
				;
			if (word[i] == '\0' && imgp_textset_add(seen, word))
				one(arg, word);
		}
	imgp_textset_free(seen);
}

/* Is a file an operand? */
static int
takes_files(const struct imgp_tool *tool)
{
	const char *const *line, *s;
	char word[64], last;

	/* What stands behind an option within the same brackets is the option's. */
	for (line = tool->synopsis; *line != NULL; line++)
		for (s = *line, last = '\0'; next_word(&s, word);
		    last = *s == ']' ? '\0' : word[0])
			if (last != '-' && (strcmp(word, "FILE") == 0 ||
			    strcmp(word, "IN") == 0 ||
			    strcmp(word, "FROM") == 0))
				return 1;
	return 0;
}

static void
add_word(void *arg, const char *word)
{
	imgp_buf_printf(arg, "%s%s", ((struct imgp_buf *)arg)->len > 0 ? " " :
	    "", word);
}

/* The subcommands, by blanks; the caller's. */
static char *
words_of(const struct imgp_tool *tool)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_completion_words(tool, add_word, &b);
	return imgp_buf_steal(&b);
}

/* Append ${s} with a backslash before each byte of ${special}, and each ' as it is
 * within single quotes of a POSIX shell. */
static void
quote(struct imgp_buf *out, const char *s, const char *special)
{
	for (; *s != '\0'; s++)
		if (*s == '\'')
			imgp_buf_puts(out, "'\\''");
		else {
			if (strchr(special, *s) != NULL)
				imgp_buf_puts(out, "\\");
			imgp_buf_add(out, s, 1);
		}
}

/* "_imgp_dcmscan" */
static char *
function_name(const struct imgp_tool *tool)
{
	char *name = imgp_asprintf("_%s", tool->name), *c;

	for (c = name; *c != '\0'; c++)
		if (*c == '-')
			*c = '_';
	return name;
}

static void
each(const struct script *s, void (*one)(const struct script *,
    const struct imgp_opt *))
{
	const struct imgp_opt *o;
	size_t i;

	for (i = 0; i < s->n; i++)
		for (o = s->tables[i]; o != NULL && o->ch != 0; o++)
			one(s, o);
}

/* --- bash ------------------------------------------------------------------ */

static void
bash_names(const struct script *s, const struct imgp_opt *o, const char *between)
{
	if (o->ch < 256)
		imgp_buf_printf(s->out, "-%c", o->ch);
	if (o->name != NULL)
		imgp_buf_printf(s->out, "%s--%s", o->ch < 256 ? between : "",
		    o->name);
}

static void
bash_option(const struct script *s, const struct imgp_opt *o)
{
	bash_names(s, o, " ");
	imgp_buf_puts(s->out, " ");
}

static void
bash_argument(const struct script *s, const struct imgp_opt *o)
{
	char *values;

	if (o->arg == NULL)
		return;
	values = choices(o->arg);
	imgp_buf_puts(s->out, "\t");
	bash_names(s, o, "|");
	imgp_buf_printf(s->out, ")\tmapfile -t COMPREPLY < <(compgen %s-W '%s' "
	    "-- \"$cur\"); return ;;\n", is_file(o->arg) ? "-f " : "", values);
	free(values);
}

/* imgp, by which the other tools are called, completes their words, too. */
static int
is_door(const struct imgp_tool *tool)
{
	return strchr(tool->name, '-') == NULL;
}

static void
bash(const struct script *s)
{
	char *function = function_name(s->tool), *words = words_of(s->tool);

	imgp_buf_printf(s->out, "# bash completion of %s\n%s() {\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
	    "prev=${COMP_WORDS[COMP_CWORD-1]}\n\tCOMPREPLY=()\n",
	    s->tool->name, function);
	if (is_door(s->tool))
		imgp_buf_puts(s->out, "\tif (( COMP_CWORD > 1 )) && "
		    "[[ ${COMP_WORDS[1]} != help ]]; then\n"
		    "\t\tlocal f=_imgp_${COMP_WORDS[1]}\n"
		    "\t\tdeclare -F \"$f\" >/dev/null ||\n\t\t\t. "
		    "\"${BASH_SOURCE[0]%/*}/imgp-${COMP_WORDS[1]}\" "
		    "2>/dev/null\n\t\tdeclare -F \"$f\" >/dev/null && "
		    "\"$f\"\n\t\treturn\n\tfi\n");
	imgp_buf_puts(s->out, "\tcase $prev in\n");
	each(s, bash_argument);
	imgp_buf_puts(s->out, "\tesac\n\tcase $cur in\n"
	    "\t-*)\tmapfile -t COMPREPLY < <(compgen -W '");
	each(s, bash_option);
	imgp_buf_printf(s->out, "' -- \"$cur\") ;;\n"
	    "\t*)\tmapfile -t COMPREPLY < <(compgen %s-W '%s' -- \"$cur\") ;;\n"
	    "\tesac\n}\ncomplete -o filenames -F %s %s\n",
	    takes_files(s->tool) ? "-f " : "", words, function, s->tool->name);
	free(function);
	free(words);
}

/* --- zsh ------------------------------------------------------------------- */

static void
zsh_option(const struct script *s, const struct imgp_opt *o)
{
	char *values;

	imgp_buf_puts(s->out, " \\\n\t'*'");
	if (o->ch < 256 && o->name != NULL)
		imgp_buf_printf(s->out, "{-%c,--%s}'", o->ch, o->name);
	else {
		bash_names(s, o, "");
		imgp_buf_puts(s->out, "'");
	}
	imgp_buf_puts(s->out, "[");
	quote(s->out, o->help, "[]\\");
	imgp_buf_puts(s->out, "]");
	if (o->arg != NULL) {
		values = choices(o->arg);
		imgp_buf_printf(s->out, ":%s:", o->name);
		if (values[0] != '\0')
			imgp_buf_printf(s->out, "(%s)", values);
		else if (is_file(o->arg))
			imgp_buf_puts(s->out, "_files");
		free(values);
	}
	imgp_buf_puts(s->out, "'");
}

static void
zsh(const struct script *s)
{
	char *words = words_of(s->tool);

	imgp_buf_printf(s->out, "#compdef %s\n", s->tool->name);
	if (is_door(s->tool))
		imgp_buf_puts(s->out, "if (( CURRENT > 2 )) && "
		    "[[ $words[2] != help ]]; then\n\tshift words\n"
		    "\t(( CURRENT-- ))\n\twords[1]=imgp-$words[1]\n"
		    "\t_normal\n\treturn\nfi\n");
	imgp_buf_puts(s->out, "_arguments -s");
	each(s, zsh_option);
	if (words[0] != '\0')
		imgp_buf_printf(s->out, " \\\n\t'*:operand:_alternative "
		    "\"words:operand:(%s)\"%s'", words, takes_files(s->tool) ?
		    " \"files:file:_files\"" : "");
	else if (takes_files(s->tool))
		imgp_buf_puts(s->out, " \\\n\t'*:file:_files'");
	imgp_buf_puts(s->out, "\n");
	free(words);
}

/* --- fish ------------------------------------------------------------------ */

static void
fish_option(const struct script *s, const struct imgp_opt *o)
{
	char *values = choices(o->arg == NULL ? "" : o->arg);
	const char *c;

	imgp_buf_printf(s->out, "complete -c %s", s->tool->name);
	if (o->ch < 256)
		imgp_buf_printf(s->out, " -s %c", o->ch);
	if (o->name != NULL)
		imgp_buf_printf(s->out, " -l %s", o->name);
	if (o->arg != NULL)
		imgp_buf_puts(s->out, is_file(o->arg) ? " -r -F" : " -x");
	if (values[0] != '\0')
		imgp_buf_printf(s->out, " -a '%s'", values);
	free(values);
	imgp_buf_puts(s->out, " -d '");
	for (c = o->help; *c != '\0'; c++)
		imgp_buf_printf(s->out, *c == '\'' || *c == '\\' ? "\\%c" :
		    "%c", *c);
	imgp_buf_puts(s->out, "'\n");
}

static void
fish(const struct script *s)
{
	char *words = words_of(s->tool);

	imgp_buf_printf(s->out, "# fish completion of %s\n", s->tool->name);
	if (!takes_files(s->tool))
		imgp_buf_printf(s->out, "complete -c %s -f\n", s->tool->name);
	each(s, fish_option);
	if (is_door(s->tool))
		imgp_buf_printf(s->out, "complete -c %s -n "
		    "'not __fish_use_subcommand; "
		    "and not __fish_seen_subcommand_from help' -x -a "
		    "'(complete -C (string replace -r \"^imgp +\" imgp- -- "
		    "(commandline -cp)))'\n", s->tool->name);
	if (words[0] != '\0')
		imgp_buf_printf(s->out, "complete -c %s%s -a '%s'\n",
		    s->tool->name, is_door(s->tool) ? " -n "
		    "'__fish_use_subcommand; or __fish_seen_subcommand_from "
		    "help'" : "", words);
	free(words);
}

int
imgp_completion(const struct imgp_tool *tool,
    const struct imgp_opt *const *tables, size_t n, const char *shell,
    struct imgp_buf *out)
{
	const struct script s = { tool, tables, n, out };
	static const struct {
		const char	*name;
		void		(*write)(const struct script *);
	} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
	size_t i;

	for (i = 0; i < sizeof shells / sizeof *shells; i++)
		if (strcmp(shells[i].name, shell) == 0) {
			shells[i].write(&s);
			return 0;
		}
	return -1;
}
