/* vaults.h - the vault as a relay sees it: it chooses how to log in elsewhere, and
 * knows what to say; the password never comes here.
 *
 * A login has a ticket from vault_begin until `end` is called or vault_cancel. When the
 * vault dies, its logins end with LATER.
 */
#pragma once
#include "base/fate.h"
#include "base/list.h"
#include "ipc/channel.h"

struct vault_login;

struct vault_login {
    struct list link;           /* in vaults.logins, while it has a ticket */
    uint64_t    ticket;
    void       *user;
    void      (*say)(struct vault_login *l, struct slice mechanism, bool has_data, struct slice data);
    void      (*end)(struct vault_login *l, enum fate fate, struct slice why);
};

struct vaults {
    struct channel *channel;    /* NULL: there is none now */
    struct list     logins;
    uint64_t        tickets;    /* given so far */
};

void vaults_init(struct vaults *v);

/* vault_peer - this channel leads to a vault; vault_gone - it does no more */
void vault_peer(struct vaults *v, struct channel *c);
void vault_gone(struct vaults *v, struct channel *c);

/* vault_begin - the login's user, say and end are set; end may be called at once */
void vault_begin(struct vaults *v, struct vault_login *l, struct slice mechanisms,
                 struct slice account, struct slice host, bool secure);
void vault_step(struct vaults *v, struct vault_login *l, struct slice data);
void vault_cancel(struct vaults *v, struct vault_login *l);     /* harmless without a ticket */

/* vault_say, vault_done - AUTH_SAY, AUTH_DONE came. False: malformed */
bool vault_say(struct vaults *v, struct wire *w);
bool vault_done(struct vaults *v, struct wire *w);
