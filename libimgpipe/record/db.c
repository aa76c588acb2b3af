#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/seats.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/record/db_fault_priv.h"

#define IDLE_MS	30000		/* so long an idle connection of a run is kept */
#define END_MS	1000		/* so long its end is awaited */

struct imgp_db {
	PGconn		*conn;		/* NULL: to be made */
	int		 seat;		/* in a run: the connection's; -1: none */
	int		 seats;		/* of the run */
	char		*conninfo;
	unsigned int	 flags;
	char		 timeout[24];	/* of a statement, in the server: ms */
	char		 lock_timeout[24];
	int		 silence_ms;	/* after which the server is lost */
	char		 last_words[256]; /* with which a server or pooler ended
					 * the connection; or "" */
};

struct imgp_rows {
	PGresult	*res;
};

/* Nonzero when it is one of those that a run shares. */
static int
has_seat(const struct imgp_db *db)
{
	return db->seat != -1 && db->seat != IMGP_SEATS_MOST;
}

/* --- what failed ---------------------------------------------------------- */

/* Keep the words with which a server or pooler ends the connection. */
static void
note_words(struct imgp_db *db, const PGresult *res)
{
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY);

	if (text != NULL && severity != NULL && strcmp(severity, "FATAL") == 0)
		snprintf(db->last_words, sizeof db->last_words, "%s", text);
}

/* The connection broke: why, if the other side has said so before. */
static int
fail_lost(struct imgp_db *db, struct imgp_err *e)
{
	PGresult *res;
	int i;

	/* Its last words may be received and not yet read. */
	for (i = 0; i < 8 && db->conn != NULL && !PQisBusy(db->conn) &&
	    (res = PQgetResult(db->conn)) != NULL; i++) {
		note_words(db, res);
		PQclear(res);
	}
	return imgp_db_fail_words(db->last_words[0] != '\0' ? db->last_words :
	    "the connection was lost", e);
}

static int
fail_result(struct imgp_db *db, const PGresult *res, struct imgp_err *e)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	if (state == NULL)		/* libpq's own: the connection broke */
		return fail_lost(db, e);
	return imgp_db_fail_state(state, PQresultErrorField(res,
	    PG_DIAG_MESSAGE_PRIMARY), e);
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

/* What is known of a connection before it is made. */
struct said {
	PQconninfoOption *given;	/* by the connection string, or NULL */
	PQconninfoOption *service;	/* with the service's, or NULL: none */
};

static const char *
option(const PQconninfoOption *o, const char *name)
{
	for (; o != NULL && o->keyword != NULL; o++)
		if (strcmp(o->keyword, name) == 0 && o->val != NULL &&
		    *o->val != '\0')
			return o->val;
	return NULL;
}

/* As option(), but NULL for what libpq takes where nothing is said. */
static const char *
option_set(const PQconninfoOption *o, const char *name)
{
	const char *val = option(o, name);

	for (; val != NULL && o->keyword != NULL; o++)
		if (strcmp(o->keyword, name) == 0 && o->compiled != NULL &&
		    strcmp(val, o->compiled) == 0)
			return NULL;
	return val;
}

/* What the connection string says, else its service, else the environment. */
static const char *
said(const struct said *w, const char *name, const char *env)
{
	const char *s = option(w->given, name);

	if (s == NULL)
		s = option_set(w->service, name);
	if (s == NULL && (s = getenv(env)) != NULL && *s == '\0')
		s = NULL;
	return s;
}

/*
 * The connection's options with those of its service, which only libpq can find:
 * an option that cannot be ends the attempt after that, before a connection.
 */
static PQconninfoOption *
read_service(const char *conninfo)
{
	static const char *const key[] = { "dbname", "channel_binding", NULL };
	const char *const val[] = { conninfo, "none", NULL };
	PGconn *conn = PQconnectStartParams(key, val, 1);
	PQconninfoOption *o = conn == NULL ? NULL : PQconninfo(conn);

	PQfinish(conn);
	return o;
}

static void
look(struct said *w, const char *conninfo)
{
	w->given = PQconninfoParse(conninfo, NULL);
	w->service = NULL;
	if (said(w, "service", "PGSERVICE") != NULL)
		w->service = read_service(conninfo);
}

static void
look_release(struct said *w)
{
	PQconninfoFree(w->given);
	PQconninfoFree(w->service);
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
	struct said w;
	const char *host;
	size_t n = 0;

	look(&w, db->conninfo);
	key[n] = "dbname";
	val[n++] = db->conninfo;
	key[n] = "fallback_application_name";
	val[n++] = imgp_progname;
	key[n] = "client_encoding";
	val[n++] = "UTF8";
	if (said(&w, "connect_timeout", "PGCONNECT_TIMEOUT") == NULL) {
		key[n] = "connect_timeout";
		val[n++] = "10";
	}
	if (said(&w, "keepalives_idle", "") == NULL) {
		key[n] = "keepalives_idle";
		val[n++] = "30";
		key[n] = "keepalives_interval";
		val[n++] = "10";
		key[n] = "keepalives_count";
		val[n++] = "3";
	}
	if (said(&w, "tcp_user_timeout", "") == NULL) {
		key[n] = "tcp_user_timeout";
		val[n++] = "30000";
	}
	if ((host = said(&w, "hostaddr", "PGHOSTADDR")) == NULL)
		host = said(&w, "host", "PGHOST");
	if (host != NULL && strchr(host, ',') != NULL &&
	    !(db->flags & IMGP_DB_READ_ONLY) &&
	    said(&w, "target_session_attrs", "PGTARGETSESSIONATTRS") == NULL) {
		key[n] = "target_session_attrs";
		val[n++] = "read-write";
	}
	if (said(&w, "sslmode", "PGSSLMODE") == NULL && host != NULL &&
	    !are_local(host)) {
		key[n] = "sslmode";
		val[n++] = "verify-full";
	}
	key[n] = NULL;
	val[n] = NULL;
	look_release(&w);
	return n;
}

/* The server's end of a connection is its process's: only then is the seat free. */
static void
await_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char s[256];

	while (poll(&p, 1, END_MS) > 0 && read(fd, s, sizeof s) > 0)
		;
	close(fd);
}

static void
drop(struct imgp_db *db)
{
	int fd = -1;

	if (has_seat(db) && db->conn != NULL && PQsocket(db->conn) != -1)
		fd = fcntl(PQsocket(db->conn), F_DUPFD_CLOEXEC, 0);
	PQfinish(db->conn);
	db->conn = NULL;
	if (fd != -1)
		await_end(fd);
	imgp_seat_leave(db->seat, 1);
	db->seat = -1;
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
	return fail_lost(db, e);
}

/* libpq takes an error that comes between two statements for a notice. */
static void
take_notice(void *arg, const PGresult *res)
{
	note_words(arg, res);
}

/* Connect once. */
static int
connect_once(struct imgp_db *db, struct imgp_err *e)
{
	const char *key[16], *val[16];

	if (db->seat == -1 && (db->seat = imgp_seat_take(db->seats, e)) == -1)
		return -1;
	keywords(db, key, val);
	db->conn = PQconnectdbParams(key, val, 1);
	if (db->conn == NULL)
		imgp_oom();
	if (PQstatus(db->conn) != CONNECTION_OK) {
		imgp_db_fail_words(PQerrorMessage(db->conn), e);
		drop(db);
		return -1;
	}
	db->last_words[0] = '\0';
	PQsetNoticeReceiver(db->conn, take_notice, db);
	if (PQsetnonblocking(db->conn, 1) == -1) {
		fail_lost(db, e);
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
	snprintf(db->timeout, sizeof db->timeout, "%lld", timeout * 1000);
	/* Half, so that a lock wait is reported as one. */
	snprintf(db->lock_timeout, sizeof db->lock_timeout, "%lld",
	    timeout * 500);
	db->silence_ms = (int)timeout * 1500;
	db->conninfo = imgp_strdup(conninfo == NULL ? "" : conninfo);
	db->flags = flags;
	db->seat = -1;
	db->seats = (int)strtol(imgp_conf(NULL, "db_connections"), NULL, 10);
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
	imgp_seat_leave(db->seat, 0);
	free(db->conninfo);
	free(db);
}

/* --- statements ----------------------------------------------------------- */

/* Connect unless a connection is open and not known to be broken. */
static int
ready(struct imgp_db *db, struct imgp_err *e)
{
	if (db->conn != NULL && PQstatus(db->conn) != CONNECTION_OK)
		drop(db);
	return db->conn != NULL ? 0 : connect_once(db, e);
}

static int
in_transaction(const struct imgp_db *db)
{
	return db->conn != NULL &&
	    PQtransactionStatus(db->conn) != PQTRANS_IDLE;
}

static int
send_all(struct imgp_db *db, const struct imgp_db_stmt *s, size_t n,
    struct imgp_err *e)
{
	size_t i;

	if (!PQenterPipelineMode(db->conn))
		return fail_lost(db, e);
	for (i = 0; i < n; i++)
		if (!PQsendQueryParams(db->conn, s[i].sql, (int)s[i].n, NULL,
		    s[i].params, NULL, NULL, 0))
			return fail_lost(db, e);
	return PQpipelineSync(db->conn) ? 0 : fail_lost(db, e);
}

/* After a failover a connection may lead to a standby: another host is wanted. */
static int
is_useless(const PGconn *conn, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return PQstatus(conn) != CONNECTION_OK || (state != NULL &&
	    (strcmp(state, "25006") == 0 || strcmp(state, "0A000") == 0));
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
		if (await(db, bad ? NULL : e) == -1)
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
				fail_result(db, res, e);
			bad = 1;
			useless = is_useless(conn, res);
			PQclear(res);
			if (useless)
				return -1;
		}
		if (await(db, bad ? NULL : e) == -1)
			return -1;
		if ((res = PQgetResult(conn)) != NULL) {
			PQclear(res);
			return imgp_fail(e, IMGP_E_DB_UNAVAILABLE,
			    "an answer out of turn");
		}
	}
	if (await(db, bad ? NULL : e) == -1)
		return -1;
	res = PQgetResult(conn);
	if (PQresultStatus(res) != PGRES_PIPELINE_SYNC) {
		if (!bad)
			fail_result(db, res, e);
		PQclear(res);
		return -1;
	}
	PQclear(res);
	return PQexitPipelineMode(conn) ? bad :
	    imgp_fail(e, IMGP_E_DB_UNAVAILABLE, "an answer out of turn");
}

/* What every transaction is set to.  A session keeps none of it: behind a pooler
 * the next transaction on it may be another program's. */
static const char settings[] =
    "select pg_catalog.set_config('search_path', 'pg_catalog', true),"
    " pg_catalog.set_config('statement_timeout', $1, true),"
    " pg_catalog.set_config('lock_timeout', $2, true),"
    " pg_catalog.set_config('idle_in_transaction_session_timeout', $1, true),"
    " pg_catalog.set_config('client_min_messages', 'warning', true),"
    " pg_catalog.set_config('synchronous_commit', 'remote_apply', true)";

/* Send ${n} statements and take their results: 0, or -1 with ${e}. */
static int
exchange(struct imgp_db *db, const struct imgp_db_stmt *stmts, size_t n,
    struct imgp_rows **rows, struct imgp_err *e)
{
	size_t i;
	int rc;

	for (i = 0; i < n; i++)
		rows[i] = NULL;
	if ((rc = send_all(db, stmts, n, e)) == 0)
		rc = take_all(db, n, rows, e);
	if (rc == 0)
		return 0;
	if (rc == -1)
		drop(db);
	for (i = 0; i < n; i++) {
		imgp_rows_free(rows[i]);
		rows[i] = NULL;
	}
	imgp_db_rollback(db);
	return -1;
}

int
imgp_db_batch(struct imgp_db *db, unsigned int bounds,
    const struct imgp_db_stmt *stmts, size_t n, struct imgp_rows **rows,
    struct imgp_err *e)
{
	const char *const limits[] = { db->timeout, db->lock_timeout };
	struct imgp_db_stmt *all = imgp_alloc((n + 3) * sizeof *all);
	struct imgp_rows **got = imgp_alloc((n + 3) * sizeof *got);
	size_t i, first = 0, m = 0;
	int rc = -1, reads;

	if (bounds & IMGP_DB_BEGIN) {
		reads = db->flags & IMGP_DB_READ_ONLY && !(bounds & IMGP_DB_WRITE);
		all[m++] = (struct imgp_db_stmt){ reads ? "begin read only" :
		    "begin read write", NULL, 0 };
		all[m++] = (struct imgp_db_stmt){ settings, limits, 2 };
		first = m;
	}
	for (i = 0; i < n; i++) {
		all[m++] = stmts[i];
		rows[i] = NULL;
	}
	if (bounds & IMGP_DB_COMMIT)
		all[m++] = (struct imgp_db_stmt){ "commit", NULL, 0 };
	if (!(bounds & IMGP_DB_BEGIN) && !in_transaction(db))
		fail_lost(db, e);
	else if (ready(db, e) == 0)
		rc = exchange(db, all, m, got, e);
	for (i = 0; rc == 0 && i < m; i++)
		if (i >= first && i < first + n)
			rows[i - first] = got[i];
		else
			imgp_rows_free(got[i]);
	free(all);
	free(got);
	imgp_db_idle(db, 0);
	return rc;
}

struct imgp_rows *
imgp_db_query(struct imgp_db *db, const char *sql, size_t n,
    const char *const *params, struct imgp_err *e)
{
	struct imgp_db_stmt s = { sql, params, n };
	struct imgp_rows *rows;

	return imgp_db_batch(db, IMGP_DB_BEGIN | IMGP_DB_COMMIT, &s, 1, &rows,
	    e) == -1 ? NULL : rows;
}

void
imgp_db_rollback(struct imgp_db *db)
{
	static const struct imgp_db_stmt rollback = { "rollback", NULL, 0 };
	struct imgp_rows *r = NULL;

	if (!in_transaction(db))
		return;
	if (send_all(db, &rollback, 1, NULL) == 0 &&
	    take_all(db, 1, &r, NULL) == 0)
		imgp_rows_free(r);
	else
		drop(db);
}

void
imgp_db_rest(struct imgp_db *db)
{
	if (db != NULL && !in_transaction(db))
		drop(db);
}

int
imgp_db_idle(struct imgp_db *db, int64_t ms)
{
	if (db == NULL || !has_seat(db) || in_transaction(db))
		return 0;
	if (ms < IDLE_MS && !imgp_seats_wanted(db->seats))
		return 1;
	drop(db);
	return 0;
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
imgp_db_is_pooled(struct imgp_db *db, int *pooled, struct imgp_err *e)
{
	struct imgp_rows *r = imgp_db_query(db, "select pg_backend_pid()", 0,
	    NULL, e);
	const char *pid;

	if (r == NULL)
		return -1;
	pid = imgp_rows_get(r, 0, 0);
	*pooled = pid == NULL || atoi(pid) != PQbackendPID(db->conn);
	imgp_rows_free(r);
	return 0;
}

int
imgp_db_check_schema(struct imgp_db *db, struct imgp_err *e)
{
	static const struct imgp_db_stmt s = { "select pipeline.version()",
	    NULL, 0 };
	struct imgp_rows *r;
	const char *have;
	long long n;
	int rc = 0;

	/* Two round trips: a pooler that takes the connection away after each
	 * statement is found now, not after the first claim. */
	if (imgp_db_batch(db, IMGP_DB_BEGIN, &s, 1, &r, e) == -1)
		return -1;
	if (imgp_db_batch(db, IMGP_DB_COMMIT, NULL, 0, NULL, e) == -1) {
		imgp_rows_free(r);
		return -1;
	}
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
