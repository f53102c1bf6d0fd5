/* id.h - the name of a message, from its first moment to its last.
 *
 * 64 bits: 44 of milliseconds since 1970, 8 of the slot that the master gave
 * the naming process, 12 of a counter. So every smtpd names its transactions
 * without asking anyone, and a commit may be asked again under the same name.
 * As text: 13 characters of Crockford's base 32, sorting like the number.
 */
#pragma once
#include "base/slice.h"

enum { ID_TEXT = 13, ID_SLOT_QUEUE = 0, ID_SLOTS = 256 };

struct id_maker {
    uint64_t last;      /* the id given last; ids only grow */
    unsigned slot;
};

/* id_next - a new id, greater than all before it, even if the clock went back */
uint64_t id_next(struct id_maker *m, int64_t wall_ms);

/* id_floor - never again give an id that is not above floor */
void id_floor(struct id_maker *m, uint64_t floor);

static inline unsigned id_slot(uint64_t id)
{
    return (unsigned)(id >> 12) & 0xff;
}

static inline int64_t id_ms(uint64_t id)
{
    return (int64_t)(id >> 20);
}

/* id_text - write the id and a NUL; returns text */
char *id_text(uint64_t id, char text[ID_TEXT + 1]);

/* id_parse - exactly 13 characters, either case; false otherwise */
bool id_parse(struct slice text, uint64_t *id);
