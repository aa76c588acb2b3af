/*
 * The table of a job line's members.  job.c checks lines by it.  Flags mark the columns
 * of the look-up, the members allowed in templates of names, and those that mails, logs
 * and imgp-status may show.  imgp-job(5) has a paragraph for each row.
 *
 * To add a member that a site's view pipeline.upload may give, add a row with
 * IMGP_MEMBER_OPTIONAL, the column to the view, and the paragraph.
 */
#ifndef IMGPIPE_MEMBERS_H
#define IMGPIPE_MEMBERS_H

/* What a member may be; null is always allowed and counts as not there. */
#define IMGP_MEMBER_STR		0x01u
#define IMGP_MEMBER_INT		0x02u	/* within 64 bits */
#define IMGP_MEMBER_NUM		0x04u	/* any number */
#define IMGP_MEMBER_BOOL	0x08u
#define IMGP_MEMBER_OBJ		0x10u
#define IMGP_MEMBER_ARR		0x20u

/* Where it comes from and may go. */
#define IMGP_MEMBER_COLUMN	0x01u	/* every pipeline.upload has it */
#define IMGP_MEMBER_OPTIONAL	0x02u	/* a site's pipeline.upload may have it */
#define IMGP_MEMBER_EMPTY	0x04u	/* a column whose text may be empty */
#define IMGP_MEMBER_NAMES	0x08u	/* a name's template may hold it; it must
					 * never change for an upload's revision */
#define IMGP_MEMBER_TOLD	0x10u	/* mails, logs, imgp-status may show it:
					 * no patient data */

struct imgp_member {
	const char	*name;
	unsigned int	 types;		/* IMGP_MEMBER_STR, … */
	unsigned int	 flags;		/* IMGP_MEMBER_COLUMN, … */
};

/* In the order of imgp-job(5), that of its columns in pipeline.upload; the row
 * after the last has the name NULL. */
extern const struct imgp_member imgp_members[];

/* The row of ${name}, or NULL: a member that imgp-job(5) does not name. */
const struct imgp_member *imgp_member_find(const char *name);

#endif
