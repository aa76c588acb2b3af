/*
 * The post office: letters to a pipeline's admins or labs, made and sent as
 * the settings say, and the record's side of it.
 *
 * The record is that of the setting ledger, else database, where it is a
 * libpq connection string.  Where there is one, a letter is first kept in its
 * outbox and then sent from there, by this process or, when the mail server is
 * away or the process dies, by the next: none is lost, and none sent twice but
 * when a process dies between the carrier's answer and noting it, or needs more
 * than a minute and four times mail_timeout; then both bear the same Message-ID.
 * A letter that a killed process held is sent by the next one after that time; at once
 * by one of the same IMGP_RUN, or when imgp-record release --run gave that run back.
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
	const char	*pipeline;	/* whose settings count; NULL: all's */
	enum imgp_readers to;		/* labs that are not set: the admins */
	const char	*about;		/* the same letter, the same words here:
					 * of this its Message-ID is made */
	const char	*subject;
	const char	*text;
	const char	*html;		/* NULL: none */
	const struct imgp_mail_file *files;
	size_t		 n_files;
	int64_t		 date;
	int64_t		 digest_id;	/* of what digest it is; 0: none */
	const int64_t	*notices;	/* of the record, which it tells */
	size_t		 n_notices;
};

/* A letter's parts, as their writers make them. */
struct imgp_draft {
	struct imgp_buf	 text, html, csv;
};
#define IMGP_DRAFT_INIT	{ IMGP_BUF_INIT, IMGP_BUF_INIT, IMGP_BUF_INIT }
void	imgp_draft_release(struct imgp_draft *d);

/* What is left out of a letter that is larger than the setting mail_bytes allows. */
enum imgp_fit {
	IMGP_FIT_ALL,		/* nothing */
	IMGP_FIT_NO_PAGE,	/* the page */
	IMGP_FIT_TEXT,		/* and the table */
	IMGP_FIT_BRIEF		/* and all but a line for each entry */
};
/* Append the parts of a letter to ${d}; with IMGP_FIT_BRIEF a line for each of the
 * first ${most} entries. */
typedef void imgp_fit_make(void *arg, enum imgp_fit fit, size_t most,
	    struct imgp_draft *d);

struct imgp_post;

/* NULL with IMGP-CONFIG or IMGP-MAIL-ADDRESS when the settings cannot work.
 * Nothing is connected to yet.  Close with imgp_post_close(), NULL is fine. */
struct imgp_post *imgp_post_open(struct imgp_err *e);
/* The same for what needs the record: NULL with IMGP-CONFIG, too, where the settings
 * name none that libpq reaches. */
struct imgp_post *imgp_post_open_record(struct imgp_err *e);
void	imgp_post_close(struct imgp_post *p);

/*
 * Keep ${l} in the outbox, for imgp_post_flush() to send, or send it at once
 * where there is no record or it cannot be reached.  The record notes which
 * notices it tells.  0, or -1 with ${e} when it is neither kept nor taken over for
 * every reader; IMGP-DB-FENCED: another letter tells of some of the notices.
 */
int	imgp_post_letter(struct imgp_post *p, const struct imgp_letter *l,
	    struct imgp_err *e);
/*
 * Have ${make} write the letter ${l}, which lacks its parts, into ${d} so that the
 * whole message is no larger than mail_bytes (0: any size): leave out as little as
 * will do, no entry in part.  ${entries}: how many it may list.  ${*fit} says what
 * was left out.  0, or -1 with ${e} when no message can be made of it.
 */
int	imgp_post_fit(const struct imgp_letter *l, size_t entries,
	    imgp_fit_make *make, void *arg, struct imgp_draft *d,
	    enum imgp_fit *fit, struct imgp_err *e);
/* imgp_post_letter() with the text, page and, named ${csv}, table of ${d} in the
 * letter; no page and no table where they are empty. */
int	imgp_post_draft(struct imgp_post *p, struct imgp_letter *l,
	    const struct imgp_draft *d, const char *csv, struct imgp_err *e);
/*
 * Send what waits in the outbox.  ${complain} is told of each reader who was
 * not served, and why.  The exit status: 0, 1 when somebody was refused, 75
 * when something still waits.
 */
int	imgp_post_flush(struct imgp_post *p,
	    void (*complain)(const struct imgp_err *));
/* Nonzero when there is a record that libpq reaches. */
int	imgp_post_has_record(const struct imgp_post *p);
/*
 * Ask the record: select pipeline.${function}(${request}).  ${request} is taken
 * over.  The answer's data in ${*data}, the caller's; or -1 and ${e}.
 */
int	imgp_post_ask(struct imgp_post *p, const char *function,
	    struct imgp_json *request, struct imgp_json **data,
	    struct imgp_err *e);
/* Nonzero when notices are kept, by such a record or by a pipeline API. */
int	imgp_post_has_notices(const struct imgp_post *p);
/* Nonzero when there is a pipeline API that keeps none, and no such record. */
int	imgp_post_lacks_notices(const struct imgp_post *p);
/* Ask whoever keeps them; ${op} is one of IMGP_LEDGER_NOTICE_…, the rest as
 * above. */
int	imgp_post_notice(struct imgp_post *p, enum imgp_ledger_op op,
	    struct imgp_json *request, struct imgp_json **data,
	    struct imgp_err *e);
/*
 * What ever went wrong with a file, and how it stands: {"rows": […], "status"};
 * NULL without a record.  ${lease} is the one whose end is told, -1: not known;
 * IMGP-DB-FENCED when the file had no such lease.
 */
int	imgp_post_error_log(struct imgp_post *p, int64_t file_id, int64_t lease,
	    struct imgp_json **data, struct imgp_err *e);

#endif
