/* table.c - looking up in compiled tables. */
#include <stdio.h>
#include "base/ascii.h"
#include "table/table.h"

void address_split(struct slice address, struct slice *local, struct slice *domain)
{
    size_t at = slice_rchr(address, '@');

    *local = slice_first(address, at);
    *domain = slice_from(address, at + 1);
}

bool address_base(struct slice local, struct slice *base)
{
    *base = local;
    if (local.n > 0 && local.p[0] == '"')
        return false;
    *base = slice_first(local, slice_chr(local, '+'));
    if (base->n > 0 && base->n < local.n)
        return true;
    *base = local;
    return false;
}

char *table_name(enum table_kind kind, struct slice domain, char text[TABLE_NAME])
{
    static const char *const kinds[] = { [TABLE_RECIPIENTS] = "recipients:",
                                         [TABLE_ALIASES] = "aliases:" };
    char *p = stpcpy(text, kinds[kind]), *end = text + TABLE_NAME - 1;

    for (size_t i = 0; i < domain.n && p < end; i++)
        *p++ = ascii_lower(domain.p[i]);
    *p = '\0';
    return text;
}

bool table_open(struct table *t, int fd)
{
    *t = (struct table){ 0 };
    t->open = cdb_init(&t->cdb, fd) == 0;
    return t->open;
}

void table_close(struct table *t)
{
    if (t->open)
        cdb_free(&t->cdb);
    *t = (struct table){ 0 };
}

bool table_get(const struct table *t, struct slice key, struct slice *value)
{
    struct cdb at = t->cdb;         /* the cursor; the mapping is shared */
    const char *p;

    *value = (struct slice){ 0 };
    if (!t->open || key.n == 0 || key.n > TABLE_KEY
        || cdb_find(&at, key.p, (unsigned)key.n) <= 0)
        return false;
    p = cdb_datalen(&at) > 0 ? cdb_getdata(&at) : "";
    if (p == NULL)
        return false;
    *value = slice_of(p, cdb_datalen(&at));
    return true;
}

bool table_find(const struct table *t, struct slice address, struct slice *value)
{
    char lower[TABLE_KEY];
    struct slice local, domain;

    if (address.n > sizeof lower)
        return false;
    for (size_t i = 0; i < address.n; i++)
        lower[i] = ascii_lower(address.p[i]);
    address = slice_of(lower, address.n);
    address_split(address, &local, &domain);
    return table_get(t, address, value) || table_get(t, local, value);
}

bool target_next(struct wire *w, struct target *t)
{
    if (w->bad || w->in.n == 0)
        return false;
    t->kind = (enum target_kind)wire_get_u8(w);
    t->text = wire_get_bytes(w);
    return !w->bad && t->kind <= TARGET_ADDRESS;
}

int64_t recipient_since(struct slice value)
{
    struct wire w = wire_reader(value);
    int64_t since = wire_get_i64(&w);

    return wire_done(&w) ? since : 0;
}
