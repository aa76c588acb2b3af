#include <string.h>

#include "libimgpipe/base/exit.h"
#include "libimgpipe/report/trouble.h"

void
imgp_trouble_note(struct imgp_trouble *t, const struct imgp_err *e)
{
	const struct imgp_error *row = imgp_error_find(e->code);

	t->complain(e);
	/* A refused mail is not sent again. */
	t->status = imgp_exit_worse(t->status, row != NULL && row->retryable &&
	    strcmp(e->code, IMGP_E_MAIL_REFUSED) != 0 ?
	    IMGP_EX_TEMPFAIL : IMGP_EX_ERRORS);
}
