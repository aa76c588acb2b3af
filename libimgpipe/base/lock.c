#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "libimgpipe/base/lock.h"

int
imgp_lock(int dir, const char *name, int how)
{
	int fd = openat(dir, name,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
	int rc;

	if (fd == -1)
		return -1;
	while ((rc = flock(fd, how)) == -1 && errno == EINTR)
		;
	if (rc == 0)
		return fd;
	rc = errno;
	close(fd);
	errno = rc;
	return -1;
}
