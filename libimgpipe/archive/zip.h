/*
 * ZIP archives (APPNOTE 6.3.10) read with suspicion and written anew by copying.
 *
 * Reading: imgp_zip_open() checks the whole central directory and every local header:
 * both agree about each member, no two members share a byte, nothing lies outside the
 * file, and there is only one directory.  So every reader understands an archive that
 * passes in the same way.  Names are bytes, never paths, and no keys: two members may
 * have the same name.
 *
 * Writing: the output is the source, byte for byte, with the data of some members
 * replaced and only the fields changed that must be: CRC, sizes and offsets.  Order,
 * names, times, attributes, comments, extra fields, flags, descriptors, and bytes
 * between or around members stay as they are.  The output may be a pipe.
 *
 * Supported are methods 0 (stored) and 8 (deflated), zip64, data descriptors,
 * bytes before and after the archive, and archives without zip64 records whose
 * end record counts the members modulo 65,536, or whose offsets are stated modulo
 * 2^32 and ascend in the directory, as macOS writes them.  Memory: about 100 bytes
 * per member.
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
	/* Offsets in the file: */
	uint64_t	 local;		/* of its local header */
	uint64_t	 data;		/* of its data */
	uint64_t	 end;		/* behind its data and descriptor */
	uint64_t	 central;	/* of its directory record */
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
 * Read and check the archive in ${fd}, which must be seekable and stays the caller's.
 * ${lim} may be NULL: the defaults.  On failure NULL with
 * IMGP-ARCHIVE-DAMAGED	cut short, or no directory is found
 * IMGP-ARCHIVE-UNSAFE	it contradicts itself or could be read in two ways
 * IMGP-ARCHIVE-ENCRYPTED, -METHOD (also: in several parts), -LIMIT
 * IMGP-STORE-IO	reading failed
 */
struct imgp_zip *imgp_zip_open(int fd, const struct imgp_zip_limits *lim,
	    struct imgp_err *e);
void	imgp_zip_free(struct imgp_zip *z);	/* NULL is fine */

/* 1 when ${fd} ends as a ZIP archive does, however it begins; 0 if not; -1 with ${e} when
 * reading failed. */
int	imgp_zip_probe(int fd, struct imgp_err *e);

size_t	imgp_zip_count(const struct imgp_zip *z);
/* The ${i}th member in the order of the directory. */
const struct imgp_zip_member *imgp_zip_at(const struct imgp_zip *z, size_t i);
/* The index, as for imgp_zip_at(), of the ${k}th member in the order of the file. */
size_t	imgp_zip_in_order(const struct imgp_zip *z, size_t k);

/*
 * Write a new archive like ${z} to ${out}.  For each member whose data are replaced, in
 * the order of imgp_zip_in_order(), call begin, write exactly ${csize} bytes to ${out} by
 * imgp_out_write() or imgp_out_copy(), and call end.  All other members are copied.
 */
struct imgp_zip_writer;
struct imgp_zip_writer *imgp_zip_writer_new(struct imgp_zip *z,
	    struct imgp_out *out);
void	imgp_zip_writer_free(struct imgp_zip_writer *w);	/* NULL is fine */
/*
 * 0 when member ${i} can have these sizes; else -1 with IMGP-ARCHIVE-LIMIT: it would
 * grow over 4 GiB, for which its headers and descriptor have no room, or would move a
 * member behind it past 4 GiB, for which that one's directory record has no room.
 */
int	imgp_zip_writer_fits(const struct imgp_zip_writer *w, size_t i,
	    uint64_t csize, uint64_t size, struct imgp_err *e);
int	imgp_zip_writer_begin(struct imgp_zip_writer *w, size_t i,
	    uint32_t crc, uint64_t csize, uint64_t size, struct imgp_err *e);
int	imgp_zip_writer_end(struct imgp_zip_writer *w, struct imgp_err *e);

/*
 * What the directory gained because the archive passed 4 GiB, or because the source
 * stated offsets or its count modulo their field's size; kept so that it can be undone.
 * The offset in a record, or values of the end record, moved into a zip64 field or
 * record.  (The number of members never changes, and sizes do not pass 4 GiB.)
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
 * Callbacks of finish, in the order of the directory, its end last; each may be NULL.
 * note_growth gets what the directory gained.  was_grown tells what ${record} gained when
 * the source was written, 1 with ${g} or 0 for nothing, and finish takes that away if
 * the archive is below 4 GiB again.  -1 with ${e} makes finish fail.
 */
struct imgp_zip_history {
	int	(*note_growth)(void *arg, const struct imgp_zip_growth *g,
		    struct imgp_err *e);
	int	(*was_grown)(void *arg, uint64_t record, struct imgp_zip_growth *g,
		    struct imgp_err *e);
	void	*arg;
};
/* ${h} is not copied: keep it until finish is done. */
void	imgp_zip_writer_history(struct imgp_zip_writer *w,
	    const struct imgp_zip_history *h);
/* Write the rest of the members, and the directory.  Returns 0; or -1 with ${e},
 * IMGP-STAMP-CHECK when the directory does not have what the history says it gained. */
int	imgp_zip_writer_finish(struct imgp_zip_writer *w, struct imgp_err *e);

#endif
