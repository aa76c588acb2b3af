/*
 * The wing dicom: what an upload is and which images it holds.  It must not know
 * stamps, nor where the bytes come from.
 *
 * This file: reads a DICOM header as bytes (PS3.5, PS3.10): which elements it has, and
 * where.
 *
 * The walker is fed the bytes of one object in order, in chunks of any size,
 * and keeps none of them: its memory is constant.  It knows explicit and
 * implicit little endian, explicit big endian and the deflated syntax, with and
 * without preamble and meta information, and reads only the top level: nested
 * data sets are stepped through, their elements not noted.  The first kilobytes mostly
 * suffice for all that scanning and stamping need (IMGP_DICOM_HEAD).
 *
 * It is the gate in front of every other parser: depth, lengths, counts and order are
 * bounded, nothing recurses, and no allocation depends on a length that the object
 * states.
 *
 * Offsets count the object's bytes as they are, except that the data set (from ${data}
 * on) counts inflated in the deflated transfer syntax.
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
	IMGP_DICOM_HEAD,	/* all that was asked for was read */
	IMGP_DICOM_NOT,		/* this is not DICOM */
	IMGP_DICOM_BAD		/* DICOM that is refused; err says why */
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
	IMGP_DICOM_GROUP_END,		/* (gggg,FFFF).  If GROUP is present, the
					 * stamp's group ends at its off, or at
					 * its end if it is present itself */
	/* Noted only if IMGP_DICOM_WANTS() asks for them, and only present, len, kept and
	 * value; the head may be complete without them. */
	IMGP_DICOM_STUDY_DATE,		/* (0008,0020) */
	IMGP_DICOM_MODALITY,		/* (0008,0060) */
	IMGP_DICOM_PATIENT_NAME,	/* (0010,0010) */
	IMGP_DICOM_PATIENT_ID,		/* (0010,0020) */
	IMGP_DICOM_ELEMENTS
};
#define IMGP_DICOM_ASIDE	IMGP_DICOM_STUDY_DATE	/* the first of them */

struct imgp_dicom_elem {
	uint32_t	 tag;		/* 0: not looked for */
	int		 present;	/* 2: occurs twice (elements noted aside only) */
	uint64_t	 off;		/* of its tag; if absent, of the first
					 * element with a greater tag */
	uint64_t	 end;		/* behind its value; off if absent */
	uint32_t	 len;		/* of its value, UINT32_MAX: undefined */
	uint32_t	 kept;		/* bytes of it in value */
	unsigned char	 value[IMGP_DICOM_VALUE];
};

struct imgp_dicom_limits {
	uint32_t	depth;		/* sequences and items inside each other */
	uint32_t	elements;	/* at all levels */
	uint32_t	items;
	uint32_t	disorder;	/* top-level tags that do not ascend */
	uint64_t	head;		/* bytes until IMGP_DICOM_HEAD */
	uint64_t	ratio;		/* inflated to deflated bytes of a data set, */
	uint64_t	ratio_from;	/* checked from so many inflated bytes on */
};
extern const struct imgp_dicom_limits imgp_dicom_limits;	/* defaults */

/* Nonzero when ${csize} deflated bytes inflate to more bytes, ${size}, than ${lim}
 * allows. */
int	imgp_dicom_expands(const struct imgp_dicom_limits *lim, uint64_t size,
	    uint64_t csize);

/* What to look for beside the UIDs: the element to stamp, and more. */
struct imgp_dicom_want {
	uint32_t	 id;		/* tag of the stamp; with a creator it is
					 * (odd group, 00ee), and the block is
					 * looked up */
	const char	*creator;	/* of a private block, or NULL */
	unsigned int	 aside;		/* IMGP_DICOM_WANTS(which), or'ed */
};
#define IMGP_DICOM_WANTS(which)	(1u << (which))
extern const struct imgp_dicom_want imgp_dicom_want;	/* (0012,0071) */

struct imgp_dicom_frame {
	uint64_t	end;		/* offset of its end; UINT64_MAX: the end
					 * of the object */
	unsigned char	kind, implicit, big, fresh;
	unsigned char	open;		/* of undefined length */
	unsigned char	un;		/* within a UN of undefined length */
};

struct imgp_dicom {
	/* Results, once the state is IMGP_DICOM_HEAD. */
	enum imgp_dicom_kind kind;
	struct imgp_dicom_elem elem[IMGP_DICOM_ELEMENTS];
	/* Private, used with a creator: the offsets, as elem's off, of the creator
	 * of each private block and of its element. */
	uint64_t	 creator_off[256], id_off[256];
	unsigned char	 first[IMGP_KIND_FIRST];	/* the first bytes, until
						 * it is known to be DICOM */
	char		 syntax[IMGP_UID_MAX + 1]; /* transfer syntax stated, or "" */
	int		 preamble, meta;	/* nonzero: has it */
	int		 meta_implicit;	/* the meta information is in implicit VR */
	int		 implicit, big, deflated; /* the data set's real coding */
	int		 mismatch;	/* its coding is not the stated one */
	int		 nested_bad;	/* a nested data set exceeds its length */
	int		 disordered;	/* some top-level tags do not ascend */
	uint64_t	 data;		/* where the data set begins */
	uint64_t	 head;		/* bytes read up to here */
	/*
	 * A hash of the header's shape.  Equal for headers that have the same
	 * syntax and, at all levels, the same tags with the same VRs in the same
	 * order and lengths of the same class (zero, undefined, odd, long), and
	 * meta information that is equally right about its length.  0 with
	 * implicit VRs, with ${mismatch} and with ${nested_bad}.
	 */
	uint64_t	 shape;
	char		 number_vr[2];	/* VR of the Series Number; NULs: none */
	/* Further results, once the object was fed to its end. */
	int		 is_signed;	/* (4FFE,0001) or (FFFA,FFFA) at top level */
	int		 at_pixels;	/* a tag of group 7FE0 was seen */
	uint64_t	 pixels, pixels_end; /* first byte and end of the value of
					 * (7FE0,0010), or of (7FE0,0008) or
					 * (7FE0,0009): 0 where none was seen;
					 * UINT64_MAX while the end was not */
	int		 in_fragments;	/* that value is one of undefined length */
	uint32_t	 late;		/* the tag of an element of the head, or of
					 * the stamp's private group, found behind
					 * the head, a second or a first time; 0:
					 * none */
	int		 tail_lost;	/* the bytes behind the head are not valid;
					 * their reading was given up */
	int		 cut;		/* the object ended within a value, a
					 * sequence or the deflated data set */
	/* Why it is IMGP_DICOM_BAD. */
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
	int		 phase, shapeless;
	int		 records;	/* (0004,1220) was seen */
	unsigned int	 nframe;
	struct imgp_dicom_frame frame[IMGP_DICOM_DEPTH + 1];
	void		*inflate;
	uint64_t	 zin;		/* bytes that it was fed */
	int		 syntax_grab;
	char		 media[IMGP_UID_MAX + 1];
};

/*
 * Begin an object.  NULL for ${want} and ${lim}: the defaults.  The creator of ${want}
 * is not copied.
 */
void	imgp_dicom_init(struct imgp_dicom *d, const struct imgp_dicom_want *want,
	    const struct imgp_dicom_limits *lim);
/* Free what it holds, which is something in the deflated syntax only. */
void	imgp_dicom_release(struct imgp_dicom *d);

/*
 * Feed the next ${len} bytes; all are consumed.  After IMGP_DICOM_HEAD the caller may
 * go on, for the further results, or stop: the state does not change.  After
 * IMGP_DICOM_NOT and IMGP_DICOM_BAD bytes are ignored.
 */
enum imgp_dicom_state imgp_dicom_feed(struct imgp_dicom *d, const void *p,
	    size_t len);
/* Tell it that the object has ended.  Never returns IMGP_DICOM_MORE. */
enum imgp_dicom_state imgp_dicom_end(struct imgp_dicom *d);
/*
 * After IMGP_DICOM_HEAD: how many of the next bytes belong to a value that is not
 * wanted and need not be fed.  It may be more than the object has, and is always 0 in
 * the deflated syntax.  imgp_dicom_skip() skips ${n} of them.
 */
uint64_t imgp_dicom_idle(const struct imgp_dicom *d);
void	imgp_dicom_skip(struct imgp_dicom *d, uint64_t n);

/*
 * Copy a noted value as text, without leading and trailing spaces and trailing NULs,
 * to ${out} of ${size} bytes.  Returns its length, 0 for an empty value; -1 when it is
 * absent, too long for ${out}, or not printable ASCII.
 */
int	imgp_dicom_text(const struct imgp_dicom *d, enum imgp_dicom_which w,
	    char *out, size_t size);
/* Copy a UID: 0, or -1 unless it is 1 to 64 printable ASCII characters without blanks.
 * (PS3.5 allows digits and dots only, but real UIDs have others, too.) */
int	imgp_dicom_uid(const struct imgp_dicom *d, enum imgp_dicom_which w,
	    char out[IMGP_UID_MAX + 1]);
/*
 * Get the Series Number: 0 and ${*n}, a whole number in any spelling ("01", "1.0"); -1
 * when it is absent or empty; 1 when it is no whole number of 32 bits; 2 when its VR,
 * ${number_vr}, is neither text nor an integer.
 */
int	imgp_dicom_number(const struct imgp_dicom *d, int32_t *n);
/* For IMGP_DICOM_NO_UID: write a phrase for people that says which of the four UIDs are
 * missing or unusable, and why, without their values; cut to ${size} bytes. */
void	imgp_dicom_why_no_uid(const struct imgp_dicom *d, char *out,
	    size_t size);

/*
 * Encode an element with the VR ${vr} (two letters) in the coding of the data set, its
 * value ${len} bytes of text padded with a space to an even length, into ${out} (at
 * least len + 13 bytes).  Returns its size.
 */
size_t	imgp_dicom_code(const struct imgp_dicom *d, uint32_t tag,
	    const char *vr, const void *value, size_t len, unsigned char *out);

#endif
