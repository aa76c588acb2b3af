/* Times as people write them on a command line. */
#ifndef IMGPIPE_SINCE_H
#define IMGPIPE_SINCE_H

/*
 * "24h" (before now), "2019-01-18" or "2019-01-18T22:00Z" (UTC unless it says
 * otherwise) as text that PostgreSQL reads as a timestamp, the caller's to free.
 * NULL when ${s} is none of them; whether the date exists, the database says.
 */
char	*imgp_since(const char *s);
/* The same for a time to come: "7d" is a week from now. */
char	*imgp_until(const char *s);

#endif
