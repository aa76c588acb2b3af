#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "libimgpipe/base/json_priv.h"
#include "libimgpipe/base/text.h"

static cJSON *
mut(const struct imgp_json *j)
{
	union {
		const struct imgp_json *from;
		cJSON *to;
	} u;

	u.from = j;
	return u.to;
}

static struct imgp_json *
own(cJSON *c)
{
	if (c == NULL)
		imgp_oom();
	return (struct imgp_json *)(void *)c;
}

static const struct imgp_json *
borrow(const cJSON *c)
{
	return (const struct imgp_json *)(const void *)c;
}

/* cJSON holds numbers as doubles: give each its text back, in order. */
static void
keep_numbers(cJSON *c, const char *s, const struct imgp_json_span **number)
{
	for (; c != NULL; c = c->next) {
		if (cJSON_IsNumber(c)) {
			c->type = (c->type & ~cJSON_Number) | cJSON_Raw;
			c->valuestring = imgp_strndup(s + (*number)->off,
			    (*number)->len);
			(*number)++;
		}
		keep_numbers(c->child, s, number);
	}
}

struct imgp_json *
imgp_json_parse(const char *s, size_t len, struct imgp_err *e)
{
	struct imgp_json_span *numbers;
	const struct imgp_json_span *number;
	cJSON *c;

	if (imgp_json_scan_numbers(s, len, &numbers, e) == -1)
		return NULL;
	if ((c = cJSON_ParseWithLengthOpts(s, len, NULL, 0)) == NULL)
		imgp_oom();	/* the text was found good */
	number = numbers;
	keep_numbers(c, s, &number);
	free(numbers);
	return own(c);
}

void
imgp_json_free(struct imgp_json *j)
{
	if (j != NULL)
		cJSON_Delete(mut(j));
}

const struct imgp_json *
imgp_json_get(const struct imgp_json *obj, const char *key)
{
	if (obj == NULL || !cJSON_IsObject(mut(obj)))
		return NULL;
	return borrow(cJSON_GetObjectItemCaseSensitive(mut(obj), key));
}

const struct imgp_json *
imgp_json_first(const struct imgp_json *j)
{
	return j == NULL || !(cJSON_IsArray(mut(j)) || cJSON_IsObject(mut(j))) ?
	    NULL : borrow(mut(j)->child);
}

const struct imgp_json *
imgp_json_next(const struct imgp_json *item)
{
	return item == NULL ? NULL : borrow(mut(item)->next);
}

const char *
imgp_json_key(const struct imgp_json *item)
{
	return item == NULL ? NULL : mut(item)->string;
}

size_t
imgp_json_count(const struct imgp_json *j)
{
	size_t n = 0;

	for (j = imgp_json_first(j); j != NULL; j = imgp_json_next(j))
		n++;
	return n;
}

int
imgp_json_is_object(const struct imgp_json *j)
{
	return j != NULL && cJSON_IsObject(mut(j));
}

int
imgp_json_is_array(const struct imgp_json *j)
{
	return j != NULL && cJSON_IsArray(mut(j));
}

int
imgp_json_is_null(const struct imgp_json *j)
{
	return j == NULL || cJSON_IsNull(mut(j));
}

const char *
imgp_json_str(const struct imgp_json *j)
{
	return j != NULL && cJSON_IsString(mut(j)) ? mut(j)->valuestring : NULL;
}

int
imgp_json_int(const struct imgp_json *j, int64_t *out)
{
	const char *s, *p;
	long long n;

	if (j == NULL || !cJSON_IsRaw(mut(j)))
		return -1;
	p = s = mut(j)->valuestring;
	if (*p == '-')
		p++;
	if (strspn(p, "0123456789") != strlen(p) || strcmp(s, "-0") == 0)
		return -1;
	errno = 0;
	n = strtoll(s, NULL, 10);
	if (errno != 0)
		return -1;
	*out = n;
	return 0;
}

int
imgp_json_bool(const struct imgp_json *j)
{
	return j == NULL || !cJSON_IsBool(mut(j)) ? -1 : cJSON_IsTrue(mut(j));
}

struct imgp_json *
imgp_json_new_object(void)
{
	return own(cJSON_CreateObject());
}

struct imgp_json *
imgp_json_new_array(void)
{
	return own(cJSON_CreateArray());
}

struct imgp_json *
imgp_json_copy(const struct imgp_json *j)
{
	return own(cJSON_Duplicate(mut(j), 1));
}

void
imgp_json_set(struct imgp_json *obj, const char *key, struct imgp_json *j)
{
	cJSON_bool ok;

	if (cJSON_GetObjectItemCaseSensitive(mut(obj), key) != NULL)
		ok = cJSON_ReplaceItemInObjectCaseSensitive(mut(obj), key,
		    mut(j));
	else
		ok = cJSON_AddItemToObject(mut(obj), key, mut(j));
	if (!ok)
		imgp_oom();
}

/* UTF-8 without NUL: what is not becomes U+FFFD.  The caller's to free. */
static char *
clean_utf8(const char *s, size_t len)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	size_t i, n;

	for (i = 0; i < len; i += n) {
		if ((n = imgp_json_plain(s + i, len - i)) == 0 && s[i] != '\0')
			n = imgp_utf8(s + i, len - i, NULL);
		if (n == 0) {
			imgp_buf_puts(&b, "\xef\xbf\xbd");
			n = 1;
		} else
			imgp_buf_add(&b, s + i, n);
	}
	return imgp_buf_steal(&b);
}

struct imgp_json *
imgp_json_new_str(const char *s)
{
	struct imgp_json *j;
	char *clean;

	if (s == NULL)
		return own(cJSON_CreateNull());
	clean = clean_utf8(s, strlen(s));
	j = own(cJSON_CreateString(clean));
	free(clean);
	return j;
}

struct imgp_json *
imgp_json_new_int(int64_t n)
{
	char *text = imgp_asprintf("%lld", (long long)n);
	struct imgp_json *j = own(cJSON_CreateRaw(text));

	free(text);
	return j;
}

struct imgp_json *
imgp_json_new_bool(int b)
{
	return own(cJSON_CreateBool(b));
}

void
imgp_json_set_str(struct imgp_json *obj, const char *key, const char *s)
{
	imgp_json_set(obj, key, imgp_json_new_str(s));
}

void
imgp_json_set_int(struct imgp_json *obj, const char *key, int64_t n)
{
	imgp_json_set(obj, key, imgp_json_new_int(n));
}

void
imgp_json_set_bool(struct imgp_json *obj, const char *key, int b)
{
	imgp_json_set(obj, key, imgp_json_new_bool(b));
}

void
imgp_json_set_null(struct imgp_json *obj, const char *key)
{
	imgp_json_set(obj, key, own(cJSON_CreateNull()));
}

void
imgp_json_remove(struct imgp_json *obj, const char *key)
{
	cJSON_DeleteItemFromObjectCaseSensitive(mut(obj), key);
}

void
imgp_json_append(struct imgp_json *array, struct imgp_json *j)
{
	if (!cJSON_AddItemToArray(mut(array), mut(j)))
		imgp_oom();
}

void
imgp_json_append_int(struct imgp_json *array, int64_t n)
{
	imgp_json_append(array, imgp_json_new_int(n));
}

void
imgp_json_append_str(struct imgp_json *array, const char *s)
{
	imgp_json_append(array, imgp_json_new_str(s));
}

void
imgp_json_print(const struct imgp_json *j, struct imgp_buf *out)
{
	char *s = cJSON_PrintUnformatted(mut(j));

	if (s == NULL)
		imgp_oom();
	imgp_buf_puts(out, s);
	free(s);
}

void
imgp_json_quote(struct imgp_buf *out, const char *s, size_t len)
{
	char *clean = clean_utf8(s, len);
	const unsigned char *p;

	imgp_buf_puts(out, "\"");
	for (p = (const unsigned char *)clean; *p != '\0'; p++)
		if (*p == '"' || *p == '\\')
			imgp_buf_printf(out, "\\%c", *p);
		else if (*p < 0x20)
			imgp_buf_printf(out, "\\u%04x", (unsigned int)*p);
		else
			imgp_buf_add(out, p, 1);
	imgp_buf_puts(out, "\"");
	free(clean);
}

const char *
imgp_json_version(void)
{
	static char s[32];

	snprintf(s, sizeof s, "cJSON %s", cJSON_Version());
	return s;
}
