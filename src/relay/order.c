/* order.c - the parts of a DELIVER, and what becomes of its recipients. */
#include <stdio.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/id.h"
#include "ipc/channel.h"
#include "relay/order.h"
#include "smtp/address.h"

enum { RESULT_BYTES = 8 << 20 };        /* of words in one RESULT */

void order_init(struct order *o)
{
    *o = (struct order){ .fd = -1, .arena = ARENA(4 * (size_t)CHANNEL_FRAME_MAX) };
    refit_init(&o->refit, (struct slice){ NULL, 0 }, -1, 0, 0);
}

void order_free(struct order *o)
{
    refit_free(&o->refit);
    if (o->fd >= 0)
        close(o->fd);
    arena_free(&o->arena);
}

/* --- from the frame */

static void take_rcpt(struct order *o, struct wire *w)
{
    struct client_rcpt *r = &o->rcpts[o->nrcpts];

    o->index[o->nrcpts] = wire_get_u32(w);
    r->address = arena_copy(&o->arena, wire_get_bytes(w));
    r->original = arena_copy(&o->arena, wire_get_bytes(w));
    r->extra = arena_copy(&o->arena, wire_get_bytes(w));
}

static bool take_rcpts(struct order *o, const struct msg_deliver *m)
{
    struct wire w = wire_reader(m->rcpts);

    if (m->nrcpts == 0 || m->nrcpts > ENVELOPE_RCPTS)
        return false;
    o->rcpts = arena_array(&o->arena, m->nrcpts, sizeof *o->rcpts);
    o->index = arena_array(&o->arena, m->nrcpts, sizeof *o->index);
    if (o->rcpts == NULL || o->index == NULL)
        return false;
    for (o->nrcpts = 0; o->nrcpts < m->nrcpts && !w.bad; o->nrcpts++)
        take_rcpt(o, &w);
    return wire_done(&w);
}

static void take_mail(struct order *o, const struct msg_deliver *m)
{
    struct slice body = m->file ? (struct slice){ NULL, 0 } : arena_copy(&o->arena, m->body);
    char id[ID_TEXT + 1];

    refit_init(&o->refit, body, o->fd, m->offset, m->length);
    o->mail = (struct client_mail){
        .arena = &o->arena, .sender = arena_copy(&o->arena, m->sender),
        .id = arena_copy(&o->arena, slice_cstr(id_text(m->id, id))),
        .flags = m->flags, .extra = arena_copy(&o->arena, m->extra),
        .from_ip = arena_copy(&o->arena, m->client),
        .from_name = arena_copy(&o->arena, m->helo),
        .protocol = arena_copy(&o->arena, m->protocol),
        .wall_ahead = clock_wall() - clock_mono(),
        .text = refit_text(&o->refit), .fit = refit, .fit_user = &o->refit,
    };
}

/* connector_of - "link:NAME": the connector of the link-state routing, or NULL */

static const struct conf_connector *connector_of(const struct order *o, const struct conf *conf)
{
    struct slice kind, name;

    slice_cut(o->text, ':', &kind, &name);
    for (size_t i = 0; i < conf->nconnectors && slice_eq(kind, SLICE_LIT("link")); i++)
        if (slice_ieq(conf->connectors[i].name, name))
            return &conf->connectors[i];
    return NULL;
}

static bool take_destination(struct order *o, const struct conf_connector *c)
{
    struct destination *d = &o->destination;

    if (c == NULL)
        return destination_parse(o->text, d);
    *d = (struct destination){ .way = WAY_HOST, .name = c->host, .port = c->port };
    ip_parse(c->host, &d->ip);
    return true;
}

static enum tls_policy policy_of(const struct order *o, enum tls_use use)
{
    if (o->destination.way == WAY_UNIX)
        return TLS_POLICY_NONE;
    if (use == TLS_REQUIRE || ((o->mail.flags & ENV_REQUIRETLS) && o->mail.sender.n > 0))
        return TLS_POLICY_REQUIRE;
    return use == TLS_NONE ? TLS_POLICY_NONE : TLS_POLICY_OPPORTUNISTIC;
}

/* key_of - what links have in common that may carry the same mail */

static struct slice key_of(struct order *o)
{
    char *p = arena_alloc(&o->arena, o->text.n + o->account.n + 3);

    if (p == NULL)
        return (struct slice){ NULL, 0 };
    if (o->text.n > 0)
        memcpy(p, o->text.p, o->text.n);
    p[o->text.n] = ' ';
    p[o->text.n + 1] = (char)('0' + o->tls);
    p[o->text.n + 2] = ' ';
    if (o->account.n > 0)
        memcpy(p + o->text.n + 3, o->account.p, o->account.n);
    return slice_of(p, o->text.n + o->account.n + 3);
}

/* take_policy - what the configuration asks of the way there. Connections are shared
 * only where it is the same. */

static void take_policy(struct order *o, const struct conf *conf, struct slice domain,
                        const struct conf_connector *c)
{
    const struct conf_route *route = conf_route_find(conf, domain);
    enum tls_use use = c != NULL ? c->tls : route->tls;

    o->tls = policy_of(o, use != TLS_DEFAULT ? use : conf->relay.tls);
    if (!o->destination.lmtp)
        o->account = c != NULL ? c->account : route->account;
    o->key = key_of(o);
}

bool order_take(struct order *o, const struct conf *conf, struct wire *w, int *fd)
{
    const struct conf_connector *c;
    struct msg_deliver m;

    if (!msg_deliver_get(w, &m) || (m.file != 0) != (*fd >= 0)
        || m.offset > INT64_MAX - m.length || !take_rcpts(o, &m))
        return false;
    o->number = m.job;
    o->id = m.id;
    o->text = arena_copy(&o->arena, m.destination);
    c = connector_of(o, conf);
    o->understood = take_destination(o, c);
    if (m.file) {
        o->fd = *fd;
        *fd = -1;
    }
    take_mail(o, &m);
    take_policy(o, conf, m.domain, c);
    return true;
}

/* --- transactions */

/* known_domain - has one of the recipients before it this one's domain? */

static bool known_domain(const struct client_rcpt *from, const struct client_rcpt *r)
{
    for (; from < r; from++)
        if (slice_ieq(address_domain(from->address), address_domain(r->address)))
            return true;
    return false;
}

/* run_of - how many of n recipients have no more than `most` domains (RFC 9422 §4) */

static size_t run_of(const struct client_rcpt *from, size_t n, uint64_t most)
{
    uint64_t domains = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        domains += !known_domain(from, &from[i]);
        if (domains > most)
            break;
    }
    return i;
}

static size_t least(size_t most, uint64_t limit)
{
    return limit > 0 && limit < most ? (size_t)limit : most;
}

static bool settled(const struct client_rcpt *r)
{
    return r->decided || r->unfit != NULL;
}

void order_choose(struct order *o, const struct host_offers *offers, uint64_t limit)
{
    size_t from = 0, most = least(least(CLIENT_RCPTS, limit), offers->rcpt_max);

    while (settled(&o->rcpts[from]))
        from++;
    most = least(most, o->nrcpts - from);
    if (offers->rcpt_domain_max > 0)
        most = run_of(o->rcpts + from, most, offers->rcpt_domain_max);
    o->mail.rcpts = o->rcpts + from;
    o->mail.nrcpts = most;
}

bool order_advanced(const struct order *o)
{
    for (size_t i = 0; i < o->mail.nrcpts; i++)
        if (!settled(&o->mail.rcpts[i]))
            return false;
    return true;
}

/* --- fates */

bool order_settled(const struct order *o)
{
    for (size_t i = 0; i < o->nrcpts; i++)
        if (!settled(&o->rcpts[i]))
            return false;
    return true;
}

bool order_decided(const struct order *o)
{
    for (size_t i = 0; i < o->nrcpts; i++)
        if (!o->rcpts[i].decided)
            return false;
    return true;
}

static void decide(struct client_rcpt *r, enum fate fate, unsigned code, const char *status,
                   struct slice text)
{
    r->decided = true;
    r->fate = fate;
    r->code = code;
    r->status = status;
    r->text = text;
}

void order_decide(struct order *o, enum fate fate, unsigned code, const char *status,
                  struct slice text)
{
    for (size_t i = 0; i < o->nrcpts; i++)
        if (!o->rcpts[i].decided)
            decide(&o->rcpts[i], fate, code, status, text);
}

void order_unfit(struct order *o, const struct unfit *why)
{
    for (size_t i = 0; i < o->nrcpts; i++)
        if (!o->rcpts[i].decided)
            o->rcpts[i].unfit = why;
}

void order_give_up(struct order *o)
{
    for (size_t i = 0; i < o->nrcpts; i++) {
        struct client_rcpt *r = &o->rcpts[i];

        if (!r->decided && r->unfit != NULL)
            decide(r, FATE_NEVER, 0, r->unfit->status, slice_cstr(r->unfit->text));
    }
}

/* outcome_of - what became of a recipient; nobody's word means later */

static struct outcome outcome_of(const struct order *o, size_t i, const struct client_problem *why)
{
    const struct client_rcpt *r = &o->rcpts[i];
    size_t most = RESULT_BYTES / o->nrcpts;

    if (r->decided)
        return (struct outcome){ .index = o->index[i], .fate = (uint8_t)r->fate,
                                 .how = (uint8_t)r->how, .code = (uint16_t)r->code,
                                 .status = slice_cstr(r->status),
                                 .text = slice_first(r->text, most) };
    return (struct outcome){ .index = o->index[i], .fate = FATE_LATER,
                             .code = (uint16_t)why->code,
                             .status = slice_cstr(why->status[0] ? why->status : "4.0.0"),
                             .text = slice_first(slice_cstr(why->text), most) };
}

uint32_t order_put(const struct order *o, const struct client_problem *why, struct buf *out)
{
    struct wire w = wire_writer(out);
    uint32_t n = 0;

    for (size_t i = 0; i < o->nrcpts && !w.bad; i++, n++) {
        struct outcome outcome = outcome_of(o, i, why);

        outcome_put(&w, &outcome);
    }
    if (!w.bad)
        return n;
    buf_clear(out);
    return 0;
}
