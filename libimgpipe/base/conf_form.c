#include <stdio.h>
#include <string.h>

#include "libimgpipe/base/conf_priv.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/place.h"

static int
is_of(const char *words, const char *value)
{
	size_t len = strlen(value), n;

	for (; *words != '\0'; words += n + (words[n] == ' ')) {
		n = strcspn(words, " ");
		if (n == len && memcmp(words, value, n) == 0)
			return 0;
	}
	return -1;
}

static int
form_of(const char *words, const char *value, struct imgp_err *e)
{
	return is_of(words, value) == 0 ? 0 : imgp_fail(e, IMGP_E_CONFIG,
	    "\"%.40s\" is none of: %s", value, words);
}

static int
form_number(const char *range, const char *value, struct imgp_err *e)
{
	long long min, max, n;

	if (sscanf(range, "%lld %lld", &min, &max) == 2 &&
	    imgp_parse_int(value, min, max, &n) == 0)
		return 0;
	return imgp_fail(e, IMGP_E_CONFIG, "not a number from %lld to %lld",
	    min, max);
}

static int
form_time(const char *range, const char *value, struct imgp_err *e)
{
	long long min, max, n;

	if (imgp_parse_duration(value, &n) == -1)
		return imgp_fail(e, IMGP_E_CONFIG, "\"%.40s\" is no duration "
		    "such as 30s, 15m, 24h", value);
	if (sscanf(range, "%lld %lld", &min, &max) == 2 && n >= min &&
	    n <= max)
		return 0;
	return imgp_fail(e, IMGP_E_CONFIG, "not from %llds to %llds", min,
	    max);
}

static int
form_times(const char *unused, const char *value, struct imgp_err *e)
{
	char word[32];
	long long s;
	size_t n;

	(void)unused;
	for (; *value != '\0'; value += n + strspn(value + n, " \t")) {
		n = strcspn(value, " \t");
		if (n < sizeof word)
			memcpy(word, value, n);
		word[n < sizeof word ? n : 0] = '\0';
		if (imgp_parse_duration(word, &s) == -1)
			return imgp_fail(e, IMGP_E_CONFIG, "not a list of "
			    "durations such as 10m 1h 6h 24h");
	}
	return 0;
}

static int
form_place(const char *unused, const char *value, struct imgp_err *e)
{
	struct imgp_err why;
	struct imgp_place p;

	(void)unused;
	if (imgp_place_parse(value, &p, &why) == -1)
		return imgp_fail(e, IMGP_E_CONFIG, "%s", why.msg);
	imgp_place_release(&p);
	return 0;
}

static int
form_path(const char *unused, const char *value, struct imgp_err *e)
{
	(void)unused;
	return *value == '/' ? 0 :
	    imgp_fail(e, IMGP_E_CONFIG, "not an absolute path");
}

static int
form_command(const char *unused, const char *value, struct imgp_err *e)
{
	(void)unused;
	return *value == '/' && strpbrk(value, "\n\r") == NULL ? 0 :
	    imgp_fail(e, IMGP_E_CONFIG, "not the absolute path of a program, "
	    "with words for it");
}

static int
form_names(const char *unused, const char *value, struct imgp_err *e)
{
	static const char of[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_ \t";

	(void)unused;
	return value[strspn(value, of)] == '\0' ? 0 :
	    imgp_fail(e, IMGP_E_CONFIG, "not names of variables");
}

static int
form_account(const char *unused, const char *value, struct imgp_err *e)
{
	(void)unused;
	return strlen(value) == 12 && strspn(value, "0123456789") == 12 ? 0 :
	    imgp_fail(e, IMGP_E_CONFIG, "not the 12 digits of an account");
}

int
imgp_conf_form(const char *form, const char *value, struct imgp_err *e)
{
	static const struct {
		const char	*word;
		int		(*check)(const char *takes, const char *value,
				    struct imgp_err *e);
	} forms[] = {
		{ "of", form_of }, { "number", form_number },
		{ "time", form_time }, { "times", form_times },
		{ "place", form_place }, { "path", form_path },
		{ "command", form_command }, { "names", form_names },
		{ "account", form_account },
	};
	size_t len = strcspn(form, " "), i;

	for (i = 0; strlen(forms[i].word) != len ||
	    memcmp(forms[i].word, form, len) != 0; i++)
		;
	return forms[i].check(form + len + (form[len] == ' '), value, e);
}
