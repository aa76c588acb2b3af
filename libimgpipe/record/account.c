#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/dirs.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/record/account.h"

#define LEASE_SECONDS	900	/* as in the database: pipeline.lease_end() */
#define NAME_LEN	160

struct imgp_account {
	int	 dir;
	int	 lock;
	int	 is_new;
	char	*path;		/* for messages */
};

/* The rows of one upload in one pipeline, while the lock is held. */
struct entry {
	char			 name[NAME_LEN];	/* below the account */
	struct imgp_json	*all;		/* by revision */
};

/* --- the directory -------------------------------------------------------- */

int
imgp_account_is_path(const char *ledger)
{
	return ledger != NULL && (*ledger == '/' || *ledger == '.' ||
	    (strchr(ledger, '=') == NULL && strstr(ledger, "://") == NULL));
}

static int
broken(const struct imgp_account *a, const char *name, struct imgp_err *e)
{
	return imgp_fail_errno(e, IMGP_E_API_ACCOUNT, "%s/%s", a->path, name);
}

/* Remove what runs left whose leases are long over. */
static void
sweep_runs(const struct imgp_account *a)
{
	int fd = openat(a->dir, "runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	struct dirent *d;
	DIR *dir;

	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		if (fd != -1)
			close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (*d->d_name != '.' && fstatat(fd, d->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		    st.st_mtime < time(NULL) - 86400)
			unlinkat(fd, d->d_name, 0);
	closedir(dir);
}

struct imgp_account *
imgp_account_open(const char *path, struct imgp_err *e)
{
	struct imgp_account *a = imgp_alloc(sizeof *a);

	a->lock = -1;
	a->path = imgp_strdup(path);
	a->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->dir == -1 && errno == ENOENT && imgp_dirs_make(path) == 0)
		a->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->dir != -1) {
		a->is_new = mkdirat(a->dir, "rows", 0700) == 0;
		mkdirat(a->dir, "runs", 0700);
		a->lock = openat(a->dir, "lock",
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	if (a->lock == -1) {
		imgp_fail_errno(e, IMGP_E_CONFIG,
		    "IMGP_LEDGER, the account of ids, is to be a directory that "
		    "can be written: %s", path);
		imgp_account_close(a);
		return NULL;
	}
	sweep_runs(a);
	return a;
}

void
imgp_account_close(struct imgp_account *a)
{
	if (a == NULL)
		return;
	if (a->lock != -1)
		close(a->lock);
	if (a->dir != -1)
		close(a->dir);
	free(a->path);
	free(a);
}

int
imgp_account_is_new(const struct imgp_account *a)
{
	return a->is_new;
}

static int
lock(const struct imgp_account *a, struct imgp_err *e)
{
	while (flock(a->lock, LOCK_EX) == -1)
		if (errno != EINTR)
			return broken(a, "lock", e);
	return 0;
}

static void
unlock(const struct imgp_account *a)
{
	flock(a->lock, LOCK_UN);
}

/* All of the file ${name}; 1 when there is none. */
static int
read_file(const struct imgp_account *a, const char *name, struct imgp_buf *b,
    struct imgp_err *e)
{
	int fd = openat(a->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char part[4096];
	ssize_t n;

	if (fd == -1)
		return errno == ENOENT ? 1 : broken(a, name, e);
	while ((n = read(fd, part, sizeof part)) > 0)
		imgp_buf_add(b, part, (size_t)n);
	if (n == -1) {
		broken(a, name, e);
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

/* Sync the directory that ${name} is in. */
static int
sync_parent(const struct imgp_account *a, const char *name)
{
	const char *slash = strrchr(name, '/');
	char *parent = imgp_strndup(name, (size_t)(slash - name));
	int fd = openat(a->dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	free(parent);
	if (fd == -1)
		return -1;
	rc = fsync(fd) == -1 && errno != EINVAL ? -1 : 0;
	close(fd);
	return rc;
}

/* The file ${name} is ${b} from now on, whatever dies when. */
static int
write_file(const struct imgp_account *a, const char *name,
    const struct imgp_buf *b, struct imgp_err *e)
{
	int fd = openat(a->dir, "new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd == -1)
		return broken(a, "new", e);
	if (imgp_write_all(fd, b->s, b->len) == -1 || fsync(fd) == -1) {
		broken(a, "new", e);
		close(fd);
		return -1;
	}
	close(fd);
	if (renameat(a->dir, "new", a->dir, name) == -1 ||
	    sync_parent(a, name) == -1)
		return broken(a, name, e);
	return 0;
}

/* --- runs and their leases ------------------------------------------------ */

/* The file of ${run}'s leases; its name must be one for a file. */
static int
run_name(const char *run, char name[NAME_LEN], struct imgp_err *e)
{
	if (run == NULL || *run == '\0' || strlen(run) > 64 ||
	    run[strspn(run, "0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")] != '\0')
		return imgp_fail(e, IMGP_E_DB_REQUEST, "run is not a run's id");
	snprintf(name, NAME_LEN, "runs/%s", run);
	return 0;
}

static int
renew(const struct imgp_account *a, const char *run, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char name[NAME_LEN];
	int rc;

	if (run_name(run, name, e) == -1)
		return -1;
	imgp_buf_printf(&b, "%lld\n", (long long)time(NULL) + LEASE_SECONDS);
	rc = write_file(a, name, &b, e);
	imgp_buf_release(&b);
	return rc;
}

/* Nonzero while a run holds ${row}. */
static int
is_held(const struct imgp_account *a, const struct imgp_json *row)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char name[NAME_LEN];
	long long end = 0;

	if (run_name(imgp_json_str(imgp_json_get(row, "run")), name,
	    NULL) == 0 && read_file(a, name, &b, NULL) == 0 && b.len > 0) {
		b.s[strcspn(b.s, "\n")] = '\0';
		if (imgp_parse_int(b.s, 0, INT64_MAX, &end) == -1)
			end = 0;
	}
	imgp_buf_release(&b);
	return end > (long long)time(NULL);
}

int
imgp_account_renew(struct imgp_account *a, const char *run, struct imgp_err *e)
{
	int rc;

	if (lock(a, e) == -1)
		return -1;
	rc = renew(a, run, e);
	unlock(a);
	return rc;
}

int
imgp_account_release(struct imgp_account *a, const char *run,
    struct imgp_err *e)
{
	char name[NAME_LEN];
	int rc = 0;

	if (run_name(run, name, e) == -1 || lock(a, e) == -1)
		return -1;
	if (unlinkat(a->dir, name, 0) == -1 && errno != ENOENT)
		rc = broken(a, name, e);
	unlock(a);
	return rc;
}

/* --- rows ----------------------------------------------------------------- */

static const char *
text(const struct imgp_json *o, const char *name)
{
	return imgp_json_str(imgp_json_get(o, name));
}

/* 0 when it is not there. */
static int64_t
number(const struct imgp_json *o, const char *name)
{
	int64_t n;

	return imgp_json_int(imgp_json_get(o, name), &n) == 0 ? n : 0;
}

static int
is_true(const struct imgp_json *o, const char *name)
{
	return imgp_json_bool(imgp_json_get(o, name)) == 1;
}

static int
is_code(const char *s)
{
	static const char chars[] = "0123456789abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-";

	return s != NULL && *s != '\0' && strchr("_.-", *s) == NULL &&
	    strlen(s) <= 63 && s[strspn(s, chars)] == '\0';
}

/* Lock the account and read the upload's rows; close_entry() follows. */
static int
open_entry(const struct imgp_account *a, const struct imgp_json *req,
    struct entry *n, struct imgp_err *e)
{
	const char *code = text(req, "pipeline_code");
	int64_t upload = number(req, "subject_event_crf_file_id");
	struct imgp_buf b = IMGP_BUF_INIT;
	int rc;

	n->all = NULL;
	if (!is_code(code) || upload <= 0)
		return imgp_fail(e, IMGP_E_DB_REQUEST, "a row is named with its "
		    "subject_event_crf_file_id and pipeline_code");
	snprintf(n->name, sizeof n->name, "rows/%02x/%s.%lld.json",
	    (unsigned int)(upload % 256), code, (long long)upload);
	if (lock(a, e) == -1)
		return -1;
	if ((rc = read_file(a, n->name, &b, e)) == 1)
		n->all = imgp_json_new_object();
	else if (rc == 0 && ((n->all = imgp_json_parse(b.s, b.len, NULL)) ==
	    NULL || !imgp_json_is_object(n->all)))
		rc = imgp_fail(e, IMGP_E_API_ACCOUNT,
		    "%s/%s is damaged", a->path, n->name);
	imgp_buf_release(&b);
	if (rc == -1) {
		imgp_json_free(n->all);
		unlock(a);
		return -1;
	}
	return 0;
}

static void
close_entry(const struct imgp_account *a, struct entry *n)
{
	imgp_json_free(n->all);
	unlock(a);
}

/* ${row}, taken over, is the one of its revision from now on. */
static int
save(const struct imgp_account *a, struct entry *n, struct imgp_json *row,
    struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char key[24], parent[8];
	int rc;

	snprintf(key, sizeof key, "%lld",
	    (long long)number(row, "revision_number"));
	imgp_json_set(n->all, key, row);
	snprintf(parent, sizeof parent, "%.7s", n->name);
	if (mkdirat(a->dir, parent, 0700) == 0)
		sync_parent(a, parent);
	imgp_json_print(n->all, &b);
	imgp_buf_puts(&b, "\n");
	rc = write_file(a, n->name, &b, e);
	imgp_buf_release(&b);
	return rc;
}

/* The row of ${revision}, borrowed, or NULL. */
static const struct imgp_json *
row_of(const struct entry *n, int64_t revision)
{
	char key[24];

	snprintf(key, sizeof key, "%lld", (long long)revision);
	return imgp_json_get(n->all, key);
}

static const struct imgp_json *
row_with_id(const struct entry *n, int64_t id)
{
	const struct imgp_json *i;

	for (i = imgp_json_first(n->all); i != NULL; i = imgp_json_next(i))
		if (id > 0 && number(i, "id") == id)
			return i;
	return NULL;
}

static int
is_ended(const struct imgp_json *row)
{
	const char *s = text(row, "status");

	return s != NULL && (strcmp(s, "Completed") == 0 ||
	    strcmp(s, "Failed") == 0);
}

/* An answer about ${row}. */
static struct imgp_json *
answer(const struct imgp_json *row, int holds)
{
	static const char *const members[] = { "id", "status", "has_error",
	    "file_name", "file_path", "ts_create", "revision_number", "attempt",
	    "sha256_source", NULL };
	struct imgp_json *data = imgp_json_new_object();
	struct imgp_json *shown = imgp_json_new_object();
	size_t i;

	for (i = 0; members[i] != NULL; i++)
		if (imgp_json_get(row, members[i]) != NULL)
			imgp_json_set(shown, members[i],
			    imgp_json_copy(imgp_json_get(row, members[i])));
	imgp_json_set_null(shown, "lease");
	if (holds)
		imgp_json_set_int(shown, "lease", number(row, "lease"));
	imgp_json_set(data, "edc_pipeline_file", shown);
	return data;
}

/* --- claims --------------------------------------------------------------- */

static int
is_same(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Is it ${req} that ${row} was claimed by? */
static int
is_claimed_by(const struct imgp_json *row, const struct imgp_json *req)
{
	return is_same(text(row, "run"), text(req, "run")) &&
	    is_same(text(row, "claim"), text(req, "claim"));
}

/* Random, and below 2^53 so that every reader of JSON keeps it. */
static int64_t
new_lease(void)
{
	uint64_t n;

	if (getrandom(&n, sizeof n, 0) != (ssize_t)sizeof n)
		abort();
	return (int64_t)(n >> 11) | 1;
}

/* Give ${row} (NULL: there is none yet) to the one who asks. */
static struct imgp_json *
take(const struct imgp_json *row, const struct imgp_json *req)
{
	struct imgp_json *own = row == NULL ? imgp_json_new_object() :
	    imgp_json_copy(row);
	time_t now = time(NULL);
	struct tm tm;
	char iso[32];

	if (row == NULL) {
		strftime(iso, sizeof iso, "%Y-%m-%dT%H:%M:%SZ",
		    gmtime_r(&now, &tm));
		imgp_json_set_str(own, "ts_create", iso);
		imgp_json_set_int(own, "revision_number",
		    number(req, "revision_number"));
	}
	if (is_true(own, "creating"))
		imgp_json_set_int(own, "lost", number(own, "lost") + 1);
	/* The operator who opens it accepts that the source has changed. */
	if (is_true(own, "failed_for_good") && is_same(text(own, "error_code"),
	    IMGP_E_SOURCE_CHANGED))
		imgp_json_remove(own, "sha256_source");
	imgp_json_remove(own, "error_code");
	imgp_json_set_str(own, "status", "Started");
	imgp_json_set_bool(own, "has_error", 0);
	imgp_json_set_bool(own, "failed_for_good", 0);
	imgp_json_set_int(own, "attempt", number(own, "attempt") + 1);
	imgp_json_set_int(own, "lease", new_lease());
	imgp_json_set_str(own, "run", text(req, "run"));
	imgp_json_set_str(own, "claim", text(req, "claim"));
	if (number(own, "id") == 0)
		imgp_json_set_bool(own, "creating", 1);
	return own;
}

static int
check_newest(const struct entry *n, int64_t revision, struct imgp_err *e)
{
	const struct imgp_json *i;

	for (i = imgp_json_first(n->all); i != NULL; i = imgp_json_next(i))
		if (number(i, "revision_number") > revision)
			return imgp_fail(e, IMGP_E_LOOKUP_STALE, "revision "
			    "%lld was looked up, revision %lld was begun "
			    "before", (long long)revision,
			    (long long)number(i, "revision_number"));
	return 0;
}

/* May ${req} have a row made where another was asked for one before? */
static int
check_lost(const struct imgp_account *a, const struct imgp_json *row,
    const struct imgp_json *req, int repeatable, struct imgp_err *e)
{
	if (!is_claimed_by(row, req) && is_held(a, row))
		return imgp_fail(e, IMGP_E_SKIP_BUSY,
		    "another run waits for the API's answer");
	if (repeatable || is_true(req, "again"))
		return 0;
	return imgp_fail(e, IMGP_E_API_LOST, "the API was asked for a row at "
	    "attempt %lld and its answer did not come: it may have one",
	    (long long)number(row, "attempt"));
}

static int
claim(struct imgp_account *a, struct entry *n, const struct imgp_json *req,
    int repeatable, int *create, struct imgp_json **data, struct imgp_err *e)
{
	int64_t revision = number(req, "revision_number");
	const struct imgp_json *row = row_of(n, revision);
	struct imgp_json *own;

	if (check_newest(n, revision, e) == -1)
		return -1;
	if (is_true(row, "creating")) {
		if (check_lost(a, row, req, repeatable, e) == -1)
			return -1;
	} else if (row != NULL) {
		int done = is_same(text(row, "status"), "Completed") ||
		    (is_true(row, "failed_for_good") && !is_true(req, "again"));

		if (done || is_held(a, row)) {
			*data = answer(row, !done && is_claimed_by(row, req));
			return 0;
		}
	}
	own = take(row, req);
	*create = is_true(own, "creating");
	*data = *create ? NULL : answer(own, 1);
	/* Noted first, so that nobody takes it for left. */
	if (renew(a, text(req, "run"), e) == 0) {
		if (save(a, n, own, e) == 0)
			return 0;
	} else
		imgp_json_free(own);
	imgp_json_free(*data);
	*data = NULL;
	return -1;
}

int
imgp_account_claim(struct imgp_account *a, const struct imgp_json *req,
    int repeatable, int *create, struct imgp_json **data, struct imgp_err *e)
{
	struct entry n;
	int rc;

	*create = 0;
	*data = NULL;
	if (open_entry(a, req, &n, e) == -1)
		return -1;
	rc = claim(a, &n, req, repeatable, create, data, e);
	close_entry(a, &n);
	return rc;
}

/* The row that ${req} had made, borrowed; NULL with IMGP-DB-FENCED. */
static const struct imgp_json *
row_in_making(const struct entry *n, const struct imgp_json *req,
    struct imgp_err *e)
{
	const struct imgp_json *row = row_of(n, number(req,
	    "revision_number"));

	if (is_true(row, "creating") && is_claimed_by(row, req))
		return row;
	imgp_fail(e, IMGP_E_DB_FENCED, "another run has claimed the row");
	return NULL;
}

int
imgp_account_made(struct imgp_account *a, const struct imgp_json *req,
    int64_t id, const char *ts_create, struct imgp_json **data,
    struct imgp_err *e)
{
	const struct imgp_json *row;
	struct imgp_json *own;
	struct entry n;
	int rc = -1;

	*data = NULL;
	if (open_entry(a, req, &n, e) == -1)
		return -1;
	if ((row = row_in_making(&n, req, e)) != NULL) {
		own = imgp_json_copy(row);
		imgp_json_remove(own, "creating");
		if (row_with_id(&n, id) == NULL) {
			imgp_json_set_int(own, "id", id);
			if (ts_create != NULL)
				imgp_json_set_str(own, "ts_create", ts_create);
			*data = answer(own, 1);
			rc = save(a, &n, own, e);
		} else {
			imgp_json_remove(own, "run");
			save(a, &n, own, NULL);
			imgp_fail(e, IMGP_E_API_REVISION, "the API's row is "
			    "that of another revision of this upload");
		}
	}
	if (rc == -1) {
		imgp_json_free(*data);
		*data = NULL;
	}
	close_entry(a, &n);
	return rc;
}

int
imgp_account_not_made(struct imgp_account *a, const struct imgp_json *req,
    int perhaps, struct imgp_err *e)
{
	const struct imgp_json *row;
	struct imgp_json *own;
	struct entry n;
	int rc = -1;

	if (open_entry(a, req, &n, e) == -1)
		return -1;
	if ((row = row_in_making(&n, req, e)) != NULL) {
		/* What an earlier request left stays unknown. */
		own = imgp_json_copy(row);
		imgp_json_remove(own, "run");
		if (!perhaps && number(row, "lost") == 0)
			imgp_json_remove(own, "creating");
		rc = save(a, &n, own, e);
	}
	close_entry(a, &n);
	return rc;
}

/* --- rows that are held --------------------------------------------------- */

/* The row of ${req}, borrowed, when the lease is its last one. */
static const struct imgp_json *
row_by_lease(const struct entry *n, const struct imgp_json *req,
    struct imgp_err *e)
{
	const struct imgp_json *row = row_with_id(n,
	    number(req, "edc_pipeline_file_id"));

	if (row == NULL) {
		imgp_fail(e, IMGP_E_DB_FENCED, "there is no such row");
		return NULL;
	}
	if (imgp_json_is_null(imgp_json_get(req, "lease")) ||
	    number(req, "lease") != number(row, "lease")) {
		imgp_fail(e, IMGP_E_DB_FENCED,
		    "the lease is not this request's");
		return NULL;
	}
	return row;
}

int
imgp_account_row(struct imgp_account *a, const struct imgp_json *req,
    struct imgp_json **row, struct imgp_err *e)
{
	const struct imgp_json *found;
	struct entry n;

	*row = NULL;
	if (open_entry(a, req, &n, e) == -1)
		return -1;
	if ((found = row_by_lease(&n, req, e)) != NULL)
		*row = imgp_json_copy(found);
	close_entry(a, &n);
	return found == NULL ? -1 : 0;
}

/* May ${req} bring ${changes} to ${row}?  1: it did already. */
static int
check_change(const struct imgp_json *row, const struct imgp_json *changes,
    struct imgp_err *e)
{
	if (is_ended(row))
		return is_same(text(changes, "status"), text(row, "status")) ?
		    1 : imgp_fail(e, IMGP_E_DB_STATE, "the row is %s",
		    text(row, "status"));
	if (text(row, "run") == NULL)
		return imgp_fail(e, IMGP_E_DB_FENCED, "the lease was released");
	return 0;
}

static struct imgp_json *
changed(const struct imgp_json *row, const struct imgp_json *changes)
{
	struct imgp_json *own = imgp_json_copy(row);
	const struct imgp_json *i;

	for (i = imgp_json_first(changes); i != NULL; i = imgp_json_next(i))
		if (imgp_json_is_null(i))
			imgp_json_remove(own, imgp_json_key(i));
		else
			imgp_json_set(own, imgp_json_key(i),
			    imgp_json_copy(i));
	return own;
}

/* The answer to whoever ended ${row}, or still has it. */
static struct imgp_json *
answer_holder(const struct imgp_json *row)
{
	struct imgp_json *data = answer(row, !is_ended(row) &&
	    text(row, "run") != NULL), *shown;

	if (is_ended(row)) {
		shown = imgp_json_copy(imgp_json_get(data,
		    "edc_pipeline_file"));
		imgp_json_set_int(shown, "ended", number(row, "lease"));
		imgp_json_set(data, "edc_pipeline_file", shown);
	}
	return data;
}

int
imgp_account_change(struct imgp_account *a, const struct imgp_json *req,
    const struct imgp_json *changes, struct imgp_json **data,
    struct imgp_err *e)
{
	const struct imgp_json *row;
	struct imgp_json *own, *told = NULL;
	struct entry n;
	int rc = -1;

	if (open_entry(a, req, &n, e) == -1)
		return -1;
	if ((row = row_by_lease(&n, req, e)) != NULL)
		rc = check_change(row, changes, e);
	if (rc == 1) {
		told = answer_holder(row);
		rc = 0;
	} else if (rc == 0) {
		own = changed(row, changes);
		told = answer_holder(own);
		rc = save(a, &n, own, e);
	}
	close_entry(a, &n);
	if (rc == 0 && data != NULL)
		*data = told;
	else
		imgp_json_free(told);
	return rc;
}
