/* quarantine.c - what could not be parsed is kept for a person, never deleted. */
#include <errno.h>
#include <stdio.h>
#include "spool/inside.h"

enum { TRIES = 1000 };

static bool taken(struct disk *disk, const char *name)
{
    int handle = disk->open(disk->ctx, name, DISK_READ);

    if (handle >= 0)
        disk->close(disk->ctx, handle);
    return handle != -ENOENT;
}

/* quarantine_name - one that nobody has yet */

static bool quarantine_name(struct disk *disk, const char *as, char name[NAME_MAX_BYTES])
{
    for (int i = 0; i < TRIES; i++) {
        if (i == 0)
            snprintf(name, NAME_MAX_BYTES, "quarantine/%.32s", as);
        else
            snprintf(name, NAME_MAX_BYTES, "quarantine/%.32s.%d", as, i);
        if (!taken(disk, name))
            return true;
    }
    return false;
}

int quarantine_move(struct disk *disk, const char *from, const char *as)
{
    char name[NAME_MAX_BYTES];

    if (!quarantine_name(disk, as, name))
        return -EEXIST;
    return disk->rename(disk->ctx, from, name);
}

/* quarantine_copy - true when it is there now and was not before */

bool quarantine_copy(struct journal *j, const char *as, struct slice bytes)
{
    char name[NAME_MAX_BYTES];
    int handle, error;

    snprintf(name, sizeof name, "quarantine/%s", as);
    handle = j->disk->open(j->disk->ctx, name, DISK_CREATE);
    if (handle < 0)
        return false;
    error = disk_write_all(j->disk, handle, bytes, 0);
    j->disk->close(j->disk->ctx, handle);
    return error == 0;
}
