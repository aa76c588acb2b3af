/*
 * The wing mail: one message as bytes, and the carriers that transport it.
 *
 * It must not know what a message is about: no job, no record, and of a pipeline
 * only the section of its settings.  report/ decides who gets which message when.
 *
 * A carrier is named by a URL:
 *
 *	smtp://[user@]host[:port][/helo-name]	STARTTLS, smtps:// TLS at once
 *	sendmail:[/path/to/sendmail]		started as "sendmail -i -t"
 *	file:///dir				a Maildir
 *	https://host/path			a webhook: JSON by POST
 *	sns:arn:aws:sns:REGION:ACCOUNT:TOPIC	Amazon SNS, Publish
 *
 * Each is a file carrier_NAME.c, whose first comment says what is special about it;
 * carrier_priv.h says how to add one.
 */
#ifndef IMGPIPE_CARRIER_H
#define IMGPIPE_CARRIER_H

#include <stddef.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

enum imgp_tls {
	IMGP_TLS_AUTO,		/* required; on loopback only if offered */
	IMGP_TLS_REQUIRED,
	IMGP_TLS_NO
};

struct imgp_carrier;

/* A message to hand over: as bytes, and in parts for carriers that are not mail. */
struct imgp_parcel {
	const char	*from;		/* an address */
	const char	*const *to;	/* addresses */
	size_t		 n_to;
	const struct imgp_buf *message;	/* made by imgp_mail_build() */
	const char	*id;		/* the Message-ID's part before the '@' */
	const char	*subject;
	const char	*text;
};

/* What became of the message for one recipient. */
struct imgp_carried {
	int		done;	/* nonzero: the carrier has accepted it */
	struct imgp_err	err;	/* else why not */
};

/*
 * Open the carrier of ${pipeline} (NULL: of all) by the settings mail, mail_tls,
 * mail_password_file, mail_ca_file and mail_timeout.  ${own}, such as "labs_mail", or
 * NULL, is a setting that replaces mail if it is set; its password is then only that of
 * ${own}_password_file.  NULL with IMGP-CONFIG; free with imgp_carrier_free(), NULL is
 * fine.
 */
struct imgp_carrier *imgp_carrier_open(const char *pipeline, const char *own,
	    struct imgp_err *e);
void	imgp_carrier_free(struct imgp_carrier *c);
/* Nonzero for a carrier that relays mail to other mail servers under the sender's
 * address: SMTP and sendmail. */
int	imgp_carrier_relays(const struct imgp_carrier *c);
/*
 * Hand ${m} over; SIGPIPE must be ignored, as imgp_opt() does.  ${res} has an entry for
 * each recipient, in the order of m->to, and is filled in.  Returns 0 when all are done;
 * else -1 with the first failure: IMGP-MAIL-UNAVAILABLE (connection, time-out, SMTP 4xx:
 * a later try may succeed), IMGP-MAIL-REFUSED (5xx), IMGP-MAIL-TLS, IMGP-MAIL-ADDRESS or
 * IMGP-CONFIG.  If the connection breaks after the last byte, the carrier may have
 * accepted a message that is not done; sent again, it has the same Message-ID.
 */
int	imgp_carrier_send(struct imgp_carrier *c, const struct imgp_parcel *m,
	    struct imgp_carried *res, struct imgp_err *e);

/*
 * Test whether the carrier can be reached, without a message: log in to a mail server,
 * look for a directory or program, or get any answer from a web address.  Returns 0, or
 * -1 with ${e}.
 */
int	imgp_carrier_ask(struct imgp_carrier *c, struct imgp_err *e);

/* The library behind most carriers: "libcurl 7.88.1".  Static. */
const char *imgp_carrier_version(void);

#endif
