/*
 * The three hops of a job between its places: source to local (fetch), local
 * to temp (stage), temp to destination (deliver).
 *
 * A place in a job line must lie below the setting of the same name (source,
 * temp, destination; spool for local).  Nothing else is read, written or
 * removed, whatever a line says (R35).
 */
#ifndef IMGPIPE_TRANSFER_H
#define IMGPIPE_TRANSFER_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

struct imgp_transfer;

#define IMGP_TRANSFER_KEEP	1u	/* leave local and temp where they are */
#define IMGP_TRANSFER_READBACK	2u	/* read every delivered object back; in
					 * directories that is always done */
#define IMGP_TRANSFER_DRY	4u	/* check the places, move nothing */

/*
 * The hop between two places, by their names in a job line.  NULL with IMGP-CONFIG when
 * there is no such hop; free with imgp_transfer_free(), NULL is fine.
 */
struct imgp_transfer *imgp_transfer_new(const char *from, const char *to,
	    unsigned int flags, struct imgp_err *e);
void	imgp_transfer_free(struct imgp_transfer *t);

/* Its stage in "errors": "fetch", "stage" or "deliver". */
const char *imgp_transfer_stage(const struct imgp_transfer *t);
/* Nonzero for the hop that clears up after failed jobs (deliver). */
int	imgp_transfer_sees_failed(const struct imgp_transfer *t);

/*
 * Do the hop for ${job}: copy and verify the object, note its place, size and SHA-256 in
 * the job, and remove the source if it is local or temp.  It is idempotent: an object
 * that is at the target with the job's bytes counts as copied.  The local and temp of a
 * job that failed before, or that fails for good in the last hop, are removed.  Returns
 * 0, or -1 with ${e}.  Several threads may call it at once, each with its own job.
 */
int	imgp_transfer_job(struct imgp_transfer *t, struct imgp_job *job,
	    struct imgp_err *e);

/*
 * If a place of any pipeline is in S3, find the AWS credentials, as the first request
 * would.  Returns 0, also when their source cannot be reached now; or -1 with ${e}.
 */
int	imgp_transfer_credentials(struct imgp_err *e);

/*
 * Test whether the places of ${job}'s pipeline can be read and written as this hop needs.
 * No upload is touched.  Returns 0, or -1 with ${e}.
 */
int	imgp_transfer_ask(struct imgp_transfer *t, struct imgp_job *job,
	    struct imgp_err *e);

#endif
