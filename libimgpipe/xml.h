/*
 * The little XML that S3 answers with, by expat: no document type, no entity
 * but the five, bounded depth and length.
 */
#ifndef IMGPIPE_XML_H
#define IMGPIPE_XML_H

#include <stddef.h>

#define IMGP_XML_MAX	((size_t)4 << 20)	/* bytes in one document */
#define IMGP_XML_DEPTH	32
#define IMGP_XML_TEXT	8192			/* bytes of text in one element */

/*
 * Called at the end of each element with its path from the root ("Error/Code")
 * and the text that stood directly in it.
 */
typedef void imgp_xml_element(void *arg, const char *path, const char *text);

/* 0, or -1 when it is not XML or passes a limit; ${fn} may then have been
 * called for elements before that. */
int	imgp_xml_parse(const char *s, size_t len, imgp_xml_element *fn,
	    void *arg);
/*
 * The text of the first element ${path}, copied to ${dst} (${size} bytes) and
 * cut to fit.  0, or -1 when there is none or it is no XML.
 */
int	imgp_xml_text(const char *s, size_t len, const char *path, char *dst,
	    size_t size);

#endif
