/*
 * ZIP archives (APPNOTE 6.3.10) read with suspicion and written anew by copying.
 *
 * Reading: the whole directory and every local header are checked before
 * anything else: both tell the same of each member, no two members share a
 * byte, nothing lies outside the file, there is one directory and not two.  An
 * archive that passes is understood alike by every reader.  Names are bytes,
 * never paths, and no key: two members may have the same one.
 *
 * Writing: what is written is the source, byte for byte, with the data of some
 * members replaced, and with only those fields changed that must: CRC, sizes
 * and offsets.  So order, names, times, attributes, comments, extra fields,
 * flags, descriptors, and bytes between or around members stay as they are, and
 * the output may be a pipe.
 *
 * Supported are methods 0 (stored) and 8 (deflated), zip64, data descriptors,
 * bytes before and after the archive, and archives without zip64 records whose
 * end record counts the members modulo 65,536, or whose offsets are stated modulo
 * 2^32 and ascend in the directory, as macOS writes them.  Memory: about 100 bytes
 * for a member.
 */
#ifndef IMGPIPE_ZIP_H
#define IMGPIPE_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/archive/out.h"
#include "libimgpipe/base/err.h"

#define IMGP_ZIP_STORED		0
#define IMGP_ZIP_DEFLATED	8

enum imgp_zip_type { IMGP_ZIP_FILE, IMGP_ZIP_DIR, IMGP_ZIP_LINK, IMGP_ZIP_MAC };

struct imgp_zip_member {
	uint64_t	 local;		/* where in the file: its local header, */
	uint64_t	 data;		/* its data, */
	uint64_t	 end;		/* behind its data and descriptor, */
	uint64_t	 central;	/* its directory record */
	uint64_t	 csize;		/* bytes of data */
	uint64_t	 size;		/* bytes of content */
	uint32_t	 crc;		/* CRC-32 of the content */
	uint16_t	 method;
	unsigned char	 type;		/* enum imgp_zip_type; DIR: also empty;
					 * MAC, by name only: __MACOSX,
					 * ._name, .DS_Store */
	unsigned char	 descriptor;	/* its bytes: 0, 12, 16, 20 or 24 */
};

struct imgp_zip_limits {
	uint64_t	 members;
	uint64_t	 bytes;		/* of all contents */
	uint64_t	 ratio;		/* of all contents to all data, from */
	uint64_t	 ratio_from;	/* that many bytes of contents on */
};
extern const struct imgp_zip_limits imgp_zip_limits;	/* defaults */

struct imgp_zip;

/*
 * Read and check the archive that ${fd} (which must be seekable, and stays the
 * caller's) holds.  ${lim} may be NULL: the defaults.  NULL and ${e}:
 * IMGP-ARCHIVE-DAMAGED	cut short, or no directory is found
 * IMGP-ARCHIVE-UNSAFE	it contradicts itself or could be read in two ways
 * IMGP-ARCHIVE-ENCRYPTED, -METHOD (also: in several parts), -LIMIT
 * IMGP-STORE-IO	reading failed
 */
struct imgp_zip *imgp_zip_open(int fd, const struct imgp_zip_limits *lim,
	    struct imgp_err *e);
void	imgp_zip_free(struct imgp_zip *z);	/* NULL is fine */

/* 1 when ${fd} ends as a ZIP archive does, 0 if not, -1 and ${e} when reading
 * failed.  What it begins with does not matter. */
int	imgp_zip_probe(int fd, struct imgp_err *e);

size_t	imgp_zip_count(const struct imgp_zip *z);
/* The ${i}th member in the order of the directory. */
const struct imgp_zip_member *imgp_zip_at(const struct imgp_zip *z, size_t i);
/* The position in the directory of the ${k}th member in the file. */
size_t	imgp_zip_in_order(const struct imgp_zip *z, size_t k);

/*
 * A new archive like ${z}, written to ${out}.  Members whose data are to be
 * replaced are given in the order of imgp_zip_in_order(): begin, then exactly
 * ${csize} bytes by imgp_out_write() or _copy() to ${out}, then end.  All
 * others come by themselves.
 */
struct imgp_zip_writer;
struct imgp_zip_writer *imgp_zip_writer_new(struct imgp_zip *z,
	    struct imgp_out *out);
void	imgp_zip_writer_free(struct imgp_zip_writer *w);	/* NULL is fine */
/*
 * 0 when member ${i} can take these sizes, else -1 and IMGP-ARCHIVE-LIMIT: it
 * would grow over 4 GiB, for which headers and descriptor have no room; or one
 * behind it would come to lie there, and its directory record has none.
 */
int	imgp_zip_writer_fits(const struct imgp_zip_writer *w, size_t i,
	    uint64_t csize, uint64_t size, struct imgp_err *e);
int	imgp_zip_writer_begin(struct imgp_zip_writer *w, size_t i,
	    uint32_t crc, uint64_t csize, uint64_t size, struct imgp_err *e);
int	imgp_zip_writer_end(struct imgp_zip_writer *w, struct imgp_err *e);

/*
 * What the directory gained when the archive passed 4 GiB, or had stated offsets
 * or its count modulo what their fields hold, so that it can be taken away again:
 * the offset in a record, or what the end record says, moved into a zip64 one.
 * (How many members there are never changes, and sizes do not pass 4 GiB.)
 */
struct imgp_zip_growth {
	uint64_t	 record;	/* from 1 in the directory; 0: its end */
	int		 made;		/* there was no zip64 field, or end record
					 * and locator, before */
	int		 offset, size;	/* of the end: which of them moved, */
	int		 count;		/* and whether the count did */
	int		 wrapped;	/* the offset was stated modulo 2^32 */
	uint16_t	 version;	/* of a record: it needed that before */
};
/*
 * Called by finish, in the order of the directory, its end last.  note_growth
 * is handed what the directory gained.  was_grown answers what ${record} gained
 * when the source was written: 1 and ${g}, or 0 for nothing; finish takes that
 * away where the archive lies below 4 GiB again.  Each may be NULL; -1 and ${e}
 * ends finish.
 */
struct imgp_zip_history {
	int	(*note_growth)(void *arg, const struct imgp_zip_growth *g,
		    struct imgp_err *e);
	int	(*was_grown)(void *arg, uint64_t record, struct imgp_zip_growth *g,
		    struct imgp_err *e);
	void	*arg;
};
/* ${h} stays the caller's, until finish is done. */
void	imgp_zip_writer_history(struct imgp_zip_writer *w,
	    const struct imgp_zip_history *h);
/* The rest of the members, and the directory.  -1 with IMGP-STAMP-CHECK when
 * the directory never gained what the history says. */
int	imgp_zip_writer_finish(struct imgp_zip_writer *w, struct imgp_err *e);

#endif
