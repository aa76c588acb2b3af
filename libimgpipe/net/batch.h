/*
 * AWS Batch: jobs submitted, looked at and terminated, with our own signature.
 *
 * Requests go to the endpoint that AWS_ENDPOINT_URL_BATCH or AWS_ENDPOINT_URL names,
 * else to AWS's own in the region of cred.h.  A handle is used by one thread at a
 * time.
 */
#ifndef IMGPIPE_BATCH_H
#define IMGPIPE_BATCH_H

#include "libimgpipe/base/err.h"

struct imgp_batch;

/* Nothing is sent yet.  NULL as imgp_aws_json_open(). */
struct imgp_batch *imgp_batch_open(struct imgp_err *e);
void	imgp_batch_close(struct imgp_batch *b);		/* NULL is fine */

/* All of the following: 0, or -1 and ${e} as imgp_aws_json_ask(). */

#define IMGP_BATCH_ELEMENTS	10000	/* of one array */

struct imgp_batch_job {
	const char	*name;		/* letters, digits, '-' and '_' */
	const char	*queue, *definition;	/* names or ARNs */
	const char *const *command;	/* in place of the definition's; NULL ended */
	int		 size;		/* elements; 1: no array, but a plain job */
};

/* Submit it: its id.  Where the answer is lost (IMGP-STORE-UNAVAILABLE) it may have
 * been submitted. */
int	imgp_batch_submit(struct imgp_batch *b, const struct imgp_batch_job *job,
	    char id[64], struct imgp_err *e);

struct imgp_batch_state {
	int	known;		/* 0: Batch knows no such job, or not yet */
	int	ended;		/* nothing of it runs or waits */
	int	cancelled;	/* somebody terminated or cancelled it */
	int	elements;	/* 1 of a plain job */
	int	failed;		/* of them */
};
int	imgp_batch_look(struct imgp_batch *b, const char *id,
	    struct imgp_batch_state *s, struct imgp_err *e);

/*
 * Why an ended job failed: of one of the elements that did, the status that its
 * container ended with (-1: none, it did not start or was lost) and Batch's words.
 */
int	imgp_batch_why(struct imgp_batch *b, const char *id, int is_array,
	    int *status, char words[256], struct imgp_err *e);

/* Terminate it, whatever state it is in: what runs gets SIGTERM. */
int	imgp_batch_terminate(struct imgp_batch *b, const char *id,
	    struct imgp_err *e);

/* Call ${fn} for each job of that name in ${queue} that has not ended. */
int	imgp_batch_left(struct imgp_batch *b, const char *queue,
	    const char *name, void (*fn)(void *arg, const char *id), void *arg,
	    struct imgp_err *e);

#endif
