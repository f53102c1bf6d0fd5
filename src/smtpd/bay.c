/* bay.c - slots of shared memory, and whose they are. */
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "smtpd/bay.h"

enum { SHELF_AT = BAY_SLOTS * BODY_SHARED };

#define FILLING UINT64_MAX      /* no id: those have the time in front */

bool bay_open(struct bay *b, uint64_t number, int fd)
{
    struct stat st;
    char *p;

    *b = (struct bay){ 0 };
    if (number == 0 || fstat(fd, &st) < 0 || st.st_size < BAY_BYTES)
        return false;
    p = mmap(NULL, BAY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return false;
    *b = (struct bay){ .p = p, .number = number,
                       .shelf = { p + SHELF_AT, SHELF_AT, 0, 0 } };
    return true;
}

void bay_close(struct bay *b)
{
    if (b->p != NULL)
        munmap(b->p, BAY_BYTES);
    *b = (struct bay){ 0 };
}

bool bay_take(struct bay *b, struct slot *slot)
{
    for (unsigned i = 0; i < BAY_SLOTS && b->p != NULL; i++)
        if (b->owner[i] == 0) {
            b->owner[i] = FILLING;
            b->used[i] = true;
            *slot = (struct slot){ b->p + (size_t)i * BODY_SHARED, BODY_SHARED, b->number,
                                   (uint64_t)i * BODY_SHARED };
            return true;
        }
    return false;
}

/* owner_of - of a slot of this bay; NULL: it was another's */

static uint64_t *owner_of(struct bay *b, const struct slot *slot)
{
    return slot->p != NULL && slot->bay == b->number ? &b->owner[slot->place / BODY_SHARED] : NULL;
}

void bay_back(struct bay *b, struct slot *slot)
{
    uint64_t *owner = owner_of(b, slot);

    if (owner != NULL)
        *owner = 0;
    *slot = (struct slot){ 0 };
}

void bay_tell(struct bay *b, const struct slot *slot, uint64_t id)
{
    uint64_t *owner = owner_of(b, slot);

    if (owner != NULL)
        *owner = id;
}

void bay_landed(struct bay *b, uint64_t id)
{
    for (unsigned i = 0; i < BAY_SLOTS; i++)
        if (b->owner[i] == id && id != FILLING)
            b->owner[i] = 0;
}

void bay_settle(struct bay *b)
{
    for (unsigned i = 0; i < BAY_SLOTS; i++)
        if (b->owner[i] == 0 && b->used[i]) {
            madvise(b->p + (size_t)i * BODY_SHARED, BODY_SHARED, MADV_REMOVE);
            b->used[i] = false;
        }
    shelf_settle(&b->shelf);
}
