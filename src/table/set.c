/* set.c - the tables of a process, and what they alone say about a recipient. */
#include <stdlib.h>
#include "table/table.h"

static struct slice named_key(const void *t)
{
    return slice_cstr(((const struct table_named *)t)->name);
}

static void named_free(struct table_named *t)
{
    if (t == NULL)
        return;
    table_close(&t->table);
    free(t->name);
    free(t);
}

bool table_set_add(struct table_set *set, const char *name, int fd)
{
    struct table_named *t = calloc(1, sizeof *t);

    set->map.key = named_key;
    if (t == NULL || (t->name = strdup(name)) == NULL || !table_open(&t->table, fd)) {
        named_free(t);
        return false;
    }
    named_free(map_take(&set->map, named_key(t)));
    if (map_put(&set->map, t))
        return true;
    named_free(t);
    return false;
}

void table_set_close(struct table_set *set)
{
    struct table_named *t;
    size_t at = 0;

    while ((t = map_next(&set->map, &at)) != NULL)
        named_free(t);
    map_free(&set->map);
}

const struct table *table_set_find(const struct table_set *set, enum table_kind kind,
                                   struct slice domain)
{
    char name[TABLE_NAME];
    const struct table_named *t = map_get(&set->map, slice_cstr(table_name(kind, domain, name)));

    return t != NULL ? &t->table : NULL;
}

/* any_hit - is the address, or user@ of user+detail@, in this table? */

static bool any_hit(const struct table *t, struct slice address, bool exact)
{
    struct slice local, domain, base, value;
    char plain[TABLE_KEY];

    if (t == NULL)
        return false;
    if (table_find(t, address, &value))
        return true;
    address_split(address, &local, &domain);
    if (exact || !address_base(local, &base) || base.n + 1 + domain.n > sizeof plain)
        return false;
    memcpy(plain, base.p, base.n);
    plain[base.n] = '@';
    memcpy(plain + base.n + 1, domain.p, domain.n);
    return table_find(t, slice_of(plain, base.n + 1 + domain.n), &value);
}

static bool is_postmaster(struct slice address)
{
    struct slice local, domain, base;

    address_split(address, &local, &domain);
    address_base(local, &base);
    return slice_ieq(base, SLICE_LIT("postmaster"));
}

/* has_capitals - then lookup spells it as the mailbox is called */

static bool has_capitals(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'A' && s.p[i] <= 'Z')
            return true;
    return false;
}

enum recipient_answer recipient_check(const struct table_set *set, const struct conf_domain *d,
                                      struct slice address)
{
    const struct table *known = table_set_find(set, TABLE_RECIPIENTS, d->name);

    if (any_hit(table_set_find(set, TABLE_ALIASES, d->name), address, false)
        || is_postmaster(address) || has_capitals(address)
        || d->recipients == RECIPIENTS_SYSTEM)
        return RECIPIENT_ASK;
    if (d->recipients == RECIPIENTS_ANY || any_hit(known, address, true))
        return RECIPIENT_DELIVER;
    return any_hit(known, address, false) ? RECIPIENT_ASK : RECIPIENT_UNKNOWN;
}
