/* main.c - relay: carries mail to other hosts, by SMTP and LMTP.
 *
 * Jobs come from the queue (DELIVER), each is answered once (RESULT). This
 * process holds nothing that cannot be lost: a job without an answer is later.
 */
#include <stdlib.h>
#include <sysexits.h>
#include <stdio.h>
#include "ipc/child.h"
#include "log/log.h"
#include "relay/exchange.h"
#include "relay/fetch.h"
#include "relay/reversal.h"

static struct {
    struct relay  relay;
    struct child *child;
} self;

static bool is_idle(const struct relay *r)
{
    return list_empty(&r->jobs) && list_empty(&r->turns) && list_empty(&r->fetches)
        && list_empty(&r->exchanges) && r->pool.nbridges == 0;
}

static void on_empty(struct relay *relay)
{
    if (self.child->draining && is_idle(relay))
        child_leave(self.child, EX_OK);
}

static bool on_receive(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    struct relay *r = &self.relay;

    switch (type) {
    case MSG_DELIVER:
        return job_begin(r, c, w, fd);
    case MSG_TURN_GO:
        return reversal_begin(r, c, w, fd);
    case MSG_TURN_OVER:
        return reversal_over(r, w);
    case MSG_FETCH:
        return fetch_begin(r, c, w);
    case MSG_EXCHANGE:
        return exchange_take(r, c, w);
    case MSG_MECHANISMS:        /* what clients may use; ours are chosen for each host */
        return true;
    case MSG_AUTH_SAY:
        return vault_say(&r->pool.vaults, w);
    case MSG_AUTH_DONE:
        return vault_done(&r->pool.vaults, w);
    default:
        return child_receive_common(self.child, c, type, w);
    }
}

static void on_gone(struct channel *c, const char *why)
{
    struct relay *r = &self.relay;

    (void)why;
    vault_gone(&r->pool.vaults, c);
    job_forget(r, c);
    reversal_forget(r, c);
    fetch_forget(r, c);
    exchange_forget(r, c);
}

/* file_text - all of a file */

static bool file_text(const char *name, struct buf *text, struct why *why)
{
    char piece[8192];
    FILE *f = fopen(name, "re");
    size_t n;

    if (f == NULL)
        return why_errno(why, "open", name);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        buf_put(text, piece, n);
    n = ferror(f) || text->full;
    fclose(f);
    return n == 0 || why_text(why, FATE_LATER, "%s: cannot be read", name);
}

/* trust_file - the authorities of a file that the configuration names */

static struct tls_client *trust_file(struct slice file, struct why *why)
{
    struct tls_client *tls = NULL;
    struct buf text = BUF(16 << 20);
    char name[4096];

    snprintf(name, sizeof name, "%.*s", SLICE(file));
    if (file_text(name, &text, why))
        tls = tls_client_new(buf_view(&text), name, why);
    buf_free(&text);
    return tls;
}

/* trust - the authorities that certificates are checked against. Where the named ones
 * cannot be read nobody else is trusted in their place: mail goes on in secret where any
 * certificate will do, and what requires one waits. */

static void trust(struct relay *r)
{
    struct slice file = r->conf->relay.ca, none = { NULL, 0 };
    struct why why = { .text = "" };

    r->pool.tls = file.n > 0 ? trust_file(file, &why) : tls_client_new(none, NULL, &why);
    if (why.text[0] != '\0')
        log_event(EVENT_CONFIG, LF_STR("why", why.text));
    if (r->pool.tls != NULL || file.n == 0)
        return;
    r->pool.trusts_nobody = true;
    r->pool.tls = tls_client_new(none, NULL, &why);
}

static void peer(struct child *child, struct channel *c)
{
    c->user = child;
    c->receive = on_receive;
    c->gone = on_gone;
    if (c->peer == ROLE_VAULT)
        vault_peer(&self.relay.pool.vaults, c);
}

static bool begin(struct child *child)
{
    struct relay *r = &self.relay;
    const char *why = "no memory";

    self.child = child;
    *r = (struct relay){ .loop = child->loop, .conf = child->conf, .empty = on_empty,
                         .port = (uint16_t)child->conf->relay.port,
                         .loopback = child->conf->relay.loopback };
    list_init(&r->jobs);
    list_init(&r->turns);
    list_init(&r->fetches);
    list_init(&r->exchanges);
    pool_init(&r->pool, child->loop, child->conf, child->slot);
    trust(r);
    r->own = own_new(child->conf);
    r->dns = dns_new(child->loop, child->conf, &why);
    if (r->own == NULL || r->dns == NULL) {
        log_event(EVENT_DNS, LF_STR("why", why));
        return false;
    }
    return true;
}

static void drain(struct child *child, unsigned seconds)
{
    pool_drain(&self.relay.pool);
    reversal_drain(&self.relay);
    child_leave_within(child, (uint64_t)seconds * 1000, NULL);
    on_empty(&self.relay);
}

static void gauge(struct child *child)
{
    (void)child;
    count_set(outgoing, self.relay.pool.nlinks);
}

int relay_main(void)
{
    static const struct child_role role = {
        .role = ROLE_RELAY, .begin = begin, .peer = peer, .drain = drain, .gauge = gauge,
    };

    return child_run(&role);
}
