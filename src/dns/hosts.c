/* hosts.c - which hosts take a domain's mail: the judgement, without asking. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "dns/hosts.h"

static bool verdict(struct hosts *h, enum fate fate, const char *status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static bool verdict(struct hosts *h, enum fate fate, const char *status, const char *fmt, ...)
{
    va_list args;

    h->fate = fate;
    h->status = status;
    va_start(args, fmt);
    vsnprintf(h->text, sizeof h->text, fmt, args);
    va_end(args);
    return false;
}

void hosts_free(struct hosts *h)
{
    if (h == NULL)
        return;
    free(h->host);
    free(h);
}

/* --- the MX answer */

static bool add(struct hosts *h, const char *name, uint16_t preference)
{
    struct host *host = &h->host[h->n++];

    snprintf(host->name, sizeof host->name, "%s", name);
    host->preference = preference;
    host->result = DNS_NO_NAME;
    return true;
}

/* The domain's own addresses, as if it had an MX 0 (RFC 5321 §5.1). */
static bool implicit(struct hosts *h)
{
    h->host = calloc(1, sizeof *h->host);
    if (h->host == NULL)
        return verdict(h, FATE_LATER, "4.3.0", "no memory");
    return add(h, h->domain, 0);
}

static bool is_ours(const struct mx *mx, const struct hosts_policy *p)
{
    return p->hostname.n > 0 && slice_ieq(slice_cstr(mx->name), p->hostname);
}

/* Best first, up to the first that is ours: whoever is not better than we are
 * would send the mail back to us (RFC 5321 §5.1). */
static bool take(struct hosts *h, const struct mx *mx, size_t n, const struct hosts_policy *p)
{
    for (size_t i = 0; i < n && h->n < MX_MAX; i++) {
        if (mx[i].name[0] == '\0' || mx_is_literal(&mx[i]))
            continue;
        add(h, mx[i].name, mx[i].preference);
        h->host[h->n - 1].ours = is_ours(&mx[i], p);
    }
    if (h->n == 0)
        return verdict(h, FATE_NEVER, "5.4.4", "no MX of %s names a host", h->domain);
    return true;
}

static size_t parse(const struct dns_answer *a, struct mx *mx)
{
    size_t n = 0;

    for (size_t i = 0; i < a->nrecords; i++)
        if (mx_parse(a->records[i], &mx[n]))
            n++;
    return n;
}

static bool judge_records(struct hosts *h, const struct dns_answer *a, struct mx *mx,
                          const struct hosts_policy *p, mx_random_f *random)
{
    size_t n = parse(a, mx);

    if (n == 0)
        return verdict(h, FATE_LATER, "4.4.3", "MX records of %s are malformed", h->domain);
    if (n == a->nrecords && mx_is_null(mx, n)) {
        h->code = 556;
        return verdict(h, FATE_NEVER, "5.1.10", "%s accepts no mail (null MX)", h->domain);
    }
    h->mx = true;
    h->host = calloc(MX_MAX, sizeof *h->host);
    if (h->host == NULL)
        return verdict(h, FATE_LATER, "4.3.0", "no memory");
    mx_order(mx, n, random);
    return take(h, mx, n, p);
}

static bool judge_found(struct hosts *h, const struct dns_answer *a,
                        const struct hosts_policy *p, mx_random_f *random)
{
    struct mx *mx = calloc(a->nrecords + 1, sizeof *mx);
    bool more;

    if (mx == NULL)
        return verdict(h, FATE_LATER, "4.3.0", "no memory");
    more = judge_records(h, a, mx, p, random);
    free(mx);
    return more;
}

bool hosts_begin(struct hosts *h, const struct dns_answer *mx, const struct hosts_policy *p,
                 mx_random_f *random)
{
    switch (mx->result) {
    case DNS_FOUND:
        return judge_found(h, mx, p, random);
    case DNS_NO_DATA:
        return implicit(h);
    case DNS_NO_NAME:
        return verdict(h, FATE_NEVER, "5.1.2", "domain %s does not exist", h->domain);
    case DNS_TROUBLE:
        break;
    }
    return verdict(h, FATE_LATER, "4.4.3", "MX lookup of %s failed: %s", h->domain, mx->why);
}

/* --- addresses */

static bool is_multicast(const struct ip *ip)
{
    return ip->family == 4 ? ip->bytes[0] >= 224 : ip->bytes[0] == 0xff;
}

static bool welcome(const struct ip *ip, const struct hosts_policy *p)
{
    if (p->fixed)
        return true;
    return !ip_is_unspecified(ip) && !is_multicast(ip) && (p->loopback || !ip_is_loopback(ip));
}

static bool address_parse(struct slice rdata, enum dns_type type, struct ip *ip)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    *ip = (struct ip){ .family = type == DNS_A ? 4 : 6 };
    if (rdata.n != (type == DNS_A ? 4u : 16u))
        return false;
    memcpy(ip->bytes, rdata.p, rdata.n);
    if (type == DNS_AAAA && memcmp(ip->bytes, mapped, sizeof mapped) == 0) {
        *ip = (struct ip){ .family = 4 };
        memcpy(ip->bytes, rdata.p + 12, 4);
    }
    return true;
}

static void address_add(struct host *host, const struct ip *ip, const struct hosts_policy *p)
{
    if (p->own != NULL && own_has(p->own, ip, p->port))
        host->ours = true;
    else if (!welcome(ip, p))
        host->refused = true;
    else if (host->nips < HOST_ADDRESSES)
        host->ips[host->nips++] = *ip;
}

/* result_rank - found, else trouble, else a definite no: one answer of two
 * decides only when the other leaves no doubt */
static int result_rank(enum dns_result r)
{
    static const int rank[] = {
        [DNS_NO_NAME] = 1, [DNS_NO_DATA] = 2, [DNS_TROUBLE] = 3, [DNS_FOUND] = 4,
    };

    return rank[r];
}

void hosts_address(struct host *host, const struct dns_answer *a, enum dns_type type,
                   const struct hosts_policy *p)
{
    unsigned most = p->ipv6 ? host->nips + HOST_ADDRESSES / 2 : HOST_ADDRESSES;
    struct ip ip;
    size_t parsed = 0;
    enum dns_result result = a->result;

    for (size_t i = 0; i < a->nrecords && host->nips < most; i++)
        if (address_parse(a->records[i], type, &ip)) {
            address_add(host, &ip, p);
            parsed++;
        }
    if (result == DNS_FOUND && parsed == 0)
        result = DNS_TROUBLE;
    if (result_rank(result) > result_rank(host->result))
        host->result = result;
}

/* --- the verdict */

static void drop_from(struct hosts *h, uint16_t preference)
{
    size_t kept = 0;

    h->dropped = true;
    while (kept < h->n && h->host[kept].preference < preference)
        kept++;
    h->n = kept;
}

static void drop_ours(struct hosts *h)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->host[i].ours) {
            drop_from(h, h->host[i].preference);
            return;
        }
}

struct tally {
    bool trouble, refused, data;
};

static struct tally keep_reachable(struct hosts *h)
{
    struct tally t = { 0 };
    size_t kept = 0;

    for (size_t i = 0; i < h->n; i++) {
        struct host *host = &h->host[i];

        t.trouble = t.trouble || host->result == DNS_TROUBLE;
        t.refused = t.refused || host->refused;
        t.data = t.data || host->result != DNS_NO_NAME;
        if (host->nips > 0)
            h->host[kept++] = *host;
    }
    h->n = kept;
    return t;
}

/* A loop through MX records is the domain owner's doing and final; one through
 * our own configuration is ours to repair meanwhile. */
static void verdict_loop(struct hosts *h, const struct hosts_policy *p)
{
    if (p->fixed)
        verdict(h, FATE_LATER, "4.4.6", "%s is this server itself: mail loops back", h->domain);
    else
        verdict(h, FATE_NEVER, "5.4.6", "mail for %s loops back to this server", h->domain);
}

static void verdict_none(struct hosts *h, struct tally t)
{
    if (t.trouble)
        verdict(h, FATE_LATER, "4.4.3", "address lookup for %s failed", h->domain);
    else if (t.refused)
        verdict(h, FATE_NEVER, "5.4.4", "%s points to addresses that take no mail", h->domain);
    else if (h->mx)
        verdict(h, FATE_NEVER, "5.4.4", "no MX host of %s has an address", h->domain);
    else if (t.data)
        verdict(h, FATE_NEVER, "5.4.4", "%s has no MX and no address", h->domain);
    else
        verdict(h, FATE_NEVER, "5.1.2", "domain %s does not exist", h->domain);
}

/* What the configuration names may be wrong or not there yet; that is for its
 * owner to repair, not for the sender to hear about at once. */
static void soften(struct hosts *h)
{
    h->fate = FATE_LATER;
    h->status = "4.4.4";
}

void hosts_end(struct hosts *h, const struct hosts_policy *p)
{
    struct tally t;

    drop_ours(h);
    if (h->dropped && h->n == 0) {
        verdict_loop(h, p);
        return;
    }
    t = keep_reachable(h);
    if (h->n > 0) {
        h->fate = FATE_DONE;
        return;
    }
    verdict_none(h, t);
    if (p->fixed && h->fate == FATE_NEVER)
        soften(h);
}

struct hosts *hosts_one(const char *name, const struct ip *ip, const struct hosts_policy *p)
{
    struct hosts *h = calloc(1, sizeof *h);

    if (h == NULL)
        return NULL;
    snprintf(h->domain, sizeof h->domain, "%s", name);
    if (implicit(h)) {
        h->host[0].result = DNS_FOUND;
        address_add(&h->host[0], ip, p);
        hosts_end(h, p);
    }
    return h;
}
