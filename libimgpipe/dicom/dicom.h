/*
 * The wing dicom: what an upload is and which images it holds.  It must not know
 * stamps, nor where the bytes come from.
 *
 * This file: a DICOM header, read as bytes (PS3.5, PS3.10): what stands in it, and where.
 *
 * The walker is fed the bytes of one object in order, in chunks of any size,
 * and keeps none of them: its memory is constant.  It knows explicit and
 * implicit little endian, explicit big endian and the deflated syntax, with and
 * without preamble and meta information, and reads only the top level: nested
 * data sets are stepped through, not looked into.  From the first kilobytes it
 * knows all that scanning and stamping want (IMGP_DICOM_HEAD).
 *
 * It is the gate in front of every other parser: depth, lengths, counts and
 * order are bounded, nothing recurses, nothing is allocated by a length that
 * the object gives.
 *
 * Offsets are counted in the logical stream: the bytes as they are, save that
 * in the deflated syntax the data set (from ${data} on) counts as inflated.
 */
#ifndef IMGPIPE_DICOM_H
#define IMGPIPE_DICOM_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/kind.h"

#define IMGP_TAG(group, element) \
	((uint32_t)(group) << 16 | (uint32_t)(element))
#define IMGP_TAG_CENTER		IMGP_TAG(0x0012, 0x0060)
#define IMGP_TAG_SERIES_ID	IMGP_TAG(0x0012, 0x0071)

#define IMGP_UID_MAX		64	/* bytes, PS3.5 9.1 */
#define IMGP_DICOM_VALUE	128	/* bytes kept of a value */
#define IMGP_DICOM_DEPTH	64	/* the most that limits.depth can be */

enum imgp_dicom_state {
	IMGP_DICOM_MORE,	/* more bytes are needed */
	IMGP_DICOM_HEAD,	/* all that was asked for is known */
	IMGP_DICOM_NOT,		/* this is not DICOM */
	IMGP_DICOM_BAD		/* DICOM that is declined; err says why */
};

enum imgp_dicom_kind {
	IMGP_DICOM_INSTANCE,	/* has SOP class, SOP instance, study, series */
	IMGP_DICOM_DIRECTORY,	/* a DICOMDIR */
	IMGP_DICOM_NO_UID	/* one of the four is missing or unusable */
};

/* The top-level elements that are noted. */
enum imgp_dicom_which {
	IMGP_DICOM_SOP_CLASS,		/* (0008,0016) */
	IMGP_DICOM_SOP_INSTANCE,	/* (0008,0018) */
	IMGP_DICOM_STUDY,		/* (0020,000D) */
	IMGP_DICOM_SERIES,		/* (0020,000E) */
	IMGP_DICOM_NUMBER,		/* (0020,0011) */
	IMGP_DICOM_GROUP,		/* the length of the stamp's group */
	IMGP_DICOM_CENTER,		/* (0012,0060) */
	IMGP_DICOM_CREATOR,		/* of the stamp's private block */
	IMGP_DICOM_ID,			/* the stamp itself */
	IMGP_DICOM_GROUP_END,		/* (gggg,FFFF): off, or end where it is
					 * present, is where the stamp's group
					 * ends, if GROUP is present */
	/* Noted aside where they are wanted (present, len, kept and value alone): an
	 * object is what it is without them. */
	IMGP_DICOM_STUDY_DATE,		/* (0008,0020) */
	IMGP_DICOM_MODALITY,		/* (0008,0060) */
	IMGP_DICOM_PATIENT_NAME,	/* (0010,0010) */
	IMGP_DICOM_PATIENT_ID,		/* (0010,0020) */
	IMGP_DICOM_ELEMENTS
};
#define IMGP_DICOM_ASIDE	IMGP_DICOM_STUDY_DATE	/* the first of those */

struct imgp_dicom_elem {
	uint32_t	 tag;		/* 0: not looked for */
	int		 present;	/* 2: twice, of those noted aside alone */
	uint64_t	 off;		/* of its tag; where it is absent, of the
					 * first element with a greater tag */
	uint64_t	 end;		/* past its value; = off where absent */
	uint32_t	 len;		/* of its value, UINT32_MAX: undefined */
	uint32_t	 kept;		/* bytes of it in value */
	unsigned char	 value[IMGP_DICOM_VALUE];
};

struct imgp_dicom_limits {
	uint32_t	depth;		/* sequences and items inside each other */
	uint32_t	elements;	/* at all levels */
	uint32_t	items;
	uint32_t	disorder;	/* top-level tags that do not ascend */
	uint64_t	head;		/* bytes before all is known */
	uint64_t	ratio;		/* of a deflated data set to its bytes, */
	uint64_t	ratio_from;	/* from that many bytes of it on */
};
extern const struct imgp_dicom_limits imgp_dicom_limits;	/* defaults */

/* Nonzero when ${csize} bytes of a deflated data set give more, ${size}, than
 * ${lim} allows. */
int	imgp_dicom_expands(const struct imgp_dicom_limits *lim, uint64_t size,
	    uint64_t csize);

/* What to look for beyond the UIDs; what to stamp is told by these. */
struct imgp_dicom_want {
	uint32_t	 id;		/* tag of the stamp; where creator is
					 * given, (odd group, 00ee): the block is
					 * found */
	const char	*creator;	/* of a private block, or NULL */
	unsigned int	 aside;		/* IMGP_DICOM_WANTS(which), or'ed */
};
#define IMGP_DICOM_WANTS(which)	(1u << (which))
extern const struct imgp_dicom_want imgp_dicom_want;	/* (0012,0071) */

struct imgp_dicom_frame {
	uint64_t	end;		/* it reaches no further; UINT64_MAX: as
					 * far as the object does */
	unsigned char	kind, implicit, big, fresh;
	unsigned char	open;		/* of undefined length */
	unsigned char	un;		/* within a UN of undefined length */
};

struct imgp_dicom {
	/* Results, once the state is IMGP_DICOM_HEAD. */
	enum imgp_dicom_kind kind;
	struct imgp_dicom_elem elem[IMGP_DICOM_ELEMENTS];
	/* The walker's own, where a creator is wanted: where the creator of
	 * each private block would stand, and its element (as elem's off). */
	uint64_t	 creator_off[256], id_off[256];
	unsigned char	 first[IMGP_KIND_FIRST];	/* bytes, while it is not
						 * known to be DICOM */
	char		 syntax[IMGP_UID_MAX + 1]; /* as stated; "" if not */
	int		 preamble, meta;	/* nonzero: has it */
	int		 implicit, big, deflated; /* how the data set is coded */
	int		 mismatch;	/* it is coded otherwise than stated */
	int		 nested_bad;	/* a nested data set breaks its length */
	int		 disordered;	/* some top-level tags do not ascend */
	uint64_t	 data;		/* where the data set begins */
	uint64_t	 head;		/* bytes needed to know all this */
	/*
	 * Equal for headers that have the same syntax and, at all levels, the
	 * same tags with the same VRs in the same order, and lengths that are
	 * alike (none, undefined, odd, long), and whose meta information is
	 * equally right about its length; 0 where VRs are implicit, where
	 * the header is coded otherwise than stated and where nested_bad.
	 */
	uint64_t	 shape;
	/* Results of feeding on to the end. */
	int		 is_signed;	/* (4FFE,0001) or (FFFA,FFFA) at top level */
	int		 at_pixels;	/* a tag of group 7FE0 was seen */
	uint64_t	 pixels, pixels_end; /* the value of (7FE0,0010), or of its
					 * siblings of floating point, from its first
					 * byte to past its last: 0 where none was
					 * seen; UINT64_MAX while its end is not */
	uint32_t	 late;		/* the tag of an element of the head, or of
					 * the stamp's private group, that stands
					 * there once more, or for the first time; 0:
					 * none does */
	int		 tail_lost;	/* what follows the head makes no sense:
					 * it was not looked at any further */
	int		 cut;		/* at the end: a value, a sequence or the
					 * deflated data set goes on */
	/* On IMGP_DICOM_BAD. */
	struct imgp_err	 err;

	/* The walker's own. */
	enum imgp_dicom_state state;
	struct imgp_dicom_limits lim;
	const char	*creator;
	uint64_t	 pos, skip;
	uint64_t	 meta_end;
	uint32_t	 prev, stop, n_elem, n_item, n_disorder;
	uint32_t	 noted, watch;	/* no noted element has a tag between */
	uint32_t	 aside;		/* the least tag of those to note aside that may
					 * come yet, where tags ascend */
	int		 asides;	/* there are such */
	uint32_t	 at;		/* the element that is read, for err */
	unsigned char	 block[32];	/* private blocks in use, a bit each */
	uint32_t	 creators, ids;	/* below it creator_off, id_off are known */
	struct imgp_dicom_elem *grab;
	unsigned char	 hold[160];
	size_t		 nhold, want, nfirst;
	int		 phase, shapeless, meta_implicit;
	int		 records;	/* (0004,1220) was seen */
	unsigned int	 nframe;
	struct imgp_dicom_frame frame[IMGP_DICOM_DEPTH + 1];
	void		*inflate;
	uint64_t	 zin;		/* bytes that it was fed */
	int		 syntax_grab;
	char		 media[IMGP_UID_MAX + 1];
};

/*
 * Begin with an object.  NULL for ${want} and ${lim}: the defaults.  ${want}'s
 * text must outlive the walk.
 */
void	imgp_dicom_init(struct imgp_dicom *d, const struct imgp_dicom_want *want,
	    const struct imgp_dicom_limits *lim);
/* Give back what it holds (of the deflated syntax only). */
void	imgp_dicom_release(struct imgp_dicom *d);

/*
 * The next ${len} bytes.  All are consumed.  After IMGP_DICOM_HEAD further
 * bytes may be fed (for is_signed) or not, the state stays; after
 * IMGP_DICOM_NOT and _BAD they are ignored.
 */
enum imgp_dicom_state imgp_dicom_feed(struct imgp_dicom *d, const void *p,
	    size_t len);
/* The object has ended.  Never IMGP_DICOM_MORE. */
enum imgp_dicom_state imgp_dicom_end(struct imgp_dicom *d);
/*
 * After IMGP_DICOM_HEAD: how many of the next bytes need not be fed, since they
 * are a value that nobody asks for.  It may be more than the object has; always
 * 0 in the deflated syntax.  imgp_dicom_skip() passes over ${n} of them.
 */
uint64_t imgp_dicom_idle(const struct imgp_dicom *d);
void	imgp_dicom_skip(struct imgp_dicom *d, uint64_t n);

/*
 * A noted value as text: leading and trailing spaces and trailing NULs cut,
 * into ${out} of ${size} bytes.  Returns its length, or -1 when it is absent,
 * longer than that, or not printable ASCII.  An empty one gives 0.
 */
int	imgp_dicom_text(const struct imgp_dicom *d, enum imgp_dicom_which w,
	    char *out, size_t size);
/* A UID: 1 to 64 printable ASCII characters without blanks (real ones hold other
 * things than digits and dots, too); 0, or -1 when there is none. */
int	imgp_dicom_uid(const struct imgp_dicom *d, enum imgp_dicom_which w,
	    char out[IMGP_UID_MAX + 1]);
/*
 * Series Number: 0 and ${*n}, a whole number however it is spelt ("01", "1.0");
 * -1: absent or empty; 1: there, and no whole number of 32 bits.
 */
int	imgp_dicom_number(const struct imgp_dicom *d, int32_t *n);
/* For IMGP_DICOM_NO_UID: which of the four UIDs are missing or unusable, and
 * why, without their values, for people: into ${out}, cut to ${size} bytes. */
void	imgp_dicom_why_no_uid(const struct imgp_dicom *d, char *out,
	    size_t size);

/*
 * Code an element as the data set is coded, ${len} bytes of text padded with a
 * space to an even length, into ${out} (at least len + 13 bytes).  Returns its
 * size.  ${vr} is two letters.
 */
size_t	imgp_dicom_code(const struct imgp_dicom *d, uint32_t tag,
	    const char *vr, const void *value, size_t len, unsigned char *out);

#endif
