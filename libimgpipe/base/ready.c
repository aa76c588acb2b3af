#include <sys/stat.h>

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/ready.h"

void
imgp_ready(void)
{
	const char *text = getenv(IMGP_READY_FD);
	pid_t pid = getpid();
	struct stat st;
	long long fd;

	if (text == NULL)
		return;
	if (imgp_parse_int(text, STDERR_FILENO + 1, INT_MAX, &fd) == 0 &&
	    fstat((int)fd, &st) == 0 && S_ISFIFO(st.st_mode)) {
		/* Whoever waits also sees the end of the pipe. */
		(void)!write((int)fd, &pid, sizeof pid);
		close((int)fd);
	}
	unsetenv(IMGP_READY_FD);
}
