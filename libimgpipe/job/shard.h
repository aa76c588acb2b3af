/*
 * The worker of a sharded run: one imgp-run over the inputs of one shard, or of several
 * (drive.h).
 *
 * A shard may be worked on twice, even at the same time: each worker has a run and files
 * of its own, and the record's leases give an upload to one run at a time.
 */
#ifndef IMGPIPE_SHARD_H
#define IMGPIPE_SHARD_H

#include "libimgpipe/base/err.h"

struct imgp_shard {
	const char	*dir;		/* the directory of the sharded run */
	char *const	*names;		/* "TRY-NNNN", one or more, ended by NULL */
	const char	*program;	/* the path of imgp-run */
	int		 signals;	/* of imgp_supervise_signals() */
};

/*
 * Load the directory's settings, run imgp-run over the shard, and leave its output in the
 * directory.  A signal ends imgp-run, and so does the end of the process that started
 * this one.  Returns the status to exit with, imgp-run's or 128 + signal; -1 with ${e}
 * when nothing was begun.
 */
int	imgp_shard_work(const struct imgp_shard *s, struct imgp_err *e);

#endif
