#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "libimgpipe/base/sha256.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/mail/mail.h"

#define ADDRESS_MAX	254	/* RFC 5321 4.5.3.1.3, without < and > */
#define LINE_PLAIN	500	/* longer lines are encoded; RFC 5322 has 998,
				 * and 78 where no path need be copied */
#define WORD_BYTES	45	/* of text in one encoded word of 75 */

/* --- addresses ----------------------------------------------------------- */

static int
is_atext(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Nonzero when the ${len} bytes are non-empty parts of characters that ${ok} allows,
 * separated by dots. */
static int
is_dotted(const char *s, size_t len, int (*ok)(int))
{
	size_t i;
	int dot = 1;

	for (i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (dot)
				return 0;
			dot = 1;
		} else if (!ok((unsigned char)s[i]))
			return 0;
		else
			dot = 0;
	}
	return !dot;
}

static int
is_host_char(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-';
}

int
imgp_mail_check_address(const char *addr, struct imgp_err *e)
{
	const char *at = strrchr(addr, '@');
	size_t local = at == NULL ? 0 : (size_t)(at - addr);

	if (strlen(addr) > ADDRESS_MAX)
		return imgp_fail(e, IMGP_E_MAIL_ADDRESS,
		    "an address is longer than %d bytes", ADDRESS_MAX);
	if (at == NULL || local > 64 || addr[0] == '-' ||
	    !is_dotted(addr, local, is_atext) ||
	    !is_dotted(at + 1, strlen(at + 1), is_host_char))
		return imgp_fail(e, IMGP_E_MAIL_ADDRESS,
		    "'%.200s' is not a mail address", addr);
	return 0;
}

char *
imgp_mail_address(const char *from, struct imgp_err *e)
{
	const char *lt = strrchr(from, '<');
	size_t len = strlen(from);
	char *addr;

	if (lt == NULL)
		addr = imgp_strdup(from);
	else if (from[len - 1] == '>')
		addr = imgp_strndup(lt + 1, len - (size_t)(lt - from) - 2);
	else {
		imgp_fail(e, IMGP_E_MAIL_ADDRESS,
		    "'%.200s' is neither an address nor Name <address>", from);
		return NULL;
	}
	if (imgp_mail_check_address(addr, e) == -1) {
		free(addr);
		return NULL;
	}
	return addr;
}

int
imgp_mail_list_parse(const char *s, struct imgp_mail_list *l,
    struct imgp_err *e)
{
	static const char sep[] = ", \t\n";
	size_t i, n;
	char *addr;

	l->addr = NULL;
	l->n = 0;
	for (s += strspn(s, sep); *s != '\0'; s += n, s += strspn(s, sep)) {
		n = strcspn(s, sep);
		addr = imgp_strndup(s, n);
		if (imgp_mail_check_address(addr, e) == -1) {
			free(addr);
			return -1;
		}
		for (i = 0; i < l->n && strcasecmp(l->addr[i], addr) != 0; i++)
			;
		if (i < l->n) {
			free(addr);
			continue;
		}
		l->addr = imgp_realloc(l->addr, l->n + 1, sizeof *l->addr);
		l->addr[l->n++] = addr;
	}
	return 0;
}

void
imgp_mail_list_release(struct imgp_mail_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->addr[i]);
	free(l->addr);
	l->addr = NULL;
	l->n = 0;
}

char *
imgp_mail_id(const char *s)
{
	char hex[IMGP_SHA256_HEX];

	imgp_sha256_hex(s, strlen(s), hex);
	return imgp_asprintf("imgp-%.32s", hex);
}

/* --- encodings ----------------------------------------------------------- */

static void
base64(struct imgp_buf *out, const char *s, size_t len)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned long v;
	char q[4];
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = len - i < 3 ? len - i : 3;
		v = (unsigned long)(unsigned char)s[i] << 16;
		if (n > 1)
			v |= (unsigned long)(unsigned char)s[i + 1] << 8;
		if (n > 2)
			v |= (unsigned long)(unsigned char)s[i + 2];
		q[0] = digit[v >> 18 & 63];
		q[1] = digit[v >> 12 & 63];
		q[2] = n > 1 ? digit[v >> 6 & 63] : '=';
		q[3] = n > 2 ? digit[v & 63] : '=';
		imgp_buf_add(out, q, 4);
	}
}

static void
base64_lines(struct imgp_buf *out, const char *s, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = len - i < 57 ? len - i : 57;	/* 76 digits a line */
		base64(out, s + i, n);
		imgp_buf_puts(out, "\r\n");
	}
}

/* Quoted-printable (RFC 2045 6.7); a line feed ends a line. */
static void
quoted_printable(struct imgp_buf *out, const char *s)
{
	size_t col = 0, need;
	int c, raw, last;

	for (; *s != '\0'; s++) {
		c = (unsigned char)*s;
		if (c == '\n') {
			imgp_buf_puts(out, "\r\n");
			col = 0;
			continue;
		}
		last = s[1] == '\n' || s[1] == '\0';
		raw = c >= 33 && c <= 126 && c != '=';
		if ((c == ' ' || c == '\t') && !last)
			raw = 1;
		/* Some relays change a "." or "From " at a line's start. */
		if (col == 0 && (c == '.' || c == 'F'))
			raw = 0;
		need = raw ? 1 : 3;
		if (col + need > (last ? 76 : 75)) {
			imgp_buf_puts(out, "=\r\n");
			col = 0;
			if (c == '.' || c == 'F')
				raw = 0;
			need = raw ? 1 : 3;
		}
		if (raw)
			imgp_buf_add(out, s, 1);
		else
			imgp_buf_printf(out, "=%02X", (unsigned int)c);
		col += need;
	}
	if (col != 0)
		imgp_buf_puts(out, "\r\n");
}

/* Nonzero when ${s} needs no encoding but of its line ends. */
static int
is_plain(const char *s)
{
	size_t col;

	for (col = 0; *s != '\0'; s++) {
		if (*s == '\n') {
			col = 0;
			continue;
		}
		if (*s < 32 || *s > 126 || ++col > LINE_PLAIN)
			return 0;
		if (col == 1 && (*s == '.' || strncmp(s, "From ", 5) == 0))
			return 0;
		if (*s == ' ' && (s[1] == '\n' || s[1] == '\0'))
			return 0;
	}
	return 1;
}

/* --- headers ------------------------------------------------------------- */

/* UTF-8 without C0, DEL and C1, or -1. */
static int
check_header(const char *what, const char *s, struct imgp_err *e)
{
	size_t i, n, len = strlen(s);
	unsigned int cp;

	for (i = 0; i < len; i += n)
		if ((n = imgp_utf8(s + i, len - i, &cp)) == 0 || cp < 32 ||
		    (cp >= 127 && cp < 160))
			return imgp_fail(e, IMGP_E_MAIL_ADDRESS,
			    "%s holds a control character or is not UTF-8",
			    what);
	return 0;
}

static int
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 32 || *s > 126)
			return 0;
	return 1;
}

/* Encoded words (RFC 2047), folded between characters. */
static void
encoded_words(struct imgp_buf *out, const char *s)
{
	size_t i, n, take, len = strlen(s);

	for (i = 0; i < len; i += take) {
		for (take = 0; i + take < len; take += n) {
			n = imgp_utf8(s + i + take, len - i - take, NULL);
			if (take + n > WORD_BYTES)
				break;
		}
		imgp_buf_puts(out, i == 0 ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
		base64(out, s + i, take);
		imgp_buf_puts(out, "?=");
	}
}

static void
header_text(struct imgp_buf *out, const char *s)
{
	if (is_ascii(s) && strlen(s) <= 66 && strstr(s, "=?") == NULL)
		imgp_buf_puts(out, s);
	else
		encoded_words(out, s);
}

/* A display name: a word, a quoted string or encoded words. */
static void
display_name(struct imgp_buf *out, const char *s)
{
	const char *p;

	if (!is_ascii(s) || strlen(s) > 60 || strstr(s, "=?") != NULL) {
		encoded_words(out, s);
		return;
	}
	for (p = s; *p == ' ' || is_atext((unsigned char)*p); p++)
		;
	if (*p == '\0') {
		imgp_buf_puts(out, s);
		return;
	}
	imgp_buf_puts(out, "\"");
	for (p = s; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			imgp_buf_puts(out, "\\");
		imgp_buf_add(out, p, 1);
	}
	imgp_buf_puts(out, "\"");
}

static int
header_from(struct imgp_buf *out, const char *from, struct imgp_err *e)
{
	const char *lt = strrchr(from, '<');
	char *addr, *name = NULL;
	size_t len;

	if (check_header("the sender", from, e) == -1 ||
	    (addr = imgp_mail_address(from, e)) == NULL)
		return -1;
	if (lt != NULL) {
		for (len = (size_t)(lt - from); len > 0 &&
		    from[len - 1] == ' '; len--)
			;
		name = imgp_strndup(from, len);
	}
	imgp_buf_puts(out, "From: ");
	if (name != NULL && name[0] != '\0') {
		display_name(out, name);
		imgp_buf_puts(out, strlen(name) + strlen(addr) > 60 ?
		    "\r\n " : " ");
	}
	imgp_buf_printf(out, "<%s>\r\n", addr);
	free(name);
	free(addr);
	return 0;
}

static int
header_to(struct imgp_buf *out, const struct imgp_mail *m, struct imgp_err *e)
{
	size_t i;

	if (m->n_to == 0)
		return imgp_fail(e, IMGP_E_MAIL_ADDRESS, "a mail to nobody");
	for (i = 0; i < m->n_to; i++) {
		if (imgp_mail_check_address(m->to[i], e) == -1)
			return -1;
		imgp_buf_printf(out, "%s%s", i == 0 ? "To: " : ",\r\n ",
		    m->to[i]);
	}
	imgp_buf_puts(out, "\r\n");
	return 0;
}

static int
header_date(struct imgp_buf *out, int64_t date, struct imgp_err *e)
{
	static const char day[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu",
	    "Fri", "Sat" };
	static const char month[12][4] = { "Jan", "Feb", "Mar", "Apr", "May",
	    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)date;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		return imgp_fail(e, IMGP_E_INTERNAL, "a date out of range");
	imgp_buf_printf(out, "Date: %s, %d %s %04d %02d:%02d:%02d +0000\r\n",
	    day[tm.tm_wday], tm.tm_mday, month[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
	return 0;
}

static int
headers(struct imgp_buf *out, const struct imgp_mail *m, struct imgp_err *e)
{
	char *addr;

	if (header_from(out, m->from, e) == -1 ||
	    header_to(out, m, e) == -1 ||
	    check_header("the subject", m->subject, e) == -1)
		return -1;
	imgp_buf_puts(out, "Subject: ");
	header_text(out, m->subject);
	imgp_buf_puts(out, "\r\n");
	if (header_date(out, m->date, e) == -1)
		return -1;
	if (!is_dotted(m->id, strlen(m->id), is_atext))
		return imgp_fail(e, IMGP_E_INTERNAL, "a bad Message-ID");
	if ((addr = imgp_mail_address(m->from, e)) == NULL)
		return -1;
	imgp_buf_printf(out, "Message-ID: <%s%s>\r\n", m->id,
	    strchr(addr, '@'));
	free(addr);
	imgp_buf_puts(out, "Auto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\n");
	return 0;
}

/* --- parts --------------------------------------------------------------- */

static int
check_text(const char *s, struct imgp_err *e)
{
	size_t i, n, len = strlen(s);

	for (i = 0; i < len; i += n)
		if ((n = imgp_utf8(s + i, len - i, NULL)) == 0 || s[i] == '\r')
			return imgp_fail(e, IMGP_E_INTERNAL,
			    "a mail's text is not UTF-8 with plain line ends");
	return 0;
}

/* ${plain}: may go unencoded.  A boundary holds "=_", which neither
 * quoted-printable nor base64 can; so inside a multipart all is encoded. */
static int
text_part(struct imgp_buf *out, const char *type, const char *s, int plain,
    struct imgp_err *e)
{
	if (check_text(s, e) == -1)
		return -1;
	imgp_buf_printf(out, "Content-Type: text/%s; charset=utf-8\r\n", type);
	if (plain && is_plain(s)) {
		imgp_buf_puts(out, "Content-Transfer-Encoding: 7bit\r\n\r\n");
		for (; *s != '\0'; s++)
			imgp_buf_add(out, *s == '\n' ? "\r\n" : s,
			    *s == '\n' ? 2 : 1);
		if (out->s[out->len - 1] != '\n')
			imgp_buf_puts(out, "\r\n");
		return 0;
	}
	imgp_buf_puts(out,
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
	quoted_printable(out, s);
	return 0;
}

static int
alternative(struct imgp_buf *out, const struct imgp_mail *m, int plain,
    struct imgp_err *e)
{
	if (m->html == NULL)
		return text_part(out, "plain", m->text, plain, e);
	imgp_buf_printf(out, "Content-Type: multipart/alternative;\r\n"
	    " boundary=\"=_a.%s\"\r\n\r\n--=_a.%s\r\n", m->id, m->id);
	if (text_part(out, "plain", m->text, 0, e) == -1)
		return -1;
	/* The line end before a boundary belongs to the boundary. */
	imgp_buf_printf(out, "\r\n--=_a.%s\r\n", m->id);
	if (text_part(out, "html", m->html, 0, e) == -1)
		return -1;
	imgp_buf_printf(out, "\r\n--=_a.%s--\r\n", m->id);
	return 0;
}

static int
attachment(struct imgp_buf *out, const struct imgp_mail_file *f,
    struct imgp_err *e)
{
	const char *p;

	for (p = f->name; is_host_char((unsigned char)*p) || *p == '.' ||
	    *p == '_'; p++)
		;
	if (*p != '\0' || p == f->name || !is_ascii(f->type))
		return imgp_fail(e, IMGP_E_INTERNAL,
		    "a bad name or type of an attachment");
	imgp_buf_printf(out, "Content-Type: %s\r\n"
	    "Content-Disposition: attachment; filename=\"%s\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n", f->type, f->name);
	base64_lines(out, f->data, f->len);
	return 0;
}

int
imgp_mail_build(const struct imgp_mail *m, struct imgp_buf *out,
    struct imgp_err *e)
{
	size_t i;

	if (headers(out, m, e) == -1)
		return -1;
	if (m->n_files == 0)
		return alternative(out, m, 1, e);
	imgp_buf_printf(out, "Content-Type: multipart/mixed;\r\n"
	    " boundary=\"=_m.%s\"\r\n\r\n--=_m.%s\r\n", m->id, m->id);
	if (alternative(out, m, 0, e) == -1)
		return -1;
	for (i = 0; i < m->n_files; i++) {
		imgp_buf_printf(out, "\r\n--=_m.%s\r\n", m->id);
		if (attachment(out, &m->files[i], e) == -1)
			return -1;
	}
	imgp_buf_printf(out, "\r\n--=_m.%s--\r\n", m->id);
	return 0;
}
