#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/net/sqs.h"
#include "libimgpipe/steps/event.h"
#include "libimgpipe/steps/queue.h"

#define WAIT_SECONDS	20	/* SQS waits no longer for a message */
#define TRIES		10	/* to delete a message */
#define PATH_LEN	sizeof ((struct sockaddr_un *)NULL)->sun_path
#define WORD_LEN	64

/* --- the socket ----------------------------------------------------------- */

/* The directory of the user's sockets, with its last '/'; the caller's to free. */
static char *
socket_dir(void)
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	if (base == NULL || *base != '/')
		base = getenv("TMPDIR");
	if (base == NULL || *base != '/')
		base = "/tmp";
	return imgp_asprintf("%s/imgp-queue-%ld/", base, (long)geteuid());
}

/* Make the directory, or see that it is the user's own. */
static int
make_dir(const char *dir, struct imgp_err *e)
{
	struct stat st;

	if (mkdir(dir, 0700) == -1 && errno != EEXIST)
		return imgp_fail_errno(e, IMGP_E_CONFIG, "%s", dir);
	if (lstat(dir, &st) == -1 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return imgp_fail(e, IMGP_E_CONFIG,
		    "%s is not a directory of this user alone", dir);
	return 0;
}

/* The address of a socket's path: 0, or -1 when it is too long. */
static int
address(const char *path, struct sockaddr_un *sun)
{
	memset(sun, 0, sizeof *sun);
	sun->sun_family = AF_UNIX;
	if (strlen(path) >= PATH_LEN)
		return -1;
	memcpy(sun->sun_path, path, strlen(path));
	return 0;
}

/* --- received messages ---------------------------------------------------- */

enum state { WAITED_FOR, TO_DELETE, DELETED, LEFT };

struct message {
	char		*handle;
	char		*spoken;	/* of each part: nonzero once it was */
	size_t		 parts, open;	/* how many lines, how many unspoken */
	int		 again;		/* some part is worth another try */
	int		 tries;
	enum state	 state;
};

struct receiver {
	const struct imgp_queue_options	*o;
	const struct imgp_queue_tell	*tell;
	struct imgp_queue_counts	*c;
	struct imgp_sqs	*sqs;
	char		*path;		/* of the socket */
	int		 fd;
	struct message	*m;
	size_t		 n;
	int64_t		 kept_ms;	/* when they were kept last */
	int		 over;		/* nobody speaks any more */
	struct imgp_buf	*lines;		/* of the message being read */
	size_t		 nlines;
};

static int
open_socket(struct receiver *r, struct imgp_err *e)
{
	char *dir = socket_dir();
	struct sockaddr_un sun;

	r->path = imgp_asprintf("%s%ld-%ld", dir, (long)getpgrp(),
	    (long)getpid());
	if (make_dir(dir, e) == -1) {
		free(dir);
		return -1;
	}
	free(dir);
	if (address(r->path, &sun) == -1)
		return imgp_fail(e, IMGP_E_CONFIG,
		    "%s: too long a path for a socket", r->path);
	unlink(r->path);
	r->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd == -1 || bind(r->fd, (struct sockaddr *)&sun,
	    sizeof sun) == -1)
		return imgp_fail_errno(e, IMGP_E_CONFIG, "%s", r->path);
	return 0;
}

static int
is_here(const struct message *m)
{
	return m->state == WAITED_FOR || m->state == TO_DELETE;
}

static void
leave(struct receiver *r, struct message *m)
{
	if (is_here(m)) {
		m->state = LEFT;
		r->c->left++;
	}
}

static int
are_some_here(const struct receiver *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (is_here(&r->m[i]))
			return 1;
	return 0;
}

/* --- what is said of them ------------------------------------------------- */

/* "MESSAGE PART done", "MESSAGE PART again", or "end". */
static void
hear(struct receiver *r, const char *word)
{
	struct message *m;
	size_t id, part;
	char what[8];

	if (strcmp(word, "end") == 0) {
		r->over = 1;
		return;
	}
	if (sscanf(word, "%zu %zu %7s", &id, &part, what) != 3 || id >= r->n ||
	    part >= r->m[id].parts || r->m[id].spoken[part])
		return;
	m = &r->m[id];
	m->spoken[part] = 1;
	m->open--;
	m->again = m->again || strcmp(what, "done") != 0;
	if (m->open > 0 || m->state != WAITED_FOR)
		return;
	if (m->again)
		leave(r, m);
	else
		m->state = TO_DELETE;
}

static void
listen_to(struct receiver *r)
{
	char word[WORD_LEN];
	ssize_t n;

	while ((n = recv(r->fd, word, sizeof word - 1, 0)) >= 0) {
		word[n] = '\0';
		hear(r, word);
	}
}

/* --- what is asked of the queue ------------------------------------------- */

typedef int ask_batch(struct receiver *r, const char *const *handles, size_t n,
	    const char **failed, struct imgp_err *e);

static int
ask_delete(struct receiver *r, const char *const *handles, size_t n,
    const char **failed, struct imgp_err *e)
{
	return imgp_sqs_delete(r->sqs, handles, n, failed, e);
}

static int
ask_keep(struct receiver *r, const char *const *handles, size_t n,
    const char **failed, struct imgp_err *e)
{
	return imgp_sqs_keep(r->sqs, handles, n, r->o->seconds, failed, e);
}

/* A message that the queue does nothing for any more. */
static void
lose(struct receiver *r, struct message *m, const char *why)
{
	struct imgp_err e;

	imgp_fail(&e, IMGP_E_STORE_IO, "a message comes again: %s", why);
	r->tell->complain(r->tell->arg, &e);
	leave(r, m);
}

/* Ask for the messages ${m}, ${n} of them.  0, or -1 when the queue is away. */
static int
ask_for(struct receiver *r, ask_batch *ask, struct message *const *m, size_t n)
{
	const char *handles[IMGP_SQS_BATCH], *failed[IMGP_SQS_BATCH];
	struct imgp_err e;
	size_t i;

	for (i = 0; i < n; i++)
		handles[i] = m[i]->handle;
	if (ask(r, handles, n, failed, &e) == -1) {
		for (i = 0; ask == ask_delete && i < n; i++)
			if (++m[i]->tries == TRIES)
				lose(r, m[i], e.msg);
		if (strcmp(e.code, IMGP_E_STORE_UNAVAILABLE) != 0)
			for (i = 0; i < n; i++)
				lose(r, m[i], e.msg);
		return -1;
	}
	for (i = 0; i < n; i++) {
		if (failed[i] != NULL)
			lose(r, m[i], failed[i]);
		else if (ask == ask_delete) {
			m[i]->state = DELETED;
			r->c->deleted++;
		}
	}
	return 0;
}

/* The same for all messages in ${state}, or with ${all} for all that are here. */
static void
ask_for_all(struct receiver *r, ask_batch *ask, enum state state, int all)
{
	struct message *m[IMGP_SQS_BATCH];
	size_t i, n = 0;

	for (i = 0; i < r->n; i++) {
		if (all ? is_here(&r->m[i]) : r->m[i].state == state)
			m[n++] = &r->m[i];
		if (n > 0 && (n == IMGP_SQS_BATCH || i + 1 == r->n)) {
			if (ask_for(r, ask, m, n) == -1)
				return;
			n = 0;
		}
	}
}

/* What is due: delete, and keep what others could see soon. */
static void
attend(struct receiver *r)
{
	listen_to(r);
	ask_for_all(r, ask_delete, TO_DELETE, 0);
	if (imgp_clock_ms() - r->kept_ms < r->o->seconds * 1000LL / 2)
		return;
	ask_for_all(r, ask_keep, WAITED_FOR, 1);
	r->kept_ms = imgp_clock_ms();
}

/* --- from a message to lines ---------------------------------------------- */

static void
take_line(void *arg, const char *line, size_t len)
{
	struct receiver *r = arg;

	r->lines = imgp_realloc(r->lines, r->nlines + 1, sizeof *r->lines);
	imgp_buf_init(&r->lines[r->nlines]);
	imgp_buf_add(&r->lines[r->nlines++], line, len);
}

static void
passed(void *arg, const char *what)
{
	const struct receiver *r = arg;

	r->tell->passed(r->tell->arg, what);
}

static void
complain(void *arg, const struct imgp_err *e)
{
	const struct receiver *r = arg;

	r->tell->complain(r->tell->arg, e);
}

/* Hand over part ${part} of message ${id}, which names both. */
static int
put_line(struct receiver *r, size_t id, size_t part)
{
	struct imgp_buf *line = &r->lines[part], out = IMGP_BUF_INIT;
	struct imgp_job *job = imgp_job_parse(line->s, line->len, NULL);
	struct imgp_json *q;
	int rc;

	if (job == NULL)		/* of our own making: never */
		return 0;
	q = imgp_json_new_object();
	imgp_json_set_str(q, "socket", r->path);
	imgp_json_set_int(q, "message", (int64_t)id);
	imgp_json_set_int(q, "part", (int64_t)part);
	imgp_job_set(job, "queue", q);
	imgp_job_print(job, &out);
	rc = r->tell->line(r->tell->arg, out.s, out.len);
	imgp_buf_release(&out);
	imgp_job_free(job);
	return rc;
}

/* Take one message: its lines go out, or it is deleted for it has none. */
static int
take_message(struct receiver *r, const struct imgp_json *message)
{
	const struct imgp_event_sink sink = { take_line, passed, complain, r };
	const char *handle = imgp_json_str(imgp_json_get(message,
	    "ReceiptHandle"));
	struct imgp_event_lines *l = imgp_event_lines_new(&sink);
	struct imgp_buf whole = IMGP_BUF_INIT;
	struct message *m;
	size_t id = r->n, i;
	int rc = 0;

	imgp_json_print(message, &whole);
	r->nlines = 0;
	if (!imgp_event_lines_add(l, whole.s, whole.len))
		r->nlines = 0;
	imgp_event_lines_end(l);
	imgp_event_lines_free(l);
	imgp_buf_release(&whole);
	r->m = imgp_realloc(r->m, r->n + 1, sizeof *r->m);
	m = &r->m[r->n++];
	memset(m, 0, sizeof *m);
	m->handle = imgp_strdup(handle == NULL ? "" : handle);
	m->parts = m->open = r->nlines;
	m->spoken = imgp_alloc(r->nlines + 1);
	m->state = r->nlines == 0 ? TO_DELETE : WAITED_FOR;
	r->c->received++;
	for (i = 0; i < r->nlines; i++) {
		if (rc == 0)
			rc = put_line(r, id, i);
		imgp_buf_release(&r->lines[i]);
	}
	return rc;
}

/* Receive until there is no message any more: 0; -1 and ${e}; 1 when nobody reads. */
static int
receive_all(struct receiver *r, struct imgp_err *e)
{
	const struct imgp_json *i;
	struct imgp_json *list;
	size_t got;
	int rc = 0, wait;

	while (rc == 0 && r->n < r->o->most && !r->over && !imgp_stop_asked()) {
		wait = r->o->wait && r->n == 0 ? WAIT_SECONDS : 1;
		if (imgp_sqs_receive(r->sqs, wait, r->o->seconds, &list,
		    e) == -1)
			return -1;
		if (r->n == 0)
			r->kept_ms = imgp_clock_ms();
		got = imgp_json_count(list);
		for (i = imgp_json_first(list); i != NULL && rc == 0;
		    i = imgp_json_next(i))
			rc = take_message(r, i) == -1;
		imgp_json_free(list);
		if (got == 0 && !(r->o->wait && r->n == 0))
			break;
		attend(r);
	}
	return rc;
}

static void
stay(struct receiver *r)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	attend(r);
	while (are_some_here(r) && !r->over && !imgp_stop_asked()) {
		poll(&p, 1, 1000);
		attend(r);
	}
	/* What was said before the end counts, and what was done is deleted. */
	listen_to(r);
	ask_for_all(r, ask_delete, TO_DELETE, 0);
}

static void
release(struct receiver *r)
{
	size_t i;

	if (r->fd != -1) {
		close(r->fd);
		unlink(r->path);
	}
	for (i = 0; i < r->n; i++) {
		leave(r, &r->m[i]);
		free(r->m[i].handle);
		free(r->m[i].spoken);
	}
	free(r->m);
	free(r->lines);
	free(r->path);
	imgp_sqs_close(r->sqs);
}

int
imgp_queue_receive(const struct imgp_queue_options *o,
    const struct imgp_queue_tell *tell, struct imgp_queue_counts *c,
    struct imgp_err *e)
{
	struct receiver r = { .o = o, .tell = tell, .c = c, .fd = -1 };
	int rc = -1;

	memset(c, 0, sizeof *c);
	imgp_stop_hold();
	if ((r.sqs = imgp_sqs_open(o->url, e)) != NULL &&
	    open_socket(&r, e) == 0) {
		rc = receive_all(&r, e);
		tell->last(tell->arg);
		if (rc != 1)
			stay(&r);
	}
	release(&r);
	imgp_stop_release();
	return rc == -1 ? -1 : 0;
}

/* --- the lines' end ------------------------------------------------------- */

struct imgp_queue_done {
	int	 fd;
	char	*dir;		/* where sockets are */
	char	**paths;	/* those that lines named */
	size_t	 n;
};

struct imgp_queue_done *
imgp_queue_done_new(void)
{
	struct imgp_queue_done *d = imgp_alloc(sizeof *d);

	d->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	d->dir = socket_dir();
	return d;
}

static int
say(const struct imgp_queue_done *d, const char *path, const char *word)
{
	struct sockaddr_un sun;

	return address(path, &sun) == -1 || sendto(d->fd, word, strlen(word),
	    MSG_NOSIGNAL, (struct sockaddr *)&sun, sizeof sun) == -1 ? -1 : 0;
}

/* Nonzero for a socket in the user's own directory. */
static int
is_ours(const struct imgp_queue_done *d, const char *path)
{
	size_t n = strlen(d->dir);

	return strncmp(path, d->dir, n) == 0 && path[n] != '\0' &&
	    strchr(path + n, '/') == NULL;
}

static void
remember(struct imgp_queue_done *d, const char *path)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		if (strcmp(d->paths[i], path) == 0)
			return;
	d->paths = imgp_realloc(d->paths, d->n + 1, sizeof *d->paths);
	d->paths[d->n++] = imgp_strdup(path);
}

/* Nonzero when it is stale: the event of the newer object comes by itself. */
static int
is_stale(struct imgp_job *job)
{
	const struct imgp_json *i;
	const char *code;

	for (i = imgp_json_first(imgp_job_get(job, "errors")); i != NULL;
	    i = imgp_json_next(i)) {
		code = imgp_json_str(imgp_json_get(i, "error_code"));
		if (code != NULL && strcmp(code, IMGP_E_SOURCE_STALE) == 0)
			return 1;
	}
	return 0;
}

static int
is_worth_another_try(struct imgp_job *job)
{
	if (imgp_json_bool(imgp_job_get(job, "planned")) == 1)
		return 1;
	if (imgp_job_standing(job) == IMGP_SKIPPED)
		return imgp_job_exit(job) == IMGP_EX_TEMPFAIL;
	return !is_stale(job) && ((imgp_job_standing(job) == IMGP_FAILED &&
	    !imgp_job_is_final(job)) || imgp_job_exit(job) == IMGP_EX_TEMPFAIL);
}

int
imgp_queue_done_line(struct imgp_queue_done *d, const char *line, size_t len,
    struct imgp_err *e)
{
	struct imgp_job *job = imgp_job_parse(line, len, NULL);
	const char *path;
	int64_t id, part;
	char word[WORD_LEN];
	int rc = 2, again;

	if (job == NULL)
		return 2;
	path = imgp_job_sub_str(job, "queue", "socket");
	if (path != NULL && is_ours(d, path) &&
	    imgp_job_sub_int(job, "queue", "message", &id) == 0 &&
	    imgp_job_sub_int(job, "queue", "part", &part) == 0) {
		again = is_worth_another_try(job);
		snprintf(word, sizeof word, "%lld %lld %s", (long long)id,
		    (long long)part, again ? "again" : "done");
		remember(d, path);
		rc = !again;
		if (say(d, path, word) == -1)
			rc = imgp_fail_errno(e, IMGP_E_STORE_UNAVAILABLE,
			    "imgp-queue receive is gone, its message comes "
			    "again");
	}
	imgp_job_free(job);
	return rc;
}

/* Whoever received for our own pipe, where no line came to name it: the members of a
 * pipe are one process group. */
static void
find_sockets(struct imgp_queue_done *d)
{
	DIR *dir = opendir(d->dir);
	struct dirent *i;
	char own[32], *path;

	if (dir == NULL)
		return;
	snprintf(own, sizeof own, "%ld-", (long)getpgrp());
	while ((i = readdir(dir)) != NULL)
		if (strncmp(i->d_name, own, strlen(own)) == 0) {
			path = imgp_asprintf("%s%s", d->dir, i->d_name);
			remember(d, path);
			free(path);
		}
	closedir(dir);
}

void
imgp_queue_done_end(struct imgp_queue_done *d)
{
	if (d->n == 0)
		find_sockets(d);
	while (d->n > 0) {
		say(d, d->paths[--d->n], "end");
		free(d->paths[d->n]);
	}
	free(d->paths);
	free(d->dir);
	if (d->fd != -1)
		close(d->fd);
	free(d);
}
