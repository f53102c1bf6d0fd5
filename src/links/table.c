/* table.c - origins in the order of their names, merged, aged, and counted. */
#include <stdio.h>
#include <stdlib.h>
#include <openssl/evp.h>
#include "links/table.h"

enum { FRAME = sizeof ";NODE 2592000 " - 1, DAY_MS = 24 * 3600 * 1000, SHA256 = 32 };

void link_table_init(struct link_table *t, struct slice self, int64_t age)
{
    *t = (struct link_table){ .bytes = sizeof "TABLE" - 1, .age = age };
    snprintf(t->self, sizeof t->self, "%.*s", SLICE(self));
}

void link_table_free(struct link_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->origins[i]);
    free(t->origins);
    *t = (struct link_table){ 0 };
}

/* ------------------------------------------------------------- origins -- */

static struct link link_of(const struct link_view *v)
{
    return (struct link){ .name = v->name, .to = v->to, .spaces = v->spaces, .cost = v->cost,
                          .up = v->up };
}

/* origin_new - one block of memory: the origin, its links, its text. NULL: no memory. */

static struct origin *origin_new(struct slice entry, int64_t born)
{
    struct entry_view e = { 0 };
    struct link_view l;
    struct origin *o;
    char *text;

    if (!entry_parse(entry, &e))
        return NULL;
    o = malloc(sizeof *o + e.nlinks * sizeof o->links[0] + entry.n);
    if (o == NULL)
        return NULL;
    text = (char *)((struct link *)(void *)(o + 1) + e.nlinks);
    memcpy(text, entry.p, entry.n);
    entry_parse(slice_of(text, entry.n), &e);
    *o = (struct origin){ .name = e.name, .version = e.version, .spaces = e.spaces,
                          .text = slice_of(text, entry.n), .born = born,
                          .links = (struct link *)(void *)(o + 1) };
    while (link_next(&e.links, &l))
        o->links[o->nlinks++] = link_of(&l);
    return o;
}

/* place - where name stands, or would stand */

static size_t place(const struct link_table *t, struct slice name)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (links_order(t->origins[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t link_table_index(const struct link_table *t, struct slice name)
{
    size_t at = place(t, name);

    return at < t->n && slice_eq(t->origins[at]->name, name) ? at : t->n;
}

struct origin *link_table_find(const struct link_table *t, struct slice name)
{
    size_t at = link_table_index(t, name);

    return at < t->n ? t->origins[at] : NULL;
}

static bool grow(struct link_table *t)
{
    size_t cap = t->cap > 0 ? 2 * t->cap : 16;
    struct origin **more;

    if (t->n < t->cap)
        return true;
    more = reallocarray(t->origins, cap, sizeof *more);
    if (more == NULL)
        return false;
    t->origins = more;
    t->cap = cap;
    return true;
}

static void drop(struct link_table *t, size_t at)
{
    t->bytes -= FRAME + t->origins[at]->text.n;
    free(t->origins[at]);
    t->n--;
    memmove(&t->origins[at], &t->origins[at + 1], (t->n - at) * sizeof t->origins[0]);
}

/* put - take `entry` in, instead of what is known of its origin. False: no room. */

static bool put(struct link_table *t, struct slice entry, struct slice name, int64_t born)
{
    size_t at = place(t, name);
    bool known = at < t->n && slice_eq(t->origins[at]->name, name);
    size_t bytes = t->bytes + FRAME + entry.n - (known ? FRAME + t->origins[at]->text.n : 0);
    struct origin *o;

    if (bytes > LINKS_TABLE || (!known && (t->n >= LINKS_NODES || !grow(t))))
        return false;
    o = origin_new(entry, born);
    if (o == NULL)
        return false;
    if (known)
        drop(t, at);
    memmove(&t->origins[at + 1], &t->origins[at], (t->n - at) * sizeof t->origins[0]);
    t->origins[at] = o;
    t->n++;
    t->bytes = bytes;
    return true;
}

bool link_table_own(struct link_table *t, struct slice entry, int64_t now)
{
    struct entry_view e = { 0 };

    return entry_parse(entry, &e) && slice_eq(e.name, slice_cstr(t->self))
        && put(t, entry, e.name, now);
}

/* ------------------------------------------------------------- merging -- */

/* beats - is it newer than what is known (or NULL)? Texts decide between equals. */

static bool beats(const struct entry_view *e, struct slice entry, const struct origin *known)
{
    int newer = known != NULL ? links_newer(e->version, known->version) : 1;

    return newer > 0 || (newer == 0 && links_order(entry, known->text) > 0);
}

/* hear_ours - somebody shows an entry of ours. The same text is our own word
 * come back; an older one is old. */

static void hear_ours(const struct link_table *t, const struct entry_view *e, struct slice entry,
                      struct link_table_news *news)
{
    const struct origin *own = link_table_find(t, e->name);
    int newer = own != NULL ? links_newer(e->version, own->version) : 1;

    if (newer < 0 || (newer == 0 && slice_eq(entry, own->text)))
        return;
    if (!news->impostor || links_newer(e->version, news->ours) > 0)
        news->ours = e->version;
    news->impostor = true;
}

/* has_moved - is it news for the neighbours at once, or can it wait for the next
 * exchange? A refreshment is urgent only when the old one was half expired. */

static bool has_moved(const struct link_table *t, const struct entry_view *e,
                      const struct origin *known, int64_t now)
{
    return known == NULL || e->version.major != known->version.major
        || e->version.minor != known->version.minor || e->version.user == known->version.user
        || now - known->born >= t->age / 2;
}

static void hear(struct link_table *t, struct slice entry, unsigned age, int64_t now, int64_t wall,
                 struct link_table_news *news)
{
    struct entry_view e = { 0 };
    const struct origin *known;
    bool moved;

    if (!entry_parse(entry, &e) || age >= t->age)
        return;
    if (e.version.major > (uint64_t)(wall > 0 ? wall : 0) + DAY_MS) {
        news->refused++;
        return;
    }
    if (slice_eq(e.name, slice_cstr(t->self))) {
        hear_ours(t, &e, entry, news);
        return;
    }
    known = link_table_find(t, e.name);
    if (!beats(&e, entry, known))
        return;
    moved = has_moved(t, &e, known, now);
    if (put(t, entry, e.name, now - age)) {
        news->taken++;
        news->moved += moved;
    } else {
        news->refused++;
    }
}

struct link_table_news link_table_merge(struct link_table *t, struct slice nodes, int64_t now,
                                        int64_t wall)
{
    struct link_table_news news = { 0 };
    struct slice entry;
    unsigned age;

    while (node_next(&nodes, &age, &entry))
        hear(t, entry, age, now, wall, &news);
    return news;
}

/* --------------------------------------------------------------- ageing -- */

static bool is_own(const struct link_table *t, const struct origin *o)
{
    return slice_eq(o->name, slice_cstr(t->self));
}

unsigned link_table_expire(struct link_table *t, int64_t now)
{
    unsigned n = 0;

    for (size_t i = t->n; i-- > 0; ) {
        if (is_own(t, t->origins[i]) || now - t->origins[i]->born < t->age)
            continue;
        drop(t, i);
        n++;
    }
    return n;
}

int64_t link_table_expiry(const struct link_table *t)
{
    int64_t first = INT64_MAX;

    for (size_t i = 0; i < t->n; i++)
        if (!is_own(t, t->origins[i]) && t->origins[i]->born + t->age < first)
            first = t->origins[i]->born + t->age;
    return first;
}

/* --------------------------------------------------------------- saying -- */

void link_table_digest(const struct link_table *t, char digest[LINKS_DIGEST + 1])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned n = 0;
    bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL);

    for (size_t i = 0; ok && i < t->n; i++)
        ok = EVP_DigestUpdate(md, t->origins[i]->text.p, t->origins[i]->text.n)
          && EVP_DigestUpdate(md, "\n", 1);
    ok = ok && EVP_DigestFinal_ex(md, sum, &n) && n == SHA256;
    EVP_MD_CTX_free(md);
    if (!ok)
        memset(sum, 0, SHA256); /* fits no table: everything will be sent */
    for (size_t i = 0; i < SHA256; i++)
        snprintf(digest + 2 * i, 3, "%02x", sum[i]);
}

/* age_of - in whole seconds, never less than it is */

static int64_t age_of(const struct origin *o, int64_t now)
{
    return now > o->born ? now - o->born + 1 : 1;
}

/* skip_to - the entry of `name` in a TABLE in order of names; *has moves on */

static bool skip_to(struct slice *has, struct slice name, struct entry_view *e, struct slice *entry)
{
    struct slice rest = *has;
    unsigned age;

    while (node_next(&rest, &age, entry) && entry_parse(*entry, e)) {
        int d = links_order(e->name, name);

        if (d > 0)
            return false;
        *has = rest;
        if (d == 0)
            return true;
    }
    return false;
}

bool link_table_put(const struct link_table *t, struct slice has, int64_t now, struct buf *out,
                    size_t *n)
{
    *n = 0;
    buf_puts(out, "TABLE");
    for (size_t i = 0; i < t->n; i++) {
        const struct origin *o = t->origins[i];
        struct entry_view theirs = { 0 };
        struct slice entry;
        int64_t age = age_of(o, now);

        if (age >= t->age)
            continue;
        if (skip_to(&has, o->name, &theirs, &entry)
            && (slice_eq(entry, o->text) || beats(&theirs, entry, o)))
            continue;
        buf_printf(out, ";NODE %lld ", (long long)age);
        buf_put_slice(out, o->text);
        ++*n;
    }
    return !out->full;
}
