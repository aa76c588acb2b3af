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
#define IMGP_TRANSFER_READBACK	2u	/* read again all that is delivered; in
					 * directories that is always done */
#define IMGP_TRANSFER_DRY	4u	/* check the places, move nothing */

/*
 * The hop between two places named as in a job line.  NULL with IMGP-CONFIG
 * where there is none; free with imgp_transfer_free(), NULL is fine.
 */
struct imgp_transfer *imgp_transfer_new(const char *from, const char *to,
	    unsigned int flags, struct imgp_err *e);
void	imgp_transfer_free(struct imgp_transfer *t);

/* Its stage, as "errors" names it: "fetch", "stage" or "deliver". */
const char *imgp_transfer_stage(const struct imgp_transfer *t);
/* Nonzero for the hop that clears up after failed jobs (deliver). */
int	imgp_transfer_sees_failed(const struct imgp_transfer *t);

/*
 * Do the hop for ${job}: move and verify the object, note its place, size and
 * SHA-256, remove what was moved from local or temp.  Doing it again is fine:
 * what is where it should be, with the bytes that the job promises, is done.
 * The local and temp of a job that failed before, or that fails for good in the
 * last hop, are removed.  0, or -1 and ${e}.  May be called
 * from several threads at once, each with a job of its own.
 */
int	imgp_transfer_job(struct imgp_transfer *t, struct imgp_job *job,
	    struct imgp_err *e);

/*
 * Where a place of any pipeline is in S3: find the credentials, as the first
 * request would.  0, also where their source is away for now; or -1 with ${e}.
 */
int	imgp_transfer_credentials(struct imgp_err *e);

/*
 * Ask the places of ${job}'s pipeline themselves whether what this way needs of
 * them can be had: reading, writing.  No upload is touched.  0, or -1 and ${e}.
 */
int	imgp_transfer_ask(struct imgp_transfer *t, struct imgp_job *job,
	    struct imgp_err *e);

#endif
