/* messages.c - writers, readers and rights, all made from the one list. */
#include "ipc/messages.h"

#define PUT(kind, name) wire_put_##kind(w, m->name);
#define GET(kind, name) m->name = wire_get_##kind(w);
#define M(NAME, name, from, to, FIELDS)                                     \
    bool name##_put(struct wire *w, const struct name *m)                   \
    {                                                                       \
        FIELDS(PUT)                                                         \
        return !w->bad;                                                     \
    }                                                                       \
    bool name##_get(struct wire *w, struct name *m)                         \
    {                                                                       \
        FIELDS(GET)                                                         \
        return wire_done(w);                                                \
    }
IPC_MESSAGES(M)
#undef M

void outcome_put(struct wire *w, const struct outcome *m)
{
    OUTCOME_FIELDS(PUT)
}

bool outcome_next(struct wire *w, struct outcome *m)
{
    if (w->bad || w->in.n == 0)
        return false;
    OUTCOME_FIELDS(GET)
    return !w->bad;
}

static const struct { unsigned from, to; const char *name; } rights[MSG_COUNT] = {
#define M(NAME, name, from, to, FIELDS) [MSG_##NAME] = { from, to, #NAME },
    IPC_MESSAGES(M)
#undef M
};

bool message_allowed(uint32_t type, enum role from, enum role to)
{
    return type < MSG_COUNT && (rights[type].from & (1u << from)) != 0
        && (rights[type].to & (1u << to)) != 0;
}

const char *message_name(uint32_t type)
{
    return type < MSG_COUNT ? rights[type].name : "unknown message";
}
