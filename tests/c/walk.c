/* PKGS: libcjson zlib */
/*
 * What the walker finds in bare files, for tests/dicom.t:
 *
 *	walk facts CHUNK FILE...	UIDs and number as "judge.py facts" does
 *	walk where FILE...		the verdict and where the elements are
 *
 * The files are fed in chunks of CHUNK bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/dicom/dicom.h"

static int
walk(const char *path, size_t chunk, struct imgp_dicom *d)
{
	static char buf[65536];
	FILE *fp = fopen(path, "rb");
	size_t n;

	if (fp == NULL)
		return -1;
	imgp_dicom_init(d, NULL, NULL);
	while ((n = fread(buf, 1, chunk, fp)) > 0)
		imgp_dicom_feed(d, buf, n);
	imgp_dicom_end(d);
	fclose(fp);
	return 0;
}

static void
facts(const char *path, const struct imgp_dicom *d)
{
	char uid[4][IMGP_UID_MAX + 1];
	int32_t number;
	int i;

	if (d->state != IMGP_DICOM_HEAD || d->kind != IMGP_DICOM_INSTANCE) {
		printf("%s\t-\n", path);
		return;
	}
	for (i = 0; i < 4; i++)
		imgp_dicom_uid(d, (enum imgp_dicom_which)i, uid[i]);
	printf("%s\t%s\t%s\t%s\t%s\t", path, uid[0], uid[1], uid[2], uid[3]);
	if (imgp_dicom_number(d, &number) == 0)
		printf("%d\n", number);
	else
		printf("-\n");
}

static void
shape(const struct imgp_dicom *d)
{
	printf("%016llx\n", d->state == IMGP_DICOM_HEAD ?
	    (unsigned long long)d->shape : 0);
}

static void
where(const struct imgp_dicom *d)
{
	static const char *const state[] = { "more", "head", "not", "bad" };

	printf("%s", state[d->state]);
	if (d->state == IMGP_DICOM_BAD)
		printf(" %s", d->err.code);
	if (d->state == IMGP_DICOM_HEAD)
		printf(" kind=%d implicit=%d big=%d deflated=%d mismatch=%d "
		    "data=%llu center=%llu id=%llu signed=%d", d->kind,
		    d->implicit, d->big, d->deflated, d->mismatch,
		    (unsigned long long)d->data, (unsigned long long)
		    d->elem[IMGP_DICOM_CENTER].off, (unsigned long long)
		    d->elem[IMGP_DICOM_ID].off, d->is_signed);
	printf("\n");
}

int
main(int argc, char *argv[])
{
	struct imgp_dicom d;
	int i, is_facts = argc > 2 && strcmp(argv[1], "facts") == 0;

	for (i = is_facts ? 3 : 2; i < argc; i++) {
		if (walk(argv[i], is_facts ? (size_t)atoi(argv[2]) : 512,
		    &d) == -1)
			return 1;
		if (is_facts)
			facts(argv[i], &d);
		else if (strcmp(argv[1], "shape") == 0)
			shape(&d);
		else
			where(&d);
		imgp_dicom_release(&d);
	}
	return 0;
}
