/* PKGS: libcjson */
/*
 * What the reader takes, it prints on one line, takes again and prints the same;
 * cJSON takes it, too; each member of an object is handed over once.  What it
 * refuses has a code and a place.  Bytes that are quoted are a string that it takes
 * (R64).  make fuzz-json [FUZZ_SECONDS=60]
 */
#include <cjson/cJSON.h>

#include "libimgpipe/base/json.h"
#include "tests/fuzz/fuzz.h"

struct seen {
	const struct imgp_json *obj;
	size_t		 n;
};

static void
member(void *arg, const char *key, const char *value, size_t len)
{
	struct seen *seen = arg;
	struct imgp_err e = { NULL, "" };

	must(imgp_json_get(seen->obj, key) != NULL);
	must(imgp_json_check(value, len, NULL, NULL, &e) == 0);
	seen->n++;
}

/* Print ${j}, which must come back as it is. */
static void
again(const struct imgp_json *j)
{
	struct imgp_buf a = IMGP_BUF_INIT, b = IMGP_BUF_INIT;
	struct imgp_err e = { NULL, "" };
	struct imgp_json *two;

	imgp_json_print(j, &a);
	must(memchr(a.s, '\n', a.len) == NULL);
	must((two = imgp_json_parse(a.s, a.len, &e)) != NULL);
	imgp_json_print(two, &b);
	must(a.len == b.len && memcmp(a.s, b.s, a.len) == 0);
	imgp_json_free(two);
	imgp_buf_release(&a);
	imgp_buf_release(&b);
}

static void
quoted(const char *s, size_t len)
{
	struct imgp_buf q = IMGP_BUF_INIT;
	struct imgp_err e = { NULL, "" };
	struct imgp_json *j;

	imgp_json_quote(&q, s, len);
	must((j = imgp_json_parse(q.s, q.len, &e)) != NULL);
	must(imgp_json_str(j) != NULL);
	imgp_json_free(j);
	imgp_buf_release(&q);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data;
	struct imgp_err e = { NULL, "" };
	struct imgp_json *j;
	struct seen seen;
	cJSON *other;
	int64_t n;

	quoted(s, size);
	if ((j = imgp_json_parse(s, size, &e)) == NULL) {
		must(e.code != NULL && e.msg[0] != '\0');
		must(imgp_json_check(s, size, NULL, NULL, &e) == -1);
		return 0;
	}
	must((other = cJSON_ParseWithLength(s, size)) != NULL);
	cJSON_Delete(other);
	if (imgp_json_is_object(j)) {
		seen = (struct seen){ j, 0 };
		if (imgp_json_check(s, size, member, &seen, &e) == 0)
			must(seen.n == imgp_json_count(j));
		else	/* more members than are handed over */
			must(imgp_json_count(j) > IMGP_JSON_MEMBERS);
	}
	again(j);
	if (imgp_json_int(j, &n) == 0) {
		imgp_json_free(j);
		j = imgp_json_new_int(n);
		again(j);
	}
	imgp_json_free(j);
	return 0;
}
