/*
 * The directory of a sharded run, which holds all of its state (imgpipe-engines(7)).
 *
 *	lock		held by the driver while it is at work
 *	ids		the input lines, each once
 *	conf		settings NAME=VALUE and options --NAME=VALUE of all shards
 *	config		a copy of the file that IMGP_CONFIG named
 *	in/TRY-NNNN	the input lines of one shard; names are never used again
 *	out/TRY-NNNN.HOST.PID		finished job lines as a worker writes them
 *	out/TRY-NNNN.HOST.PID.jsonl	the same, once that worker came to its end; of
 *			one that did several shards the first has all lines
 *	err/TRY-NNNN.HOST.PID		what it said on standard error
 *	runs/RUN	a worker's run, whose leases may have to be released;
 *			locked while any process of it lives
 *	refused		the message of a worker that refused its settings
 *	results		the last word of each input
 *
 * All workers must see the directory under the same path.  It may hold secrets, and only
 * its user may read it.
 */
#ifndef IMGPIPE_RUNDIR_H
#define IMGPIPE_RUNDIR_H

#include <stddef.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

struct imgp_rundir {
	char	*path;			/* absolute */
	int	 fd;			/* the directory */
	int	 lock;			/* -1: opened by a worker */
};

/*
 * For the driver: make the directory if it is missing, and take its lock.  Returns 0; or
 * -1 with IMGP-CONFIG when it has files that do not belong to a run, with IMGP-STORE-IO
 * when another driver holds the lock or something fails.
 */
int	imgp_rundir_open(struct imgp_rundir *d, const char *path,
	    struct imgp_err *e);
/* For a worker: open the directory, which must exist, without its lock. */
int	imgp_rundir_enter(struct imgp_rundir *d, const char *path,
	    struct imgp_err *e);
void	imgp_rundir_release(struct imgp_rundir *d);

/* Open a file for reading: a descriptor, or -1 with ${e}. */
int	imgp_rundir_read(const struct imgp_rundir *d, const char *name,
	    struct imgp_err *e);
/* Append a whole file to ${b}, and a NUL.  Returns 0, or -1 with ${e}. */
int	imgp_rundir_read_all(const struct imgp_rundir *d, const char *name,
	    struct imgp_buf *b, struct imgp_err *e);
/* Nonzero when the file ${name} exists. */
int	imgp_rundir_has(const struct imgp_rundir *d, const char *name);
/* Write ${name} by way of a temporary file that is synced and renamed, so that nobody sees
 * half of it and it survives a crash.  Returns 0, or -1 with ${e}. */
int	imgp_rundir_write(const struct imgp_rundir *d, const char *name,
	    const void *p, size_t len, struct imgp_err *e);
/* The names in the subdirectory ${sub}, sorted by strcmp(), without those that begin with
 * a dot.  Free the list, which NULL ends, with imgp_rundir_free_list().  NULL with ${e}. */
char	**imgp_rundir_list(const struct imgp_rundir *d, const char *sub,
	    struct imgp_err *e);
void	imgp_rundir_free_list(char **names);		/* NULL is fine */

/* The number TRY of a name that begins with "TRY-NNNN"; 0: it is no such name. */
unsigned long imgp_rundir_try(const char *name);

/*
 * Write "conf" from ${options} (ended by NULL), each "--name" or "--name=value", and from
 * those variables of this process's environment that the tools read or the setting
 * extra_env names; and copy the file that IMGP_CONFIG names.  Returns 0, or -1 with
 * IMGP-CONFIG when a value contains a newline.
 */
int	imgp_rundir_save_conf(const struct imgp_rundir *d,
	    char *const options[], struct imgp_err *e);
/*
 * Set the variables of "conf" in the environment: those that are not set yet; or with
 * ${all} all of them, after unsetting every other setting of imgpipe.  IMGP_CONFIG is set
 * to the copy.  ${*options} gets the options, to be freed by imgp_rundir_free_list().
 */
int	imgp_rundir_load_conf(const struct imgp_rundir *d, int all,
	    char ***options, struct imgp_err *e);

/*
 * Register a worker's run: make the file runs/${run} and lock it by a descriptor that new
 * programs inherit, so that the lock is held while any of them lives.  Returns the
 * descriptor, or -1 with ${e}.
 */
int	imgp_rundir_begin(const struct imgp_rundir *d, const char *run,
	    struct imgp_err *e);
/* Nonzero when some process of the run lives, as far as the file's lock tells. */
int	imgp_rundir_is_alive(const struct imgp_rundir *d, const char *run);
/* Unregister a run that has no leases to release any more. */
void	imgp_rundir_forget(const struct imgp_rundir *d, const char *run);

#endif
