#include <errno.h>
#include <unistd.h>

#include "libimgpipe/base/worker.h"
#include "libimgpipe/base/write.h"

int
imgp_write_all(int fd, const void *p, size_t len)
{
	const char *s = p;
	ssize_t n;

	while (len > 0) {
		if ((n = write(fd, s, len)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		imgp_worker_beat();
		s += n;
		len -= (size_t)n;
	}
	return 0;
}
