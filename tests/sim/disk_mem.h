/* disk_mem.h - a disk in memory that forgets nothing: for simulations in which
 * the disk is not what fails. */
#pragma once
#include "spool/disk.h"

struct disk *disk_mem(int64_t room);    /* bytes that it says are free */
void disk_mem_free(struct disk *disk);
void disk_mem_room(struct disk *disk, int64_t room);
/* disk_mem_fail - writes and syncs fail with this errno from now on; 0: no more */
void disk_mem_fail(struct disk *disk, int error);
/* disk_mem_unlock - the process that held the lock is gone */
void disk_mem_unlock(struct disk *disk);
