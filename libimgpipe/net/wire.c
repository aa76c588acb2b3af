#include <sys/eventfd.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/base/version.h"
#include "libimgpipe/net/wire.h"

#define CHUNK		((size_t)256 << 10)	/* the most that body() gets at once */
#define CHUNKS_KEPT	32
#define RECEIVED	(128L << 10)	/* curl's own buffers: of a GET, */
#define RECEIVED_FEW	(1L << 10)	/* of another answer (malloc has such at
				 * hand), */
#define SENT		(256L << 10)	/* of a body, */
#define SENT_FEW	(64L << 10)	/* and of one up to ... */
#define FEW		((int64_t)1 << 20)	/* ... this: they are memory
						 * of each request in flight */
#define HEAD_MAX	((size_t)64 << 10)
#define KEPT		256L	/* connections */
#define STALL		60	/* s in which no socket moves */
#define LOOK_MS		200	/* between looks for a signal */
#define LINES		4
#define SOCKETS		10	/* of one request: curl has up to 5, and 5 new
				 * ones before it lets the old go */

struct chunk {
	struct chunk	*next;
	size_t		 len;
	char		 data[CHUNK];
};

/*
 * A multi handle, which one thread at a time may call.  All TLS is in the first,
 * because each handle reads the CA file for itself.  Plain http is spread over
 * all, so that its threads seldom wait for each other.
 */
struct line {
	pthread_mutex_t	 lock;		/* of all here, and of its slots' */
	CURLM		*multi;
	int64_t		 timer;		/* monotonic ms; -1: none */
	const struct slot *caller;	/* whose thread holds the lock */
};

/*
 * One request.  Slots are not freed while the wire is open, so that a late
 * wake-up finds its eventfd.
 */
struct slot {
	struct slot	*next;		/* free */
	int		 number;
	struct line	*line;		/* of this request */
	CURL		*curl;
	int		 plain;		/* the handle is set up for http; -1: new */
	char		*ca_bundle;	/* that the handle is set up for */
	const struct imgp_wire_request *r;
	struct curl_slist lines[IMGP_WIRE_HEADERS_MAX];

	/* Under the line's lock while curl has the request: */
	struct pollfd	 polled[1 + SOCKETS];	/* first the eventfd */
	nfds_t		 npolled;
	int		 quiet;		/* ms since a socket moved */
	struct imgp_buf	 head;		/* header lines; the thread's once begun */
	int		 begun;		/* the body began: status and head are final */
	long		 status;
	struct chunk	*chunk;		/* received, not yet taken */
	int		 waits;		/* paused: the chunk is full */
	int		 read_error;	/* errno; -1: it became shorter */
	int64_t		 at;		/* bytes of the body sent */
	int		 done;
	CURLcode	 rc;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* of all: */
static int users, nslots;
static struct slot *free_slots;
static struct chunk *spare;
static int nspare;
static struct line lines[LINES];

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
start_curl(void)
{
#ifdef M_TRIM_THRESHOLD
	/* curl takes its buffers anew for each request; memory that went back
	 * to the system meanwhile would cost a page fault per 4 KiB. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
	/* Else each thread's heap grows by a call per 4 KiB. */
	mallopt(M_TOP_PAD, 1 << 20);
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

/* Take the line's lock, in the thread of ${s}. */
static void
enter(struct slot *s)
{
	pthread_mutex_lock(&s->line->lock);
	s->line->caller = s;
}

static void
leave(struct slot *s)
{
	pthread_mutex_unlock(&s->line->lock);
}

/* All functions from here to "the callers' side" need the line's lock. */

/* Wake the thread waiting on ${s}. */
static void
ring(const struct slot *s)
{
	static const uint64_t n = 1;

	/* Ignore a failure: an eventfd that is full is readable already. */
	if (s != s->line->caller)
		(void)!write(s->polled[0].fd, &n, sizeof n);
}

static struct chunk *
take_chunk(void)
{
	struct chunk *c;

	pthread_mutex_lock(&lock);
	if ((c = spare) != NULL) {
		spare = c->next;
		nspare--;
	}
	pthread_mutex_unlock(&lock);
	/* malloc, not calloc: pages that are not touched cost nothing. */
	if (c == NULL && (c = malloc(sizeof *c)) == NULL)
		imgp_oom();
	c->len = 0;
	return c;
}

static void
give_chunk(struct chunk *c)
{
	pthread_mutex_lock(&lock);
	if (nspare < CHUNKS_KEPT) {
		nspare++;
		c->next = spare;
		spare = c;
		c = NULL;
	}
	pthread_mutex_unlock(&lock);
	free(c);
}

/* --- curl's callbacks ---------------------------------------------------------- */

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

	if (!s->begun) {
		curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &s->status);
		s->begun = 1;
	}
	if (len > CHUNK)
		return 0;	/* curl gives CURL_MAX_WRITE_SIZE at most */
	ring(s);
	if (s->chunk == NULL)
		s->chunk = take_chunk();
	if (CHUNK - s->chunk->len < len) {
		s->waits = 1;
		return CURL_WRITEFUNC_PAUSE;
	}
	memcpy(s->chunk->data + s->chunk->len, p, len);
	s->chunk->len += len;
	return len;
}

static size_t
on_read(char *p, size_t size, size_t n, void *arg)
{
	struct slot *s = arg;
	const struct imgp_wire_request *r = s->r;
	int64_t left = r->len - s->at;
	size_t len = size * n;
	ssize_t got;

	if ((int64_t)len > left)
		len = (size_t)left;
	if (len == 0)
		return 0;
	if (r->data != NULL) {
		memcpy(p, r->data + s->at, len);
		got = (ssize_t)len;
	} else {
		do
			got = pread(r->fd, p, len, r->offset + s->at);
		while (got == -1 && errno == EINTR);
		if (got <= 0) {
			s->read_error = got == 0 ? -1 : errno;
			return CURL_READFUNC_ABORT;
		}
	}
	s->at += got;
	return (size_t)got;
}

static int
on_seek(void *arg, curl_off_t offset, int whence)
{
	struct slot *s = arg;

	if (whence != SEEK_SET || offset < 0 || offset > s->r->len)
		return CURL_SEEKFUNC_CANTSEEK;
	s->at = offset;
	return CURL_SEEKFUNC_OK;
}

static curl_socket_t
on_open(void *arg, curlsocktype type, struct curl_sockaddr *a)
{
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

	(void)arg, (void)type;
	return fd == -1 ? CURL_SOCKET_BAD : fd;
}

/* curl tells what ${c} waits for on a socket. */
static int
on_socket(CURL *c, curl_socket_t fd, int what, void *arg, void *known)
{
	struct slot *s = NULL;
	nfds_t i;

	(void)arg, (void)known;
	curl_easy_getinfo(c, CURLINFO_PRIVATE, (char **)&s);
	if (s == NULL)
		return 0;	/* curl's own handle that closes connections */
	ring(s);
	for (i = 1; i < s->npolled && s->polled[i].fd != fd; i++)
		;
	if (what == CURL_POLL_REMOVE) {
		if (i < s->npolled)
			s->polled[i] = s->polled[--s->npolled];
		return 0;
	}
	if (i == 1 + SOCKETS)
		return 0;	/* never; -1 would end all requests of the line */
	if (i == s->npolled)
		s->npolled++;
	s->polled[i].fd = fd;
	s->polled[i].events = (short)((what & CURL_POLL_IN ? POLLIN : 0) |
	    (what & CURL_POLL_OUT ? POLLOUT : 0));
	return 0;
}

static int
on_timer(CURLM *m, long ms, void *arg)
{
	struct line *l = arg;

	(void)m;
	l->timer = ms < 0 ? -1 : ms == 0 ? 0 : imgp_clock_ms() + ms;
	return 0;
}

/* --- one call of curl --------------------------------------------------------- */

static void
end(struct slot *s, CURLcode rc)
{
	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &s->status);
	curl_multi_remove_handle(s->line->multi, s->curl);
	s->npolled = 1;
	s->rc = rc;
	s->done = 1;
	ring(s);
}

/* Tell curl that ${fd} is ready; CURL_SOCKET_TIMEOUT: that time passed.  curl
 * drives any request that can move, maybe another thread's. */
static void
go_on(struct line *l, curl_socket_t fd, int what)
{
	struct slot *s = NULL;
	CURLMsg *msg;
	int left;

	if (fd != CURL_SOCKET_TIMEOUT)
		curl_multi_socket_action(l->multi, fd, what, &left);
	while (l->timer == 0 || (l->timer > 0 && l->timer <= imgp_clock_ms())) {
		l->timer = -1;
		curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0,
		    &left);
	}
	while ((msg = curl_multi_info_read(l->multi, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE) {
			curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
			    (char **)&s);
			end(s, msg->data.result);
		}
}

static int
wait_ms(const struct line *l)
{
	int64_t left = l->timer < 0 ? LOOK_MS : l->timer - imgp_clock_ms();

	return left < 0 ? 0 : left < LOOK_MS ? (int)left : LOOK_MS;
}

/*
 * Acknowledge what is read next from ${fd} at once.  A server that writes head
 * and body of an answer apart, with Nagle's algorithm on, keeps the body back
 * until the head is acknowledged, which the kernel else puts off for 40 ms.
 * It holds until something is sent.
 */
static void
acknowledge(int fd)
{
	static const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

/* Wait for the sockets of ${s}, and drive curl. */
static void
await(struct slot *s)
{
	struct pollfd p[1 + SOCKETS];
	nfds_t n = s->npolled, i;
	int ms = wait_ms(s->line), got;
	uint64_t count;

	memcpy(p, s->polled, n * sizeof *p);
	leave(s);
	got = poll(p, n, ms);
	enter(s);
	if (got == 0 && (s->quiet += ms) >= STALL * 1000 && !s->done) {
		end(s, CURLE_OPERATION_TIMEDOUT);
		return;
	}
	if (got <= 0)
		go_on(s->line, CURL_SOCKET_TIMEOUT, 0);
	else if (p[0].revents != 0)
		(void)!read(p[0].fd, &count, sizeof count);
	for (i = 1; got > 0 && i < n && !s->done; i++)
		if (p[i].revents != 0) {
			s->quiet = 0;
			if ((p[i].revents & POLLIN) && !s->begun)
				acknowledge(p[i].fd);
			go_on(s->line, p[i].fd,
			    (p[i].revents & POLLIN ? CURL_CSELECT_IN : 0) |
			    (p[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
			    (p[i].revents & (POLLERR | POLLHUP) ?
			    CURL_CSELECT_ERR : 0));
		}
}

/* --- the callers' side ------------------------------------------------------------ */

void
imgp_wire_open(void)
{
	struct line *l;

	pthread_once(&once, start_curl);
	pthread_mutex_lock(&lock);
	for (l = lines; users == 0 && l < lines + LINES; l++) {
		pthread_mutex_init(&l->lock, NULL);
		if ((l->multi = curl_multi_init()) == NULL)
			imgp_oom();
		curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION,
		    on_socket);
		curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer);
		curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
		curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, KEPT);
		l->timer = -1;
	}
	users++;
	pthread_mutex_unlock(&lock);
}

void
imgp_wire_close(void)
{
	struct slot *s;
	struct chunk *c;
	struct line *l;

	pthread_mutex_lock(&lock);
	if (--users > 0) {
		pthread_mutex_unlock(&lock);
		return;
	}
	while ((s = free_slots) != NULL) {
		free_slots = s->next;
		curl_easy_cleanup(s->curl);
		close(s->polled[0].fd);
		imgp_buf_release(&s->head);
		free(s->ca_bundle);
		free(s);
	}
	while ((c = spare) != NULL) {
		spare = c->next;
		free(c);
	}
	nslots = nspare = 0;
	for (l = lines; l < lines + LINES; l++) {
		curl_multi_cleanup(l->multi);
		pthread_mutex_destroy(&l->lock);
	}
	pthread_mutex_unlock(&lock);
}

static void
must(CURLcode rc)
{
	if (rc != CURLE_OK)
		imgp_oom();
}

/* A slot with the options that all requests have in common.  NULL and errno. */
static struct slot *
make_slot(int number)
{
	int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct slot *s;
	CURL *c;

	if (bell == -1)
		return NULL;
	s = imgp_alloc(sizeof *s);
	s->polled[0] = (struct pollfd){ .fd = bell, .events = POLLIN };
	s->npolled = 1;
	s->number = number;
	if ((c = s->curl = curl_easy_init()) == NULL)
		imgp_oom();
	s->plain = -1;
	curl_easy_setopt(c, CURLOPT_PRIVATE, s);
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open);
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
	int n = 0;

	pthread_mutex_lock(&lock);
	if ((s = free_slots) != NULL)
		free_slots = s->next;
	else
		n = nslots++;
	pthread_mutex_unlock(&lock);
	return s != NULL ? s : make_slot(n);
}

/*
 * Set the CA file of this request, and no directory beside it: a file alone curl
 * reads once for all connections of a multi handle, with a directory it reads
 * both for each.
 */
static void
set_ca(struct slot *s, const char *ca)
{
	if (ca == NULL)
		ca = getenv("SSL_CERT_FILE");
	if (ca == NULL || *ca == '\0') {
		/* curl's default, unless it was built with a directory. */
		ca = NULL;
		curl_easy_getinfo(s->curl, CURLINFO_CAINFO, &ca);
		if (ca == NULL || access(ca, R_OK) == -1)
			return;
	}
	if (s->ca_bundle != NULL && strcmp(ca, s->ca_bundle) == 0)
		return;
	free(s->ca_bundle);
	s->ca_bundle = imgp_strdup(ca);
	must(curl_easy_setopt(s->curl, CURLOPT_CAINFO, ca));
	must(curl_easy_setopt(s->curl, CURLOPT_CAPATH, NULL));
}

static void
set_request(struct slot *s, const struct imgp_wire_request *r)
{
	int plain = strncmp(r->url, "http://", 7) == 0;
	int get = strcmp(r->method, "GET") == 0;
	CURL *c = s->curl;
	size_t i;

	s->r = r;
	s->begun = s->read_error = s->waits = s->done = s->quiet = 0;
	s->status = 0;
	s->rc = CURLE_OK;
	s->at = 0;
	if (s->head.size == 0)
		imgp_buf_init(&s->head);
	s->head.max = HEAD_MAX;
	imgp_buf_clear(&s->head);
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
		/* http goes to this machine only, never through a proxy. */
		must(curl_easy_setopt(c, CURLOPT_NOPROXY, plain ? "*" : NULL));
	}
	s->line = &lines[plain ? s->number % LINES : 0];
	if (!plain)
		set_ca(s, r->ca_bundle);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, get ? RECEIVED : RECEIVED_FEW);
	curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE,
	    r->len > FEW ? SENT : SENT_FEW);
	curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);	/* undo the last method */
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

/* Pass on the header lines, once all are there. */
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

/* Nonzero: the chunk must be taken.  With the lock held. */
static int
is_full(const struct slot *s)
{
	return s->waits || (s->chunk != NULL &&
	    CHUNK - s->chunk->len < (size_t)RECEIVED);
}

/* Drive curl until a chunk must be taken or all is done.  With the lock held. */
static void
move(struct slot *s)
{
	const struct imgp_wire_request *r = s->r;
	int64_t told = r->sent == NULL ? 0 : imgp_clock_ms(), at, now;

	if (s->waits && !s->done) {
		s->waits = 0;
		curl_easy_pause(s->curl, CURLPAUSE_CONT);
		go_on(s->line, CURL_SOCKET_TIMEOUT, 0);
	}
	while (!s->done && !is_full(s)) {
		if (imgp_stop_asked() && !r->last) {
			end(s, CURLE_ABORTED_BY_CALLBACK);
			return;
		}
		await(s);
		if (r->sent == NULL || (now = imgp_clock_ms()) < told + LOOK_MS)
			continue;
		told = now;
		at = s->at;
		leave(s);
		r->sent(r->arg, at);
		enter(s);
	}
}

/* Send the request and take its answer.  Nonzero: body() refused it. */
static int
exchange(struct slot *s, int *told)
{
	const struct imgp_wire_request *r = s->r;
	struct chunk *c;
	int refused = 0;
	long status;

	enter(s);
	if (curl_multi_add_handle(s->line->multi, s->curl) != CURLM_OK)
		imgp_oom();
	go_on(s->line, CURL_SOCKET_TIMEOUT, 0);
	while (!refused) {
		move(s);
		if ((c = s->chunk) == NULL)
			break;
		s->chunk = NULL;
		status = s->status;
		leave(s);
		tell_head(s, told);
		refused = r->body(r->arg, status, c->data, c->len) == -1;
		enter(s);
		give_chunk(c);
	}
	if (!s->done)
		end(s, CURLE_WRITE_ERROR);
	if (s->chunk != NULL)
		give_chunk(s->chunk);
	s->chunk = NULL;
	leave(s);
	return refused;
}

static enum imgp_wire_end
judge(const struct slot *s, int refused, struct imgp_wire_result *result)
{
	long proxied = 0;

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
		/* The server may answer with an error before it read all. */
		return s->status >= 400 ? IMGP_WIRE_ANSWERED : IMGP_WIRE_FAULT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_ISSUER_ERROR:
		return IMGP_WIRE_UNTRUSTED;
	default:
		curl_easy_getinfo(s->curl, CURLINFO_HTTP_CONNECTCODE, &proxied);
		if (proxied / 100 != 4)
			return IMGP_WIRE_FAULT;
		result->why = proxied == 407 ?
		    "the proxy wants to know who asks (407)" :
		    "the proxy refuses it";
		return IMGP_WIRE_UNTRUSTED;
	}
}

enum imgp_wire_end
imgp_wire_do(const struct imgp_wire_request *r,
    struct imgp_wire_result *result)
{
	struct slot *s = take_slot();
	enum imgp_wire_end how;
	int refused, told = 0;

	if (s == NULL) {
		result->status = 0;
		result->why = strerror(errno);
		return IMGP_WIRE_FAULT;
	}
	set_request(s, r);
	refused = exchange(s, &told);
	tell_head(s, &told);
	how = judge(s, refused, result);
	if (r->sent != NULL && how == IMGP_WIRE_ANSWERED)
		r->sent(r->arg, s->at);
	pthread_mutex_lock(&lock);
	s->next = free_slots;
	free_slots = s;
	pthread_mutex_unlock(&lock);
	return how;
}
