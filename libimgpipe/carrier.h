/*
 * Carriers: what takes a built message away, named by a URL.
 *
 *	smtp://[user@]host[:port][/helo-name]	STARTTLS, smtps:// TLS at once
 *	sendmail:[/path/to/sendmail]		started as "sendmail -i -t"
 *	file:///dir				a Maildir
 *
 * smtp:// goes on only after STARTTLS with a trusted certificate (TLS 1.2 or
 * later), but as enum imgp_tls says; a password is never sent without TLS.  On SMTP each recipient has a transaction of its own over one
 * connection: libcurl tells which reply a transfer ended with, not which
 * recipient got it, and so one bad recipient holds up nobody else.
 */
#ifndef IMGPIPE_CARRIER_H
#define IMGPIPE_CARRIER_H

#include <stddef.h>

#include "libimgpipe/err.h"
#include "libimgpipe/mail.h"

enum imgp_tls {
	IMGP_TLS_AUTO,		/* required, but on loopback as it is offered */
	IMGP_TLS_REQUIRED,
	IMGP_TLS_NO
};

struct imgp_carrier;

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
/* Where mail goes, for a person: the URL without user. */
const char *imgp_carrier_name(const struct imgp_carrier *c);

/*
 * Hand over ${m}, which imgp_mail_build() made with ${from} (an address) as
 * sender, to ${n} recipients.  ${res} (${n} of them) says what became of each.
 * 0 when all are done, else -1 and ${e} is the first failure:
 * IMGP-MAIL-UNAVAILABLE (later may do: connection, time-out, 4xx),
 * IMGP-MAIL-REFUSED (5xx), IMGP-MAIL-TLS, IMGP-MAIL-ADDRESS, IMGP-CONFIG.
 * When a connection breaks at the very end the message may have been taken
 * over although it is not done: sent again it bears the same Message-ID.
 */
int	imgp_carrier_send(struct imgp_carrier *c, const char *from,
	    const char *const *to, size_t n, const struct imgp_buf *m,
	    struct imgp_carried *res, struct imgp_err *e);

#endif
