/*
 * imgp-engine-batch: the driver's side is imgp-engine-batch.c, the container's
 * engine_batch_shard.c.  What they share is a place in S3, one for each run's
 * directory, below it:
 *
 *	conf, config	of the directory, without what is the driver's machine's own
 *	TRY-NNNN.pack	the shards of a round, by the name of its first: for each a
 *			line "NAME BYTES" and then so many bytes of in/NAME
 *	out/, err/, runs/, refused	what containers left, as the directory has it
 */
#ifndef IMGPIPE_ENGINE_BATCH_H
#define IMGPIPE_ENGINE_BATCH_H

#include <stddef.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/store/store.h"

/* A directory of a run and its place in S3. */
struct engine_batch_place {
	char	*dir, *url;		/* "file:///...", "s3://...", both with '/' */
	struct imgp_store *files, *objects;
};

/* Open both.  0, or -1 with ${e}; to be released in either case. */
int	engine_batch_open(struct engine_batch_place *p, const char *dir,
	    const char *url, struct imgp_err *e);
void	engine_batch_release(struct engine_batch_place *p);
/* Copy ${name} from the directory to S3, or with ${back} from there.  0, or -1. */
int	engine_batch_copy(const struct engine_batch_place *p, const char *name,
	    int back, struct imgp_err *e);

/* Wait ${ms}, or until SIGTERM or SIGCHLD comes, which are to be blocked: it, or 0. */
int	engine_batch_await(int ms);

/*
 * In container ${index} of ${size}: do each ${size}th shard of ${pack} at the place
 * ${url}, and leave there what came of it.  The status to end with: 0, whatever came
 * of them; 75 where S3 was not to be reached; 2 where nothing can be done here; 143.
 */
int	engine_batch_work(const char *url, const char *pack, int size, int index);

#endif
