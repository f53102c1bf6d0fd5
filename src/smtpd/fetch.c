/* fetch.c - who may fetch what, and the questions to the queue. */
#include "ipc/messages.h"
#include "smtpd/fetch.h"

enum {
    QUEUE_NAME_MAX = 64,
    DOMAINS_MAX    = 1000,      /* of one ATRN */
};

/* fqdn - with one dot at least (RFC 1985 §5.3, RFC 2645 §5.2) */

static bool fqdn(struct slice domain)
{
    return domain_valid(domain) && slice_chr(domain, '.') < domain.n;
}

/* -------------------------------------------------------------------- ETRN -- */

struct kick {
    enum kick_kind kind;
    struct slice   name;
};

static bool queue_name(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~')
            return false;
    return name.n > 0 && name.n <= QUEUE_NAME_MAX;
}

/* kick_read - [@|#]name; false: neither a domain nor a name of a queue */

static bool kick_read(struct slice args, struct kick *k)
{
    k->kind = args.p[0] == '@' ? KICK_DOMAIN : args.p[0] == '#' ? KICK_QUEUE : KICK_NODE;
    k->name = slice_from(args, k->kind != KICK_NODE);
    return k->kind == KICK_QUEUE ? queue_name(k->name) : fqdn(k->name);
}

/* may_kick - trusted clients all; others the domains that their peer section names
 * ("ETRN @com" is nobody's, RFC 1985 §6) */

static bool may_kick(const struct session *s, const struct kick *k)
{
    return s->trusted
        || (k->kind != KICK_QUEUE
            && conf_may_fetch(s->server->conf, &s->client, s->account, FEATURE_ETRN, k->name));
}

/* ask - a question whose ticket the world gives; silence says `otherwise` */

static unsigned ask(struct session *s, uint64_t ticket, enum reply_id otherwise)
{
    if (ticket == 0)
        return otherwise;
    session_ask(s, ticket, WORLD_PATIENCE, NULL);
    s->asking.otherwise = otherwise;
    return REPLY_NONE;
}

unsigned on_etrn(struct session *s, struct slice args, struct reply *r)
{
    struct server *server = s->server;
    struct kick k;

    (void)r;
    if (args.n == 0)
        return REPLY_NEED_ARGUMENT;
    if (!kick_read(args, &k))
        return REPLY_BAD_ARGUMENTS;
    if (!may_kick(s, &k))
        return REPLY_ETRN_DENIED;
    if (s->etrn_asked >= server->conf->limits.etrn)
        return REPLY_ETRN_CANNOT;
    s->etrn_asked++;
    s->etrn_many = k.kind != KICK_NODE;
    return ask(s, server->world->kick(server->ctx, s, k.kind, k.name), REPLY_ETRN_CANNOT);
}

void session_kicked(struct session *s, uint64_t ticket, enum fate fate, uint64_t count)
{
    static struct reply r;

    if (!session_answered(s, ticket))
        return;
    r.len = 0;
    r.id = fate == FATE_NEVER ? REPLY_ETRN_NO_QUEUE : fate == FATE_LATER ? REPLY_ETRN_CANNOT
         : count == 0 ? REPLY_ETRN_NONE : s->etrn_many ? REPLY_ETRN_PENDING : REPLY_ETRN_COUNT;
    if (r.id == REPLY_ETRN_COUNT)
        reply_add(&r, r.id, "OK, %llu pending messages started", (unsigned long long)count);
    session_say_reply(s, &r);
}

/* -------------------------------------------------------------- TURN, ATRN -- */

/* The domains that are asked for, as TURN_ASK has them. */
struct wanted {
    struct buf  *names;
    struct wire  out;
    uint32_t     n;
};

static struct wanted wanted_none(void)
{
    static struct buf names = { .max = 256 << 10 };

    buf_clear(&names);
    return (struct wanted){ .names = &names, .out = wire_writer(&names) };
}

static void want(struct wanted *w, struct slice domain)
{
    wire_put_bytes(&w->out, domain);
    w->n++;
}

/* want_all - every domain that he may fetch by this verb */

static void want_all(const struct session *s, enum feature by, struct wanted *w)
{
    const struct conf *conf = s->server->conf;

    for (size_t i = 0; i < conf->npeers; i++) {
        const struct conf_peer *peer = &conf->peers[i];

        if (!(peer->grant >> by & 1) || !conf_peer_known(peer, &s->client, s->account))
            continue;
        for (size_t k = 0; k < peer->domains.n && w->n < DOMAINS_MAX; k++)
            want(w, peer->domains.names[k]);
    }
}

/* want_named - domain *("," domain); one that is not his spoils all (RFC 2645 §5.2.1) */

static enum reply_id want_named(const struct session *s, struct slice list, struct wanted *w)
{
    enum reply_id id = REPLY_OK;
    struct slice domain;
    bool more = true;

    while (more) {
        more = slice_cut(list, ',', &domain, &list);
        if (!fqdn(domain) || w->n == DOMAINS_MAX)
            return REPLY_BAD_ARGUMENTS;
        if (!conf_may_fetch(s->server->conf, &s->client, s->account, FEATURE_ATRN, domain))
            id = REPLY_TURN_DENIED;
        want(w, domain);
    }
    return id;
}

static unsigned turn(struct session *s, const struct wanted *w)
{
    struct server *server = s->server;

    if (w->n == 0)
        return REPLY_TURN_DENIED;
    if (w->out.bad)
        return REPLY_TURN_CANNOT;
    return ask(s, server->world->turn(server->ctx, s, w->n, buf_view(w->names)),
               REPLY_TURN_CANNOT);
}

unsigned on_turn(struct session *s, struct slice args, struct reply *r)
{
    struct wanted w = wanted_none();

    (void)args;
    (void)r;
    if (s->account.n == 0)
        return REPLY_NEED_AUTH;
    want_all(s, FEATURE_TURN, &w);
    return turn(s, &w);
}

unsigned on_atrn(struct session *s, struct slice args, struct reply *r)
{
    struct wanted w = wanted_none();
    enum reply_id id = REPLY_OK;

    (void)r;
    if (s->account.n == 0)
        return REPLY_NEED_AUTH;
    if (args.n == 0)
        want_all(s, FEATURE_ATRN, &w);
    else
        id = want_named(s, args, &w);
    return id == REPLY_OK ? turn(s, &w) : id;
}

bool session_turned(struct session *s, uint64_t ticket, enum fate fate, uint64_t count,
                    bool early)
{
    bool go = fate == FATE_DONE && count > 0 && !early;

    if (!session_answered(s, ticket))
        return false;
    if (early)
        session_say(s, REPLY_OUT_OF_STEP);
    else if (go)
        session_say(s, REPLY_TURNING);
    else
        session_say(s, fate == FATE_DONE ? REPLY_NO_MAIL : fate == FATE_NEVER ? REPLY_TURN_BUSY
                                                                          : REPLY_TURN_CANNOT);
    if (go) {
        s->turn = ticket;
        s->wait = WAIT_TURN;
    }
    return go;
}
