/*
 * JSON, strictly (RFC 8259), in front of cJSON.
 *
 * cJSON alone takes trailing garbage and bad UTF-8, cuts strings at \u0000,
 * keeps duplicate keys and turns integers above 2^53 into other integers.  So
 * every text is checked here before cJSON sees it, and numbers keep their text:
 * what was read is printed again digit for digit, and an integer is either
 * exact in int64_t or refused.
 */
#ifndef IMGPIPE_JSON_H
#define IMGPIPE_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

#define IMGP_JSON_MAX		((size_t)16 << 20)	/* bytes in one text */
#define IMGP_JSON_DEPTH		32			/* arrays and objects */
#define IMGP_JSON_VALUES	1000000			/* values in one text */
#define IMGP_JSON_MEMBERS	4096			/* handed to a callback */

struct imgp_json;		/* a value: alone, or inside another */

/*
 * Called for each member of the outermost object, in order: its key decoded
 * (NUL terminated, valid during the call) and the text of its value.
 */
typedef void imgp_json_member(void *arg, const char *key, const char *value,
	    size_t value_len);

/*
 * Check that ${len} bytes at ${s} are one JSON text: valid UTF-8 without
 * U+0000 and lone surrogates, no duplicate keys in one object, at most
 * IMGP_JSON_DEPTH deep, nothing but white space after it, and within the limits
 * above.  With ${fn} (or NULL) it must be an object; once the whole text is found
 * good, ${fn} is called for each member.  Returns 0, or -1 with IMGP-JOB-SYNTAX or
 * IMGP-JOB-TOO-LONG, whose message gives the position of the first fault and nothing of
 * the text.
 */
int	imgp_json_check(const char *s, size_t len, imgp_json_member *fn,
	    void *arg, struct imgp_err *e);

/* Check and parse.  NULL and ${e} on failure; free with imgp_json_free(). */
struct imgp_json *imgp_json_parse(const char *s, size_t len,
	    struct imgp_err *e);
void	imgp_json_free(struct imgp_json *j);	/* NULL is fine */

/*
 * Reading.  Each function takes NULL for "not there" and answers accordingly, so calls
 * can be nested.  Results are borrowed and live as long as the value that they are part
 * of.  Keys are compared byte for byte.
 */
const struct imgp_json *imgp_json_get(const struct imgp_json *obj,
	    const char *key);
const struct imgp_json *imgp_json_first(const struct imgp_json *array_or_obj);
const struct imgp_json *imgp_json_next(const struct imgp_json *item);
const char *imgp_json_key(const struct imgp_json *item);  /* in an object */
size_t	imgp_json_count(const struct imgp_json *array_or_obj);
int	imgp_json_is_object(const struct imgp_json *j);
int	imgp_json_is_array(const struct imgp_json *j);
int	imgp_json_is_null(const struct imgp_json *j);	/* null, or not there */
/* The text of a string, else NULL. */
const char *imgp_json_str(const struct imgp_json *j);
/* 0 and ${*out}, or -1 when it is no integer that int64_t holds exactly
 * (1e3, 1.0, -0 and 9223372036854775808 are not). */
int	imgp_json_int(const struct imgp_json *j, int64_t *out);
/* 1 or 0; -1 when it is neither true nor false. */
int	imgp_json_bool(const struct imgp_json *j);

/*
 * Building.  ${obj} is an object, ${array} an array; the new values are the caller's to
 * free.  imgp_json_set_… replaces a member in its place or appends it.  A NULL string
 * becomes null.  Bytes that are not UTF-8 become U+FFFD.
 */
struct imgp_json *imgp_json_new_object(void);
struct imgp_json *imgp_json_new_array(void);
struct imgp_json *imgp_json_new_str(const char *s);
struct imgp_json *imgp_json_new_int(int64_t n);
struct imgp_json *imgp_json_new_bool(int b);
struct imgp_json *imgp_json_copy(const struct imgp_json *j);
void	imgp_json_set_str(struct imgp_json *obj, const char *key, const char *s);
void	imgp_json_set_int(struct imgp_json *obj, const char *key, int64_t n);
void	imgp_json_set_bool(struct imgp_json *obj, const char *key, int b);
void	imgp_json_set_null(struct imgp_json *obj, const char *key);
/* ${j} is owned by the object from now on. */
void	imgp_json_set(struct imgp_json *obj, const char *key,
	    struct imgp_json *j);
void	imgp_json_remove(struct imgp_json *obj, const char *key);
/* ${j} is owned by the array from now on. */
void	imgp_json_append(struct imgp_json *array, struct imgp_json *j);
void	imgp_json_append_int(struct imgp_json *array, int64_t n);
void	imgp_json_append_str(struct imgp_json *array, const char *s);

/* Append it compactly, on one line without a newline. */
void	imgp_json_print(const struct imgp_json *j, struct imgp_buf *out);
/* "cJSON 1.7.15" */
const char *imgp_json_version(void);
/* Append a string with quotes and escapes; bad UTF-8 as under Building. */
void	imgp_json_quote(struct imgp_buf *out, const char *s, size_t len);

#endif
