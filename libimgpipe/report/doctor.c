#include <sys/statvfs.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/base/textset.h"
#include "libimgpipe/base/version.h"
#include "libimgpipe/mail/carrier.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/report/doctor_priv.h"
#include "libimgpipe/report/post.h"
#include "libimgpipe/steps/extra_job.h"
#include "libimgpipe/steps/settings.h"
#include "libimgpipe/store/s3.h"
#include "libimgpipe/store/store.h"

#define LITTLE	((unsigned long long)10 << 30)	/* bytes of spool: a warning */

/* --- findings --------------------------------------------------------------- */

static void
find(const struct imgp_doctor *d, const struct imgp_symptom *s)
{
	d->found(d->arg, s);
}

void
imgp_doctor_tell(const struct imgp_doctor *d, enum imgp_health health,
    const char *part, const char *pipeline, const char *act, const char *fmt,
    ...)
{
	struct imgp_symptom s = { health, part, pipeline, NULL, NULL, act };
	char what[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	s.what = what;
	find(d, &s);
}

void
imgp_doctor_fail(const struct imgp_doctor *d, enum imgp_health health,
    const char *part, const char *pipeline, const struct imgp_err *e)
{
	const struct imgp_error *row = imgp_error_find(e->code);

	find(d, &(struct imgp_symptom){ health, part, pipeline, e->code,
	    e->msg, row == NULL ? NULL : row->action });
}

void
imgp_doctor_clock(const struct imgp_doctor *d, const char *who, int64_t now)
{
	int64_t ahead = now - (int64_t)time(NULL);

	if (ahead >= -IMGP_SKEW_DOUBTFUL && ahead <= IMGP_SKEW_DOUBTFUL)
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "clock", NULL, NULL,
		    "this machine and %s agree within %d seconds", who,
		    IMGP_SKEW_DOUBTFUL);
	else
		imgp_doctor_tell(d, IMGP_HEALTH_WARNING, "clock", NULL,
		    "have both follow a time server",
		    "%s is %lld seconds %s this machine", who,
		    (long long)(ahead < 0 ? -ahead : ahead),
		    ahead < 0 ? "behind" : "ahead of");
}

const char *
imgp_doctor_whose(const char *pipeline, const char *setting)
{
	const char *own = imgp_conf(pipeline, setting);
	const char *all = imgp_conf(NULL, setting);

	return (own == NULL && all == NULL) ||
	    (own != NULL && all != NULL && strcmp(own, all) == 0) ? NULL :
	    pipeline;
}

/* --- settings --------------------------------------------------------------- */

static const struct imgp_doctor *patient;	/* for tell_wrong() */

static void
tell_wrong(const struct imgp_err *e)
{
	imgp_doctor_fail(patient, IMGP_HEALTH_BROKEN, "settings", NULL, e);
}

/* 0; -1: nothing can be looked at. */
static int
settings(const struct imgp_doctor *d)
{
	static const char *const needed[] = { "spool", "database", NULL };
	const char *const *name;
	struct imgp_err e;
	size_t n = 0;

	patient = d;
	if (imgp_conf_load_but(tell_wrong, &e) == -1 ||
	    imgp_settings_check(&e) == -1) {
		tell_wrong(&e);
		return -1;
	}
	for (name = needed; *name != NULL; name++)
		if (imgp_conf_need(NULL, *name, &e) == NULL)
			tell_wrong(&e);
	while (imgp_conf_section(n) != NULL)
		n++;
	imgp_doctor_tell(d, IMGP_HEALTH_OK, "settings", NULL, NULL,
	    "read, with %zu section%s", n, n == 1 ? "" : "s");
	return 0;
}

/* --- this machine ----------------------------------------------------------- */

/* The version in what "PATH --version" prints; 0 or -1. */
static int
version_of(const char *path, char out[32])
{
	char *command, line[256];
	FILE *fp;
	int rc = -1;

	if (strpbrk(path, "'\n") != NULL)
		return -1;
	command = imgp_asprintf("'%s' --version 2>/dev/null", path);
	if ((fp = popen(command, "r")) != NULL) {
		if (fgets(line, sizeof line, fp) != NULL &&
		    sscanf(line, "%*s (imgpipe) %31s", out) == 1)
			rc = 0;
		pclose(fp);
	}
	free(command);
	return rc;
}

static void
tools(const struct imgp_doctor *d)
{
	static const char *const names[] = { "imgp-lookup", "imgp-record",
	    "imgp-s3cp", "imgp-dcmscan", "imgp-stamp", "imgp-notify",
	    "imgp-digest", "imgp-status", "imgp-verify", "imgp-pipeline" };
	char version[32], *path;
	size_t i, good = 0;

	for (i = 0; i < sizeof names / sizeof *names; i++) {
		path = imgp_asprintf("%s/%s", d->bin, names[i]);
		if (version_of(path, version) == -1)
			imgp_doctor_tell(d, IMGP_HEALTH_BROKEN, "versions", NULL,
			    "install imgpipe wholly", "%s does not run", path);
		else if (strcmp(version, IMGP_VERSION) != 0)
			imgp_doctor_tell(d, IMGP_HEALTH_BROKEN, "versions", NULL,
			    "install imgpipe wholly", "%s is of version %s, "
			    "imgp-run of " IMGP_VERSION, path, version);
		else
			good++;
		free(path);
	}
	if (good == i)
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "versions", NULL, NULL,
		    "imgpipe " IMGP_VERSION " with all its tools, %s, %s",
		    imgp_db_version(), imgp_s3_version());
}

static void
sandbox(const struct imgp_doctor *d)
{
	int must = strcmp(imgp_conf(NULL, "sandbox"), "require") == 0, rc;
	struct imgp_err e;

	rc = imgp_sandbox_probe(&e);
	if (rc == 0)
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "sandbox", NULL, NULL,
		    "seccomp and Landlock are there");
	else
		imgp_doctor_fail(d, rc == -1 || must ? IMGP_HEALTH_BROKEN :
		    IMGP_HEALTH_WARNING, "sandbox", NULL, &e);
}

static void
spool(const struct imgp_doctor *d)
{
	const char *path = imgp_conf(NULL, "spool");
	struct imgp_store *st;
	struct statvfs fs;
	struct imgp_err e;
	char *base, *probe;
	unsigned long long left;
	int rc;

	if (path == NULL)
		return;
	base = imgp_asprintf("file://%s", path);
	probe = imgp_place_join(base, "ask");
	st = imgp_store_open(base, IMGP_STORE_PRIVATE, &e);
	rc = st == NULL ? -1 : imgp_store_ask(st, probe, 1, &e);
	imgp_store_close(st);
	if (rc == -1)
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, "spool", NULL, &e);
	else if (statvfs(path, &fs) == 0) {
		left = (unsigned long long)fs.f_bavail * fs.f_frsize;
		imgp_doctor_tell(d, left < LITTLE ? IMGP_HEALTH_WARNING :
		    IMGP_HEALTH_OK, "spool", NULL, left < LITTLE ? "give it "
		    "room: -j N work copies, and as many stamped, lie there at "
		    "once" : NULL, "%s: written to, %.1f GiB are free", path,
		    (double)left / (1 << 30));
	}
	free(base);
	free(probe);
}

/* The site's own programs. */
static void
extra(const struct imgp_doctor *d)
{
	const struct imgp_extra x = { NULL, NULL };
	struct imgp_err e;

	if (!imgp_conf_is_set("extra_command"))
		return;
	if (imgp_extra_check(&x, &e) == -1)
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, "extra", NULL, &e);
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "extra", NULL, NULL,
		    "the extra programs can be started; none was");
}

/* --- what is checked -------------------------------------------------------- */

static void
identity(const struct imgp_doctor *d, const char *pipeline)
{
	const char *rule = imgp_conf(pipeline, "check_patient");

	if (strcmp(rule, "off") == 0 || strncmp(rule, "off ", 4) == 0)
		imgp_doctor_tell(d, IMGP_HEALTH_WARNING, "identity", pipeline,
		    "set check_patient, imgpipe.conf(5)", "nothing holds "
		    "PatientID against the participant's code: an upload with "
		    "another subject's images would be delivered");
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "identity", pipeline, NULL,
		    "check_patient = %s", rule);
}

/* Once for all pipelines that have no rule of their own. */
static void
identities(const struct imgp_doctor *d, const struct imgp_doctor_scope *scope)
{
	const char *whose;
	int others = 0;
	size_t i;

	for (i = 0; i < scope->n; i++)
		if ((whose = imgp_doctor_whose(scope->code[i],
		    "check_patient")) != NULL)
			identity(d, whose);
		else if (others++ == 0)
			identity(d, NULL);
}

/* --- mail ------------------------------------------------------------------- */

/* ${own}: the setting of a carrier besides "mail"; NULL: that. */
static void
carrier(const struct imgp_doctor *d, const char *pipeline, const char *whose,
    const char *own)
{
	const char *url = imgp_conf(pipeline, own == NULL ? "mail" : own);
	struct imgp_carrier *c;
	struct imgp_err e;

	if (own != NULL && url == NULL)
		return;
	if ((c = imgp_carrier_open(pipeline, own, &e)) == NULL ||
	    imgp_carrier_ask(c, &e) == -1)
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, "mail", whose, &e);
	else if (url == NULL)
		imgp_doctor_tell(d, IMGP_HEALTH_WARNING, "mail", whose,
		    "set mail, imgpipe.conf(5)", "mail is not set: letters lie "
		    "in a Maildir of this user");
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "mail", whose, NULL,
		    "%.*s: it can be reached; no letter was sent",
		    (int)strcspn(url, ":"), url);
	imgp_carrier_free(c);
}

static void
readers(const struct imgp_doctor *d, const char *pipeline, const char *whose)
{
	const char *admins = imgp_conf(pipeline, "admins");
	const char *labs = imgp_conf(pipeline, "labs");

	if (strcmp(admins, "root@localhost") == 0)
		imgp_doctor_tell(d, IMGP_HEALTH_WARNING, "readers", whose,
		    "set admins, imgpipe.conf(5)", "admins is not set: who is "
		    "told of errors is %s", admins);
	else if (labs == NULL)
		imgp_doctor_tell(d, IMGP_HEALTH_WARNING, "readers", whose,
		    "set labs, imgpipe.conf(5)", "labs is not set: the digest "
		    "goes to the admins");
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "readers", whose, NULL,
		    "admins and labs are set");
}

static void
letter(const struct imgp_doctor *d)
{
	time_t now = time(NULL);
	char *about = imgp_asprintf("doctor %lld %d", (long long)now,
	    (int)getpid());
	struct imgp_letter l = { .to = IMGP_TO_ADMINS, .about = about,
	    .subject = "a test letter", .text = "imgp-run --doctor --send was "
	    "run: letters to the admins take this way.\nNothing is to be "
	    "done.\n", .date = now };
	struct imgp_post *p;
	struct imgp_err e;

	if ((p = imgp_post_open(&e)) == NULL ||
	    imgp_post_letter(p, &l, &e) == -1)
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, "letter", NULL, &e);
	else if (imgp_post_flush(p, tell_wrong) != 0)
		imgp_doctor_tell(d, IMGP_HEALTH_BROKEN, "letter", NULL,
		    "see the lines before", "the letter was not taken by all");
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "letter", NULL, NULL,
		    "a test letter went to the admins");
	imgp_post_close(p);
	free(about);
}

/* Each way that letters take, once. */
static void
mail(const struct imgp_doctor *d, const struct imgp_doctor_scope *scope)
{
	static const char *const names[] = { "mail", "mail_tls",
	    "mail_password", "mail_ca_file", "admins", "labs",
	    "admins_mail", "labs_mail" };
	static const char *const own[] = { NULL, "admins_mail", "labs_mail" };
	struct imgp_textset *seen = imgp_textset_new();
	struct imgp_buf b = IMGP_BUF_INIT;
	const char *s;
	size_t i, k;

	for (i = 0; i < scope->n; i++) {
		imgp_buf_clear(&b);
		for (k = 0; k < sizeof names / sizeof *names; k++)
			imgp_buf_printf(&b, "%s\n", (s = imgp_conf(
			    scope->code[i], names[k])) == NULL ? "" : s);
		if (!imgp_textset_add(seen, b.s))
			continue;
		for (k = 0; k < sizeof own / sizeof *own; k++)
			carrier(d, scope->code[i], imgp_doctor_whose(
			    scope->code[i], own[k] == NULL ? "mail" : own[k]),
			    own[k]);
		readers(d, scope->code[i], imgp_doctor_whose(scope->code[i],
		    "admins"));
	}
	imgp_textset_free(seen);
	imgp_buf_release(&b);
	if (imgp_conf(NULL, "ping") == NULL)
		imgp_doctor_tell(d, IMGP_HEALTH_WARNING, "ping", NULL,
		    "set ping, imgpipe.conf(5), to a service that raises the "
		    "alarm when it is not asked", "nobody notices when the "
		    "nightly round does not run");
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "ping", NULL, NULL,
		    "set; it was not asked");
	if (d->send)
		letter(d);
}

/* --- all of it -------------------------------------------------------------- */

void
imgp_doctor(const struct imgp_doctor *d)
{
	struct imgp_doctor_scope scope = { NULL, 0 };
	const char *section;
	size_t i;

	tools(d);
	if (settings(d) == -1)
		return;
	sandbox(d);
	spool(d);
	extra(d);
	for (i = 0; (section = imgp_conf_section(i)) != NULL; i++) {
		if (imgp_conf_is_left_out(section))
			continue;
		scope.code = imgp_realloc(scope.code, scope.n + 1,
		    sizeof *scope.code);
		scope.code[scope.n++] = imgp_strdup(section);
	}
	imgp_doctor_record(d, &scope);
	if (scope.n == 0) {
		scope.code = imgp_alloc(sizeof *scope.code);
		scope.n = 1;
	}
	imgp_doctor_places(d, &scope);
	identities(d, &scope);
	mail(d, &scope);
	for (i = 0; i < scope.n; i++)
		free(scope.code[i]);
	free(scope.code);
}
