/*
 * Options: one table per tool makes parsing, --help, the usage line, and what shells
 * complete (completion.h).
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
	const char	*arg;	/* what its argument is called, or all that it
				 * may be, a|b|c; NULL: none */
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
	/* "libpq 15.18": NULL ended; what base/ needs comes by itself */
	const char	*(*const *libs)(void);
	unsigned int	 uses;		/* IMGP_USES_…, or'ed */
};

/* What the options that all tools share were set to. */
struct imgp_common {
	int	jobs;		/* -j, 1 unless given */
	int	jobs_given;	/* it was */
	int	dry_run;	/* -n: say what would be done, change nothing */
	int	quiet;		/* -q: no diagnostics but errors */
	int	verbose;	/* -v, counted */
	int	pretty;		/* --pretty: JSON over several lines */
};
extern struct imgp_common imgp_common;

/* The running tool's name, for diagnostics; set by imgp_opt(). */
extern const char *imgp_progname;

/*
 * The next own option, as getopt_long(3): its ch, with optarg; -1 at the end,
 * optind then naming the first operand.  Shared options are taken care of;
 * --help and --version print and exit(0), as --show-config does at the end, when
 * imgp_conf_option() was told of the own ones; a wrong option exits with 2.  The
 * first call also opens /dev/null where descriptors 0 to 2 are closed (so that
 * standard input cannot be read then, nor standard output be written), sets
 * the locale for nothing (C everywhere) and ignores SIGPIPE, so that only a
 * write to standard output can end a tool by it.
 */
int	imgp_opt(const struct imgp_tool *tool, int argc, char *argv[]);

/* Print why and a hint on standard error, exit with status 2. */
void	imgp_usage(const struct imgp_tool *tool, const char *fmt, ...)
	    __attribute__((__format__(printf, 2, 3), __noreturn__));

/* "imgp-stamp: CODE: message" on standard error. */
struct imgp_err;
void	imgp_complain(const struct imgp_err *e);
/* The same, then exit: 2 for a wrong configuration, login or right, 75 for what is
 * ours or a service's otherwise, else 1. */
void	imgp_die(const struct imgp_err *e) __attribute__((__noreturn__));

/* "imgp-queue: passed over: WHAT" on standard error, but not with -q; for those who
 * tell it of each thing that is none of theirs.  ${arg} is not used. */
void	imgp_passed_over(void *arg, const char *what);

/* Write ${b} to standard output and empty it.  Where that cannot be done, as on a
 * full disk, say so and exit with 75; where nobody reads on, as after head(1), end by
 * SIGPIPE. */
struct imgp_buf;
void	imgp_print(struct imgp_buf *b);
/* The same for a piece of JSON, which is indented with --pretty and at a terminal. */
void	imgp_print_json(struct imgp_buf *b);
/* Standard output cannot be written, as errno says: end as above. */
void	imgp_print_failed(void) __attribute__((__noreturn__));

#endif
