#include <stdlib.h>

#include "libimgpipe/archive/gunzip.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/archive/tar_file.h"
#include "libimgpipe/base/buf.h"

#define SCRATCH	((size_t)64 << 10)

struct imgp_tar_file {
	int		 fd;
	uint64_t	 pos, size;
	struct imgp_gunzip *gunzip;	/* NULL: plain */
	const struct imgp_zip_limits *lim;
	unsigned char	*scratch;	/* for skipped bytes */
};

struct imgp_tar_file *
imgp_tar_file_new(int fd, uint64_t size, int gzipped,
    const struct imgp_zip_limits *lim)
{
	struct imgp_tar_file *f = imgp_alloc(sizeof *f);

	f->fd = fd;
	f->size = size;
	f->lim = lim;
	if (gzipped) {
		f->gunzip = imgp_gunzip_new(fd);
		f->scratch = imgp_alloc_bytes(SCRATCH);
	}
	return f;
}

void
imgp_tar_file_free(struct imgp_tar_file *f)
{
	if (f == NULL)
		return;
	imgp_gunzip_free(f->gunzip);
	free(f->scratch);
	free(f);
}

static long
read_gzip(struct imgp_tar_file *f, void *buf, size_t len, struct imgp_err *e)
{
	uint64_t count;
	long n;

	if (buf == NULL) {
		buf = f->scratch;
		if (len > SCRATCH)
			len = SCRATCH;
	}
	if ((n = imgp_gunzip_read(f->gunzip, buf, len, e)) <= 0)
		return n;
	count = imgp_gunzip_count(f->gunzip);
	if (count > f->lim->bytes || (count > f->lim->ratio_from &&
	    count / f->lim->ratio > f->size))
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "it unpacks to too much");
	return n;
}

long
imgp_tar_file_read(void *file, void *buf, size_t len, struct imgp_err *e)
{
	struct imgp_tar_file *f = file;

	if (f->gunzip != NULL)
		return read_gzip(f, buf, len, e);
	if (len > f->size - f->pos)
		len = (size_t)(f->size - f->pos);
	if (buf != NULL && len > 0 &&
	    imgp_pread(f->fd, buf, len, f->pos, e) == -1)
		return -1;
	f->pos += len;
	return (long)len;
}
