/* private.h - a file of secrets: refused when others may read it, wiped when it is
 * no longer needed. */
#pragma once
#include "base/buf.h"

enum { PRIVATE_FILE_MAX = 64 << 20 };     /* bytes of such a file: a million accounts */

/* private_read - the whole content of a file, malloc'd, with a NUL behind it. False: a
 * line "PATH: why" in errors; refused are other than plain files, more than max bytes,
 * and any permission for others (mode & 07). */
bool private_read(const char *path, size_t max, char **text, size_t *n, struct buf *errors);

/* private_read_fd - the same from its beginning, of what somebody else has opened and
 * checked; fd stays open */
bool private_read_fd(int fd, const char *name, size_t max, char **text, size_t *n,
                     struct buf *errors);

/* private_free - wipe n bytes, then free */
void private_free(char *text, size_t n);
