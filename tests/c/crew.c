/*
 * Whether a crew still waits for one of its own, and what those start with (crew.h).
 */
/* PKGS: libcjson */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libimgpipe/base/crew.h"

#include "tests/c/tap.h"

static struct imgp_crew_member
member(int asked, pid_t pid, int ready, int status)
{
	return (struct imgp_crew_member){ .asked = asked, .started = pid,
	    .pid = status == -1 ? pid : 0, .ready = ready, .status = status };
}

static void
say(const struct imgp_err *e)
{
	ok(0, "a program starts: %s", e->msg);
}

/* Does the environment of the program at ${path}, which is env(1), have ${word}? */
static int
starts_with(const char *path, const char *word)
{
	char **argv = calloc(2, sizeof *argv), text[65536];
	struct imgp_crew c = IMGP_CREW_INIT;
	size_t len = 0;
	ssize_t n;
	int out[2];

	if (argv == NULL || (argv[0] = strdup(path)) == NULL ||
	    pipe2(out, O_CLOEXEC) == -1 || imgp_crew_add(&c, argv) == -1)
		abort();
	imgp_crew_start(&c, open("/dev/null", O_RDONLY | O_CLOEXEC), out[1], -1, 0, say);
	while ((n = read(out[0], text + len, sizeof text - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(out[0]);
	waitpid(c.member[0].started, NULL, 0);
	return strstr(text, word) != NULL;
}

static void
binding(void)
{
	char dir[] = "/tmp/imgp-crew.XXXXXX", ours[64];

	unsetenv("LD_BIND_NOW");
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(ours, sizeof ours, "%s/imgp-env", dir);
	if (symlink("/usr/bin/env", ours) == -1)
		abort();
	ok(starts_with(ours, "LD_BIND_NOW=1"), "ours binds its symbols at its start, "
	    "for all processes that it forks");
	ok(starts_with("/usr/bin/env", "PATH=") &&
	    !starts_with("/usr/bin/env", "LD_BIND_NOW"), "the site's as it likes");
	unlink(ours);
	rmdir(dir);
}

int
main(void)
{
	struct imgp_crew c = IMGP_CREW_INIT;

	c.n = 4;
	c.member[0] = (struct imgp_crew_member){ .status = -1 };
	c.member[1] = member(1, 11, 0, -1);
	c.member[2] = member(1, 12, 0, -1);
	c.member[3] = member(0, 13, 0, -1);
	ok(imgp_crew_awaits(&c), "two that were asked and said nothing");
	imgp_crew_ready(&c, 12);
	ok(imgp_crew_awaits(&c), "one of them is ready");
	/* The first died: the second reads the end of its input and ends, too, and
	 * is waited for before it. */
	c.member[2] = member(1, 12, 1, 0);
	ok(imgp_crew_awaits(&c), "it ended after that: the other is still awaited");
	imgp_crew_ready(&c, 99);
	ok(imgp_crew_awaits(&c), "a stranger's word changes nothing");
	c.member[1] = member(1, 11, 0, 2);
	ok(!imgp_crew_awaits(&c), "the other was waited for");
	c.member[1] = member(1, 11, 0, -1);
	imgp_crew_ready(&c, 11);
	ok(!imgp_crew_awaits(&c), "or is ready");
	c.member[3] = member(0, 13, 0, 1);
	ok(!imgp_crew_awaits(&c), "who was not asked is not awaited");
	binding();
	return done_testing();
}
