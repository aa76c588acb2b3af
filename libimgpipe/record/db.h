/*
 * PostgreSQL: one connection, statements with parameters, whole answers.
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

#define IMGP_DB_SCHEMA		2	/* version of sql/ that the tools speak */

#define IMGP_DB_READ_ONLY	1u	/* default_transaction_read_only */

struct imgp_db;
struct imgp_rows;

/*
 * Connect to ${conninfo} (a libpq connection string or URI; NULL or "": PG*
 * variables alone) with time limits on connecting, statements, locks and idle
 * transactions (the setting "db_timeout"), search_path pg_catalog,
 * application_name the tool's name, and sslmode verify-full where nothing else
 * is said and the server is not on this machine.  Commits wait for a
 * synchronous standby's replay where there is one.
 * Tries again for ${patience} seconds (0: once).  NULL and ${e} on failure.
 */
struct imgp_db *imgp_db_open(const char *conninfo, unsigned int flags,
	    int patience, struct imgp_err *e);
void	imgp_db_close(struct imgp_db *db);	/* NULL is fine */

/*
 * Run ${sql} with ${n} text parameters (NULL: null).  A lost connection is made
 * anew first when no transaction is open.  NULL and ${e} on failure; free with
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
 * the answer of the ith, to be freed each.  Where no transaction is open they
 * are one: all of them count, or none does.  Otherwise the first failure fails
 * those after it, and the caller ends the transaction.  -1 and ${e} on failure;
 * every ${rows}[i] is NULL then.
 */
struct imgp_db_stmt {
	const char		*sql;
	const char *const	*params;
	size_t			 n;
};
int	imgp_db_batch(struct imgp_db *db, const struct imgp_db_stmt *stmts,
	    size_t n, struct imgp_rows **rows, struct imgp_err *e);

/*
 * Statements without parameters and answer: begin, commit, rollback.  When the
 * connection breaks, a transaction that was open is over: the next call begins
 * on a new connection.  A commit that fails with IMGP-DB-UNAVAILABLE may have
 * happened.
 */
int	imgp_db_exec(struct imgp_db *db, const char *sql, struct imgp_err *e);
/* Give up the transaction that is open, if there is one. */
void	imgp_db_rollback(struct imgp_db *db);

/*
 * 0 when the schema "pipeline" is loaded in the version that this program was
 * written for; else -1 with IMGP-DB-SCHEMA, or why it could not be asked.
 */
int	imgp_db_check_schema(struct imgp_db *db, struct imgp_err *e);

/* A well-formed connection string (NULL: yes), else IMGP-CONFIG. */
int	imgp_db_check_conninfo(const char *conninfo, struct imgp_err *e);

/* "libpq 15.18" */
const char *imgp_db_version(void);

#endif
