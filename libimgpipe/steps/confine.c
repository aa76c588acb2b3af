#include <stddef.h>
#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/ready.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/steps/confine.h"

/* What the processes of this tool, and their parent, may still ask for. */
static const char *const needed[] = { "spool", "dicom", "cut",
	"check_patient", "check_date", "check_modality",
	"coordinating_center", "stamp_tag", NULL };

int
imgp_confine_begin(unsigned int *seconds, struct imgp_err *e)
{
	int required = strcmp(imgp_conf(NULL, "sandbox"), "require") == 0;
	long long stall;
	int rc;

	if (imgp_conf_duration(NULL, "stall", &stall, e) == -1)
		return -1;
	*seconds = (unsigned int)stall;
	rc = imgp_sandbox_probe(e);
	if (rc == -1 || (rc == 1 && required))
		return -1;
	imgp_ready();		/* its pipe is named in the environment */
	imgp_conf_keep(needed);
	return rc;
}
