/*
 * imgp: the door to the tools.  imgp NAME is imgp-NAME, imgp help NAME its manual
 * (imgp(1)).
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/program.h"

/* The commands stand here for completion, too. */
static const char *const synopsis[] = {
	"run|lookup|record|s3cp|dcmscan|stamp|notify|digest|status|verify|\n"
	"            pipeline|prune|queue|api [OPTION ...] [OPERAND ...]",
	"help [COMMAND]",
	NULL
};
static const struct imgp_tool tool = { "imgp", synopsis,
	"run        deliver uploads: the whole pipe\n"
	"lookup     what the EDC knows of each upload\n"
	"record     keep the record: start, scans, finish\n"
	"s3cp       copy from place to place\n"
	"dcmscan    find studies, series and instances\n"
	"stamp      write the ids into the headers\n"
	"notify     write error logs and mail the admins\n"
	"digest     mail the labs what is new\n"
	"status     what is where, and what needs a look\n"
	"verify     prove that all was delivered\n"
	"pipeline   list and change pipelines, pauses, waivers\n"
	"prune      remove old logs, letters and leftovers\n"
	"queue      uploads by the messages of an SQS queue\n"
	"api        the pipeline API, for a web server\n"
	"help       the manual of a command, or of imgpipe", NULL, NULL, 0 };

/* The file of a page: beside the tools where they are installed, or in the source
 * tree; the caller's, NULL: not there. */
static char *
page_file(const char *tools, const char *page)
{
	struct stat st;
	char *file;
	int section;

	for (section = 1; section <= 8; section++) {
		file = imgp_asprintf("%s/../share/man/man%d/%s.%d", tools,
		    section, page, section);
		if (stat(file, &st) == 0)
			return file;
		free(file);
		file = imgp_asprintf("%s/../../man/%s.%d", tools, page,
		    section);
		if (stat(file, &st) == 0)
			return file;
		free(file);
	}
	return NULL;
}

/* Show the manual of ${name}; without man(1) the tool's own words. */
static _Noreturn void
help(const char *tools, const char *name)
{
	static const char *const before[] = { "imgp-", "imgpipe-", "imgpipe.",
	    "" };
	char *page, *file = NULL, *self;
	size_t i;

	for (i = 0; i < sizeof before / sizeof *before && file == NULL; i++) {
		page = imgp_asprintf("%s%s", before[i], name);
		file = page_file(tools, page);
		free(page);
	}
	if (file == NULL)
		imgp_usage(&tool, "there is no manual of %s", name);
	execl("/usr/bin/man", "man", "-l", file, (char *)NULL);
	execl("/usr/bin/mandoc", "mandoc", "-a", file, (char *)NULL);
	self = imgp_asprintf("%s/imgp-%s", tools, name);
	execl(self, self, "--help", (char *)NULL);
	imgp_usage(&tool, "man(1) is not installed; the page is %s", file);
}

int
main(int argc, char *argv[])
{
	char *tools, *path, *name;
	struct imgp_err e;

	while (imgp_opt(&tool, argc, argv) != -1)
		;
	argv += optind;
	if (optind == argc)
		imgp_usage(&tool, "a command is wanted");
	tools = imgp_program_tools();
	name = argv[0];
	if (strcmp(name, "help") == 0)
		help(tools, argv[1] == NULL ? "imgpipe" : argv[1]);
	path = imgp_asprintf("%s/imgp-%s", tools, name);
	argv[0] = path;
	if (strchr(name, '/') == NULL) {
		execv(path, argv);
		if (errno != ENOENT) {
			imgp_fail_errno(&e, IMGP_E_CONFIG, "%s", path);
			imgp_die(&e);
		}
	}
	imgp_usage(&tool, "%s is no command", name);
}
