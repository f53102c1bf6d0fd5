/* main.c - the vault process: passwords and private keys, and nothing else.
 *
 * It answers yes or no, and makes signatures; what it knows never leaves it.
 */
#include <sysexits.h>
#include "ipc/child.h"

static struct {
    struct child *child;
    uv_timer_t    patience;     /* while draining */
    unsigned      askers;       /* channels to smtpd and relay open */
    bool          drains;
} vault;

static void leave_when_done(void)
{
    if (vault.drains && vault.askers == 0)
        child_leave(vault.child, EX_OK);
}

static bool receive(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    (void)fd;
    return child_receive_common(vault.child, c, type, w);
}

static bool asks(const struct channel *c)
{
    return c->peer == ROLE_SMTPD || c->peer == ROLE_RELAY;
}

static void gone(struct channel *c, const char *why)
{
    (void)why;
    vault.askers -= asks(c);
    leave_when_done();
}

static void on_peer(struct child *child, struct channel *c)
{
    c->user = child;
    c->receive = receive;
    c->gone = gone;
    vault.askers += asks(c);
}

static bool begin(struct child *child)
{
    vault.child = child;
    return uv_timer_init(child->loop, &vault.patience) == 0;
}

static void out_of_patience(uv_timer_t *timer)
{
    (void)timer;
    child_leave(vault.child, EX_OK);
}

static void drain(struct child *child, unsigned seconds)
{
    (void)child;
    vault.drains = true;
    uv_timer_start(&vault.patience, out_of_patience, (uint64_t)seconds * 1000, 0);
    leave_when_done();
}

int vault_main(void)
{
    static const struct child_role role = {
        .role = ROLE_VAULT, .begin = begin, .peer = on_peer, .drain = drain,
    };

    return child_run(&role);
}
