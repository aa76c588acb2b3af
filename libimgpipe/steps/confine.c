#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/encode.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/ready.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/board.h"
#include "libimgpipe/steps/confine.h"

/* What the processes of this tool, and their parent, may still ask for. */
static const char *const needed[] = { "spool", "dicom", "cut",
	"check_patient", "check_date", "check_modality",
	"coordinating_center", "stamp_tag", "limit_series", NULL };

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
	imgp_ready();		/* its pipe is named in the environment, */
	imgp_board_join();	/* and so is this */
	imgp_conf_keep(needed);
	return rc;
}

int
imgp_confine_ask(int write, struct imgp_err *e)
{
	static const char page[4096];	/* a disk that is full has no room for */
	const char *spool = imgp_conf(NULL, "spool");
	int dir, fd, rc = 0;

	if (imgp_sandbox_probe(e) == -1)
		return -1;
	if (spool == NULL)
		return 0;
	if ((dir = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", spool);
	if (write && (fd = imgp_tmpfile(dir, e)) == -1)
		rc = -1;
	else if (write) {
		if (imgp_write_all(fd, page, sizeof page) == -1)
			rc = imgp_fail_write(e, spool);
		close(fd);
	}
	close(dir);
	return rc;
}
