#include <stdio.h>
#include <unistd.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/meter.h"

void
imgp_meter_init(struct imgp_meter *m, FILE *to)
{
	m->to = to != NULL && isatty(fileno(to)) ? to : NULL;
	m->shown = 0;
	m->start = m->last = m->to != NULL ? imgp_clock_ms() : 0;
}

void
imgp_meter_moved(void *arg, int64_t bytes, int64_t total)
{
	struct imgp_meter *m = arg;
	int64_t now, left;
	double rate;

	if (m->to == NULL || (now = imgp_clock_ms()) - m->last < 200)
		return;
	m->last = now;
	m->shown = 1;
	rate = (double)bytes * 1000 / (double)(now - m->start);
	fprintf(m->to, "\r%8.1f MB", (double)bytes / 1e6);
	if (total > 0)
		fprintf(m->to, " of %.1f MB, %3.0f %%", (double)total / 1e6,
		    100 * (double)bytes / (double)total);
	fprintf(m->to, ", %.1f MB/s", rate / 1e6);
	if (total > bytes && rate > 0) {
		left = (int64_t)((double)(total - bytes) / rate);
		fprintf(m->to, ", %lld:%02d left", (long long)(left / 60),
		    (int)(left % 60));
	}
	fputs("\033[K", m->to);
	fflush(m->to);
}

void
imgp_meter_end(struct imgp_meter *m)
{
	if (m->shown)
		fputs("\r\033[K", m->to);
	m->shown = 0;
}
