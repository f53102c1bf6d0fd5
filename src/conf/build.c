/* build.c - the typed configuration from what was written, and whether it makes sense. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/ascii.h"
#include "conf/build.h"
#include "conf/value.h"
#include "smtp/address.h"

/* --- values -------------------------------------------------------------- */

/* split_default - the elements of a row's default, as they would be written */

static size_t split_default(const struct conf_setting *s, struct slice *values, size_t max)
{
    struct slice rest = slice_cstr(s->value);
    size_t n = 0;

    if (!conf_kind_is_list(s->kind)) {
        values[0] = rest;
        return 1;
    }
    while (rest.n > 0 && n < max)
        slice_cut(rest, ',', &values[n++], &rest);
    return n;
}

static void set_default(struct build *b, const struct conf_setting *s, struct conf_entry *e,
                        void *owner)
{
    struct slice values[16];
    size_t n = split_default(s, values, 16);
    char why[300];

    e->given = false;
    e->line = 0;
    e->n = n;
    e->values = arena_array(&b->conf->arena, n + 1, sizeof *e->values);
    if (e->values == NULL)
        return;
    memcpy(e->values, values, n * sizeof *values);
    if (!value_set(s, owner, e->values, n, &b->conf->arena, why))
        conf_error(b->errors, 0, "default of %s: %s", s->name, why);
}

static void set_values(struct build *b, const struct conf_block *block, void *owner)
{
    unsigned first, n;
    char why[300];

    conf_section_span(block->section, &first, &n);
    for (unsigned i = 0; i < n; i++) {
        const struct conf_setting *s = &conf_settings[first + i];
        struct conf_entry *e = &block->entries[i];

        if (!e->given)
            set_default(b, s, e, owner);
        else if (!value_set(s, owner, e->values, e->n, &b->conf->arena, why))
            conf_error(b->errors, e->line, "%s: %s", s->name, why);
    }
}

unsigned build_line(const struct conf_block *block, enum conf_set set)
{
    const struct conf_entry *e = block_entry(block, set);

    return e->given ? e->line : block->line;
}

/* --- texts with a meaning of their own ------------------------------------ */

struct slice build_lower(struct arena *a, struct slice s)
{
    struct slice copy = arena_copy(a, s);
    char *p = (char *)(uintptr_t)copy.p;

    for (size_t i = 0; i < copy.n; i++)
        p[i] = ascii_lower(p[i]);
    return copy;
}

static bool absolute(struct slice path)
{
    return path.n > 1 && path.p[0] == '/';
}

/* template_ok - only %d, %u and %% in it */

static bool template_ok(struct slice t)
{
    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] == '%' && (++i >= t.n || strchr("du%", t.p[i]) == NULL || t.p[i] == '\0'))
            return false;
    return true;
}

static bool after(struct slice text, const char *prefix, struct slice *rest)
{
    struct slice p = slice_cstr(prefix);

    *rest = slice_from(text, p.n);
    return slice_eq(slice_first(text, p.n), p);
}

/* deliver_kind - what a `deliver` text asks for; DELIVER_NONE: malformed */

static enum deliver_kind deliver_kind(struct slice text)
{
    struct slice rest, host;
    uint16_t port;

    if (slice_eq(text, SLICE_LIT("discard")))
        return DELIVER_DISCARD;
    if (after(text, "maildir:", &rest))
        return absolute(rest) && template_ok(rest) ? DELIVER_MAILDIR : DELIVER_NONE;
    if (!after(text, "lmtp:", &rest))
        return DELIVER_NONE;
    if (absolute(rest))
        return rest.n <= 107 ? DELIVER_LMTP_UNIX : DELIVER_NONE;
    return value_endpoint(rest, 24, &host, &port) ? DELIVER_LMTP_TCP : DELIVER_NONE;
}

/* with_port - "lmtp:HOST:PORT" in full, as those who deliver want it */

static struct slice with_port(struct arena *a, struct slice text)
{
    struct slice host, rest;
    uint16_t port;
    bool six;

    if (!after(text, "lmtp:", &rest) || !value_endpoint(rest, 24, &host, &port))
        return text;
    six = slice_chr(host, ':') < host.n;
    return arena_printf(a, "lmtp:%s%.*s%s:%u", six ? "[" : "", SLICE(host), six ? "]" : "", port);
}

/* check_deliver - what a `deliver` text asks for, and the text in full */

static enum deliver_kind check_deliver(struct build *b, unsigned line, struct slice *text)
{
    enum deliver_kind kind = deliver_kind(*text);

    if (kind == DELIVER_NONE)
        conf_error(b->errors, line, "deliver: \"%.*s\" is no way to deliver; write "
                   "maildir:/PATH with %%d, %%u or %%%%, lmtp:/PATH, lmtp:HOST:PORT or discard",
                   SLICE(*text));
    if (kind == DELIVER_LMTP_TCP)
        *text = with_port(&b->conf->arena, *text);
    return kind;
}

/* look_at - is there such a file? Whether it can be read is found out by who
 * reads it: a person who only asks the server something need not be able to. */

static void look_at(struct build *b, unsigned line, const char *name, const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            conf_error(b->errors, line, "%s: %s is not a plain file", name, path);
    } else if (errno != EACCES) {
        conf_error(b->errors, line, "%s: %s: %s; name a file that exists", name, path,
                   strerror(errno));
    }
}

struct slice build_path(struct build *b, unsigned line, const char *name, struct slice path)
{
    if (!absolute(path)) {
        conf_error(b->errors, line, "%s: \"%.*s\" is not an absolute path; begin it with /",
                   name, SLICE(path));
        return (struct slice){ 0 };
    }
    path = arena_copy(&b->conf->arena, path);
    if (b->files && path.p != NULL)
        look_at(b, line, name, path.p);
    return path;
}

struct slice build_file(struct build *b, unsigned line, const char *name, const char *others,
                        struct slice text)
{
    struct slice path;

    if (!after(text, "file:", &path) || !absolute(path)) {
        conf_error(b->errors, line, "%s: \"%.*s\" is not understood; write file:/PATH%s",
                   name, SLICE(text), others);
        return (struct slice){ 0 };
    }
    return build_path(b, line, name, path);
}

/* --- sections -------------------------------------------------------------- */

static void build_top(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf_entry *e = block_entry(block, SET_TOP_hostname);
    struct conf *conf = owner;
    char name[256] = "";

    if (conf->hostname.n == 0 && !e->given) {
        if (gethostname(name, sizeof name - 1) < 0 || !domain_valid(slice_cstr(name)))
            strcpy(name, "localhost");
        e->values[0] = conf->hostname = arena_copy(&conf->arena, slice_cstr(name));
    }
    if (!domain_valid(conf->hostname))
        conf_error(b->errors, e->line, "hostname: \"%.*s\" is not a host name; write letters, "
                   "digits and hyphens in labels, as mx.example.org", SLICE(conf->hostname));
    build_secrets(b, block, conf);
}

/* build_listen_deliver - a sink has its own; the others deliver by domain */

static void build_listen_deliver(struct build *b, const struct conf_block *block,
                                 struct conf_listen *l)
{
    unsigned line = build_line(block, SET_LISTEN_deliver);

    if (l->role != LISTEN_SINK && l->deliver.n > 0)
        conf_error(b->errors, line, "deliver: only a sink has it; else write it into "
                   "domain \"...\" { }");
    if (l->role == LISTEN_SINK && l->deliver.n == 0)
        l->deliver = block_entry(block, SET_LISTEN_deliver)->values[0] =
            arena_printf(&b->conf->arena, "maildir:%.*s/sink", SLICE(b->conf->spool));
    if (l->role == LISTEN_SINK)
        l->deliver_kind = check_deliver(b, line, &l->deliver);
}

static void build_listen(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf_listen *l = owner;
    struct slice host;

    l->line = block->line;
    l->address = block->title;
    if (!value_endpoint(block->title, 0, &host, &l->port) || !ip_parse(host, &l->ip)
        || l->port == 0)
        conf_error(b->errors, l->line, "listen: \"%.*s\" is no address with a port; write "
                   "\"ADDRESS:PORT\" or \"[ADDRESS]:PORT\", as \"0.0.0.0:25\"",
                   SLICE(block->title));
    build_listen_deliver(b, block, l);
}

static void build_domain(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf_domain *d = owner;

    d->line = block->line;
    d->name = build_lower(&b->conf->arena, block->title);
    if (!domain_valid(block->title))
        conf_error(b->errors, d->line, "domain: \"%.*s\" is not a domain; write letters, "
                   "digits and hyphens in labels, as example.org", SLICE(block->title));
    d->deliver_kind = check_deliver(b, build_line(block, SET_DOMAIN_deliver), &d->deliver);
    if (slice_ieq(d->recipients_text, SLICE_LIT("any"))) {
        d->recipients = RECIPIENTS_ANY;
    } else if (d->recipients_text.n > 0) {
        d->recipients = RECIPIENTS_FILE;
        d->recipients_file = build_file(b, build_line(block, SET_DOMAIN_recipients), "recipients",
                                        " or any, or leave it out", d->recipients_text);
    }
    if (d->aliases_text.n > 0)
        d->aliases_file = build_file(b, build_line(block, SET_DOMAIN_aliases), "aliases", "",
                                     d->aliases_text);
}

static bool pattern_ok(struct slice p)
{
    if (slice_eq(p, SLICE_LIT("*")))
        return true;
    if (slice_istarts(p, SLICE_LIT("*.")))
        p = slice_from(p, 2);
    return domain_valid(p);
}

static void build_route(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf_route *r = owner;

    r->line = block->line;
    r->pattern = build_lower(&b->conf->arena, block->title);
    if (!pattern_ok(block->title))
        conf_error(b->errors, r->line, "route: \"%.*s\" is not a domain; write example.org, "
                   "*.example.org or *", SLICE(block->title));
    if (slice_ieq(r->via_text, SLICE_LIT("mx")))
        r->via = VIA_MX;
    else if (slice_ieq(r->via_text, SLICE_LIT("hold")))
        r->via = VIA_HOLD;
    else if (value_endpoint(r->via_text, 25, &r->host, &r->port))
        r->via = VIA_HOST;
    else
        conf_error(b->errors, build_line(block, SET_ROUTE_via), "via: \"%.*s\" is no way; write "
                   "mx, hold, HOST, HOST:PORT or [ADDRESS]:PORT", SLICE(r->via_text));
}

/* build_queue - the default of `warn` gives way to a short lifetime */

static void build_queue(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf_entry *warn = block_entry(block, SET_QUEUE_warn);
    struct conf *conf = owner;

    if (conf->queue.warn < conf->queue.lifetime)
        return;
    if (warn->given) {
        conf_error(b->errors, build_line(block, SET_QUEUE_warn),
                   "warn: must be less than lifetime; write 0 for never");
        return;
    }
    conf->queue.warn = 0;
    warn->values[0] = SLICE_LIT("0");
}

static void build_log(struct build *b, const struct conf_block *block, void *owner)
{
    struct conf *conf = owner;
    struct slice path;

    if (slice_eq(conf->log.to, SLICE_LIT("stderr")) || slice_eq(conf->log.to, SLICE_LIT("syslog"))
        || (after(conf->log.to, "file:", &path) && absolute(path)))
        return;
    conf_error(b->errors, build_line(block, SET_LOG_to), "to: \"%.*s\" is no place for a log; "
               "write stderr, syslog or file:/PATH", SLICE(conf->log.to));
}

static build_f *const builders[SECTION_COUNT] = {
    [SECTION_TOP]    = build_top,
    [SECTION_LISTEN] = build_listen,
    [SECTION_DOMAIN] = build_domain,
    [SECTION_ROUTE]  = build_route,
    [SECTION_QUEUE]  = build_queue,
    [SECTION_LOG]    = build_log,
    [SECTION_TLS]    = build_tls,
    [SECTION_PEER]   = build_peer,
    [SECTION_OFFER]  = build_offer,
    [SECTION_FETCH]  = build_fetch,
    [SECTION_CONNECTOR] = build_connector,
};

/* --- the whole --------------------------------------------------------------- */

static size_t count(const struct conf_doc *doc, enum conf_section section)
{
    size_t n = 0;

    for (size_t i = 0; i < doc->n; i++)
        n += doc->blocks[i].section == section;
    return n;
}

static bool make_room(struct conf *c)
{
    c->listens = arena_array(&c->arena, count(c->doc, SECTION_LISTEN) + 1, sizeof *c->listens);
    c->domains = arena_array(&c->arena, count(c->doc, SECTION_DOMAIN) + 1, sizeof *c->domains);
    c->routes = arena_array(&c->arena, count(c->doc, SECTION_ROUTE) + 1, sizeof *c->routes);
    c->tls = arena_array(&c->arena, count(c->doc, SECTION_TLS) + 1, sizeof *c->tls);
    c->peers = arena_array(&c->arena, count(c->doc, SECTION_PEER) + 1, sizeof *c->peers);
    c->offers = arena_array(&c->arena, count(c->doc, SECTION_OFFER) + 1, sizeof *c->offers);
    c->fetches = arena_array(&c->arena, count(c->doc, SECTION_FETCH) + 1, sizeof *c->fetches);
    c->connectors = arena_array(&c->arena, count(c->doc, SECTION_CONNECTOR) + 1,
                                sizeof *c->connectors);
    return !c->arena.spent;
}

/* owner_of - the structure that a block fills */

static void *owner_of(struct conf *c, enum conf_section section)
{
    switch (section) {
    case SECTION_LISTEN: return &c->listens[c->nlistens++];
    case SECTION_DOMAIN: return &c->domains[c->ndomains++];
    case SECTION_ROUTE:  return &c->routes[c->nroutes++];
    case SECTION_TLS:    return &c->tls[c->ntls++];
    case SECTION_PEER:   return &c->peers[c->npeers++];
    case SECTION_OFFER:  return &c->offers[c->noffers++];
    case SECTION_FETCH:  return &c->fetches[c->nfetches++];
    case SECTION_CONNECTOR: return &c->connectors[c->nconnectors++];
    default:             return c;
    }
}

static struct slice domain_key(const void *d)
{
    return ((const struct conf_domain *)d)->name;
}

static struct slice route_key(const void *r)
{
    return ((const struct conf_route *)r)->pattern;
}

/* route_order - exact names, then the longest "*.suffix", then "*" */

static int route_order(const void *a, const void *b)
{
    struct slice p = route_key(a), q = route_key(b);
    bool wild_p = p.n > 0 && p.p[0] == '*', wild_q = q.n > 0 && q.p[0] == '*';

    if (wild_p != wild_q)
        return wild_p ? 1 : -1;
    if (p.n != q.n)
        return p.n > q.n ? -1 : 1;
    return p.n > 0 ? memcmp(p.p, q.p, p.n) : 0;
}

static void index_domains(struct build *b)
{
    struct conf *c = b->conf;

    c->domain_map = MAP(domain_key);
    for (size_t i = 0; i < c->ndomains; i++) {
        const struct conf_domain *d = map_get(&c->domain_map, c->domains[i].name);

        if (d != NULL)
            conf_error(b->errors, c->domains[i].line, "domain \"%.*s\" is there twice; the "
                       "first is on line %u", SLICE(d->name), d->line);
        else if (!map_put(&c->domain_map, &c->domains[i]))
            conf_error(b->errors, 0, "no memory");
    }
}

static void index_routes(struct build *b)
{
    struct conf *c = b->conf;

    if (c->nroutes > 0)
        qsort(c->routes, c->nroutes, sizeof *c->routes, route_order);
    c->route_map = MAP(route_key);
    for (size_t i = 0; i < c->nroutes; i++) {
        const struct conf_route *r = map_get(&c->route_map, c->routes[i].pattern);

        if (r != NULL)
            conf_error(b->errors, c->routes[i].line, "route \"%.*s\" is there twice; the "
                       "other is on line %u", SLICE(r->pattern), r->line);
        else if (!map_put(&c->route_map, &c->routes[i]))
            conf_error(b->errors, 0, "no memory");
    }
}

static void check_listens(struct build *b)
{
    const struct conf_listen *l = b->conf->listens;

    for (size_t i = 0; i < b->conf->nlistens; i++)
        for (size_t j = 0; j < i; j++)
            if (l[i].port == l[j].port && ip_eq(&l[i].ip, &l[j].ip) && l[i].ip.family != 0)
                conf_error(b->errors, l[i].line, "listen \"%.*s\" is there twice; the first "
                           "is on line %u", SLICE(l[i].address), l[j].line);
}

/* is_ours - would a connection to this address and port come back to us? */

static const struct conf_listen *is_ours(const struct conf *c, const struct ip *ip,
                                         uint16_t port)
{
    for (size_t i = 0; i < c->nlistens; i++) {
        const struct conf_listen *l = &c->listens[i];

        if (l->port == port && (ip_eq(&l->ip, ip)
                                || (l->ip.family == ip->family && ip_is_unspecified(&l->ip)
                                    && ip_is_loopback(ip))))
            return l;
    }
    return NULL;
}

static void check_routes(struct build *b)
{
    for (size_t i = 0; i < b->conf->nroutes; i++) {
        const struct conf_route *r = &b->conf->routes[i];
        const struct conf_listen *l;
        struct ip ip;

        if (r->via == VIA_HOST && ip_parse(r->host, &ip)
            && (l = is_ours(b->conf, &ip, r->port)) != NULL && l->role == LISTEN_MX)
            conf_error(b->errors, r->line, "route \"%.*s\": via = \"%.*s\" leads back to this "
                       "server (listen \"%.*s\"); name another host or port",
                       SLICE(r->pattern), SLICE(r->via_text), SLICE(l->address));
        if (conf_domain_find(b->conf, r->pattern) != NULL)
            conf_error(b->errors, r->line, "route \"%.*s\": this domain's mail ends here "
                       "(domain on line %u); a route is for other domains", SLICE(r->pattern),
                       conf_domain_find(b->conf, r->pattern)->line);
    }
}

bool conf_build(struct conf *conf, bool files, struct conf_errors *errors)
{
    struct build b = { .conf = conf, .errors = errors, .files = files };

    if (count(conf->doc, SECTION_LISTEN) == 0
        && (doc_add(&conf->arena, conf->doc, SECTION_LISTEN, SLICE_LIT("0.0.0.0:25"), 0) == NULL
            || doc_add(&conf->arena, conf->doc, SECTION_LISTEN, SLICE_LIT("[::]:25"), 0) == NULL))
        return conf_error(errors, 0, "no memory");
    if (!make_room(conf))
        return conf_error(errors, 0, "no memory");
    for (size_t i = 0; i < conf->doc->n && !conf->arena.spent; i++) {
        const struct conf_block *block = &conf->doc->blocks[i];
        void *owner = owner_of(conf, block->section);

        set_values(&b, block, owner);
        if (builders[block->section] != NULL && !conf->arena.spent)
            builders[block->section](&b, block, owner);
    }
    if (conf->arena.spent)
        return conf_error(errors, 0, "too large, or no memory");
    index_domains(&b);
    index_routes(&b);
    check_listens(&b);
    check_routes(&b);
    build_tls_uses(&b);
    build_offers(&b);
    return errors->n == 0;
}
