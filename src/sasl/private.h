/* private.h - a file of secrets, read when it has changed, refused when others
 * may read it. */
#pragma once
#include "base/buf.h"

enum { PRIVATE_RECHECK = 1000 };    /* ms between looks whether it changed */

struct private_file {
    const char *path;               /* NUL-terminated; lives as long as this */
    /* what tells that it changed */
    uint64_t    device, inode, size;
    int64_t     changed_s, changed_ns;
    int64_t     looked;             /* monotonic ms; 0: never */
};

enum private_result {
    PRIVATE_SAME,       /* as it was, or looked at a moment ago */
    PRIVATE_NEW,        /* has been read */
    PRIVATE_WRONG,      /* cannot be read or must not be used; told once for each state */
};

/* private_read - the content of `f` if it changed since the last call. At most one look
 * a second, unless at_once. NEW: *text is malloc'd, *n bytes with a NUL behind them.
 * WRONG: one line "PATH: why" in errors. Refused are other than plain files, more than
 * max bytes, and any permission for others (mode & 07). */
enum private_result private_read(struct private_file *f, int64_t now, bool at_once, size_t max,
                                 char **text, size_t *n, struct buf *errors);

/* private_free - wipe n bytes, then free */
void private_free(char *text, size_t n);
