/*
 * What s3*.c share: one attempt at a request, where it is sent, and how it ends.
 *
 *	s3.c		a request: signed, sent, sent again where that is right
 *	s3_judge.c	what an answer means: done, for good, or again
 *	s3_answer.c	an answer's headers, as they come
 *	s3_service.c	where the bucket's service is, and what all requests share
 *
 * A file calls those below it alone.
 */
#ifndef IMGPIPE_S3_PRIV_H
#define IMGPIPE_S3_PRIV_H

#include "libimgpipe/net/aws.h"
#include "libimgpipe/net/wire.h"
#include "libimgpipe/store/s3.h"

/* How an attempt ended: well, for good, or to be repeated. */
enum outcome { DONE, FINAL, FAULT, THROTTLE, AT_ONCE };

/* One attempt: what the wire's callbacks need. */
struct attempt {
	const struct imgp_s3_request *r;
	struct imgp_s3_answer *a;
	struct imgp_err	*e;
	int		 begun;		/* begin() saw the answer's headers */
	int		 refused;	/* begin() or sink() filled in ${e} */
	int		 mistaken;	/* and the request is to be repeated */
	int64_t		 after;		/* ms the server asks for; -1 */
	char		 date[40];	/* of the server, or "" */
	char		 region[40];	/* x-amz-bucket-region */
};

/* --- s3_judge.c --- */

/* Judge an attempt that got no answer from ${host} but ended by ${how}, for ${why}. */
enum outcome imgp_s3_judge_transport(const struct imgp_s3 *s3,
	    const struct attempt *t, enum imgp_wire_end how, const char *why,
	    const char *host, struct imgp_err *e);
/*
 * Judge an answer that is not 2xx or has an <Error>.  Fills in t->a->code and ${e}.
 * ${key} signed the request; ${*spent}, 0 at first, keeps what this request was repeated
 * for already.
 */
enum outcome imgp_s3_judge_error(struct imgp_s3 *s3, const struct attempt *t,
	    const struct imgp_aws_key *key, unsigned int *spent,
	    struct imgp_err *e);
/* Nonzero when the body of a 200 is a whole result and not an <Error> (R24). */
int	imgp_s3_is_result(const struct imgp_s3_answer *a);

/* --- s3_answer.c --- */

/* Forget the last attempt's answer, but keep the count of retries. */
void	imgp_s3_answer_clear(struct imgp_s3_answer *a);
/* The wire's header callback; ${t} is a struct attempt. */
void	imgp_s3_answer_header(void *t, const char *p, size_t len);

/* --- s3_service.c --- */

/* Where one attempt is sent, by what is known of the service at that moment. */
struct route {
	char		*region, *host;
	struct imgp_buf	 path, url;	/* the path is part of the URL */
	long		 skew;		/* seconds to add to our clock */
};
void	imgp_s3_route_make(struct route *to, struct imgp_s3 *s3,
	    const struct imgp_s3_request *r);
void	imgp_s3_route_release(struct route *to);

/* The file of CAs to trust; NULL: the system's. */
const char *imgp_s3_ca_bundle(const struct imgp_s3 *s3);
/* Milliseconds that one request may take with its repetitions. */
int64_t	imgp_s3_patience(const struct imgp_s3 *s3);
/* Use the region that the server names from now on.  1: it is a new one. */
int	imgp_s3_take_region(struct imgp_s3 *s3, const char *named);
/* Sign by the server's clock, Unix seconds, from now on.  1: the skew is a new one. */
int	imgp_s3_take_date(struct imgp_s3 *s3, int64_t date);
/* Take ${cost} from the retry quota that all requests share; -1: it is used up. */
int	imgp_s3_take_quota(struct imgp_s3 *s3, int cost);
void	imgp_s3_give_quota(struct imgp_s3 *s3, int cost);

#endif
