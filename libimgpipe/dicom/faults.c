#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/dicom/faults.h"

void
imgp_faults_release(struct imgp_faults *f)
{
	free(f->fault);
	f->fault = NULL;
	f->n = 0;
}

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
	if (i == f->n) {
		f->fault = imgp_realloc(f->fault, i + 1, sizeof *t);
		f->n++;
		t = &f->fault[i];
		memset(t, 0, sizeof *t);
		t->e = *e;
		t->member = member;
	}
	f->fault[i].count++;
	return &f->fault[i];
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
