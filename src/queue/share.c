/* share.c - sealed memory, read here and written there. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>
#include "ipc/messages.h"
#include "queue/share.h"

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static int sealed_memory(void)
{
    int fd = memfd_create("bay", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 && (ftruncate(fd, BAY_BYTES) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

int share_open(struct share *b)
{
    int fd = sealed_memory();
    void *p;

    *b = (struct share){ 0 };
    if (fd < 0)
        return -1;
    p = mmap(NULL, BAY_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED || getrandom(&b->number, sizeof b->number, 0) != (ssize_t)sizeof b->number
        || b->number == 0) {
        if (p != MAP_FAILED)
            munmap(p, BAY_BYTES);
        close(fd);
        return -1;
    }
    b->p = p;
    return fd;
}

void share_close(struct share *b)
{
    if (b->p != NULL)
        munmap((void *)(uintptr_t)b->p, BAY_BYTES);
    *b = (struct share){ 0 };
}

bool share_holds(uint64_t place, uint64_t length)
{
    return length <= BODY_SHARED && place <= BAY_BYTES - length;
}

struct slice share_view(const struct share *b, uint64_t place, uint64_t length)
{
    return slice_of(b->p + place, (size_t)length);
}
