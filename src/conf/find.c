/* find.c - questions to a configuration. */
#include <unistd.h>
#include "base/ascii.h"
#include "conf/conf.h"

enum { NAME = 256 };

/* lower - name in lower case in `to`; empty when it is too long for a domain */

static struct slice lower(struct slice name, char to[NAME])
{
    if (name.n >= NAME)
        return (struct slice){ 0 };
    for (size_t i = 0; i < name.n; i++)
        to[i] = ascii_lower(name.p[i]);
    return slice_of(to, name.n);
}

unsigned conf_processes(uint64_t setting)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t n = setting > 0 ? setting : cores > 0 ? (uint64_t)cores : 1;

    return n < CONF_PROCESSES ? (unsigned)n : CONF_PROCESSES;
}

const struct conf_domain *conf_domain_find(const struct conf *conf, struct slice name)
{
    char text[NAME];

    return map_get(&conf->domain_map, lower(name, text));
}

/* suffix_route - the route of the longest "*.suffix" of name, or NULL */

static const struct conf_route *suffix_route(const struct conf *conf, struct slice name)
{
    const struct conf_route *found = NULL;
    char pattern[NAME + 2];

    while (found == NULL && name.n > 0) {
        name = slice_from(name, slice_chr(name, '.'));
        if (name.n == 0)
            break;
        pattern[0] = '*';
        memcpy(pattern + 1, name.p, name.n);
        found = map_get(&conf->route_map, slice_of(pattern, name.n + 1));
        name = slice_from(name, 1);
    }
    return found;
}

const struct conf_route *conf_route_find(const struct conf *conf, struct slice domain)
{
    static const struct conf_route built_in = { .pattern = { "*", 1 }, .via_text = { "mx", 2 },
                                                .via = VIA_MX };
    char text[NAME];
    struct slice name = lower(domain, text);
    const struct conf_route *found = map_get(&conf->route_map, name);

    if (found == NULL)
        found = suffix_route(conf, name);
    if (found == NULL)
        found = map_get(&conf->route_map, SLICE_LIT("*"));
    return found != NULL ? found : &built_in;
}

bool conf_trusts(const struct conf *conf, const struct ip *client)
{
    for (size_t i = 0; i < conf->trust.nnetworks; i++)
        if (ip_net_has(&conf->trust.networks[i], client))
            return true;
    return false;
}

static bool has_name(const struct conf_names *names, struct slice name)
{
    for (size_t i = 0; i < names->n; i++)
        if (slice_ieq(names->names[i], name))
            return true;
    return false;
}

/* has_account - unlike domains, accounts that differ in case are different ones */

static bool has_account(const struct conf_names *names, struct slice account)
{
    for (size_t i = 0; i < names->n && account.n > 0; i++)
        if (slice_eq(names->names[i], account))
            return true;
    return false;
}

static bool in_networks(const struct conf_peer *peer, const struct ip *ip)
{
    for (size_t i = 0; i < peer->networks.n; i++)
        if (ip_net_has(&peer->networks.nets[i], ip))
            return true;
    return false;
}

bool conf_peer_known(const struct conf_peer *peer, const struct ip *client, struct slice account)
{
    return (peer->networks.n == 0 || in_networks(peer, client))
        && (peer->accounts.n == 0 || has_account(&peer->accounts, account));
}

uint64_t conf_grants(const struct conf *conf, const struct ip *client, struct slice account)
{
    uint64_t grants = 0;

    for (size_t i = 0; i < conf->npeers; i++)
        if (conf_peer_known(&conf->peers[i], client, account))
            grants |= conf->peers[i].grant;
    return grants;
}

const struct conf_peer *conf_peer_at(const struct conf *conf, const struct ip *host)
{
    for (size_t i = 0; i < conf->npeers; i++)
        if (in_networks(&conf->peers[i], host))
            return &conf->peers[i];
    return NULL;
}

bool conf_may_fetch(const struct conf *conf, const struct ip *client, struct slice account,
                    enum feature by, struct slice domain)
{
    for (size_t i = 0; i < conf->npeers; i++)
        if ((conf->peers[i].grant >> by & 1) && has_name(&conf->peers[i].domains, domain)
            && conf_peer_known(&conf->peers[i], client, account))
            return true;
    return false;
}

bool conf_is_our_name(const struct conf *conf, struct slice name)
{
    return slice_ieq(name, conf->hostname) || conf_domain_find(conf, name) != NULL;
}
