/* accounts.h - the file of accounts: who may log in, and how it is checked.
 *
 * One account a line, `NAME:{scheme}value{scheme}value`; postrider-accounts(5)
 * has the format. Strict: a file with one wrong line is refused as a whole, and
 * the accounts that were there stay. Everything here is secret.
 */
#pragma once
#include "base/arena.h"
#include "base/map.h"
#include "sasl/password.h"
#include "sasl/private.h"

enum {
    ACCOUNTS_MAX      = 1000000,
    ACCOUNTS_LINE_MAX = 2048,           /* bytes of a line */
};

struct account {
    struct slice  name;         /* prepared (RFC 4013) */
    struct secret secret;       /* slices into the file's text */
    unsigned      line;
};

struct accounts {
    char           *text;       /* the file as it was read */
    size_t          ntext;
    struct account *all;        /* in the order of the file */
    size_t          n;
    struct map      by_name;
    bool            any_clear;  /* somebody has a password in clear text: CRAM-MD5 is possible */
    bool            any_scram;
};

/* accounts_parse - from the file's text (malloc'd), which is taken when true is
 * returned; what was in `a` before is freed then, and stays otherwise. False: a line
 * "FILE:LINE: what is wrong" in errors for each, at most 20. */
bool accounts_parse(struct accounts *a, char *text, size_t n, const char *file, struct buf *errors);

/* accounts_find - by the prepared name, or NULL */
const struct account *accounts_find(const struct accounts *a, struct slice name);

/* account_name_ok - may an account be called so? 1 to 255 bytes of prepared UTF-8
 * without white space, controls, ':' and '|', not beginning with '#' */
bool account_name_ok(struct slice name);

/* accounts_free - wipe and give back everything */
void accounts_free(struct accounts *a);
