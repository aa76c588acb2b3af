/* PKGS: libcjson libseccomp */
/*
 * Attempts to get out of the sandbox, one child each, for tests/sandbox.t.
 * `sandbox DIR OUTSIDE`: DIR may be written, OUTSIDE is a file that may not even
 * be read.  Prints a line per attempt: "refused", "killed" or "THROUGH".
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/sandbox.h"

static const char *dir, *outside;
static pid_t parent;

/* Each returns 0 when it got through. */
static int a_read(void) { return open(outside, O_RDONLY) < 0; }
static int a_write(void) { return open(outside, O_WRONLY) < 0; }
static int a_passwd(void) { return open("/etc/passwd", O_RDONLY) < 0; }
static int a_proc(void) { return open("/proc/self/mem", O_RDWR) < 0; }
static int a_list(void) { return open("/", O_RDONLY | O_DIRECTORY) < 0; }
static int a_dotdot(void)
{
	char p[4096];

	snprintf(p, sizeof p, "%s/../outside", dir);
	return open(p, O_RDONLY) < 0;
}
static int a_symlink(void)
{
	char p[4096];

	snprintf(p, sizeof p, "%s/link", dir);
	return open(p, O_RDONLY) < 0;
}
static int a_unlink(void) { return unlink(outside); }
static int a_rename(void)
{
	char p[4096];

	snprintf(p, sizeof p, "%s/inside", dir);
	return rename(outside, p);
}
static int a_link(void)
{
	char p[4096];

	snprintf(p, sizeof p, "%s/hard", dir);
	return link(outside, p);
}
static int a_tcp(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0; }
static int a_udp(void) { return socket(AF_INET6, SOCK_DGRAM, 0) < 0; }
static int a_unix(void) { return socket(AF_UNIX, SOCK_STREAM, 0) < 0; }
static int a_pair(void)
{
	int s[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, s);
}
static int a_exec(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}
static int a_execveat(void)
{
	char *const v[] = { NULL };

	return (int)syscall(SYS_execveat, 1, "", v, v, 0x1000);
}
static int a_fork(void) { return (int)syscall(SYS_fork) < 0; }
static int a_clone(void)
{
	return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0;
}
static int a_clone3(void)
{
	unsigned long long args[11] = { 0 };

	args[4] = SIGCHLD;
	return (int)syscall(SYS_clone3, args, sizeof args) < 0;
}
static int a_ptrace(void) { return (int)ptrace(PTRACE_ATTACH, parent, 0, 0); }
static int a_kill(void) { return kill(parent, SIGCONT); }
static int a_tgkill(void)
{
	return (int)syscall(SYS_tgkill, parent, parent, SIGCONT);
}
static int a_memfd(void) { return (int)syscall(SYS_memfd_create, "x", 0) < 0; }
static int a_mmap_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}
static int a_mprotect_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}
static int a_uring(void) { return (int)syscall(425, 1, NULL) < 0; }
static int a_userfaultfd(void) { return (int)syscall(SYS_userfaultfd, 0) < 0; }
static int a_openat2(void)
{
	unsigned long long how[3] = { O_RDONLY, 0, 0 };

	return (int)syscall(SYS_openat2, AT_FDCWD, outside, how, sizeof how) < 0;
}
static int a_rlimit(void)
{
	struct rlimit r = { 1 << 20, 1 << 20 };

	return setrlimit(RLIMIT_CORE, &r);
}
static int a_unshare(void) { return unshare(CLONE_NEWUSER); }
static int a_mount(void) { return (int)syscall(SYS_mount, 0, 0, 0, 0, 0); }
static int a_prctl(void) { return prctl(PR_SET_DUMPABLE, 1); }
static int a_vm_read(void)
{
	return (int)syscall(SYS_process_vm_readv, parent, 0, 0, 0, 0, 0) < 0;
}
static int a_chmod(void) { return (int)syscall(SYS_chmod, outside, 0777); }

/* What honest work needs: 0 when all of it is allowed. */
static int
work(void)
{
	char p[4096], q[4096], b[4];
	int fd;

	snprintf(p, sizeof p, "%s/a", dir);
	snprintf(q, sizeof q, "%s/b", dir);
	if ((fd = open(p, O_CREAT | O_RDWR | O_EXCL, 0600)) == -1 ||
	    write(fd, "abcd", 4) != 4 || fsync(fd) != 0 ||
	    pread(fd, b, 4, 0) != 4 || ftruncate(fd, 2) != 0 ||
	    close(fd) != 0 || rename(p, q) != 0 || unlink(q) != 0)
		return 1;
	return 0;
}

static const struct {
	const char	*name;
	int		(*fn)(void);
} attempts[] = {
	{ "read a file outside", a_read }, { "write it", a_write },
	{ "read /etc/passwd", a_passwd }, { "open own memory", a_proc },
	{ "list /", a_list }, { "leave by ..", a_dotdot },
	{ "leave by a symlink", a_symlink }, { "unlink outside", a_unlink },
	{ "rename inwards", a_rename }, { "hard link inwards", a_link },
	{ "chmod outside", a_chmod },
	{ "TCP socket", a_tcp }, { "UDP socket", a_udp },
	{ "Unix socket", a_unix }, { "socketpair", a_pair },
	{ "exec", a_exec }, { "execveat", a_execveat }, { "fork", a_fork },
	{ "clone", a_clone }, { "clone3", a_clone3 }, { "ptrace", a_ptrace },
	{ "kill", a_kill }, { "tgkill another", a_tgkill },
	{ "memfd", a_memfd }, { "executable memory", a_mmap_exec },
	{ "memory made executable", a_mprotect_exec }, { "io_uring", a_uring },
	{ "userfaultfd", a_userfaultfd }, { "openat2", a_openat2 },
	{ "raise a limit", a_rlimit }, { "unshare", a_unshare },
	{ "mount", a_mount }, { "prctl", a_prctl },
	{ "read another's memory", a_vm_read },
};

static void
attempt(const char *name, int (*fn)(void))
{
	struct imgp_rights r = { NULL, dir, 10, 0 };
	struct imgp_err e;
	pid_t pid;
	int st;

	fflush(stdout);
	if ((pid = fork()) == 0) {
		if (imgp_sandbox(&r, &e) == -1)
			_exit(2);
		_exit(fn() == 0 ? 0 : 1);
	}
	waitpid(pid, &st, 0);
	if (WIFSIGNALED(st))
		printf("killed %s\n", name);
	else
		printf("%s %s\n", WEXITSTATUS(st) == 1 ? "refused" :
		    WEXITSTATUS(st) == 2 ? "NO-SANDBOX" : "THROUGH", name);
}

int
main(int argc, char *argv[])
{
	size_t i;

	if (argc != 3)
		return 2;
	dir = argv[1];
	outside = argv[2];
	parent = getpid();
	for (i = 0; i < sizeof attempts / sizeof *attempts; i++)
		attempt(attempts[i].name, attempts[i].fn);
	attempt("work", work);
	return 0;
}
