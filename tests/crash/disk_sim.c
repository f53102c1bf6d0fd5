/* disk_sim.c - files, names, and the list of what is not durable yet. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/crc32c.h"
#include "disk_sim.h"

enum { NODES_MAX = 4096, NAMES_MAX = 512, HANDLES_MAX = 256, NAME_BYTES = 56 };

/* Bytes shared by several pictures; copied before a change. */
struct content {
    unsigned refs;
    char    *p;
    size_t   n;
    uint64_t sum;
    bool     summed;
};

struct node {
    struct content *cached, *durable;
    bool            written;        /* since it was made */
};

struct entry {
    char name[NAME_BYTES];
    int  node;                      /* -1: a directory */
};

struct names {
    struct entry e[NAMES_MAX];
    size_t       n;
};

enum change_kind { CHANGE_PIECE, CHANGE_SIZE, CHANGE_LINK, CHANGE_UNLINK, CHANGE_RENAME };

struct change {
    enum change_kind kind;
    bool     stale;                 /* a sync of it failed: no later one helps */
    bool     chore;                 /* made ahead */
    int      node;
    uint64_t at;                    /* PIECE: where; SIZE: the size */
    uint16_t n;
    char     bytes[SIM_SECTOR];
    char     name[NAME_BYTES], to[NAME_BYTES];
};

struct handle {
    bool used;
    int  node;
};

struct sim {
    struct disk     disk;
    struct node    *nodes;
    size_t          nnodes;
    struct names    cached, durable;
    struct change  *pending;
    size_t          npending, cap;
    struct handle   handles[HANDLES_MAX];
    bool            locked, dead;
    unsigned        kill_in, fail_in;
    int             fail_error;
    bool            fail_syncs;
    int64_t         room;
    enum sim_phase  phase;
    enum sim_sync   drop;
    sim_hook_f     *hook;
    void           *hook_user;
    unsigned        syncs[SIM_SYNC_COUNT], slow;
};

const char *sim_sync_text(enum sim_sync site)
{
    static const char *const texts[] = {
#define S(name, text) text,
        SIM_SYNCS(S)
#undef S
        "none",
    };

    return texts[site];
}

/* --- contents ------------------------------------------------------------ */

static struct content *content_new(size_t n)
{
    struct content *c = calloc(1, sizeof *c);

    assert(c != NULL);
    c->refs = 1;
    c->n = n;
    c->p = calloc(1, n > 0 ? n : 1);
    assert(c->p != NULL);
    return c;
}

static struct content *content_share(struct content *c)
{
    c->refs++;
    return c;
}

static void content_drop(struct content *c)
{
    if (c == NULL || --c->refs > 0)
        return;
    free(c->p);
    free(c);
}

/* content_mine - *c, but nobody else's, and of n bytes at least */

static void content_mine(struct content **c, size_t n)
{
    struct content *old = *c, *new;

    if (old->refs == 1 && n <= old->n) {
        old->summed = false;
        return;
    }
    new = content_new(n > old->n ? n : old->n);
    memcpy(new->p, old->p, old->n);
    content_drop(old);
    *c = new;
}

static void content_put(struct content **c, const char *p, size_t n, uint64_t at)
{
    content_mine(c, (size_t)at + n);
    memcpy((*c)->p + at, p, n);
}

static void content_size(struct content **c, size_t n)
{
    content_mine(c, n);
    (*c)->n = n;
}

static uint64_t content_sum(struct content *c)
{
    if (!c->summed) {
        c->sum = (uint64_t)crc32c(0, slice_of(c->p, c->n)) << 32
               | crc32c(0x5eed, slice_of(c->p, c->n));
        c->sum = c->sum * 0x9e3779b97f4a7c15u + c->n;
        c->summed = true;
    }
    return c->sum;
}

/* --- names ----------------------------------------------------------------- */

static struct entry *name_find(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->e[i].name, name) == 0)
            return (struct entry *)&names->e[i];
    return NULL;
}

static void name_copy(char to[NAME_BYTES], const char *name)
{
    assert(strlen(name) < NAME_BYTES);
    strcpy(to, name);
}

static void name_set(struct names *names, const char *name, int node)
{
    struct entry *e = name_find(names, name);

    if (e == NULL) {
        assert(names->n < NAMES_MAX);
        e = &names->e[names->n++];
        name_copy(e->name, name);
    }
    e->node = node;
}

static void name_drop(struct names *names, const char *name)
{
    struct entry *e = name_find(names, name);

    if (e != NULL)
        *e = names->e[--names->n];
}

static bool in_dir(const char *name, const char *dir)
{
    size_t n = strlen(dir);

    if (strcmp(dir, ".") == 0)
        return strchr(name, '/') == NULL;
    return strncmp(name, dir, n) == 0 && name[n] == '/';
}

/* --- changes ----------------------------------------------------------------- */

static struct change *change_add(struct sim *s, enum change_kind kind, int node)
{
    struct change *c;

    if (s->npending == s->cap) {
        s->cap = s->cap > 0 ? s->cap * 2 : 64;
        s->pending = reallocarray(s->pending, s->cap, sizeof *s->pending);
        assert(s->pending != NULL);
    }
    c = &s->pending[s->npending++];
    *c = (struct change){ .kind = kind, .node = node, .chore = s->phase == SIM_CHORE };
    return c;
}

static void change_apply(const struct change *c, struct names *names, struct content **durable)
{
    const struct entry *e;

    switch (c->kind) {
    case CHANGE_PIECE:
        content_put(durable, c->bytes, c->n, c->at);
        break;
    case CHANGE_SIZE:
        content_size(durable, (size_t)c->at);
        break;
    case CHANGE_LINK:
        name_set(names, c->name, c->node);
        break;
    case CHANGE_UNLINK:
        e = name_find(names, c->name);
        if (e != NULL && e->node == c->node)
            name_drop(names, c->name);
        break;
    case CHANGE_RENAME:
        e = name_find(names, c->name);
        if (e != NULL && e->node == c->node)
            name_drop(names, c->name);
        name_set(names, c->to, c->node);
        break;
    }
}

/* settle - make durable what `which` says; the rest stays pending in order */

typedef bool which_f(const struct change *c, int node, const char *dir);

static bool of_node(const struct change *c, int node, const char *dir)
{
    (void)dir;
    return c->kind <= CHANGE_SIZE && c->node == node && !c->stale;
}

static bool of_dir(const struct change *c, int node, const char *dir)
{
    (void)node;
    return c->kind > CHANGE_SIZE && !c->stale
        && in_dir(c->kind == CHANGE_RENAME ? c->to : c->name, dir);
}

/* overtake - a sector is written whole: what a failed sync left behind in it
 * goes to the disk with the new bytes, and cannot come later */

static void overtake(struct sim *s, size_t *kept, const struct change *new)
{
    size_t left = 0;

    for (size_t i = 0; i < *kept; i++) {
        struct change *c = &s->pending[i];

        if (c->kind == CHANGE_PIECE && c->stale && c->node == new->node
            && c->at / SIM_SECTOR == new->at / SIM_SECTOR) {
            change_apply(c, &s->durable, &s->nodes[c->node].durable);
            continue;
        }
        if (left != i)
            s->pending[left] = *c;
        left++;
    }
    *kept = left;
}

static void settle(struct sim *s, which_f *which, int node, const char *dir, bool fails)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->npending; i++) {
        struct change *c = &s->pending[i];

        if (which(c, node, dir)) {
            if (!fails) {
                if (c->kind == CHANGE_PIECE)
                    overtake(s, &kept, c);
                change_apply(c, &s->durable,
                             c->node >= 0 ? &s->nodes[c->node].durable : NULL);
                continue;
            }
            c->stale = c->kind <= CHANGE_SIZE;
        }
        if (kept != i)
            s->pending[kept] = *c;
        kept++;
    }
    s->npending = kept;
}

/* enter - every change begins here: the hook, death, and injected errors */

static int enter(struct sim *s, bool sync)
{
    if (s->dead)
        return -EIO;
    if (s->hook != NULL)
        s->hook(s->hook_user);
    if (s->kill_in > 0 && --s->kill_in == 0) {
        s->dead = true;
        return -EIO;
    }
    if (s->fail_in > 0 && (sync || !s->fail_syncs) && --s->fail_in == 0)
        return -s->fail_error;
    return 0;
}

/* --- struct disk ---------------------------------------------------------- */

static struct node *node_of(struct sim *s, int handle)
{
    assert(handle >= 0 && handle < HANDLES_MAX && s->handles[handle].used);
    return &s->nodes[s->handles[handle].node];
}

static int handle_new(struct sim *s, int node)
{
    for (int i = 0; i < HANDLES_MAX; i++)
        if (!s->handles[i].used) {
            s->handles[i] = (struct handle){ true, node };
            return i;
        }
    assert(false);         /* handles leak */
    return -EMFILE;
}

static bool dir_exists(const struct sim *s, const char *name)
{
    const char *slash = strchr(name, '/');
    char dir[NAME_BYTES];

    if (slash == NULL)
        return true;
    snprintf(dir, sizeof dir, "%.*s", (int)(slash - name), name);
    return name_find(&s->cached, dir) != NULL;
}

static int create(struct sim *s, const char *name)
{
    int error = enter(s, false);

    if (error != 0)
        return error;
    if (!dir_exists(s, name))
        return -ENOENT;
    assert(s->nnodes < NODES_MAX);
    s->nodes[s->nnodes] = (struct node){ content_new(0), content_new(0), false };
    name_set(&s->cached, name, (int)s->nnodes);
    name_copy(change_add(s, CHANGE_LINK, (int)s->nnodes)->name, name);
    return handle_new(s, (int)s->nnodes++);
}

static int sim_open(void *ctx, const char *name, unsigned how)
{
    struct sim *s = ctx;
    const struct entry *e = name_find(&s->cached, name);

    if (s->dead)
        return -EIO;
    if (how & DISK_CREATE)
        return e != NULL ? -EEXIST : create(s, name);
    if (e == NULL)
        return -ENOENT;
    return e->node < 0 ? -EISDIR : handle_new(s, e->node);
}

static int sim_close(void *ctx, int handle)
{
    struct sim *s = ctx;

    node_of(s, handle);
    s->handles[handle].used = false;
    return 0;
}

static int resize(struct sim *s, int handle, uint64_t size)
{
    struct node *n = node_of(s, handle);
    int error = enter(s, false);

    if (error != 0)
        return error;
    content_size(&n->cached, (size_t)size);
    change_add(s, CHANGE_SIZE, s->handles[handle].node)->at = size;
    return 0;
}

static int sim_reserve(void *ctx, int handle, uint64_t size, bool zeros)
{
    struct sim *s = ctx;

    (void)zeros;
    return (int64_t)size > s->room ? -ENOSPC : resize(s, handle, size);
}

static int sim_truncate(void *ctx, int handle, uint64_t size)
{
    return resize(ctx, handle, size);
}

static void pieces(struct sim *s, int node, struct slice bytes, uint64_t at)
{
    struct change *c;
    size_t n;

    while (bytes.n > 0) {
        n = SIM_SECTOR - (size_t)(at % SIM_SECTOR);
        n = n < bytes.n ? n : bytes.n;
        c = change_add(s, CHANGE_PIECE, node);
        c->at = at;
        c->n = (uint16_t)n;
        memcpy(c->bytes, bytes.p, n);
        bytes = slice_from(bytes, n);
        at += n;
    }
}

static ssize_t sim_write(void *ctx, int handle, struct slice bytes, uint64_t at)
{
    struct sim *s = ctx;
    struct node *n = node_of(s, handle);
    int error = enter(s, false);

    if (error != 0)
        return error;
    if (bytes.n > 3000)                 /* may be short */
        bytes.n = bytes.n / 2 + 1;
    content_put(&n->cached, bytes.p, bytes.n, at);
    pieces(s, s->handles[handle].node, bytes, at);
    n->written = true;
    return (ssize_t)bytes.n;
}

static ssize_t sim_read(void *ctx, int handle, char *to, size_t n, uint64_t at)
{
    struct sim *s = ctx;
    const struct content *c = node_of(s, handle)->cached;

    if (s->dead)
        return -EIO;
    if (at >= c->n)
        return 0;
    n = n < c->n - at ? n : (size_t)(c->n - at);
    memcpy(to, c->p + at, n);
    return (ssize_t)n;
}

static int64_t sim_size(void *ctx, int handle)
{
    struct sim *s = ctx;

    return s->dead ? -EIO : (int64_t)node_of(s, handle)->cached->n;
}

static const char *name_of(const struct sim *s, int node)
{
    for (size_t i = 0; i < s->cached.n; i++)
        if (s->cached.e[i].node == node)
            return s->cached.e[i].name;
    return "";
}

static enum sim_sync file_site(const struct sim *s, int node)
{
    const char *name = name_of(s, node);

    if (in_dir(name, "lent"))
        return SIM_SYNC_LENT;
    if (s->phase == SIM_RECOVERY)
        return SIM_SYNC_FOUND;
    if (strstr(name, "spare") == NULL)
        return SIM_SYNC_APPEND;
    return s->phase == SIM_CHORE ? SIM_SYNC_SPARE : SIM_SYNC_FRESH;
}

static int sim_sync(void *ctx, int handle)
{
    struct sim *s = ctx;
    int node = s->handles[handle].node, error = enter(s, true);
    enum sim_sync site;

    node_of(s, handle);
    if (error != 0) {
        if (!s->dead)
            settle(s, of_node, node, NULL, true);
        return error;
    }
    site = file_site(s, node);
    s->syncs[site]++;
    if (site == s->drop)
        return 0;
    for (size_t i = 0; i < s->npending && s->phase == SIM_FLUSH; i++)
        if (s->pending[i].kind == CHANGE_SIZE && s->pending[i].node == node
            && s->pending[i].chore)
            s->slow++;
    settle(s, of_node, node, NULL, false);
    return 0;
}

static int sim_rename(void *ctx, const char *from, const char *to)
{
    struct sim *s = ctx;
    const struct entry *e = name_find(&s->cached, from);
    struct change *c;
    int node, error = enter(s, false);

    if (error != 0)
        return error;
    if (e == NULL || !dir_exists(s, to))
        return -ENOENT;
    node = e->node;
    name_drop(&s->cached, from);
    name_set(&s->cached, to, node);
    c = change_add(s, CHANGE_RENAME, node);
    name_copy(c->name, from);
    name_copy(c->to, to);
    return 0;
}

static int sim_unlink(void *ctx, const char *name)
{
    struct sim *s = ctx;
    const struct entry *e = name_find(&s->cached, name);
    int node, error = e != NULL ? enter(s, false) : s->dead ? -EIO : -ENOENT;

    if (error != 0)
        return error;
    node = e->node;
    name_drop(&s->cached, name);
    name_copy(change_add(s, CHANGE_UNLINK, node)->name, name);
    return 0;
}

static int sim_list(void *ctx, const char *dir, disk_name_f *each, void *user)
{
    struct sim *s = ctx;
    struct names now = s->cached;

    if (s->dead)
        return -EIO;
    for (size_t i = 0; i < now.n; i++)
        if (now.e[i].node >= 0 && in_dir(now.e[i].name, dir))
            each(user, now.e[i].name + strlen(dir) + 1);
    return 0;
}

static int sim_make_dir(void *ctx, const char *dir)
{
    struct sim *s = ctx;
    int error;

    if (s->dead)
        return -EIO;
    if (name_find(&s->cached, dir) != NULL)
        return 0;
    error = enter(s, false);
    if (error != 0)
        return error;
    name_set(&s->cached, dir, -1);
    name_copy(change_add(s, CHANGE_LINK, -1)->name, dir);
    return 0;
}

static enum sim_sync dir_site(const struct sim *s, const char *dir)
{
    if (strcmp(dir, ".") == 0)
        return SIM_SYNC_DIRS;
    if (strcmp(dir, "large") == 0)
        return SIM_SYNC_LARGE;
    if (strcmp(dir, "quarantine") == 0)
        return SIM_SYNC_RETIRED_BAD;
    if (s->phase == SIM_RECOVERY)
        return SIM_SYNC_FOUND_NAMES;
    return s->phase == SIM_CHORE ? SIM_SYNC_RETIRED : SIM_SYNC_NAMED;
}

static int sim_sync_dir(void *ctx, const char *dir)
{
    struct sim *s = ctx;
    int error = enter(s, true);
    enum sim_sync site = dir_site(s, dir);

    if (error != 0)
        return error;
    s->syncs[site]++;
    if (site != s->drop)
        settle(s, of_dir, -1, dir, false);
    return 0;
}

static int sim_lock(void *ctx, const char *name, unsigned *holder)
{
    struct sim *s = ctx;

    (void)name;
    if (s->dead)
        return -EIO;
    *holder = 1;
    if (s->locked)
        return -EWOULDBLOCK;
    s->locked = true;
    return 0;
}

static int64_t sim_free_bytes(void *ctx)
{
    return ((struct sim *)ctx)->room;
}

static int sim_fd(void *ctx, int handle)
{
    (void)ctx;
    (void)handle;
    return -ENOTSUP;
}

/* --- for the test ---------------------------------------------------------- */

static struct sim *bare(void)
{
    struct sim *s = calloc(1, sizeof *s);

    assert(s != NULL);
    s->disk = (struct disk){
        s, sim_open, sim_close, sim_reserve, sim_write, sim_read, sim_size, sim_truncate,
        sim_sync, sim_rename, sim_unlink, sim_list, sim_make_dir, sim_sync_dir, sim_lock,
        sim_free_bytes, sim_fd, NULL, NULL,
    };
    s->nodes = calloc(NODES_MAX, sizeof *s->nodes);
    assert(s->nodes != NULL);
    s->drop = SIM_SYNC_COUNT;
    s->room = INT64_MAX / 4;
    return s;
}

struct sim *sim_new(void)
{
    return bare();
}

void sim_free(struct sim *s)
{
    for (size_t i = 0; i < s->nnodes; i++) {
        content_drop(s->nodes[i].cached);
        content_drop(s->nodes[i].durable);
    }
    free(s->nodes);
    free(s->pending);
    free(s);
}

struct disk *sim_disk(struct sim *s)
{
    return &s->disk;
}

void sim_phase(struct sim *s, enum sim_phase phase)
{
    s->phase = phase;
}

void sim_hook(struct sim *s, sim_hook_f *hook, void *user)
{
    s->hook = hook;
    s->hook_user = user;
}

void sim_drop(struct sim *s, enum sim_sync site)
{
    s->drop = site;
}

void sim_fail(struct sim *s, unsigned n, int error, bool only_syncs)
{
    s->fail_in = n;
    s->fail_error = error;
    s->fail_syncs = only_syncs;
}

void sim_kill(struct sim *s, unsigned n)
{
    s->kill_in = n;
}

bool sim_dead(const struct sim *s)
{
    return s->dead;
}

void sim_revive(struct sim *s)
{
    memset(s->handles, 0, sizeof s->handles);
    s->locked = s->dead = false;
    s->kill_in = s->fail_in = 0;
}

void sim_room(struct sim *s, int64_t room)
{
    s->room = room;
}

bool sim_flip(struct sim *s, const char *name, uint64_t at)
{
    const struct entry *e = name_find(&s->cached, name);
    struct node *n = e != NULL && e->node >= 0 ? &s->nodes[e->node] : NULL;

    if (n == NULL || at >= n->cached->n || at >= n->durable->n)
        return false;
    content_mine(&n->cached, n->cached->n);
    content_mine(&n->durable, n->durable->n);
    n->cached->p[at] ^= 4;
    n->durable->p[at] ^= 4;
    return true;
}

void sim_forget(struct sim *s, const char *name)
{
    name_drop(&s->cached, name);
    name_drop(&s->durable, name);
}

bool sim_has(const struct sim *s, const char *name)
{
    return name_find(&s->cached, name) != NULL;
}

size_t sim_pending(const struct sim *s)
{
    return s->npending;
}

/* lost - was the directory of this name lost with its own name? */

static bool lost(const struct names *names, const char *name)
{
    const char *slash = strchr(name, '/');
    char dir[NAME_BYTES];

    if (slash == NULL)
        return false;
    snprintf(dir, sizeof dir, "%.*s", (int)(slash - name), name);
    return name_find(names, dir) == NULL;
}

struct sim *sim_cut(const struct sim *s, const bool *keep)
{
    struct sim *cut = bare();

    cut->durable = s->durable;
    cut->nnodes = s->nnodes;
    cut->room = s->room;
    cut->drop = s->drop;
    cut->slow = s->slow;
    memcpy(cut->syncs, s->syncs, sizeof s->syncs);
    for (size_t i = 0; i < s->nnodes; i++)
        cut->nodes[i].durable = content_share(s->nodes[i].durable);
    for (size_t i = 0; i < s->npending; i++)
        if (keep[i])
            change_apply(&s->pending[i], &cut->durable, s->pending[i].node >= 0
                         ? &cut->nodes[s->pending[i].node].durable : NULL);
    for (size_t i = cut->durable.n; i-- > 0; )
        if (lost(&cut->durable, cut->durable.e[i].name))
            cut->durable.e[i] = cut->durable.e[--cut->durable.n];
    for (size_t i = 0; i < cut->nnodes; i++)
        cut->nodes[i].cached = content_share(cut->nodes[i].durable);
    cut->cached = cut->durable;
    return cut;
}

uint64_t sim_fingerprint(const struct sim *s)
{
    uint64_t sum = 0, one;

    for (size_t i = 0; i < s->durable.n; i++) {
        const struct entry *e = &s->durable.e[i];

        one = crc32c(7, slice_cstr(e->name));
        if (e->node >= 0)
            one ^= content_sum(s->nodes[e->node].durable);
        one = (one ^ (one >> 29)) * 0xbf58476d1ce4e5b9u;
        sum += one ^ (one >> 32);
    }
    return sum;
}

unsigned sim_syncs(const struct sim *s, enum sim_sync site)
{
    return s->syncs[site];
}

unsigned sim_slow(const struct sim *s)
{
    return s->slow;
}
