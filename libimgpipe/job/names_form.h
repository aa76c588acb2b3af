/*
 * Match keys against the templates of names.h, and extract members from them.
 */
#ifndef IMGPIPE_NAMES_FORM_H
#define IMGPIPE_NAMES_FORM_H

#include <stdint.h>

#include "libimgpipe/base/err.h"

struct imgp_names_form;

/*
 * The form of the keys that the setting ${setting}, such as temp_key, makes for
 * ${pipeline}; for NULL those of no pipeline, with ${code} as {pipeline_code}.  NULL with
 * IMGP-CONFIG when the template is invalid.  Free with imgp_names_form_free(), NULL is
 * fine.
 */
struct imgp_names_form *imgp_names_form_new(const char *pipeline,
	    const char *code, const char *setting, struct imgp_err *e);
void	imgp_names_form_free(struct imgp_names_form *f);

/* The directory that all such keys share, with its last '/'; "" when there is none.
 * Lives as long as ${f}. */
const char *imgp_names_form_dir(const struct imgp_names_form *f);
/* A text that is equal for two forms that make the same keys.  Lives as long as ${f}. */
const char *imgp_names_form_text(const struct imgp_names_form *f);
/* Nonzero when the template has {${member}}. */
int	imgp_names_form_has(const struct imgp_names_form *f,
	    const char *member);

/* The members found in a key; NULL and 0 for those that the template does not have. */
struct imgp_names_parts {
	char	*file_name;		/* {file_name} */
	char	*run;			/* {run} */
	int64_t	 file_id;		/* {edc_pipeline_file.id} */
};
/* Nonzero when ${key} has that form; then release ${parts}. */
int	imgp_names_form_fits(const struct imgp_names_form *f, const char *key,
	    struct imgp_names_parts *parts);
void	imgp_names_parts_release(struct imgp_names_parts *parts);

#endif
