/* terminal.h - who is logged in, and which of his terminals take messages.
 *
 * The file utmp may be written by programs that we do not trust: nothing in it
 * is believed but that this user might sit at this terminal. The terminal itself
 * says the rest: it is a character device, belongs to the user, and its group may
 * write (`mesg y`). Only pts/N and ttyN are terminals (an X session is none).
 * It blocks, as files do.
 */
#pragma once
#include <sys/types.h>
#include "base/slice.h"

enum {
    TERMINAL_LINE = 33,         /* bytes of a terminal's name with its NUL */
    TERMINALS_MAX = 64,         /* of one user */
};

struct terminal {
    char    line[TERMINAL_LINE];    /* "pts/3" */
    int64_t used;                   /* its user last typed something, ns */
};

/* terminal_line_ok - "pts/N" or "ttyN", N of 1 to 6 digits, and nothing else */
bool terminal_line_ok(struct slice line);

/* terminals_find - the terminals of this user that take messages now, the one most
 * recently used first; how many. utmp, folder: paths ("/run/utmp", "/dev"). */
size_t terminals_find(struct slice utmp, struct slice folder, struct slice user, uid_t uid,
                      struct terminal list[TERMINALS_MAX]);

/* terminal_open - a descriptor to write to, which never blocks, or -1: it is not (or
 * not any more) a terminal of this user that takes messages, or may not be opened */
int terminal_open(struct slice folder, const char *line, uid_t uid);
