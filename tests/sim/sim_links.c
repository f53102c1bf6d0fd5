/* sim_links.c - many nodes of the link-state routing, with all between them made up.
 *
 *     sim_links SEED [ROUNDS]
 *
 * Each round makes 3 to 12 nodes with random connectors and costs. For some
 * hours links are cut and mended, nodes start again (some with their clock set
 * back), configurations change, exchanges are lost or overtake each other, and
 * a stranger shows each node forged entries of itself; mail is sent all the
 * while, hop by hop, and each hop decides by its own table. Then everything is
 * mended, and after a while:
 *
 * - all tables are equal (but for mere refreshments), and hold every node once, up, as it is configured;
 * - at every moment no message visited a node twice;
 * - mail sent then arrives by the way of least cost, as another algorithm finds it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "draw.h"
#include "links/node.h"

enum { NODES = 12, MAILS = 16, FLIGHTS = 64, STEP = 1000 };

#define MINUTE ((int64_t)60000)

struct node {
    struct links_node *links;
    char     name[24], domain[24];
    unsigned cost[NODES];           /* of the connector to that node; 0: none */
    int64_t  skew;                  /* of its wall clock */
};

/* An exchange under way; its payloads take time, and may be lost. */
struct flight {
    bool       used, to_server, lost;
    unsigned   client, server;
    int64_t    at;
    struct buf payload;
};

struct mail {
    bool     used;
    unsigned at, to, cost, hops;
    bool     seen[NODES];
    char     path[NODES][24];
    bool     final;                 /* sent when all was quiet: must take the cheapest way */
    unsigned best;
};

static struct {
    uint64_t      random;
    unsigned      n, round;
    int64_t       now;
    bool          cut[NODES][NODES];
    bool          storm;
    struct node   nodes[NODES];
    struct flight flights[FLIGHTS];
    struct mail   mails[MAILS];
    unsigned      arrived, waited, hops;
} sim;

static const struct links_settings settings = {
    .watch = { .retry = 60000, .failures = 3, .damping = 120000 },
    .refresh = 300000, .age = 3600000 };

static _Noreturn void broken(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "round %u, %lld s: ", sim.round, (long long)sim.now / 1000);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t draw(uint64_t below)
{
    return draw_below(&sim.random, below);
}

static int64_t wall(const struct node *node)
{
    return 1790000000000 + sim.now + node->skew;
}

/* --------------------------------------------------------------- nodes -- */

static void configure(struct node *node)
{
    struct links_connector connectors[NODES];
    struct slice domain = slice_cstr(node->domain);
    size_t n = 0;

    for (unsigned i = 0; i < sim.n; i++)
        if (node->cost[i] > 0)
            connectors[n++] = (struct links_connector){
                .name = slice_cstr(sim.nodes[i].name), .to = slice_cstr(sim.nodes[i].name),
                .cost = node->cost[i] };
    if (!links_configure(node->links, &settings, &domain, 1, connectors, n, sim.now, wall(node)))
        broken("%s: bad configuration", node->name);
}

static void begin(struct node *node)
{
    node->links = links_new(slice_cstr(node->name), &settings, sim.now, wall(node));
    if (node->links == NULL)
        broken("no memory");
    configure(node);
}

/* drop_flights - a node that starts again knows nothing of what was under way */

static void drop_flights(unsigned node)
{
    for (unsigned i = 0; i < FLIGHTS; i++) {
        struct flight *f = &sim.flights[i];

        if (f->used && (f->client == node || f->server == node)) {
            if (f->client != node)
                f->lost = f->to_server = true;
            else
                f->used = false;
        }
    }
}

static void restart(unsigned i)
{
    struct node *node = &sim.nodes[i];

    links_free(node->links);
    node->skew = (int64_t)draw(4 * 60) * MINUTE - 120 * MINUTE;
    drop_flights(i);
    begin(node);
}

/* a ring one way or the other keeps all reachable; the rest is chance */

static void build(void)
{
    sim.n = 3 + (unsigned)draw(NODES - 2);
    for (unsigned i = 0; i < sim.n; i++) {
        struct node *node = &sim.nodes[i];

        *node = (struct node){ .skew = (int64_t)draw(60) * MINUTE };
        snprintf(node->name, sizeof node->name, "n%02u.test", i);
        snprintf(node->domain, sizeof node->domain, "d%02u.test", i);
        for (unsigned j = 0; j < sim.n; j++)
            if (j != i && (j == (i + 1) % sim.n || i == (j + 1) % sim.n || draw(3) == 0))
                node->cost[j] = 1 + (unsigned)draw(100);
    }
    for (unsigned i = 0; i < sim.n; i++)
        begin(&sim.nodes[i]);
}

static unsigned index_of(struct slice name)
{
    for (unsigned i = 0; i < sim.n; i++)
        if (slice_eq(name, slice_cstr(sim.nodes[i].name)))
            return i;
    broken("unknown node %.*s", SLICE(name));
}

/* ----------------------------------------------------------- exchanges -- */

static struct flight *flight_new(unsigned client, unsigned server)
{
    for (unsigned i = 0; i < FLIGHTS; i++)
        if (!sim.flights[i].used) {
            struct flight *f = &sim.flights[i];
            struct buf payload = f->payload;

            *f = (struct flight){ .used = true, .client = client, .server = server,
                                  .payload = payload };
            f->payload.max = LINKS_TABLE + 8;
            return f;
        }
    return NULL;
}

/* send - the payload goes to the other side, at its own speed */

static void send(struct flight *f, bool to_server)
{
    f->to_server = to_server;
    f->at = sim.now + (int64_t)draw(sim.storm ? 20000 : 2000);
    f->lost = sim.storm && draw(5) == 0;
}

static void ended(struct flight *f, enum links_outcome outcome, struct slice answer)
{
    struct node *c = &sim.nodes[f->client];
    struct buf next = BUF(LINKS_TABLE + 8);

    f->used = links_asked(c->links, slice_cstr(sim.nodes[f->server].name), outcome, answer,
                          sim.now, wall(c), &next);
    if (f->used) {
        buf_clear(&f->payload);
        buf_put_slice(&f->payload, buf_view(&next));
        send(f, true);
    }
    buf_free(&next);
}

static void at_server(struct flight *f)
{
    struct node *s = &sim.nodes[f->server];
    struct buf answer = BUF(LINKS_TABLE + 8);

    if (!links_heard(s->links, buf_view(&f->payload), sim.now, wall(s), &answer))
        broken("%s did not understand: %.*s", s->name, SLICE(buf_view(&f->payload)));
    buf_clear(&f->payload);
    buf_put_slice(&f->payload, buf_view(&answer));
    buf_free(&answer);
    send(f, false);
}

static void fly(void)
{
    for (unsigned i = 0; i < FLIGHTS; i++) {
        struct flight *f = &sim.flights[i];

        if (!f->used || f->at > sim.now)
            continue;
        if (sim.cut[f->client][f->server])
            ended(f, LINKS_UNREACHED, (struct slice){ 0 });
        else if (f->lost)
            ended(f, draw(2) ? LINKS_CUT : LINKS_UNSPOKEN, (struct slice){ 0 });
        else if (f->to_server)
            at_server(f);
        else
            ended(f, LINKS_EXCHANGED, buf_view(&f->payload));
    }
}

static void ask(struct node *node)
{
    struct slice to;

    while ((to = links_due(node->links, sim.now)).n > 0) {
        struct flight *f = flight_new((unsigned)(node - sim.nodes), index_of(to));

        if (f == NULL) {
            struct buf next = BUF(16);

            links_asked(node->links, to, LINKS_CUT, (struct slice){ 0 }, sim.now, wall(node), &next);
            buf_free(&next);
            continue;
        }
        buf_clear(&f->payload);
        links_ask(node->links, &f->payload);
        send(f, true);
    }
}

/* ---------------------------------------------------------------- mail -- */

static void mail_send(bool final)
{
    for (unsigned i = 0; i < MAILS; i++)
        if (!sim.mails[i].used) {
            sim.mails[i] = (struct mail){ .used = true, .at = (unsigned)draw(sim.n),
                                          .to = (unsigned)draw(sim.n), .final = final };
            return;
        }
}

static void arrive(struct mail *m)
{
    if (m->at != m->to)
        broken("mail for %s ended at %s", sim.nodes[m->to].name, sim.nodes[m->at].name);
    if (m->final && m->cost != m->best)
        broken("mail took a way of cost %u instead of %u", m->cost, m->best);
    sim.arrived++;
    m->used = false;
}

static void move(struct mail *m, unsigned to)
{
    struct node *node = &sim.nodes[m->at];

    if (sim.cut[m->at][to]) {
        links_failed(node->links, slice_cstr(sim.nodes[to].name), sim.now);
        return;
    }
    links_worked(node->links, slice_cstr(sim.nodes[to].name), sim.now);
    if (m->seen[to])
        broken("mail came to %s twice", sim.nodes[to].name);
    snprintf(m->path[m->hops++], sizeof m->path[0], "%s", node->name);
    m->seen[m->at] = true;
    m->cost += node->cost[to];
    m->at = to;
    sim.hops++;
}

static void mail_step(struct mail *m)
{
    struct node *node = &sim.nodes[m->at];
    struct slice visited[NODES];
    struct links_hop hop;

    for (unsigned i = 0; i < m->hops; i++)
        visited[i] = slice_cstr(m->path[i]);
    hop = links_route(node->links, slice_cstr(sim.nodes[m->to].domain), visited, m->hops);
    if (hop.way == LINKS_HERE)
        arrive(m);
    else if (hop.way == LINKS_VIA)
        move(m, index_of(hop.link->to));
    else
        sim.waited++;
}

/* --------------------------------------------------------------- storm -- */

/* forge - a stranger who is let in shows a node something about itself */

static void forge(struct node *node)
{
    char text[200];
    struct buf answer = BUF(LINKS_TABLE + 8);

    snprintf(text, sizeof text, "TABLE;NODE 0 %s %lld 1 1 *,d00.test", node->name,
             (long long)(wall(node) + (int64_t)draw(1000000)));
    links_heard(node->links, slice_cstr(text), sim.now, wall(node), &answer);
    buf_free(&answer);
}

static void change(struct node *node)
{
    for (unsigned j = 0; j < sim.n; j++)
        if (node->cost[j] > 0)
            node->cost[j] = 1 + (unsigned)draw(100);
    configure(node);
}

static void trouble(void)
{
    unsigned i = (unsigned)draw(sim.n), j = (unsigned)draw(sim.n);

    if (draw(20) == 0)
        sim.cut[i][j] = !sim.cut[i][j];
    if (draw(40) == 0)
        sim.cut[i][j] = sim.cut[j][i] = true;
    if (draw(1500) == 0)
        restart(i);
    if (draw(1500) == 0)
        change(&sim.nodes[i]);
    if (draw(2000) == 0)
        forge(&sim.nodes[i]);
    if (draw(5) == 0)
        mail_send(false);
}

static void step(void)
{
    sim.now += STEP;
    if (sim.storm)
        trouble();
    fly();
    for (unsigned i = 0; i < sim.n; i++) {
        links_advance(sim.nodes[i].links, sim.now, wall(&sim.nodes[i]));
        ask(&sim.nodes[i]);
    }
    for (unsigned i = 0; i < MAILS; i++)
        if (sim.mails[i].used && draw(10) == 0)
            mail_step(&sim.mails[i]);
}

/* --------------------------------------------------------------- checks -- */

/* same - but for refreshments, which wait for the next exchange of their own accord */

static bool same(const struct origin *a, const struct origin *b)
{
    return slice_eq(a->name, b->name) && a->version.major == b->version.major
        && a->version.minor == b->version.minor && slice_eq(a->spaces, b->spaces)
        && a->nlinks == b->nlinks;
}

static bool as_configured(const struct origin *o, const struct node *node)
{
    bool right = slice_eq(o->name, slice_cstr(node->name))
              && slice_eq(o->spaces, slice_cstr(node->domain));

    for (unsigned k = 0; k < o->nlinks; k++)
        right = right && o->links[k].up && o->links[k].cost == node->cost[index_of(o->links[k].to)];
    return right;
}

static void tables_agree(void)
{
    const struct link_table *first = links_table(sim.nodes[0].links);

    for (unsigned i = 0; i < sim.n; i++) {
        const struct link_table *t = links_table(sim.nodes[i].links);

        if (t->n != sim.n)
            broken("%s knows %zu of %u", sim.nodes[i].name, t->n, sim.n);
        for (unsigned j = 0; j < t->n; j++) {
            if (!same(t->origins[j], first->origins[j]))
                broken("%s and %s differ about %s", sim.nodes[i].name, sim.nodes[0].name,
                       sim.nodes[j].name);
            if (!as_configured(t->origins[j], &sim.nodes[j]))
                broken("%s is wrong about %s: %.*s", sim.nodes[i].name, sim.nodes[j].name,
                       SLICE(t->origins[j]->text));
        }
    }
}

/* cheapest - Floyd and Warshall, to have it from somebody else */

static void cheapest(unsigned best[NODES][NODES])
{
    for (unsigned i = 0; i < sim.n; i++)
        for (unsigned j = 0; j < sim.n; j++)
            best[i][j] = i == j ? 0 : sim.nodes[i].cost[j] > 0 ? sim.nodes[i].cost[j] : 100000;
    for (unsigned k = 0; k < sim.n; k++)
        for (unsigned i = 0; i < sim.n; i++)
            for (unsigned j = 0; j < sim.n; j++)
                if (best[i][k] + best[k][j] < best[i][j])
                    best[i][j] = best[i][k] + best[k][j];
}

static void mail_arrives_by_the_cheapest_way(void)
{
    unsigned best[NODES][NODES], before = sim.arrived;

    cheapest(best);
    memset(sim.mails, 0, sizeof sim.mails);
    for (unsigned i = 0; i < MAILS; i++) {
        mail_send(true);
        sim.mails[i].best = best[sim.mails[i].at][sim.mails[i].to];
    }
    for (unsigned i = 0; i < MAILS; i++)
        while (sim.mails[i].used && sim.arrived < before + MAILS) {
            unsigned at = sim.mails[i].at;

            mail_step(&sim.mails[i]);
            if (sim.mails[i].used && sim.mails[i].at == at)
                broken("mail stays at %s", sim.nodes[at].name);
        }
    if (sim.arrived != before + MAILS)
        broken("mail was lost");
}

static void run_round(void)
{
    int64_t calm;

    build();
    sim.storm = true;
    for (calm = sim.now + 3 * 60 * MINUTE; sim.now < calm; )
        step();
    sim.storm = false;
    memset(sim.cut, 0, sizeof sim.cut);
    /* the old connections' retries, the damping, and a walk of each news through all */
    for (calm = sim.now + 20 * MINUTE; sim.now < calm; )
        step();
    tables_agree();
    mail_arrives_by_the_cheapest_way();
    for (unsigned i = 0; i < sim.n; i++)
        links_free(sim.nodes[i].links);
    for (unsigned i = 0; i < FLIGHTS; i++)
        sim.flights[i].used = false;
    memset(sim.mails, 0, sizeof sim.mails);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 20;

    sim.random = 88172645463325252u ^ (argc > 1 ? strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15u : 0);
    for (sim.round = 1; sim.round <= rounds; sim.round++)
        run_round();
    printf("%u rounds: %u messages arrived in %u hops, waited %u times\n", rounds, sim.arrived,
           sim.hops, sim.waited);
    for (unsigned i = 0; i < FLIGHTS; i++)
        buf_free(&sim.flights[i].payload);
    return sim.arrived > 0 ? 0 : 1;
}
