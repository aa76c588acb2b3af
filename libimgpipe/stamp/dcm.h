/*
 * DCMTK, the second reader: what does it find in a header that we wrote?
 *
 * It sees only what the walker (dicom.h) has found sound and short enough, is
 * never asked to write, and none of its exceptions, messages or types comes out
 * of dcm.cc.
 */
#ifndef IMGPIPE_DCM_H
#define IMGPIPE_DCM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Silence the log and settle the dictionary: once, before any other call, and
 * before threads are made and rights are given up.
 *
 * It is an empty one, whatever DCMDICTPATH says.  To find the top level's tags
 * none is needed (what has no length is a sequence, the rest is stepped over),
 * it takes longer to load than a hundred stamps, and what a site's own one says
 * must not decide what is delivered.
 */
void	imgp_dcm_init(void);
/* "DCMTK 3.6.7". */
const char *imgp_dcm_version(void);

/*
 * Read the object that begins with the ${len} bytes at ${buf} up to the tag
 * ${tag}, which must lie within them, and put its text, trailing spaces cut,
 * into ${value} of ${size} bytes.  1: it is there; 0: it is not; or one of:
 */
#define IMGP_DCM_UNREADABLE	(-1)	/* DCMTK cannot read it */
#define IMGP_DCM_MEMORY		(-2)	/* the machine has no memory for it */
#define IMGP_DCM_LIMIT		(-3)	/* it asks for more than 128 MiB */
int	imgp_dcm_value(const void *buf, size_t len, uint32_t tag, char *value,
	    size_t size);

#ifdef __cplusplus
}
#endif

#endif
