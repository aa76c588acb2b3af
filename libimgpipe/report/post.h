/*
 * Letters to a pipeline's admins or labs, made and sent by the settings, and the record's
 * outbox.
 *
 * The record is the setting ledger, else database, if that is a libpq connection string.
 * If there is one, a letter is first stored in its outbox and then sent from there, by
 * this process or, when the mail server is not reachable or the process dies, by the
 * next.  No letter is lost.  One is sent twice only when a process dies between the
 * carrier's answer and noting it, or needs more than a minute plus four times
 * mail_timeout; both then have the same Message-ID.  A letter that a killed process had in
 * hand is sent by the next one after that time, or at once if that has the same IMGP_RUN
 * or imgp-record release --run has released the run.
 */
#ifndef IMGPIPE_POST_H
#define IMGPIPE_POST_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/mail/mail.h"
#include "libimgpipe/record/ledger.h"

enum imgp_readers { IMGP_TO_ADMINS, IMGP_TO_LABS };

struct imgp_letter {
	const char	*pipeline;	/* whose settings count; NULL: those of all */
	enum imgp_readers to;		/* if no labs are set, the admins */
	const char	*about;		/* a text unique to this letter, from which its
					 * Message-ID is made */
	const char	*subject;
	const char	*text;
	const char	*html;		/* NULL: none */
	const struct imgp_mail_file *files;
	size_t		 n_files;
	int64_t		 date;
	int64_t		 digest_id;	/* the digest that it belongs to; 0: none */
	const int64_t	*notices;	/* numbers of the notices that it reports */
	size_t		 n_notices;
};

/* The parts of a letter, each "" if absent. */
struct imgp_draft {
	struct imgp_buf	 text, html, csv;
};
#define IMGP_DRAFT_INIT	{ IMGP_BUF_INIT, IMGP_BUF_INIT, IMGP_BUF_INIT }
void	imgp_draft_release(struct imgp_draft *d);

/* What is left out so that a letter is no larger than the setting mail_bytes. */
enum imgp_fit {
	IMGP_FIT_ALL,		/* nothing */
	IMGP_FIT_NO_PAGE,	/* the HTML page */
	IMGP_FIT_TEXT,		/* and the CSV table */
	IMGP_FIT_BRIEF		/* and all but one line per entry */
};
/* A callback that appends the parts of a letter to ${d}; with IMGP_FIT_BRIEF one line for
 * each of the first ${most} entries. */
typedef void imgp_fit_make(void *arg, enum imgp_fit fit, size_t most,
	    struct imgp_draft *d);

struct imgp_post;

/* Open it without connecting yet.  NULL with IMGP-CONFIG or IMGP-MAIL-ADDRESS when the
 * settings cannot work.  Close with imgp_post_close(), NULL is fine. */
struct imgp_post *imgp_post_open(struct imgp_err *e);
/* The same for callers that need the record: NULL with IMGP-CONFIG also when the settings
 * name none. */
struct imgp_post *imgp_post_open_record(struct imgp_err *e);
void	imgp_post_close(struct imgp_post *p);

/*
 * Store ${l} in the outbox, from which imgp_post_flush() sends it; or send it at once if
 * there is no record or it cannot be reached.  The record notes which notices it reports.
 * Returns 0; or -1 with ${e} when it was neither stored nor accepted for every reader,
 * IMGP-DB-FENCED when another letter reports some of the notices.
 */
int	imgp_post_letter(struct imgp_post *p, const struct imgp_letter *l,
	    struct imgp_err *e);
/*
 * Write the parts of the letter ${l}, which has none yet, into ${d} by ${make}, leaving
 * out as little as possible, and no entry in part, so that the whole message is no larger
 * than mail_bytes (0: any size).  ${entries} is the number of entries that it may list.
 * ${*fit} says what was left out.  Returns 0, or -1 with ${e} when no message can be made.
 */
int	imgp_post_fit(const struct imgp_letter *l, size_t entries,
	    imgp_fit_make *make, void *arg, struct imgp_draft *d,
	    enum imgp_fit *fit, struct imgp_err *e);
/* imgp_post_letter() with the text, page and table of ${d}, the table as an attachment
 * named ${csv}; an empty page or table is left out. */
int	imgp_post_draft(struct imgp_post *p, struct imgp_letter *l,
	    const struct imgp_draft *d, const char *csv, struct imgp_err *e);
/*
 * Send the letters that wait in the outbox.  ${complain} is called for each reader whose
 * letter was not sent, with the reason.  Returns the exit status: 0; 1 when a letter was
 * refused; 75 when some still wait.
 */
int	imgp_post_flush(struct imgp_post *p,
	    void (*complain)(const struct imgp_err *));
/* Nonzero when the settings name a record. */
int	imgp_post_has_record(const struct imgp_post *p);
/* imgp_db_idle() with the record's connection, where there is one. */
int	imgp_post_idle(struct imgp_post *p, int64_t ms);
/*
 * Ask the record by select pipeline.${function}(${request}), and free ${request}.  Returns
 * 0 with the answer's data in ${*data}, which the caller frees; or -1 with ${e}.
 */
int	imgp_post_ask(struct imgp_post *p, const char *function,
	    struct imgp_json *request, struct imgp_json **data,
	    struct imgp_err *e);
/* Nonzero when notices are kept, by the record or by a pipeline API. */
int	imgp_post_has_notices(const struct imgp_post *p);
/* Nonzero when there is a pipeline API that keeps no notices, and no record. */
int	imgp_post_lacks_notices(const struct imgp_post *p);
/* Ask the record or the API that keeps notices; ${op} is one of IMGP_LEDGER_NOTICE_…, the
 * rest as in imgp_post_ask(). */
int	imgp_post_notice(struct imgp_post *p, enum imgp_ledger_op op,
	    struct imgp_json *request, struct imgp_json **data,
	    struct imgp_err *e);
/*
 * Get all errors of a file in any attempt, and its status: {"rows": […], "status"} in
 * ${*data}, NULL without a record.  ${lease} is the attempt's that is reported, -1: not
 * known; fails with IMGP-DB-FENCED when the file had no such lease.
 */
int	imgp_post_error_log(struct imgp_post *p, int64_t file_id, int64_t lease,
	    struct imgp_json **data, struct imgp_err *e);

#endif
