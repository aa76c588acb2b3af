/*
 * imgp-s3cp: moves a job's object from one of its places to the next, or one
 * object from one URL to another.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/meter.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/job/pool.h"
#include "libimgpipe/net/aws.h"
#include "libimgpipe/steps/transfer.h"
#include "libimgpipe/store/s3.h"
#include "libimgpipe/store/store.h"
#include "libimgpipe/store/tree.h"

enum { OPT_KEEP = 256, OPT_READBACK, OPT_REPLACE, OPT_ANONYMOUS, OPT_INCLUDE,
    OPT_EXCLUDE };

static const struct imgp_opt opts[] = {
	{ OPT_KEEP, "keep", NULL, "leave what was copied where it was" },
	{ OPT_READBACK, "readback", NULL, "read all that was written again" },
	{ OPT_REPLACE, "replace", NULL, "URLs: replace what lies at TO" },
	{ 'r', "recursive", NULL, "URLs: all that lies below FROM/" },
	{ OPT_INCLUDE, "include", "PATTERN", "-r: only such names" },
	{ OPT_EXCLUDE, "exclude", "PATTERN", "-r: no such names" },
	{ OPT_ANONYMOUS, "no-sign-request", NULL, "S3: ask without a name" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[-nqv] [-j N] [--keep] source local",
	"[-nqv] [-j N] [--keep] local temp",
	"[-nqv] [-j N] [--keep] [--readback] temp destination",
	"[-nqv] [--readback] [--replace] FROM TO",
	"-r [-nqv] [-j N] [--include PATTERN] [--exclude PATTERN]\n"
	"                 [--readback] [--replace] FROM/ TO/",
	NULL
};
static const char *(*const libs[])(void) = { imgp_s3_version, NULL };
static const struct imgp_tool tool = {
	"imgp-s3cp", synopsis,
	"Move each job's object from one of its places to the next; or copy the\n"
	"object at the URL FROM, or all below FROM/, to the URL TO.", opts, libs
};

/* The running filter: one job at once, or with a pool -j of them. */
struct run {
	struct imgp_transfer *transfer;
	struct imgp_pool *pool;
};

static int
move(struct imgp_job *job, void *arg, struct imgp_err *e)
{
	return imgp_transfer_job(arg, job, e);
}

static int
step(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct run *r = arg;

	return r->pool != NULL ? imgp_pool_step(r->pool, f, job) :
	    imgp_transfer_job(r->transfer, job, e);
}

static int64_t
idle(struct imgp_filter *f, void *arg, int eof)
{
	struct run *r = arg;

	(void)eof;
	return imgp_pool_idle(r->pool, f);
}

/* Under -v: each create-only write was looked at before and after. */
static void
say_unprobed(void)
{
	const char *why = imgp_store_probe_failed();

	if (why != NULL && imgp_common.verbose)
		fprintf(stderr, "%s: whether the service creates only could "
		    "not be found out: %s\n", imgp_progname, why);
}

/* Who keeps this machine should hear of it (R25). */
static void
say_skew(void)
{
	long skew = imgp_s3_skew();

	if (skew != 0 && !imgp_common.quiet)
		fprintf(stderr, "%s: the clock of this machine is %ld s %s "
		    "that of the S3 service, which was made good\n",
		    imgp_progname, labs(skew), skew > 0 ? "behind" :
		    "ahead of");
}

static int
run_filter(const char *from, const char *to, unsigned int flags)
{
	struct imgp_filter_ops ops = { .step = step };
	struct imgp_err e = { NULL, "" };
	struct run r = { imgp_transfer_new(from, to, flags, &e), NULL };
	int rc;

	if (r.transfer == NULL)
		imgp_die(&e);
	ops.stage = imgp_transfer_stage(r.transfer);
	if (imgp_transfer_sees_failed(r.transfer))
		ops.flags = IMGP_SEES_FAILED;
	if (imgp_common.jobs > 1) {
		if ((r.pool = imgp_pool_new(imgp_common.jobs, move, r.transfer,
		    &e)) == NULL)
			imgp_die(&e);
		ops.idle = idle;
		ops.wake_fd = imgp_pool_fd(r.pool);
	}
	rc = imgp_filter_run(&ops, &r, imgp_common.jobs);
	imgp_pool_free(r.pool);
	say_unprobed();
	say_skew();
	imgp_transfer_free(r.transfer);
	return rc;
}

/* The owner that the setting of a place in the same bucket tells (M18). */
static const char *
owner_of(const char *bucket)
{
	static const char *const names[][2] = {
		{ "source", "source_owner" }, { "temp", "temp_owner" },
		{ "destination", "destination_owner" },
		{ "logs", "logs_owner" },
	};
	size_t i, n = strlen(bucket);
	const char *base;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		if ((base = imgp_conf(NULL, names[i][0])) != NULL &&
		    strncmp(base, bucket, n) == 0 &&
		    (base[n] == '/' || base[n] == '\0'))
			return imgp_conf(NULL, names[i][1]);
	return NULL;
}

/* The store that ${url} is in: its directory, or its bucket. */
static struct imgp_store *
store_of(const char *url, struct imgp_err *e)
{
	struct imgp_store *st;
	char *base = imgp_strdup(url), *end;

	end = strncmp(url, "file:///", 8) == 0 ? strrchr(base + 7, '/') + 1 :
	    strncmp(url, "s3://", 5) == 0 ? base + 5 + strcspn(base + 5, "/") :
	    base + strlen(base);
	*end = '\0';
	if ((st = imgp_store_open(base, 0, e)) != NULL)
		imgp_store_set_owner(st, owner_of(base));
	free(base);
	return st;
}

/* A bucket or a directory alone names none. */
static int
check_object(const char *url, struct imgp_err *e)
{
	const char *slash = strncmp(url, "s3://", 5) == 0 ?
	    strchr(url + 5, '/') : strrchr(url, '/');

	if (slash == NULL || slash[1] == '\0')
		return imgp_fail(e, IMGP_E_PLACE_INVALID, "%.256s: names no "
		    "object", url);
	return 0;
}

/* Under -v, of one object. */
static void
say_copied(const char *to, const struct imgp_copied *c)
{
	const char *sum = c->object.sha256;

	fprintf(stderr, "%s: %s%s%lld bytes, SHA-256 %s%s", imgp_progname,
	    to == NULL ? "" : to, to == NULL ? "" : ": ",
	    (long long)c->object.bytes, *sum == '\0' ? "not known" : sum,
	    c->existed ? ", lay there before" : "");
	if (c->resumed > 0)
		fprintf(stderr, ", %lld of them sent before",
		    (long long)c->resumed);
	fputc('\n', stderr);
}

static int
copy_url(const char *from, const char *to, unsigned int flags)
{
	struct imgp_err e = { NULL, "" };
	struct imgp_store *src, *dst = NULL;
	struct imgp_meter meter;
	struct imgp_progress progress = { imgp_meter_moved, &meter };
	struct imgp_copied copied = { .existed = 0 };
	const char *name = strrchr(from, '/');
	char *target = to[0] != '\0' && to[strlen(to) - 1] == '/' &&
	    name != NULL ? imgp_place_join(to, name + 1) : imgp_strdup(to);
	int rc = -1;

	imgp_meter_init(&meter, imgp_common.quiet);
	if ((src = store_of(from, &e)) == NULL ||
	    (dst = store_of(target, &e)) == NULL ||
	    check_object(from, &e) == -1 || check_object(target, &e) == -1)
		goto out;
	if (imgp_common.dry_run) {
		rc = imgp_store_head(src, from, 0, &copied.object, &e);
		goto out;
	}
	rc = imgp_store_copy(src, from, dst, target, flags, NULL, &progress,
	    &copied, &e);
	imgp_meter_end(&meter);
	if (rc == 0 && copied.existed && !imgp_common.quiet)
		fprintf(stderr, "%s: %s: the same bytes lay there before\n",
		    imgp_progname, target);
	if (rc == 0 && copied.by_length && !imgp_common.quiet)
		fprintf(stderr, "%s: %s: has no SHA-256 with it, only its "
		    "length was compared\n", imgp_progname, from);
	if (rc == 0 && imgp_common.verbose)
		say_copied(NULL, &copied);
	say_skew();
out:
	imgp_store_close(src);
	imgp_store_close(dst);
	free(target);
	if (rc == -1)
		imgp_die(&e);
	return IMGP_EX_OK;
}

/* What becomes of a whole tree. */
struct outcome {
	int		 status;	/* the worst */
	long long	 objects, existed, by_length;
	int64_t		 bytes, total;	/* total: -1 till all is listed */
	struct imgp_meter meter;
};

static void
all_listed(void *arg, int64_t bytes)
{
	struct outcome *o = arg;

	o->total = bytes;
}

/* What -r says of one object. */
static void
told(void *arg, const char *from, const char *to,
    const struct imgp_copied *copied, const struct imgp_err *e)
{
	struct outcome *o = arg;
	const struct imgp_error *row;

	if (e != NULL) {
		imgp_meter_end(&o->meter);
		imgp_complain(e);
		row = imgp_error_find(e->code);
		o->status = imgp_exit_worse(o->status, row != NULL &&
		    strcmp(row->class, "temporary") == 0 ? IMGP_EX_TEMPFAIL :
		    IMGP_EX_ERRORS);
		return;
	}
	if (imgp_common.dry_run) {
		printf("%s\t%s\n", from, to);
		return;
	}
	o->objects++;
	o->existed += copied->existed;
	o->by_length += copied->by_length;
	o->bytes += copied->object.bytes;
	if (imgp_common.verbose)
		say_copied(to, copied);
	else
		imgp_meter_moved(&o->meter, o->bytes, o->total);
}

/* No object, and yet somebody may miss it. */
static void
passed_over(void *arg, const char *url)
{
	struct outcome *o = arg;
	char name[512];

	if (imgp_common.quiet)
		return;
	imgp_printable(name, sizeof name, url, strlen(url));
	imgp_meter_end(&o->meter);
	fprintf(stderr, "%s: %s: passed over, not a regular file\n",
	    imgp_progname, name);
}

/* The place for temporary objects, if it can serve what is to be done. */
static struct imgp_store *
temp_store(const struct imgp_tree *t, const char *to)
{
	const char *url = imgp_conf(NULL, "temp");
	struct imgp_store *st;

	if (t->dry_run || !(t->flags & IMGP_COPY_CREATE) || url == NULL ||
	    strncmp(url, "s3://", 5) != 0 || strncmp(to, "s3://", 5) != 0 ||
	    (st = imgp_store_open(url, 0, NULL)) == NULL)
		return NULL;
	imgp_store_set_owner(st, imgp_conf(NULL, "temp_owner"));
	imgp_store_probe_in(st);
	return st;
}

static int
copy_tree(const struct imgp_tree *which, const char *from, const char *to)
{
	struct imgp_tree t = *which;
	char *a = imgp_place_join(from, ""), *b = imgp_place_join(to, "");
	struct imgp_err e = { NULL, "" };
	struct imgp_store *src, *dst = NULL, *temp;
	struct outcome o = { .status = IMGP_EX_OK, .total = -1 };
	int rc = -1;

	imgp_meter_init(&o.meter, imgp_common.quiet);
	t.jobs = imgp_common.jobs;
	t.dry_run = imgp_common.dry_run;
	t.done = told;
	t.listed = all_listed;
	t.passed = passed_over;
	t.arg = &o;
	temp = temp_store(&t, b);
	if ((src = store_of(a, &e)) != NULL && (dst = store_of(b, &e)) != NULL)
		rc = imgp_tree_copy(&t, src, a, dst, b, &e);
	imgp_meter_end(&o.meter);
	if (o.existed > 0 && !imgp_common.quiet && !imgp_common.verbose)
		fprintf(stderr, "%s: the same bytes lay there before for %lld "
		    "of %lld objects\n", imgp_progname, o.existed, o.objects);
	if (o.by_length > 0 && !imgp_common.quiet)
		fprintf(stderr, "%s: %lld of %lld objects had no SHA-256 with "
		    "them, only their length was compared\n", imgp_progname,
		    o.by_length, o.objects);
	say_unprobed();
	say_skew();
	imgp_store_close(temp);
	imgp_store_close(src);
	imgp_store_close(dst);
	free(a);
	free(b);
	if (rc == -1)
		imgp_die(&e);
	if (fflush(stdout) == EOF) {
		fprintf(stderr, "%s: standard output cannot be written\n",
		    imgp_progname);
		return IMGP_EX_TEMPFAIL;
	}
	return o.status;
}

static void
add_pattern(const char ***list, size_t *n, const char *pattern)
{
	*list = imgp_realloc(*list, *n + 1, sizeof **list);
	(*list)[(*n)++] = pattern;
}

int
main(int argc, char *argv[])
{
	struct imgp_tree tree = { .flags = IMGP_COPY_CREATE };
	struct imgp_err e = { NULL, "" };
	int ch, recursive = 0, is_url, replace = 0;
	unsigned int hop = 0;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		switch (ch) {
		case OPT_KEEP:
			hop |= IMGP_TRANSFER_KEEP;
			break;
		case OPT_READBACK:
			hop |= IMGP_TRANSFER_READBACK;
			tree.flags |= IMGP_COPY_READBACK;
			break;
		case OPT_ANONYMOUS:
			imgp_aws_anonymous();
			break;
		case OPT_REPLACE:
			replace = 1;
			tree.flags &= ~IMGP_COPY_CREATE;
			break;
		case 'r':
			recursive = 1;
			break;
		case OPT_INCLUDE:
			add_pattern(&tree.include, &tree.ninclude, optarg);
			break;
		case OPT_EXCLUDE:
			add_pattern(&tree.exclude, &tree.nexclude, optarg);
			break;
		}
	argv += optind;
	if (argc - optind != 2)
		imgp_usage(&tool, "two operands are wanted, FROM and TO");
	if (imgp_conf_load(&e) == -1)
		imgp_die(&e);
	imgp_stop_init();
	signal(SIGXFSZ, SIG_IGN);	/* a write fails instead */
	if (imgp_common.dry_run)
		hop |= IMGP_TRANSFER_DRY;
	is_url = strstr(argv[0], "://") != NULL ||
	    strstr(argv[1], "://") != NULL;
	if (recursive && !is_url)
		imgp_usage(&tool, "-r wants two URLs");
	if (!recursive && tree.ninclude + tree.nexclude > 0)
		imgp_usage(&tool, "--include and --exclude want -r");
	if (is_url && hop & IMGP_TRANSFER_KEEP)
		imgp_usage(&tool, "--keep is for jobs");
	if (!is_url && replace)
		imgp_usage(&tool, "--replace wants two URLs");
	if (recursive) {
		ch = copy_tree(&tree, argv[0], argv[1]);
		free(tree.include);
		free(tree.exclude);
		return ch;
	}
	if (is_url)
		return copy_url(argv[0], argv[1], tree.flags);
	return run_filter(argv[0], argv[1], hop);
}
