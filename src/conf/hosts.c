/* hosts.c - other hosts in the configuration: who they are, what they are granted,
 * how we speak to them; and what each listener offers. */
#include "conf/build.h"
#include "conf/value.h"
#include "smtp/address.h"

void build_secrets(struct build *b, const struct conf_block *block, struct conf *conf)
{
    if (conf->accounts_text.n > 0)
        conf->accounts = build_file(b, build_line(block, SET_TOP_accounts), "accounts", "",
                                    conf->accounts_text);
    if (conf->credentials_text.n > 0)
        conf->credentials = build_file(b, build_line(block, SET_TOP_credentials), "credentials",
                                       "", conf->credentials_text);
    if (conf->keytab.n > 0)
        conf->keytab = build_path(b, build_line(block, SET_TOP_keytab), "keytab", conf->keytab);
}

/* lower_names - domains are compared in lower case */

static void lower_names(struct build *b, unsigned line, struct conf_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        if (!domain_valid(names->names[i]))
            conf_error(b->errors, line, "domains: \"%.*s\" is not a domain; write letters, "
                       "digits and hyphens in labels, as example.org", SLICE(names->names[i]));
        names->names[i] = build_lower(&b->conf->arena, names->names[i]);
    }
}

void build_tls(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf_tls *t = owner;

    t->line = block->line;
    t->name = build_lower(&b->conf->arena, block->title);
    if (!domain_valid(block->title))
        conf_error(b->errors, t->line, "tls: \"%.*s\" is not a host name; write the name that "
                   "the certificate is for", SLICE(block->title));
    t->certificate = build_path(b, build_line(block, SET_TLS_certificate), "certificate",
                                t->certificate);
    t->key = build_path(b, build_line(block, SET_TLS_key), "key", t->key);
}

void build_peer(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf_peer *p = owner;
    enum feature f;

    p->line = block->line;
    p->name = block->title;
    if (p->networks.n == 0 && p->accounts.n == 0)
        conf_error(b->errors, p->line, "peer \"%.*s\": nobody is it; write networks or accounts",
                   SLICE(p->name));
    lower_names(b, build_line(block, SET_PEER_domains), &p->domains);
    for (size_t i = 0; i < p->grant_text.n; i++)
        if (feature_parse(p->grant_text.names[i], &f))
            p->grant |= UINT64_C(1) << f;
        else
            conf_error(b->errors, build_line(block, SET_PEER_grant), "grant: \"%.*s\" is "
                       "nothing that can be granted; write keywords of EHLO, as etrn or xclient",
                       SLICE(p->grant_text.names[i]));
}

static void host_and_port(struct build *b, unsigned line, const char *name, struct slice text,
                          uint16_t usual, struct slice *host, uint16_t *port)
{
    if (!value_endpoint(text, usual, host, port))
        conf_error(b->errors, line, "%s: \"%.*s\" is no host; write HOST, HOST:PORT or "
                   "[ADDRESS]:PORT", name, SLICE(text));
}

void build_fetch(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf_fetch *f = owner;

    f->line = block->line;
    f->name = block->title;
    host_and_port(b, build_line(block, SET_FETCH_host), "host", f->host_text,
                  f->verb == FETCH_ATRN ? 366 : 25, &f->host, &f->port);
    lower_names(b, build_line(block, SET_FETCH_domains), &f->domains);
    if (f->verb != FETCH_ETRN && f->account.n == 0)
        conf_error(b->errors, f->line, "fetch \"%.*s\": who are we there? write account, the "
                   "name of an entry of the credentials file", SLICE(f->name));
    if (f->verb == FETCH_ETRN && f->domains.n == 0)
        conf_error(b->errors, f->line, "fetch \"%.*s\": whose mail? write domains",
                   SLICE(f->name));
}

void build_connector(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf_connector *c = owner;

    c->line = block->line;
    c->name = build_lower(&b->conf->arena, block->title);
    if (!domain_valid(block->title))
        conf_error(b->errors, c->line, "connector: \"%.*s\" is not a host name; write the "
                   "hostname of the neighbour", SLICE(block->title));
    host_and_port(b, build_line(block, SET_CONNECTOR_via), "via", c->via_text, 25, &c->host,
                  &c->port);
}

void build_tls_uses(struct build *b)
{
    struct conf *c = b->conf;

    if (c->relay.tls == TLS_DEFAULT)
        c->relay.tls = TLS_OFFER;
    for (size_t i = 0; i < c->nroutes; i++)
        if (c->routes[i].tls == TLS_DEFAULT)
            c->routes[i].tls = c->relay.tls;
    for (size_t i = 0; i < c->nfetches; i++)
        if (c->fetches[i].tls == TLS_DEFAULT)
            c->fetches[i].tls = c->relay.tls;
    for (size_t i = 0; i < c->nconnectors; i++)
        if (c->connectors[i].tls == TLS_DEFAULT)
            c->connectors[i].tls = c->relay.tls;
}

/* --- what is offered -------------------------------------------------------- */

static const char *const role_words[LISTEN_ROLES] = {
    [LISTEN_MX] = "mx", [LISTEN_SINK] = "sink", [LISTEN_SUBMISSION] = "submission",
    [LISTEN_ODMR] = "odmr", [LISTEN_LMTP] = "lmtp",
};

static bool offer_is_for(const struct conf_offer *o, const struct conf_listen *l)
{
    return slice_eq(o->title, l->address) || slice_ieq(o->title, slice_cstr(role_words[l->role]));
}

void build_offer(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf_offer *o = owner;
    enum feature f;

    o->line = block->line;
    o->title = block->title;
    for (unsigned who = 0; who < WHO_COUNT; who++)
        for (size_t i = 0; i < o->who[who].n; i++) {
            struct slice word = o->who[who].names[i];

            if (!slice_ieq(word, SLICE_LIT("default")) && !feature_parse(word, &f))
                conf_error(b->errors, o->line, "offer: \"%.*s\" is no extension; write keywords "
                           "of EHLO, as dsn or etrn, or default", SLICE(word));
        }
}

static uint64_t offered(const struct conf_names *words, unsigned role, enum who who)
{
    uint64_t features = 0;
    enum feature f;

    for (size_t i = 0; i < words->n; i++)
        if (slice_ieq(words->names[i], SLICE_LIT("default")))
            features |= features_usual(role, who);
        else if (feature_parse(words->names[i], &f))
            features |= UINT64_C(1) << f;
    return features;
}

/* dependent - what makes no sense without another is not offered alone */

static uint64_t dependent(const struct conf_listen *l, uint64_t features)
{
    if (!(features & FEATURE(CHUNKING)))
        features &= ~FEATURE(BINARYMIME);       /* RFC 3030 §3 */
    if (l->tls == LISTEN_TLS_NONE || l->tls == LISTEN_TLS_IMPLICIT)
        features &= ~FEATURE(STARTTLS);
    if (l->auth == LISTEN_AUTH_NONE)
        features &= ~(FEATURE(AUTH) | FEATURE(X_EXPS));
    return features;
}

static void settle_tls(struct build *b, struct conf_listen *l)
{
    bool needed = l->tls == LISTEN_TLS_REQUIRE || l->tls == LISTEN_TLS_IMPLICIT
               || l->tls == LISTEN_TLS_OFFER;

    if (needed && b->conf->ntls == 0)
        conf_error(b->errors, l->line, "listen \"%.*s\": TLS needs a certificate; write "
                   "tls \"%.*s\" { certificate = ... key = ... }", SLICE(l->address),
                   SLICE(b->conf->hostname));
    if (l->tls == LISTEN_TLS_DEFAULT)
        l->tls = b->conf->ntls > 0 ? LISTEN_TLS_OFFER : LISTEN_TLS_NONE;
}

static void settle_auth(struct build *b, struct conf_listen *l)
{
    bool accounts = b->conf->accounts.n > 0 || b->conf->keytab.n > 0;

    if (l->auth == LISTEN_AUTH_DEFAULT)
        l->auth = l->role == LISTEN_SUBMISSION ? LISTEN_AUTH_REQUIRE
                : l->role == LISTEN_ODMR ? LISTEN_AUTH_OFFER : LISTEN_AUTH_NONE;
    if (l->auth != LISTEN_AUTH_NONE && !accounts)
        conf_error(b->errors, l->line, "listen \"%.*s\": nobody can log in; write "
                   "accounts = \"file:/etc/postrider/accounts\" (or keytab), or auth = none",
                   SLICE(l->address));
}

void build_offers(struct build *b)
{
    struct conf *c = b->conf;

    for (size_t i = 0; i < c->nlistens; i++) {
        struct conf_listen *l = &c->listens[i];

        settle_tls(b, l);
        settle_auth(b, l);
        for (unsigned who = 0; who < WHO_COUNT; who++) {
            l->offers[who] = features_usual(l->role, (enum who)who);
            for (size_t j = 0; j < c->noffers; j++)
                if (offer_is_for(&c->offers[j], l))
                    l->offers[who] = offered(&c->offers[j].who[who], l->role, (enum who)who);
            l->offers[who] = dependent(l, l->offers[who]);
        }
    }
}
