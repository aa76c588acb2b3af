/*
 * imgp-lookup within the line loop: look up what the EDC knows of an upload, by its id or
 * source key (imgp-lookup(1)).
 *
 * Jobs are held until no further line waits; then one query asks for all of them.  Those
 * that the replica does not have yet wait for the next round; the others go on.
 */
#ifndef IMGPIPE_LOOKUP_H
#define IMGPIPE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/job/filter.h"

struct imgp_lookup_opts {	/* its texts are not copied */
	const char	*replica;	/* a libpq connection string, or NULL */
	const char	*pipeline;	/* which to take if several list a field; NULL:
					 * that is an error */
	const char	*source;	/* base place of the source keys */
	const char	*run;		/* the id of this run */
	int64_t		 interval_ms;	/* between two queries, above 0 */
	int64_t		 retries;	/* how many more queries */
	int		 await;		/* an upload not found after them is skipped
					 * rather than failed: the driver of a
					 * sharded run looks again */
	/* For imgp_lookup_pending(): */
	int		 again;		/* list also what failed for good by no
					 * fault of its own */
	int		 failed;	/* list instead what has failed, for good or not, */
	const char	*codes;		/* with one of these, a JSON array; NULL: any */
	int64_t		 sweep_every;	/* seconds between two comparisons of all
					 * uploads and rows; 0: compare all now */
	const char	*database;	/* where the time of the last one is noted, a
					 * connection string; NULL: the replica */
	const char	*backoff;	/* durations for which an upload is left out
					 * after its first, second, … failure of
					 * its own; NULL: not left out */
};

struct imgp_lookup;

struct imgp_lookup *imgp_lookup_new(const struct imgp_lookup_opts *o);
void	imgp_lookup_free(struct imgp_lookup *l);	/* NULL is fine */

/*
 * Connect, and check the schema and that pipelines are registered, among them that of the
 * options.  Returns 0, or -1 with ${e}: IMGP-DB-UNAVAILABLE when waiting may help.
 */
int	imgp_lookup_check(struct imgp_lookup *l, struct imgp_err *e);
/* imgp_lookup_check() as an imgp_filter_ops.ask. */
int	imgp_lookup_ask(struct imgp_job *job, const char *code, void *lookup,
	    struct imgp_err *e);

/*
 * The callbacks of struct imgp_filter_ops.  A line may be an id, a source key, a place or
 * a job line; event.h has turned messages about objects into lines before.  Set
 * IMGP_SEES_FAILED and IMGP_SEES_SKIPPED, so that all jobs leave in order.
 */
struct imgp_job *imgp_lookup_accept(const char *line, size_t len, void *lookup,
	    struct imgp_err *e);
/* Get the key from ${s}, which is a key, or a place below the place ${source}.  ${*key}
 * points into ${s}.  Returns 0, or -1 with ${e} when the place lies outside. */
int	imgp_lookup_key(const char *source, const char *s, const char **key,
	    struct imgp_err *e);
int	imgp_lookup_step(struct imgp_filter *f, struct imgp_job *job, void *lookup,
	    struct imgp_err *e);
int64_t	imgp_lookup_idle(struct imgp_filter *f, void *lookup, int eof);
int	imgp_lookup_rest(void *lookup, int64_t ms);

/*
 * Job lines for all uploads, of the options' pipeline or of all, that are to be delivered
 * and due or, with the option ${failed}, have failed.  Returns an array of ${*n} lines;
 * the caller frees each and the array.  NULL with ${e}.
 */
char	**imgp_lookup_pending(struct imgp_lookup *l, size_t *n,
	    struct imgp_err *e);

#endif
