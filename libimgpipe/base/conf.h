/*
 * Settings (imgpipe.conf(5)): options first, then the environment, the systemd
 * credentials of secrets, the INI files, the compiled default.
 *
 * A setting "spool" is IMGP_SPOOL in the environment, "spool = …" above the
 * first section of a file, or in the section of one pipeline, [CODE], which
 * wins over the former.  An unknown key is an error.
 *
 * The files: the one that --config or IMGP_CONFIG names, or
 * /etc/imgpipe/imgpipe.conf, then the user's, whose lines count as if they stood
 * behind.
 */
#ifndef IMGPIPE_CONF_H
#define IMGPIPE_CONF_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

/* Before the settings are read: whoever serves others reads no user's file. */
void	imgp_conf_system_only(void);

/*
 * Before the settings are read: which secrets this process asks for.  Only they
 * are read from files of their own and from commands; to ask for another one that
 * is given so is a fault of the program, and ends it.
 */
#define IMGP_SECRETS_RECORD	1u	/* the database's, the API's */
#define IMGP_SECRETS_MAIL	2u	/* the carriers' */
void	imgp_conf_want(unsigned int secrets);

/* The option ${option} of the command line, "--wait" for one, sets ${name} to
 * ${value}, which must stay; its form is the caller's to check. */
void	imgp_conf_option(const char *name, const char *value,
	    const char *option);

/*
 * Read the files once, and hold every setting of the environment and of all its
 * sections against its form; further calls do nothing.  0, or -1 with
 * IMGP-CONFIG naming file and line, or section and setting.
 */
int	imgp_conf_load(struct imgp_err *e);

/*
 * The same for whoever only shows: ${tell} is told what is wrong in the section
 * of a pipeline, and that pipeline is to be left out.
 */
typedef void imgp_conf_warn(const struct imgp_err *e);
int	imgp_conf_load_but(imgp_conf_warn *tell, struct imgp_err *e);
void	imgp_conf_leave_out(const char *pipeline);
int	imgp_conf_is_left_out(const char *pipeline);	/* NULL: no */
/* The section at position ${at} from 0, or NULL past the last. */
const char *imgp_conf_section(size_t at);

/*
 * Have ${fn} look at the settings of no pipeline (NULL), then at those of each
 * section that is not left out.  0, or -1 with its ${e}, which names the
 * section.  After imgp_conf_load_but() a section's fault is told and the
 * pipeline left out.
 */
typedef int imgp_conf_look(const char *pipeline, struct imgp_err *e);
int	imgp_conf_check(imgp_conf_look *fn, struct imgp_err *e);

/* Nonzero when ${name} has a value for all, or in some section. */
int	imgp_conf_is_set(const char *name);
/* Nonzero when there is a setting ${name}. */
int	imgp_conf_is_known(const char *name);
/* Nonzero when there is a setting ${name} and ${value} of it is a secret: a password, a
 * token, a connection string or an address that holds one. */
int	imgp_conf_holds_secret(const char *name, const char *value);
/*
 * The value of the setting ${name} for ${pipeline} (its code; NULL: none), or
 * its default, or NULL where it has none.  Static; never an empty string: that
 * counts as not set.  ${name} must be a known setting.
 */
const char *imgp_conf(const char *pipeline, const char *name);
/* The same, where there must be a value: NULL with IMGP-CONFIG. */
const char *imgp_conf_need(const char *pipeline, const char *name,
	    struct imgp_err *e);
/* 0 when imgp_conf_is_set(), else -1 with the same error. */
int	imgp_conf_need_any(const char *name, struct imgp_err *e);
/*
 * From now on there are no other settings than ${names} (ended by NULL), and no
 * environment: what both held is wiped from memory, where a process that is made
 * from this one could read it.  Once, while there is one thread; what was
 * returned by the environment before must not be used any more.
 */
void	imgp_conf_keep(const char *const names[]);
/* The account that must own the bucket of ${place}, "logs" for one: the setting
 * logs_owner, or NULL. */
const char *imgp_conf_owner(const char *pipeline, const char *place);
/* A setting that is a duration, in seconds; -1 with IMGP-CONFIG. */
int	imgp_conf_duration(const char *pipeline, const char *name,
	    long long *seconds, struct imgp_err *e);

/*
 * Instead of imgp_conf_load(): append every setting, with its value and where it
 * comes from, in lines "NAME = VALUE<tab># ORIGIN", those of a pipeline below
 * "[CODE]"; a secret is not shown, and nothing is read or started for it.  0, or -1
 * with ${e} after what could be read is shown; ${tell} as in imgp_conf_load_but().
 */
struct imgp_buf;
int	imgp_conf_show(struct imgp_buf *b, imgp_conf_warn *tell,
	    struct imgp_err *e);

#endif
