/*
 * imgp-lookup within the line loop: from an id or a source key to what the EDC
 * knows of the upload (imgp-lookup(1)).
 *
 * Jobs are held until no further line waits, then one query asks for all of
 * them.  Those that the replica does not have yet wait for the next round; the
 * others go on.
 */
#ifndef IMGPIPE_LOOKUP_H
#define IMGPIPE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/job/filter.h"

struct imgp_lookup_opts {	/* its texts must stay */
	const char	*replica;	/* a connection string of libpq's, or NULL */
	const char	*pipeline;	/* where several list a field; or NULL */
	const char	*source;	/* base place of the keys */
	const char	*run;		/* the id of this run */
	int64_t		 interval_ms;	/* between two looks, above 0 */
	int64_t		 retries;	/* how often to look again */
	int		 await;		/* then it is skipped: others look again */
	/* imgp_lookup_pending(): */
	int		 again;		/* and what failed for good by no fault
					 * of its own */
	int		 failed;	/* instead: what has failed, for good or not, */
	const char	*codes;		/* of these, as a JSON array; NULL: of any */
	int64_t		 sweep_every;	/* seconds for which a full difference
					 * holds; 0: one each time */
	const char	*database;	/* where it is noted, a connection string;
					 * NULL: in the replica's */
	const char	*backoff;	/* how long after the first, second, …
					 * failure of its own an upload is left
					 * out: durations; NULL: never */
};

struct imgp_lookup;

struct imgp_lookup *imgp_lookup_new(const struct imgp_lookup_opts *o);
void	imgp_lookup_free(struct imgp_lookup *l);	/* NULL is fine */

/*
 * Connect, check the schema, and that pipelines are registered, among them that of
 * the options: 0, or -1 with ${e}, which is IMGP-DB-UNAVAILABLE where it may help to
 * wait.
 */
int	imgp_lookup_check(struct imgp_lookup *l, struct imgp_err *e);
/* The same, for struct imgp_filter_ops. */
int	imgp_lookup_ask(struct imgp_job *job, const char *code, void *lookup,
	    struct imgp_err *e);

/*
 * For struct imgp_filter_ops.  A line may be an id, a source key, a place or a job
 * line.  All jobs must come to the step, failed and skipped ones too, so that they
 * leave in order.  Messages that tell of objects are made lines before (event.h).
 */
struct imgp_job *imgp_lookup_accept(const char *line, size_t len, void *lookup,
	    struct imgp_err *e);
/* The key of ${s}, a key or a place below the place ${source}, of which ${*key} is
 * a part; -1 with ${e} when it lies outside. */
int	imgp_lookup_key(const char *source, const char *s, const char **key,
	    struct imgp_err *e);
int	imgp_lookup_step(struct imgp_filter *f, struct imgp_job *job, void *lookup,
	    struct imgp_err *e);
int64_t	imgp_lookup_idle(struct imgp_filter *f, void *lookup, int eof);

/*
 * A job line for all that is still to be delivered and is due, or has failed, of
 * the pipeline of the options or of all: ${*n} lines, the caller's to free, each and the whole.
 * NULL with ${e}.
 */
char	**imgp_lookup_pending(struct imgp_lookup *l, size_t *n,
	    struct imgp_err *e);

#endif
