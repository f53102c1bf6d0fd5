/* entry.c - writing an entry in the one way that there is. */
#include "links/payload.h"

/* sort - the distinct names of a list, in order; 0 when there are too many */

static size_t sort(const struct slice *list, size_t n, struct slice sorted[LINKS_SPACES])
{
    size_t count = 0, at;

    for (size_t i = 0; i < n; i++) {
        for (at = count; at > 0 && links_order(sorted[at - 1], list[i]) > 0; at--)
            ;
        if (at > 0 && links_order(sorted[at - 1], list[i]) == 0)
            continue;
        if (count == LINKS_SPACES)
            return 0;
        memmove(&sorted[at + 1], &sorted[at], (count - at) * sizeof sorted[0]);
        sorted[at] = list[i];
        count++;
    }
    return count;
}

static bool spaces_write(const struct slice *list, size_t n, struct buf *out)
{
    struct slice sorted[LINKS_SPACES];
    size_t count = sort(list, n, sorted);

    if (n == 0)
        return buf_puts(out, "-");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_puts(out, ",");
        buf_put_slice(out, sorted[i]);
    }
    return count > 0;
}

static bool link_write(const struct link_spec *l, struct buf *out)
{
    buf_printf(out, ";LINK %.*s %.*s %u %s ", SLICE(l->name), SLICE(l->to), l->cost,
               l->up ? "up" : "down");
    return spaces_write(l->spaces, l->nspaces, out);
}

bool entry_write(const struct entry_spec *e, struct buf *out)
{
    size_t begin = out->n;

    buf_printf(out, "%.*s %llu %llu %llu ", SLICE(e->name), (unsigned long long)e->version.major,
               (unsigned long long)e->version.minor, (unsigned long long)e->version.user);
    if (!spaces_write(e->spaces, e->nspaces, out))
        return false;
    for (size_t i = 0; i < e->nlinks; i++)
        if (!link_write(&e->links[i], out))
            return false;
    return e->nlinks <= LINKS_CONNECTORS && !out->full && out->n - begin <= LINKS_ENTRY;
}
