/*
 * A site's own error dictionary: a file in the form of errors.tsv, whose rows take
 * the place of those that are built in (M68).
 *
 * For a built-in code the file may change class, meaning and action, but nothing that
 * the tools act on: owner and retryable must be the built-in ones, and a class may not
 * become or cease to be "temporary".  Codes that begin with IMGP-SITE- belong to the
 * site's extra program.  Of these, one with the owner "upload" may be final (not
 * retryable), and one has the class "temporary" exactly when its owner is "service".
 * Codes that the file leaves out stay as they are.
 */
#ifndef IMGPIPE_DICTIONARY_H
#define IMGPIPE_DICTIONARY_H

#include "libimgpipe/base/err.h"

/*
 * Make imgp_error_find() and its like use the file ${path} until the process ends.  Call
 * it once, before there are threads.  Returns 0; or -1 with IMGP-CONFIG, whose message
 * names file and line, and changes nothing.
 */
int	imgp_dictionary_read(const char *path, struct imgp_err *e);

#endif
