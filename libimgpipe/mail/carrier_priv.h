/*
 * The functions that a carrier implements for carrier.c, and what carriers share.
 *
 * To add the carrier NAME: write carrier_NAME.c, which defines
 * imgp_carrier_NAME; add NAME to IMGP_CARRIERS below; describe its URL in
 * imgpipe.conf(5).
 */
#ifndef IMGPIPE_CARRIER_PRIV_H
#define IMGPIPE_CARRIER_PRIV_H

#include "libimgpipe/mail/carrier.h"

struct imgp_carrier {
	const struct imgp_carrier_kind *kind;
	char		*target;	/* what the kind's open() made of the URL */
	char		*user;		/* NULL: no login */
	const char	*password;	/* NULL: none */
	const char	*ca_file;	/* NULL: the system's */
	enum imgp_tls	 tls;
	long		 timeout;	/* seconds, 1 to 3600 */
};

struct imgp_carrier_kind {
	const char	*urls[3];	/* how its URLs begin, NULL ended */
	int		 relays;	/* imgp_carrier_relays() */
	/*
	 * Check ${url}, which begins as one of ${urls}, and set ${c->target}, and
	 * ${c->user} if there is one.  The settings are not read yet.  0, or -1
	 * with IMGP-CONFIG.
	 */
	int	(*open)(struct imgp_carrier *c, const char *url,
		    struct imgp_err *e);
	/*
	 * As imgp_carrier_send(), with ${res} zeroed.  A carrier with one outcome
	 * for all recipients leaves ${res} alone: it is filled in from the return
	 * value and ${e}.
	 */
	int	(*send)(const struct imgp_carrier *c,
		    const struct imgp_parcel *m, struct imgp_carried *res,
		    struct imgp_err *e);
	/* As imgp_carrier_ask(). */
	int	(*ask)(const struct imgp_carrier *c, struct imgp_err *e);
};

/* Every carrier there is: X(NAME) for the kind imgp_carrier_NAME. */
#define IMGP_CARRIERS(X) X(smtp) X(sendmail) X(maildir) X(webhook) X(sns)

#define IMGP_CARRIER_DECLARE(name) \
	extern const struct imgp_carrier_kind imgp_carrier_##name;
IMGP_CARRIERS(IMGP_CARRIER_DECLARE)

/* Append the message ${m} as local programs store it: lines end by LF. */
void	imgp_carrier_local(const struct imgp_buf *m, struct imgp_buf *out);

#endif
