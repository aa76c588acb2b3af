/*
 * PostgreSQL: one connection, statements with parameters, whole answers, every
 * statement within a transaction that sets what it needs.
 *
 * Parameters are always bound (PQexecParams), as text; no statement is ever
 * built from data.  Failures are mapped once: what may go away by itself
 * (08xxx, 57P0x, 53300, 40001, 40P01, 25006, connection lost) is
 * IMGP-DB-UNAVAILABLE, a refused login or right IMGP-DB-DENIED, a missing
 * schema, table or function IMGP-DB-SCHEMA, data that the database refuses (22xxx,
 * 23xxx) IMGP-DB-REQUEST, the rest IMGP-DB-QUERY; the message holds the SQLSTATE
 * and the server's primary message, never a parameter.
 */
#ifndef IMGPIPE_DB_H
#define IMGPIPE_DB_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"

#define IMGP_DB_SCHEMA		12	/* version of sql/ that the tools speak */

#define IMGP_DB_READ_ONLY	1u	/* transactions are read only */

struct imgp_db;
struct imgp_rows;

/*
 * Connect to ${conninfo} (a libpq connection string or URI; NULL or "": PG*
 * variables alone) with application_name the tool's name, and sslmode
 * verify-full where the server is not on this machine and neither the string, its
 * service nor the environment says otherwise (in a service "prefer" says nothing).
 * Each transaction has time limits on statements, locks and idling (the setting
 * "db_timeout") and search_path pg_catalog, and its commit waits for a
 * synchronous standby's replay where there is one.  The session itself is left
 * as it was found: a pooler may give it to somebody else after each transaction.
 * Tries again for ${patience} seconds (0: once).  NULL and ${e} on failure.
 */
struct imgp_db *imgp_db_open(const char *conninfo, unsigned int flags,
	    int patience, struct imgp_err *e);
void	imgp_db_close(struct imgp_db *db);	/* NULL is fine */

/*
 * Run ${sql} with ${n} text parameters (NULL: null) as a transaction of its own.
 * A lost connection is made anew first.  NULL and ${e} on failure; free with
 * imgp_rows_free(), NULL is fine.
 */
struct imgp_rows *imgp_db_query(struct imgp_db *db, const char *sql, size_t n,
	    const char *const *params, struct imgp_err *e);
size_t	imgp_rows_count(const struct imgp_rows *r);
/* The text of a field, borrowed; NULL when null. */
const char *imgp_rows_get(const struct imgp_rows *r, size_t row, size_t col);
void	imgp_rows_free(struct imgp_rows *r);

/*
 * Run ${n} statements in one round trip (libpq's pipeline mode); ${rows}[i] is
 * the answer of the ith, to be freed each.  By ${bounds} a transaction begins
 * before the first of them and is committed after the last; without
 * IMGP_DB_COMMIT it stays open for a later call, without IMGP_DB_BEGIN one must
 * be open.  -1 and ${e} on failure: the transaction is rolled back then, and
 * every ${rows}[i] is NULL.  A commit that fails with IMGP-DB-UNAVAILABLE may
 * have happened.
 */
#define IMGP_DB_BEGIN		1u
#define IMGP_DB_COMMIT		2u
struct imgp_db_stmt {
	const char		*sql;
	const char *const	*params;
	size_t			 n;
};
int	imgp_db_batch(struct imgp_db *db, unsigned int bounds,
	    const struct imgp_db_stmt *stmts, size_t n,
	    struct imgp_rows **rows, struct imgp_err *e);
/* Roll back the transaction that is open, if there is one. */
void	imgp_db_rollback(struct imgp_db *db);
/* Give the connection back: the next call connects again.  Not within a
 * transaction; NULL is fine. */
void	imgp_db_rest(struct imgp_db *db);

/*
 * 0 when the schema "pipeline" is loaded in the version that this program was
 * written for; else -1 with IMGP-DB-SCHEMA, or why it could not be asked.
 */
int	imgp_db_check_schema(struct imgp_db *db, struct imgp_err *e);

/* ${*pooled}: nonzero when a pooler stands between: the process that serves is not
 * the one that took the login.  0, or -1 and ${e}. */
int	imgp_db_is_pooled(struct imgp_db *db, int *pooled, struct imgp_err *e);

/* A well-formed connection string (NULL: yes), else IMGP-CONFIG. */
int	imgp_db_check_conninfo(const char *conninfo, struct imgp_err *e);

/* "libpq 15.18" */
const char *imgp_db_version(void);

#endif
