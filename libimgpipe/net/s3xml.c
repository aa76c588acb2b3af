#include <sys/random.h>

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/net/s3xml.h"

/* No element that is wanted has a longer local name. */
#define NAME_MAX_LEN	48

/* What is done with an element's text. */
enum take {
	TEXT,		/* trimmed */
	KEY,		/* as it is, decoded later */
	ETAG,
	SIZE,
	PART,
	TRUTH,
	PREFIX,		/* one more of prefixes */
	ENCODING
};

#define AT(member)	offsetof(struct imgp_s3xml, member)
#define OF(member)	offsetof(struct imgp_s3xml_item, member)

/* The elements that are wanted: kind, path below the root, what to do. */
static const struct field {
	enum imgp_s3xml_kind	 kind;
	const char		*path;
	enum take		 take;
	int			 in_item;
	size_t			 offset;
} fields[] = {
	{ IMGP_S3XML_ERROR, "Code", TEXT, 0, AT(code) },
	{ IMGP_S3XML_ERROR, "Message", TEXT, 0, AT(message) },
	{ IMGP_S3XML_ERROR, "Region", TEXT, 0, AT(region) },
	{ IMGP_S3XML_ERROR, "Endpoint", TEXT, 0, AT(endpoint) },
	{ IMGP_S3XML_ERROR, "ServerTime", TEXT, 0, AT(server_time) },
	{ IMGP_S3XML_ERROR, "RequestId", TEXT, 0, AT(request_id) },
	{ IMGP_S3XML_ERROR, "Error/Code", TEXT, 0, AT(code) },
	{ IMGP_S3XML_ERROR, "Error/Message", TEXT, 0, AT(message) },
	{ IMGP_S3XML_COPY, "ETag", ETAG, 0, AT(etag) },
	{ IMGP_S3XML_COMPLETE, "ETag", ETAG, 0, AT(etag) },
	{ IMGP_S3XML_INITIATE, "UploadId", TEXT, 0, AT(upload_id) },
	{ IMGP_S3XML_LIST, "Contents/Key", KEY, 1, OF(key) },
	{ IMGP_S3XML_LIST, "Contents/Size", SIZE, 1, OF(size) },
	{ IMGP_S3XML_LIST, "Contents/ETag", ETAG, 1, OF(etag) },
	{ IMGP_S3XML_LIST, "Contents/LastModified", TEXT, 1, OF(time) },
	{ IMGP_S3XML_LIST, "CommonPrefixes/Prefix", PREFIX, 0, 0 },
	{ IMGP_S3XML_LIST, "IsTruncated", TRUTH, 0, AT(truncated) },
	{ IMGP_S3XML_LIST, "NextContinuationToken", TEXT, 0, AT(next) },
	{ IMGP_S3XML_LIST, "EncodingType", ENCODING, 0, 0 },
	{ IMGP_S3XML_PARTS, "UploadId", TEXT, 0, AT(upload_id) },
	{ IMGP_S3XML_PARTS, "Part/PartNumber", PART, 1, OF(part) },
	{ IMGP_S3XML_PARTS, "Part/Size", SIZE, 1, OF(size) },
	{ IMGP_S3XML_PARTS, "Part/ETag", ETAG, 1, OF(etag) },
	{ IMGP_S3XML_PARTS, "Part/LastModified", TEXT, 1, OF(time) },
	{ IMGP_S3XML_PARTS, "IsTruncated", TRUTH, 0, AT(truncated) },
	{ IMGP_S3XML_PARTS, "NextPartNumberMarker", TEXT, 0, AT(next) },
	{ IMGP_S3XML_UPLOADS, "Upload/Key", KEY, 1, OF(key) },
	{ IMGP_S3XML_UPLOADS, "Upload/UploadId", TEXT, 1, OF(upload_id) },
	{ IMGP_S3XML_UPLOADS, "Upload/Initiated", TEXT, 1, OF(time) },
	{ IMGP_S3XML_UPLOADS, "CommonPrefixes/Prefix", PREFIX, 0, 0 },
	{ IMGP_S3XML_UPLOADS, "IsTruncated", TRUTH, 0, AT(truncated) },
	{ IMGP_S3XML_UPLOADS, "NextKeyMarker", KEY, 0, AT(next) },
	{ IMGP_S3XML_UPLOADS, "NextUploadIdMarker", TEXT, 0,
	    AT(next_upload_id) },
	{ IMGP_S3XML_UPLOADS, "EncodingType", ENCODING, 0, 0 },
	{ IMGP_S3XML_TAGS, "Result/Tag/Key", KEY, 1, OF(key) },
	{ IMGP_S3XML_TAGS, "Result/Tag/Value", KEY, 1, OF(value) },
	{ IMGP_S3XML_STS, "Result/Credentials/AccessKeyId", TEXT, 0,
	    AT(access_key) },
	{ IMGP_S3XML_STS, "Result/Credentials/SecretAccessKey", TEXT, 0,
	    AT(secret_key) },
	{ IMGP_S3XML_STS, "Result/Credentials/SessionToken", TEXT, 0,
	    AT(session_token) },
	{ IMGP_S3XML_STS, "Result/Credentials/Expiration", TEXT, 0,
	    AT(expiration) },
};

static const struct {
	const char		*root;
	enum imgp_s3xml_kind	 kind;
	const char		*item;		/* begins one of items: below the
						 * root, or below ${result} */
	const char		*result;	/* read as "Result" */
} roots[] = {
	{ "Error", IMGP_S3XML_ERROR, NULL, NULL },
	{ "ErrorResponse", IMGP_S3XML_ERROR, NULL, NULL },
	{ "ListBucketResult", IMGP_S3XML_LIST, "Contents", NULL },
	{ "CopyObjectResult", IMGP_S3XML_COPY, NULL, NULL },
	{ "CopyPartResult", IMGP_S3XML_COPY, NULL, NULL },
	{ "InitiateMultipartUploadResult", IMGP_S3XML_INITIATE, NULL, NULL },
	{ "CompleteMultipartUploadResult", IMGP_S3XML_COMPLETE, NULL, NULL },
	{ "ListPartsResult", IMGP_S3XML_PARTS, "Part", NULL },
	{ "ListMultipartUploadsResult", IMGP_S3XML_UPLOADS, "Upload", NULL },
	{ "Tagging", IMGP_S3XML_TAGS, "Tag", "TagSet" },
	{ "AssumeRoleResponse", IMGP_S3XML_STS, NULL, "AssumeRoleResult" },
	{ "AssumeRoleWithWebIdentityResponse", IMGP_S3XML_STS, NULL,
	    "AssumeRoleWithWebIdentityResult" },
	{ "GetSessionTokenResponse", IMGP_S3XML_STS, NULL,
	    "GetSessionTokenResult" },
};

#define NFIELDS	(sizeof fields / sizeof *fields)
#define NROOTS	(sizeof roots / sizeof *roots)

struct state {
	struct imgp_s3xml *x;
	XML_Parser	 parser;
	size_t		 root;		/* in roots[], or NROOTS */
	size_t		 depth;
	char		 path[IMGP_S3XML_DEPTH * (NAME_MAX_LEN + 1)];
	size_t		 ends[IMGP_S3XML_DEPTH]; /* of path, level by level */
	char		*text;		/* of the innermost element */
	size_t		 text_len;
	int		 encoded;	/* keys are URL-encoded */
	const char	*wrong;		/* why it is refused */
};

static void
refuse(struct state *st, const char *why)
{
	if (st->wrong == NULL)
		st->wrong = why;
	XML_StopParser(st->parser, XML_FALSE);
}

static void XMLCALL
doctype(void *arg, const XML_Char *name, const XML_Char *sysid,
    const XML_Char *pubid, int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	refuse(arg, "a document type declaration");
}

static struct imgp_s3xml_item *
new_item(struct imgp_s3xml *x)
{
	struct imgp_s3xml_item *item;

	x->items = imgp_realloc(x->items, x->nitems + 1, sizeof *x->items);
	item = &x->items[x->nitems++];
	memset(item, 0, sizeof *item);
	item->size = -1;
	return item;
}

static void
begin_root(struct state *st, const char *name)
{
	for (st->root = 0; st->root < NROOTS; st->root++)
		if (strcmp(roots[st->root].root, name) == 0)
			break;
	if (st->root < NROOTS)
		st->x->kind = roots[st->root].kind;
}

/* Nonzero when the element ${name} that begins is one of items. */
static int
is_item(const struct state *st, const char *name)
{
	const char *item = roots[st->root].item;

	if (item == NULL || strcmp(name, item) != 0)
		return 0;
	if (roots[st->root].result == NULL)
		return st->depth == 1;
	return st->depth == 2 && st->ends[1] == strlen("Result") &&
	    memcmp(st->path, "Result", strlen("Result")) == 0;
}

static void XMLCALL
begin(void *arg, const XML_Char *qname, const XML_Char **attributes)
{
	struct state *st = arg;
	const char *colon = strrchr(qname, ':');
	const char *name = colon == NULL ? qname : colon + 1;
	size_t at, len;

	(void)attributes;
	if (st->depth == IMGP_S3XML_DEPTH) {
		refuse(st, "too deep");
		return;
	}
	st->text_len = 0;
	if (st->depth == 0) {
		begin_root(st, name);
	} else if (st->root < NROOTS) {
		if (is_item(st, name))
			new_item(st->x);
		if (st->depth == 1 && roots[st->root].result != NULL &&
		    strcmp(name, roots[st->root].result) == 0)
			name = "Result";
	}
	at = st->depth == 0 ? 0 : st->ends[st->depth - 1];
	if (st->depth > 0) {
		if ((len = strlen(name)) >= NAME_MAX_LEN) {
			name = "?";
			len = 1;
		}
		if (at > 0)
			st->path[at++] = '/';
		memcpy(st->path + at, name, len);
		at += len;
	}
	st->ends[st->depth++] = at;
}

static void XMLCALL
characters(void *arg, const XML_Char *s, int len)
{
	struct state *st = arg;

	/* All text together is no longer than the body was. */
	memcpy(st->text + st->text_len, s, (size_t)len);
	st->text_len += (size_t)len;
}

static int
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char *
trimmed(const char *s, size_t len)
{
	while (len > 0 && is_space(s[len - 1]))
		len--;
	while (len > 0 && is_space(*s)) {
		s++;
		len--;
	}
	return len == 0 ? NULL : imgp_strndup(s, len);
}

static int
number(const char *s, int64_t max, int64_t *n)
{
	if (*s == '\0')
		return -1;
	for (*n = 0; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || *n > (max - (*s - '0')) / 10)
			return -1;
		*n = *n * 10 + (*s - '0');
	}
	return 0;
}

/* Set what is no string: a number, or true and false. */
static int
take_value(const struct field *f, const char *s, char *at)
{
	int64_t n;

	switch (f->take) {
	case SIZE:
		return number(s, INT64_MAX, (int64_t *)(void *)at);
	case PART:
		if (number(s, 10000, &n) == -1 || n == 0)
			return -1;
		*(int *)(void *)at = (int)n;
		return 0;
	default:
		*(int *)(void *)at = strcmp(s, "true") == 0;
		return strcmp(s, "true") == 0 || strcmp(s, "false") == 0 ?
		    0 : -1;
	}
}

static void
take_text(struct state *st, const struct field *f)
{
	struct imgp_s3xml *x = st->x;
	char *at, *s, **to;

	at = f->in_item ? (char *)&x->items[x->nitems - 1] : (char *)x;
	at += f->offset;
	s = f->take == KEY || f->take == PREFIX ?
	    imgp_strndup(st->text, st->text_len) :
	    trimmed(st->text, st->text_len);
	if (s == NULL)
		return;
	switch (f->take) {
	case TEXT:
	case KEY:
	case ETAG:
		to = (char **)(void *)at;
		if (*to != NULL) {
			refuse(st, "an element twice");
			break;
		}
		if (f->take == ETAG) {
			*to = imgp_s3xml_etag(s);
			break;
		}
		*to = s;
		return;
	case PREFIX:
		x->prefixes = imgp_realloc(x->prefixes, x->nprefixes + 1,
		    sizeof *x->prefixes);
		x->prefixes[x->nprefixes++] = s;
		return;
	case ENCODING:
		if (strcmp(s, "url") == 0)
			st->encoded = 1;
		else
			refuse(st, "an unknown encoding of keys");
		break;
	case SIZE:
	case PART:
	case TRUTH:
		if (take_value(f, s, at) == -1)
			refuse(st, "a value that is none");
		break;
	}
	free(s);
}

static void XMLCALL
end(void *arg, const XML_Char *name)
{
	struct state *st = arg;
	size_t i, len;

	(void)name;
	len = st->ends[--st->depth];
	for (i = 0; st->root < NROOTS && i < NFIELDS; i++)
		if (fields[i].kind == st->x->kind &&
		    strlen(fields[i].path) == len &&
		    memcmp(fields[i].path, st->path, len) == 0) {
			take_text(st, &fields[i]);
			break;
		}
	explicit_bzero(st->text, st->text_len);
	st->text_len = 0;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo encoding-type=url, in place: AWS writes a space as '+', rgw as %20. */
static int
decode(char *s)
{
	char *to = s;
	int high, low;

	if (s == NULL)
		return 0;
	for (; *s != '\0'; s++) {
		if (*s == '+') {
			*to++ = ' ';
		} else if (*s == '%') {
			if ((high = hex(s[1])) == -1 ||
			    (low = hex(s[2])) == -1 || (high | low) == 0)
				return -1;
			*to++ = (char)(high << 4 | low);
			s += 2;
		} else
			*to++ = *s;
	}
	*to = '\0';
	return 0;
}

static int
decode_keys(struct imgp_s3xml *x)
{
	size_t i;

	for (i = 0; i < x->nitems; i++)
		if (decode(x->items[i].key) == -1)
			return -1;
	for (i = 0; i < x->nprefixes; i++)
		if (decode(x->prefixes[i]) == -1)
			return -1;
	return x->kind == IMGP_S3XML_UPLOADS ? decode(x->next) : 0;
}

/* NULL: what callers rely upon is there; else why not. */
static const char *
incomplete(const struct imgp_s3xml *x)
{
	const struct imgp_s3xml_item *item;
	size_t i;

	for (i = 0; i < x->nitems; i++) {
		item = &x->items[i];
		if (x->kind == IMGP_S3XML_PARTS ? item->part == 0 :
		    item->key == NULL || *item->key == '\0')
			return "an entry without its name";
		if (x->kind == IMGP_S3XML_UPLOADS && item->upload_id == NULL)
			return "an upload without its id";
		if (x->kind != IMGP_S3XML_UPLOADS &&
		    x->kind != IMGP_S3XML_TAGS && item->size == -1)
			return "an entry without its size";
	}
	if (x->truncated && (x->next == NULL || *x->next == '\0'))
		return "more to come, but not how";
	if (x->kind == IMGP_S3XML_ERROR && x->code == NULL)
		return "an error without its code";
	if (x->kind == IMGP_S3XML_INITIATE && x->upload_id == NULL)
		return "an upload without its id";
	if (x->kind == IMGP_S3XML_STS &&
	    (x->access_key == NULL || x->secret_key == NULL ||
	    x->session_token == NULL))
		return "credentials that lack a part";
	return NULL;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned long salt;

/* A hash salt, not 0: else expat asks the system for one with each answer. */
static void
make_salt(void)
{
	if (getrandom(&salt, sizeof salt, GRND_NONBLOCK) !=
	    (ssize_t)sizeof salt)
		salt = 0;
}

int
imgp_s3xml_parse(const void *p, size_t len, struct imgp_s3xml *x,
    struct imgp_err *e)
{
	const char *s = p == NULL ? "" : p;
	struct state *st;
	int rc = -1;

	memset(x, 0, sizeof *x);
	if (len > IMGP_S3XML_MAX)
		return imgp_fail(e, IMGP_E_STORE_IO, "the server's XML is "
		    "longer than 1 MiB");
	/* White space keeps a long Complete alive before its answer starts. */
	while (len > 0 && is_space(*s)) {
		s++;
		len--;
	}
	/* The answer to a HEAD, say: no parser is needed. */
	if (len == 0)
		return imgp_fail(e, IMGP_E_STORE_IO, "the server's XML is "
		    "refused: %s", XML_ErrorString(XML_ERROR_NO_ELEMENTS));
	st = imgp_alloc(sizeof *st);
	st->x = x;
	st->root = NROOTS;
	st->text = imgp_alloc(len + 1);
	/* Always UTF-8, whatever the body declares. */
	if ((st->parser = XML_ParserCreate("UTF-8")) == NULL)
		imgp_oom();
	pthread_once(&once, make_salt);
	XML_SetHashSalt(st->parser, salt);
	XML_SetUserData(st->parser, st);
	XML_SetElementHandler(st->parser, begin, end);
	XML_SetCharacterDataHandler(st->parser, characters);
	XML_SetStartDoctypeDeclHandler(st->parser, doctype);
	if (XML_Parse(st->parser, s, (int)len, 1) != XML_STATUS_OK) {
		if (st->wrong == NULL)
			st->wrong = XML_ErrorString(
			    XML_GetErrorCode(st->parser));
	} else if (st->encoded && decode_keys(x) == -1)
		st->wrong = "a key that is not URL-encoded";
	else
		st->wrong = incomplete(x);
	if (st->wrong != NULL) {
		imgp_fail(e, IMGP_E_STORE_IO, "the server's XML is refused: "
		    "%s", st->wrong);
		imgp_s3xml_release(x);
		goto out;
	}
	rc = 0;
out:
	XML_ParserFree(st->parser);
	explicit_bzero(st->text, len);
	free(st->text);
	free(st);
	return rc;
}

static void
wipe(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

void
imgp_s3xml_release(struct imgp_s3xml *x)
{
	size_t i;

	for (i = 0; i < x->nitems; i++) {
		free(x->items[i].key);
		free(x->items[i].value);
		free(x->items[i].etag);
		free(x->items[i].upload_id);
		free(x->items[i].time);
	}
	for (i = 0; i < x->nprefixes; i++)
		free(x->prefixes[i]);
	free(x->items);
	free(x->prefixes);
	free(x->code);
	free(x->message);
	free(x->region);
	free(x->endpoint);
	free(x->server_time);
	free(x->request_id);
	free(x->etag);
	free(x->upload_id);
	free(x->next);
	free(x->next_upload_id);
	free(x->expiration);
	wipe(x->access_key);
	wipe(x->secret_key);
	wipe(x->session_token);
	memset(x, 0, sizeof *x);
}

/* The bytes between the quotation marks of ${s}: where and how many. */
static const char *
bare(const char *s, size_t *len)
{
	static const char quot[] = "&quot;";
	const size_t n = sizeof quot - 1;

	*len = strlen(s);
	for (;;) {
		if (*len > 0 && (is_space(*s) || *s == '"')) {
			s++;
			--*len;
		} else if (*len > 0 && (is_space(s[*len - 1]) ||
		    s[*len - 1] == '"')) {
			--*len;
		} else if (*len >= n && memcmp(s, quot, n) == 0) {
			s += n;
			*len -= n;
		} else if (*len >= n && memcmp(s + *len - n, quot, n) == 0) {
			*len -= n;
		} else
			return s;
	}
}

char *
imgp_s3xml_etag(const char *s)
{
	size_t len;

	if (s == NULL)
		return NULL;
	s = bare(s, &len);
	return len == 0 ? NULL : imgp_strndup(s, len);
}

int
imgp_s3xml_etag_same(const char *a, const char *b)
{
	size_t na, nb;

	if (a == NULL || b == NULL)
		return 0;
	a = bare(a, &na);
	b = bare(b, &nb);
	return na != 0 && na == nb && memcmp(a, b, na) == 0;
}
