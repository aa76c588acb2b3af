/*
 * Whether a crew still waits for one of its own (crew.h).
 */
/* PKGS: libcjson */
#include "libimgpipe/base/crew.h"

#include "tests/c/tap.h"

static struct imgp_crew_member
member(int asked, pid_t pid, int ready, int status)
{
	return (struct imgp_crew_member){ .asked = asked, .started = pid,
	    .pid = status == -1 ? pid : 0, .ready = ready, .status = status };
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
	return done_testing();
}
