/* credentials.h - the file of credentials: how we log in at other hosts.
 *
 * One entry a line: `NAME USER PASSWORD`, or `NAME @` for Kerberos with what the
 * process has. NAME is what `account` of a route says; the password reaches to the
 * end of its line. Strict, as the accounts. Everything here is secret.
 */
#pragma once
#include "sasl/private.h"

enum { CREDENTIALS_MAX = 1000 };

struct credential {
    struct slice name;
    struct slice user, password;
    bool         kerberos;      /* GSSAPI and nothing else; user and password are empty */
    unsigned     line;
};

struct credentials {
    char              *text;    /* the file as it was read */
    size_t             ntext;
    struct credential *all;
    size_t             n;
};

/* credentials_parse, credentials_free - as those of accounts.h */
bool credentials_parse(struct credentials *c, char *text, size_t n, const char *file,
                       struct buf *errors);
void credentials_free(struct credentials *c);

/* credentials_find - the entry of this name, or NULL */
const struct credential *credentials_find(const struct credentials *c, struct slice name);
