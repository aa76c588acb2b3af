/*
 * Objects of an upload that share a SOP Instance UID: do they hold the same pixels?
 *
 * A UID names one image (PS3.5, 9).  A second copy of it does no harm; another
 * image under the same UID does: readers keep one of the two.  The answer needs
 * a second walk over the upload, of those objects alone.
 *
 * Memory: 40 bytes an object that has copies.
 */
#ifndef IMGPIPE_COPIES_H
#define IMGPIPE_COPIES_H

#include <stddef.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/census.h"
#include "libimgpipe/dicom/faults.h"
#include "libimgpipe/dicom/limits.h"

struct imgp_copies;

/* The copies that ${c} has counted; NULL when each UID occurs once. */
struct imgp_copies *imgp_copies_new(struct imgp_census *c);
void	imgp_copies_free(struct imgp_copies *c);	/* NULL is fine */

/*
 * Drop UIDs whose members are equal byte for byte, as ${is_same} says of two members.
 * Returns how many members are left to read.
 */
typedef int imgp_copies_same(const void *arg, size_t a, size_t b);
size_t	imgp_copies_pass(struct imgp_copies *c, imgp_copies_same *is_same,
	    const void *arg);
/* Nonzero when ${member} is to be read. */
int	imgp_copies_wants(const struct imgp_copies *c, size_t member);
/*
 * Read ${member} from its first byte by ${next}, which returns as imgp_content_read()
 * does.  Returns 0; 1 when its data are damaged, so that it is left out; -1 with the
 * error of ${next}.
 */
typedef long imgp_copies_next(void *arg, void *buf, size_t len,
    struct imgp_err *e);
int	imgp_copies_read(struct imgp_copies *c, size_t member,
	    const struct imgp_dicom_limits *lim, imgp_copies_next *next, void *arg,
	    struct imgp_err *e);
/*
 * Add IMGP-DICOM-COPY to ${warnings} for each member whose pixels differ from those of
 * the first member with the same UID and transfer syntax, and for each that has none
 * where another has.  The two native little endian syntaxes are one here; of fragments
 * what they hold together is compared, without the offset table.  Pixels within a
 * deflated data set are not compared.
 */
void	imgp_copies_tell(struct imgp_copies *c, struct imgp_faults *warnings);

#endif
