/*
 * AWS Batch: submit, describe, list and terminate jobs.
 *
 * Requests go to the endpoint that AWS_ENDPOINT_URL_BATCH or AWS_ENDPOINT_URL names,
 * else to AWS's own in the region of cred.h.  A handle is used by one thread at a
 * time.
 */
#ifndef IMGPIPE_BATCH_H
#define IMGPIPE_BATCH_H

#include "libimgpipe/base/err.h"

struct imgp_batch;

/* Make a handle; nothing is sent yet.  NULL with ${e} as imgp_aws_json_open(). */
struct imgp_batch *imgp_batch_open(struct imgp_err *e);
void	imgp_batch_close(struct imgp_batch *b);		/* NULL is fine */

/* The functions below return 0, or -1 with ${e} as imgp_aws_json_ask(). */

#define IMGP_BATCH_ELEMENTS	10000	/* at most in one array job */

struct imgp_batch_job {
	const char	*name;		/* letters, digits, '-' and '_' */
	const char	*queue, *definition;	/* names or ARNs */
	const char *const *command;	/* overrides the definition's; ended by NULL */
	int		 size;		/* elements; 1: a plain job, no array */
};

/* Submit it and get its job id.  After IMGP-STORE-UNAVAILABLE the answer may have been
 * lost and the job submitted all the same. */
int	imgp_batch_submit(struct imgp_batch *b, const struct imgp_batch_job *job,
	    char id[64], struct imgp_err *e);

struct imgp_batch_state {
	int	known;		/* 0: Batch does not know the job, or not yet */
	int	ended;		/* no element runs or waits any more */
	int	cancelled;	/* somebody terminated or cancelled it */
	int	elements;	/* 1 of a plain job */
	int	failed;		/* of them */
};
int	imgp_batch_look(struct imgp_batch *b, const char *id,
	    struct imgp_batch_state *s, struct imgp_err *e);

/*
 * Why an ended job failed, from one of the elements that failed: its container's exit
 * status (-1: it has none, since it did not start or was lost) and Batch's statusReason.
 */
int	imgp_batch_why(struct imgp_batch *b, const char *id, int is_array,
	    int *status, char words[256], struct imgp_err *e);

/* Terminate it in whatever state it is (TerminateJob); running containers get SIGTERM. */
int	imgp_batch_terminate(struct imgp_batch *b, const char *id,
	    struct imgp_err *e);

/* Call ${fn} for each job of that name in ${queue} that has not ended. */
int	imgp_batch_left(struct imgp_batch *b, const char *queue,
	    const char *name, void (*fn)(void *arg, const char *id), void *arg,
	    struct imgp_err *e);

#endif
