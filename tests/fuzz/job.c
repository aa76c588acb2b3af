/* PKGS: libcjson */
/*
 * libFuzzer: whatever the reader takes, it prints as a line that it takes again
 * and prints the same; what it takes, a step may change (R64).
 * make fuzz-job [FUZZ_SECONDS=60]
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/job/job.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imgp_buf a = IMGP_BUF_INIT, b = IMGP_BUF_INIT;
	struct imgp_job *job, *again;
	struct imgp_err e = { NULL, "" };

	if ((job = imgp_job_parse((const char *)data, size, &e)) == NULL) {
		if (e.code == NULL)
			abort();
		job = imgp_job_of_input((const char *)data, size);
		imgp_job_error(job, "lookup", &e, 1);
	}
	imgp_job_print(job, &a);
	if ((again = imgp_job_parse(a.s, a.len, &e)) == NULL)
		abort();
	imgp_job_print(again, &b);
	if (a.len != b.len || memcmp(a.s, b.s, a.len) != 0)
		abort();
	imgp_fail(&e, IMGP_E_STORE_IO, "%.*s", (int)(size < 99 ? size : 99),
	    (const char *)data);
	imgp_job_error(again, "fetch", &e, 1);
	imgp_job_set_sub_str(again, "sha256", "source", "00");
	imgp_job_set_int(again, "v", 1);
	imgp_job_remove(again, "listing");
	imgp_job_retried(again, "fetch", 2);
	if (imgp_job_standing(again) == IMGP_GOING_ON)
		abort();
	imgp_buf_clear(&b);
	imgp_job_print(again, &b);
	imgp_job_free(job);
	if ((job = imgp_job_parse(b.s, b.len, &e)) == NULL)
		abort();
	imgp_job_free(job);
	imgp_job_free(again);
	imgp_buf_release(&a);
	imgp_buf_release(&b);
	return 0;
}
