/*
 * imgp-run's sharded runs: --engine and what goes with it (imgpipe-engines(7)).
 */
#ifndef SUPERVISE_ENGINE_H
#define SUPERVISE_ENGINE_H

#include <stddef.h>

struct engine_options {
	const char *engine, *run;	/* NULL: not given */
	const char *shard;		/* the worker is wanted; more may be operands */
	size_t	 per_shard;		/* 0: not given */
	int	 shard_jobs;		/* 0: not given */
	int	 resume, failed;	/* --resume, --resume-failed */
	const char *pipeline, *with;	/* for the shards; NULL: not given */
	int	 again;
	int	 null;			/* what is read ends with NUL */
};

/* Nonzero when one of its options is given, the worker's among them. */
int	engine_is_wanted(const struct engine_options *o);

/*
 * Do the sharded run over ${n} operands or, without any and unless it is resumed,
 * standard input; or a worker's part of it.  ${signals} is of
 * imgp_supervise_signals().  Returns the status to end with.
 */
int	engine_run(const struct engine_options *o, int n,
	    char *const operands[], int signals);

#endif
