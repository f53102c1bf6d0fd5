/* dial.c - from a name to a session. */
#include <stdio.h>
#include <stdlib.h>
#include "relay/dial.h"

struct dial {
    struct relay         *relay;
    struct dial_to        to;
    dial_done_f          *done;
    void                 *user;
    struct hosts_query   *query;
    struct hosts         *hosts;
    size_t                ip;           /* the next address */
    bool                  clear;        /* that one again, without TLS */
    struct link          *link;
    struct pool_waiter    waiter;
    uv_timer_t           *soon;         /* an answer that is known at once waits for the loop */
    struct client_problem problem;
};

static void on_timer_closed(uv_handle_t *h)
{
    free(h);
}

static void dial_free(struct dial *d)
{
    if (d->query != NULL)
        hosts_cancel(d->query);
    if (d->soon != NULL)
        uv_close((uv_handle_t *)d->soon, on_timer_closed);
    list_remove(&d->waiter.link);
    hosts_free(d->hosts);
    free(d);
}

static void finish(struct dial *d, struct link *link)
{
    dial_done_f *done = d->done;
    void *user = d->user;
    struct client_problem why = d->problem;

    dial_free(d);
    done(user, link, &why);
}

static void next(struct dial *d);

static bool handshake_failed(const struct client *c)
{
    return c->problem.cause == CAUSE_TLS && c->options.tls == TLS_POLICY_OPPORTUNISTIC;
}

static void on_link(struct link *link, enum link_event event)
{
    struct dial *d = link->user;

    d->link = NULL;
    if (event == LINK_READY) {
        finish(d, link);
        return;
    }
    d->problem = link->client.problem;
    d->clear = handshake_failed(&link->client);
    d->ip -= d->clear;
    if (d->problem.cause == CAUSE_LOGIN)
        finish(d, NULL);        /* elsewhere it would be no better, and count as another try */
    else
        next(d);
}

static enum tls_policy policy_of(const struct dial *d)
{
    if (d->clear || d->to.tls == TLS_NONE)
        return TLS_POLICY_NONE;
    return d->to.tls == TLS_REQUIRE ? TLS_POLICY_REQUIRE : TLS_POLICY_OPPORTUNISTIC;
}

static void go(void *user)
{
    struct dial *d = user;
    const struct host *h = &d->hosts->host[0];
    struct target t = { .port = d->to.port, .name = h->name, .tls = policy_of(d),
                        .account = d->to.account };

    t.ip = h->ips[d->ip++];
    d->link = link_new(&d->relay->pool, d->to.host, &t, on_link, d);
    if (d->link == NULL) {
        snprintf(d->problem.text, sizeof d->problem.text, "no memory");
        finish(d, NULL);
    }
}

static void next(struct dial *d)
{
    if (d->ip >= d->hosts->host[0].nips)
        finish(d, NULL);
    else if (pool_has_room(&d->relay->pool, &d->waiter))
        go(d);
}

static void on_hosts(void *user, struct hosts *h)
{
    struct dial *d = user;

    d->query = NULL;
    d->hosts = h;
    if (h->fate == FATE_DONE && h->n > 0) {
        next(d);
        return;
    }
    snprintf(d->problem.text, sizeof d->problem.text, "%s", h->text);
    finish(d, NULL);
}

static void on_soon(uv_timer_t *timer)
{
    struct dial *d = timer->data;

    uv_close((uv_handle_t *)timer, on_timer_closed);
    d->soon = NULL;
    on_hosts(d, d->hosts);
}

/* known - an address needs no question */

static bool known(struct dial *d, const struct ip *ip, const struct hosts_policy *p)
{
    char name[DNS_NAME];

    snprintf(name, sizeof name, "%.*s", SLICE(d->to.host));
    d->hosts = hosts_one(name, ip, p);
    d->soon = calloc(1, sizeof *d->soon);
    if (d->hosts == NULL || d->soon == NULL || uv_timer_init(d->relay->loop, d->soon) != 0) {
        free(d->soon);
        d->soon = NULL;
        return false;
    }
    d->soon->data = d;
    uv_timer_start(d->soon, on_soon, 0, 0);
    return true;
}

static bool look_up(struct dial *d)
{
    struct hosts_policy p = {
        .own = d->relay->own, .hostname = d->relay->conf->hostname, .loopback = true,
        .port = d->to.port, .fixed = true, .ipv6 = d->relay->conf->relay.ipv6,
    };
    struct ip ip;

    if (ip_parse(d->to.host, &ip))
        return known(d, &ip, &p);
    d->query = hosts_find(d->relay->dns, d->to.host, &p, on_hosts, d);
    return d->query != NULL;
}

struct dial *dial_begin(struct relay *relay, const struct dial_to *to, dial_done_f *done,
                        void *user)
{
    struct dial *d = calloc(1, sizeof *d);

    if (d == NULL)
        return NULL;
    *d = (struct dial){ .relay = relay, .to = *to, .done = done, .user = user };
    d->waiter = (struct pool_waiter){ .go = go, .user = d };
    list_init(&d->waiter.link);
    if (look_up(d))
        return d;
    dial_free(d);
    return NULL;
}

void dial_cancel(struct dial *d)
{
    if (d->link != NULL)
        link_drop(d->link);
    dial_free(d);
}
