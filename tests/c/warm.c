/*
 * Programs that start as copies of one process (warm.h).  Called with "serve" this is
 * that process.
 */
/* PKGS: libcjson */
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/ready.h"
#include "libimgpipe/base/warm.h"
#include "tests/c/tap.h"

/* Says who it is, and what it was given. */
static int
tell(int argc, char *argv[])
{
	struct sigaction term, usr1;
	char line[64] = "", word[16] = "";
	FILE *f = fopen("/proc/self/comm", "r");

	if (f == NULL || fgets(word, sizeof word, f) == NULL)
		return 9;
	fclose(f);
	if (fgets(line, sizeof line, stdin) == NULL)
		return 8;
	sigaction(SIGTERM, NULL, &term);
	sigaction(SIGUSR1, NULL, &usr1);
	imgp_ready();
	printf("%d %s %s %d %d %s%s", argc, argv[1], getenv("WARM"),
	    term.sa_handler == SIG_DFL, usr1.sa_handler == SIG_DFL, line, word);
	return 7;
}

static int
await_end(int argc, char *argv[])
{
	(void)argv;
	while (pause() == -1)
		;
	return argc;
}

static const struct imgp_warm_program programs[] = {
	{ "imgp-tell-test", tell },
	{ "imgp-wait", await_end },
	{ NULL, NULL }
};

static char text[512];

/* What is written to ${fd} until its end. */
static const char *
all_of(int fd)
{
	size_t len = 0;
	ssize_t n;

	memset(text, 0, sizeof text);
	while (len < sizeof text - 1 &&
	    (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
		len += (size_t)n;
	return text;
}

static const char *
file(const char *format, int pid)
{
	char path[64];
	size_t i, len;
	int fd;

	snprintf(path, sizeof path, format, pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return "";
	all_of(fd);
	close(fd);
	for (len = sizeof text - 1; len > 0 && text[len - 1] == '\0'; len--)
		;
	for (i = 0; i < len; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	return text;
}

static void
a_copy(const struct imgp_warm *w)
{
	char *argv[] = { (char []){ "/nowhere/imgp-tell-test" }, (char []){ "word" }, NULL };
	int in[2], out[2], ready[2], status = 0;
	struct imgp_child c = { argv, -1, -1, -1, 1, 0 };
	struct imgp_err e;
	pid_t pid, said = 0;

	if (pipe2(in, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1 ||
	    pipe2(ready, O_CLOEXEC) == -1)
		abort();
	c.in = in[0];
	c.out = out[1];
	c.ready = ready[1];
	pid = imgp_warm_child(w, &c, &e);
	close(in[0]);
	close(out[1]);
	close(ready[1]);
	ok(pid > 0, "a copy starts");
	ok(write(in[1], "line\n", 5) == 5 && close(in[1]) == 0, "... with its input");
	is(all_of(out[0]), "2 word as-it-was 1 1 line\nimgp-tell-test\n",
	    "... its words, its environment, its signals and its name");
	ok(read(ready[0], &said, sizeof said) == (ssize_t)sizeof said && said == pid,
	    "... and says that it is ready");
	ok(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7,
	    "... it is our child, and its status is the program's");
	close(out[0]);
	close(ready[0]);
}

static pid_t
waiting(const struct imgp_warm *w)
{
	char *argv[] = { (char []){ "/nowhere/imgp-wait" }, (char []){ "for" },
	    (char []){ "ever" }, NULL };
	struct imgp_child c = { argv, STDIN_FILENO, STDOUT_FILENO, -1, 1, 0 };
	struct imgp_err e;

	return imgp_warm_child(w, &c, &e);
}

static void
refusals(const struct imgp_warm *w)
{
	char *argv[] = { (char []){ "/bin/true" }, NULL, NULL };
	char *many[300];
	struct imgp_child c = { argv, STDIN_FILENO, STDOUT_FILENO, -1, 0, 0 };
	struct imgp_err e;
	size_t i;

	ok(imgp_warm_child(w, &c, &e) == 0, "what is not among them starts otherwise");
	argv[0] = (char []){ "imgp-tell-test" };
	if ((argv[1] = calloc(1, 100000)) == NULL)
		abort();
	memset(argv[1], 'x', 99999);
	ok(imgp_warm_child(w, &c, &e) == 0, "... as do words of more than 64 KiB");
	free(argv[1]);
	for (i = 0; i + 1 < sizeof many / sizeof *many; i++)
		many[i] = argv[0];
	many[i] = NULL;
	c.argv = many;
	ok(imgp_warm_child(w, &c, &e) == 0, "... and more than 256 of them");
}

int
main(int argc, char *argv[])
{
	struct imgp_warm w = IMGP_WARM_INIT, none = IMGP_WARM_INIT;
	struct imgp_warm_call call;
	struct imgp_err e;
	int status = 0, i;
	pid_t pid;

	if (argc > 1 && strcmp(argv[1], "serve") == 0)
		switch (imgp_warm_serve(programs, argc, argv, &call, &e)) {
		case 0:		return 0;
		case 1:		return call.program->main(call.argc, call.argv);
		default:	return 1;
		}
	setenv("WARM", "as-it-was", 1);
	ok(waiting(&none) == 0, "without such a process all starts otherwise");
	imgp_warm_open(&w, "/proc/self/exe", "serve");
	a_copy(&w);
	refusals(&w);
	a_copy(&w);
	pid = waiting(&w);
	ok(kill(pid, SIGTERM) == 0 && waitpid(pid, &status, 0) == pid &&
	    WTERMSIG(status) == SIGTERM, "a signal at once is not lost");
	pid = waiting(&w);
	for (i = 0; i < 6000 && strcmp(file("/proc/%d/comm", pid), "imgp-wait\n") != 0; i++)
		usleep(10000);
	is(file("/proc/%d/cmdline", pid), "/nowhere/imgp-wait for ever",
	    "ps sees the words of a copy");
	kill(w.pid, SIGKILL);
	waitpid(w.pid, NULL, 0);
	ok(waiting(&w) == 0, "when that process was killed all starts otherwise");
	ok(kill(pid, 0) == 0, "... and its copies go on");
	kill(pid, SIGTERM);
	ok(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGTERM,
	    "... until they are told to end");
	imgp_warm_close(&w);
	w.seconds = 1;
	imgp_warm_open(&w, "/proc/self/exe", "serve");
	kill(waiting(&w), SIGKILL);
	kill(w.pid, SIGSTOP);
	ok(waiting(&w) == -1, "one that does not answer is an error");
	ok(waiting(&w) == 0, "... and killed: the next starts otherwise");
	imgp_warm_close(&w);
	imgp_warm_open(&w, "/proc/self/exe", "serve");
	pid = waiting(&w);
	kill(w.pid, SIGSTOP);
	imgp_warm_close(&w);
	ok(w.fd == -1 && pid > 0 && kill(pid, 0) == 0,
	    "it is closed, and its copies go on");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	imgp_warm_open(&w, "/nowhere/at-all", "serve");
	ok(w.fd == -1, "there is none where it cannot be started");
	return done_testing();
}
