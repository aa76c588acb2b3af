/* PKGS: libcjson */
/* The table of the members, a line each: name, types, flags. */
#include <stdio.h>

#include "libimgpipe/job/members.h"

static void
words(unsigned int bits, const char *const *name)
{
	size_t i;
	int n = 0;

	for (i = 0; name[i] != NULL; i++)
		if (bits & (1u << i))
			printf("%s%s", n++ == 0 ? " " : ",", name[i]);
	if (n == 0)
		printf(" -");
}

int
main(void)
{
	static const char *const types[] = { "str", "int", "num", "bool",
	    "obj", "arr", NULL };
	static const char *const flags[] = { "column", "optional", "empty",
	    "names", "told", NULL };
	const struct imgp_member *m;

	for (m = imgp_members; m->name != NULL; m++) {
		printf("%s", m->name);
		words(m->types, types);
		words(m->flags, flags);
		putchar('\n');
	}
	return 0;
}
