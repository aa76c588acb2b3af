/* Private to conf*.c: the table of settings, where a value comes from, and its form. */
#ifndef IMGPIPE_CONF_PRIV_H
#define IMGPIPE_CONF_PRIV_H

#include <stddef.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/err.h"

/* Flags of a row, beside IMGP_SECRETS_…, which say whose secret a setting is. */
#define IMGP_CONF_BY_FILE	0x10u	/* a file that holds the secret of the row before */
#define IMGP_CONF_BY_COMMAND	0x20u	/* a command that prints the secret two rows before */
#define IMGP_CONF_LINES		0x40u	/* a secret of several lines */
#define IMGP_CONF_PATH		0x80u	/* NAME_file: systemd's credential NAME counts, too */

struct imgp_conf_row {
	const char	*name;
	const char	*value;		/* the default; NULL: none */
	const char	*form;		/* imgp_conf_form(); NULL: any text, which
					 * its user checks */
	unsigned int	 flags;
};
extern const struct imgp_conf_row imgp_conf_rows[];
extern const size_t imgp_conf_nrows;

#define IMGP_CONF_ROWS	128		/* at least imgp_conf_nrows */

/* The index of the row of ${name}; imgp_conf_nrows if there is none. */
size_t	imgp_conf_find(const char *name);
/* The index of the secret that row ${which} gives by file or command; else ${which}. */
size_t	imgp_conf_base(size_t which);

/* A line of a file. */
struct imgp_conf_entry {
	char		*section;	/* "" above the first */
	size_t		 which;		/* its row */
	char		*value;
	char		*secret;	/* read from the file or command, or NULL */
	const char	*path;		/* of the file */
	size_t		 line;
	int		 wrong;		/* this line or another of its section is */
};

enum imgp_conf_origin { IMGP_CONF_UNSET, IMGP_CONF_DEFAULT, IMGP_CONF_SECTION,
    IMGP_CONF_FILE, IMGP_CONF_CREDENTIAL, IMGP_CONF_ENVIRONMENT,
    IMGP_CONF_OPTION };

/* Where the value of a setting comes from. */
struct imgp_conf_source {
	enum imgp_conf_origin origin;
	size_t		 which;		/* the row that gives it: NAME, NAME_file or
					 * NAME_command */
	const char	*given;		/* the text given: the value, a path or a
					 * command */
	char		**secret;	/* where the secret read is kept; NULL:
					 * ${given} is the value */
	const struct imgp_conf_entry *entry;	/* the line of a file, or NULL */
	const char	*option;	/* its name, or NULL */
};
struct imgp_conf_source imgp_conf_find_source(const char *pipeline, size_t which);

/* The files that were read, and their lines. */
const char *imgp_conf_path(size_t at);	/* NULL past the last */
const struct imgp_conf_entry *imgp_conf_entry(size_t at);

/* The name of a setting in the environment, such as IMGP_SPOOL. */
const char *imgp_conf_env(const char *name, char env[64]);
/* Nonzero when ${value} of the row ${which} must not be shown. */
int	imgp_conf_is_secret(size_t which, const char *value);

/* From now on read no secret from files or commands. */
void	imgp_conf_unwant(void);

/*
 * Read the secret of ${s}, whose ${secret} must not be NULL, from its file or from the
 * output of its command.  Returns 0, or -1 with IMGP-CONFIG, whose message names the
 * setting and never what was read.
 */
int	imgp_conf_read_secret(const struct imgp_conf_source *s,
	    struct imgp_err *e);

/*
 * 0 when ${value} has the form ${form}, else -1 with IMGP-CONFIG; the message
 * does not name the setting.
 *
 *	of A B C		one of these words
 *	number MIN MAX		a whole number
 *	time MIN MAX		a duration, within these seconds
 *	times			durations, separated by blanks
 *	place			s3://bucket/key or file:///path
 *	path			an absolute path
 *	command			a program's absolute path, and words for it
 *	names			of variables of the environment
 *	account			the twelve digits of an AWS account
 */
int	imgp_conf_form(const char *form, const char *value,
	    struct imgp_err *e);

#endif
