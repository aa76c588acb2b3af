#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <seccomp.h>

#include "libimgpipe/base/sandbox.h"

/* Newer than Debian 12's headers; the kernel says what it knows. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER	(1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE	(1ULL << 14)
#endif
#define ACCESS_FS_IOCTL_DEV		(1ULL << 15)
#define ACCESS_NET_TCP			3ULL	/* bind, connect */

#define READ_RIGHTS	(LANDLOCK_ACCESS_FS_READ_FILE | \
	LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_RIGHTS	(READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE)
#define RENAME_RIGHTS	(LANDLOCK_ACCESS_FS_MAKE_REG | \
	LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define FILE_RIGHTS	(LANDLOCK_ACCESS_FS_READ_FILE | \
	LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

struct ruleset {		/* landlock_ruleset_attr up to ABI 4 */
	uint64_t	fs;
	uint64_t	net;
};

static int off;
static const char *also;

void
imgp_sandbox_also(const char *dir)
{
	also = dir;
}

void
imgp_sandbox_off(void)
{
	off = 1;
}

static uint64_t
known_rights(long abi)
{
	uint64_t r = (1ULL << 13) - 1;		/* ABI 1 */

	if (abi >= 2)
		r |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		r |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= 5)
		r |= ACCESS_FS_IOCTL_DEV;
	return r;
}

static int
allow(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule;
	struct stat st;
	int fd, rc;

	if ((fd = open(path, O_PATH | O_CLOEXEC)) == -1)
		return -1;
	if (fstat(fd, &st) == -1) {
		close(fd);
		return -1;
	}
	memset(&rule, 0, sizeof rule);
	rule.parent_fd = fd;
	rule.allowed_access = S_ISDIR(st.st_mode) ? rights :
	    rights & FILE_RIGHTS;
	rc = (int)syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(fd);
	return rc;
}

/*
 * Landlock as far as the kernel has it; a kernel without it (or with a policy
 * that forbids it) leaves the file system to seccomp and the user's rights.
 */
static int
restrict_files(const struct imgp_rights *r, struct imgp_err *e)
{
	struct ruleset set = { 0, 0 };
	int fd, rc = 0;
	long abi;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1)
		return 0;
	set.fs = known_rights(abi);
	set.net = abi >= 4 ? ACCESS_NET_TCP : 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &set,
	    abi >= 4 ? sizeof set : sizeof set.fs, 0);
	if (fd == -1)
		return 0;
	if (r->read_path != NULL &&
	    allow(fd, r->read_path, READ_RIGHTS & set.fs) == -1)
		rc = imgp_fail_errno(e, IMGP_E_SANDBOX, "landlock: the file "
		    "to be read");
	else if (r->write_path != NULL &&
	    allow(fd, r->write_path, WRITE_RIGHTS & set.fs) == -1)
		rc = imgp_fail_errno(e, IMGP_E_SANDBOX, "landlock: the "
		    "directory to be written");
	else if (also != NULL && allow(fd, also, RENAME_RIGHTS & set.fs) == -1)
		rc = imgp_fail_errno(e, IMGP_E_SANDBOX, "landlock: the "
		    "directory of a second result");
	else if (syscall(SYS_landlock_restrict_self, fd, 0) == -1)
		rc = imgp_fail_errno(e, IMGP_E_SANDBOX, "landlock");
	close(fd);
	return rc;
}

/* What a process needs that works on open files and files below a directory. */
static const int allowed[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(preadv), SCMP_SYS(pwritev),
	SCMP_SYS(lseek), SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(close),
	SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat),
	SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs),
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(fcntl), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3),
	SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fadvise64),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range),
	SCMP_SYS(copy_file_range), SCMP_SYS(sendfile), SCMP_SYS(splice),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(link), SCMP_SYS(linkat),
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir),
	SCMP_SYS(fchmod), SCMP_SYS(getdents64), SCMP_SYS(umask),
	SCMP_SYS(utimensat), SCMP_SYS(flock),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(gettid),
	SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(getrandom), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(time), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(pipe), SCMP_SYS(pipe2),
	SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* No honest code path comes here: the process is not ours any more. */
static const int deadly[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(socket),
	SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind),
	SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(io_uring_setup), SCMP_SYS(userfaultfd), SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(pivot_root),
	SCMP_SYS(chroot), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(kill),
	SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(memfd_create),
	SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd),
};

/*
 * The filter: what is listed is allowed, attacks end the process, all else is
 * refused with EACCES.
 */
static int
load_filter(void)
{
	scmp_filter_ctx c;
	size_t i;
	int rc = -1;

	if ((c = seccomp_init(SCMP_ACT_ERRNO(EACCES))) == NULL)
		return -1;
	for (i = 0; i < sizeof allowed / sizeof *allowed; i++)
		if (seccomp_rule_add(c, SCMP_ACT_ALLOW, allowed[i], 0) != 0)
			goto out;
	for (i = 0; i < sizeof deadly / sizeof *deadly; i++)
		if (seccomp_rule_add(c, SCMP_ACT_KILL_PROCESS, deadly[i], 0)
		    != 0)
			goto out;
	/* Memory, but none that can be run. */
	if (seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0 ||
	    seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0 ||
	/* Threads, but no processes; clone3 hides its flags from a filter. */
	    seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
	    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) != 0 ||
	    seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0)
	    != 0 ||
	/* abort() of this process, and limits read but not set. */
	    seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
	    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)) != 0 ||
	    seccomp_rule_add(c, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
	    SCMP_A2(SCMP_CMP_EQ, 0, 0)) != 0)
		goto out;
	rc = seccomp_load(c) == 0 ? 0 : -1;
out:
	seccomp_release(c);
	return rc;
}

static void
limit(int which, unsigned long long value)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)which, &r) == -1)
		return;
	if (r.rlim_max == RLIM_INFINITY || value < r.rlim_max)
		r.rlim_max = value;
	r.rlim_cur = r.rlim_max;
	setrlimit((__rlimit_resource_t)which, &r);
}

int
imgp_sandbox(const struct imgp_rights *r, struct imgp_err *e)
{
	if (off)
		return 0;
	limit(RLIMIT_CORE, 0);
	if (r->cpu_seconds != 0)
		limit(RLIMIT_CPU, r->cpu_seconds);
#ifndef __SANITIZE_ADDRESS__		/* its shadow alone is terabytes */
	if (r->memory != 0)
		limit(RLIMIT_AS, r->memory);
#endif
	prctl(PR_SET_DUMPABLE, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return imgp_fail_errno(e, IMGP_E_SANDBOX, "no_new_privs");
	if (restrict_files(r, e) == -1)
		return -1;
	if (load_filter() == -1)
		return imgp_fail(e, IMGP_E_SANDBOX,
		    "seccomp: the filter could not be loaded");
	return 0;
}
