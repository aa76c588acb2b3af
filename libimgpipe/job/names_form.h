/*
 * Names read backwards: which keys a template makes, and what stands in one (names.h).
 */
#ifndef IMGPIPE_NAMES_FORM_H
#define IMGPIPE_NAMES_FORM_H

#include <stdint.h>

#include "libimgpipe/base/err.h"

struct imgp_names_form;

/*
 * The form of the keys that the setting ${setting}, such as temp_key, makes for
 * ${pipeline} (NULL: for none; then {pipeline_code} is ${code}, as it is else the
 * pipeline's).  NULL with IMGP-CONFIG where the template is broken.  Free with
 * imgp_names_form_free(), NULL is fine.
 */
struct imgp_names_form *imgp_names_form_new(const char *pipeline,
	    const char *code, const char *setting, struct imgp_err *e);
void	imgp_names_form_free(struct imgp_names_form *f);

/* The directory in which all such keys lie, with its last '/'; "" when they have none
 * in common.  As long as ${f}. */
const char *imgp_names_form_dir(const struct imgp_names_form *f);
/* The same text for two forms that make the same keys.  As long as ${f}. */
const char *imgp_names_form_text(const struct imgp_names_form *f);
/* Nonzero when such a key holds {${member}}. */
int	imgp_names_form_has(const struct imgp_names_form *f,
	    const char *member);

/* What a key tells; NULL and 0 where its template does not have the member. */
struct imgp_names_parts {
	char	*file_name;		/* {file_name} */
	char	*run;			/* {run} */
	int64_t	 file_id;		/* {edc_pipeline_file.id} */
};
/* Nonzero when ${key} has that form; then ${parts} is to be released. */
int	imgp_names_form_fits(const struct imgp_names_form *f, const char *key,
	    struct imgp_names_parts *parts);
void	imgp_names_parts_release(struct imgp_names_parts *parts);

#endif
