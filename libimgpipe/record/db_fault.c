#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/record/db_fault_priv.h"

/* SQLSTATEs by their beginning; the first that fits counts. */
static const struct {
	const char	*state;
	const char	*code;
} states[] = {
	{ "08", IMGP_E_DB_UNAVAILABLE },	/* connection */
	{ "57P", IMGP_E_DB_UNAVAILABLE },	/* shutdown, starting up */
	{ "57014", IMGP_E_DB_UNAVAILABLE },	/* statement_timeout */
	{ "55P03", IMGP_E_DB_UNAVAILABLE },	/* lock_timeout */
	{ "53", IMGP_E_DB_UNAVAILABLE },	/* connections, disk, memory */
	{ "40", IMGP_E_DB_UNAVAILABLE },	/* deadlock, recovery conflict */
	{ "25006", IMGP_E_DB_UNAVAILABLE },	/* a standby: failing over */
	{ "0A000", IMGP_E_DB_UNAVAILABLE },	/* "begin read write" there */
	{ "25P0", IMGP_E_DB_UNAVAILABLE },	/* transaction gone */
	{ "58", IMGP_E_DB_UNAVAILABLE },	/* the server's I/O */
	{ "28", IMGP_E_DB_DENIED },
	{ "42501", IMGP_E_DB_DENIED },
	{ "3D000", IMGP_E_DB_SCHEMA },		/* database */
	{ "3F000", IMGP_E_DB_SCHEMA },		/* schema */
	{ "42P01", IMGP_E_DB_SCHEMA },		/* table or view */
	{ "42703", IMGP_E_DB_SCHEMA },		/* column */
	{ "42883", IMGP_E_DB_SCHEMA },		/* function */
	{ "22", IMGP_E_DB_REQUEST },
	{ "23", IMGP_E_DB_REQUEST },
};

/* Where the text alone tells: refused logins come without an SQLSTATE, and a
 * pooler's refusals with that of a broken connection. */
static const struct {
	const char	*text;
	const char	*code;
} refusals[] = {
	{ "transaction blocks not allowed", IMGP_E_CONFIG },
	{ "authentication failed", IMGP_E_DB_DENIED },
	{ "no password supplied", IMGP_E_DB_DENIED },
	{ "no pg_hba.conf entry", IMGP_E_DB_DENIED },
	{ "is not permitted to log in", IMGP_E_DB_DENIED },
	{ "permission denied for database", IMGP_E_DB_DENIED },
	{ "certificate verify failed", IMGP_E_DB_DENIED },
	{ "does not match host name", IMGP_E_DB_DENIED },
	{ "root certificate file", IMGP_E_CONFIG },
	{ "does not support SSL", IMGP_E_DB_DENIED },
	{ "definition of service", IMGP_E_CONFIG },
	{ "service file", IMGP_E_CONFIG },
	{ "role \"", IMGP_E_DB_DENIED },
	{ "database \"", IMGP_E_DB_SCHEMA },
};

/* libpq's text, without its last newline and in one line. */
static void
one_line(char *s)
{
	size_t n = strlen(s);

	while (n > 0 && s[n - 1] == '\n')
		s[--n] = '\0';
	for (; *s != '\0'; s++)
		if (*s == '\n' || *s == '\t')
			*s = ' ';
}

/* The code of a refusal that reads ${text}; NULL when it is none. */
static const char *
refusal(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (strstr(text, refusals[i].text) != NULL)
			return refusals[i].code;
	return NULL;
}

int
imgp_db_fail_words(const char *text, struct imgp_err *e)
{
	const char *code = refusal(text);
	char *msg = imgp_strdup(text);

	one_line(msg);
	imgp_fail(e, code == NULL ? IMGP_E_DB_UNAVAILABLE : code, "%s", msg);
	free(msg);
	return -1;
}

int
imgp_db_fail_state(const char *state, const char *text, struct imgp_err *e)
{
	const char *code = IMGP_E_DB_QUERY;
	size_t i;

	for (i = 0; i < sizeof states / sizeof *states; i++)
		if (strncmp(state, states[i].state,
		    strlen(states[i].state)) == 0) {
			code = states[i].code;
			break;
		}
	if (strncmp(state, "22", 2) == 0)	/* its text quotes the value */
		text = "a value is not usable";
	else if (strncmp(state, "08", 2) == 0 && text != NULL &&
	    refusal(text) != NULL)
		code = refusal(text);
	return imgp_fail(e, code, "%s (SQLSTATE %s)",
	    text == NULL ? "no message" : text, state);
}
