/* PKGS: libcjson libcrypto */
/*
 * libFuzzer: whatever stands in a name, an address, a subject or a text, a
 * built message is exactly one message with exactly our headers (R47).
 * The input is cut at NULs into from, to, subject, id, text and HTML.
 * make fuzz-mail [FUZZ_SECONDS=60]
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/mail/mail.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every line ends by CRLF, is short, and holds printable ASCII and tabs. */
static void
check_bytes(const struct imgp_buf *m)
{
	size_t i, line = 0;

	for (i = 0; i < m->len; i++) {
		if (m->s[i] == '\r') {
			if (i + 1 == m->len || m->s[i + 1] != '\n')
				abort();
			i++;
			line = 0;
			continue;
		}
		if ((m->s[i] < 32 && m->s[i] != '\t') || m->s[i] > 126 || ++line > 998)
			abort();
	}
	if (line != 0)
		abort();
}

/* The header has these fields, once each and in this order. */
static void
check_header(const char *s, int multipart)
{
	static const char *const want[] = { "From: ", "To: ", "Subject: ",
	    "Date: ", "Message-ID: <", "Auto-Submitted: auto-generated\r\n",
	    "MIME-Version: 1.0\r\n", "Content-Type: ",
	    "Content-Transfer-Encoding: " };
	size_t i = 0, n = sizeof want / sizeof *want - (multipart ? 1 : 0);

	for (; strncmp(s, "\r\n", 2) != 0; s = strstr(s, "\r\n") + 2) {
		if (*s == ' ')
			continue;		/* folded */
		if (i == n || strncmp(s, want[i], strlen(want[i])) != 0)
			abort();
		i++;
	}
	if (i != n)
		abort();
}

/* How often a line begins with ${s}. */
static size_t
lines_with(const char *m, const char *s)
{
	size_t n = 0;

	for (; m != NULL; m = strstr(m, "\r\n")) {
		if (*m == '\r')
			m += 2;
		n += strncmp(m, s, strlen(s)) == 0;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *all = malloc(size + 8), *part[6], *p, *boundary;
	struct imgp_mail_file csv = { "x.csv", "text/csv", all, size };
	struct imgp_buf a = IMGP_BUF_INIT, b = IMGP_BUF_INIT;
	struct imgp_mail_list to;
	struct imgp_mail m = { 0 };
	struct imgp_err e = { NULL, "" };
	size_t i;

	memcpy(all, data, size);
	memset(all + size, 0, 8);
	for (i = 0, p = all; i < 6; i++, p += strlen(p) + (p < all + size))
		part[i] = p;
	if (imgp_mail_list_parse(part[1], &to, &e) == 0) {
		m.from = part[0];
		m.to = (const char *const *)to.addr;
		m.n_to = to.n;
		m.subject = part[2];
		m.id = part[3];
		m.text = part[4];
		m.html = part[5][0] == '\0' ? NULL : part[5];
		m.files = &csv;
		m.n_files = size % 2;
		if (imgp_mail_build(&m, &a, &e) == -1) {
			if (e.code == NULL)
				abort();
		} else {
			check_bytes(&a);
			check_header(a.s, m.html != NULL || m.n_files != 0);
			boundary = imgp_asprintf("--=_a.%s", m.id);
			if (m.html != NULL && lines_with(a.s, boundary) != 3)
				abort();
			free(boundary);
			boundary = imgp_asprintf("--=_m.%s", m.id);
			if (m.n_files != 0 && lines_with(a.s, boundary) != 3)
				abort();
			free(boundary);
			if (imgp_mail_build(&m, &b, &e) == -1 ||
			    a.len != b.len || memcmp(a.s, b.s, a.len) != 0)
				abort();
		}
	} else if (e.code == NULL)
		abort();
	imgp_mail_list_release(&to);
	imgp_buf_release(&a);
	imgp_buf_release(&b);
	free(all);
	return 0;
}
