#include <string.h>

#include "libimgpipe/dicom/faults.h"

static struct imgp_fault *
add(struct imgp_faults *f, size_t member, const struct imgp_err *e)
{
	struct imgp_fault *t;
	size_t i;

	for (i = 0; i < f->n; i++)
		if (strcmp(f->fault[i].e.code, e->code) == 0)
			break;
	if (i == IMGP_FAULTS_MAX)
		i--;
	t = &f->fault[i];
	if (i == f->n) {
		f->n++;
		memset(t, 0, sizeof *t);
		t->e = *e;
		t->member = member;
	}
	t->count++;
	return t;
}

void
imgp_faults_add(struct imgp_faults *f, size_t member, const struct imgp_err *e)
{
	add(f, member, e);
}

void
imgp_faults_add_fatal(struct imgp_faults *f, size_t member,
    const struct imgp_err *e)
{
	add(f, member, e)->fatal = 1;
}

void
imgp_faults_add_mild(struct imgp_faults *f, size_t member,
    const struct imgp_err *e)
{
	add(f, member, e)->mild = 1;
}

void
imgp_fault_text(const struct imgp_fault *f, struct imgp_err *out)
{
	if (f->member == 0)
		*out = f->e;
	else if (f->count == 1)
		imgp_fail(out, f->e.code, "member %zu: %.400s", f->member,
		    f->e.msg);
	else
		imgp_fail(out, f->e.code, "member %zu: %.400s; %zu more",
		    f->member, f->e.msg, f->count - 1);
}
