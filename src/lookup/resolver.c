/* resolver.c - aliases, recipients and users behind one question. */
#include "base/ascii.h"
#include "log/log.h"
#include "lookup/resolver.h"
#include "mail/envelope.h"
#include "table/terminal.h"

/* One try at a question: what alias_expand() asks through, and what it waits for. */
struct attempt {
    struct resolver    *resolver;
    struct user_entry **wanted;     /* the first user who is not known yet */
};

static bool find_alias(const void *user, struct slice address, struct slice *targets)
{
    const struct attempt *at = user;
    struct slice local, domain;
    const struct table *t;

    address_split(address, &local, &domain);
    t = table_set_find(&at->resolver->tables, TABLE_ALIASES, domain);
    return t != NULL && table_find(t, address, targets);
}

/* in_file - the recipients file: the address, or user of user+detail; its value */

static enum known in_file(const struct resolver *r, struct slice address, struct slice *value)
{
    struct slice local, domain, base;
    const struct table *t;
    char plain[TABLE_KEY];

    address_split(address, &local, &domain);
    t = table_set_find(&r->tables, TABLE_RECIPIENTS, domain);
    if (t == NULL)
        return KNOWN_TROUBLE;
    if (table_find(t, address, value))
        return KNOWN_YES;
    if (!address_base(local, &base) || base.n + 1 + domain.n > sizeof plain)
        return KNOWN_NO;
    memcpy(plain, base.p, base.n);
    plain[base.n] = '@';
    memcpy(plain + base.n + 1, domain.p, domain.n);
    return table_find(t, slice_of(plain, base.n + 1 + domain.n), value) ? KNOWN_BASE : KNOWN_NO;
}

static enum known one_user(const struct attempt *at, struct slice name)
{
    struct user_entry *entry;
    enum known known = users_ask(&at->resolver->users, name, &entry);

    if (known == KNOWN_WAIT && *at->wanted == NULL)
        *at->wanted = entry;
    return known;
}

static enum known in_system(const struct attempt *at, struct slice address)
{
    struct slice local, domain, base;
    enum known known;

    address_split(address, &local, &domain);
    known = one_user(at, local);
    if (known != KNOWN_NO || !address_base(local, &base))
        return known;
    known = one_user(at, base);
    return known == KNOWN_YES ? KNOWN_BASE : known;
}

static enum known find_mailbox(const void *user, struct slice address)
{
    const struct attempt *at = user;
    const struct conf_domain *d;
    struct slice local, domain, value;

    address_split(address, &local, &domain);
    d = conf_domain_find(at->resolver->conf, domain);
    if (d == NULL)
        return KNOWN_NO;
    switch (d->recipients) {
    case RECIPIENTS_ANY:    return KNOWN_YES;
    case RECIPIENTS_FILE:   return in_file(at->resolver, address, &value);
    case RECIPIENTS_SYSTEM: return in_system(at, address);
    }
    return KNOWN_TROUBLE;
}

static bool is_ours(const void *user, struct slice domain)
{
    const struct attempt *at = user;

    return conf_domain_find(at->resolver->conf, domain) != NULL;
}

static bool keeps_detail(const void *user, struct slice domain)
{
    const struct attempt *at = user;
    const struct conf_domain *d = conf_domain_find(at->resolver->conf, domain);

    return d != NULL && (d->deliver_kind == DELIVER_LMTP_UNIX
                         || d->deliver_kind == DELIVER_LMTP_TCP);
}

/* full_address - <postmaster> without a domain means that of our first one */

static struct slice full_address(const struct conf *conf, struct slice address, struct arena *a)
{
    if (slice_chr(address, '@') < address.n || conf->ndomains == 0)
        return address;
    return arena_printf(a, "%.*s@%.*s", SLICE(address), SLICE(conf->domains[0].name));
}

static enum expand_result try_once(struct question *q, struct arena *a, struct expansion *out,
                                   struct user_entry **wanted)
{
    struct resolver *r = q->resolver;
    struct attempt at = { .resolver = r, .wanted = wanted };
    struct expand_source from = {
        .user = &at, .alias = find_alias, .mailbox = find_mailbox, .ours = is_ours,
        .keeps_detail = keeps_detail, .depth = (unsigned)r->conf->limits.alias_depth,
        .results_max = ENVELOPE_RCPTS,
    };
    struct slice address = full_address(r->conf, q->address, a), local, domain;

    address_split(address, &local, &domain);
    if (conf_domain_find(r->conf, domain) == NULL) {
        *out = (struct expansion){ .text = SLICE_LIT("not a domain of ours") };
        return EXPAND_UNKNOWN;
    }
    return alias_expand(&from, address, a, out);
}

static void tell(struct question *q, enum expand_result result, const struct expansion *out)
{
    enum fate fate = result == EXPAND_OK ? FATE_DONE
                   : result == EXPAND_UNKNOWN ? FATE_NEVER : FATE_LATER;

    if (result == EXPAND_TROUBLE)
        log_event(EVENT_TABLE, LF_TEXT("address", q->address), LF_TEXT("why", out->text));
    else if (result == EXPAND_OK && out->unknown > 0)
        log_event(EVENT_TABLE, LF_TEXT("address", q->address), LF_STR("why", "an alias leads "
                  "to somebody unknown, who is left out"), LF_TEXT("target", out->first_unknown));
    count_add(lookups, 1);
    q->answered(q, fate, out);
}

/* settle - try, and answer or wait for the next user that must be known */

static void settle(struct question *q)
{
    static const struct expansion busy = { .text = { "too many questions, try later", 29 } };
    struct resolver *r = q->resolver;
    struct user_entry *wanted = NULL;
    struct arena a = ARENA(RESOLVER_ARENA);
    struct expansion out;
    enum expand_result result = try_once(q, &a, &out, &wanted);

    if (q->waits)
        r->pending--;
    q->waits = result == EXPAND_WAIT && wanted != NULL && r->pending < RESOLVER_PENDING
            && ++q->rounds <= RESOLVER_ROUNDS;
    if (q->waits) {
        r->pending++;
        users_wait(wanted, &q->waiter);
    } else {
        tell(q, result, result == EXPAND_WAIT ? &busy : &out);
    }
    arena_free(&a);
}

static void user_is_known(struct user_waiter *w)
{
    settle(LIST_OWNER(w, struct question, waiter));
}

void resolver_ask(struct resolver *r, struct question *q)
{
    q->resolver = r;
    q->waiter.known = user_is_known;
    q->rounds = 0;
    q->waits = false;
    settle(q);
}

int64_t resolver_since(const struct resolver *r, struct slice address)
{
    struct slice local, domain, value;
    const struct conf_domain *d;
    enum known known;

    address_split(address, &local, &domain);
    d = conf_domain_find(r->conf, domain);
    if (d == NULL || d->recipients != RECIPIENTS_FILE)
        return 0;
    known = in_file(r, address, &value);
    return known == KNOWN_YES || known == KNOWN_BASE ? recipient_since(value) : 0;
}

const struct user_facts *resolver_user(const struct resolver *r, struct slice address)
{
    const struct conf_domain *d;
    struct slice local, domain;
    char lower[65];

    address_split(address, &local, &domain);
    d = conf_domain_find(r->conf, domain);
    if (d == NULL || d->recipients != RECIPIENTS_SYSTEM || local.n >= sizeof lower)
        return NULL;
    for (size_t i = 0; i < local.n; i++)
        lower[i] = ascii_lower(local.p[i]);
    return users_recall(&r->users, slice_of(lower, local.n));
}

/* wants_terminals - else nobody's need be looked for at each recipient */

static bool wants_terminals(const struct conf *conf)
{
    const uint64_t verbs = FEATURE(SEND) | FEATURE(SOML) | FEATURE(SAML);

    for (size_t i = 0; i < conf->nlistens; i++)
        for (int who = 0; who < WHO_COUNT; who++)
            if (conf->listens[i].offers[who] & verbs)
                return true;
    for (size_t i = 0; i < conf->npeers; i++)
        if (conf->peers[i].grant & verbs)
            return true;
    return false;
}

bool resolver_terminal(const struct resolver *r, const struct expansion *out)
{
    enum { LOOKED_AT = 20 };
    struct terminal list[TERMINALS_MAX];

    for (size_t i = 0; r->terminals && i < out->n && i < LOOKED_AT; i++) {
        const struct user_facts *facts = resolver_user(r, out->entries[i].address);
        struct slice local, domain;

        address_split(out->entries[i].address, &local, &domain);
        if (facts != NULL && terminals_find(r->conf->utmp, r->conf->terminals, local, facts->uid,
                                            list) > 0)
            return true;
    }
    return false;
}

void resolver_begin(struct resolver *r, const struct conf *conf, uv_loop_t *loop,
                    users_find_f *find)
{
    *r = (struct resolver){ .conf = conf, .terminals = wants_terminals(conf) };
    users_begin(&r->users, loop, find);
}

void resolver_end(struct resolver *r)
{
    table_set_close(&r->tables);
    users_end(&r->users);
}
