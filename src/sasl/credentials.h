/* credentials.h - the file of credentials: how we log in at other hosts.
 *
 * One host a line, `HOST USER PASSWORD`; postrider-credentials(5) has the format.
 * HOST is a host's name in any case, HOST:PORT, or * for every other host; the
 * first line that fits counts. Everything here is secret.
 */
#pragma once
#include "sasl/private.h"

enum {
    CREDENTIALS_MAX      = 100000,
    CREDENTIALS_FILE_MAX = 16 << 20,
};

struct credential {
    struct slice host;          /* as written */
    struct slice user, password;    /* both empty: Kerberos only, with what the process has */
    bool         kerberos;      /* "HOST @": GSSAPI with the process's own Kerberos credential */
    unsigned     line;
};

struct credentials {
    struct private_file file;   /* set its path; the rest is zero */
    char              *text;
    size_t             ntext;
    struct credential *all;
    size_t             n;
};

/* credentials_parse, _refresh, _free - as those of accounts.h */
bool credentials_parse(struct credentials *c, char *text, size_t n, const char *file,
                       struct buf *errors);
enum private_result credentials_refresh(struct credentials *c, int64_t now, bool at_once,
                                        struct buf *errors);
void credentials_free(struct credentials *c);

/* credentials_find - for a host and port, or NULL */
const struct credential *credentials_find(const struct credentials *c, struct slice host,
                                          uint16_t port);
