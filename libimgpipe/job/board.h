/*
 * The board: counts that the processes of a run share, of jobs that each stage has taken
 * and finished, to show the run's progress.
 *
 * It is a file in the run's directory, mapped by each stage.  It serves for display; only
 * ${halt} decides something, namely that a run takes no more jobs.  Processes that read
 * uploads do not have it mapped.
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
	_Atomic int64_t	ms;			/* spent on finished jobs, in sum */
	_Atomic int64_t	bytes;
};

struct imgp_board {
	struct imgp_board_stage stage[IMGP_BOARD_STAGES];
	_Atomic int	halt;		/* nonzero: fetch takes no more jobs */
};

/* The names of the stages, in the order of the pipe, NULL ended. */
extern const char *const imgp_board_stages[];

/* Make the file ${path}, map it, and name it in the environment for the programs that
 * will be started.  Returns 0, or -1 with ${e}. */
int	imgp_board_make(const char *path, struct imgp_err *e);
/* Map the board that the environment names; further calls do nothing. */
void	imgp_board_join(void);
/* The board; NULL: this process has none. */
struct imgp_board *imgp_board(void);
/* The counts of the stage ${name}; NULL: no board, or no such stage. */
struct imgp_board_stage *imgp_board_stage(const char *name);

#endif
