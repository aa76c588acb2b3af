/* PKGS: libcjson libcrypto zlib libisal dcmtk */
/*
 * libFuzzer: any upload.  It is scanned and stamped, which costs a hostile
 * member itself and nobody else; a second time nothing is to be done; and what
 * the provenance tells gives the upload back, byte for byte, unless something
 * had to be compressed anew (F4, F40, I2).
 * make fuzz-stamp [FUZZ_SECONDS=60]
 */
#include <fcntl.h>
#include <stdio.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/dicom/scan.h"
#include "libimgpipe/stamp/dcm.h"
#include "libimgpipe/stamp/stamp.h"
#include "tests/fuzz/fuzz.h"

static struct imgp_limits lim;
static struct imgp_stamp_opts opts;

static void
begin(void)
{
	struct imgp_err e;

	imgp_dcm_init();
	lim.dicom = imgp_dicom_limits;
	lim.zip = (struct imgp_zip_limits){ 64, 1 << 23, 200, 1 << 20 };
	lim.series = 100;
	opts.lim = &lim;
	opts.tmpdir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	opts.threads = 1;
	must(imgp_stamp_tag_parse("0012,0071", &opts.tag, &e) == 0);
}

/* Give each series an id. */
static void
give_ids(struct imgp_scans *s)
{
	struct imgp_series *sr;
	size_t i, k;

	for (i = 0; i < s->n; i++)
		for (k = 0; k < s->scan[i].n; k++) {
			sr = &s->scan[i].series[k];
			free(sr->atri_uid);
			sr->atri_uid = imgp_asprintf("%zu.%zu", i + 1, k + 1);
		}
}

/* Is the provenance of something that was compressed anew? */
static int
is_encoded(int fd)
{
	size_t n;
	unsigned char *p = fuzz_bytes(fd, &n);
	int is;

	p[n] = '\0';
	is = strstr((char *)p, "\"how\":\"encoded\"") != NULL;
	free(p);
	return is;
}

static void
unstamp(int fd, int note, const uint8_t *data, size_t size)
{
	struct imgp_stamp_result r;
	struct imgp_err e = { NULL, "" };
	struct imgp_out out;
	char path[64];
	int to = fuzz_file("", 0);

	snprintf(path, sizeof path, "/proc/self/fd/%d", note);
	opts.undo = imgp_prov_open(path, &e);
	must(opts.undo != NULL);
	imgp_out_init(&out, to);
	must(imgp_stamp_upload(fd, &out, &opts, &r, &e) == 0);
	imgp_stamp_release(&r);
	must(fuzz_holds(to, data, size));
	imgp_out_release(&out);
	imgp_prov_free(opts.undo);
	opts.undo = NULL;
	close(to);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imgp_prov_sum sum = {
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	    0, 0, 0, 0, 0, { { 0 }, 0 } };
	struct imgp_scan_result scan;
	struct imgp_stamp_result r;
	struct imgp_err e = { NULL, "" };
	struct imgp_out out, notes;
	int fd, to, note, rc;
	uint64_t n;

	if (opts.lim == NULL)
		begin();
	if (size == 0 || size > 1 << 18)
		return 0;
	fd = fuzz_file(data, size);
	to = fuzz_file("", 0);
	note = fuzz_file("", 0);
	imgp_out_init(&out, to);
	imgp_out_init(&notes, note);
	rc = imgp_scan_upload(fd, &lim, NULL, &scan, &e);
	must(rc == 0 || e.code != NULL);
	if (rc == -1 || scan.instances == 0) {
		imgp_scan_release(&scan);
		goto out;
	}
	give_ids(&scan.scans);
	opts.scans = &scan.scans;
	opts.note = &notes;
	rc = imgp_stamp_upload(fd, &out, &opts, &r, &e);
	opts.note = NULL;
	/* Others' ids, and members whose data prove to be damaged, are what
	 * may stop it; a check that fails would be a fault of ours. */
	must(rc != -1 || (e.code != NULL &&
	    strcmp(e.code, IMGP_E_INTERNAL) != 0 &&
	    strcmp(e.code, IMGP_E_STAMP_CHECK) != 0));
	if (rc == 0 && r.stamped == 0)
		must(fuzz_holds(to, data, size));
	if (rc == 0 && r.stamped > 0) {
		sum.source_bytes = (int64_t)size;
		sum.gzip_changed = r.gzip_changed;
		sum.gzip_end = r.gzip_end;
		must(imgp_prov_finish(&notes, &sum, &e) == 0);
		opts.scans = NULL;
		if (r.gzip_changed || (!is_encoded(note) &&
		    (data[0] != 0x1f || data[1] != 0x8b)))
			unstamp(to, note, data, size);
		opts.scans = &scan.scans;
		imgp_out_release(&out);
		close(note);
		note = fuzz_file("", 0);
		imgp_out_init(&out, note);
		n = r.stamped + r.already;
		imgp_stamp_release(&r);
		must(imgp_stamp_upload(to, &out, &opts, &r, &e) == 0 &&
		    r.stamped == 0 && r.already == n);
	}
	opts.scans = NULL;
	imgp_stamp_release(&r);
	imgp_scan_release(&scan);
out:
	imgp_out_release(&out);
	imgp_out_release(&notes);
	close(fd);
	close(to);
	close(note);
	return 0;
}
