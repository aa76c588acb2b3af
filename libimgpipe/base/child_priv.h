/* What a process does before it is the program of imgp_child_start(). */
#ifndef IMGPIPE_CHILD_PRIV_H
#define IMGPIPE_CHILD_PRIV_H

#include <sys/types.h>

#include "libimgpipe/base/child.h"

/*
 * In the child of ${parent}: signals, standard input and output and the pipe for
 * imgp_ready() are as child.h says.  ${c->in} and ${c->out} stay open.  -1 with errno.
 */
int	imgp_child_become(const struct imgp_child *c, pid_t parent);

#endif
