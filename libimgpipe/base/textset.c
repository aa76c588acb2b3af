#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/textset.h"

/* A balanced tree (tsearch(3)): no input can make it slow. */
struct imgp_textset {
	void	*root;
};

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct imgp_textset *
imgp_textset_new(void)
{
	return imgp_alloc(sizeof(struct imgp_textset));
}

void
imgp_textset_free(struct imgp_textset *t)
{
	if (t == NULL)
		return;
	tdestroy(t->root, free);
	free(t);
}

int
imgp_textset_add(struct imgp_textset *t, const char *s)
{
	char *mine;

	if (tfind(s, &t->root, compare) != NULL)
		return 0;
	mine = imgp_strdup(s);
	if (tsearch(mine, &t->root, compare) == NULL)
		imgp_oom();
	return 1;
}

int
imgp_textset_has(const struct imgp_textset *t, const char *s)
{
	return tfind(s, &t->root, compare) != NULL;
}
