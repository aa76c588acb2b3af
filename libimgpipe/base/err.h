/*
 * The wing base: what every program needs.  It must not know archives, DICOM, the
 * network or a job.
 *
 * This file: why a call failed, as one code of the error dictionary and one line of text.
 *
 * The library fills it in; only a tool prints it.  Every code stands in
 * errors.tsv with its class, owner, meaning and remedy; of that file the constants
 * IMGP_E_… (dashes as underscores, the leading IMGP- dropped), the table
 * behind imgp_error_find() and the SQL rows are made.
 */
#ifndef IMGPIPE_ERR_H
#define IMGPIPE_ERR_H

#include <stddef.h>

#include "err_codes.h"		/* generated: IMGP_E_DB_FENCED and so on */

struct imgp_err {
	const char	*code;	/* static, of the dictionary; NULL: no failure */
	char		 msg[512]; /* one printable line, no program name */
};

/* Whose fault it is; job/fault.h says what follows from it. */
enum imgp_owner {
	IMGP_OWNER_NONE,	/* a reason to skip is nobody's fault */
	IMGP_OWNER_UPLOAD,	/* the upload's: its bytes, its EDC data, its line */
	IMGP_OWNER_OURS,	/* settings, rights, credentials, sandbox, memory,
				 * disk, clock, a process killed or hung */
	IMGP_OWNER_SERVICE	/* a server is away */
};

/* One row of the dictionary, which a site may replace (dictionary.h) when the settings
 * are read.  All text is static. */
struct imgp_error {
	const char	*code;		/* "IMGP-DB-FENCED" */
	const char	*class;		/* "conflict"; "-" for a reason to skip */
	enum imgp_owner	 owner;
	int		 retryable;	/* a later try may succeed; always nonzero
					 * unless the owner is the upload */
	const char	*meaning;	/* for people, one line */
	const char	*action;	/* what to do about it, one line */
};

/*
 * Fill ${e} (which may be NULL) with ${code} and the formatted text, and
 * return -1, so that a caller can return the result.  The text is cut to fit
 * and made printable as imgp_printable() says, so a message is safe on a
 * terminal and in a mail whatever bytes its arguments held.
 */
int	imgp_fail(struct imgp_err *e, const char *code, const char *fmt, ...)
	    __attribute__((__format__(printf, 3, 4)));

/* imgp_fail() for a failed system call: appends ": " and strerror(errno). */
int	imgp_fail_errno(struct imgp_err *e, const char *code,
	    const char *fmt, ...) __attribute__((__format__(printf, 3, 4)));

/* The dictionary row of ${code}, or NULL when it has none. */
const struct imgp_error *imgp_error_find(const char *code);

/* imgp_error_find() for a code as people type it: without "IMGP-", or in lower case. */
const struct imgp_error *imgp_error_named(const char *code);

/* The owner of ${code}; IMGP_OWNER_OURS for an unknown code, so that an unknown fault
 * neither fails an upload for good nor lets it be delivered. */
enum imgp_owner imgp_error_owner(const char *code);

/*
 * Nonzero when the class of ${code} is "temporary": asking again within seconds
 * may help.  Other retryable faults need somebody to act, or a later run.
 */
int	imgp_error_is_temporary(const char *code);

/* The row at position ${i} from 0, or NULL past the end. */
const struct imgp_error *imgp_error_at(size_t i);

#endif
