#include "libimgpipe/base/conf.h"
#include "libimgpipe/dicom/check_rule.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/stamp/stamp.h"
#include "libimgpipe/steps/settings.h"

static int
look_at_stamp(const char *pipeline, struct imgp_err *e)
{
	const char *center = imgp_conf(pipeline, "coordinating_center");
	struct imgp_stamp_tag tag;
	struct imgp_err why;

	if (center != NULL && imgp_stamp_check_center(center, e) == -1)
		return -1;
	return imgp_stamp_tag_parse(imgp_conf(pipeline, "stamp_tag"), &tag,
	    &why) == 0 ? 0 : imgp_fail(e, why.code, "stamp_tag: %s", why.msg);
}

static int
look(const char *pipeline, struct imgp_err *e)
{
	return imgp_names_check(pipeline, e) == -1 ||
	    imgp_check_settings(pipeline, e) == -1 ? -1 :
	    look_at_stamp(pipeline, e);
}

int
imgp_settings_check(struct imgp_err *e)
{
	return imgp_conf_load(e) == -1 ? -1 : imgp_conf_check(look, e);
}

int
imgp_settings_check_stamp(struct imgp_err *e)
{
	return imgp_conf_load(e) == -1 ? -1 :
	    imgp_conf_check(look_at_stamp, e);
}
