/*
 * Settings (imgpipe.conf(5)).  The first source that has a value wins: options, the
 * environment, systemd credentials (secrets only), the INI files, the compiled default.
 *
 * The setting "spool" is IMGP_SPOOL in the environment and "spool = …" in a file: above
 * the first section for all pipelines, or in the section [CODE] for one pipeline, which
 * wins.  An unknown key is an error.
 *
 * The files are the one that --config or IMGP_CONFIG names; without either,
 * /etc/imgpipe/imgpipe.conf and then the user's file, whose lines win.
 */
#ifndef IMGPIPE_CONF_H
#define IMGPIPE_CONF_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

/* Read no user's file: for programs that serve others.  Call it before the load. */
void	imgp_conf_system_only(void);

/*
 * Declare which secrets this process uses.  Call it before the load.  Only these are
 * read from secret files and from commands; asking for any other secret given that way
 * is a bug and ends the program.
 */
#define IMGP_SECRETS_RECORD	1u	/* the database's, the API's */
#define IMGP_SECRETS_MAIL	2u	/* the carriers' */
void	imgp_conf_want(unsigned int secrets);

/* Record that the command line's option ${option}, such as "--wait", sets ${name} to
 * ${value}.  The text is not copied, and the caller checks its form. */
void	imgp_conf_option(const char *name, const char *value,
	    const char *option);

/*
 * Read the files and check the form of every setting in them and in the environment.
 * Further calls do nothing.  Returns 0, or -1 with IMGP-CONFIG, whose message names file
 * and line, or section and setting.
 */
int	imgp_conf_load(struct imgp_err *e);

/*
 * imgp_conf_load() for tools that only show: a fault in a pipeline's section goes to
 * ${tell}, and the tool leaves that pipeline out.
 */
typedef void imgp_conf_warn(const struct imgp_err *e);
int	imgp_conf_load_but(imgp_conf_warn *tell, struct imgp_err *e);
void	imgp_conf_leave_out(const char *pipeline);
int	imgp_conf_is_left_out(const char *pipeline);	/* NULL: no */
/* The section at position ${at} from 0, or NULL past the last. */
const char *imgp_conf_section(size_t at);

/*
 * Call ${fn} with NULL for the settings of all pipelines, then with the code of each
 * section that is not left out.  Returns 0, or -1 with the ${e} of ${fn}, to which the
 * section's name is added.  After imgp_conf_load_but() a section's fault goes to ${tell}
 * instead, and the pipeline is left out.
 */
typedef int imgp_conf_look(const char *pipeline, struct imgp_err *e);
int	imgp_conf_check(imgp_conf_look *fn, struct imgp_err *e);

/* Nonzero when ${name} has a value: for all pipelines, or in some section. */
int	imgp_conf_is_set(const char *name);
/* Nonzero when imgpipe has a setting called ${name}. */
int	imgp_conf_is_known(const char *name);
/* Nonzero when ${name} is a setting and this ${value} of it must not be shown: a
 * password, a token, or a connection string or address that holds one. */
int	imgp_conf_holds_secret(const char *name, const char *value);
/*
 * The value of the setting ${name} for the pipeline with the code ${pipeline} (NULL:
 * for none), else its default, else NULL.  The text lives until imgp_conf_keep() or the
 * end of the process.  It is never "": an empty value counts as not set.  ${name} must be
 * a known setting.
 */
const char *imgp_conf(const char *pipeline, const char *name);
/* imgp_conf() of a setting that is required: NULL with IMGP-CONFIG if it is not set. */
const char *imgp_conf_need(const char *pipeline, const char *name,
	    struct imgp_err *e);
/* 0 when imgp_conf_is_set(${name}), else -1 with IMGP-CONFIG. */
int	imgp_conf_need_any(const char *name, struct imgp_err *e);
/*
 * Keep only the settings ${names} (ended by NULL) and wipe all others and the whole
 * environment from memory, so that a process forked from this one cannot read them.
 * Call it once, while there is one thread.  Pointers that getenv(3) returned are
 * invalid afterwards.
 */
void	imgp_conf_keep(const char *const names[]);
/* The AWS account that must own the bucket of ${place}: for "logs" the setting
 * logs_owner.  NULL: any account. */
const char *imgp_conf_owner(const char *pipeline, const char *place);
/* Read a setting that is a duration: 0 and ${*seconds}, or -1 with IMGP-CONFIG. */
int	imgp_conf_duration(const char *pipeline, const char *name,
	    long long *seconds, struct imgp_err *e);

/*
 * Instead of imgp_conf_load(): append a line "NAME = VALUE<tab># ORIGIN" for every
 * setting, a pipeline's own ones below "[CODE]".  Secrets are not shown, and no secret
 * file is read or command run.  Returns 0, or -1 with ${e} after appending what could be
 * read; ${tell} as in imgp_conf_load_but().
 */
struct imgp_buf;
int	imgp_conf_show(struct imgp_buf *b, imgp_conf_warn *tell,
	    struct imgp_err *e);

#endif
