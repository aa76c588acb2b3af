#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "libimgpipe/buf.h"
#include "libimgpipe/stop.h"
#include "libimgpipe/wire.h"

#define CHUNK		((size_t)256 << 10)
#define CHUNKS_EACH	4	/* chunks of one answer at most ... */
#define CHUNKS_ALL	32	/* ... while all have less than this; one may
				 * always be had */
#define RECEIVED	(128L << 10)	/* curl's own buffers: of a GET, */
#define RECEIVED_FEW	(16L << 10)	/* of another answer, */
#define SENT		(256L << 10)	/* of a body, */
#define SENT_FEW	(64L << 10)	/* and of one up to ... */
#define FEW		((int64_t)1 << 20)	/* ... this: they are memory
						 * of each request in flight */
#define HEAD_MAX	((size_t)64 << 10)
#define KEPT		256L	/* connections */
#define STALL		60L	/* s without a byte */
#define LOOK_MS		200	/* how soon a signal's wish is seen */
#define EVENTS		64
#define WATCHED		1024	/* sockets */

/* What a caller wants of the engine. */
#define START		1u
#define RESUME		2u	/* there is room again */
#define CANCEL		4u

struct chunk {
	struct chunk	*next;
	size_t		 len;
	char		 data[CHUNK];
};

/*
 * One request on its way.  Slots are never freed while the engine is there: so
 * a wake-up may come late.
 */
struct slot {
	struct slot	*next;		/* free, or in todo */
	struct slot	*next_active, *prev_active;	/* the engine's */
	CURL		*curl;
	int		 plain;		/* as the handle has it: http; -1: new */
	char		*ca_bundle;	/* the same */
	pthread_cond_t	 moved;
	const struct imgp_wire_request *r;
	struct curl_slist lines[IMGP_WIRE_HEADERS_MAX];
	struct imgp_buf	 head;		/* header lines; the engine's till begun */
	int		 begun;		/* of the body: status and head stand */
	long		 status;
	struct chunk	*filling;	/* the engine's */
	int		 read_error;	/* errno; -1: it became shorter */
	_Atomic int64_t	 at;		/* bytes of the body sent */

	unsigned int	 wanted;	/* under the lock from here on */
	struct chunk	*ready, **ready_last;
	int		 nchunks;	/* filling and ready */
	int		 waits;		/* paused for want of a chunk */
	int		 done;
	CURLcode	 rc;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* of all: */
static int users;
static int running;		/* the thread is there */
static int sleeping;		/* and waits for events */
static int ending;
static pthread_t thread;
static struct slot *free_slots;
static struct slot *todo, **todo_last = &todo;
static struct chunk *spare;
static int nchunks;		/* spare ones too */

/* The engine's own, and of who starts and ends it. */
static CURLM *multi;
static int poller = -1, wake_fd = -1;
static struct slot *active;
static int64_t timer = -1;	/* monotonic ms; -1: none */

/* Sockets by number: what the poller waits for. */
static struct watch {
	uint32_t	 events;	/* 0: nothing */
	unsigned char	 kept;		/* a connection: we see it closed */
	unsigned char	 rests;		/* no request is on it */
} watched[WATCHED];

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
start_curl(void)
{
#ifdef M_TRIM_THRESHOLD
	/* curl takes its buffers anew for each request; memory that went back
	 * to the system meanwhile would cost a page fault per 4 KiB. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
#endif
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		imgp_oom();
}

const char *
imgp_wire_version(void)
{
	static char s[96];
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

	snprintf(s, sizeof s, "libcurl %s, %s", v->version,
	    v->ssl_version == NULL ? "no TLS" : v->ssl_version);
	return s;
}

time_t
imgp_wire_date(const char *s)
{
	return curl_getdate(s, NULL);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- chunks; called with the lock held ---------------------------------------- */

/* Another chunk for ${s}; NULL: it has to wait for its own. */
static struct chunk *
take_chunk(struct slot *s)
{
	struct chunk *c = spare;

	if (s->nchunks >= CHUNKS_EACH ||
	    (c == NULL && s->nchunks > 0 && nchunks >= CHUNKS_ALL))
		return NULL;
	if (c != NULL)
		spare = c->next;
	else {
		/* Not cleared: what is not used costs nothing. */
		if ((c = malloc(sizeof *c)) == NULL)
			imgp_oom();
		nchunks++;
	}
	s->nchunks++;
	c->next = NULL;
	c->len = 0;
	return c;
}

static void
give_chunk(struct slot *s, struct chunk *c)
{
	s->nchunks--;
	if (nchunks > CHUNKS_ALL) {
		nchunks--;
		free(c);
		return;
	}
	c->next = spare;
	spare = c;
}

static void
hand_over(struct slot *s)
{
	*s->ready_last = s->filling;
	s->ready_last = &s->filling->next;
	s->filling = NULL;
}

/* --- curl's callbacks, in the engine's thread ---------------------------------- */

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct slot *s = arg;
	size_t len = size * n;

	if (s->begun)
		return len;	/* a trailer: nobody asked for any */
	if (len > 5 && strncmp(p, "HTTP/", 5) == 0)
		imgp_buf_clear(&s->head);	/* a 100 came before */
	return imgp_buf_add(&s->head, p, len) == 0 ? len : 0;
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct slot *s = arg;
	size_t len = size * n;
	int wake = 0;

	if (!s->begun) {
		curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &s->status);
		s->begun = 1;
	}
	if (len > CHUNK)
		return 0;	/* curl gives CURL_MAX_WRITE_SIZE at most */
	if (s->filling == NULL || CHUNK - s->filling->len < len) {
		pthread_mutex_lock(&lock);
		if (s->filling != NULL) {
			hand_over(s);
			wake = 1;
		}
		s->filling = take_chunk(s);
		s->waits = s->filling == NULL;
		pthread_mutex_unlock(&lock);
		if (wake)
			pthread_cond_signal(&s->moved);
		if (s->filling == NULL)
			return CURL_WRITEFUNC_PAUSE;
	}
	memcpy(s->filling->data + s->filling->len, p, len);
	s->filling->len += len;
	return len;
}

static size_t
on_read(char *p, size_t size, size_t n, void *arg)
{
	struct slot *s = arg;
	const struct imgp_wire_request *r = s->r;
	int64_t at = atomic_load(&s->at), left = r->len - at;
	size_t len = size * n;
	ssize_t got;

	if ((int64_t)len > left)
		len = (size_t)left;
	if (len == 0)
		return 0;
	if (r->data != NULL) {
		memcpy(p, r->data + at, len);
		got = (ssize_t)len;
	} else {
		do
			got = pread(r->fd, p, len, r->offset + at);
		while (got == -1 && errno == EINTR);
		if (got <= 0) {
			s->read_error = got == 0 ? -1 : errno;
			return CURL_READFUNC_ABORT;
		}
	}
	atomic_store(&s->at, at + got);
	return (size_t)got;
}

static int
on_seek(void *arg, curl_off_t offset, int whence)
{
	struct slot *s = arg;

	if (whence != SEEK_SET || offset < 0 || offset > s->r->len)
		return CURL_SEEKFUNC_CANTSEEK;
	atomic_store(&s->at, offset);
	return CURL_SEEKFUNC_OK;
}

/* What is known of ${fd}, or NULL where it is beyond all that we open. */
static struct watch *
watch_of(int fd)
{
	return fd >= 0 && fd < WATCHED ? &watched[fd] : NULL;
}

static curl_socket_t
on_open(void *arg, curlsocktype type, struct curl_sockaddr *a)
{
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	struct watch *w = watch_of(fd);

	(void)arg, (void)type;
	if (w != NULL)
		*w = (struct watch){ .kept = 1 };
	return fd == -1 ? CURL_SOCKET_BAD : fd;
}

static int
on_close(void *arg, curl_socket_t fd)
{
	struct watch *w = watch_of(fd);

	(void)arg;
	if (w != NULL)
		*w = (struct watch){ .kept = 0 };
	return close(fd);
}

/*
 * What of a socket is waited for.  A connection that rests stays with the
 * poller as it is: the next request waits for the same again.
 */
static int
on_socket(CURL *c, curl_socket_t fd, int what, void *arg, void *known)
{
	struct epoll_event ev = { .data.fd = fd };
	struct watch *w = watch_of(fd);
	int op;

	(void)c, (void)arg, (void)known;
	if (w != NULL)
		w->rests = what == CURL_POLL_REMOVE;
	if (what == CURL_POLL_REMOVE) {
		if (w == NULL || !w->kept)
			(void)epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		ev.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		ev.events |= EPOLLOUT;
	if (w != NULL && w->kept && w->events == ev.events)
		return 0;
	op = w != NULL && w->kept && w->events != 0 ? EPOLL_CTL_MOD :
	    EPOLL_CTL_ADD;
	if (epoll_ctl(poller, op, fd, &ev) == -1 && (errno == EEXIST ||
	    errno == ENOENT))
		(void)epoll_ctl(poller, errno == EEXIST ? EPOLL_CTL_MOD :
		    EPOLL_CTL_ADD, fd, &ev);
	if (w != NULL)
		w->events = ev.events;
	return 0;
}

/* Something came of a connection that rests: its end.  curl sees it when it
 * wants the connection again. */
static int
rests(int fd)
{
	struct watch *w = watch_of(fd);

	if (w == NULL || !w->kept || !w->rests)
		return 0;
	(void)epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
	w->events = 0;
	return 1;
}

static int
on_timer(CURLM *m, long ms, void *arg)
{
	(void)m, (void)arg;
	timer = ms < 0 ? -1 : ms == 0 ? 0 : now_ms() + ms;
	return 0;
}

/* --- the engine's thread -------------------------------------------------------- */

static void
set_active(struct slot *s)
{
	s->prev_active = NULL;
	s->next_active = active;
	if (active != NULL)
		active->prev_active = s;
	active = s;
}

static void
end(struct slot *s, CURLcode rc)
{
	if (s->prev_active != NULL)
		s->prev_active->next_active = s->next_active;
	else
		active = s->next_active;
	if (s->next_active != NULL)
		s->next_active->prev_active = s->prev_active;
	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &s->status);
	curl_multi_remove_handle(multi, s->curl);
	pthread_mutex_lock(&lock);
	if (s->filling != NULL)
		hand_over(s);
	s->rc = rc;
	s->done = 1;
	pthread_mutex_unlock(&lock);
	pthread_cond_signal(&s->moved);
}

static void
collect(void)
{
	struct slot *s = NULL;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(multi, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE) {
			curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
			    (char **)&s);
			end(s, msg->data.result);
		}
}

/* Do what callers asked for; ${s} may be at its end already. */
static void
serve(struct slot *s, unsigned int wanted, int done)
{
	if (wanted & START) {
		set_active(s);
		if (curl_multi_add_handle(multi, s->curl) != CURLM_OK)
			imgp_oom();
	}
	if (done)
		return;
	if (wanted & CANCEL)
		end(s, CURLE_WRITE_ERROR);
	else if (wanted & RESUME)
		curl_easy_pause(s->curl, CURLPAUSE_CONT);
}

/* Take what is asked for, one after the other; 0: there is no more. */
static int
serve_next(void)
{
	struct slot *s;
	unsigned int wanted;
	int done;

	pthread_mutex_lock(&lock);
	if ((s = todo) == NULL) {
		sleeping = !ending;
		pthread_mutex_unlock(&lock);
		return 0;
	}
	if ((todo = s->next) == NULL)
		todo_last = &todo;
	wanted = s->wanted;
	done = s->done;
	s->wanted = 0;
	pthread_mutex_unlock(&lock);
	serve(s, wanted, done);
	return 1;
}

static void
stop_all(void)
{
	struct slot *s, *next;

	for (s = active; s != NULL; s = next) {
		next = s->next_active;
		if (!s->r->last)
			end(s, CURLE_ABORTED_BY_CALLBACK);
	}
}

static int
wait_ms(void)
{
	int64_t ms = active == NULL ? -1 : LOOK_MS, left;

	if (timer >= 0) {
		left = timer - now_ms();
		if (left < 0)
			left = 0;
		if (ms == -1 || left < ms)
			ms = left;
	}
	return (int)ms;
}

static void *
engine(void *arg)
{
	struct epoll_event ev[EVENTS];
	uint64_t count;
	int i, n, ms, left, what;

	(void)arg;
	for (;;) {
		while (serve_next())
			;
		if (imgp_stop_asked())
			stop_all();
		while (timer >= 0 && timer <= now_ms()) {
			timer = -1;
			curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0,
			    &left);
		}
		collect();
		pthread_mutex_lock(&lock);
		n = ending && active == NULL && todo == NULL;
		ms = todo != NULL || n ? 0 : wait_ms();
		pthread_mutex_unlock(&lock);
		if (n)
			return NULL;
		n = epoll_wait(poller, ev, EVENTS, ms);
		pthread_mutex_lock(&lock);
		sleeping = 0;
		pthread_mutex_unlock(&lock);
		for (i = 0; i < n; i++) {
			if (ev[i].data.fd == wake_fd) {
				(void)!read(wake_fd, &count, sizeof count);
				continue;
			}
			if (rests(ev[i].data.fd))
				continue;
			what = (ev[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
			    (ev[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			    (ev[i].events & (EPOLLERR | EPOLLHUP) ?
			    CURL_CSELECT_ERR : 0);
			curl_multi_socket_action(multi, ev[i].data.fd, what,
			    &left);
		}
		collect();
	}
}

/* With the lock held; -1: no thread can be had. */
static int
start_engine(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	if (running)
		return 0;
	if (multi == NULL) {
		if ((multi = curl_multi_init()) == NULL)
			imgp_oom();
		curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
		curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
		curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, KEPT);
	}
	if (poller == -1 &&
	    (poller = epoll_create1(EPOLL_CLOEXEC)) == -1)
		return -1;
	if (wake_fd == -1) {
		wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ev.data.fd = wake_fd;
		if (wake_fd == -1 || epoll_ctl(poller, EPOLL_CTL_ADD, wake_fd,
		    &ev) == -1)
			return -1;
	}
	ending = sleeping = 0;
	timer = -1;
	if (pthread_create(&thread, NULL, engine, NULL) != 0)
		return -1;
	running = 1;
	return 0;
}

/* --- the callers' side ------------------------------------------------------------ */

void
imgp_wire_open(void)
{
	pthread_once(&once, start_curl);
	pthread_mutex_lock(&lock);
	users++;
	pthread_mutex_unlock(&lock);
}

static void
wake(void)
{
	static const uint64_t n = 1;

	/* Full is the same as readable; it cannot be broken. */
	(void)!write(wake_fd, &n, sizeof n);
}

void
imgp_wire_close(void)
{
	struct slot *s;
	struct chunk *c;

	pthread_mutex_lock(&lock);
	if (--users > 0) {
		pthread_mutex_unlock(&lock);
		return;
	}
	ending = 1;
	pthread_mutex_unlock(&lock);
	if (running) {
		wake();
		pthread_join(thread, NULL);
		running = 0;
	}
	while ((s = free_slots) != NULL) {
		free_slots = s->next;
		curl_easy_cleanup(s->curl);
		pthread_cond_destroy(&s->moved);
		imgp_buf_release(&s->head);
		free(s->ca_bundle);
		free(s);
	}
	while ((c = spare) != NULL) {
		spare = c->next;
		free(c);
	}
	nchunks = 0;
	if (multi != NULL)
		curl_multi_cleanup(multi);
	multi = NULL;
	if (wake_fd != -1)
		close(wake_fd);
	if (poller != -1)
		close(poller);
	wake_fd = poller = -1;
}

static void
must(CURLcode rc)
{
	if (rc != CURLE_OK)
		imgp_oom();
}

/* What all requests have in common is set once per handle. */
static struct slot *
make_slot(void)
{
	struct slot *s = imgp_alloc(sizeof *s);
	pthread_condattr_t attr;
	CURL *c;

	if ((c = s->curl = curl_easy_init()) == NULL)
		imgp_oom();
	s->plain = -1;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->moved, &attr);
	pthread_condattr_destroy(&attr);
	curl_easy_setopt(c, CURLOPT_PRIVATE, s);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALL);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(c, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	must(curl_easy_setopt(c, CURLOPT_USERAGENT, "imgpipe/" IMGP_VERSION));
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(c, CURLOPT_READDATA, s);
	curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(c, CURLOPT_SEEKDATA, s);
	return s;
}

static struct slot *
take_slot(void)
{
	struct slot *s;

	pthread_mutex_lock(&lock);
	if ((s = free_slots) != NULL)
		free_slots = s->next;
	pthread_mutex_unlock(&lock);
	return s != NULL ? s : make_slot();
}

/* The CA file of this request, where the handle has another one. */
static void
set_ca(struct slot *s, const char *ca)
{
	if (ca == NULL)
		ca = getenv("SSL_CERT_FILE");
	if (ca == NULL || *ca == '\0' || (s->ca_bundle != NULL &&
	    strcmp(ca, s->ca_bundle) == 0))
		return;
	free(s->ca_bundle);
	s->ca_bundle = imgp_strdup(ca);
	must(curl_easy_setopt(s->curl, CURLOPT_CAINFO, ca));
}

static void
set_request(struct slot *s, const struct imgp_wire_request *r)
{
	int plain = strncmp(r->url, "http://", 7) == 0;
	int get = strcmp(r->method, "GET") == 0;
	CURL *c = s->curl;
	size_t i;

	s->r = r;
	s->begun = s->read_error = s->waits = s->done = 0;
	s->status = 0;
	s->rc = CURLE_OK;
	s->ready = NULL;
	s->ready_last = &s->ready;
	s->head.max = HEAD_MAX;
	imgp_buf_clear(&s->head);
	atomic_store(&s->at, 0);
	for (i = 0; i < r->nheaders; i++) {
		s->lines[i].data = r->headers[i];
		s->lines[i].next = i + 1 < r->nheaders ? &s->lines[i + 1] :
		    NULL;
	}
	must(curl_easy_setopt(c, CURLOPT_URL, r->url));
	curl_easy_setopt(c, CURLOPT_HTTPHEADER,
	    r->nheaders > 0 ? s->lines : NULL);
	if (s->plain != plain) {
		s->plain = plain;
		must(curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR,
		    plain ? "http" : "https"));
		/* http goes to this machine only, and never by a proxy. */
		must(curl_easy_setopt(c, CURLOPT_NOPROXY, plain ? "*" : NULL));
	}
	if (!plain)
		set_ca(s, r->ca_bundle);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, get ? RECEIVED : RECEIVED_FEW);
	curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE,
	    r->len > FEW ? SENT : SENT_FEW);
	curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);	/* undoes the last one */
	if (strcmp(r->method, "HEAD") == 0)
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	else if (strcmp(r->method, "PUT") == 0 ||
	    strcmp(r->method, "POST") == 0) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE,
		    (curl_off_t)r->len);
	}
	must(curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST,
	    !get && strcmp(r->method, "HEAD") != 0 ? r->method : NULL));
}

/* Queue ${s}; with the lock held.  Nonzero: the engine must be woken. */
static int
want(struct slot *s, unsigned int what)
{
	if (s->wanted == 0) {
		s->next = NULL;
		*todo_last = s;
		todo_last = &s->next;
	}
	s->wanted |= what;
	if (!sleeping)
		return 0;
	sleeping = 0;
	return 1;
}

/* The header lines, once all are there. */
static void
tell_head(struct slot *s, int *told)
{
	const char *p = s->head.s, *end, *nl;

	if (*told || s->head.len == 0)
		return;
	*told = 1;
	for (end = p + s->head.len; p < end; p = nl) {
		nl = memchr(p, '\n', (size_t)(end - p));
		nl = nl == NULL ? end : nl + 1;
		s->r->header(s->r->arg, p, (size_t)(nl - p));
	}
}

/* The engine ended ${s} before it saw what was last wanted; lock held. */
static void
forget(struct slot *s)
{
	struct slot **p;

	if (s->wanted == 0)
		return;
	for (p = &todo; *p != s; p = &(*p)->next)
		;
	if ((*p = s->next) == NULL)
		todo_last = p;
	s->wanted = 0;
}

/* Until ${s} has something for us; with the lock held. */
static void
await(struct slot *s)
{
	const struct imgp_wire_request *r = s->r;
	struct timespec ts;
	int64_t at;

	while (s->ready == NULL && !s->done) {
		if (r->sent == NULL) {
			pthread_cond_wait(&s->moved, &lock);
			continue;
		}
		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_nsec += LOOK_MS * 1000000L;
		if (ts.tv_nsec >= 1000000000L) {
			ts.tv_nsec -= 1000000000L;
			ts.tv_sec++;
		}
		if (pthread_cond_timedwait(&s->moved, &lock, &ts) == 0)
			continue;
		at = atomic_load(&s->at);
		pthread_mutex_unlock(&lock);
		r->sent(r->arg, at);
		pthread_mutex_lock(&lock);
	}
}

/* Take what comes till the end: nonzero when body() refused it. */
static int
take_answer(struct slot *s, int *told)
{
	const struct imgp_wire_request *r = s->r;
	struct chunk *c;
	int refused = 0, must_wake;

	pthread_mutex_lock(&lock);
	for (;;) {
		await(s);
		if ((c = s->ready) == NULL)
			break;
		if ((s->ready = c->next) == NULL)
			s->ready_last = &s->ready;
		pthread_mutex_unlock(&lock);
		tell_head(s, told);
		if (!refused)
			refused = r->body(r->arg, s->status, c->data,
			    c->len) == -1;
		pthread_mutex_lock(&lock);
		give_chunk(s, c);
		must_wake = 0;
		if (!s->done && refused)
			must_wake = want(s, CANCEL);
		else if (!s->done && s->waits) {
			s->waits = 0;
			must_wake = want(s, RESUME);
		}
		if (must_wake)
			wake();
	}
	forget(s);
	pthread_mutex_unlock(&lock);
	return refused;
}

static enum imgp_wire_end
judge(const struct slot *s, int refused, struct imgp_wire_result *result)
{
	result->status = s->status;
	result->why = curl_easy_strerror(s->rc);
	if (refused)
		return IMGP_WIRE_REFUSED;
	if (s->read_error != 0) {
		result->why = s->read_error == -1 ? "it became shorter" :
		    strerror(s->read_error);
		return IMGP_WIRE_UNREADABLE;
	}
	switch (s->rc) {
	case CURLE_OK:
		return IMGP_WIRE_ANSWERED;
	case CURLE_OUT_OF_MEMORY:
		imgp_oom();
	case CURLE_ABORTED_BY_CALLBACK:
		return IMGP_WIRE_STOPPED;
	case CURLE_SEND_ERROR:
		/* An error that is answered early may break off our sending. */
		return s->status >= 400 ? IMGP_WIRE_ANSWERED : IMGP_WIRE_FAULT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
		return IMGP_WIRE_UNTRUSTED;
	default:
		return IMGP_WIRE_FAULT;
	}
}

enum imgp_wire_end
imgp_wire_do(const struct imgp_wire_request *r,
    struct imgp_wire_result *result)
{
	struct slot *s = take_slot();
	enum imgp_wire_end how;
	int refused, told = 0, must_wake, rc;

	set_request(s, r);
	pthread_mutex_lock(&lock);
	if ((rc = start_engine()) == 0) {
		must_wake = want(s, START);
		pthread_mutex_unlock(&lock);
		if (must_wake)
			wake();
		refused = take_answer(s, &told);
		tell_head(s, &told);
		how = judge(s, refused, result);
		if (r->sent != NULL && how == IMGP_WIRE_ANSWERED)
			r->sent(r->arg, atomic_load(&s->at));
		pthread_mutex_lock(&lock);
	} else {
		result->status = 0;
		result->why = "no thread can be started";
		how = IMGP_WIRE_FAULT;
	}
	s->next = free_slots;
	free_slots = s;
	pthread_mutex_unlock(&lock);
	return how;
}
