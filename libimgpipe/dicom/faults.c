#include <string.h>

#include "libimgpipe/dicom/faults.h"

void
imgp_faults_add(struct imgp_faults *f, size_t member, const struct imgp_err *e)
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
		t->e = *e;
		t->member = member;
		t->count = 0;
		t->fatal = 0;
	}
	t->count++;
}

void
imgp_faults_add_fatal(struct imgp_faults *f, size_t member,
    const struct imgp_err *e)
{
	size_t i;

	imgp_faults_add(f, member, e);
	for (i = 0; i < f->n; i++)
		if (strcmp(f->fault[i].e.code, e->code) == 0)
			f->fault[i].fatal = 1;
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
