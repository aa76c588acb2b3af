/*
 * The provenance of a stamped upload: what was changed, so that it can be
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
 * with the last gzip member's trailer and the zeros behind it in the latter case.
 * A CRC is the CRC-32 of what is within compressed bytes, as it came: it proves
 * what was undone where these must be made anew.  Of header values it holds only
 * those that were replaced.
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
	const unsigned char *undo;	/* of deflate.h, when patched */
	size_t		 undolen;
	int		 has_crc;
	uint32_t	 crc;		/* of the content as it came; in the
					 * deflated syntax of the data set */
};

struct imgp_prov_sum {
	char		 source[65], stamped[65];	/* SHA-256 */
	int64_t		 source_bytes, stamped_bytes;
	int		 has_crc;
	uint32_t	 crc;		/* of what is within the source's gzip */
	int		 gzip_changed;	/* there are pieces of its stream, and: */
	struct imgp_regzip_end gzip_end;
};

/* --- writing: to ${out}, flushed by finish --------------------------------- */
int	imgp_prov_begin(struct imgp_out *out, struct imgp_err *e);
int	imgp_prov_put(struct imgp_out *out, const struct imgp_prov_record *r,
	    struct imgp_err *e);
int	imgp_prov_put_growth(struct imgp_out *out,
	    const struct imgp_zip_growth *g, struct imgp_err *e);
/* The next ${len} bytes, at most IMGP_PROV_STREAM, of the record of a stream. */
int	imgp_prov_put_stream(struct imgp_out *out, const void *p, size_t len,
	    struct imgp_err *e);
int	imgp_prov_finish(struct imgp_out *out, const struct imgp_prov_sum *sum,
	    struct imgp_err *e);

/* What somebody else's program made of the stamped file beside. */
struct imgp_prov_change {
	const char	*program;		/* its path */
	char		 before[65], after[65];	/* SHA-256 */
	int64_t		 before_bytes, after_bytes;
};
/*
 * Note in the provenance NAME.prov of the directory ${dir} that the file ${name}
 * was changed after it was stamped: its last line gets
 *	"changed":{"program":…,"before":{"sha256":…,"bytes":…},"after":{…}}
 * Such a stamp cannot be undone.  Where there is no provenance one is made, of a
 * file that nothing was stamped in.  0, or -1 with IMGP-STORE-IO or -FULL.
 */
int	imgp_prov_note_change(int dir, const char *name,
	    const struct imgp_prov_change *c, struct imgp_err *e);

/* --- reading ----------------------------------------------------------------- */
struct imgp_prov;

/* NULL and ${e} with IMGP-CONFIG when ${path} is no complete provenance. */
struct imgp_prov *imgp_prov_open(const char *path, struct imgp_err *e);
/* Its descriptor, for a process that is to read it. */
int	imgp_prov_fd(const struct imgp_prov *p);
void	imgp_prov_free(struct imgp_prov *p);	/* NULL is fine */
/*
 * The next line if it is a record, or a growth, good until the next call of next:
 * 1; 0: it is none; or -1 and ${e}.
 */
int	imgp_prov_peek(struct imgp_prov *p, const struct imgp_prov_record **r,
	    struct imgp_err *e);
int	imgp_prov_peek_growth(struct imgp_prov *p,
	    const struct imgp_zip_growth **g, struct imgp_err *e);
void	imgp_prov_next(struct imgp_prov *p);
/* The next bytes of the record of a stream, up to ${len}: how many, 0 when no
 * piece of it follows, or -1 and ${e}. */
long	imgp_prov_read_stream(struct imgp_prov *p, void *buf, size_t len,
	    struct imgp_err *e);
/* The sums of its last line, from the beginning. */
const struct imgp_prov_sum *imgp_prov_sum(const struct imgp_prov *p);

#endif
