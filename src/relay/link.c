/* link.c - one connection to another host: its stream, its client session, and the
 * handshake and login that they need from elsewhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/map.h"
#include "log/log.h"
#include "relay/pool.h"

enum { LINK_IN = 64 << 10 };

/* --- the end of a link */

void link_free(struct link *link)
{
    free((char *)(uintptr_t)link->key.p);
    free(link);
}

/* A login that the other side refuses for ever is a mistake in our configuration. */
static void log_login(const struct link *link)
{
    const struct client *c = &link->client;

    if (c->problem.cause != CAUSE_LOGIN || c->problem.code / 100 == 4)
        return;
    log_event(EVENT_CONFIG, LF_STR("session", link->session), LF_STR("host", link->host),
              LF_TEXT("account", c->options.account), LF_NUM("code", c->problem.code),
              LF_STR("why", c->problem.text));
}

void link_leave(struct link *link)
{
    struct pool *pool = link->pool;

    link->dead = true;
    link->event = NULL;
    list_remove(&link->all);
    list_remove(&link->idle);
    list_remove(&link->same);
    pool->nlinks--;
    count_set(outgoing, pool->nlinks);
}

/* link_end - what is left in `out` is sent before it closes */

static void link_end(struct link *link)
{
    link_event_f *event = link->event;
    struct pool *pool = link->pool;

    if (link->dead)
        return;
    link_leave(link);
    vault_cancel(&pool->vaults, &link->login);
    log_login(link);
    log_event(EVENT_OUTGOING, LF_STR("session", link->session), LF_STR("host", link->host),
              LF_STR("state", "closed"), LF_NUM("messages", link->client.sent),
              LF_STR("why", link->client.problem.text));
    if (!link->closed)
        stream_finish(&link->stream);
    if (event != NULL)
        event(link, LINK_DEAD);
    if (link->lent)
        link->lost(link, link->owner);
    pool_wake(pool);
    if (link->closed)
        link_free(link);
}

/* A stream that could not even begin to connect closes by itself. */
static void on_closed(struct stream *s)
{
    struct link *link = s->user;

    link->closed = true;
    if (link->dead) {
        link_free(link);
        return;
    }
    client_fail(&link->client, CAUSE_CONNECT, strerror(s->error));
    link_end(link);
}

void link_drop(struct link *link)
{
    link->event = NULL;
    client_quit(&link->client);
    link_end(link);
}

/* --- the turn of a link: after anything happened to it */

static void link_fill(struct link *link)
{
    while (client_fills(&link->client) && stream_pending(&link->stream) == 0) {
        client_fill(&link->client, clock_mono());
        stream_flush(&link->stream);
    }
}

/* link_shake - begin the handshake that the client waits for */

static void link_shake(struct link *link)
{
    enum tls_policy policy = link->client.options.tls;
    struct tls_peer peer = { .name = slice_cstr(link->name), .policy = policy,
                             .place = slice_cstr(link->place) };

    if (link->client.stage != STAGE_SECURE || link->shaking)
        return;
    link->shaking = true;
    if (link->pool->tls == NULL || (link->pool->trusts_nobody && policy == TLS_POLICY_REQUIRE)) {
        client_fail(&link->client, CAUSE_TLS, "this process could read no authorities to trust");
        return;
    }
    switch (stream_tls_client(&link->stream, link->pool->tls, &peer)) {
    case STREAM_TLS_BEGUN:
        break;
    case STREAM_TLS_INJECTED:
        client_fail(&link->client, CAUSE_PROTOCOL, "words in the clear after STARTTLS");
        break;
    case STREAM_TLS_NO_MEMORY:
        client_fail(&link->client, CAUSE_RESOURCE, "no memory");
        break;
    }
}

static void link_secured(struct link *link)
{
    struct tls_info info = { .version = "TLS" };
    size_t n = strlen(link->host);

    stream_tls_info(&link->stream, &info);
    snprintf(link->host + n, sizeof link->host - n, " %s", info.version);
    log_event(EVENT_OUTGOING, LF_STR("session", link->session), LF_STR("host", link->host),
              LF_STR("state", "secure"), LF_STR("cipher", info.cipher != NULL ? info.cipher : ""),
              LF_STR("certificate", info.verified ? "verified" : "not verified"),
              LF_STR("why", info.unverified != NULL ? info.unverified : ""));
    client_secured(&link->client, info.verified && !link->pool->trusts_nobody, clock_mono());
}

/* The event may begin the next transaction, which may be over at once. */
void link_look(struct link *link)
{
    if (link->looking || link->dead)
        return;
    link->looking = true;
    do {
        stream_flush(&link->stream);
        link_fill(link);
        link_shake(link);
        if (link->client.stage == STAGE_DEAD) {
            link_end(link);
            return;
        }
        if (link->client.stage != STAGE_IDLE || !link->busy)
            break;
        link->busy = false;
        if (link->event != NULL)
            link->event(link, LINK_READY);
    } while (!link->dead);
    link->looking = false;
}

static void link_input(struct link *link)
{
    size_t used = 0;

    client_input(&link->client, buf_view(&link->stream.in), &used, clock_mono());
    buf_drop(&link->stream.in, used);
}

static void link_connected(struct link *link)
{
    link->connect_by = 0;
    client_begin(&link->client, &link->client.options, clock_mono());
    count_add(outgoing_connects, 1);
    log_event(EVENT_OUTGOING, LF_STR("session", link->session), LF_STR("host", link->host),
              LF_STR("state", "connected"));
    stream_read(&link->stream);
}

static void link_failed(struct link *link)
{
    enum cause cause = link->connect_by != 0 ? CAUSE_CONNECT
        : link->client.stage == STAGE_SECURE ? CAUSE_TLS : CAUSE_LOST;

    client_fail(&link->client, cause, stream_error_text(&link->stream));
}

static void on_event(struct stream *s, enum stream_event event)
{
    struct link *link = s->user;

    if (link->dead)
        return;
    switch (event) {
    case STREAM_CONNECTED:
        link_connected(link);
        break;
    case STREAM_INPUT:
        link_input(link);
        break;
    case STREAM_SECURE:
        link_secured(link);
        break;
    case STREAM_DRAINED:
        break;
    case STREAM_EOF:
        client_fail(&link->client, link->client.stage == STAGE_SECURE ? CAUSE_TLS : CAUSE_LOST,
                    "closed by the host");
        break;
    case STREAM_FAILED:
        link_failed(link);
        break;
    }
    link_look(link);
}

/* --- logging in: between the client and the vault */

static void on_login(void *user, enum client_ask ask, struct slice data)
{
    struct link *link = user;
    struct vaults *v = &link->pool->vaults;

    switch (ask) {
    case CLIENT_ASK_BEGIN:
        /* a password itself is for nobody but the host that is meant */
        vault_begin(v, &link->login, data, link->client.options.account, slice_cstr(link->name),
                    link->client.secure && link->client.verified);
        break;
    case CLIENT_ASK_STEP:
        vault_step(v, &link->login, data);
        break;
    case CLIENT_ASK_CANCEL:
        vault_cancel(v, &link->login);
        break;
    }
}

static void login_say(struct vault_login *l, struct slice mechanism, bool has_data,
                      struct slice data)
{
    struct link *link = l->user;

    client_login_say(&link->client, mechanism, has_data, data, clock_mono());
    link_look(link);
}

static void login_end(struct vault_login *l, enum fate fate, struct slice why)
{
    struct link *link = l->user;

    client_login_end(&link->client, fate, why, clock_mono());
    link_look(link);
}

/* --- making one */

static void link_name(struct link *link, const struct target *t)
{
    char ip[IP_TEXT];
    struct pool *pool = link->pool;

    snprintf(link->session, sizeof link->session, "r%u-%llu", pool->slot,
             (unsigned long long)++pool->named);
    snprintf(link->name, sizeof link->name, "%s", t->name);
    if (t->ip.family == 0)
        snprintf(link->host, sizeof link->host, "%s", t->name);
    else
        snprintf(link->host, sizeof link->host, "%s [%s]:%u", t->name, ip_text(&t->ip, ip),
                 t->port);
    if (t->ip.family != 0)
        snprintf(link->place, sizeof link->place, "%s:%u", ip, t->port);
}

static struct link *link_alloc(struct pool *pool, struct slice key)
{
    struct link *link = calloc(1, sizeof *link);
    char *copy = malloc(key.n + 1);

    if (link == NULL || copy == NULL) {
        free(link);
        free(copy);
        return NULL;
    }
    if (key.n > 0)
        memcpy(copy, key.p, key.n);
    link->key = slice_of(copy, key.n);
    link->hash = hash_keyed(key);
    link->pool = pool;
    link->login = (struct vault_login){ .user = link, .say = login_say, .end = login_end };
    list_init(&link->idle);
    list_init(&link->same);
    return link;
}

static void link_connect(struct link *link, const struct target *t)
{
    uv_loop_t *loop = link->pool->loop;

    if (t->ip.family == 0)
        stream_connect_unix(&link->stream, loop, t->name, LINK_IN, CLIENT_OUT_MAX,
                            on_event, on_closed, link);
    else
        stream_connect(&link->stream, loop, &t->ip, t->port, NULL, LINK_IN, CLIENT_OUT_MAX,
                       on_event, on_closed, link);
}

/* granted - what a peer at this address may have from us */

static bool granted(const struct pool *pool, const struct ip *ip, uint64_t feature)
{
    const struct conf_peer *peer = ip->family != 0 ? conf_peer_at(pool->conf, ip) : NULL;

    return peer != NULL && (peer->grant & feature) != 0;
}

static struct client_options options_of(struct link *link, const struct target *t)
{
    const struct pool *pool = link->pool;
    bool tls = pool->tls != NULL || t->tls == TLS_POLICY_REQUIRE;

    return (struct client_options){
        .lmtp = t->lmtp, .plain = t->plain, .loops = t->loops,
        .xforward = granted(pool, &t->ip, FEATURE(XFORWARD)),
        .xexch50 = granted(pool, &t->ip, FEATURE(XEXCH50)),
        .tls = tls ? t->tls : TLS_POLICY_NONE, .account = t->account,
        .login = on_login, .login_user = link,
        .hostname = pool->conf->hostname, .session = slice_cstr(link->session),
        .scale = (unsigned)pool->conf->relay.timeout_scale, .out = &link->stream.out,
    };
}

static void link_enlist(struct link *link, link_event_f *event, void *user)
{
    struct pool *pool = link->pool;

    link->event = event;
    link->user = user;
    link->busy = true;
    list_push(&pool->links, &link->all);
    count_set(outgoing, ++pool->nlinks);
}

struct link *link_new(struct pool *pool, struct slice key, const struct target *t,
                      link_event_f *event, void *user)
{
    struct link *link = link_alloc(pool, key);
    struct client_options options;

    if (link == NULL)
        return NULL;
    link_enlist(link, event, user);
    link->connect_by = clock_mono() + pool->conf->relay.connect_timeout;
    link_name(link, t);
    options = options_of(link, t);
    client_begin(&link->client, &options, clock_mono());
    link_connect(link, t);
    return link;
}

/* A connection that was reversed ends at a program that reads lines, perhaps; and what
 * TLS there is, is there already. */
struct link *link_adopt(struct pool *pool, int fd, struct slice host, link_event_f *event,
                        void *user)
{
    struct link *link = link_alloc(pool, host);
    struct client_options options;
    struct target t = { .name = "", .tls = TLS_POLICY_NONE };

    if (link == NULL) {
        close(fd);
        return NULL;
    }
    link_enlist(link, event, user);
    link_name(link, &t);
    snprintf(link->host, sizeof link->host, "%.*s", SLICE(slice_first(host, 300)));
    options = options_of(link, &t);
    options.lines = true;
    client_begin(&link->client, &options, clock_mono());
    if (stream_open(&link->stream, pool->loop, fd, LINK_IN, CLIENT_OUT_MAX, on_event, on_closed,
                    link))
        link_connected(link);
    return link;
}

/* --- using one */

void link_send(struct link *link, struct client_mail *mail)
{
    link->busy = true;
    client_send(&link->client, mail, clock_mono());
    link_look(link);
}

void link_say(struct link *link, struct slice line)
{
    link->busy = true;
    client_say(&link->client, line, clock_mono());
    link_look(link);
}
