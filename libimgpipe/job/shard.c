#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/child.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/job/rundir.h"
#include "libimgpipe/job/shard.h"

struct worker {
	const struct imgp_shard *o;
	struct imgp_rundir dir;
	char	**options;		/* of conf */
	char	*run;
	char	*files;			/* TRY-NNNN.HOST.PID, of the first shard */
	int	 in, out, err;
	pid_t	 parent;		/* whose end is a SIGTERM here */
	pid_t	 pid;			/* of imgp-run */
	int	 signal;		/* the first one */
};

/* This machine's name as a part of a file's name: letters, digits and dashes. */
static char *
host(void)
{
	char name[65] = "";
	size_t i;

	(void)gethostname(name, sizeof name - 1);
	for (i = 0; name[i] != '\0' && name[i] != '.'; i++)
		if (!isalnum((unsigned char)name[i]))
			name[i] = '-';
	name[i] = '\0';
	return imgp_strdup(i == 0 ? "localhost" : name);
}

/* A file of this worker, made anew; -1 and errno. */
static int
make(const struct worker *w, const char *sub)
{
	char *path = imgp_asprintf("%s/%s", sub, w->files);
	int fd = openat(w->dir.fd, path,
	    O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);

	free(path);
	return fd;
}

/* The inputs of all shards as one file, in ${w->in}. */
static int
open_inputs(struct worker *w, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	char *const *name;
	char *in;
	int rc = 0;

	for (name = w->o->names; *name != NULL && rc == 0; name++) {
		in = imgp_asprintf("in/%s", *name);
		rc = imgp_rundir_read_all(&w->dir, in, &b, e);
		free(in);
	}
	if (rc == 0 && ((w->in = memfd_create("inputs", MFD_CLOEXEC)) == -1 ||
	    imgp_write_all(w->in, b.s, b.len) == -1 ||
	    lseek(w->in, 0, SEEK_SET) == -1))
		rc = imgp_fail_errno(e, IMGP_E_MEMORY, "the inputs");
	imgp_buf_release(&b);
	return rc;
}

/* Its files.  Machines may share a name, and two workers a process id. */
static int
open_files(struct worker *w, struct imgp_err *e)
{
	char *name;
	int i;

	if (open_inputs(w, e) == -1)
		return -1;
	name = host();
	for (i = 0; w->out == -1; i++) {
		free(w->files);
		w->files = imgp_asprintf("%s.%s.%ld%s%.0d", w->o->names[0], name,
		    (long)getpid(), i == 0 ? "" : "-", i);
		if ((w->out = make(w, "out")) == -1 && errno != EEXIST)
			break;
	}
	free(name);
	if (w->out == -1 || (w->err = make(w, "err")) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s: %s",
		    w->dir.path, w->files);
	return 0;
}

/* imgp-run with the options of the directory. */
static int
start(struct worker *w, struct imgp_err *e)
{
	static const char *const fixed[] = { "-q", "--no-notify", "--progress",
	    "never", "--wait", "0" };
	struct imgp_child c = { NULL, w->in, w->out, -1, 1, 0 };
	size_t n = 0, i, nfixed = sizeof fixed / sizeof *fixed;
	char **argv;

	while (w->options[n] != NULL)
		n++;
	argv = imgp_alloc((n + nfixed + 2) * sizeof *argv);
	argv[0] = imgp_strdup(w->o->program);
	for (i = 0; i < nfixed; i++)
		argv[1 + i] = imgp_strdup(fixed[i]);
	for (i = 0; i < n; i++)
		argv[1 + nfixed + i] = imgp_strdup(w->options[i]);
	c.argv = argv;
	if (setenv("IMGP_RUN", w->run, 1) == -1)
		imgp_oom();
	w->pid = imgp_child_start(&c, e);
	imgp_rundir_free_list(argv);
	return w->pid == -1 ? -1 : 0;
}

/* Hand a signal on to imgp-run, which may have had it directly (supervise.h).  That of
 * the parent's end is none of its own where a signal has come: what ended both. */
static void
hand_on(struct worker *w, int sig)
{
	if (w->signal != 0 && getppid() != w->parent)
		return;
	if (w->signal == 0)
		w->signal = sig;
	(void)sigqueue(w->pid, SIGTERM, (union sigval){ .sival_int = 1 });
}

/* Until imgp-run is gone: its status.  Each signal that comes is handed on. */
static int
await(struct worker *w)
{
	struct pollfd p = { w->o->signals, POLLIN, 0 };
	struct signalfd_siginfo si;
	int status;

	while (waitpid(w->pid, &status, WNOHANG) != w->pid) {
		(void)poll(&p, 1, -1);
		if (read(w->o->signals, &si, sizeof si) != sizeof si ||
		    si.ssi_signo == SIGCHLD)
			continue;
		hand_on(w, (int)si.ssi_signo);
	}
	return imgp_child_status(status);
}

/* All lines are in the first shard's file; an empty one says that another came to its
 * end. */
static void
finish_others(const struct worker *w)
{
	const char *whose = w->files + strlen(w->o->names[0]);
	char *const *name, *path;
	int fd;

	for (name = w->o->names + 1; *name != NULL; name++) {
		path = imgp_asprintf("out/%s%s.jsonl", *name, whose);
		fd = openat(w->dir.fd, path, O_WRONLY | O_CREAT | O_CLOEXEC,
		    0600);
		if (fd != -1)
			close(fd);
		free(path);
	}
}

/* Leave what came of it, under the names that say so. */
static void
finish(const struct worker *w, int status)
{
	char *from = imgp_asprintf("out/%s", w->files);
	char *to = imgp_asprintf("%s.jsonl", from);
	char *said = imgp_asprintf("err/%s", w->files);

	(void)fsync(w->out);
	(void)renameat(w->dir.fd, from, w->dir.fd, to);
	finish_others(w);
	if (lseek(w->err, 0, SEEK_END) == 0)
		(void)unlinkat(w->dir.fd, said, 0);
	else if (status == IMGP_EX_USAGE)
		(void)renameat(w->dir.fd, said, w->dir.fd, "refused");
	/* Of any other end the driver gives leases back. */
	if (status <= IMGP_EX_ERRORS)
		imgp_rundir_forget(&w->dir, w->run);
	free(from);
	free(to);
	free(said);
}

/* All that it and imgp-run say goes into its file. */
static int
work(struct worker *w, struct imgp_err *e)
{
	int status;

	w->run = imgp_run_id_new();
	if (imgp_rundir_load_conf(&w->dir, 1, &w->options, e) == -1 ||
	    open_files(w, e) == -1 ||
	    imgp_rundir_begin(&w->dir, w->run, e) == -1)
		return -1;
	if (dup2(w->err, STDERR_FILENO) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "standard error");
	if (start(w, e) == -1)
		return -1;
	status = await(w);
	finish(w, status);
	return w->signal != 0 ? 128 + w->signal : status;
}

int
imgp_shard_work(const struct imgp_shard *s, struct imgp_err *e)
{
	struct worker w = { .o = s, .in = -1, .out = -1, .err = -1,
	    .parent = getppid() };
	char *const *name;
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	for (name = s->names; *name != NULL; name++)
		if (imgp_rundir_try(*name) == 0 || strchr(*name, '.') != NULL)
			return imgp_fail(e, IMGP_E_CONFIG, "--shard %s: no "
			    "name of a shard", *name);
	if (imgp_rundir_enter(&w.dir, s->dir, e) == -1)
		return -1;
	rc = work(&w, e);
	imgp_rundir_free_list(w.options);
	free(w.run);
	free(w.files);
	imgp_rundir_release(&w.dir);
	return rc;
}
