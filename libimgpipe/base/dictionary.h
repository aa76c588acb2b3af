/*
 * A site's own error dictionary: a file in the form of errors.tsv, whose rows take
 * the place of those that are built in (M68).
 *
 * Of a code of ours the file may say another class, meaning and action.  What the
 * tools go by is not its to say: owner and retryable are as they are built in, and
 * so is whether the class is "temporary".  Codes that begin with IMGP-SITE- are the
 * site's, for its extra program; of them only those of the owner upload may be
 * final, and those of a service are of the class temporary, and no other.  Codes
 * that the file leaves out stay as they are.
 */
#ifndef IMGPIPE_DICTIONARY_H
#define IMGPIPE_DICTIONARY_H

#include "libimgpipe/base/err.h"

/*
 * Have imgp_error_find() and its like answer by the file ${path} from now on, for as
 * long as the process lives; once, before there are threads.  0, or -1 with
 * IMGP-CONFIG, which names file and line, and nothing is changed.
 */
int	imgp_dictionary_read(const char *path, struct imgp_err *e);

#endif
