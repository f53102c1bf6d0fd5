/* out.h - lines on their way to descriptor 2, never waiting for anyone.
 *
 * While lines are gathered (out_gather), they go out together: a process that has a
 * loop calls out_flush() once a turn. Each line is whole in the log, or not in it at
 * all: into a pipe, terminal or socket go at most as many at once as it takes in one
 * piece (PIPE_BUF). Those that could not be written are handed to `lost`.
 */
#pragma once
#include "base/slice.h"

/* How many lines could not be written. */
typedef void out_lost_f(uint64_t lines);

/* out_open - look anew at what descriptor 2 is, after sending what waits for it */
void out_open(out_lost_f *lost);

/* out_gather - from now on lines wait for out_flush() or until there are many; false:
 * each goes at once again, as it does at first */
void out_gather(bool on);

/* out_line - one line with its newline, of at most LOG_LINE bytes; out_now - at once, with
 * all that waits before it. False: it is lost, and not told to `lost`. */
bool out_line(struct slice line);
bool out_now(struct slice line);

/* out_flush - send what waits */
void out_flush(void);
