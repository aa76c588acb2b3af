#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/report/audience.h"

static const char *
setting(const char *pipeline, const char *name)
{
	const char *s = imgp_conf(pipeline, name);

	return s == NULL ? "" : s;
}

const char *
imgp_audience_name(enum imgp_readers who)
{
	return who == IMGP_TO_LABS ? "labs" : "admins";
}

const char *
imgp_audience_mail(enum imgp_readers who)
{
	return who == IMGP_TO_LABS ? "labs_mail" : "admins_mail";
}

/* Without labs the admins get the labs' letters (post.h). */
static char *
key_of(enum imgp_readers who, const char *pipeline)
{
	int labs = who == IMGP_TO_LABS && imgp_conf(pipeline, "labs") != NULL;

	const char *mail = imgp_conf(pipeline, imgp_audience_mail(labs ?
	    IMGP_TO_LABS : IMGP_TO_ADMINS));

	return imgp_asprintf("%s\n%s\n%s\n%s", imgp_audience_name(who),
	    setting(pipeline, labs ? "labs" : "admins"),
	    setting(pipeline, "mail_from"), mail != NULL ? mail :
	    setting(pipeline, "mail"));
}

int
imgp_audience_has(void *audience, const char *pipeline)
{
	const struct imgp_audience *a = audience;
	char *key = key_of(a->who, pipeline);
	int same = strcmp(key, a->key) == 0 && !imgp_conf_is_left_out(pipeline);

	free(key);
	return same;
}

struct imgp_audience *
imgp_audience_of(struct imgp_audience **list, enum imgp_readers who,
    const char *pipeline)
{
	struct imgp_audience *a;

	for (; (a = *list) != NULL; list = &a->next)
		if (a->who == who && imgp_audience_has(a, pipeline))
			return a;
	a = imgp_alloc(sizeof *a);
	a->who = who;
	a->key = key_of(who, pipeline);
	a->pipeline = pipeline == NULL ? NULL : imgp_strdup(pipeline);
	*list = a;
	return a;
}

void
imgp_audience_free(struct imgp_audience *list, void (*free_own)(void *))
{
	struct imgp_audience *a;

	while ((a = list) != NULL) {
		list = a->next;
		if (free_own != NULL)
			free_own(a->own);
		free(a->pipeline);
		free(a->key);
		free(a);
	}
}
