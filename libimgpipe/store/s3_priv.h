/*
 * What the files of s3.c share: one attempt at a request, where it goes, and how it
 * ends.  Private to s3*.c.
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

/* No answer came from ${host}, but an end ${how}, and ${why}. */
enum outcome imgp_s3_judge_transport(const struct imgp_s3 *s3,
	    const struct attempt *t, enum imgp_wire_end how, const char *why,
	    const char *host, struct imgp_err *e);
/*
 * The server answered, with another status than 2xx or with an <Error>.  Fills in
 * t->a->code and ${e}.  ${key}: what the request was signed with; ${*spent}: what
 * this request was repeated for already, 0 at first.
 */
enum outcome imgp_s3_judge_error(struct imgp_s3 *s3, const struct attempt *t,
	    const struct imgp_aws_key *key, unsigned int *spent,
	    struct imgp_err *e);
/* Nonzero: the body of a 200 is a whole result, and not an <Error> (R24). */
int	imgp_s3_is_result(const struct imgp_s3_answer *a);

/* --- s3_answer.c --- */

/* Forget the last attempt's answer, but count on. */
void	imgp_s3_answer_clear(struct imgp_s3_answer *a);
/* For the wire: the header line ${p}; ${t} is a struct attempt. */
void	imgp_s3_answer_header(void *t, const char *p, size_t len);

/* --- s3_service.c --- */

/* Where one attempt goes, as the service is known at that moment. */
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
/* The ms that one request may take with its repetitions. */
int64_t	imgp_s3_patience(const struct imgp_s3 *s3);
/* Take over the region that the server names.  1: it is another one. */
int	imgp_s3_take_region(struct imgp_s3 *s3, const char *named);
/* Go by the server's clock, Unix seconds.  1: it says another time than before. */
int	imgp_s3_take_date(struct imgp_s3 *s3, int64_t date);
/* Take ${cost} from the quota that all requests share; -1: it is used up. */
int	imgp_s3_take_quota(struct imgp_s3 *s3, int cost);
void	imgp_s3_give_quota(struct imgp_s3 *s3, int cost);

#endif
