/*
 * PostgreSQL by libpq: one connection, statements with parameters, whole results, and
 * every statement within a transaction that sets its own parameters.  One thread at a
 * time.
 *
 * Parameters are always bound (PQexecParams), as text; no statement is ever built from
 * data.  Error codes: IMGP-DB-UNAVAILABLE for what may pass by itself (SQLSTATE 08xxx,
 * 57P0x, 53300, 40001, 40P01, 25006, connection lost); IMGP-DB-DENIED for a refused login
 * or privilege; IMGP-DB-SCHEMA for a missing schema, table or function; IMGP-DB-REQUEST
 * for data that the database refuses (22xxx, 23xxx); IMGP-DB-QUERY for the rest.  The
 * message holds the SQLSTATE and the server's primary message, never a parameter.
 */
#ifndef IMGPIPE_DB_H
#define IMGPIPE_DB_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"

#define IMGP_DB_SCHEMA		13	/* version of sql/ that the tools speak */

#define IMGP_DB_READ_ONLY	1u	/* transactions are read only */

struct imgp_db;
struct imgp_rows;

/*
 * Connect to ${conninfo}, a libpq connection string or URI (NULL or "": by the PG*
 * variables alone).  application_name is the tool's name.  If the server is not on this
 * machine, sslmode is verify-full unless the string, its service or the environment says
 * otherwise ("prefer" in a service does not count).  Each transaction sets
 * statement_timeout, lock_timeout and idle_in_transaction_session_timeout (the setting
 * "db_timeout"), search_path pg_catalog, and synchronous_commit so that it waits for a
 * synchronous standby's replay if there is one.  The session's own parameters are not
 * changed, since a pooler may give it to somebody else after each transaction.  Tries
 * again for ${patience} seconds (0: tries once).  NULL with ${e} on failure.
 */
struct imgp_db *imgp_db_open(const char *conninfo, unsigned int flags,
	    int patience, struct imgp_err *e);
/* NULL is fine.  In a run, the server's end is not awaited: the next in need takes another
 * connection's place, or waits for a fifth of a second. */
void	imgp_db_close(struct imgp_db *db);

/*
 * Run ${sql} with ${n} text parameters (NULL: null) as a transaction of its own,
 * reconnecting first if the connection is lost.  NULL with ${e} on failure; free the
 * result with imgp_rows_free(), NULL is fine.
 */
struct imgp_rows *imgp_db_query(struct imgp_db *db, const char *sql, size_t n,
	    const char *const *params, struct imgp_err *e);
size_t	imgp_rows_count(const struct imgp_rows *r);
/* The text of a field, borrowed; NULL when null. */
const char *imgp_rows_get(const struct imgp_rows *r, size_t row, size_t col);
void	imgp_rows_free(struct imgp_rows *r);

/*
 * Run ${n} statements in one round trip (libpq's pipeline mode); ${rows}[i] is the result
 * of the ith, and the caller frees each.  With IMGP_DB_BEGIN in ${bounds} a transaction
 * begins before the first; without it, one must be open.  With IMGP_DB_COMMIT it is
 * committed after the last; without it, it stays open for a later call.  Returns 0; or -1
 * with ${e}: then the transaction is rolled back and every ${rows}[i] is NULL, but a
 * commit that failed with IMGP-DB-UNAVAILABLE may have happened.
 */
#define IMGP_DB_BEGIN		1u
#define IMGP_DB_COMMIT		2u
#define IMGP_DB_WRITE		4u	/* with BEGIN: this one may write, in spite of
					 * IMGP_DB_READ_ONLY */
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
/* Close the connection until the next call, which connects again.  Not within a
 * transaction; NULL is fine. */
void	imgp_db_rest(struct imgp_db *db);
/*
 * The connections of a run's processes are as many as the setting "db_connections" says;
 * who needs one waits for it.  Nothing was asked here for ${ms}: do as imgp_db_rest() if
 * another process waits, or after half a minute.  Returns nonzero when it is to be called
 * again, a quarter of a second later.  Each transaction ends with it.
 */
int	imgp_db_idle(struct imgp_db *db, int64_t ms);

/*
 * 0 when the schema "pipeline" is loaded in the version that this program was
 * written for; else -1 with IMGP-DB-SCHEMA, or why it could not be asked.
 */
int	imgp_db_check_schema(struct imgp_db *db, struct imgp_err *e);

/* Set ${*pooled} nonzero when the connection goes through a pooler, that is, another
 * backend serves than the one logged in to.  Returns 0, or -1 with ${e}. */
int	imgp_db_is_pooled(struct imgp_db *db, int *pooled, struct imgp_err *e);

/* 0 when ${conninfo} is a well-formed connection string or NULL; else -1 with
 * IMGP-CONFIG. */
int	imgp_db_check_conninfo(const char *conninfo, struct imgp_err *e);

/* "libpq 15.18" */
const char *imgp_db_version(void);

#endif
