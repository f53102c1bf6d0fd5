/* id.c - naming messages. */
#include "base/id.h"
#include "base/ascii.h"

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* compose - the first id of slot `slot` in millisecond ms */

static uint64_t compose(uint64_t ms, unsigned slot)
{
    return (ms << 20) | ((uint64_t)slot << 12);
}

uint64_t id_next(struct id_maker *m, int64_t wall_ms)
{
    uint64_t fresh = compose((uint64_t)wall_ms, m->slot);

    if (fresh > m->last)
        m->last = fresh;
    else if ((m->last & 0xfff) < 0xfff && id_slot(m->last) == m->slot)
        m->last++;
    else
        m->last = compose((m->last >> 20) + 1, m->slot);
    return m->last;
}

void id_floor(struct id_maker *m, uint64_t floor)
{
    uint64_t first = compose((floor >> 20) + 1, m->slot);

    if (first > m->last)
        m->last = first;
}

char *id_text(uint64_t id, char text[ID_TEXT + 1])
{
    for (int i = ID_TEXT - 1; i >= 0; i--, id >>= 5)
        text[i] = digits[id & 31];
    text[ID_TEXT] = '\0';
    return text;
}

bool id_parse(struct slice text, uint64_t *id)
{
    uint64_t v = 0;

    if (text.n != ID_TEXT)
        return false;
    for (size_t i = 0; i < ID_TEXT; i++) {
        char c = text.p[i];
        const char *at;

        if (ascii_alpha(c))
            c = (char)(ascii_lower(c) - ('a' - 'A'));
        at = c != '\0' ? strchr(digits, c) : NULL;
        if (at == NULL || (i == 0 && at - digits > 15))
            return false;
        v = v << 5 | (uint64_t)(at - digits);
    }
    *id = v;
    return true;
}
