/* expand.c - following aliases, each once, to the mailboxes and addresses behind them. */
#include "base/ascii.h"
#include "base/map.h"
#include "table/expand.h"

enum { STEPS_MAX = 100000 };    /* targets looked at for one address */

/* Something that was seen: an alias that was followed, or a result. */
struct seen {
    struct slice key;
};

/* The aliases between the address asked for and the one looked at. */
struct frame {
    struct slice        name;       /* canonical, lower case */
    const struct frame *up;
    unsigned            depth;
};

struct expand {
    const struct expand_source *from;
    struct arena               *arena;
    struct expansion           *out;
    struct map                  seen;
    unsigned                    steps;
    bool                        wait, trouble;
};

static void visit(struct expand *x, struct slice address, struct slice owner,
                  const struct frame *up);

static struct slice seen_key(const void *s)
{
    return ((const struct seen *)s)->key;
}

static void trouble(struct expand *x, const char *what, struct slice address)
{
    if (!x->trouble)
        x->out->text = arena_printf(x->arena, "%s: %.*s", what, SLICE(address));
    x->trouble = true;
}

static struct slice lower(struct arena *a, struct slice s)
{
    struct slice copy = arena_copy(a, s);
    char *p = (char *)(uintptr_t)copy.p;

    for (size_t i = 0; i < copy.n; i++)
        p[i] = ascii_lower(p[i]);
    return copy;
}

/* first_time - is this the first time that this alias (or result) is seen? */

static bool first_time(struct expand *x, char kind, struct slice name)
{
    struct seen *s = arena_alloc(x->arena, sizeof *s);
    struct slice key = arena_printf(x->arena, "%c%.*s", kind, SLICE(name));

    if (s == NULL || key.n == 0) {
        trouble(x, "no memory", name);
        return false;
    }
    s->key = key;
    if (map_get(&x->seen, key) != NULL)
        return false;
    if (!map_put(&x->seen, s))
        trouble(x, "no memory", name);
    return true;
}

static bool grow(struct expand *x)
{
    struct expansion *out = x->out;
    size_t cap = out->cap > 0 ? out->cap * 2 : 8;
    struct expansion_entry *more;

    if (out->n < out->cap)
        return true;
    more = arena_array(x->arena, cap, sizeof *more);
    if (more == NULL)
        return false;
    if (out->n > 0)
        memcpy(more, out->entries, out->n * sizeof *more);
    out->entries = more;
    out->cap = cap;
    return true;
}

static void add(struct expand *x, struct slice address, struct slice owner)
{
    if (!first_time(x, 'R', address))
        return;
    if (x->out->n >= x->from->results_max)
        trouble(x, "too many addresses behind an alias", address);
    else if (!grow(x))
        trouble(x, "no memory", address);
    else
        x->out->entries[x->out->n++] = (struct expansion_entry){ address, owner };
}

/* base_address - user@domain of user+detail@domain; false: there is no detail */

static bool base_address(struct expand *x, struct slice address, struct slice *out)
{
    struct slice local, domain, base;

    address_split(address, &local, &domain);
    if (!address_base(local, &base))
        return false;
    *out = arena_printf(x->arena, "%.*s@%.*s", SLICE(base), SLICE(domain));
    return out->n > 0;
}

static bool is_postmaster(struct slice address)
{
    struct slice local, domain;

    address_split(address, &local, &domain);
    return slice_eq(local, SLICE_LIT("postmaster"));
}

static void nobody(struct expand *x, struct slice address)
{
    if (x->out->unknown++ == 0)
        x->out->first_unknown = address;
}

/* mailbox - the last step for an address of ours: is anybody there? */

static void mailbox(struct expand *x, struct slice address, struct slice owner)
{
    struct slice local, domain, base = address;

    address_split(address, &local, &domain);
    switch (x->from->mailbox(x->from->user, address)) {
    case KNOWN_BASE:
        if (!x->from->keeps_detail(x->from->user, domain))
            base_address(x, address, &base);
        add(x, base, owner);
        break;
    case KNOWN_YES:
        add(x, address, owner);
        break;
    case KNOWN_WAIT:
        x->wait = true;
        break;
    case KNOWN_TROUBLE:
        trouble(x, "cannot find out whether this user exists", address);
        break;
    case KNOWN_NO:
        if (is_postmaster(address))
            add(x, address, owner);
        else
            nobody(x, address);
        break;
    }
}

/* find_alias - the alias that stands for address, itself or without its detail */

static bool find_alias(struct expand *x, struct slice address, struct slice *name,
                       struct slice *targets)
{
    *name = address;
    if (x->from->alias(x->from->user, address, targets))
        return true;
    return base_address(x, address, name) && x->from->alias(x->from->user, *name, targets);
}

static bool above(const struct frame *f, struct slice name)
{
    for (; f != NULL; f = f->up)
        if (slice_eq(f->name, name))
            return true;
    return false;
}

/* owner_of - "owner-NAME" in the domain of alias NAME, if there is one */

static struct slice owner_of(struct expand *x, struct slice name, struct slice inherited)
{
    struct slice owner, targets;

    if (name.p[0] == '"')
        return inherited;
    owner = arena_printf(x->arena, "owner-%.*s", SLICE(name));
    return owner.n > 0 && x->from->alias(x->from->user, owner, &targets) ? owner : inherited;
}

static void follow(struct expand *x, struct slice name, struct slice targets,
                   struct slice owner, const struct frame *up)
{
    struct frame here = { name, up, up != NULL ? up->depth + 1 : 1 };
    struct wire w = wire_reader(targets);
    struct slice local, domain, address;
    struct target t;

    if (here.depth > x->from->depth) {
        trouble(x, "aliases lead to aliases too often", name);
        return;
    }
    address_split(name, &local, &domain);
    owner = owner_of(x, name, owner);
    while (!x->trouble && target_next(&w, &t)) {
        address = t.text;
        if (t.kind != TARGET_ADDRESS)
            address = arena_printf(x->arena, "%.*s@%.*s", SLICE(t.text), SLICE(domain));
        if (++x->steps > STEPS_MAX || address.n == 0)
            trouble(x, "too many targets", name);
        else if (t.kind == TARGET_FINAL)
            mailbox(x, lower(x->arena, address), owner);
        else
            visit(x, address, owner, &here);
    }
    if (!wire_done(&w) && !x->trouble)
        trouble(x, "malformed table", name);
}

static void visit(struct expand *x, struct slice address, struct slice owner,
                  const struct frame *up)
{
    struct slice local, domain, name, targets;

    address_split(address, &local, &domain);
    if (!x->from->ours(x->from->user, domain)) {
        add(x, address, owner);
        return;
    }
    address = lower(x->arena, address);
    if (!find_alias(x, address, &name, &targets))
        mailbox(x, address, owner);
    else if (up != NULL && slice_eq(up->name, name))
        add(x, name, owner);            /* it names itself: here too */
    else if (above(up, name))
        trouble(x, "aliases lead in a circle", name);
    else if (first_time(x, 'A', name))
        follow(x, name, targets, owner, up);
}

static enum expand_result result(const struct expand *x, struct slice address)
{
    struct expansion *out = x->out;

    if (x->arena->spent && !x->trouble)
        out->text = SLICE_LIT("no memory");
    if (x->trouble || x->arena->spent)
        return EXPAND_TROUBLE;
    if (x->wait)
        return EXPAND_WAIT;
    if (out->n > 0)
        return EXPAND_OK;
    out->text = arena_printf(x->arena, "no such user: %.*s",
                             SLICE(out->unknown > 0 ? out->first_unknown : address));
    return EXPAND_UNKNOWN;
}

enum expand_result alias_expand(const struct expand_source *from, struct slice address,
                                struct arena *a, struct expansion *out)
{
    struct expand x = { .from = from, .arena = a, .out = out, .seen = MAP(seen_key) };

    *out = (struct expansion){ 0 };
    visit(&x, address, (struct slice){ 0 }, NULL);
    map_free(&x.seen);
    return result(&x, address);
}
