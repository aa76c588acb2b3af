/* PKGS: libcjson */
/*
 * The first byte chooses how, the rest is a file: it is refused with its path and
 * line, or its settings are trimmed and, written down anew, are read the same.
 * make fuzz-ini [FUZZ_SECONDS=60]
 */
#include <ctype.h>
#include <stdio.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/ini.h"
#include "tests/fuzz/fuzz.h"

static void
trimmed(const char *s)
{
	size_t n = strlen(s);

	must(n == 0 || (!isspace((unsigned char)s[0]) &&
	    !isspace((unsigned char)s[n - 1])));
	must(strchr(s, '\n') == NULL);
}

static int
setting(void *arg, const char *section, const char *key, const char *value,
    size_t line, struct imgp_err *e)
{
	struct imgp_buf *out = arg;

	(void)e;
	must(line > 0);
	trimmed(section);
	trimmed(key);
	trimmed(value);
	must(strchr(key, '=') == NULL);
	if (*section != '\0' || out->len > 0)
		imgp_buf_printf(out, "[%s]\n", *section == '\0' ? " " : section);
	imgp_buf_printf(out, "%s = %s\n", key, value);
	return 0;
}

static int
reads(const void *data, size_t size, unsigned int flags, struct imgp_buf *out)
{
	struct imgp_err e = { NULL, "" };
	int fd = fuzz_file(data, size), rc;
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if ((rc = imgp_ini_read(path, flags, setting, out, &e)) == -1)
		must(e.code != NULL && strncmp(e.msg, path, strlen(path)) == 0);
	close(fd);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imgp_buf a = IMGP_BUF_INIT, b = IMGP_BUF_INIT;
	unsigned int flags;

	if (size == 0)
		return 0;
	flags = data[0] & 1 ? IMGP_INI_AWS : 0;
	if (reads(data + 1, size - 1, flags, &a) == 0 && a.len > 0) {
		must(reads(a.s, a.len, flags, &b) == 0);
		must(a.len == b.len && memcmp(a.s, b.s, a.len) == 0);
	}
	imgp_buf_release(&a);
	imgp_buf_release(&b);
	return 0;
}
