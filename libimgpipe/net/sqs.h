/*
 * Amazon SQS by its JSON protocol: receive and delete messages, and extend their
 * visibility timeout.
 *
 * Requests go to the endpoint that AWS_ENDPOINT_URL_SQS or AWS_ENDPOINT_URL names,
 * else to AWS's own in the queue's region; never to the host in the queue's URL,
 * which a server may have invented.  A handle is used by one thread at a time.
 */
#ifndef IMGPIPE_SQS_H
#define IMGPIPE_SQS_H

#include <stddef.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"

#define IMGP_SQS_BATCH	10	/* messages in one request */

struct imgp_sqs;

/* Make a handle for the queue with the URL ${url}; nothing is sent yet.  NULL with
 * IMGP-CONFIG, or as imgp_cred_new(). */
struct imgp_sqs *imgp_sqs_open(const char *url, struct imgp_err *e);
void	imgp_sqs_close(struct imgp_sqs *q);	/* NULL is fine */

/*
 * The functions below return 0, or -1 with IMGP-STORE-UNAVAILABLE (ask again later),
 * IMGP-STORE-DENIED, IMGP-STORE-CREDENTIALS, IMGP-PLACE-MISSING (no such queue) or
 * IMGP-STORE-IO (any other refusal).
 */

/*
 * Receive at most IMGP_SQS_BATCH messages with a visibility timeout of ${visible_after}
 * seconds; if there is none, wait up to ${wait} (at most 20) seconds.  ${*messages} is an
 * array, which the caller frees, of objects with MessageId, ReceiptHandle and Body.
 */
int	imgp_sqs_receive(struct imgp_sqs *q, int wait, int visible_after,
	    struct imgp_json **messages, struct imgp_err *e);

/*
 * Delete the ${n} (at most IMGP_SQS_BATCH) messages with these receipt handles, or set
 * their visibility timeout to ${seconds} from now.  ${failed}[i] is NULL for each success,
 * else SQS's error code, valid until the next call.
 */
int	imgp_sqs_delete(struct imgp_sqs *q, const char *const *handles,
	    size_t n, const char **failed, struct imgp_err *e);
int	imgp_sqs_keep(struct imgp_sqs *q, const char *const *handles, size_t n,
	    int seconds, const char **failed, struct imgp_err *e);

#endif
