/* hosts.h - the hosts that take a domain's mail, in the order to try them.
 *
 *     MX answer      then
 *     null MX        never 5.1.10 (RFC 7505)
 *     no such name   never 5.1.2
 *     no MX          the domain's own addresses (RFC 5321 §5.1)
 *     trouble        later 4.4.3
 *
 *     hosts          with an address, not refused: done
 *                    ours: it and all that are not better are dropped; none left: never 5.4.6
 *                    no addresses anywhere, definitely: never 5.4.4; else later 4.4.3
 *
 * The judgement is pure (hosts_begin, hosts_end); the asking is around it.
 */
#pragma once
#include "base/fate.h"
#include "dns/mx.h"
#include "dns/own.h"

enum { HOST_ADDRESSES = 10 };       /* kept of one host (A175) */

struct host {
    char            name[DNS_NAME];
    uint16_t        preference;
    enum dns_result result;         /* of its addresses: the best that was answered */
    bool            refused;        /* it had addresses, none of which may be used */
    bool            ours;
    unsigned        nips;
    struct ip       ips[HOST_ADDRESSES];
};

struct hosts {
    enum fate    fate;          /* DONE: there are hosts */
    unsigned     code;          /* as if a server had said so: 556; 0: none */
    const char  *status;        /* enhanced status, unless done */
    char         text[400];     /* why, unless done */
    char         domain[DNS_NAME];
    bool         mx;            /* the hosts come from MX records */
    bool         dropped;       /* we are one of the hosts; worse ones were left out */
    size_t       n;
    struct host *host;          /* best first */
};

/* What may be connected to. */
struct hosts_policy {
    const struct own *own;      /* NULL: nothing is ours */
    struct slice      hostname; /* our name: an MX that names it is ours */
    uint16_t          port;     /* that will be connected to */
    bool              loopback; /* loopback addresses are welcome */
    bool              fixed;    /* the configuration names the host: anything but ourselves */
    bool              ipv6;
};

/* hosts_begin - judge the MX answer. True: h->host are those whose addresses
 * must be asked for; false: h->fate is the verdict. */
bool hosts_begin(struct hosts *h, const struct dns_answer *mx, const struct hosts_policy *p,
                 mx_random_f *random);

/* hosts_address - add the A or AAAA answer of one host */
void hosts_address(struct host *host, const struct dns_answer *a, enum dns_type type,
                   const struct hosts_policy *p);

/* hosts_end - the verdict, when all addresses are there */
void hosts_end(struct hosts *h, const struct hosts_policy *p);

/* hosts_one - a host of one known address; the verdict is there */
struct hosts *hosts_one(const char *name, const struct ip *ip, const struct hosts_policy *p);

void hosts_free(struct hosts *h);

/* Asking. `h` belongs to the receiver from now on. */
struct hosts_query;
typedef void hosts_done_f(void *user, struct hosts *h);

/* hosts_find - where mail for `domain` goes; or, when the policy says fixed,
 * the addresses of that host. Answers once, never before it returns, unless
 * cancelled. NULL: no memory (later). The policy is copied. */
struct hosts_query *hosts_find(struct dns *dns, struct slice domain, const struct hosts_policy *p,
                               hosts_done_f *done, void *user);
void hosts_cancel(struct hosts_query *q);
