/* PKGS: libpq */
/*
 * Orders of the record keeping's steps by several sessions (R6, R7), after the
 * idea of PostgreSQL's isolation tester: every order in which the steps of two
 * and three sessions can follow each other is run, each on an upload of its
 * own, and what must hold is asked afterwards.  A step that waits for a lock is
 * left waiting while the others go on.  Then a thousand races without order.
 * Of the longest scenarios one order in 29 is run, and 100 races, with LONG (make
 * check-long); all with ALL (make check-db); else one in 290, and of the others one
 * in 10, and 20 races.
 *
 * IMGP_DATABASE is the owner's connection string; uploads 100000 and on belong
 * to the pipeline "image".
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "tests/c/tap.h"

#define SESSIONS	4

enum op { END, BEGIN, COMMIT, START, SCANS, DONE, ERROR, EXPIRE, RELEASE, OPEN,
    SENT };

/* $1 the upload, $2 the lease, $3 the session, $4 the digest. */
static const char *const sql[] = {
	[BEGIN] = "begin",
	[COMMIT] = "commit",
	[START] =
	    "with c as materialized (select pipeline.file_start("
	    " jsonb_build_object('pipeline_code', 'image', 'claim', $3::text,"
	    " 'run', 'run ' || $3::text, 'revision_number', 1,"
	    " 'subject_event_crf_file_id', $1::bigint)) as a)"
	    " select a #>> '{data,edc_pipeline_file,lease}', pipeline.file_start("
	    " jsonb_build_object('edc_pipeline_file_id',"
	    " a #> '{data,edc_pipeline_file,id}',"
	    " 'pipeline_code', 'image', 'subject_event_crf_file_id', $1::bigint,"
	    " 'lease',"
	    " a #> '{data,edc_pipeline_file,lease}', 'file_name',"
	    " $1::text || ' of ' || $3::text, 'file_path', 'q/')),"
	    " $2::text, $4::text from c",
	[SCANS] =
	    "select pipeline.file_scans(jsonb_build_object("
	    " 'edc_pipeline_file_id', (select id from pipeline.edcpipelinefile"
	    " where subjecteventcrffile_id = $1::bigint), 'pipeline_code', 'image',"
	    " 'subject_event_crf_file_id', $1::bigint, 'lease', $2::bigint,"
	    " 'scans', '[{\"study_uid\": \"1\", \"series\": ["
	    " {\"series_uid\": \"2\", \"number_of_instances\": 1},"
	    " {\"series_uid\": \"3\", \"number_of_instances\": 1}]}]'::jsonb))"
	    " ->> 'success', $3::text, $4::text",
	[DONE] =
	    "select pipeline.file_finish(jsonb_build_object("
	    " 'edc_pipeline_file_id', (select id from pipeline.edcpipelinefile"
	    " where subjecteventcrffile_id = $1::bigint), 'pipeline_code', 'image',"
	    " 'subject_event_crf_file_id', $1::bigint, 'lease', $2::bigint,"
	    " 'status', 'done', 'sha256', jsonb_build_object('destination',"
	    " repeat('c', 64)))) ->> 'success', $3::text, $4::text",
	[ERROR] =
	    "select pipeline.file_finish(jsonb_build_object("
	    " 'edc_pipeline_file_id', (select id from pipeline.edcpipelinefile"
	    " where subjecteventcrffile_id = $1::bigint), 'pipeline_code', 'image',"
	    " 'subject_event_crf_file_id', $1::bigint, 'lease', $2::bigint,"
	    " 'status', 'error', 'errors', '[{\"stage\": \"fetch\","
	    " \"error_code\": \"IMGP-STORE-NOT-FOUND\", \"error\": \"x\"}]'::jsonb))"
	    " ->> 'success', $3::text, $4::text",
	[EXPIRE] =
	    "update pipeline.edcpipelinefile set lease_until ="
	    " now() - interval '1 s' where subjecteventcrffile_id = $1::bigint"
	    " and lease_until is not null and ($2::text || $3::text || $4::text)"
	    " is null",
	[RELEASE] =
	    "select pipeline.file_release(jsonb_build_object('run', 'run A'))"
	    " ->> 'success', $1::text, $2::text, $3::text, $4::text",
	[OPEN] =
	    "select pipeline.digest_open('{}') #>> '{data,digest_id}',"
	    " $1::text, $2::text, $3::text, $4::text",
	[SENT] =
	    "select pipeline.digest_sent(jsonb_build_object('digest_id',"
	    " $4::bigint)) ->> 'success', $1::text, $2::text, $3::text",
};

/*
 * What must hold of the upload $1 after $2 leases were given, and ends were
 * accepted for the leases $3: nothing is said then.
 */
static const char holds[] =
    "select concat_ws('; ',"
    " case when count(*) <> 1 then count(*) || ' rows' end,"
    " case when max(f.attempt) <> $2::int then max(f.attempt) ||"
    "  ' attempts for ' || $2 || ' leases' end,"
    " case when (select coalesce(array_agg(o.lease order by o.lease), '{}')"
    "  from pipeline.outcome o where o.edcpipelinefile_id = max(f.id)) <>"
    "  (select coalesce(array_agg(x order by x), '{}') from"
    "  unnest($3::text::bigint[]) x) then 'outcomes are not those of ' || $3::text end,"
    " case when max(f.status) in ('Completed', 'Failed') and max(f.status) <>"
    "  (select o.status from pipeline.outcome o where o.edcpipelinefile_id ="
    "  max(f.id) order by o.id desc limit 1) then 'not its last outcome' end,"
    " case when (max(f.status) = 'Completed') <> exists (select from"
    "  pipeline.outcome o where o.edcpipelinefile_id = max(f.id) and"
    "  o.status = 'Completed') then 'Completed and not Completed' end,"
    " case when (select count(*) from pipeline.edcpipelinefileerrorlog l where"
    "  l.edcpipelinefile_id = max(f.id)) <> (select count(*) from"
    "  pipeline.outcome o where o.edcpipelinefile_id = max(f.id) and"
    "  o.status = 'Failed') then 'error log and outcomes differ' end,"
    " case when (select string_agg(scan_no || serieuid, ' ' order by scan_no)"
    "  from pipeline.edcpipelinefiledicom d where d.edcpipelinefile_id ="
    "  max(f.id)) <> '12 23' then 'scans' end)"
    " from pipeline.edcpipelinefile f"
    " where f.subjecteventcrffile_id = $1::bigint";
/* After the digests were sent: the upload's delivery is in exactly one. */
static const char in_one_digest[] =
    "select concat_ws('; ', case when (select count(*) from pipeline.digest d,"
    " jsonb_array_elements(d.content -> 'files') e where d.ts_sent is not null"
    " and (e ->> 'subject_event_crf_file_id')::bigint = f.subjecteventcrffile_id"
    " and e ->> 'status' = 'Completed') <> (f.status = 'Completed')::int"
    " then 'in not one digest' end, nullif(left($2 || $3, 0), ''))"
    " from pipeline.edcpipelinefile f where f.subjecteventcrffile_id = $1::bigint";

struct session {
	PGconn		*conn;
	char		 pid[16];
	enum op		 waiting;	/* END: for nothing */
	char		 lease[24];	/* "" none */
};

static struct session ses[SESSIONS];
static PGconn *control;
static char digest[24] = "0";
static long upload = 100000;
static int leases;
static char ends[200];		/* leases whose end was accepted: "5,7" */

static void
die(PGconn *conn, const char *what)
{
	printf("Bail out! %s: %s\n", what, PQerrorMessage(conn));
	exit(1);
}

static PGconn *
connect_db(void)
{
	PGconn *conn = PQconnectdb(getenv("IMGP_DATABASE"));

	if (PQstatus(conn) != CONNECTION_OK)
		die(conn, "connect");
	return conn;
}

/* One text from the control session; the caller's to free. */
static char *
ask(const char *q, int n, const char *const *params)
{
	PGresult *res = PQexecParams(control, q, n, NULL, params, NULL, NULL, 0);
	char *s;

	if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1)
		die(control, q);
	s = strdup(PQgetvalue(res, 0, 0));
	PQclear(res);
	return s;
}

static void
accept_end(const struct session *s)
{
	size_t len = strlen(ends);

	snprintf(ends + len, sizeof ends - len, "%s%s", len == 0 ? "" : ",",
	    s->lease);
}

/* Take the result of a step that is over. */
static void
take(struct session *s)
{
	PGresult *res;
	const char *v;
	int ok;

	while ((res = PQgetResult(s->conn)) != NULL) {
		ok = PQresultStatus(res) == PGRES_COMMAND_OK ||
		    PQresultStatus(res) == PGRES_TUPLES_OK;
		if (!ok)
			die(s->conn, sql[s->waiting]);
		v = PQntuples(res) == 1 ? PQgetvalue(res, 0, 0) : "";
		switch (s->waiting) {
		case START:
			snprintf(s->lease, sizeof s->lease, "%s", v);
			leases += *v != '\0';
			break;
		case DONE: case ERROR:
			if (strcmp(v, "true") == 0)
				accept_end(s);
			break;
		case OPEN:
			snprintf(digest, sizeof digest, "%s", v);
			break;
		default:
			break;
		}
		PQclear(res);
	}
	s->waiting = END;
}

static int
is_over(struct session *s)
{
	if (!PQconsumeInput(s->conn))
		die(s->conn, sql[s->waiting]);
	return !PQisBusy(s->conn);
}

/* Nonzero when the server says that it waits for another session's lock. */
static int
is_blocked(struct session *s)
{
	char pids[100];
	const char *params[2] = { s->pid, pids };
	char *v;
	int n;
	size_t i, len = 0;

	for (i = 0; i < SESSIONS; i++)
		len += (size_t)snprintf(pids + len, sizeof pids - len, "%s%s",
		    i == 0 ? "{" : ",", ses[i].pid);
	snprintf(pids + len, sizeof pids - len, "}");
	v = ask("select pg_isolation_test_session_is_blocked($1::int, $2::int[])",
	    2, params);
	n = *v == 't';
	free(v);
	return n;
}

static void
send_step(struct session *s, enum op op, int who)
{
	char id[24], name[2] = { (char)('A' + who), '\0' };
	const char *params[4] = { id, *s->lease == '\0' ? NULL : s->lease, name,
	    digest };

	snprintf(id, sizeof id, "%ld", upload);
	if (op == EXPIRE)
		params[1] = params[2] = params[3] = NULL;
	s->waiting = op;
	if (!PQsendQueryParams(s->conn, sql[op], op == BEGIN || op == COMMIT ? 0
	    : 4, NULL, params, NULL, NULL, 0))
		die(s->conn, sql[op]);
}

/* Run a step until it is over or blocked. */
static void
run_step(struct session *s, enum op op, int who)
{
	struct pollfd p = { .fd = PQsocket(s->conn), .events = POLLIN };

	send_step(s, op, who);
	while (!is_over(s)) {
		if (poll(&p, 1, 10) == 0 && is_blocked(s))
			return;
	}
	take(s);
}

/* All steps in this order; one whose session is blocked comes when it can. */
static void
run_order(const enum op *const *steps, const int *order, int n)
{
	int next[SESSIONS] = { 0 }, done[64] = { 0 }, left = n, i, k;

	while (left > 0) {
		for (k = 0; k < SESSIONS; k++)
			if (ses[k].waiting != END && is_over(&ses[k]))
				take(&ses[k]);
		for (i = 0; i < n; i++)
			if (!done[i] && ses[order[i]].waiting == END)
				break;
		if (i == n)
			continue;	/* all that are left wait */
		k = order[i];
		run_step(&ses[k], steps[k][next[k]++], k);
		done[i] = 1;
		left--;
	}
	for (k = 0; k < SESSIONS; k++)
		while (ses[k].waiting != END)
			if (is_over(&ses[k]))
				take(&ses[k]);
}

/* Ask ${q} of the upload; what it says is a fault. */
static int
check(const char *q, const char *title, const int *order, int n)
{
	char id[24], l[16], d[sizeof ends + 3];
	const char *params[3] = { id, l, d };
	char *v;
	int i, rc;

	snprintf(id, sizeof id, "%ld", upload);
	snprintf(l, sizeof l, "%d", leases);
	snprintf(d, sizeof d, "{%s}", ends);
	v = ask(q, 3, params);
	if ((rc = *v != '\0')) {
		printf("# %s: %s in the order", title, v);
		for (i = 0; i < n; i++)
			printf(" %c", 'A' + order[i]);
		printf("\n");
	}
	free(v);
	return rc;
}

static void
reset(void)
{
	int k;

	upload++;
	leases = 0;
	ends[0] = '\0';
	for (k = 0; k < SESSIONS; k++)
		ses[k].lease[0] = '\0';
}

static int orders, met, faults;
static int one_in = 1;		/* of the orders */
static int begins_open;		/* the row is there; nobody ends it */

/* Make the upload's row, and give it up: it is open to anyone. */
static void
make_open(void)
{
	run_step(&ses[0], START, 0);
	run_step(&ses[0], RELEASE, 0);
	leases = 0;
	ses[0].lease[0] = '\0';
}

/* Every way to go on from ${order}[0..at-1]. */
static void
permute(const char *title, const enum op *const *steps, int *left, int *order,
    int at, int n, const char *also)
{
	int k;

	if (at == n) {
		if (++met % one_in != 0)
			return;
		reset();
		if (begins_open)
			make_open();
		run_order(steps, order, n);
		orders++;
		if (begins_open && leases++ != 1) {
			printf("# %d leases at once\n", leases - 1);
			faults++;
		}
		faults += check(holds, title, order, n);
		if (also != NULL) {
			run_step(&ses[0], OPEN, 0);
			run_step(&ses[0], SENT, 0);
			/* One may have been open already: then a second. */
			run_step(&ses[0], OPEN, 0);
			run_step(&ses[0], SENT, 0);
			faults += check(also, title, order, n);
		}
		return;
	}
	for (k = 0; k < SESSIONS; k++)
		if (left[k] > 0) {
			left[k]--;
			order[at] = k;
			permute(title, steps, left, order, at + 1, n, also);
			left[k]++;
		}
}

static void
scenario(const char *title, const enum op *a, const enum op *b,
    const enum op *c, const char *also)
{
	static const enum op none[] = { END };
	const enum op *steps[SESSIONS] = { a, b, c == NULL ? none : c, none };
	int left[SESSIONS] = { 0 }, order[64], n = 0, k;

	for (k = 0; k < SESSIONS; k++)
		while (steps[k][left[k]] != END) {
			left[k]++;
			n++;
		}
	orders = met = faults = 0;
	permute(title, steps, left, order, 0, n, also);
	ok(faults == 0, "%s: %d orders", title, orders);
}

/* All sessions ask for the same upload, new or ${open}, at the same moment. */
static int
race(int open)
{
	int k, order[SESSIONS];

	reset();
	if (open)
		make_open();
	for (k = 0; k < SESSIONS; k++) {
		order[k] = k;
		send_step(&ses[k], START, k);
	}
	for (k = 0; k < SESSIONS; k++)
		take(&ses[k]);
	k = leases;
	leases += open;
	return check(holds, "race", order, SESSIONS) || k != 1;
}

int
main(void)
{
	static const enum op claim[] = { BEGIN, START, COMMIT, END };
	static const enum op whole[] = { START, SCANS, DONE, END };
	static const enum op fails[] = { START, SCANS, ERROR, END };
	static const enum op slow[] = { BEGIN, START, COMMIT, SCANS, DONE, END };
	static const enum op ended[] = { START, SCANS, BEGIN, DONE, COMMIT, END };
	static const enum op expire[] = { EXPIRE, END };
	static const enum op release[] = { RELEASE, END };
	static const enum op digests[] = { OPEN, SENT, END };
	static const enum op opens[] = { BEGIN, OPEN, COMMIT, END };
	const int all = getenv("ALL") != NULL;
	const int few = !all && getenv("LONG") == NULL;
	int k, i, bad = 0;

	control = connect_db();
	for (k = 0; k < SESSIONS; k++) {
		ses[k].conn = connect_db();
		snprintf(ses[k].pid, sizeof ses[k].pid, "%d",
		    PQbackendPID(ses[k].conn));
	}
	one_in = few ? 10 : 1;
	begins_open = 1;
	scenario("two runs for a row that is open (R6)", claim, claim, NULL, NULL);
	begins_open = 0;
	scenario("two runs, with open transactions (R6)", slow, slow, NULL, NULL);
	scenario("two runs, one fails (R6)", whole, fails, NULL, NULL);
	scenario("two runs and a lease that runs out (R7)", whole, fails, expire,
	    NULL);
	scenario("a run, another's claim in an open transaction, a lease that "
	    "runs out (R7)", fails, claim, expire, NULL);
	scenario("two runs and a release (R7)", whole, whole, release, NULL);
	scenario("a run that ends while digests are made (M73)", ended, digests,
	    NULL, in_one_digest);
	one_in = all ? 1 : few ? 290 : 29;
	scenario("two digests at once, and an end (M73)", digests, opens, ended,
	    in_one_digest);
	scenario("two runs and digests (M73)", whole, fails, digests,
	    in_one_digest);
	scenario("two runs, the ends in open transactions, a lease that runs "
	    "out (R7)", ended, whole, expire, NULL);
	scenario("three runs (R6)", whole, whole, fails, NULL);
	for (i = 0; i < (all ? 1000 : few ? 20 : 100); i++)
		bad += race(i % 2);
	ok(bad == 0, "%d races of %d runs for one upload (R6)", i, SESSIONS);
	for (k = 0; k < SESSIONS; k++)
		PQfinish(ses[k].conn);
	PQfinish(control);
	return done_testing();
}
