/* certificates.h - what TLS needs at this process's ports: certificates of its own,
 * signatures of the vault.
 *
 * A signature is asked for with MSG_SIGN, and the handshake rests until MSG_SIGNED.
 * When the vault dies, or is not there, every open handshake fails: the client
 * comes again, and none waits for what nobody will do. While it is away, or silent
 * for longer than a handshake may take, no handshake should begin.
 */
#pragma once
#include "ipc/child.h"
#include "tls/context.h"

struct certificates {
    struct child      *child;
    struct channel    *vault;       /* NULL: there is none now */
    struct tls_keys    keys;
    struct tls_server *servers[CHILD_LISTENERS];    /* NULL: no TLS there */
    struct list        open;        /* signatures asked of the vault */
    size_t             nopen;
    uint64_t           last;        /* ticket */
    int64_t            unheard;     /* monotonic ms of the oldest question since the last
                                     * answer; 0: there is none */
};

/* certificates_begin - from the tables "certificate:NAME" that the master handed over.
 * False: one cannot be used, said in the log. */
bool certificates_begin(struct certificates *c, struct child *child);

/* certificates_of - for the listener of that index; NULL: no TLS there */
struct tls_server *certificates_of(const struct certificates *c, size_t listener);

/* certificates_able - would a handshake at that listener come to an end now? If not,
 * STARTTLS is 454 (RFC 3207 §4). */
bool certificates_able(const struct certificates *c, size_t listener);

/* certificates_vault - the vault is there, or (NULL) has gone. Whoever receives from
 * it gives us what it has signed. False: malformed. */
void certificates_vault(struct certificates *c, struct channel *vault);
bool certificates_signed(struct certificates *c, struct wire *w);
