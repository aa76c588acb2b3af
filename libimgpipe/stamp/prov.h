/*
 * The provenance of a stamped upload: a record of what was changed, by which it can be
 * undone (imgp-stamp --unstamp) and proved.
 *
 * A text of JSON lines: first {"v":1,"tool":…}, then one line for each object
 * that was stamped, in the order of the file,
 *	{"member":N,"how":"spliced|patched|encoded","edits":[[AT,"old","new"]…],
 *	 "undo":"…","crc":"…"}
 * with bytes in hex and AT an offset in the object as it came; then, where only
 * the stamps took a ZIP past 4 GiB, one for what each record of its directory
 * gained, and one for its end (zip.h),
 *	{"zip64":N,"made":true,"version":20}
 *	{"zip64":0,"made":true,"offset":true,"size":false}
 * or, where a gzip stream was changed, the record of respell.h in pieces,
 *	{"stream":"…"}
 * and at the end
 *	{"source":{"sha256":…,"bytes":…,"crc":…,"trailer":…,"zeros":…},
 *	 "stamped":{…}}
 * with "trailer" and "zeros", the last gzip member's trailer and the number of zeros
 * behind it, only where a gzip stream was changed.  A CRC is the CRC-32 of the original
 * content of compressed bytes: where undoing has to compress anew, it proves the
 * content.  Of header values the text holds only those that were replaced.
 */
#ifndef IMGPIPE_PROV_H
#define IMGPIPE_PROV_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/archive/out.h"
#include "libimgpipe/archive/regzip.h"
#include "libimgpipe/archive/zip.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/deflate/deflate.h"

#define IMGP_PROV_EDITS	8
#define IMGP_PROV_STREAM	((size_t)16 << 10)	/* bytes of one piece */

enum imgp_prov_how { IMGP_PROV_SPLICED, IMGP_PROV_PATCHED, IMGP_PROV_ENCODED };

/* What was done to one object. */
struct imgp_prov_record {
	uint64_t	 member;	/* from 1 in the order of the file; 0: a
					 * bare object */
	enum imgp_prov_how how;
	struct imgp_deflate_edit edit[IMGP_PROV_EDITS];	/* as it was made */
	const unsigned char *old[IMGP_PROV_EDITS]; /* the edit.del bytes */
	size_t		 edits;
	const unsigned char *undo;	/* of deflate.h, with IMGP_PROV_PATCHED */
	size_t		 undolen;
	int		 has_crc;
	uint32_t	 crc;		/* of the original content; in the deflated
					 * syntax, of the data set */
};

struct imgp_prov_sum {
	char		 source[65], stamped[65];	/* SHA-256 */
	int64_t		 source_bytes, stamped_bytes;
	int		 has_crc;
	uint32_t	 crc;		/* of what is within the source's gzip */
	int		 gzip_changed;	/* its stream was changed; gzip_end is set */
	struct imgp_regzip_end gzip_end;
};

/* --- writing: to ${out}, flushed by finish --------------------------------- */
int	imgp_prov_begin(struct imgp_out *out, struct imgp_err *e);
int	imgp_prov_put(struct imgp_out *out, const struct imgp_prov_record *r,
	    struct imgp_err *e);
int	imgp_prov_put_growth(struct imgp_out *out,
	    const struct imgp_zip_growth *g, struct imgp_err *e);
/* Write the next ${len} bytes, at most IMGP_PROV_STREAM, of a gzip stream's undo
 * record. */
int	imgp_prov_put_stream(struct imgp_out *out, const void *p, size_t len,
	    struct imgp_err *e);
int	imgp_prov_finish(struct imgp_out *out, const struct imgp_prov_sum *sum,
	    struct imgp_err *e);

/* How a site's own program changed the stamped file. */
struct imgp_prov_change {
	const char	*program;		/* its path */
	char		 before[65], after[65];	/* SHA-256 */
	int64_t		 before_bytes, after_bytes;
};
/*
 * Note in the provenance NAME.prov of the directory ${dir} that the file ${name}
 * was changed after it was stamped: its last line gets
 *	"changed":{"program":…,"before":{"sha256":…,"bytes":…},"after":{…}}
 * Such a stamp cannot be undone.  If there is no provenance, one is made that records
 * no stamp.  Returns 0, or -1 with IMGP-STORE-IO or IMGP-STORE-FULL.
 */
int	imgp_prov_note_change(int dir, const char *name,
	    const struct imgp_prov_change *c, struct imgp_err *e);

/* --- reading ----------------------------------------------------------------- */
struct imgp_prov;

/* Open ${path}; NULL with IMGP-CONFIG when it is no complete provenance. */
struct imgp_prov *imgp_prov_open(const char *path, struct imgp_err *e);
/* Its descriptor, which a process that reads it must keep open. */
int	imgp_prov_fd(const struct imgp_prov *p);
void	imgp_prov_free(struct imgp_prov *p);	/* NULL is fine */
/*
 * Look at the next line: 1 when it is a record, or a growth, valid until the next call
 * of imgp_prov_next(); 0 when it is something else; -1 with ${e}.
 */
int	imgp_prov_peek(struct imgp_prov *p, const struct imgp_prov_record **r,
	    struct imgp_err *e);
int	imgp_prov_peek_growth(struct imgp_prov *p,
	    const struct imgp_zip_growth **g, struct imgp_err *e);
/* Go on to the line behind it. */
void	imgp_prov_next(struct imgp_prov *p);
/* Read up to ${len} next bytes of a gzip stream's undo record.  Returns how many, 0 when
 * no piece of it follows, or -1 with ${e}. */
long	imgp_prov_read_stream(struct imgp_prov *p, void *buf, size_t len,
	    struct imgp_err *e);
/* The sums of the last line, known as soon as it is open. */
const struct imgp_prov_sum *imgp_prov_sum(const struct imgp_prov *p);

#endif
