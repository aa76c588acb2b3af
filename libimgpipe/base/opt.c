#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/completion.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/indent.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/base/nearest.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/base/version.h"

struct imgp_common imgp_common = { .jobs = 1 };
const char *imgp_progname = "imgpipe";

enum { OPT_HELP = 1000, OPT_VERSION, OPT_CONFIG, OPT_SHOW_CONFIG, OPT_PRETTY,
    OPT_COMPLETION };

/* What the tools share; each row with those that heed it (0: all do). */
static const struct {
	struct imgp_opt	 opt;
	unsigned int	 use;
} shared[] = {
	{ { 'j', "jobs", "N", "work on N at once" }, IMGP_USES_JOBS },
	{ { 'n', "dry-run", NULL, "say what would be done, change nothing" },
	    IMGP_USES_DRY_RUN },
	{ { 'q', "quiet", NULL, "print nothing but errors" }, IMGP_USES_QUIET },
	{ { 'v', "verbose", NULL, "print more" }, IMGP_USES_VERBOSE },
	{ { OPT_PRETTY, "pretty", NULL, "JSON over several lines" },
	    IMGP_USES_PRETTY },
	{ { OPT_CONFIG, "config", "FILE", "the only file of settings to read" },
	    0 },
	{ { OPT_SHOW_CONFIG, "show-config", NULL,
	    "print all settings, and where each comes from" }, 0 },
	{ { OPT_HELP, "help", NULL, "print this and exit" }, 0 },
	{ { OPT_VERSION, "version", NULL, "print the versions and exit" }, 0 },
	{ { OPT_COMPLETION, "completion", "bash|zsh|fish",
	    "print what the shell completes, and exit" }, 0 },
};
#define SAID_MS		60000		/* what the database is said to be, once */
#define N_SHARED	(sizeof shared / sizeof *shared)

static const struct imgp_opt none = { 0, NULL, NULL, NULL };

/* Those that ${t} heeds, ended by a row of 0; not thread safe. */
static const struct imgp_opt *
heeded(const struct imgp_tool *t)
{
	static struct imgp_opt rows[N_SHARED + 1];
	size_t i, n = 0;

	for (i = 0; i < N_SHARED; i++)
		if (shared[i].use == 0 || (shared[i].use & t->uses) != 0)
			rows[n++] = shared[i].opt;
	rows[n] = none;
	return rows;
}

/* Those that ${t} takes: scripts may give what it does not heed. */
static const struct imgp_opt *
taken(const struct imgp_tool *t)
{
	struct imgp_tool all = *t;

	all.uses |= IMGP_USES_JOBS | IMGP_USES_DRY_RUN | IMGP_USES_QUIET |
	    IMGP_USES_VERBOSE;
	return heeded(&all);
}

static char shorts[128];
static struct option longs[64];

static void
add_table(const struct imgp_opt *o, size_t *ns, size_t *nl)
{
	for (; o->ch != 0; o++) {
		if (o->ch < 256 && *ns + 2 < sizeof shorts) {
			shorts[(*ns)++] = (char)o->ch;
			if (o->arg != NULL)
				shorts[(*ns)++] = ':';
		}
		if (o->name != NULL && *nl + 1 < sizeof longs / sizeof *longs) {
			longs[*nl].name = o->name;
			longs[*nl].has_arg = o->arg != NULL;
			longs[(*nl)++].val = o->ch;
		}
	}
}

static void
help_table(const struct imgp_opt *o)
{
	char left[80];
	int n;

	for (; o->ch != 0; o++) {
		n = snprintf(left, sizeof left, "%s%.*s%s%s%s%s%s",
		    o->ch < 256 ? "-" : "    ", o->ch < 256 ? 1 : 0,
		    (char[]){ (char)o->ch, '\0' },
		    o->ch < 256 && o->name != NULL ? ", " : "",
		    o->name != NULL ? "--" : "",
		    o->name != NULL ? o->name : "", o->arg != NULL ? " " : "",
		    o->arg != NULL ? o->arg : "");
		printf("  %-28s%s%s\n", left, n >= 28 ? " " : "", o->help);
	}
}

static void
help(const struct imgp_tool *t)
{
	size_t i;

	for (i = 0; t->synopsis[i] != NULL; i++)
		printf("%s %s %s\n", i == 0 ? "usage:" : "      ", t->name,
		    t->synopsis[i]);
	printf("\n%s\n\n", t->about);
	if (t->opts != NULL)
		help_table(t->opts);
	help_table(heeded(t));
	printf("\nThe manual: man %s\n", t->name);
	if (fflush(stdout) == EOF)
		imgp_print_failed();
	exit(0);
}

static void
version(const struct imgp_tool *t)
{
	size_t i;

	printf("%s (imgpipe) %s\n", t->name, IMGP_VERSION);
	for (i = 0; t->libs != NULL && t->libs[i] != NULL; i++)
		printf("%s\n", t->libs[i]());
	printf("%s\n", imgp_json_version());
	if (fflush(stdout) == EOF)
		imgp_print_failed();
	exit(0);
}

static void
completion(const struct imgp_tool *t, const char *shell)
{
	const struct imgp_opt *const tables[] = { t->opts, heeded(t) };
	struct imgp_buf b = IMGP_BUF_INIT;

	if (imgp_completion(t, tables, 2, shell, &b) == -1)
		imgp_usage(t, "--completion: bash, zsh or fish");
	imgp_print(&b);
	imgp_buf_release(&b);
	exit(0);
}

/* All that was given on the command line is known by now. */
static void
show_config(void)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_err e;
	int rc = imgp_conf_show(&b, imgp_complain, &e);

	imgp_print(&b);
	imgp_buf_release(&b);
	if (rc == -1)
		imgp_die(&e);
	exit(0);
}

/* A long option that there is not, and the one that is perhaps meant. */
static void
wrong_option(const struct imgp_tool *t, const char *given)
{
	struct imgp_nearest n = { NULL, NULL, 0 };
	char word[64];
	size_t i;

	if (given != NULL && strncmp(given, "--", 2) == 0) {
		snprintf(word, sizeof word, "%.*s", (int)strcspn(given + 2, "="),
		    given + 2);
		n.word = word;
		for (i = 0; longs[i].name != NULL; i++)
			imgp_nearest_try(&n, longs[i].name);
	}
	if (n.name != NULL && n.distance > 0)
		fprintf(stderr, "%s: is --%s meant?\n", t->name, n.name);
	fprintf(stderr, "Try '%s --help'.\n", t->name);
	exit(IMGP_EX_USAGE);
}

/*
 * Descriptors 0 to 2 must be something, or a file opened later becomes one.
 * Where the first two are closed they become what cannot be read, or written:
 * lines that nobody gets are an error, not a success.
 */
static void
fill_standard_fds(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR)) != -1) {
		if (fd > STDERR_FILENO) {
			close(fd);
			break;
		}
		if (fd == STDERR_FILENO)
			continue;
		close(fd);
		if (open("/dev/null",
		    fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) == -1)
			break;
	}
}

int
imgp_opt(const struct imgp_tool *t, int argc, char *argv[])
{
	static int started, shows;
	size_t ns = 0, nl = 0;
	long long n;
	int ch;

	if (!started) {
		started = 1;
		imgp_progname = t->name;
		fill_standard_fds();
		signal(SIGPIPE, SIG_IGN);
		shorts[ns++] = '+';	/* options before operands */
		if (t->opts != NULL)
			add_table(t->opts, &ns, &nl);
		add_table(taken(t), &ns, &nl);
	}
	while ((ch = getopt_long(argc, argv, shorts, longs, NULL)) != -1)
		switch (ch) {
		case 'j':
			if (imgp_parse_int(optarg, 1, 1024, &n) == -1)
				imgp_usage(t, "-j: not a number from 1 to 1024");
			imgp_common.jobs = (int)n;
			imgp_common.jobs_given = 1;
			break;
		case 'n':
			imgp_common.dry_run = 1;
			break;
		case 'q':
			imgp_common.quiet = 1;
			break;
		case 'v':
			imgp_common.verbose++;
			break;
		case OPT_CONFIG:
			if (*optarg == '\0' || setenv("IMGP_CONFIG", optarg, 1) == -1)
				imgp_usage(t, "--config: no file is named");
			break;
		case OPT_SHOW_CONFIG:
			shows = 1;
			break;
		case OPT_PRETTY:
			imgp_common.pretty = 1;
			break;
		case OPT_COMPLETION:
			completion(t, optarg);
			break;
		case OPT_HELP:
			help(t);
			break;
		case OPT_VERSION:
			version(t);
			break;
		case '?':
			wrong_option(t, optopt == 0 ? argv[optind - 1] : NULL);
			break;
		default:
			return ch;
		}
	if (shows)
		show_config();
	return -1;
}

void
imgp_usage(const struct imgp_tool *t, const char *fmt, ...)
{
	char raw[512], msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof raw, fmt, ap);
	va_end(ap);
	imgp_printable(msg, sizeof msg, raw, strlen(raw));
	fprintf(stderr, "%s: %s\nTry '%s --help'.\n", t->name, msg, t->name);
	exit(IMGP_EX_USAGE);
}

void
imgp_complain(const struct imgp_err *e)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct imgp_err last;
	static int64_t said;
	const char *code = e->code == NULL ? IMGP_E_INTERNAL : e->code;
	int64_t now = imgp_clock_ms();

	pthread_mutex_lock(&lock);
	if (strncmp(code, "IMGP-DB-", 8) != 0 || last.code == NULL ||
	    now - said >= SAID_MS || strcmp(last.code, code) != 0 ||
	    strcmp(last.msg, e->msg) != 0) {
		fprintf(stderr, "%s: %s: %s\n", imgp_progname, code, e->msg);
		last = *e;
		last.code = code;
		said = now;
	}
	pthread_mutex_unlock(&lock);
}

void
imgp_die(const struct imgp_err *e)
{
	const struct imgp_error *row = imgp_error_find(e->code);
	const char *class = row == NULL ? "" : row->class;

	imgp_complain(e);
	if (strcmp(class, "config") == 0)
		exit(IMGP_EX_USAGE);
	switch (imgp_error_owner(e->code)) {
	case IMGP_OWNER_OURS:
		exit(strcmp(class, "denied") == 0 ? IMGP_EX_USAGE :
		    IMGP_EX_TEMPFAIL);
	case IMGP_OWNER_SERVICE:
		exit(IMGP_EX_TEMPFAIL);
	default:
		exit(IMGP_EX_ERRORS);
	}
}

void
imgp_passed_over(void *arg, const char *what)
{
	char s[80];

	(void)arg;
	if (imgp_common.quiet)
		return;
	imgp_printable(s, sizeof s, what, strlen(what));
	fprintf(stderr, "%s: passed over: %s\n", imgp_progname, s);
}

void
imgp_print_failed(void)
{
	int saved = errno;

	if (saved == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	fprintf(stderr, "%s: standard output: %s\n", imgp_progname,
	    strerror(saved));
	exit(IMGP_EX_TEMPFAIL);
}

void
imgp_print(struct imgp_buf *b)
{
	if (fwrite(b->s, 1, b->len, stdout) != b->len ||
	    fflush(stdout) == EOF)
		imgp_print_failed();
	imgp_buf_clear(b);
}

void
imgp_print_json(struct imgp_buf *b)
{
	static struct imgp_indent state = IMGP_INDENT_INIT;
	struct imgp_buf lines = IMGP_BUF_INIT;

	if (imgp_common.pretty || isatty(STDOUT_FILENO)) {
		imgp_indent(&state, b->s, b->len, &lines);
		imgp_print(&lines);
		imgp_buf_release(&lines);
		imgp_buf_clear(b);
	} else
		imgp_print(b);
}
