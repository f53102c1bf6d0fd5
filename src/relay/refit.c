/* refit.c - texts mapped, re-encoded and kept until they are sent. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "relay/refit.h"

static uint64_t bytes_made;     /* by all refits of this process */

void refit_init(struct refit *r, struct slice body, int fd, uint64_t offset, uint64_t size)
{
    *r = (struct refit){ .body = body, .fd = fd, .offset = offset, .size = size, .made = -1 };
}

static void unmake(struct refit *r)
{
    if (r->made >= 0)
        close(r->made);
    bytes_made -= r->made_size;
    r->made = -1;
    r->made_size = 0;
}

void refit_free(struct refit *r)
{
    unmake(r);
}

static int64_t read_original(void *user, char *to, size_t n, uint64_t at)
{
    const struct refit *r = user;

    return pread(r->fd, to, n, (off_t)(r->offset + at));
}

static int64_t read_made(void *user, char *to, size_t n, uint64_t at)
{
    const struct refit *r = user;

    return pread(r->made, to, n, (off_t)at);
}

struct client_text refit_text(struct refit *r)
{
    if (r->fd < 0)
        return (struct client_text){ .size = r->body.n, .body = r->body };
    return (struct client_text){ .size = r->size, .read = read_original, .user = r };
}

/* --- the whole original in memory, without copying it */

struct view { char *map; size_t mapped; struct slice text; };

/* A file that is shorter than it should be would kill us when it is looked at. */
static bool is_whole(const struct refit *r)
{
    struct stat st;

    return fstat(r->fd, &st) == 0 && st.st_size >= 0
        && r->offset + r->size <= (uint64_t)st.st_size;
}

static bool view_open(struct view *v, const struct refit *r)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), begin = r->offset - r->offset % page;
    size_t skip = (size_t)(r->offset - begin);

    *v = (struct view){ .text = r->body };
    if (r->fd < 0)
        return true;
    if (r->size == 0 || r->size > SIZE_MAX - page || !is_whole(r))
        return false;
    v->mapped = (size_t)r->size + skip;
    v->map = mmap(NULL, v->mapped, PROT_READ, MAP_PRIVATE, r->fd, (off_t)begin);
    if (v->map == MAP_FAILED)
        return false;
    v->text = slice_of(v->map + skip, (size_t)r->size);
    return true;
}

static void view_close(struct view *v)
{
    if (v->map != NULL && v->map != MAP_FAILED)
        munmap(v->map, v->mapped);
}

/* --- re-encoding */

static bool take(void *user, struct slice piece)
{
    struct refit *r = user;

    while (piece.n > 0) {
        ssize_t n;

        if (bytes_made + piece.n > REFIT_BYTES)
            return false;
        n = write(r->made, piece.p, piece.n);
        if (n <= 0)
            return false;
        piece = slice_from(piece, (size_t)n);
        r->made_size += (uint64_t)n;
        bytes_made += (uint64_t)n;
    }
    return true;
}

static enum downgrade_result make(struct refit *r, enum downgrade_target target)
{
    enum downgrade_result result;
    struct view v;

    unmake(r);
    if (!view_open(&v, r))
        return DOWNGRADE_SINK;
    r->made = memfd_create("text", MFD_CLOEXEC);
    r->made_for = target;
    result = r->made < 0 ? DOWNGRADE_SINK
        : downgrade_write(&(struct downgrade){ .message = v.text, .target = target }, take, r);
    view_close(&v);
    if (result != DOWNGRADE_DONE)
        unmake(r);
    return result;
}

enum downgrade_result refit(void *user, enum downgrade_target target, struct client_text *text)
{
    struct refit *r = user;
    enum downgrade_result result = DOWNGRADE_DONE;

    if (r->made < 0 || r->made_for != target)
        result = make(r, target);
    if (result == DOWNGRADE_DONE)
        *text = (struct client_text){ .size = r->made_size, .read = read_made, .user = r };
    return result;
}
