#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/sandbox.h"

static int off;

void
imgp_sandbox_off(void)
{
	off = 1;
}

/* --- files, signals: Landlock ------------------------------------------------ */

/* By numbers: newer than Debian 12's headers; the kernel says what it knows. */
#define FS_RIGHTS(abi)	((1ULL << ((abi) >= 5 ? 16 : (abi) >= 3 ? 15 : \
	(abi) >= 2 ? 14 : 13)) - 1)
#define NET_TCP		3ULL		/* bind, connect */
#define SCOPES		3ULL		/* abstract sockets, signals */

struct ruleset {		/* landlock_ruleset_attr of ABI 6 */
	uint64_t	fs, net, scoped;
};

static long
landlock_abi(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
}

/* Some kernels claim more than they have: step down. */
static int
create_ruleset(long abi)
{
	struct ruleset set;
	size_t size;
	long fd = -1;

	for (; abi >= 1 && fd == -1; abi--) {
		memset(&set, 0, sizeof set);
		set.fs = FS_RIGHTS(abi);
		set.net = abi >= 4 ? NET_TCP : 0;
		set.scoped = abi >= 6 ? SCOPES : 0;
		size = abi >= 6 ? sizeof set : abi >= 4 ?
		    offsetof(struct ruleset, scoped) :
		    offsetof(struct ruleset, net);
		fd = syscall(SYS_landlock_create_ruleset, &set, size, 0);
	}
	return (int)fd;
}

static int
allow_scratch(int ruleset, int dir)
{
	struct landlock_path_beneath_attr rule;

	memset(&rule, 0, sizeof rule);
	rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE |
	    LANDLOCK_ACCESS_FS_WRITE_FILE;
	rule.parent_fd = dir;
	return (int)syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* As far as the kernel has it: seccomp alone refuses the same. */
static int
restrict_files(const struct imgp_rights *r, struct imgp_err *e)
{
	int fd = create_ruleset(landlock_abi()), rc = 0;

	if (fd == -1)
		return 0;
	if (r->scratch != -1 && allow_scratch(fd, r->scratch) == -1)
		rc = imgp_fail_errno(e, IMGP_E_SANDBOX,
		    "landlock: the directory for temporary files");
	else if (syscall(SYS_landlock_restrict_self, fd, 0) == -1)
		rc = imgp_fail_errno(e, IMGP_E_SANDBOX, "landlock");
	close(fd);
	return rc;
}

/* --- system calls: seccomp ---------------------------------------------------- */

#if defined __x86_64__
#define ARCH	AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCH	AUDIT_ARCH_AARCH64
#elif defined __riscv && __riscv_xlen == 64
#define ARCH	AUDIT_ARCH_RISCV64
#elif defined __powerpc64__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH	AUDIT_ARCH_PPC64LE
#elif defined __s390x__
#define ARCH	AUDIT_ARCH_S390X
#else
#error "sandbox.c: this architecture's AUDIT_ARCH, please"
#endif

#if defined __SANITIZE_ADDRESS__
#define SANITIZED
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

/*
 * The program is put together here, without an allocation and without a library
 * that makes one: nothing can shorten it, and the kernel takes it whole or not at
 * all.  A call that is not named is refused with EACCES.
 */
#define MOST	160

struct program {
	struct sock_filter	op[MOST];
	unsigned short		n;
};

static void
op(struct program *p, unsigned int code, unsigned int k, unsigned int yes,
    unsigned int no)
{
	if (p->n < MOST)
		p->op[p->n] = (struct sock_filter){ (unsigned short)code,
		    (unsigned char)yes, (unsigned char)no, k };
	p->n++;
}

static void
load(struct program *p, size_t at)
{
	op(p, BPF_LD | BPF_W | BPF_ABS, (unsigned int)at, 0, 0);
}

static void
answer(struct program *p, unsigned int what)
{
	op(p, BPF_RET | BPF_K, what, 0, 0);
}

/* The lower half of an argument. */
static size_t
arg_at(unsigned int i)
{
	return offsetof(struct seccomp_data, args) + 8 * i +
	    (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0);
}

static void
rule(struct program *p, long nr, unsigned int what)
{
	op(p, BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr, 0, 1);
	answer(p, what);
}

/* Allowed where argument ${i}, but for the bits outside ${mask}, is ${want}. */
static void
rule_masked(struct program *p, long nr, unsigned int i, unsigned int mask,
    unsigned int want)
{
	op(p, BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr, 0, 5);
	load(p, arg_at(i));
	op(p, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	op(p, BPF_JMP | BPF_JEQ | BPF_K, want, 0, 1);
	answer(p, SECCOMP_RET_ALLOW);
	answer(p, SECCOMP_RET_ERRNO | EACCES);
}

static void
rules(struct program *p, const long *nr, size_t n, unsigned int what)
{
	size_t i;

	for (i = 0; i < n; i++)
		rule(p, nr[i], what);
}

/* Reading what is open, memory that cannot be run, an answer, the end. */
static const long always[] = {
	SYS_pread64, SYS_lseek, SYS_write, SYS_close, SYS_munmap, SYS_brk,
	SYS_mremap, SYS_madvise, SYS_futex, SYS_exit_group, SYS_rt_sigreturn,
#ifdef SANITIZED
	SYS_sigaltstack, SYS_sched_getaffinity, SYS_gettid, SYS_getpid,
	SYS_prctl, SYS_rt_sigaction, SYS_sched_yield, SYS_clock_gettime,
#endif
};

/* read: a provenance that is undone. */
static const long writing[] = { SYS_read, SYS_copy_file_range, SYS_sync_file_range,
	SYS_ftruncate };

static const long threading[] = { SYS_set_robust_list, SYS_rseq, SYS_exit,
	SYS_rt_sigprocmask };

/* No honest code path comes here: the process is not ours any more. */
static const long deadly[] = {
	SYS_execve, SYS_execveat, SYS_socket, SYS_socketpair, SYS_connect,
	SYS_bind, SYS_listen, SYS_accept4, SYS_sendto, SYS_sendmsg, SYS_ptrace,
	SYS_process_vm_readv, SYS_process_vm_writev, SYS_bpf,
	SYS_perf_event_open, SYS_mount, SYS_umount2, SYS_unshare, SYS_setns,
	SYS_pivot_root, SYS_chroot, SYS_kill, SYS_keyctl, SYS_add_key,
	SYS_init_module, SYS_finit_module, SYS_memfd_create, SYS_userfaultfd,
	SYS_io_uring_setup, SYS_pidfd_open, SYS_pidfd_getfd,
#ifdef SYS_fork
	SYS_fork, SYS_vfork,
#endif
};

#define COUNT(a)	(sizeof (a) / sizeof *(a))
#define NEW_NAMESPACES	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
	CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static void
write_program(struct program *p, const struct imgp_rights *r)
{
	load(p, offsetof(struct seccomp_data, arch));
	op(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	answer(p, SECCOMP_RET_KILL_PROCESS);
	load(p, offsetof(struct seccomp_data, nr));
	rules(p, always, COUNT(always), SECCOMP_RET_ALLOW);
	if (r->writes)
		rules(p, writing, COUNT(writing), SECCOMP_RET_ALLOW);
	if (r->threads) {
		rules(p, threading, COUNT(threading), SECCOMP_RET_ALLOW);
		/* No process; clone3 hides its flags from a filter. */
		rule(p, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
		rule_masked(p, SYS_clone, 0, CLONE_THREAD | NEW_NAMESPACES,
		    CLONE_THREAD);
	}
	rule_masked(p, SYS_mmap, 2, PROT_EXEC, 0);
	rule_masked(p, SYS_mprotect, 2, PROT_EXEC, 0);
	/* A name alone opens nothing: what is made so has none. */
	if (r->scratch != -1)
		rule_masked(p, SYS_openat, 2, ~0u, IMGP_SCRATCH_FLAGS);
	rules(p, deadly, COUNT(deadly), SECCOMP_RET_KILL_PROCESS);
	answer(p, SECCOMP_RET_ERRNO | EACCES);
}

static int
load_filter(const struct imgp_rights *r, struct imgp_err *e)
{
	struct program p = { .n = 0 };
	struct sock_fprog prog = { 0, p.op };

	write_program(&p, r);
	if (p.n > MOST)
		return imgp_fail(e, IMGP_E_INTERNAL, "seccomp: %u steps", p.n);
	prog.len = p.n;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == -1)
		return imgp_fail_errno(e, IMGP_E_SANDBOX, "seccomp");
	return 0;
}

/* --- all of it ---------------------------------------------------------------- */

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
#ifndef SANITIZED		/* its shadow alone is terabytes */
	if (r->memory != 0)
		limit(RLIMIT_AS, r->memory);
#endif
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return imgp_fail_errno(e, IMGP_E_SANDBOX, "no_new_privs");
	if (restrict_files(r, e) == -1)
		return -1;
	return load_filter(r, e);
}

/* In the process that finds out: 0, or an errno. */
static int
probe(void)
{
	const struct imgp_rights all = { .writes = 1, .scratch = -1,
	    .threads = 1 };
	struct imgp_err e;

	errno = 0;
	if (imgp_sandbox(&all, &e) == -1)
		return errno != 0 ? errno : EINVAL;
	/* It counts what it refuses, not what it was told. */
	if (open("/", O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES ||
	    syscall(SYS_getpid) != -1)
		return EINVAL;
	return 0;
}

int
imgp_sandbox_probe(struct imgp_err *e)
{
	pid_t pid;
	int st;

	if (off)
		return 0;
	if ((pid = fork()) == 0)
		_exit(probe());
	if (pid == -1)
		return imgp_fail_errno(e, IMGP_E_MEMORY, "fork");
	while (waitpid(pid, &st, 0) == -1 && errno == EINTR)
		;
	if (WIFSIGNALED(st))
		return imgp_fail(e, IMGP_E_SANDBOX, "the process that tries the"
		    " sandbox died of signal %d", WTERMSIG(st));
	if (WEXITSTATUS(st) != 0) {
		errno = WEXITSTATUS(st);
		return imgp_fail_errno(e, IMGP_E_SANDBOX,
		    "the sandbox cannot be closed");
	}
	if (landlock_abi() >= 1)
		return 0;
	imgp_fail(e, IMGP_E_SANDBOX, "this kernel has no Landlock: seccomp "
	    "alone keeps the parsers from files");
	return 1;
}
