/*
 * One mail message as bytes (RFC 5322, MIME: RFC 2045-2047).
 *
 * Equal input gives equal bytes, part boundaries included, because the same message goes
 * to every carrier (carrier.h), into the outbox, and out of it again after a crash.
 * libcurl's mime API cannot do that: it makes boundaries at random and gives the bytes to
 * its own transfer only.
 */
#ifndef IMGPIPE_MAIL_H
#define IMGPIPE_MAIL_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

struct imgp_mail_file {			/* an attachment */
	const char	*name;		/* "new-files.csv": [A-Za-z0-9._-]+ */
	const char	*type;		/* "text/csv; charset=utf-8" */
	const char	*data;
	size_t		 len;
};

struct imgp_mail {
	const char	*from;		/* an address, or "Name <address>" */
	const char	*const *to;	/* addresses without name, ${n_to} > 0 */
	size_t		 n_to;
	const char	*subject;	/* UTF-8, without control characters */
	const char	*id;		/* the Message-ID's part before the '@'; the
					 * same for the same mail: imgp_mail_id() */
	int64_t		 date;		/* seconds since 1970 */
	const char	*text;		/* UTF-8, lines ended by "\n" */
	const char	*html;		/* the same for a browser; NULL: none */
	const struct imgp_mail_file *files;
	size_t		 n_files;
};

/*
 * Append the message to ${out}: CRLF line ends, no line above 500 bytes, no
 * byte above 126, Auto-Submitted: auto-generated (RFC 3834).  Text beyond ASCII is
 * encoded as quoted-printable, attachments as base64, names and subjects beyond ASCII as
 * encoded words (RFC 2047).  Returns 0; or -1 with IMGP-MAIL-ADDRESS (control characters
 * in a header, a malformed address) or IMGP-INTERNAL (text that is not UTF-8).
 */
int	imgp_mail_build(const struct imgp_mail *m, struct imgp_buf *out,
	    struct imgp_err *e);

/*
 * Check an address for an SMTP command: dot-atom, '@', host name; ASCII, at most 254
 * bytes (RFC 5321).  Quoting, comments, literals and routes are refused, so nothing in it
 * can end or begin a command.  Returns 0, or -1 with IMGP-MAIL-ADDRESS.
 */
int	imgp_mail_check_address(const char *addr, struct imgp_err *e);

/* The address in "Name <address>" or "address", checked; the caller frees it.  NULL with
 * ${e}. */
char	*imgp_mail_address(const char *from, struct imgp_err *e);

struct imgp_mail_list {
	char	**addr;		/* checked, no address twice */
	size_t	  n;
};

/* Parse ${s}, addresses separated by commas and white space.  Returns 0, also for an
 * empty list; or -1 with ${e}.  Release ${l} in both cases. */
int	imgp_mail_list_parse(const char *s, struct imgp_mail_list *l,
	    struct imgp_err *e);
void	imgp_mail_list_release(struct imgp_mail_list *l);

/*
 * Make a mail's id from a text that is unique to this mail: "imgp-" and the first 32 hex
 * digits of the SHA-256 of ${s}.  The caller frees it.
 */
char	*imgp_mail_id(const char *s);

#endif
