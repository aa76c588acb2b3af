/* Times as people write them on a command line. */
#ifndef IMGPIPE_SINCE_H
#define IMGPIPE_SINCE_H

/*
 * Convert "24h" (before now), "2019-01-18" or "2019-01-18T22:00Z" (UTC unless it has an
 * offset) to text that PostgreSQL reads as a timestamp.  The caller frees it.  NULL when
 * ${s} has none of these forms; whether the date exists is left to the database.
 */
char	*imgp_since(const char *s);
/* The same for a future time: "7d" is a week from now. */
char	*imgp_until(const char *s);

#endif
