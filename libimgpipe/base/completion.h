/*
 * What a shell needs to complete a tool's words, from the tables that make its
 * --help (opt.h).
 */
#ifndef IMGPIPE_COMPLETION_H
#define IMGPIPE_COMPLETION_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/opt.h"

/*
 * Append a completion script for ${shell}: "bash", "zsh" or "fish".  It completes the
 * options of ${n} tables, as subcommands the lower-case words of the tool's synopsis,
 * and file names if the synopsis has an operand FILE, IN or FROM.  Returns 0, or -1 for
 * any other shell.
 */
int	imgp_completion(const struct imgp_tool *tool,
	    const struct imgp_opt *const *tables, size_t n, const char *shell,
	    struct imgp_buf *out);

/* Call ${one} for each subcommand of ${tool}, in the order of its synopsis. */
void	imgp_completion_words(const struct imgp_tool *tool,
	    void (*one)(void *arg, const char *word), void *arg);

#endif
