#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/json_priv.h"
#include "libimgpipe/base/text.h"

/*
 * The checker walks the text once, without recursion.  Open containers stand on
 * a stack; for each object the hashes of its keys so far lie on a second one,
 * and are looked through for doubles when the object closes.
 */
struct level {
	int	is_object;
	size_t	first_key;	/* position in keys[] */
};

struct scanner {
	const char	*s;
	size_t		 len;
	size_t		 pos;
	size_t		 nvalues;
	struct level	 level[IMGP_JSON_DEPTH];
	size_t		 depth;
	uint64_t	*keys;		/* hashes of the open objects' keys */
	size_t		 nkeys;
	size_t		 keys_size;
	struct imgp_json_span	*numbers;	/* all numbers, in order */
	size_t		 nnumbers;
	size_t		 numbers_size;
	int		 want_numbers;
	struct imgp_json_span	*members;	/* outermost object: key, value, key, … */
	size_t		 nmembers;
	size_t		 members_size;
	int		 want_members;
	struct imgp_err	*e;
};

static void
scanner_release(struct scanner *sc)
{
	free(sc->keys);
	free(sc->numbers);
	free(sc->members);
}

static int
bad(struct scanner *sc, const char *what)
{
	return imgp_fail(sc->e, IMGP_E_JOB_SYNTAX, "not strict JSON: %s at byte %zu",
	    what, sc->pos);
}

static void
push_span(struct imgp_json_span **v, size_t *n, size_t *size, size_t off, size_t len)
{
	if (*n == *size) {
		*size = *size == 0 ? 32 : *size * 2;
		*v = imgp_realloc(*v, *size, sizeof **v);
	}
	(*v)[*n].off = off;
	(*v)[(*n)++].len = len;
}

static void
skip_space(struct scanner *sc)
{
	while (sc->pos < sc->len && (sc->s[sc->pos] == ' ' ||
	    sc->s[sc->pos] == '\t' || sc->s[sc->pos] == '\n' ||
	    sc->s[sc->pos] == '\r'))
		sc->pos++;
}

/* Four hex digits at ${p}, or -1. */
static int
hex4(const char *p, size_t len)
{
	int c, i, v = 0;

	if (len < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		c = (unsigned char)p[i];
		if (c >= '0' && c <= '9')
			v = v * 16 + c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v * 16 + (c | 32) - 'a' + 10;
		else
			return -1;
	}
	return v;
}

static size_t
put_utf8(char *dst, unsigned int c)
{
	if (c < 0x80) {
		dst[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		dst[0] = (char)(0xc0 | c >> 6);
		dst[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		dst[0] = (char)(0xe0 | c >> 12);
		dst[1] = (char)(0x80 | (c >> 6 & 63));
		dst[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	dst[0] = (char)(0xf0 | c >> 18);
	dst[1] = (char)(0x80 | (c >> 12 & 63));
	dst[2] = (char)(0x80 | (c >> 6 & 63));
	dst[3] = (char)(0x80 | (c & 63));
	return 4;
}

/*
 * One escape at s[pos] == '\\'; sets ${*cp} and returns its length in bytes, or
 * 0 with ${*why}.
 */
static size_t
escape(const char *s, size_t len, unsigned int *cp, const char **why)
{
	int hi, lo;

	*why = "bad escape";
	if (len < 2)
		return 0;
	switch (s[1]) {
	case '"': case '\\': case '/':
		*cp = (unsigned char)s[1];
		return 2;
	case 'b': *cp = 8; return 2;
	case 'f': *cp = 12; return 2;
	case 'n': *cp = 10; return 2;
	case 'r': *cp = 13; return 2;
	case 't': *cp = 9; return 2;
	case 'u': break;
	default: return 0;
	}
	if ((hi = hex4(s + 2, len - 2)) == -1)
		return 0;
	*cp = (unsigned int)hi;
	*why = "U+0000";
	if (hi == 0)
		return 0;
	if (hi < 0xd800 || hi > 0xdfff)
		return 6;
	*why = "lone surrogate";
	if (hi > 0xdbff || len < 12 || s[6] != '\\' || s[7] != 'u' ||
	    (lo = hex4(s + 8, len - 8)) < 0xdc00 || lo > 0xdfff)
		return 0;
	*cp = 0x10000 + (((unsigned int)hi - 0xd800) << 10) +
	    ((unsigned int)lo - 0xdc00);
	return 12;
}

/* How many of ${len} bytes stand for themselves in a string, one by one. */
size_t
imgp_json_plain(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' &&
	    s[n] != '\\')
		n++;
	return n;
}

/* A string at the opening quote; with ${hash}, that of its decoded bytes. */
static int
scan_string(struct scanner *sc, uint64_t *hash)
{
	uint64_t h = 0xcbf29ce484222325u;
	const char *why;
	char utf8[4];
	unsigned int cp;
	size_t i, n, k;

	for (sc->pos++; sc->pos < sc->len; ) {
		const char *p = sc->s + sc->pos;
		size_t left = sc->len - sc->pos;

		if (hash == NULL && (n = imgp_json_plain(p, left)) > 0) {
			sc->pos += n;
			continue;
		}
		if (*p == '"') {
			sc->pos++;
			if (hash != NULL)
				*hash = h;
			return 0;
		}
		if ((unsigned char)*p < 0x20)
			return bad(sc, "control character in a string");
		if (*p == '\\') {
			if ((n = escape(p, left, &cp, &why)) == 0)
				return bad(sc, why);
		} else if ((n = imgp_utf8(p, left, &cp)) == 0)
			return bad(sc, "bytes that are not UTF-8");
		if (hash != NULL) {
			k = put_utf8(utf8, cp);
			for (i = 0; i < k; i++)
				h = (h ^ (unsigned char)utf8[i]) *
				    0x100000001b3u;
		}
		sc->pos += n;
	}
	return bad(sc, "string without end");
}

static size_t
digits(struct scanner *sc)
{
	size_t n = 0;

	while (sc->pos < sc->len && sc->s[sc->pos] >= '0' &&
	    sc->s[sc->pos] <= '9') {
		sc->pos++;
		n++;
	}
	return n;
}

static int
scan_number(struct scanner *sc)
{
	size_t start = sc->pos, first, n;

	if (sc->s[sc->pos] == '-')
		sc->pos++;
	first = sc->pos;
	if ((n = digits(sc)) == 0)
		return bad(sc, "unexpected character");
	if (n > 1 && sc->s[first] == '0') {
		sc->pos = first;
		return bad(sc, "number with a leading zero");
	}
	if (sc->pos < sc->len && sc->s[sc->pos] == '.') {
		sc->pos++;
		if (digits(sc) == 0)
			return bad(sc, "number without digits after its point");
	}
	if (sc->pos < sc->len && (sc->s[sc->pos] | 32) == 'e') {
		sc->pos++;
		if (sc->pos < sc->len && (sc->s[sc->pos] == '+' ||
		    sc->s[sc->pos] == '-'))
			sc->pos++;
		if (digits(sc) == 0)
			return bad(sc, "number without digits in its exponent");
	}
	if (sc->want_numbers)
		push_span(&sc->numbers, &sc->nnumbers, &sc->numbers_size,
		    start, sc->pos - start);
	return 0;
}

static int
scan_word(struct scanner *sc, const char *word)
{
	size_t n = strlen(word);

	if (sc->len - sc->pos < n || memcmp(sc->s + sc->pos, word, n) != 0)
		return bad(sc, "unexpected character");
	sc->pos += n;
	return 0;
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int
close_level(struct scanner *sc)
{
	struct level *l = &sc->level[sc->depth - 1];
	uint64_t *k;
	size_t i, n;

	if (l->is_object && (n = sc->nkeys - l->first_key) > 1) {
		k = sc->keys + l->first_key;
		qsort(k, n, sizeof *k, by_value);
		for (i = 1; i < n; i++)
			if (k[i] == k[i - 1])
				return bad(sc, "the same key twice in the "
				    "object that ends");
	}
	sc->nkeys = l->first_key;
	sc->depth--;
	sc->pos++;
	return 0;
}

static int
scan_key(struct scanner *sc)
{
	size_t start = sc->pos;
	uint64_t hash;

	if (sc->pos >= sc->len || sc->s[sc->pos] != '"')
		return bad(sc, "no key");
	if (scan_string(sc, &hash) == -1)
		return -1;
	if (sc->nkeys == sc->keys_size) {
		sc->keys_size = sc->keys_size == 0 ? 64 : sc->keys_size * 2;
		sc->keys = imgp_realloc(sc->keys, sc->keys_size,
		    sizeof *sc->keys);
	}
	sc->keys[sc->nkeys++] = hash;
	if (sc->want_members && sc->depth == 1) {
		if (sc->nmembers >= 2 * IMGP_JSON_MEMBERS)
			return imgp_fail(sc->e, IMGP_E_JOB_TOO_LONG,
			    "more than %d members", IMGP_JSON_MEMBERS);
		push_span(&sc->members, &sc->nmembers, &sc->members_size,
		    start, sc->pos - start);
	}
	skip_space(sc);
	if (sc->pos >= sc->len || sc->s[sc->pos] != ':')
		return bad(sc, "no colon after a key");
	sc->pos++;
	skip_space(sc);
	if (sc->want_members && sc->depth == 1)
		push_span(&sc->members, &sc->nmembers, &sc->members_size,
		    sc->pos, 0);
	return 0;
}

/* A value begins: 1 when a container was opened, 0 when it is whole. */
static int
scan_value(struct scanner *sc)
{
	int c;

	if (sc->pos >= sc->len)
		return bad(sc, "end of text");
	if (++sc->nvalues > IMGP_JSON_VALUES)
		return imgp_fail(sc->e, IMGP_E_JOB_TOO_LONG,
		    "more than %d values in one JSON text", IMGP_JSON_VALUES);
	c = sc->s[sc->pos];
	switch (c) {
	case '{':
	case '[':
		if (sc->depth == IMGP_JSON_DEPTH)
			return bad(sc, "nesting too deep");
		sc->level[sc->depth].is_object = c == '{';
		sc->level[sc->depth++].first_key = sc->nkeys;
		sc->pos++;
		return 1;
	case '"':
		return scan_string(sc, NULL);
	case 't':
		return scan_word(sc, "true");
	case 'f':
		return scan_word(sc, "false");
	case 'n':
		return scan_word(sc, "null");
	default:
		return scan_number(sc);
	}
}

/* After a value inside a container: go to the next one, or close. */
static int
scan_after(struct scanner *sc)
{
	while (sc->depth > 0) {
		struct level *l = &sc->level[sc->depth - 1];

		if (sc->want_members && sc->depth == 1) {
			struct imgp_json_span *v = &sc->members[sc->nmembers - 1];

			v->len = sc->pos - v->off;
		}
		skip_space(sc);
		if (sc->pos >= sc->len)
			return bad(sc, "end of text");
		if (sc->s[sc->pos] == ',') {
			sc->pos++;
			skip_space(sc);
			return l->is_object ? scan_key(sc) : 0;
		}
		if (sc->s[sc->pos] != (l->is_object ? '}' : ']'))
			return bad(sc, "unexpected character");
		if (close_level(sc) == -1)
			return -1;
	}
	return 0;
}

static int
scan(struct scanner *sc)
{
	int rc;

	if (sc->len > IMGP_JSON_MAX)
		return imgp_fail(sc->e, IMGP_E_JOB_TOO_LONG,
		    "a JSON text of more than %zu bytes", IMGP_JSON_MAX);
	skip_space(sc);
	if (sc->want_members && (sc->pos >= sc->len || sc->s[sc->pos] != '{'))
		return bad(sc, sc->pos >= sc->len ? "nothing" : "no object");
	do {
		if ((rc = scan_value(sc)) == -1)
			return -1;
		if (rc == 1) {		/* opened: empty, or the first value */
			skip_space(sc);
			if (sc->pos < sc->len && sc->s[sc->pos] ==
			    (sc->level[sc->depth - 1].is_object ? '}' : ']')) {
				if (close_level(sc) == -1)
					return -1;
			} else {
				if (sc->level[sc->depth - 1].is_object &&
				    scan_key(sc) == -1)
					return -1;
				continue;
			}
		}
		if (scan_after(sc) == -1)
			return -1;
	} while (sc->depth > 0);
	skip_space(sc);
	if (sc->pos != sc->len)
		return bad(sc, "something after the JSON text");
	return 0;
}

/* Decode a checked string, quotes included. */
static char *
decode(const char *s, size_t len)
{
	char *out = imgp_alloc(len), *p = out;
	const char *why;
	unsigned int cp;
	size_t i;

	for (i = 1; i + 1 < len; )
		if (s[i] == '\\') {
			i += escape(s + i, len - i, &cp, &why);
			p += put_utf8(p, cp);
		} else
			*p++ = s[i++];
	return out;
}

int
imgp_json_check(const char *s, size_t len, imgp_json_member *fn, void *arg,
    struct imgp_err *e)
{
	struct scanner sc;
	size_t i;
	char *key;
	int rc;

	memset(&sc, 0, sizeof sc);
	sc.s = s;
	sc.len = len;
	sc.e = e;
	sc.want_members = fn != NULL;
	rc = scan(&sc);
	for (i = 0; rc == 0 && i + 1 < sc.nmembers; i += 2) {
		key = decode(s + sc.members[i].off, sc.members[i].len);
		fn(arg, key, s + sc.members[i + 1].off, sc.members[i + 1].len);
		free(key);
	}
	scanner_release(&sc);
	return rc;
}

int
imgp_json_scan_numbers(const char *s, size_t len,
    struct imgp_json_span **numbers, struct imgp_err *e)
{
	struct scanner sc;
	int rc;

	memset(&sc, 0, sizeof sc);
	sc.s = s;
	sc.len = len;
	sc.e = e;
	sc.want_numbers = 1;
	if ((rc = scan(&sc)) == 0) {
		*numbers = sc.numbers;
		sc.numbers = NULL;
	}
	scanner_release(&sc);
	return rc;
}
