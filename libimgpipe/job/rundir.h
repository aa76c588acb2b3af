/*
 * The directory of a sharded run, the only truth about it (imgpipe-engines(7)).
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
 *	runs/RUN	a worker's run, whose leases may have to be given back;
 *			locked while any process of it lives
 *	refused		what a worker said whose run refused its settings
 *	results		the last word of each input
 *
 * The directory lies where all workers see it under the same name.  It may hold
 * secrets, and is its user's alone.
 */
#ifndef IMGPIPE_RUNDIR_H
#define IMGPIPE_RUNDIR_H

#include <stddef.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

struct imgp_rundir {
	char	*path;			/* absolute */
	int	 fd;			/* the directory */
	int	 lock;			/* -1: a worker's view of it */
};

/*
 * For the driver: make the directory where it is missing, and take its lock.  0; -1
 * with IMGP-CONFIG where it has files that are not of a run, with IMGP-STORE-IO where
 * another driver has it or something fails.
 */
int	imgp_rundir_open(struct imgp_rundir *d, const char *path,
	    struct imgp_err *e);
/* For a worker: it must be there, and is not locked. */
int	imgp_rundir_enter(struct imgp_rundir *d, const char *path,
	    struct imgp_err *e);
void	imgp_rundir_release(struct imgp_rundir *d);

/* Open a file for reading: a descriptor, or -1 with ${e}. */
int	imgp_rundir_read(const struct imgp_rundir *d, const char *name,
	    struct imgp_err *e);
/* Append all that a file holds to ${b}, and a NUL behind it.  0, or -1 with ${e}. */
int	imgp_rundir_read_all(const struct imgp_rundir *d, const char *name,
	    struct imgp_buf *b, struct imgp_err *e);
/* Nonzero when it is there. */
int	imgp_rundir_has(const struct imgp_rundir *d, const char *name);
/* Write a file beside ${name} and rename it, so that nobody sees half of it, and
 * that it outlives a crash.  0, or -1 with ${e}. */
int	imgp_rundir_write(const struct imgp_rundir *d, const char *name,
	    const void *p, size_t len, struct imgp_err *e);
/* The names in a directory of it, sorted by strcmp(), ended by NULL; the caller
 * frees each and the list.  What begins with a dot is left out.  NULL with ${e}. */
char	**imgp_rundir_list(const struct imgp_rundir *d, const char *sub,
	    struct imgp_err *e);
void	imgp_rundir_free_list(char **names);		/* NULL is fine */

/* The number of a shard's try, from "TRY-NNNN" and what follows; 0: no such name. */
unsigned long imgp_rundir_try(const char *name);

/*
 * Write "conf" from this process's environment and ${options} (ended by NULL), each
 * "--name" or "--name=value"; and copy the file that IMGP_CONFIG names.  Of the
 * environment it takes what the tools read, and the names of the setting extra_env.
 * 0, or -1 with IMGP-CONFIG where a value holds a newline.
 */
int	imgp_rundir_save_conf(const struct imgp_rundir *d,
	    char *const options[], struct imgp_err *e);
/*
 * Take the settings of "conf" into the environment: those that are not set there, or,
 * with ${all}, all, and no setting of imgpipe's beside them.  IMGP_CONFIG becomes
 * the copy.  The options are ${*options}, to be freed by imgp_rundir_free_list().
 */
int	imgp_rundir_load_conf(const struct imgp_rundir *d, int all,
	    char ***options, struct imgp_err *e);

/*
 * Take note of a worker's run: the file runs/${run}, locked by a descriptor that new
 * programs inherit, so that the lock is held while any of them lives.  The
 * descriptor, or -1 with ${e}.
 */
int	imgp_rundir_begin(const struct imgp_rundir *d, const char *run,
	    struct imgp_err *e);
/* Nonzero when some process of the run lives, as far as the file system tells. */
int	imgp_rundir_is_alive(const struct imgp_rundir *d, const char *run);
/* Nothing has to be given back any more. */
void	imgp_rundir_forget(const struct imgp_rundir *d, const char *run);

#endif
