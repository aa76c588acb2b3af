/*
 * Count instances: studies, their series, the distinct SOP Instance UIDs in each
 * series, and the Series Number that most of them give.
 *
 * Memory: 24 bytes plus the UID per copy of an instance, twice the 24 while a result is
 * made; some 300 bytes per series.
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
 * Count an instance found in ${member} (from 1; 0: the upload itself).  ${number} is its
 * Series Number, NULL if it has none.  Returns the index of its series, from 0 in order
 * of appearance.
 */
size_t	imgp_census_add(struct imgp_census *c, const char *study,
	    const char *series, const char *instance, const int32_t *number,
	    size_t member);
/* The number of distinct instances, and of series. */
size_t	imgp_census_instances(struct imgp_census *c);
size_t	imgp_census_series(const struct imgp_census *c);

/*
 * Fill ${s} (empty before), ordered by study UID, series number (none last),
 * series UID.  A series whose instances disagree gets the number that most of those
 * with a number give, the lowest on a tie; an instance whose copies disagree counts
 * with the number that most of its copies give, by the same rule.
 */
void	imgp_census_scans(struct imgp_census *c, struct imgp_scans *s);
/*
 * List the members that share their SOP Instance UID with another, in whatever series,
 * grouped by UID.  Returns how many, in ${*copies}, which the caller frees (NULL for 0).
 */
struct imgp_census_copy {
	size_t	member;
	size_t	uid;		/* equal for copies of one another */
};
size_t	imgp_census_copies(struct imgp_census *c,
	    struct imgp_census_copy **copies);
/*
 * Nonzero when ${s} has exactly the series counted, with the same numbers of instances.
 */
int	imgp_census_equal(struct imgp_census *c, const struct imgp_scans *s);

#endif
