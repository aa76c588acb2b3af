/*
 * Command-line options.  One table per tool drives parsing, --help, the usage line and
 * shell completion (completion.h).
 *
 * Every tool has --help, --version, --completion SHELL, --config FILE and
 * --show-config, and takes -j N (--jobs), -n (--dry-run), -q (--quiet), -v
 * (--verbose), by getopt_long(3), options before operands; --help names those of
 * them that the tool heeds.
 */
#ifndef IMGPIPE_OPT_H
#define IMGPIPE_OPT_H

struct imgp_opt {
	int		 ch;	/* short option, or a number above 255 */
	const char	*name;	/* long name, or NULL */
	const char	*arg;	/* its argument's name, or its values as a|b|c;
				 * NULL: no argument */
	const char	*help;	/* one line */
};

/* Which of the options that all tools share a tool heeds. */
#define IMGP_USES_JOBS		1u
#define IMGP_USES_DRY_RUN	2u
#define IMGP_USES_QUIET		4u
#define IMGP_USES_VERBOSE	8u
#define IMGP_USES_PRETTY	16u	/* it writes JSON; others have no --pretty */

struct imgp_tool {
	const char	*name;		/* "imgp-stamp" */
	const char *const *synopsis;	/* lines without the name, NULL ended */
	const char	*about;		/* one line */
	const struct imgp_opt *opts;	/* own options, ended by {0} */
	/* for --version: functions that return such as "libpq 15.18",
	 * ended by NULL; the libraries of base/ are added */
	const char	*(*const *libs)(void);
	unsigned int	 uses;		/* IMGP_USES_…, or'ed */
};

/* What the options that all tools share were set to. */
struct imgp_common {
	int	jobs;		/* -j, 1 unless given */
	int	jobs_given;	/* -j was given */
	int	dry_run;	/* -n: say what would be done, change nothing */
	int	quiet;		/* -q: no diagnostics but errors */
	int	verbose;	/* -v, counted */
	int	pretty;		/* --pretty: JSON over several lines */
};
extern struct imgp_common imgp_common;

/* The running tool's name, for diagnostics; set by imgp_opt(). */
extern const char *imgp_progname;

/*
 * Return the tool's next own option as getopt_long(3) does: its ch, with optarg; -1 at
 * the end, when argv[optind] is the first operand.  Shared options are handled here:
 * --help and --version print and exit(0); --show-config does so at the end, after
 * imgp_conf_option() was called for the tool's own options.  A wrong option exits with
 * status 2.  The first call also opens /dev/null for closed descriptors 0 to 2 (so that
 * reading standard input or writing standard output fails), keeps the locale "C", and
 * ignores SIGPIPE, so that only a write to standard output can end a tool by it.
 */
int	imgp_opt(const struct imgp_tool *tool, int argc, char *argv[]);

/* Print why and a hint on standard error, exit with status 2. */
void	imgp_usage(const struct imgp_tool *tool, const char *fmt, ...)
	    __attribute__((__format__(printf, 2, 3), __noreturn__));

/* "imgp-stamp: CODE: message" on standard error; the same of the database (IMGP-DB-...),
 * which many steps meet, is not said again within a minute. */
struct imgp_err;
void	imgp_complain(const struct imgp_err *e);
/* imgp_complain(), then exit: with 2 if a setting, a login or a right is wrong, with 75
 * for any other fault of ours or of a service, else with 1. */
void	imgp_die(const struct imgp_err *e) __attribute__((__noreturn__));

/* Unless -q is given, write "imgp-queue: passed over: WHAT" to standard error: a
 * callback for things that a tool does not handle.  ${arg} is not used. */
void	imgp_passed_over(void *arg, const char *what);

/* Write ${b} to standard output and empty it.  If the write fails, as on a full disk,
 * say so and exit with 75; if the reader is gone, as after head(1), end by SIGPIPE. */
struct imgp_buf;
void	imgp_print(struct imgp_buf *b);
/* imgp_print() for a piece of JSON, indented with --pretty and on a terminal. */
void	imgp_print_json(struct imgp_buf *b);
/* End as imgp_print() does after a failed write, by errno. */
void	imgp_print_failed(void) __attribute__((__noreturn__));

#endif
