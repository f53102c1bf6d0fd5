/* links_route.c - the way of one recipient over links, and what the neighbour is told of it. */
#include "queue/links_inside.h"
#include "smtp/address.h"
#include "smtp/command.h"

static const struct slice KIND = SLICE_INIT("link:");

/* passed - the nodes that a recipient's mail has passed: none, if it began here anew
 * because an alias leads elsewhere */

static size_t passed(const struct envelope *e, struct slice original,
                     struct slice visited[LINKPATH_NODES])
{
    struct slice path = { 0 };
    size_t n = 0;

    if (original.n > 0 || !extra_get(e->extra, EXTRA_LINKPATH, &path))
        return 0;
    while (path.n > 0 && n < LINKPATH_NODES)
        slice_cut(path, ',', &visited[n++], &path);
    return n;
}

/* alone - is there nobody but us? */

static bool alone(const struct links *links)
{
    return links->nasks == 0 && links_table(links->node)->n <= 1;
}

static bool goes_elsewhere(const struct conf *conf, const struct envelope *e, struct slice domain)
{
    return !(e->flags & ENV_SINK) && domain.n > 0 && conf_domain_find(conf, domain) == NULL
        && !slice_ieq(domain, conf->hostname);
}

/* says_more - does a route of the configuration fit the domain better than any node does? */

static bool says_more(const struct conf *conf, struct slice domain, unsigned match)
{
    return space_match(conf_route_find(conf, domain)->pattern, domain) > (match > 1 ? match : 1);
}

/* path_fits - can we tell the neighbour of one more node? Else it has gone too far. */

static bool path_fits(const struct queue *q, const struct envelope *e, struct slice original)
{
    struct slice visited[LINKPATH_NODES];
    size_t n = passed(e, original, visited), octets = q->conf->hostname.n;

    for (size_t i = 0; i < n; i++)
        octets += visited[i].n + 1;
    return n < LINKPATH_NODES && octets <= LINKPATH_MAX;
}

static void put_link(struct buf *text, struct slice name)
{
    buf_clear(text);
    buf_put_slice(text, KIND);
    buf_put_slice(text, name);
}

/* by_link - the way over links, if that is how the domain goes */

static bool by_link(const struct queue *q, const struct envelope *e, const struct recipient *r,
                    struct buf *text)
{
    struct slice visited[LINKPATH_NODES], domain = address_domain(r->address);
    struct links_hop hop;

    if (alone(q->links) || !goes_elsewhere(q->conf, e, domain))
        return false;
    hop = links_route(q->links->node, domain, visited, passed(e, r->original, visited));
    if ((hop.way == LINKS_NONE && !q->links->settled)
        || (hop.way == LINKS_VIA && !path_fits(q, e, r->original)))
        hop.way = LINKS_WAIT;
    if (hop.way == LINKS_NONE || hop.way == LINKS_HERE || says_more(q->conf, domain, hop.match))
        return false;
    put_link(text, hop.way == LINKS_VIA ? hop.link->name : (struct slice){ 0 });
    return true;
}

struct hop route_rcpt(const struct queue *q, const struct envelope *e, const struct recipient *r,
                      unsigned how, struct buf *text)
{
    if (q->links != NULL && by_link(q, e, r, text))
        return (struct hop){ .text = buf_view(text), .lane = LANE_RELAY };
    return route_hop(q->conf, e, r->address, how, text);
}

/* put_path - where it has been, and here */

static void put_path(const struct queue *q, const struct envelope *e, struct slice original,
                     struct wire *w)
{
    struct slice visited[LINKPATH_NODES];
    size_t n = passed(e, original, visited);
    struct buf path = BUF(LINKPATH_MAX);

    for (size_t i = 0; i < n; i++) {
        buf_put_slice(&path, visited[i]);
        buf_puts(&path, ",");
    }
    buf_put_slice(&path, q->conf->hostname);
    extra_put(w, EXTRA_LINKPATH, buf_view(&path));
    buf_free(&path);
}

struct slice links_extra(const struct queue *q, const struct envelope *e, struct slice original,
                         struct slice destination, struct buf *room)
{
    struct wire in = wire_reader(e->extra), out = wire_writer(room);

    if (q->links == NULL || !slice_istarts(destination, KIND))
        return e->extra;
    while (!in.bad && in.in.n > 0) {
        struct slice name = wire_get_bytes(&in), value = wire_get_bytes(&in);

        if (in.bad || slice_eq(name, SLICE_LIT("LINKPATH")))
            continue;
        wire_put_bytes(&out, name);
        wire_put_bytes(&out, value);
    }
    put_path(q, e, original, &out);
    return out.bad ? e->extra : buf_view(room);
}
