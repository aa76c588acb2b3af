#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/steps/event.h"

#define SEQUENCER	65	/* bytes of one with its NUL */
#define DEPTH	4	/* an event within SNS's message within SQS's, and one more */

static const char *
text(const struct imgp_json *o, const char *key)
{
	return imgp_json_str(imgp_json_get(o, key));
}

/* ${a}.${b} of an object. */
static const char *
text2(const struct imgp_json *o, const char *a, const char *b)
{
	return text(imgp_json_get(o, a), b);
}

static int
begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* --- keys and orders ------------------------------------------------------------ */

/* AWS and MinIO encode a key as a form does: '+' is a blank.  The caller's to free;
 * NULL: it is not encoded so. */
static char *
decoded(const char *s)
{
	char *out = imgp_alloc(strlen(s) + 1), *p = out;
	unsigned int byte;

	for (; *s != '\0'; s++)
		if (*s == '+')
			*p++ = ' ';
		else if (*s != '%')
			*p++ = *s;
		else if (isxdigit((unsigned char)s[1]) &&
		    isxdigit((unsigned char)s[2]) &&
		    sscanf(s + 1, "%2x", &byte) == 1 && byte != 0) {
			*p++ = (char)byte;
			s += 2;
		} else {
			free(out);
			return NULL;
		}
	return out;
}

/*
 * A sequencer as digits that strcmp() orders.  AWS's is a number in hexadecimal;
 * Ceph's are two, seconds and nanoseconds, of which each has its lowest byte first.
 */
static void
order_of(const char *sequencer, int is_ceph, char order[SEQUENCER])
{
	size_t n = sequencer == NULL ? 0 : strlen(sequencer), i, from;

	order[0] = '\0';
	if (n == 0 || n >= SEQUENCER || (is_ceph && n != 16) ||
	    strspn(sequencer, "0123456789abcdefABCDEF") != n)
		return;
	memset(order, '0', SEQUENCER - 1);
	order[SEQUENCER - 1] = '\0';
	for (i = 0; i < n; i++) {
		/* Of the eight digits in which i is, the pair from behind. */
		from = is_ceph ? i / 8 * 8 + 6 - i % 8 / 2 * 2 + i % 2 : i;
		order[SEQUENCER - 1 - n + i] =
		    (char)toupper((unsigned char)sequencer[from]);
	}
}

/* --- an object --------------------------------------------------------------------- */

/* A message, and where its events go. */
struct message {
	const struct imgp_event_sink *k;
	const char	*s;
	size_t		 len;
};

/* What an event says of an object. */
struct object {
	const char	*bucket, *key, *etag, *version, *sequencer;
	int		 encoded;	/* the key is */
	int		 is_ceph;
};

/* The object's place; NULL and ${e}. */
static char *
place_of(const struct object *o, struct imgp_err *e)
{
	struct imgp_place p;
	char *key, *url;

	if (o->bucket == NULL || o->key == NULL || o->key[0] == '\0') {
		imgp_fail(e, IMGP_E_LOOKUP_EVENT,
		    "the event has no bucket or no key");
		return NULL;
	}
	key = o->encoded ? decoded(o->key) : imgp_strdup(o->key);
	if (key == NULL) {
		imgp_fail(e, IMGP_E_LOOKUP_EVENT, "the key of the event is not "
		    "encoded as S3 does it");
		return NULL;
	}
	url = imgp_asprintf("s3://%s/%s", o->bucket, key);
	free(key);
	if (imgp_place_parse(url, &p, e) == 0) {
		imgp_place_release(&p);
		return url;
	}
	e->code = IMGP_E_LOOKUP_EVENT;
	free(url);
	return NULL;
}

/* Hand ${job}, which is taken over, to ${k}; with ${e} it cannot be taken. */
static void
hand_over(const struct message *m, struct imgp_job *job,
    const struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_job *input;

	if (e != NULL) {
		input = imgp_job_of_input(m->s, m->len);
		imgp_job_set_str(job, "input", imgp_job_str(input, "input"));
		imgp_job_free(input);
		m->k->complain(m->k->arg, e);
		imgp_job_error(job, "lookup", e, 1);
	}
	imgp_job_set_ok(job);
	imgp_job_print(job, &b);
	m->k->line(m->k->arg, b.s, b.len);
	imgp_buf_release(&b);
	imgp_job_free(job);
}

static void
made(const struct message *m, const struct object *o)
{
	struct imgp_job *job = imgp_job_new();
	struct imgp_err e = { NULL, "" };
	char order[SEQUENCER], *url = place_of(o, &e), *etag;

	if (url == NULL) {
		hand_over(m, job, &e);
		return;
	}
	imgp_job_set_str(job, "source", url);
	if (o->etag != NULL && o->etag[0] != '\0') {
		etag = imgp_asprintf(o->etag[0] == '"' ? "%s" : "\"%s\"",
		    o->etag);
		imgp_job_set_sub_str(job, "etag", "source", etag);
		free(etag);
	}
	if (o->version != NULL && o->version[0] != '\0')
		imgp_job_set_sub_str(job, "version_id", "source", o->version);
	order_of(o->sequencer, o->is_ceph, order);
	if (order[0] != '\0')
		imgp_job_set_str(job, "sequencer", order);
	hand_over(m, job, NULL);
	free(url);
}

static void
cannot(const struct message *m, const char *fmt, const char *s)
{
	struct imgp_err e;
	char shown[64];

	imgp_printable(shown, sizeof shown, s, strlen(s));
	imgp_fail(&e, IMGP_E_LOOKUP_EVENT, fmt, shown);
	hand_over(m, imgp_job_new(), &e);
}

/* --- messages ------------------------------------------------------------------------ */

static int	read_text(const char *s, size_t len,
		    const struct message *m, int depth);

/* A message within another; what is in it must be one of ours. */
static void
read_body(const char *s, const struct message *m, int depth)
{
	if (s == NULL || !read_text(s, strlen(s), m, depth + 1))
		cannot(m, "a message without an event of S3%s", "");
}

/* A record of S3's own form. */
static void
read_record(const struct imgp_json *r, const struct message *m)
{
	const char *source = text(r, "eventSource"), *name = text(r, "eventName");
	const struct imgp_json *s3 = imgp_json_get(r, "s3");
	const struct imgp_json *object = imgp_json_get(s3, "object");
	struct object o = { text2(s3, "bucket", "name"), text(object, "key"),
	    text(object, "eTag"), text(object, "versionId"),
	    text(object, "sequencer"), 1, 0 };

	if (source == NULL || name == NULL) {
		cannot(m, "a record without eventSource or eventName%s", "");
		return;
	}
	o.is_ceph = strcmp(source, "ceph:s3") == 0;
	o.encoded = !o.is_ceph;
	if (!o.is_ceph && strcmp(source, "aws:s3") != 0 &&
	    strcmp(source, "minio:s3") != 0)
		cannot(m, "an event of the unknown source \"%s\"", source);
	else if (begins(name, "s3:ObjectCreated:") ||
	    begins(name, "ObjectCreated:"))
		made(m, &o);
	else
		m->k->passed(m->k->arg, name);
}

/* What Lambda hands over of SQS and SNS has the form of records, too. */
static void
read_records(const struct imgp_json *list, const struct message *m,
    int depth)
{
	const struct imgp_json *r;
	const char *source;

	for (r = imgp_json_first(list); r != NULL; r = imgp_json_next(r)) {
		source = text(r, "eventSource");
		if (source != NULL && strcmp(source, "aws:sqs") == 0)
			read_body(text(r, "body"), m, depth);
		else if (source == NULL && text(r, "EventSource") != NULL)
			read_body(text2(r, "Sns", "Message"), m, depth);
		else
			read_record(r, m);
	}
}

static void
read_eventbridge(const struct imgp_json *j, const struct message *m)
{
	const struct imgp_json *detail = imgp_json_get(j, "detail");
	const struct imgp_json *object = imgp_json_get(detail, "object");
	const char *source = text(j, "source"), *type = text(j, "detail-type");
	struct object o = { text2(detail, "bucket", "name"),
	    text(object, "key"), text(object, "etag"),
	    text(object, "version-id"), text(object, "sequencer"), 0, 0 };

	if (source == NULL || strcmp(source, "aws.s3") != 0)
		cannot(m, "an event of the unknown source \"%s\"",
		    source == NULL ? "" : source);
	else if (strcmp(type, "Object Created") == 0)
		made(m, &o);
	else
		m->k->passed(m->k->arg, type);
}

/* SQS's answer to ReceiveMessage, and one message of it. */
static void
read_messages(const struct imgp_json *list, const struct message *m,
    int depth)
{
	const struct imgp_json *i;

	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i))
		read_body(text(i, "Body"), m, depth);
}

static int
read_json(const struct imgp_json *j, const struct message *m, int depth)
{
	const char *type = text(j, "Type");

	if (imgp_json_is_array(imgp_json_get(j, "Records")))
		read_records(imgp_json_get(j, "Records"), m, depth);
	else if (text(j, "detail-type") != NULL)
		read_eventbridge(j, m);
	else if (text(j, "Event") != NULL && text(j, "Bucket") != NULL)
		m->k->passed(m->k->arg, text(j, "Event"));
	else if (type != NULL && text(j, "TopicArn") != NULL) {
		if (strcmp(type, "Notification") == 0)
			read_body(text(j, "Message"), m, depth);
		else
			m->k->passed(m->k->arg, type);
	} else if (imgp_json_is_array(imgp_json_get(j, "Messages")))
		read_messages(imgp_json_get(j, "Messages"), m, depth);
	else if (text(j, "Body") != NULL && text(j, "MessageId") != NULL)
		read_body(text(j, "Body"), m, depth);
	else
		return 0;
	return 1;
}

static int
read_text(const char *s, size_t len, const struct message *m, int depth)
{
	struct imgp_json *j = depth > DEPTH ? NULL :
	    imgp_json_parse(s, len, NULL);
	int rc = 0;

	if (imgp_json_is_object(j))
		rc = read_json(j, m, depth);
	imgp_json_free(j);
	return rc;
}

/* Is it a message?  Then its events are handed over. */
static int
read_message(const char *s, size_t len, const struct imgp_event_sink *k)
{
	/* One of these each message has, and a job line hardly ever: it need not
	 * be parsed twice. */
	static const char *const words[] = { "\"Records\"", "\"detail-type\"",
	    "\"Event\"", "\"TopicArn\"", "\"Messages\"", "\"Body\"" };
	const struct message m = { k, s, len };
	size_t i;

	for (i = 0; i < sizeof words / sizeof *words; i++)
		if (memmem(s, len, words[i], strlen(words[i])) != NULL)
			return read_text(s, len, &m, 0);
	return 0;
}

/* --- lines ------------------------------------------------------------------------------ */

struct imgp_event_lines {
	const struct imgp_event_sink *k;
	struct imgp_buf	 kept;		/* lines of a text not yet at its end */
};

struct imgp_event_lines *
imgp_event_lines_new(const struct imgp_event_sink *k)
{
	struct imgp_event_lines *l = imgp_alloc(sizeof *l);

	l->k = k;
	imgp_buf_init(&l->kept);
	l->kept.max = IMGP_JSON_MAX;
	return l;
}

void
imgp_event_lines_free(struct imgp_event_lines *l)
{
	if (l == NULL)
		return;
	imgp_buf_release(&l->kept);
	free(l);
}

void
imgp_event_lines_end(struct imgp_event_lines *l)
{
	if (l->kept.len > 0 && !read_message(l->kept.s, l->kept.len, l->k))
		l->k->line(l->k->arg, l->kept.s, l->kept.len);
	imgp_buf_clear(&l->kept);
}

/* Keep a line; between two of them a blank stands for the newline. */
static int
keep(struct imgp_event_lines *l, const char *s, size_t len)
{
	return imgp_buf_add(&l->kept, s, len) == 0 &&
	    imgp_buf_puts(&l->kept, " ") == 0;
}

int
imgp_event_lines_add(struct imgp_event_lines *l, const char *s, size_t len)
{
	if (len > 0 && s[len - 1] == '\r')
		len--;
	if (l->kept.len > 0) {
		/* A line within is indented; the last one is "}" alone. */
		if (len > 0 && memchr(" \t}]", s[0], 4) != NULL &&
		    keep(l, s, len)) {
			if (s[0] == '}')
				imgp_event_lines_end(l);
			return 1;
		}
		imgp_event_lines_end(l);
	}
	if (len == 1 && s[0] == '{')
		return keep(l, s, len);
	return len > 0 && s[0] == '{' && read_message(s, len, l->k);
}
