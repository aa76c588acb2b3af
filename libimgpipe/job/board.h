/*
 * Counts that the processes of a run share: how many jobs each stage has taken and
 * finished, for whoever shows the run's progress.
 *
 * The board is a file in the run's directory, mapped by each stage.  It is for
 * people to look at: nothing is decided by it but whether a run that is to halt
 * takes another job.  A process that reads uploads does not have it.
 */
#ifndef IMGPIPE_BOARD_H
#define IMGPIPE_BOARD_H

#include <stdatomic.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"

/* The environment variable that names the file. */
#define IMGP_BOARD	"IMGP_BOARD"
#define IMGP_BOARD_STAGES	16

struct imgp_board_stage {
	_Atomic int64_t	taken, finished, failed;	/* jobs */
	_Atomic int64_t	ms;			/* in sum, of those finished */
	_Atomic int64_t	bytes;
};

struct imgp_board {
	struct imgp_board_stage stage[IMGP_BOARD_STAGES];
	_Atomic int	halt;		/* nonzero: fetch takes no more jobs */
};

/* The names of the stages, in the order of the pipe, NULL ended. */
extern const char *const imgp_board_stages[];

/* Make the file ${path} and map it, and name it in the environment for the programs
 * to be started.  0, or -1 and ${e}. */
int	imgp_board_make(const char *path, struct imgp_err *e);
/* Map the one that the environment names; further calls do nothing. */
void	imgp_board_join(void);
/* The board; NULL: this process has none. */
struct imgp_board *imgp_board(void);
/* The part of the stage ${name}; NULL: no board, or no such stage. */
struct imgp_board_stage *imgp_board_stage(const char *name);

#endif
