#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/job/board.h"

const char *const imgp_board_stages[] = { "lookup", "start", "fetch", "scan",
    "scans", "stamp", "extra", "stage", "deliver", "finish", NULL };

static struct imgp_board *board;

/* Map the open file; the processes made from this one do not get it. */
static int
map(int fd)
{
	void *p = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);

	if (p == MAP_FAILED)
		return -1;
	if (madvise(p, sizeof *board, MADV_DONTFORK) == -1) {
		munmap(p, sizeof *board);
		return -1;
	}
	board = p;
	return 0;
}

int
imgp_board_make(const char *path, struct imgp_err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	int rc;

	if (fd == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", path);
	if ((rc = posix_fallocate(fd, 0, sizeof *board)) != 0)
		imgp_fail(e, IMGP_E_STORE_FULL, "%s: %s", path, strerror(rc));
	else if ((rc = map(fd)) == -1)
		imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", path);
	close(fd);
	if (rc == 0 && setenv(IMGP_BOARD, path, 1) == -1)
		imgp_oom();
	return rc == 0 ? 0 : -1;
}

void
imgp_board_join(void)
{
	const char *path = board == NULL ? getenv(IMGP_BOARD) : NULL;
	struct stat st;
	int fd;

	if (path == NULL ||
	    (fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return;
	/* A file that were shorter would end us when it is read. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size == (off_t)sizeof *board)
		(void)map(fd);
	close(fd);
	unsetenv(IMGP_BOARD);	/* programs that we start are no stage */
}

struct imgp_board *
imgp_board(void)
{
	return board;
}

struct imgp_board_stage *
imgp_board_stage(const char *name)
{
	size_t i;

	if (board == NULL || name == NULL)
		return NULL;
	for (i = 0; imgp_board_stages[i] != NULL; i++)
		if (strcmp(imgp_board_stages[i], name) == 0)
			return &board->stage[i];
	return NULL;
}
