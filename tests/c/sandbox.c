/* PKGS: libcjson */
/*
 * A parser child that was taken over and tries to get out, for tests/sandbox.t.
 *
 * sandbox DIR OUTSIDE: one process for each attempt, begun as imgp-stamp begins one
 * (base/worker.h, base/sandbox.h) with DIR for scratch; OUTSIDE is a file that may
 * not even be looked at.  A line for each: "refused", "killed" or "THROUGH".
 */
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/base/worker.h"

static const char *outside;
static char *secret;			/* where the environment had it */
static pid_t parent;
static int scratch, answer, next_stage, database;

/* Each returns 0 when it got through. */
#define CALL(...)	(syscall(__VA_ARGS__) == -1)

/* files by their names */
static int a_read(void) { return open(outside, O_RDONLY) < 0; }
static int a_write(void) { return open(outside, O_WRONLY) < 0; }
static int a_path(void) { return open(outside, O_PATH) < 0; }
static int a_passwd(void) { return open("/etc/passwd", O_RDONLY) < 0; }
static int a_proc(void) { return open("/proc/self/mem", O_RDWR) < 0; }
static int a_environ(void) { return open("/proc/self/environ", O_RDONLY) < 0; }
static int a_fds(void) { return open("/proc/self/fd", O_RDONLY) < 0; }
static int a_list(void) { return open("/", O_RDONLY | O_DIRECTORY) < 0; }
static int a_dotdot(void) { return openat(scratch, "../outside", O_RDONLY) < 0; }
static int a_symlink(void) { return openat(scratch, "link", O_RDONLY) < 0; }
static int a_inside(void) { return openat(scratch, "inside", O_RDONLY) < 0; }
static int a_create(void)
{
	return openat(scratch, "new", O_CREAT | O_RDWR | O_EXCL, 0600) < 0;
}
static int a_tmp_path(void)	/* the kernel would drop O_TMPFILE beside it */
{
	return openat(scratch, "..", IMGP_SCRATCH_FLAGS | O_PATH, 0) < 0;
}
static int a_tmp_elsewhere(void)
{
	return open("/", IMGP_SCRATCH_FLAGS, 0600) < 0;
}
static int a_link_tmp(void)
{
	int fd = openat(scratch, ".", IMGP_SCRATCH_FLAGS, 0600);

	return linkat(fd, "", scratch, "named", AT_EMPTY_PATH);
}
static int a_openat2(void)
{
	unsigned long long how[3] = { O_RDONLY, 0, 0 };

	return CALL(SYS_openat2, AT_FDCWD, outside, how, sizeof how);
}
static int a_stat(void) { struct stat st; return stat(outside, &st); }
static int a_lstat(void) { struct stat st; return lstat(outside, &st); }
static int a_statx(void)
{
	char st[256];

	return CALL(SYS_statx, AT_FDCWD, outside, 0, 0x7ff, st);
}
static int a_fstatat(void)	/* with what fstat(3) asks by in some C libraries */
{
	struct stat st;

	return fstatat(AT_FDCWD, outside, &st, AT_EMPTY_PATH);
}
static int a_access(void) { return access(outside, F_OK); }
static int a_readlink(void)
{
	char b[256];

	return readlinkat(scratch, "link", b, sizeof b) == -1;
}
static int a_getdents(void)
{
	char b[4096];

	return CALL(SYS_getdents64, scratch, b, sizeof b);
}
static int a_chdir(void) { return chdir("/"); }
static int a_unlink(void) { return unlink(outside); }
static int a_unlink_inside(void) { return unlinkat(scratch, "inside", 0); }
static int a_rename(void) { return renameat(AT_FDCWD, outside, scratch, "x"); }
static int a_link(void) { return linkat(AT_FDCWD, outside, scratch, "x", 0); }
static int a_symlink_new(void) { return symlinkat("/etc", scratch, "x"); }
static int a_mkdir(void) { return mkdirat(scratch, "d", 0700); }
static int a_mknod(void) { return mknodat(scratch, "p", S_IFIFO | 0600, 0); }
static int a_chmod(void) { return chmod(outside, 0777); }
static int a_truncate(void) { return truncate(outside, 0); }

/* descriptors that the parent has */
static int a_next_stage(void) { return write(next_stage, "{}\n", 3) != 3; }
static int a_database(void) { return write(database, "Q", 1) != 1; }
static int a_stdout(void)	/* it leads nowhere */
{
	struct pollfd p = { next_stage, POLLIN, 0 };

	return write(STDOUT_FILENO, "{}\n", 3) == 3 || p.fd != next_stage;
}
static int a_stdin(void) { char c; return pread(STDIN_FILENO, &c, 1, 0) != 1; }
static int a_any(void)
{
	int fd;

	for (fd = 3; fd < 1024; fd++)
		if (fd != answer && fd != scratch &&
		    (write(fd, "x", 1) == 1 || lseek(fd, 0, SEEK_CUR) != -1))
			return 0;
	return 1;
}
static int a_dup(void) { return dup(answer) < 0; }
static int a_setown(void) { return fcntl(answer, F_SETOWN, parent); }
static int a_setsig(void) { return fcntl(answer, F_SETSIG, SIGKILL); }
static int a_async(void)
{
	return fcntl(answer, F_SETFL, O_WRONLY | O_ASYNC);
}
static int a_lease(void) { return fcntl(scratch, F_NOTIFY, 1); }
static int a_ioctl(void) { int on = 1; return ioctl(answer, FIOASYNC, &on); }
static int a_sendfile(void)
{
	return sendfile(answer, scratch, NULL, 1) == -1;
}

/* secrets */
static int a_getenv(void)
{
	return getenv("AWS_SECRET_ACCESS_KEY") == NULL;
}
static int a_memory(void) { return strstr(secret, "wJalr") == NULL; }
static int a_setting(void)
{
	return strcmp(imgp_conf(NULL, "database") == NULL ? "" :
	    imgp_conf(NULL, "database"), "postgresql://x:y@z/") != 0;
}

/* the network */
static int a_tcp(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0; }
static int a_udp(void) { return socket(AF_INET6, SOCK_DGRAM, 0) < 0; }
static int a_unix(void) { return socket(AF_UNIX, SOCK_STREAM, 0) < 0; }
static int a_pair(void)
{
	int s[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, s);
}

/* programs, processes, signals */
static int a_exec(void) { return execl("/bin/true", "true", (char *)NULL); }
static int a_execveat(void)
{
	char *const v[] = { NULL };

	return CALL(SYS_execveat, 1, "", v, v, 0x1000);
}
static int a_fork(void) { return fork() < 0; }
static int a_clone(void) { return CALL(SYS_clone, SIGCHLD, 0, 0, 0, 0); }
static int a_clone_ns(void)
{
	return CALL(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM |
	    CLONE_NEWUSER, 0, 0, 0, 0);
}
static int a_clone3(void)
{
	unsigned long long args[11] = { 0 };

	args[4] = SIGCHLD;
	return CALL(SYS_clone3, args, sizeof args);
}
static int a_ptrace(void) { return (int)ptrace(PTRACE_ATTACH, parent, 0, 0); }
static int a_kill(void) { return kill(parent, SIGCONT); }
static int a_tkill(void) { return CALL(SYS_tkill, parent, SIGCONT); }
static int a_tgkill(void) { return CALL(SYS_tgkill, parent, parent, SIGCONT); }
static int a_queue(void)
{
	union sigval v = { 0 };

	return sigqueue(parent, SIGCONT, v);
}
static int a_timer(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
	    .sigev_signo = SIGCONT };
	timer_t t;

	return timer_create(CLOCK_MONOTONIC, &ev, &t);
}
static int a_itimer(void)
{
	struct itimerval t = { { 0, 0 }, { 10, 0 } };

	return setitimer(ITIMER_REAL, &t, NULL);
}
static int a_nice(void) { return setpriority(PRIO_PROCESS, (id_t)parent, 19); }
static int a_vm_read(void)
{
	return CALL(SYS_process_vm_readv, parent, 0, 0, 0, 0, 0);
}
static int a_pidfd(void) { return CALL(SYS_pidfd_open, parent, 0); }

/* memory and the kernel */
static int a_memfd(void) { return CALL(SYS_memfd_create, "x", 0); }
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
static int a_shm(void) { return shmget(IPC_PRIVATE, 4096, 0600) < 0; }
static int a_msg(void) { return msgget(IPC_PRIVATE, 0600) < 0; }
static int a_uring(void) { return CALL(SYS_io_uring_setup, 1, NULL); }
static int a_userfaultfd(void) { return CALL(SYS_userfaultfd, 0); }
static int a_inotify(void) { return inotify_init1(0) < 0; }
static int a_keyctl(void) { return CALL(SYS_keyctl, 0, -3, 0, 0, 0); }
static int a_bpf(void) { return CALL(SYS_bpf, 0, NULL, 0); }
static int a_rlimit(void)
{
	struct rlimit r = { 1 << 20, 1 << 20 };

	return setrlimit(RLIMIT_CORE, &r);
}
static int a_unshare(void) { return unshare(CLONE_NEWUSER); }
static int a_mount(void) { return CALL(SYS_mount, 0, 0, 0, 0, 0); }
static int a_prctl(void) { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
static int a_setuid(void) { return setuid(getuid()); }
static int a_uname(void) { char b[1024]; return CALL(SYS_uname, b); }

/*
 * Calls that no parser has a use for, by their numbers alone: whatever the
 * arguments, the filter says no before the kernel looks at them.  EACCES is its
 * word and Landlock's; another errno means that the call was made.
 */
static const struct number {
	const char	*name;
	long		 nr, a, b, c;
} numbers[] = {
	{ "by number: sendmsg", SYS_sendmsg, -1, 0, 0 },
	{ "by number: recvmsg", SYS_recvmsg, -1, 0, 0 },
	{ "by number: setsockopt", SYS_setsockopt, -1, 0, 0 },
	{ "by number: splice", SYS_splice, -1, 0, 0 },
	{ "by number: vmsplice", SYS_vmsplice, -1, 0, 0 },
	{ "by number: tee", SYS_tee, -1, 0, 0 },
	{ "by number: dup3", SYS_dup3, -1, 0, 0 },
	{ "by number: pipe2", SYS_pipe2, 0, 0, 0 },
	{ "by number: pwrite64", SYS_pwrite64, -1, 0, 0 },
	{ "by number: writev", SYS_writev, -1, 0, 0 },
	{ "by number: pwritev2", SYS_pwritev2, -1, 0, 0 },
	{ "by number: preadv", SYS_preadv, -1, 0, 0 },
	{ "by number: fallocate", SYS_fallocate, -1, 0, 0 },
	{ "by number: fchmod", SYS_fchmod, -1, 0, 0 },
	{ "by number: fchown", SYS_fchown, -1, 0, 0 },
	{ "by number: fsetxattr", SYS_fsetxattr, -1, 0, 0 },
	{ "by number: utimensat", SYS_utimensat, -1, 0, 0 },
	{ "by number: flock", SYS_flock, -1, 0, 0 },
	{ "by number: fchdir", SYS_fchdir, -1, 0, 0 },
	{ "by number: ioctl TIOCSTI", SYS_ioctl, 0, TIOCSTI, 0 },
	{ "by number: ioctl TIOCSCTTY", SYS_ioctl, 0, TIOCSCTTY, 0 },
	{ "by number: F_DUPFD", SYS_fcntl, 1, F_DUPFD, 0 },
	{ "by number: F_GETLK", SYS_fcntl, -1, F_GETLK, 0 },
	{ "by number: F_ADD_SEALS", SYS_fcntl, -1, 1033, 0 },
	{ "by number: F_SETPIPE_SZ", SYS_fcntl, -1, 1031, 0 },
	{ "by number: process_vm_writev", SYS_process_vm_writev, 0, 0, 0 },
	{ "by number: pidfd_send_signal", 424, -1, 0, 0 },
	{ "by number: pidfd_getfd", 438, -1, 0, 0 },
	{ "by number: process_madvise", 440, -1, 0, 0 },
	{ "by number: io_uring_enter", 426, -1, 0, 0 },
	{ "by number: io_uring_register", 427, -1, 0, 0 },
	{ "by number: memfd_secret", 447, 0, 0, 0 },
	{ "by number: landlock_create_ruleset", 444, 0, 0, 1 },
	{ "by number: seccomp", SYS_seccomp, 2, 0, 0 },
	{ "by number: prlimit64", SYS_prlimit64, 0, RLIMIT_CORE, 0 },
	{ "by number: setsid", SYS_setsid, 0, 0, 0 },
	{ "by number: setpgid", SYS_setpgid, 0, 0, 0 },
	{ "by number: sched_setaffinity", SYS_sched_setaffinity, 0, 0, 0 },
	{ "by number: sched_setscheduler", SYS_sched_setscheduler, 0, 0, 0 },
	{ "by number: ioprio_set", SYS_ioprio_set, 1, 0, 0 },
	{ "by number: rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, 0, 0, 0 },
	{ "by number: sigaltstack", SYS_sigaltstack, 0, 0, 0 },
	{ "by number: signalfd4", SYS_signalfd4, -1, 0, 0 },
	{ "by number: timerfd_create", SYS_timerfd_create, 1, 0, 0 },
	{ "by number: eventfd2", SYS_eventfd2, 0, 0, 0 },
	{ "by number: epoll_create1", SYS_epoll_create1, 0, 0, 0 },
	{ "by number: fanotify_init", SYS_fanotify_init, 0, 0, 0 },
	{ "by number: mq_open", SYS_mq_open, 0, 0, 0 },
	{ "by number: semget", SYS_semget, 0, 1, 0 },
	{ "by number: shmat", SYS_shmat, 0, 0, 0 },
	{ "by number: pkey_mprotect", SYS_pkey_mprotect, 0, 4096, PROT_EXEC },
	{ "by number: remap_file_pages", SYS_remap_file_pages, 0, 0, 0 },
	{ "by number: personality", SYS_personality, 0xffffffff, 0, 0 },
	{ "by number: open_by_handle_at", SYS_open_by_handle_at, -1, 0, 0 },
	{ "by number: name_to_handle_at", SYS_name_to_handle_at, -1, 0, 0 },
	{ "by number: open_tree", 428, -1, 0, 0 },
	{ "by number: fsopen", 430, 0, 0, 0 },
	{ "by number: setns", SYS_setns, -1, 0, 0 },
	{ "by number: chroot", SYS_chroot, 0, 0, 0 },
	{ "by number: capset", SYS_capset, 0, 0, 0 },
	{ "by number: kcmp", SYS_kcmp, 0, 0, 0 },
	{ "by number: syslog", SYS_syslog, 10, 0, 0 },
	{ "by number: acct", SYS_acct, 0, 0, 0 },
	{ "by number: kexec_load", SYS_kexec_load, 0, 0, 0 },
	{ "by number: sethostname", SYS_sethostname, 0, 0, 0 },
	{ "by number: clock_settime", SYS_clock_settime, 99, 0, 0 },
	{ "by number: mlockall", SYS_mlockall, 0, 0, 0 },
	{ "by number: perf_event_open", SYS_perf_event_open, 0, 0, 0 },
	{ "by number: none there is", 4095, 0, 0, 0 },
#if defined __x86_64__
	{ "x32: openat", 0x40000000 | SYS_openat, AT_FDCWD, 0, 0 },
	{ "x32: write", 0x40000000 | SYS_write, 1, 0, 0 },
	{ "x32: execve", 0x40000000 | 520, 0, 0, 0 },
	{ "by number: modify_ldt", SYS_modify_ldt, 0, 0, 0 },
	{ "by number: iopl", SYS_iopl, 3, 0, 0 },
	{ "by number: open", SYS_open, 0, 0, 0 },
	{ "by number: creat", SYS_creat, 0, 0, 0 },
	{ "by number: dup2", SYS_dup2, -1, 0, 0 },
#endif
};
static const struct number *number;

static int
a_number(void)
{
	return CALL(number->nr, number->a, number->b, number->c, 0, 0) &&
	    errno == EACCES;
}

#if defined __x86_64__
static int a_i386(void)		/* its getpid(2) */
{
	int r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory", "cc");
	return r < 0;
}
#endif

/* What honest work needs: 0 when all of it is allowed. */
static int
work_goes_on(void)
{
	int fd = openat(scratch, ".", IMGP_SCRATCH_FLAGS, 0600);
	char b[4], *p = malloc(1 << 20);

	if (fd == -1 || p == NULL || write(fd, "abcd", 4) != 4 ||
	    pread(fd, b, 4, 0) != 4 || lseek(fd, 0, SEEK_END) != 4 ||
	    close(fd) != 0)
		return 1;
	free(p);
	return 0;
}

struct attempt {
	const char	*name;
	int		(*fn)(void);
};
static const struct attempt attempts[] = {
	{ "read a file outside", a_read }, { "write it", a_write },
	{ "have its path", a_path }, { "read /etc/passwd", a_passwd },
	{ "open own memory", a_proc }, { "open own environment", a_environ },
	{ "list own descriptors", a_fds }, { "list /", a_list },
	{ "leave by ..", a_dotdot }, { "leave by a symlink", a_symlink },
	{ "read a file inside", a_inside }, { "make a file", a_create },
	{ "a path as an unnamed file", a_tmp_path },
	{ "an unnamed file elsewhere", a_tmp_elsewhere },
	{ "name an unnamed file", a_link_tmp }, { "openat2", a_openat2 },
	{ "stat outside", a_stat }, { "lstat outside", a_lstat },
	{ "statx outside", a_statx }, { "fstatat outside", a_fstatat },
	{ "access outside", a_access }, { "read a link", a_readlink },
	{ "list the directory", a_getdents }, { "chdir", a_chdir },
	{ "unlink outside", a_unlink }, { "unlink inside", a_unlink_inside },
	{ "rename inwards", a_rename }, { "hard link inwards", a_link },
	{ "make a symlink", a_symlink_new }, { "make a directory", a_mkdir },
	{ "make a pipe", a_mknod }, { "chmod outside", a_chmod },
	{ "truncate outside", a_truncate },
	{ "write to the next stage", a_next_stage },
	{ "write to the database", a_database },
	{ "standard output goes somewhere", a_stdout },
	{ "read standard input", a_stdin }, { "any other descriptor", a_any },
	{ "dup", a_dup }, { "F_SETOWN", a_setown }, { "F_SETSIG", a_setsig },
	{ "O_ASYNC", a_async }, { "F_NOTIFY", a_lease },
	{ "FIOASYNC", a_ioctl }, { "sendfile", a_sendfile },
	{ "the environment", a_getenv },
	{ "the environment's memory", a_memory },
	{ "a setting that it does not need", a_setting },
	{ "TCP socket", a_tcp }, { "UDP socket", a_udp },
	{ "Unix socket", a_unix }, { "socketpair", a_pair },
	{ "exec", a_exec }, { "execveat", a_execveat }, { "fork", a_fork },
	{ "clone", a_clone }, { "clone into a namespace", a_clone_ns },
	{ "clone3", a_clone3 }, { "ptrace", a_ptrace }, { "kill", a_kill },
	{ "tkill", a_tkill }, { "tgkill", a_tgkill }, { "sigqueue", a_queue },
	{ "a timer that signals", a_timer }, { "setitimer", a_itimer },
	{ "setpriority", a_nice }, { "read another's memory", a_vm_read },
	{ "pidfd", a_pidfd },
	{ "memfd", a_memfd }, { "executable memory", a_mmap_exec },
	{ "memory made executable", a_mprotect_exec },
	{ "shared memory", a_shm }, { "a message queue", a_msg },
	{ "io_uring", a_uring }, { "userfaultfd", a_userfaultfd },
	{ "inotify", a_inotify }, { "keyctl", a_keyctl }, { "bpf", a_bpf },
	{ "raise a limit", a_rlimit }, { "unshare", a_unshare },
	{ "mount", a_mount }, { "prctl", a_prctl }, { "setuid", a_setuid },
	{ "uname", a_uname },
#if defined __x86_64__
	{ "i386's numbers", a_i386 },
#endif
};

static int
in_worker(int fd, void *arg)
{
	const struct attempt *a = arg;
	const struct imgp_rights r = { .writes = 1, .scratch = scratch,
	    .threads = 1, .cpu_seconds = 10 };
	struct imgp_err e;

	answer = fd;
	if (imgp_sandbox(&r, &e) == -1)
		return 2;
	return a->fn() == 0 ? 3 : 0;
}

static void
attempt(const struct attempt *a)
{
	struct imgp_work w = { .work = in_worker, .arg = (void *)(size_t)a,
	    .also = 3, .keep = { scratch }, .nkeep = 1, .reader = -1,
	    .died = IMGP_E_JOB_DIED };
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_worker c;
	struct imgp_err e;
	int rc;

	if (imgp_worker_start(&c, &w, &e) == -1)
		exit(2);
	imgp_worker_read(&c, &b);
	rc = imgp_worker_end(&c, &e);
	imgp_buf_release(&b);
	if (rc == -1)
		printf("%s %s\n", strstr(e.msg, "signal") != NULL ? "killed" :
		    "NO-SANDBOX", a->name);
	else
		printf("%s %s\n", rc == 0 ? "refused" : "THROUGH", a->name);
}

static int
get_out(const char *dir)
{
	static const char *const needed[] = { "spool", NULL };
	const struct attempt honest = { "work", work_goes_on };
	int s[2], p[2];
	size_t i;

	parent = getpid();
	scratch = open(dir, O_RDONLY | O_DIRECTORY);
	if (scratch == -1 || pipe(p) == -1 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, s) == -1)
		return 2;
	next_stage = p[1];
	database = s[1];
	if ((secret = getenv("AWS_SECRET_ACCESS_KEY")) == NULL)
		return 2;
	imgp_conf_keep(needed);
	for (i = 0; i < sizeof attempts / sizeof *attempts; i++)
		attempt(&attempts[i]);
	for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		number = &numbers[i];
		attempt(&(struct attempt){ number->name, a_number });
	}
	attempt(&honest);
	return 0;
}

int
main(int argc, char *argv[])
{
	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc != 3)
		return 2;
	outside = argv[2];
	return get_out(argv[1]);
}
