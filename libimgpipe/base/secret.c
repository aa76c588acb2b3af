#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "libimgpipe/base/secret.h"

int
imgp_secret_mode(mode_t mode)
{
	return (mode & (S_IWGRP | S_IRWXO)) == 0;
}

int
imgp_secret_open(const char *path, struct imgp_err *e)
{
	struct stat st;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1)
		return imgp_fail_errno(e, IMGP_E_CONFIG, "%s", path);
	if (fstat(fd, &st) == -1)
		imgp_fail_errno(e, IMGP_E_CONFIG, "%s", path);
	else if (!S_ISREG(st.st_mode))
		imgp_fail(e, IMGP_E_CONFIG, "%s: not a regular file", path);
	else if (!imgp_secret_mode(st.st_mode))
		imgp_fail(e, IMGP_E_CONFIG, "%s: its mode lets others in: "
		    "0600 or 0640 is wanted", path);
	else
		return fd;
	close(fd);
	return -1;
}
