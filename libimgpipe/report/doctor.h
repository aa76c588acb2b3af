/*
 * Is everything that a run needs there: settings, places, databases, clock, mail,
 * sandbox (F37)?  Each question is answered by one finding.
 *
 * Nothing stays that was not there before: a probe object is removed again, and
 * where imgpipe may not remove, none is made.  No letter is sent unless asked for.
 */
#ifndef IMGPIPE_DOCTOR_H
#define IMGPIPE_DOCTOR_H

enum imgp_health { IMGP_HEALTH_OK, IMGP_HEALTH_WARNING, IMGP_HEALTH_BROKEN };

/* All text lives during the call alone. */
struct imgp_symptom {
	enum imgp_health health;
	const char	*part;		/* what was looked at: "temp", "database" */
	const char	*pipeline;	/* whose; NULL: all's */
	const char	*code;		/* of the error dictionary; NULL: none */
	const char	*what;		/* a phrase for people */
	const char	*act;		/* what to do; NULL: nothing */
};

struct imgp_doctor {
	void		(*found)(void *arg, const struct imgp_symptom *s);
	void		*arg;
	const char	*bin;		/* the directory of the tools */
	int		 send;		/* send the admins a letter */
};

/* Look at everything and tell it by ${d->found}; once in a process, with SIGPIPE
 * ignored. */
void	imgp_doctor(const struct imgp_doctor *d);

#endif
