/*
 * Carriers: what takes a built message away, named by a URL.
 *
 *	smtp://[user@]host[:port][/helo-name]	STARTTLS, smtps:// TLS at once
 *	sendmail:[/path/to/sendmail]		started as "sendmail -i -t"
 *	file:///dir				a Maildir
 *	https://host/path			a webhook: JSON by POST
 *	sns:arn:aws:sns:REGION:ACCOUNT:TOPIC	Amazon SNS, Publish
 *
 * smtp:// goes on only after STARTTLS with a trusted certificate (TLS 1.2 or
 * later), but as enum imgp_tls says; a password is never sent without TLS.  On
 * SMTP each recipient has a transaction of its own over one connection: libcurl
 * tells which reply a transfer ended with, not which recipient got it, and so
 * one bad recipient holds up nobody else.  The other carriers take one message
 * for all recipients.
 *
 * A webhook gets {"text", "subject", "body", "message_id"}, text being both of
 * the next, as chat services want it; http:// is for loopback alone.  SNS
 * requests are signed with the credentials that cred.h finds;
 * AWS_ENDPOINT_URL_SNS or AWS_ENDPOINT_URL names another server.
 */
#ifndef IMGPIPE_CARRIER_H
#define IMGPIPE_CARRIER_H

#include <stddef.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/mail/mail.h"

enum imgp_tls {
	IMGP_TLS_AUTO,		/* required, but on loopback as it is offered */
	IMGP_TLS_REQUIRED,
	IMGP_TLS_NO
};

struct imgp_carrier;

/* A message on its way: as bytes, and as what people read of it. */
struct imgp_parcel {
	const char	*from;		/* an address */
	const char	*const *to;	/* addresses */
	size_t		 n_to;
	const struct imgp_buf *message;	/* made by imgp_mail_build() */
	const char	*id;		/* what its Message-ID was made of */
	const char	*subject;
	const char	*text;
};

/* What became of the message for one recipient. */
struct imgp_carried {
	int		done;	/* nonzero: taken over by the carrier */
	struct imgp_err	err;	/* else why not */
};

/*
 * The carrier of ${pipeline} (NULL: of all) as the settings mail, mail_tls,
 * mail_password_file, mail_ca_file and mail_timeout say.  NULL with IMGP-CONFIG
 * in ${e}; free with imgp_carrier_free(), NULL is fine.
 */
struct imgp_carrier *imgp_carrier_open(const char *pipeline,
	    struct imgp_err *e);
void	imgp_carrier_free(struct imgp_carrier *c);
/*
 * Hand it over; SIGPIPE must be ignored, as imgp_opt() does.  ${res} (as many as
 * recipients) says what became of each.  0 when all are done, else -1 and ${e}
 * is the first failure: IMGP-MAIL-UNAVAILABLE (later may do: connection,
 * time-out, 4xx of SMTP), IMGP-MAIL-REFUSED (5xx), IMGP-MAIL-TLS,
 * IMGP-MAIL-ADDRESS, IMGP-CONFIG.  When a connection breaks at the very end the
 * message may have been taken over although it is not done: sent again it bears
 * the same Message-ID.
 */
int	imgp_carrier_send(struct imgp_carrier *c, const struct imgp_parcel *m,
	    struct imgp_carried *res, struct imgp_err *e);

#endif
