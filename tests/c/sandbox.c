/* PKGS: libcjson zlib libisal libcrypto dcmtk */
/*
 * A parser child that was taken over, for tests/sandbox.t.
 *
 * `sandbox out DIR OUTSIDE`: attempts to get out, one process each, begun as
 * imgp-stamp begins one (base/worker.h, base/sandbox.h) with DIR for scratch;
 * OUTSIDE is a file that may not even be looked at.  `sandbox forge`: answers that
 * one of the processes of job/isolate.h must not give.  Each prints a line per
 * attempt: "refused", "killed" or "THROUGH".  `sandbox scan silent|empty`: imgp-dcmscan
 * whose process finds nothing and says no reason; the job's line.
 * `sandbox stamp silent|copy|empty <JOB`: imgp-stamp whose process says that there was
 * nothing to stamp, or that the work copy as it is, or nothing, is the stamped file.
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
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/isolate.h"
#include "libimgpipe/steps/scan_job.h"
#include "libimgpipe/steps/stamp_job.h"

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

/* --- forged lines ---------------------------------------------------------------- */

#define JOB	"\"v\":1,\"subject_event_crf_file_id\":7,\"job\":\"j\"," \
	"\"participant_code\":\"P7\",\"local\":\"file:///spool/7\"," \
	"\"destination\":\"file:///lab/7\",\"edc_pipeline_file\":" \
	"{\"id\":70,\"lease\":9,\"file_name\":\"f7\"},\"sha256\":{\"source\":\"s\"}," \
	"\"errors\":[{\"stage\":\"fetch\",\"error_code\":\"IMGP-STORE-IO\"," \
	"\"error\":\"x\",\"fatal\":false,\"retryable\":true}]," \
	"\"scans\":[{\"study_uid\":\"1.2\",\"series\":[{\"series_uid\":\"1.3\"," \
	"\"series_number\":1,\"number_of_instances\":1,\"atri_uid\":\"70.1\"}]}]"
#define SHA	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FIRST	"{\"stage\":\"fetch\",\"error_code\":\"IMGP-STORE-IO\"," \
	"\"error\":\"x\",\"fatal\":false,\"retryable\":true}"
#define ERRORS(code, text)	"{\"errors\":[" FIRST ",{\"stage\":\"stamp\"," \
	"\"error_code\":\"" code "\",\"error\":\"" text "\",\"fatal\":false}]}"
#define SERIES(uid, n)	"{\"scans\":[{\"study_uid\":\"1.2\",\"series\":" \
	"[{\"series_uid\":\"" uid "\",\"series_number\":1," \
	"\"number_of_instances\":" n "}]}]}"
#define LONG	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct forged {
	const char	*name, *stage, *line;
};
static const struct forged forged[] = {
	{ "another id", "stamp", "{\"subject_event_crf_file_id\":8}" },
	{ "another participant", "stamp", "{\"participant_code\":\"P8\"}" },
	{ "another work copy", "stamp", "{\"local\":\"file:///spool/8\"}" },
	{ "another destination", "stamp", "{\"destination\":\"file:///x\"}" },
	{ "another source", "stamp", "{\"source\":\"file:///x\"}" },
	{ "another place for the temporary", "stamp", "{\"temp\":\"s3://a/b\"}" },
	{ "another name of the job", "stamp", "{\"job\":\"k\"}" },
	{ "another pipeline", "stamp", "{\"pipeline_code\":\"q\"}" },
	{ "another run", "stamp", "{\"run\":\"r\"}" },
	{ "another row", "stamp",
	    "{\"edc_pipeline_file\":{\"id\":71,\"lease\":9,\"file_name\":\"f7\"}}" },
	{ "another lease", "stamp",
	    "{\"edc_pipeline_file\":{\"id\":70,\"lease\":10,\"file_name\":\"f7\"}}" },
	{ "another file name", "stamp",
	    "{\"edc_pipeline_file\":{\"id\":70,\"lease\":9,\"file_name\":\"f8\"}}" },
	{ "a member that nobody knows", "stamp", "{\"x\":1}" },
	{ "a skip", "stamp", "{\"skip\":\"IMGP-SKIP-DONE\"}" },
	{ "an ETag", "stamp", "{\"etag\":{\"source\":\"x\"}}" },
	{ "retries", "stamp", "{\"retries\":{\"fetch\":1}}" },
	{ "another participant, by the scan", "scan",
	    "{\"participant_code\":\"P8\"}" },
	{ "another work copy, by the scan", "scan", "{\"local\":\"file:///8\"}" },
	{ "ids, by the scan", "scan",
	    "{\"scans\":[{\"study_uid\":\"1.2\",\"series\":[{\"series_uid\":"
	    "\"1.3\",\"number_of_instances\":1,\"atri_uid\":\"80.1\"}]}]}" },
	{ "scans, by the stamp", "stamp", SERIES("1.9", "1") },
	{ "a sum, by the scan", "scan", "{\"sha256\":{\"local\":\"" SHA "\"}}" },
	{ "a size, by the scan", "scan", "{\"bytes\":{\"local\":1}}" },
	{ "a listing, by the stamp", "stamp", "{\"listing\":{\"dicom\":1}}" },
	{ "no instance", "scan", SERIES("1.3", "0") },
	{ "instances below none", "scan", SERIES("1.3", "-1") },
	{ "half an instance", "scan", SERIES("1.3", "1.5") },
	{ "instances as text", "scan", SERIES("1.3", "\"1\"") },
	{ "a UID of 128 characters", "scan", SERIES(LONG, "1") },
	{ "an empty UID", "scan", SERIES("", "1") },
	{ "a UID with a blank", "scan", SERIES("1 .3", "1") },
	{ "a UID with a control character", "scan", SERIES("1\\u001b[1m", "1") },
	{ "scans that are none", "scan", "{\"scans\":{}}" },
	{ "more instances than can be", "scan", SERIES("1.3", "4294967296") },
	{ "as many as a number holds", "scan",
	    SERIES("1.3", "9223372036854775807") },
	{ "more than that", "scan", SERIES("1.3", "9223372036854775808") },
	{ "instances with an exponent", "scan", SERIES("1.3", "1e3") },
	{ "minus no instances", "scan", SERIES("1.3", "-0") },
	{ "a sum that is too much", "scan", "{\"scans\":[{\"study_uid\":\"1.2\","
	    "\"series\":[{\"series_uid\":\"1.3\",\"number_of_instances\":"
	    "4294967295},{\"series_uid\":\"1.4\",\"number_of_instances\":1}]}]}" },
	{ "a series number that is no IS", "scan", "{\"scans\":[{\"study_uid\":"
	    "\"1.2\",\"series\":[{\"series_uid\":\"1.3\",\"series_number\":"
	    "2147483648,\"number_of_instances\":1}]}]}" },
	{ "a series number below all", "scan", "{\"scans\":[{\"study_uid\":"
	    "\"1.2\",\"series\":[{\"series_uid\":\"1.3\",\"series_number\":"
	    "-2147483649,\"number_of_instances\":1}]}]}" },
	{ "a series twice", "scan", "{\"scans\":[{\"study_uid\":\"1.2\","
	    "\"series\":[{\"series_uid\":\"1.3\",\"number_of_instances\":1},"
	    "{\"series_uid\":\"1.3\",\"number_of_instances\":1}]}]}" },
	{ "a UID that is not ASCII", "scan", SERIES("1.\\u0663", "1") },
	{ "a UID with NUL", "scan", SERIES("1.3\\u0000.4", "1") },
	{ "a UID with half a character", "scan", SERIES("1.\\ud800", "1") },
	{ "a UID of bytes that are not UTF-8", "scan", SERIES("1.\xff", "1") },
	{ "scans that are numbers", "scan", "{\"scans\":[1,2]}" },
	{ "scans in scans", "scan", "{\"scans\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
	    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}" },
	{ "a key twice within", "scan", "{\"scans\":[{\"study_uid\":\"1.2\","
	    "\"study_uid\":\"1.3\",\"series\":[]}]}" },
	{ "a key twice, once escaped", "scan",
	    "{\"listing\":{\"dicom\":1,\"dic\\u006fm\":2}}" },
	{ "a member twice, once escaped", "stamp",
	    "{\"job\":\"j\",\"j\\u006fb\":\"k\"}" },
	{ "a listing that is too much", "scan",
	    "{\"listing\":{\"dicom\":4294967296}}" },
	{ "a listing of a cell", "scan", "{\"listing\":{\"=1+1\":1}}" },
	{ "a listing of HTML", "scan", "{\"listing\":{\"<b>\":1}}" },
	{ "a listing of an archive's member", "scan",
	    "{\"listing\":{\"../x\":1}}" },
	{ "a text that turns round", "stamp",
	    ERRORS("IMGP-STAMP-VALUE", "a\\u202eb") },
	{ "a text with C1", "stamp", ERRORS("IMGP-STAMP-VALUE", "a\\u009bb") },
	{ "a text with a line separator", "stamp",
	    ERRORS("IMGP-STAMP-VALUE", "a\\u2028b") },
	{ "a sum in capitals", "stamp", "{\"sha256\":{\"local\":\"0123456789ABCDEF"
	    "0123456789abcdef0123456789abcdef0123456789abcdef\"}}" },
	{ "a size with a point", "stamp", "{\"bytes\":{\"local\":1.0}}" },
	{ "a size of nothing", "stamp", "{\"bytes\":{\"local\":null}}" },
	{ "a sum as a list", "stamp", "{\"sha256\":[\"" SHA "\"]}" },
	{ "stamped, it says", "stamp", "{\"stamped\":true}" },
	{ "it is well, by the stamp", "stamp", "{\"ok\":true}" },
	{ "another source of the sum, by the scan", "scan",
	    "{\"sha256\":{\"source\":\"x\"}}" },
	{ "a lease as text", "stamp", "{\"edc_pipeline_file\":{\"id\":70,"
	    "\"lease\":\"9\",\"file_name\":\"f7\"}}" },
	{ "an id with an exponent", "stamp",
	    "{\"subject_event_crf_file_id\":7e0}" },
	{ "a version that is not", "stamp", "{\"v\":2}" },
	{ "a byte order mark", "stamp", "\xef\xbb\xbf{}" },
	{ "a list", "stamp", "[{}]" },
	{ "something after it", "stamp", "{}{}" },
	{ "a listing with a negative count", "scan",
	    "{\"listing\":{\"dicom\":-1}}" },
	{ "a listing with text", "scan", "{\"listing\":{\"dicom\":\"x\"}}" },
	{ "a listing with a name", "scan", "{\"listing\":{\"Mr. Smith\":1}}" },
	{ "a listing that is none", "scan", "{\"listing\":[1]}" },
	{ "a code that nobody knows", "stamp", ERRORS("IMGP-NO-SUCH", "x") },
	{ "a reason to skip as an error", "stamp",
	    ERRORS("IMGP-SKIP-DONE", "x") },
	{ "a text that is not printable", "stamp",
	    ERRORS("IMGP-STAMP-VALUE", "\\u001b[1m") },
	{ "a text with a newline", "stamp",
	    ERRORS("IMGP-STAMP-VALUE", "a\\nb") },
	{ "a text that is too long", "stamp", ERRORS("IMGP-STAMP-VALUE",
	    LONG LONG LONG LONG) },
	{ "an error without a text", "stamp", "{\"errors\":[" FIRST ",{\"stage\":"
	    "\"stamp\",\"error_code\":\"IMGP-STAMP-VALUE\",\"fatal\":false}]}" },
	{ "an error of another stage", "stamp", "{\"errors\":[" FIRST ",{"
	    "\"stage\":\"deliver\",\"error_code\":\"IMGP-STORE-IO\",\"error\":"
	    "\"x\",\"fatal\":false}]}" },
	{ "errors taken away", "stamp", "{\"errors\":[]}" },
	{ "errors that are none", "stamp", "{\"errors\":{}}" },
	{ "a sum that is none", "stamp", "{\"sha256\":{\"local\":\"x\"}}" },
	{ "a sum that is a number", "stamp", "{\"sha256\":7}" },
	{ "a size below nothing", "stamp", "{\"bytes\":{\"local\":-1}}" },
	{ "a replaced value that is no id", "stamp",
	    "{\"replaced\":[\"Mr. Smith\"]}" },
	{ "a replaced value that is no text", "stamp", "{\"replaced\":[7]}" },
	{ "a second line", "stamp", "{}\n{\"participant_code\":\"P8\"}" },
	{ "a whole other line first", "stamp",
	    "{\"participant_code\":\"P8\"}\n{" JOB "}\n" },
	{ "a newline at its end", "stamp", "{}\n" },
	{ "no JSON", "stamp", "all is well" },
	{ "nothing", "stamp", "" },
	{ "half a line", "stamp", "{\"replaced\":[\"1.2\"]" },
	{ "a member twice", "stamp",
	    "{\"replaced\":[\"1.2\"],\"replaced\":[\"1.3\"]}" },
};

/* Long ones, made when they are needed: ${head}, ${part} a hundred thousand times,
 * ${tail}. */
#define MANY	100000
static const struct {
	const char	*name, *stage, *head, *part, *tail;
} longs[] = {
	{ "warnings without end", "stamp", "{\"warnings\":[", "{\"stage\":\"stamp\","
	    "\"error_code\":\"IMGP-STAMP-VALUE\",\"error\":\"x\"},", "0]}" },
	{ "depth without end", "stamp", "{\"replaced\":", "[", "" },
	{ "replaced values without end", "stamp", "{\"replaced\":[", "\"1\",",
	    "\"1\"]}" },
	{ "kinds without end", "scan", "{\"listing\":{", "\"%zu\":1,", "\"a\":1}}" },
	{ "series without end", "scan", "{\"scans\":[{\"study_uid\":\"1\","
	    "\"series\":[", "{\"series_uid\":\"1.%zu\",\"number_of_instances\":1},",
	    "{\"series_uid\":\"1\",\"number_of_instances\":1}]}]}" },
	{ "studies without end", "scan", "{\"scans\":[", "{\"study_uid\":\"1.%zu\","
	    "\"series\":[{\"series_uid\":\"1\",\"number_of_instances\":1}]},",
	    "{\"study_uid\":\"1\",\"series\":[]}]}" },
	{ "a line without end", "stamp", "{\"replaced\":[\"", LONG LONG LONG, "\"]}" },
};

static const struct forged *now;

static int
forge(struct imgp_job *job, void *arg)
{
	int fd;

	(void)job;
	(void)arg;
	for (fd = 3; fcntl(fd, F_GETFD) == -1; fd++)
		;
	if (imgp_write_all(fd, now->line, strlen(now->line)) == -1)
		return 1;
	_exit(0);
}

static void
taken(struct imgp_job *job, size_t before, int keep, const struct imgp_err *e,
    void *arg)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	(void)keep;
	(void)arg;
	imgp_job_print(job, &b);
	printf("%s %s\n", e != NULL && strcmp(e->code, IMGP_E_DICOM_CRASH) == 0 &&
	    strcmp(b.s, "{" JOB "}") == 0 && before == 1 ? "refused" : "THROUGH",
	    now->name);
	imgp_buf_release(&b);
	imgp_job_free(job);
}

static void
try_forged(const struct forged *f)
{
	const struct imgp_isolate_ops ops = { f->stage, 0, -1,
	    IMGP_E_DICOM_CRASH, forge, taken };
	struct imgp_isolate *s = imgp_isolate_new(&ops, NULL, 1);
	struct pollfd p[1];
	struct imgp_err e;
	int64_t wait = -1;

	now = f;
	imgp_isolate_put(s, imgp_job_parse("{" JOB "}", sizeof JOB + 1, &e));
	while (imgp_isolate_jobs(s) > 0) {
		poll(p, (nfds_t)imgp_isolate_poll(s, p, &wait), -1);
		imgp_isolate_turn(s, p);
	}
	imgp_isolate_free(s);
}

/* The scan says nothing, or that there is nothing. */
static int
say_nothing(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct imgp_json *none = imgp_json_new_array();

	(void)f;
	(void)e;
	if (*(const int *)arg)
		imgp_job_set(job, "scans", none);
	else
		imgp_json_free(none);
	return 0;
}

static int
upload_fd(const void *arg)
{
	(void)arg;
	return -1;
}

static int
scan_nothing(int empty)
{
	struct imgp_filter_ops ops = imgp_scan_ops(0);

	ops.step = say_nothing;
	ops.upload_fd = upload_fd;
	ops.confine = NULL;
	return imgp_filter_one(&ops, &empty, imgp_job_new());
}

enum lie { SILENT, COPY, EMPTY };
static enum lie lie;

static int
stamp_nothing(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct imgp_stamp_job *s = arg;
	char hex[65], buf[65536];
	int64_t bytes;
	ssize_t n;

	(void)f;
	if (lie == SILENT)
		return 0;
	while (lie == COPY && (n = read(s->work.fd, buf, sizeof buf)) > 0)
		if (write(s->to, buf, (size_t)n) != n)
			return -1;
	if (imgp_stamp_sum(s->to, hex, &bytes, e) == -1)
		return -1;
	imgp_job_set_sub_str(job, "sha256", "local", hex);
	imgp_job_set_sub_int(job, "bytes", "local", bytes);
	return IMGP_STEP_KEEP;
}

static int
stamp_lies(const char *how)
{
	struct imgp_stamp_job s = { .opts.threads = 1 };
	struct imgp_filter_ops ops = imgp_stamp_ops(0);
	struct imgp_err e;

	if (imgp_limits_load(&s.lim, &e) == -1)
		return 2;
	lie = strcmp(how, "copy") == 0 ? COPY : strcmp(how, "empty") == 0 ?
	    EMPTY : SILENT;
	ops.step = stamp_nothing;
	return imgp_filter_run(&ops, &s, 1);
}

/* ${s} with ${n} where it says so. */
static void
add_part(struct imgp_buf *b, const char *s, size_t n)
{
	const char *at = strstr(s, "%zu");
	char digits[24];

	snprintf(digits, sizeof digits, "%zu", n);
	imgp_buf_add(b, s, at == NULL ? strlen(s) : (size_t)(at - s));
	if (at != NULL) {
		imgp_buf_puts(b, digits);
		imgp_buf_puts(b, at + strlen("%zu"));
	}
}

static void
try_longs(void)
{
	struct imgp_buf b;
	struct forged f;
	size_t i, n;

	for (i = 0; i < sizeof longs / sizeof *longs; i++) {
		imgp_buf_init(&b);
		imgp_buf_puts(&b, longs[i].head);
		for (n = 0; n < MANY; n++)
			add_part(&b, longs[i].part, n);
		imgp_buf_puts(&b, longs[i].tail);
		f = (struct forged){ longs[i].name, longs[i].stage, b.s };
		try_forged(&f);
		imgp_buf_release(&b);
	}
}

int
main(int argc, char *argv[])
{
	size_t i;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc == 4 && strcmp(argv[1], "out") == 0) {
		outside = argv[3];
		return get_out(argv[2]);
	}
	if (argc == 3 && strcmp(argv[1], "scan") == 0)
		return scan_nothing(strcmp(argv[2], "empty") == 0);
	if (argc == 3 && strcmp(argv[1], "stamp") == 0)
		return stamp_lies(argv[2]);
	if (argc != 2 || strcmp(argv[1], "forge") != 0)
		return 2;
	for (i = 0; i < sizeof forged / sizeof *forged; i++)
		try_forged(&forged[i]);
	try_longs();
	return 0;
}
