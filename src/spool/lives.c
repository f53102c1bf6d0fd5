/* lives.c - a table by id, with open addressing; nothing leaves it. */
#include <stdlib.h>
#include "base/map.h"
#include "spool/lives.h"

static struct life *slot(const struct lives *l, uint64_t id)
{
    size_t i = hash_keyed(slice_of((const char *)&id, sizeof id)) & (l->cap - 1);

    while (l->rows[i].used && l->rows[i].id != id)
        i = (i + 1) & (l->cap - 1);
    return &l->rows[i];
}

const struct life *lives_find(const struct lives *l, uint64_t id)
{
    const struct life *life = l->cap > 0 ? slot(l, id) : NULL;

    return life != NULL && life->used ? life : NULL;
}

static bool grow(struct lives *l)
{
    struct lives more = { .n = l->n, .cap = l->cap > 0 ? l->cap * 2 : 1024 };

    more.rows = calloc(more.cap, sizeof *more.rows);
    if (more.rows == NULL)
        return false;
    for (size_t i = 0; i < l->cap; i++)
        if (l->rows[i].used)
            *slot(&more, l->rows[i].id) = l->rows[i];
    free(l->rows);
    *l = more;
    return true;
}

/* get - of this id, made if it is new; NULL: no memory */

static struct life *get(struct lives *l, uint64_t id)
{
    struct life *life;

    if (l->n * 4 >= l->cap * 3 && !grow(l))
        return NULL;
    life = slot(l, id);
    if (!life->used) {
        *life = (struct life){ .id = id, .used = true };
        l->n++;
    }
    return life;
}

static void newest(uint64_t *place, uint64_t here)
{
    if (here > *place)
        *place = here;
}

bool lives_learn(struct lives *l, const struct index_entry *e, uint64_t here)
{
    struct life *life;

    if (e->type == RECORD_CUT || e->type == RECORD_VOID
        || (e->type == RECORD_MESSAGE && !(e->flags & RECORD_COPY)))
        return true;
    life = get(l, e->id);
    if (life == NULL)
        return false;
    if (e->type == RECORD_MESSAGE)
        newest(&life->copy, here);
    else if (e->type == RECORD_REMOVED)
        life->removed = true;
    else
        newest(&life->outcome, here);
    if ((e->type == RECORD_HELD || e->type == RECORD_RELEASED) && here > life->hold) {
        life->hold = here;
        life->held = e->type == RECORD_HELD;
    }
    return true;
}

void lives_free(struct lives *l)
{
    free(l->rows);
    *l = (struct lives){ 0 };
}
