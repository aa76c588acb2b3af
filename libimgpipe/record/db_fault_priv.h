/*
 * What PostgreSQL's errors are to us, for db.c: the codes that SQLSTATEs and refusals
 * come to (appendix A of PostgreSQL's manual).
 */
#ifndef IMGPIPE_DB_FAULT_PRIV_H
#define IMGPIPE_DB_FAULT_PRIV_H

#include "libimgpipe/base/err.h"

/* Fail by words that came without an SQLSTATE, libpq's or a server's last ones: -1. */
int	imgp_db_fail_words(const char *text, struct imgp_err *e);
/* Fail by the SQLSTATE ${state} and its primary message ${text}, which may be NULL, and of
 * which nothing is told where it quotes a value: -1. */
int	imgp_db_fail_state(const char *state, const char *text, struct imgp_err *e);

#endif
