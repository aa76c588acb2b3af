#include <stdio.h>
#include <string.h>

#include <expat.h>

#include "libimgpipe/buf.h"
#include "libimgpipe/xml.h"

#define PATH_LEN	512

struct state {
	XML_Parser	 parser;
	imgp_xml_element *fn;
	void		*arg;
	int		 depth;
	char		 path[PATH_LEN];
	struct imgp_buf	 text;
};

static void
start(void *arg, const XML_Char *name, const XML_Char **attrs)
{
	struct state *s = arg;
	const char *local = strrchr(name, '}');
	size_t len = strlen(s->path), n;

	(void)attrs;
	local = local == NULL ? name : local + 1;
	n = strlen(local);
	if (++s->depth > IMGP_XML_DEPTH || n > 64 ||
	    len + n + 2 > sizeof s->path) {
		XML_StopParser(s->parser, XML_FALSE);
		return;
	}
	if (len > 0)
		s->path[len++] = '/';
	memcpy(s->path + len, local, n + 1);
	imgp_buf_clear(&s->text);
}

static void
end(void *arg, const XML_Char *name)
{
	struct state *s = arg;
	char *slash;

	(void)name;
	s->fn(s->arg, s->path, s->text.s == NULL ? "" : s->text.s);
	s->depth--;
	slash = strrchr(s->path, '/');
	*(slash == NULL ? s->path : slash) = '\0';
	imgp_buf_clear(&s->text);
}

static void
text(void *arg, const XML_Char *p, int len)
{
	struct state *s = arg;

	if (imgp_buf_add(&s->text, p, (size_t)len) == -1)
		XML_StopParser(s->parser, XML_FALSE);
}

static void
doctype(void *arg, const XML_Char *name, const XML_Char *sysid,
    const XML_Char *pubid, int internal)
{
	struct state *s = arg;

	(void)name, (void)sysid, (void)pubid, (void)internal;
	XML_StopParser(s->parser, XML_FALSE);
}

int
imgp_xml_parse(const char *p, size_t len, imgp_xml_element *fn, void *arg)
{
	struct state s = { .fn = fn, .arg = arg };
	int rc;

	if (len > IMGP_XML_MAX)
		return -1;
	/* With namespaces a name is "URI}local". */
	if ((s.parser = XML_ParserCreateNS(NULL, '}')) == NULL)
		imgp_oom();
	s.text.max = IMGP_XML_TEXT;
	XML_SetUserData(s.parser, &s);
	XML_SetElementHandler(s.parser, start, end);
	XML_SetCharacterDataHandler(s.parser, text);
	XML_SetStartDoctypeDeclHandler(s.parser, doctype);
	rc = XML_Parse(s.parser, p == NULL ? "" : p, (int)len, 1) ==
	    XML_STATUS_OK ? 0 : -1;
	XML_ParserFree(s.parser);
	imgp_buf_release(&s.text);
	return rc;
}

struct wanted {
	const char	*path;
	char		*dst;
	size_t		 size;
	int		 found;
};

static void
take(void *arg, const char *path, const char *value)
{
	struct wanted *w = arg;

	if (w->found || strcmp(path, w->path) != 0)
		return;
	snprintf(w->dst, w->size, "%s", value);
	w->found = 1;
}

int
imgp_xml_text(const char *s, size_t len, const char *path, char *dst,
    size_t size)
{
	struct wanted w = { path, dst, size, 0 };

	return imgp_xml_parse(s, len, take, &w) == 0 && w.found ? 0 : -1;
}
