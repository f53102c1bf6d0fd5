/* own.c - the places at which we listen ourselves. */
#include <stdlib.h>
#include <uv.h>
#include "dns/own.h"

struct place {
    struct ip ip;
    uint16_t  port;
};

struct own {
    struct place *places;
    size_t        nplaces;
    struct ip    *local;        /* addresses of this machine's interfaces */
    size_t        nlocal;
};

static bool places_read(struct own *own, const struct conf *conf)
{
    own->places = calloc(conf->nlistens + 1, sizeof *own->places);
    if (own->places == NULL)
        return false;
    for (size_t i = 0; i < conf->nlistens; i++)
        own->places[own->nplaces++] =
            (struct place){ conf->listens[i].ip, conf->listens[i].port };
    return true;
}

static bool local_read(struct own *own)
{
    uv_interface_address_t *found = NULL;
    uint16_t port;
    int n = 0;

    if (uv_interface_addresses(&found, &n) != 0)
        return true;
    own->local = calloc((size_t)n + 1, sizeof *own->local);
    for (int i = 0; own->local != NULL && i < n; i++)
        if (ip_from_sockaddr((const struct sockaddr *)(const void *)&found[i].address,
                             &own->local[own->nlocal], &port))
            own->nlocal++;
    uv_free_interface_addresses(found, n);
    return own->local != NULL;
}

struct own *own_new(const struct conf *conf)
{
    struct own *own = calloc(1, sizeof *own);

    if (own == NULL || !places_read(own, conf) || !local_read(own)) {
        own_free(own);
        return NULL;
    }
    return own;
}

void own_free(struct own *own)
{
    if (own == NULL)
        return;
    free(own->places);
    free(own->local);
    free(own);
}

/* Any address of this machine, and all of 127/8, answer for a wildcard. */
static bool is_local(const struct own *own, const struct ip *ip)
{
    if (ip_is_loopback(ip) || ip_is_unspecified(ip))
        return true;
    for (size_t i = 0; i < own->nlocal; i++)
        if (ip_eq(&own->local[i], ip))
            return true;
    return false;
}

bool own_has(const struct own *own, const struct ip *ip, uint16_t port)
{
    for (size_t i = 0; i < own->nplaces; i++) {
        const struct place *p = &own->places[i];

        if (p->port != port)
            continue;
        if (ip_eq(&p->ip, ip) || (ip_is_unspecified(&p->ip) && is_local(own, ip)))
            return true;
    }
    return false;
}
