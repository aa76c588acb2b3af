/*
 * DCMTK, the second reader: what does it find in a header that we wrote?
 *
 * It gets only headers that the walker (dicom/dicom.h) has found sound and short enough,
 * and never writes.  None of its exceptions, messages or types leaves dcm.cc.
 */
#ifndef IMGPIPE_DCM_H
#define IMGPIPE_DCM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Silence DCMTK's log and give it an empty data dictionary, whatever DCMDICTPATH says.
 * Call it once, before any other call, before threads start and rights are given up.
 *
 * Finding the top level's tags needs no dictionary (an element without a length is a
 * sequence, all others are stepped over).  Loading one takes longer than a hundred
 * stamps, and a site's own one must not influence what is delivered.
 */
void	imgp_dcm_init(void);
/* "DCMTK 3.6.7". */
const char *imgp_dcm_version(void);

/*
 * Read the object that begins with the ${len} bytes at ${buf} up to the element ${tag},
 * which must lie within them, and copy its text without trailing spaces to ${value} of
 * ${size} bytes.  Returns 1; 0 when the element is not there; or one of:
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
