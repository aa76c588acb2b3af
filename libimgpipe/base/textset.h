/*
 * A set of texts: was this one seen before?
 */
#ifndef IMGPIPE_TEXTSET_H
#define IMGPIPE_TEXTSET_H

struct imgp_textset;

struct imgp_textset *imgp_textset_new(void);
void	imgp_textset_free(struct imgp_textset *t);	/* NULL is fine */
/* Put a copy of ${s} in.  1 when it is new, 0 when it was there. */
int	imgp_textset_add(struct imgp_textset *t, const char *s);
/* Nonzero when ${s} is in it. */
int	imgp_textset_has(const struct imgp_textset *t, const char *s);

#endif
