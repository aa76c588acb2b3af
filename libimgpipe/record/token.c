#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/record/token.h"

struct token {			/* both end with NUL within the text */
	char	*token;
	char	*pipelines;	/* codes, spaces between; "": all */
};

struct imgp_tokens {
	char	*text;
	size_t	 len;
	struct token *token;
	size_t	 n;
};

static int
is_token(const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~+/";
	size_t n = strspn(s, plain);
	size_t len = n + strspn(s + n, "=");

	return n > 0 && s[len] == '\0' && len >= IMGP_TOKEN_MIN &&
	    len <= IMGP_TOKEN_MAX;
}

/* Nonzero for codes of pipelines with spaces between, or none. */
static int
are_codes(const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_.- \t";

	return s[strspn(s, plain)] == '\0';
}

/* Take a line apart, in place: a token, and after a space codes. */
static int
take_line(struct imgp_tokens *t, char *line)
{
	struct token *k;
	size_t i;

	t->token = imgp_realloc(t->token, t->n + 1, sizeof *t->token);
	k = &t->token[t->n];
	k->token = line;
	k->pipelines = line + strcspn(line, " \t");
	if (*k->pipelines != '\0')
		*k->pipelines++ = '\0';
	k->pipelines += strspn(k->pipelines, " \t");
	if (!is_token(k->token) || !are_codes(k->pipelines))
		return -1;
	for (i = 0; i < t->n; i++)
		if (strcmp(t->token[i].token, k->token) == 0)
			return -1;
	t->n++;
	return 0;
}

/* Split the text into tokens, in place. */
static int
split(struct imgp_tokens *t, struct imgp_err *e)
{
	char *line, *next;
	size_t lineno = 0;

	for (line = t->text; line != NULL; line = next) {
		lineno++;
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		if (*line == '\0' || *line == '#')
			continue;
		if (take_line(t, line) == -1)
			return imgp_fail(e, IMGP_E_CONFIG, "api_token: line %zu: "
			    "not a new token of %d to %d characters, with codes "
			    "of pipelines after it or none", lineno,
			    IMGP_TOKEN_MIN, IMGP_TOKEN_MAX);
	}
	return t->n > 0 ? 0 :
	    imgp_fail(e, IMGP_E_CONFIG, "api_token: there is no token in it");
}

struct imgp_tokens *
imgp_tokens_parse(const char *text, struct imgp_err *e)
{
	struct imgp_tokens *t = imgp_alloc(sizeof *t);

	t->text = imgp_strdup(text);
	t->len = strlen(text);
	if (split(t, e) == 0)
		return t;
	imgp_tokens_free(t);
	return NULL;
}

void
imgp_tokens_free(struct imgp_tokens *t)
{
	if (t == NULL)
		return;
	if (t->text != NULL)
		OPENSSL_cleanse(t->text, t->len);
	free(t->text);
	free(t->token);
	free(t);
}

const char *
imgp_tokens_first(const struct imgp_tokens *t)
{
	return t->token[0].token;
}

const char *
imgp_tokens_pipelines(const struct imgp_tokens *t, const char *s, size_t len)
{
	unsigned char given[SHA256_DIGEST_LENGTH], own[SHA256_DIGEST_LENGTH];
	const char *found = NULL;
	size_t i;

	/* Hashes have one length, and a guess cannot choose where they first differ: the
	 * comparison's time tells nothing. */
	SHA256((const unsigned char *)s, len, given);
	for (i = 0; i < t->n; i++) {
		SHA256((const unsigned char *)t->token[i].token,
		    strlen(t->token[i].token), own);
		if (CRYPTO_memcmp(given, own, sizeof own) == 0)
			found = t->token[i].pipelines;
	}
	return found;
}
