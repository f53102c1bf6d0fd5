/* main.c - relay: carries mail to other hosts, by SMTP and LMTP.
 *
 * Jobs come from the queue (DELIVER), each is answered once (RESULT). This
 * process holds nothing that cannot be lost: a job without an answer is later.
 */
#include <stdlib.h>
#include <sysexits.h>
#include "ipc/child.h"
#include "log/log.h"
#include "relay/job.h"

static struct {
    struct relay  relay;
    struct child *child;
    uv_timer_t    leave;        /* after DRAIN: when to give up what is left */
} self;

static void on_empty(struct relay *relay)
{
    (void)relay;
    if (self.child->draining)
        child_leave(self.child, EX_OK);
}

static bool on_receive(struct channel *c, uint32_t type, struct wire *w, int *fd)
{
    if (type == MSG_DELIVER)
        return job_begin(&self.relay, c, w, fd);
    return child_receive_common(self.child, c, type, w);
}

static void on_gone(struct channel *c, const char *why)
{
    (void)why;
    job_forget(&self.relay, c);
}

static void peer(struct child *child, struct channel *c)
{
    c->user = child;
    c->receive = on_receive;
    c->gone = on_gone;
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
    pool_init(&r->pool, child->loop, child->conf, child->slot);
    uv_timer_init(child->loop, &self.leave);
    r->own = own_new(child->conf);
    r->dns = dns_new(child->loop, child->conf, &why);
    if (r->own == NULL || r->dns == NULL) {
        log_event(EVENT_DNS, LF_STR("why", why));
        return false;
    }
    return true;
}

static void on_leave(uv_timer_t *timer)
{
    (void)timer;
    child_leave(self.child, EX_OK);
}

static void drain(struct child *child, unsigned seconds)
{
    pool_drain(&self.relay.pool);
    if (list_empty(&self.relay.jobs)) {
        child_leave(child, EX_OK);
        return;
    }
    uv_timer_start(&self.leave, on_leave, (uint64_t)seconds * 1000, 0);
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
