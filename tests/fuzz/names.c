/* PKGS: libcjson libcrypto */
/*
 * Lines "member=value" are what a job holds, whose value the EDC's users typed: each
 * name of it is refused, without the value, or is one that every store takes
 * (M7-M17).  make fuzz-names [FUZZ_SECONDS=60]
 */
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/job/names.h"
#include "tests/fuzz/fuzz.h"

typedef int maker(struct imgp_job *, char **, struct imgp_err *);

static int
temp_key(struct imgp_job *job, char **out, struct imgp_err *e)
{
	const char *name = imgp_job_sub_str(job, "edc_pipeline_file", "file_name");

	return imgp_names_temp_key(job, name == NULL ? "a_b.zip" : name, out, e);
}

static const struct {
	maker	*make;
	size_t	 max;		/* bytes */
	int	 segment;	/* no '/' in it */
} made[] = {
	{ imgp_names_job, 255, 1 },
	{ imgp_names_destination_path, 768, 0 },
	{ imgp_names_destination_name, 241, 1 },
	{ temp_key, 1024, 0 },
	{ imgp_names_error_log_key, 1024, 0 },
	{ imgp_names_provenance_key, 1024, 0 },
};

/* No blank, no control, no other name's part, and nothing above its length. */
static void
takes(const char *name, size_t max, int segment)
{
	const char *p, *slash;
	size_t n, len;
	unsigned int c;

	must(name[0] != '\0' && name[0] != '/' && strlen(name) <= max);
	must(!segment || strchr(name, '/') == NULL);
	for (p = name; *p != '\0'; p += n) {
		must((n = imgp_utf8(p, strlen(p), &c)) > 0);
		must(c > 0x20 && (c < 0x7f || c > 0xa0) && c != '\\');
		must(c != 0x1680 && (c < 0x2000 || c > 0x200f) && c != 0x3000);
		must((c < 0x2028 || c > 0x202f) && (c < 0x205f || c > 0x206f));
		must(c != 0xfeff && (c & 0xfffe) != 0xfffe);
	}
	for (p = name;; p = slash + 1) {
		slash = strchr(p, '/');
		len = slash == NULL ? strlen(p) : (size_t)(slash - p);
		must(len <= 255 && (len > 0 || (p > name && slash == NULL)));
		must(!(len == 1 && p[0] == '.'));
		must(!(len == 2 && p[0] == '.' && p[1] == '.'));
		if (slash == NULL)
			return;
	}
}

/* A line of the input: a member of the job, or of its row. */
static void
take_line(struct imgp_job *job, char *line)
{
	char *value = strchr(line, '='), *p, *end;
	long long n;

	if (value == NULL)
		return;
	*value++ = '\0';
	n = strtoll(value, &end, 10);
	if ((p = strchr(line, '.')) != NULL && strncmp(line, "row.", 4) == 0) {
		if (strcmp(p + 1, "id") == 0)
			imgp_job_set_sub_int(job, "edc_pipeline_file", "id", n);
		else
			imgp_job_set_sub_str(job, "edc_pipeline_file", p + 1,
			    value);
	} else if (*value != '\0' && *end == '\0')
		imgp_job_set_int(job, line, n);
	else
		imgp_job_set_str(job, line, value);
}

/* A value that is long enough to be known again must not stand in a message. */
static void
unsaid(const uint8_t *data, size_t size, const struct imgp_err *e)
{
	char *text = malloc(size + 1), *line, *next, *value;

	must(text != NULL && e->code != NULL && e->msg[0] != '\0');
	memcpy(text, data, size);
	text[size] = '\0';
	for (line = text; line != NULL; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		value = strchr(line, '=');
		must(value == NULL || strlen(value) < 25 ||
		    strstr(e->msg, value + 1) == NULL);
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imgp_err e = { NULL, "" };
	struct imgp_job *job = imgp_job_of_input("1201", 4);
	char *text = malloc(size + 1), *line, *next, *name;
	const char *ext;
	size_t i;

	must(text != NULL && imgp_conf_load(&e) == 0);
	memcpy(text, data, size);
	text[size] = '\0';
	ext = imgp_names_extension(text);
	must(ext >= text && ext <= text + strlen(text));
	must(*ext == '\0' || *ext == '.');
	for (line = text; line != NULL; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		take_line(job, line);
	}
	for (i = 0; i < sizeof made / sizeof made[0]; i++) {
		e.code = NULL;
		if (made[i].make(job, &name, &e) == -1) {
			unsaid(data, size, &e);
			continue;
		}
		takes(name, made[i].max, made[i].segment);
		free(name);
	}
	imgp_job_free(job);
	free(text);
	return 0;
}
