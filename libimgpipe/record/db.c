#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/record/db.h"

struct imgp_db {
	PGconn		*conn;		/* NULL: to be made */
	char		*conninfo;
	unsigned int	 flags;
	long long	 timeout_s;	/* of a statement, in the server */
	int		 silence_ms;	/* after which the server is lost */
};

struct imgp_rows {
	PGresult	*res;
};

/* --- what failed ---------------------------------------------------------- */

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

/* A server refuses a login before there is a result with an SQLSTATE. */
static const struct {
	const char	*text;
	const char	*code;
} refusals[] = {
	{ "authentication failed", IMGP_E_DB_DENIED },
	{ "no password supplied", IMGP_E_DB_DENIED },
	{ "no pg_hba.conf entry", IMGP_E_DB_DENIED },
	{ "is not permitted to log in", IMGP_E_DB_DENIED },
	{ "permission denied for database", IMGP_E_DB_DENIED },
	{ "certificate verify failed", IMGP_E_DB_DENIED },
	{ "does not match host name", IMGP_E_DB_DENIED },
	{ "root certificate file", IMGP_E_CONFIG },
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

static int
fail_connect(struct imgp_err *e, const char *text)
{
	const char *code = IMGP_E_DB_UNAVAILABLE;
	char *msg = imgp_strdup(text);
	size_t i;

	one_line(msg);
	for (i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (strstr(msg, refusals[i].text) != NULL) {
			code = refusals[i].code;
			break;
		}
	imgp_fail(e, code, "%s", msg);
	free(msg);
	return -1;
}

static int
fail_result(struct imgp_err *e, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *code = IMGP_E_DB_QUERY;
	size_t i;

	if (state == NULL)		/* libpq's own: the connection broke */
		return imgp_fail(e, IMGP_E_DB_UNAVAILABLE,
		    "the connection was lost");
	for (i = 0; i < sizeof states / sizeof *states; i++)
		if (strncmp(state, states[i].state,
		    strlen(states[i].state)) == 0) {
			code = states[i].code;
			break;
		}
	if (strncmp(state, "22", 2) == 0)	/* its text quotes the value */
		text = "a value is not usable";
	return imgp_fail(e, code, "%s (SQLSTATE %s)",
	    text == NULL ? "no message" : text, state);
}

/* --- connecting ----------------------------------------------------------- */

static int
is_local_host(const char *s, size_t len)
{
	static const char *const local[] = { "localhost", "127.0.0.1", "::1" };
	size_t i;

	if (len == 0 || s[0] == '/' || s[0] == '@')
		return 1;
	for (i = 0; i < sizeof local / sizeof *local; i++)
		if (strlen(local[i]) == len && memcmp(local[i], s, len) == 0)
			return 1;
	return 0;
}

/* Nonzero when each of the hosts, separated by commas, is this machine. */
static int
are_local(const char *hosts)
{
	const char *end;

	for (;; hosts = end + 1) {
		end = strchr(hosts, ',');
		if (!is_local_host(hosts, end == NULL ? strlen(hosts) :
		    (size_t)(end - hosts)))
			return 0;
		if (end == NULL)
			return 1;
	}
}

static const char *
option(const PQconninfoOption *o, const char *name)
{
	for (; o->keyword != NULL; o++)
		if (strcmp(o->keyword, name) == 0 && o->val != NULL &&
		    *o->val != '\0')
			return o->val;
	return NULL;
}

/* What the connection string says, else the environment. */
static const char *
said(const PQconninfoOption *o, const char *name, const char *env)
{
	const char *s = o == NULL ? NULL : option(o, name);

	if (s == NULL && (s = getenv(env)) != NULL && *s == '\0')
		s = NULL;
	return s;
}

int
imgp_db_check_conninfo(const char *conninfo, struct imgp_err *e)
{
	PQconninfoOption *o;
	char *why = NULL;

	if (conninfo == NULL)
		return 0;
	if ((o = PQconninfoParse(conninfo, &why)) == NULL) {
		/* its text may repeat a part of the string: a password */
		PQfreemem(why);
		return imgp_fail(e, IMGP_E_CONFIG,
		    "the connection string of the database is malformed");
	}
	PQconninfoFree(o);
	return 0;
}

/*
 * The keywords that go with the user's string; what stands after dbname wins
 * over it, so each is given only where nothing was said.
 */
static size_t
keywords(const struct imgp_db *db, const char **key, const char **val)
{
	PQconninfoOption *o = PQconninfoParse(db->conninfo, NULL);
	const char *host;
	size_t n = 0;

	key[n] = "dbname";
	val[n++] = db->conninfo;
	key[n] = "fallback_application_name";
	val[n++] = imgp_progname;
	key[n] = "client_encoding";
	val[n++] = "UTF8";
	if (said(o, "connect_timeout", "PGCONNECT_TIMEOUT") == NULL) {
		key[n] = "connect_timeout";
		val[n++] = "10";
	}
	if (said(o, "keepalives_idle", "") == NULL) {
		key[n] = "keepalives_idle";
		val[n++] = "30";
		key[n] = "keepalives_interval";
		val[n++] = "10";
		key[n] = "keepalives_count";
		val[n++] = "3";
	}
	if (said(o, "tcp_user_timeout", "") == NULL) {
		key[n] = "tcp_user_timeout";
		val[n++] = "30000";
	}
	if ((host = said(o, "hostaddr", "PGHOSTADDR")) == NULL)
		host = said(o, "host", "PGHOST");
	if (host != NULL && strchr(host, ',') != NULL &&
	    !(db->flags & IMGP_DB_READ_ONLY) &&
	    said(o, "target_session_attrs", "PGTARGETSESSIONATTRS") == NULL) {
		key[n] = "target_session_attrs";
		val[n++] = "read-write";
	}
	if (said(o, "sslmode", "PGSSLMODE") == NULL &&
	    said(o, "service", "PGSERVICE") == NULL &&
	    host != NULL && !are_local(host)) {
		key[n] = "sslmode";
		val[n++] = "verify-full";
	}
	key[n] = NULL;
	val[n] = NULL;
	PQconninfoFree(o);
	return n;
}

static void
drop(struct imgp_db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
}

/* Wait until the next result is there, sending what waits to be sent. */
static int
await(struct imgp_db *db, struct imgp_err *e)
{
	PGconn *conn = db->conn;
	struct pollfd p = { .fd = PQsocket(conn) };
	int flushed, n;

	for (;;) {
		if ((flushed = PQflush(conn)) == -1)
			break;
		if (flushed == 0 && !PQisBusy(conn))
			return 0;
		p.events = flushed == 1 ? POLLIN | POLLOUT : POLLIN;
		if ((n = poll(&p, 1, db->silence_ms)) == 0)
			return imgp_fail(e, IMGP_E_DB_UNAVAILABLE,
			    "no answer for %d s", db->silence_ms / 1000);
		if (n == -1 && errno != EINTR)
			return imgp_fail_errno(e, IMGP_E_DB_UNAVAILABLE, "poll");
		if (n > 0 && (p.revents & (POLLIN | POLLHUP | POLLERR)) &&
		    !PQconsumeInput(conn))
			break;
	}
	return imgp_fail(e, IMGP_E_DB_UNAVAILABLE, "the connection was lost");
}

/* Half of the time for a lock, so that it is a lock which is named. */
static int
set_up(struct imgp_db *db, struct imgp_err *e)
{
	PGresult *res;
	char *sql;
	int rc = 0;

	sql = imgp_asprintf("set search_path = pg_catalog;"
	    "set statement_timeout = %lld; set lock_timeout = %lld;"
	    "set idle_in_transaction_session_timeout = %lld;"
	    "set client_min_messages = warning;"
	    "set synchronous_commit = remote_apply;"
	    "set default_transaction_read_only = %s", db->timeout_s * 1000,
	    db->timeout_s * 500, db->timeout_s * 1000,
	    db->flags & IMGP_DB_READ_ONLY ? "on" : "off");
	if (!PQsendQuery(db->conn, sql))
		rc = imgp_fail(e, IMGP_E_DB_UNAVAILABLE,
		    "the connection was lost");
	free(sql);
	while (rc == 0 && (rc = await(db, e)) == 0 &&
	    (res = PQgetResult(db->conn)) != NULL) {
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			rc = fail_result(e, res);
		PQclear(res);
	}
	return rc;
}

static void
ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

/* Connect once. */
static int
connect_once(struct imgp_db *db, struct imgp_err *e)
{
	const char *key[16], *val[16];

	keywords(db, key, val);
	db->conn = PQconnectdbParams(key, val, 1);
	if (db->conn == NULL)
		imgp_oom();
	if (PQstatus(db->conn) != CONNECTION_OK) {
		fail_connect(e, PQerrorMessage(db->conn));
		drop(db);
		return -1;
	}
	PQsetNoticeReceiver(db->conn, ignore_notice, NULL);
	if (PQsetnonblocking(db->conn, 1) == -1) {
		imgp_fail(e, IMGP_E_DB_UNAVAILABLE, "the connection was lost");
		drop(db);
		return -1;
	}
	if (set_up(db, e) == -1) {
		drop(db);
		return -1;
	}
	return 0;
}

struct imgp_db *
imgp_db_open(const char *conninfo, unsigned int flags, int patience,
    struct imgp_err *e)
{
	struct imgp_db *db;
	struct imgp_err why = { NULL, "" };
	int64_t end = imgp_clock_ms() + (int64_t)patience * 1000;
	int64_t pause = 100;
	long long timeout;

	if (imgp_db_check_conninfo(conninfo, e) == -1 ||
	    imgp_conf_duration(NULL, "db_timeout", &timeout, e) == -1)
		return NULL;
	if (timeout < 1 || timeout > 86400) {
		imgp_fail(e, IMGP_E_CONFIG, "db_timeout is not from 1s to 24h");
		return NULL;
	}
	db = imgp_alloc(sizeof *db);
	db->timeout_s = timeout;
	db->silence_ms = (int)timeout * 1500;
	db->conninfo = imgp_strdup(conninfo == NULL ? "" : conninfo);
	db->flags = flags;
	while (connect_once(db, &why) == -1) {
		if (strcmp(why.code, IMGP_E_DB_UNAVAILABLE) != 0 ||
		    imgp_clock_ms() + pause > end) {
			imgp_fail(e, why.code, "%s", why.msg);
			imgp_db_close(db);
			return NULL;
		}
		poll(NULL, 0, (int)pause);
		pause = pause * 2 > 5000 ? 5000 : pause * 2;
	}
	return db;
}

void
imgp_db_close(struct imgp_db *db)
{
	if (db == NULL)
		return;
	PQfinish(db->conn);
	free(db->conninfo);
	free(db);
}

/* --- statements ----------------------------------------------------------- */

/* Have a connection that is believed to work. */
static int
ready(struct imgp_db *db, struct imgp_err *e)
{
	if (db->conn != NULL && PQstatus(db->conn) != CONNECTION_OK)
		drop(db);
	return db->conn != NULL ? 0 : connect_once(db, e);
}

static int
send_all(PGconn *conn, const struct imgp_db_stmt *s, size_t n,
    struct imgp_err *e)
{
	size_t i;

	if (!PQenterPipelineMode(conn))
		goto lost;
	for (i = 0; i < n; i++)
		if (!PQsendQueryParams(conn, s[i].sql, (int)s[i].n, NULL,
		    s[i].params, NULL, NULL, 0))
			goto lost;
	if (PQpipelineSync(conn))
		return 0;
lost:
	return imgp_fail(e, IMGP_E_DB_UNAVAILABLE, "the connection was lost");
}

/* After a failover a connection may lead to a standby: another host is wanted. */
static int
is_useless(const PGconn *conn, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return PQstatus(conn) != CONNECTION_OK ||
	    (state != NULL && strcmp(state, "25006") == 0);
}

/*
 * Take the results of ${n} statements: each is a result and a NULL; after a
 * failure, those that follow are "aborted".  0; 1 when a statement failed; -1
 * when the connection is of no more use.
 */
static int
take_all(struct imgp_db *db, size_t n, struct imgp_rows **rows,
    struct imgp_err *e)
{
	PGconn *conn = db->conn;
	PGresult *res;
	size_t i;
	int bad = 0, useless;

	for (i = 0; i < n; i++) {
		if (await(db, e) == -1)
			return -1;
		res = PQgetResult(conn);
		switch (PQresultStatus(res)) {
		case PGRES_TUPLES_OK:
		case PGRES_COMMAND_OK:
			rows[i] = imgp_alloc(sizeof *rows[i]);
			rows[i]->res = res;
			break;
		case PGRES_PIPELINE_ABORTED:
			PQclear(res);
			break;
		default:
			if (!bad)
				fail_result(e, res);
			bad = 1;
			useless = is_useless(conn, res);
			PQclear(res);
			if (useless)
				return -1;
		}
		if (await(db, e) == -1)
			return -1;
		if ((res = PQgetResult(conn)) != NULL) {
			PQclear(res);
			return imgp_fail(e, IMGP_E_DB_UNAVAILABLE,
			    "an answer out of turn");
		}
	}
	if (await(db, e) == -1)
		return -1;
	res = PQgetResult(conn);
	if (PQresultStatus(res) != PGRES_PIPELINE_SYNC) {
		if (!bad)
			fail_result(e, res);
		PQclear(res);
		return -1;
	}
	PQclear(res);
	return PQexitPipelineMode(conn) ? bad :
	    imgp_fail(e, IMGP_E_DB_UNAVAILABLE, "an answer out of turn");
}

int
imgp_db_batch(struct imgp_db *db, const struct imgp_db_stmt *stmts, size_t n,
    struct imgp_rows **rows, struct imgp_err *e)
{
	size_t i;
	int rc;

	for (i = 0; i < n; i++)
		rows[i] = NULL;
	if (n == 0)
		return 0;
	if (ready(db, e) == -1)
		return -1;
	if ((rc = send_all(db->conn, stmts, n, e)) == 0)
		rc = take_all(db, n, rows, e);
	if (rc == 0)
		return 0;
	if (rc == -1)
		drop(db);
	for (i = 0; i < n; i++) {
		imgp_rows_free(rows[i]);
		rows[i] = NULL;
	}
	return -1;
}

struct imgp_rows *
imgp_db_query(struct imgp_db *db, const char *sql, size_t n,
    const char *const *params, struct imgp_err *e)
{
	struct imgp_db_stmt s = { sql, params, n };
	struct imgp_rows *rows;

	return imgp_db_batch(db, &s, 1, &rows, e) == -1 ? NULL : rows;
}

int
imgp_db_exec(struct imgp_db *db, const char *sql, struct imgp_err *e)
{
	struct imgp_rows *r = imgp_db_query(db, sql, 0, NULL, e);

	imgp_rows_free(r);
	return r == NULL ? -1 : 0;
}

void
imgp_db_rollback(struct imgp_db *db)
{
	if (db->conn == NULL || PQtransactionStatus(db->conn) == PQTRANS_IDLE)
		return;
	if (imgp_db_exec(db, "rollback", NULL) == -1)
		drop(db);
}

size_t
imgp_rows_count(const struct imgp_rows *r)
{
	return (size_t)PQntuples(r->res);
}

const char *
imgp_rows_get(const struct imgp_rows *r, size_t row, size_t col)
{
	if (PQgetisnull(r->res, (int)row, (int)col))
		return NULL;
	return PQgetvalue(r->res, (int)row, (int)col);
}

void
imgp_rows_free(struct imgp_rows *r)
{
	if (r == NULL)
		return;
	PQclear(r->res);
	free(r);
}

int
imgp_db_check_schema(struct imgp_db *db, struct imgp_err *e)
{
	struct imgp_rows *r;
	const char *have;
	long long n;
	int rc = 0;

	r = imgp_db_query(db, "select pipeline.version()", 0, NULL, e);
	if (r == NULL)
		return -1;
	have = imgp_rows_count(r) == 1 ? imgp_rows_get(r, 0, 0) : NULL;
	if (have == NULL || imgp_parse_int(have, 0, 1000000, &n) == -1)
		rc = imgp_fail(e, IMGP_E_DB_SCHEMA,
		    "the database does not say its schema's version");
	else if (n != IMGP_DB_SCHEMA)
		rc = imgp_fail(e, IMGP_E_DB_SCHEMA, "the database has version "
		    "%lld of the schema, %s needs version %d", n,
		    imgp_progname, IMGP_DB_SCHEMA);
	imgp_rows_free(r);
	return rc;
}

const char *
imgp_db_version(void)
{
	static char s[40];
	int v = PQlibVersion();

	snprintf(s, sizeof s, "libpq %d.%d", v / 10000, v % 10000);
	return s;
}
