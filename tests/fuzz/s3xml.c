/* PKGS: expat */
/*
 * libFuzzer: whatever a server sends, it is refused with a reason, or what was
 * taken keeps the promises of s3xml.h (R36).  make fuzz-s3xml [FUZZ_SECONDS=60]
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/net/s3xml.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int good)
{
	if (!good)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imgp_s3xml x;
	struct imgp_err e = { NULL, "" };
	size_t i;

	if (imgp_s3xml_parse(data, size, &x, &e) == -1) {
		must(e.code != NULL && x.nitems == 0 && x.items == NULL);
		return 0;
	}
	must(x.kind != IMGP_S3XML_ERROR || x.code != NULL);
	must(x.kind != IMGP_S3XML_INITIATE || x.upload_id != NULL);
	must(!x.truncated || (x.next != NULL && *x.next != '\0'));
	must(x.etag == NULL || imgp_s3xml_etag_same(x.etag, x.etag));
	for (i = 0; i < x.nitems; i++) {
		must(x.items[i].size >= -1);
		must(x.items[i].key != NULL || x.kind == IMGP_S3XML_PARTS);
		must(x.items[i].part <= 10000);
	}
	imgp_s3xml_release(&x);
	return 0;
}
