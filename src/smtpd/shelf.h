/* shelf.h - the end of the bay, where small bodies are laid down one behind the other.
 *
 * The queue copies a body when it reads the COMMIT that names it, and it reads them in the
 * order in which we told. So its answer to one says that it has read that one and all before
 * it, and their room is free. A body that finds no room goes with its COMMIT through the
 * channel, as all do while there is no bay.
 */
#pragma once
#include "base/slice.h"

struct shelf {
    char    *p;             /* NULL: there is none */
    uint64_t place;         /* of its beginning, in the bay */
    uint64_t laid, read;    /* octets, ever: where the next body goes, and what the queue has read */
};

/* shelf_lay - a copy of the body for the queue. Returns a mark for shelf_read(), never 0, and
 * where in the bay the copy begins; 0: there is no room. */
uint64_t shelf_lay(struct shelf *f, struct slice body, uint64_t *place);

/* shelf_settle - give the memory of an empty one back to the system */
void shelf_settle(struct shelf *f);

/* shelf_read - the queue has answered for the body with this mark; 0: for one that was not laid */
void shelf_read(struct shelf *f, uint64_t mark);
