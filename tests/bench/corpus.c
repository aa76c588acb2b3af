/*
 * Makes a synthetic series: corpus DIR INSTANCES COLUMNS ROWS FRAMES PRIVATE
 *
 * DIR/00001.dcm and so on: Explicit VR Little Endian, some 75 elements with
 * sequences of defined and undefined length before (0012,0071), PRIVATE bytes of
 * a private element after it, 16-bit pixels of a smooth body with noise, so that
 * zip -6 halves it as it does real PET and MR.  The same arguments give the same
 * bytes.
 */
#include <err.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *fp;
static uint64_t seed = 88172645463325252u;

static uint32_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32);
}

static void
put(const void *p, size_t n)
{
	if (fwrite(p, 1, n, fp) != n)
		err(1, "write");
}

static void
put16(unsigned int v)
{
	unsigned char b[2] = { (unsigned char)v, (unsigned char)(v >> 8) };

	put(b, 2);
}

static void
put32(uint32_t v)
{
	put16(v & 0xffff);
	put16(v >> 16);
}

/* One element with a text value, padded to an even length. */
static void
text(unsigned int g, unsigned int e, const char *vr, const char *s)
{
	size_t n = strlen(s);

	put16(g);
	put16(e);
	put(vr, 2);
	put16((unsigned int)(n + (n & 1)));
	put(s, n);
	if (n & 1)
		put(strcmp(vr, "UI") == 0 ? "\0" : " ", 1);
}

static void
us(unsigned int g, unsigned int e, unsigned int v)
{
	put16(g);
	put16(e);
	put("US", 2);
	put16(2);
	put16(v);
}

static void
long_head(unsigned int g, unsigned int e, const char *vr, uint32_t len)
{
	put16(g);
	put16(e);
	put(vr, 2);
	put16(0);
	put32(len);
}

/* A code sequence with one item; ${defined}: its lengths are stated. */
static void
code(unsigned int g, unsigned int e, const char *value, const char *meaning,
    int defined)
{
	uint32_t n = 0;
	const char *const s[3] = { value, "SRT", meaning };
	int i;

	for (i = 0; i < 3; i++)
		n += 8 + (uint32_t)(strlen(s[i]) + (strlen(s[i]) & 1));
	long_head(g, e, "SQ", defined ? n + 8 : 0xffffffffu);
	put16(0xfffe);
	put16(0xe000);
	put32(defined ? n : 0xffffffffu);
	text(0x0008, 0x0100, "SH", s[0]);
	text(0x0008, 0x0102, "SH", s[1]);
	text(0x0008, 0x0104, "LO", s[2]);
	if (defined)
		return;
	put16(0xfffe);
	put16(0xe00d);
	put32(0);
	put16(0xfffe);
	put16(0xe0dd);
	put32(0);
}

static void
meta(const char *sop)
{
	char zero[128] = "";
	size_t n = strlen(sop) + (strlen(sop) & 1);

	put(zero, sizeof zero);
	put("DICM", 4);
	put16(2);
	put16(0);
	put("UL", 2);
	put16(4);
	put32((uint32_t)(14 + 8 + 26 + 8 + n + 8 + 20 + 8 + 24));
	long_head(2, 1, "OB", 2);
	put("\0\1", 2);
	text(2, 2, "UI", "1.2.840.10008.5.1.4.1.1.4");
	text(2, 3, "UI", sop);
	text(2, 0x10, "UI", "1.2.840.10008.1.2.1");
	text(2, 0x12, "UI", "1.2.826.0.1.3680043.99.1");
}

static void
header(const char *sop, unsigned int number)
{
	char s[160];
	unsigned int i;

	text(8, 5, "CS", "ISO_IR 100");
	text(8, 8, "CS", "ORIGINAL\\PRIMARY\\M\\ND\\NORM");
	text(8, 0x12, "DA", "20260105");
	text(8, 0x13, "TM", "101112.345000");
	text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.4");
	text(8, 0x18, "UI", sop);
	for (i = 0x20; i < 0x24; i++)
		text(8, i, "DA", "20260105");
	for (i = 0x30; i < 0x34; i++) {
		snprintf(s, sizeof s, "1011%02u.%06u", number % 60, number);
		text(8, i, "TM", s);
	}
	text(8, 0x50, "SH", "");
	text(8, 0x60, "CS", "MR");
	text(8, 0x70, "LO", "EXAMPLE MEDICAL SYSTEMS");
	text(8, 0x80, "LO", "Example University Hospital, Department of Imaging");
	text(8, 0x81, "ST", "1 Example Road, 00000 Example Town, Example Country");
	text(8, 0x90, "PN", "Example^Referring");
	text(8, 0x1010, "SH", "SCANNER01");
	text(8, 0x1030, "LO", "Brain^Amyloid protocol, dynamic, attenuation corrected");
	code(8, 0x1032, "P5-09051", "Magnetic resonance imaging of the brain", 0);
	text(8, 0x103e, "LO", "t1_mprage_sag_p2_iso_1.0");
	text(8, 0x1040, "LO", "Department");
	text(8, 0x1050, "PN", "Example^Physician");
	text(8, 0x1070, "PN", "Example^Operator");
	text(8, 0x1090, "LO", "ExampleScan 3000");
	for (i = 0; i < 6; i++) {
		static const unsigned int tag[6] = { 0x1110, 0x1111, 0x1120,
		    0x1140, 0x2112, 0x2218 };

		code(8, tag[i], "T-A0100", "Brain, whole, with upper neck",
		    (int)i & 1);
	}
	text(16, 0x10, "PN", "SUBJECT^0001");
	text(16, 0x20, "LO", "TRC-0001");
	text(16, 0x30, "DA", "");
	text(16, 0x40, "CS", "O");
	text(16, 0x1010, "AS", "070Y");
	text(16, 0x1020, "DS", "1.75");
	text(16, 0x1030, "DS", "75.5");
	text(0x12, 0x62, "CS", "YES");
	text(0x12, 0x63, "LO", "Basic profile, retain longitudinal with modified dates");
}

static void
rest(unsigned int number, unsigned int cols, unsigned int rows,
    unsigned int frames, size_t private)
{
	char s[64];
	size_t i;

	for (i = 0; i < 16; i++) {
		snprintf(s, sizeof s, "%u.%02u", number, (unsigned int)i);
		text(0x18, 0x50 + (unsigned int)i, "DS", s);
	}
	text(0x20, 0x0d, "UI", "1.2.826.0.1.3680043.99.2.1");
	text(0x20, 0x0e, "UI", "1.2.826.0.1.3680043.99.2.1.7");
	text(0x20, 0x10, "SH", "1");
	text(0x20, 0x11, "IS", "7");
	snprintf(s, sizeof s, "%u", number);
	text(0x20, 0x13, "IS", s);
	us(0x28, 2, 1);
	text(0x28, 4, "CS", "MONOCHROME2");
	snprintf(s, sizeof s, "%u", frames);
	if (frames > 1)
		text(0x28, 8, "IS", s);
	us(0x28, 0x10, rows);
	us(0x28, 0x11, cols);
	us(0x28, 0x100, 16);
	us(0x28, 0x101, 12);
	us(0x28, 0x102, 11);
	us(0x28, 0x103, 0);
	if (private > 0) {
		text(0x29, 0x10, "LO", "EXAMPLE CSA HEADER");
		long_head(0x29, 0x1010, "OB", (uint32_t)private);
		for (i = 0; i < private; i++)
			put(i % 64 < 40 ? "\0" : &"0123456789abcdef"
			    [rnd() & 15], 1);
	}
	long_head(0x7fe0, 0x10, "OW", cols * rows * 2 * frames);
}

static void
pixels(unsigned int cols, unsigned int rows, unsigned int number)
{
	uint16_t *line = malloc(cols * sizeof *line);
	unsigned int x, y;

	if (line == NULL)
		err(1, NULL);
	for (y = 0; y < rows; y++) {
		for (x = 0; x < cols; x++) {
			double dx = (x - cols / 2.0) / (cols * 0.42);
			double dy = (y - rows / 2.0) / (rows * 0.46);
			double r = dx * dx + dy * dy;
			int noise = (int)(rnd() % 24 + rnd() % 24 + rnd() % 24 +
			    rnd() % 24) - 46;
			int v = r > 1 ? noise / 4 : (int)(900 * (1 - r * r) +
			    60 * sin(dx * 9 + number * 0.1) + noise);

			line[x] = (uint16_t)(v < 0 ? 0 : v);
		}
		put(line, cols * sizeof *line);	/* little endian machines */
	}
	free(line);
}

int
main(int argc, char *argv[])
{
	unsigned int n, i, f, cols, rows, frames;
	char path[4096], sop[65];

	if (argc != 7)
		errx(2, "usage: corpus DIR INSTANCES COLUMNS ROWS FRAMES PRIVATE");
	n = (unsigned int)atoi(argv[2]);
	cols = (unsigned int)atoi(argv[3]);
	rows = (unsigned int)atoi(argv[4]);
	frames = (unsigned int)atoi(argv[5]);
	for (i = 1; i <= n; i++) {
		snprintf(path, sizeof path, "%s/%05u.dcm", argv[1], i);
		if ((fp = fopen(path, "w")) == NULL)
			err(1, "%s", path);
		snprintf(sop, sizeof sop, "1.2.826.0.1.3680043.99.2.1.7.%u", i);
		meta(sop);
		header(sop, i);
		rest(i, cols, rows, frames, (size_t)atoi(argv[6]));
		for (f = 0; f < frames; f++)
			pixels(cols, rows, i + f);
		if (fclose(fp) == EOF)
			err(1, "%s", path);
	}
	return 0;
}
