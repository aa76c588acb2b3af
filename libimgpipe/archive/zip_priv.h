/*
 * What zip.c, which reads, and zip_writer.c share: records and their fields
 * (PKWARE APPNOTE 6.3.10, section 4.3), and the archive.  Private to these two.
 */
#ifndef IMGPIPE_ZIP_PRIV_H
#define IMGPIPE_ZIP_PRIV_H

#include "libimgpipe/archive/zip.h"

#define SIG_LOCAL	0x04034b50u
#define SIG_CENTRAL	0x02014b50u
#define SIG_SIGNATURE	0x05054b50u
#define SIG_DESCRIPTOR	0x08074b50u
#define SIG_END		0x06054b50u
#define SIG_END64	0x06064b50u
#define SIG_LOCATOR	0x07064b50u

#define LOCAL		30		/* fixed parts of the records */
#define CENTRAL		46
#define END		22
#define END64		56
#define LOCATOR		20
#define EXTRA64		0x0001
#define EXTRA64_MAX	64		/* bytes; 28 are defined */

#define MAX16		0xffffu
#define MAX32		0xffffffffu

#define FLAG_ENCRYPTED	0x0001u
#define FLAG_DESCRIPTOR	0x0008u
#define FLAG_PATCH	0x0020u
#define FLAG_STRONG	0x0040u
#define FLAG_MASKED	0x2000u
/* Flags that change how the data are read. */
#define FLAGS_READING	(FLAG_ENCRYPTED | FLAG_PATCH | FLAG_STRONG | FLAG_MASKED)

#define WINDOW		((size_t)256 << 10)	/* above the longest record */

/* Where a directory is, and what its end records say of it. */
struct ending {
	uint64_t	 end, end64;	/* the end records; end64 0: none */
	uint64_t	 said64;	/* where the locator says that end64 is */
	uint64_t	 cd, cd_size;	/* the directory, where it really is */
	uint64_t	 count;
	uint64_t	 base;		/* what all stated offsets lack */
	unsigned int	 comment;
	int		 wrapped;	/* offsets are stated modulo 2^32 */
};

struct imgp_zip {
	int		 fd;
	uint64_t	 size;
	struct ending	 at;
	struct imgp_zip_member *m;
	size_t		 n;
	uint32_t	*order;
	uint64_t	 tight;		/* the last header whose record has no
					 * room for a zip64 offset, or 0: all
					 * have (the first never moves) */
};

/* --- numbers, the lowest byte first ----------------------------------------- */

static inline uint32_t
get16(const unsigned char *p)
{
	return (uint32_t)p[1] << 8 | p[0];
}

static inline uint32_t
get32(const unsigned char *p)
{
	return get16(p + 2) << 16 | get16(p);
}

static inline uint64_t
get64(const unsigned char *p)
{
	return (uint64_t)get32(p + 4) << 32 | get32(p);
}

static inline void
put16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)v;
	p[1] = (unsigned char)(v >> 8);
}

static inline void
put32(unsigned char *p, uint64_t v)
{
	put16(p, (uint32_t)v & MAX16);
	put16(p + 2, (uint32_t)(v >> 16) & MAX16);
}

static inline void
put64(unsigned char *p, uint64_t v)
{
	put32(p, v & MAX32);
	put32(p + 4, v >> 32);
}

/* The extra field ${id} in ${len} bytes at ${p}: its data and ${*n}, or NULL. */
unsigned char *imgp_zip_extra(unsigned char *p, size_t len, uint32_t id,
	    size_t *n);

#endif
