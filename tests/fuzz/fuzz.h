/*
 * What the targets that read files share.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <sys/mman.h>
#include <sys/stat.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void
must(int good)
{
	if (!good)
		abort();
}

/* A file in memory that holds ${size} bytes, the caller's to close. */
static inline int
fuzz_file(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd != -1 && (size == 0 ||
	    write(fd, data, size) == (ssize_t)size));
	return fd;
}

/* All of ${fd}, the caller's to free. */
static inline unsigned char *
fuzz_bytes(int fd, size_t *size)
{
	struct stat st;
	unsigned char *p;

	must(fstat(fd, &st) == 0);
	*size = (size_t)st.st_size;
	p = malloc(*size + 1);
	must(p != NULL && pread(fd, p, *size, 0) == (ssize_t)*size);
	return p;
}

/* Does ${fd} hold these bytes, and no others? */
static inline int
fuzz_holds(int fd, const void *data, size_t size)
{
	size_t n;
	unsigned char *p = fuzz_bytes(fd, &n);
	int same = n == size && (n == 0 || memcmp(p, data, n) == 0);

	free(p);
	return same;
}

#endif
