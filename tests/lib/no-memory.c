/*
 * For LD_PRELOAD: the allocation that the environment's NO_MEMORY counts to fails, and
 * with NO_MEMORY_ON all after it; each process that is forked counts on from its
 * parent's.  NO_MEMORY_LOG names a file that gets a line, the allocations so far, from
 * each process that ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void	*__libc_malloc(size_t);
void	*__libc_calloc(size_t, size_t);
void	*__libc_realloc(void *, size_t);

static long limit = -1, count;
static int on, log_fd = -1;

__attribute__((constructor)) static void
start(void)
{
	const char *s;

	on = getenv("NO_MEMORY_ON") != NULL;
	if ((s = getenv("NO_MEMORY_LOG")) != NULL)
		log_fd = open(s, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	count = 0;
	limit = (s = getenv("NO_MEMORY")) != NULL ? atol(s) : 0;
}

__attribute__((destructor)) static void
end(void)
{
	if (log_fd != -1)
		dprintf(log_fd, "%ld\n", count);
}

static int
fails(void)
{
	long n;

	if (limit == -1)
		return 0;	/* main() is not near yet */
	n = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
	if (limit == 0 || n < limit || (n > limit && !on))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}
