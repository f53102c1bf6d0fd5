/* find.c - asking for the hosts of a domain: the MX records, then all addresses at once. */
#include <stdio.h>
#include <stdlib.h>
#include "dns/hosts.h"

struct ask {
    struct hosts_query  *query;
    struct host         *host;
    enum dns_type        type;
    struct dns_question *question;      /* NULL: answered */
};

struct hosts_query {
    struct dns          *dns;
    struct hosts        *hosts;
    struct hosts_policy  policy;
    hosts_done_f        *done;
    void                *user;
    struct dns_question *mx;            /* NULL: answered, or not asked */
    size_t               nasks, waiting;
    struct ask          *asks;
};

static void query_free(struct hosts_query *q)
{
    hosts_free(q->hosts);
    free(q->asks);
    free(q);
}

static void query_answer(struct hosts_query *q)
{
    hosts_done_f *done = q->done;
    void *user = q->user;
    struct hosts *h = q->hosts;

    q->hosts = NULL;
    query_free(q);
    done(user, h);
}

static void on_address(void *user, const struct dns_answer *a)
{
    struct ask *ask = user;
    struct hosts_query *q = ask->query;

    ask->question = NULL;
    hosts_address(ask->host, a, ask->type, &q->policy);
    if (--q->waiting > 0)
        return;
    hosts_end(q->hosts, &q->policy);
    query_answer(q);
}

static void ask_one(struct hosts_query *q, struct host *host, enum dns_type type)
{
    struct ask *ask = &q->asks[q->nasks++];

    *ask = (struct ask){ .query = q, .host = host, .type = type };
    ask->question = dns_ask(q->dns, host->name, type, on_address, ask);
    if (ask->question != NULL)
        q->waiting++;
    else
        host->result = DNS_TROUBLE;
}

/* A host whose question could not be asked stays in trouble. False: none could. */
static bool ask_addresses(struct hosts_query *q)
{
    struct hosts *h = q->hosts;

    q->asks = calloc(h->n, 2 * sizeof *q->asks);
    for (size_t i = 0; q->asks != NULL && i < h->n; i++) {
        if (q->policy.ipv6)
            ask_one(q, &h->host[i], DNS_AAAA);
        ask_one(q, &h->host[i], DNS_A);
    }
    return q->waiting > 0;
}

static void fail(struct hosts_query *q)
{
    q->hosts->fate = FATE_LATER;
    q->hosts->status = "4.4.3";
    snprintf(q->hosts->text, sizeof q->hosts->text, "no question could be asked about %s",
             q->hosts->domain);
}

static void on_mx(void *user, const struct dns_answer *a)
{
    struct hosts_query *q = user;

    q->mx = NULL;
    if (hosts_begin(q->hosts, a, &q->policy, arc4random_uniform)) {
        if (ask_addresses(q))
            return;
        fail(q);
    }
    query_answer(q);
}

static struct hosts_query *query_new(struct dns *dns, struct slice domain,
                                     const struct hosts_policy *p)
{
    struct hosts_query *q = calloc(1, sizeof *q);

    if (q == NULL || (q->hosts = calloc(1, sizeof *q->hosts)) == NULL) {
        free(q);
        return NULL;
    }
    q->dns = dns;
    q->policy = *p;
    snprintf(q->hosts->domain, DNS_NAME, "%.*s", SLICE(domain));
    return q;
}

/* A fixed host has no MX to ask for: as if that had been answered with "none". */
static bool query_begin(struct hosts_query *q)
{
    static const struct dns_answer none = { .result = DNS_NO_DATA, .why = "" };

    if (q->policy.fixed)
        return hosts_begin(q->hosts, &none, &q->policy, arc4random_uniform)
            && ask_addresses(q);
    q->mx = dns_ask(q->dns, q->hosts->domain, DNS_MX, on_mx, q);
    return q->mx != NULL;
}

struct hosts_query *hosts_find(struct dns *dns, struct slice domain, const struct hosts_policy *p,
                               hosts_done_f *done, void *user)
{
    struct hosts_query *q;

    if (domain.n == 0 || domain.n >= DNS_NAME)
        return NULL;
    q = query_new(dns, domain, p);
    if (q == NULL)
        return NULL;
    q->done = done;
    q->user = user;
    if (!query_begin(q)) {
        query_free(q);
        return NULL;
    }
    return q;
}

void hosts_cancel(struct hosts_query *q)
{
    if (q->mx != NULL)
        dns_cancel(q->mx);
    for (size_t i = 0; i < q->nasks; i++)
        if (q->asks[i].question != NULL)
            dns_cancel(q->asks[i].question);
    query_free(q);
}
