/* shelf.c - a ring of octets: what is laid and what is read only ever grow. */
#include <string.h>
#include <sys/mman.h>
#include "ipc/messages.h"
#include "smtpd/shelf.h"

enum { ALIGN = 64 };        /* no two bodies in one line of a processor's cache */

/* begins - where a body of n octets may begin: it must not go round the end */

static uint64_t begins(const struct shelf *f, size_t n)
{
    uint64_t left = SHELF_BYTES - f->laid % SHELF_BYTES;

    return n <= left ? f->laid : f->laid + left;
}

uint64_t shelf_lay(struct shelf *f, struct slice body, uint64_t *place)
{
    uint64_t at, end;

    if (f->p == NULL || body.n == 0 || body.n > SHELF_BYTES / 4)
        return 0;
    if (f->read == f->laid)                 /* empty: the beginning is still in the cache */
        f->laid = f->read = (f->laid + SHELF_BYTES - 1) / SHELF_BYTES * SHELF_BYTES;
    at = begins(f, body.n);
    end = (at + body.n + ALIGN - 1) / ALIGN * ALIGN;
    if (end - f->read > SHELF_BYTES)
        return 0;
    memcpy(f->p + at % SHELF_BYTES, body.p, body.n);
    *place = f->place + at % SHELF_BYTES;
    f->laid = end;
    return end;
}

void shelf_read(struct shelf *f, uint64_t mark)
{
    if (mark > f->read)
        f->read = mark;
}

void shelf_settle(struct shelf *f)
{
    if (f->p == NULL || f->laid == 0 || f->read != f->laid)
        return;
    madvise(f->p, SHELF_BYTES, MADV_REMOVE);
    f->laid = f->read = 0;
}
