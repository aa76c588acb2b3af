/*
 * Check whether everything that a run needs is there: settings, places, databases, clock,
 * mail, sandbox (F37).  Each check gives one finding.
 *
 * Nothing is left behind: probe objects are removed again, and where imgpipe has no right
 * to remove, none are made.  No letter is sent unless asked for.
 */
#ifndef IMGPIPE_DOCTOR_H
#define IMGPIPE_DOCTOR_H

enum imgp_health { IMGP_HEALTH_OK, IMGP_HEALTH_WARNING, IMGP_HEALTH_BROKEN };

/* A finding.  Its texts are valid during the call only. */
struct imgp_symptom {
	enum imgp_health health;
	const char	*part;		/* what was checked: "temp", "database" */
	const char	*pipeline;	/* NULL: of all pipelines */
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

/* Check everything and call ${d->found} for each finding; once in a process, with SIGPIPE
 * ignored. */
void	imgp_doctor(const struct imgp_doctor *d);

#endif
