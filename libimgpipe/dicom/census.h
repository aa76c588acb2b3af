/*
 * Counting instances: studies, their series, the distinct SOP Instance UIDs in
 * each, and the Series Number that most of them give.
 *
 * Memory: 24 bytes and the UID for a copy of an instance, twice the 24 while a result
 * is made; some 300 for a series.
 */
#ifndef IMGPIPE_CENSUS_H
#define IMGPIPE_CENSUS_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/dicom/scans.h"

struct imgp_census;

struct imgp_census *imgp_census_new(void);
void	imgp_census_free(struct imgp_census *c);	/* NULL is fine */

/*
 * Count an instance that stands in ${member} (from 1; 0: the upload itself).
 * ${number} may be NULL: it has none.  Returns the position of its series from 0,
 * in order of appearance.
 */
size_t	imgp_census_add(struct imgp_census *c, const char *study,
	    const char *series, const char *instance, const int32_t *number,
	    size_t member);
/* How many distinct instances, and how many series there are. */
size_t	imgp_census_instances(struct imgp_census *c);
size_t	imgp_census_series(const struct imgp_census *c);

/*
 * Fill ${s} (empty before), ordered by study UID, series number (none last),
 * series UID.  A series whose instances disagree takes the number that most of
 * those with one give, the lowest on a tie; an instance whose copies disagree is
 * one that gives the number which most of its copies give, likewise.
 */
void	imgp_census_scans(struct imgp_census *c, struct imgp_scans *s);
/*
 * What is there more than once under one SOP Instance UID, in whatever series:
 * ${*copies}, for the caller to free, a UID's members one after the
 * other.  Returns how many; with 0 ${*copies} is NULL.
 */
struct imgp_census_copy {
	size_t	member;
	size_t	uid;		/* equal for copies of one another */
};
size_t	imgp_census_copies(struct imgp_census *c,
	    struct imgp_census_copy **copies);
/*
 * Nonzero when ${s} has the same series with the same numbers of instances.
 */
int	imgp_census_equal(struct imgp_census *c, const struct imgp_scans *s);

#endif
