#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "libimgpipe/base/stop.h"

static atomic_int held, asked;	/* asked: the signal; both are lock-free */

static void
die(int sig)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigaction(sig, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void
on_signal(int sig)
{
	if (atomic_load(&held) == 0 || atomic_load(&asked) != 0)
		die(sig);
	atomic_store(&asked, sig);
}

void
imgp_stop_init(void)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal }, old;
	size_t i;

	for (i = 0; i < sizeof sigs / sizeof *sigs; i++)
		if (sigaction(sigs[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(sigs[i], &sa, NULL);
}

void
imgp_stop_hold(void)
{
	atomic_fetch_add(&held, 1);
}

void
imgp_stop_release(void)
{
	if (atomic_fetch_sub(&held, 1) == 1 && atomic_load(&asked) != 0)
		die(atomic_load(&asked));
}

int
imgp_stop_asked(void)
{
	return atomic_load(&asked) != 0;
}
