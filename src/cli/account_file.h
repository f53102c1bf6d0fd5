/* account_file.h - the file of accounts, as `postrider account` changes it.
 *
 * A change is made to a copy, which takes the file's place when it is complete
 * and durable, with the file's mode and owner: whoever reads sees the old file
 * or the new one. A file with an error in it is never changed.
 */
#pragma once
#include "base/fate.h"
#include "sasl/accounts.h"

struct account_file {
    const char     *path;
    struct accounts accounts;
    int             directory;      /* locked while the file is open; -1: not open */
    bool            there;          /* the file exists */
    unsigned        mode, user, group;
};

/* account_file_open - read it, for a change or not. may_miss: a file that is not there
 * is an empty one. False: lines in errors. */
bool account_file_open(struct account_file *f, const char *path, bool change, bool may_miss,
                       struct buf *errors);
void account_file_close(struct account_file *f);

/* account_file_put - make `line` (without its newline) the account's line; an empty
 * one removes it. False: why, and the file is as it was. */
bool account_file_put(struct account_file *f, struct slice name, struct slice line, struct why *why);
