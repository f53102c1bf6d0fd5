/* secrets.h - do the files of certificates, keys and logins hold what they should? */
#pragma once
#include "conf/conf.h"

/* secrets_check - each key fits its certificate, the accounts and credentials can
 * be read, and whoever a section logs in as has an entry. False: a line for each
 * fault in errors. A file that this process may not read is passed over: a person
 * who checks a configuration need not be allowed to. */
bool secrets_check(const struct conf *conf, struct buf *errors);

/* secrets_size - bytes of an open file, which has to be a plain one and not too long; -1: told */
int64_t secrets_size(int fd, const char *path, struct buf *errors);

/* secrets_fault - a line for errors; false */
bool secrets_fault(struct buf *errors, const char *path, const char *what);
