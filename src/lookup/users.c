/* users.c - system users through a cache and libuv's threads. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ascii.h"
#include "base/clock.h"
#include "lookup/users.h"

enum { NAME_MAX_BYTES = 64, PWD_FIRST = 16 << 10, PWD_MOST = 1 << 20 };

struct user_entry {
    struct users *users;
    char          name[NAME_MAX_BYTES + 1];
    size_t        n;
    enum known    known;        /* KNOWN_WAIT: being asked */
    bool          telling;      /* its waiters are being called */
    int           found;        /* the thread's answer */
    struct user_facts facts;    /* and what it found; the loop's when known is KNOWN_YES */
    int64_t       until;        /* monotonic, ms */
    struct list   waiters;
    uv_work_t     work;
};

static struct slice entry_key(const void *e)
{
    const struct user_entry *entry = e;

    return slice_of(entry->name, entry->n);
}

/* name_ok - letters, digits, dots, hyphens and underscores, as useradd takes
 * them; anything else is never asked of the system (A092) */

static bool name_ok(struct slice name)
{
    if (name.n == 0 || name.n > NAME_MAX_BYTES
        || (!ascii_alnum(name.p[0]) && name.p[0] != '_'))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alnum(name.p[i]) && strchr("._-", name.p[i]) == NULL)
            return false;
    return slice_chr(name, '\0') == name.n;
}

/* take_facts - the full name is the first field of GECOS */

static void take_facts(const struct passwd *pwd, struct user_facts *facts)
{
    struct slice name = slice_cstr(pwd->pw_gecos);

    name = slice_first(name, slice_chr(name, ','));
    facts->uid = pwd->pw_uid;
    snprintf(facts->name, sizeof facts->name, "%.*s", SLICE(name));
}

int users_find_system(const char *name, struct user_facts *facts)
{
    struct passwd pwd, *found = NULL;
    int error = ERANGE;

    for (size_t size = PWD_FIRST; error == ERANGE && size <= PWD_MOST; size *= 4) {
        char *room = malloc(size);

        if (room == NULL)
            return -1;
        error = getpwnam_r(name, &pwd, room, size, &found);
        if (found != NULL)
            take_facts(found, facts);
        free(room);
    }
    if (found != NULL)
        return 1;
    return error == 0 || error == ENOENT || error == ESRCH ? 0 : -1;
}

/* on_thread - nothing of the loop's is touched here */

static void on_thread(uv_work_t *work)
{
    struct user_entry *e = work->data;

    e->found = e->users->find(e->name, &e->facts);
}

static void on_answer(uv_work_t *work, int status)
{
    struct user_entry *e = work->data;

    e->known = status != 0 || e->found < 0 ? KNOWN_TROUBLE : e->found > 0 ? KNOWN_YES : KNOWN_NO;
    e->until = clock_mono() + (e->known == KNOWN_TROUBLE ? USERS_SICK_FOR : USERS_FOR);
    e->users->asking--;
    e->telling = true;
    while (!list_empty(&e->waiters)) {
        struct user_waiter *w = LIST_OWNER(list_pop(&e->waiters), struct user_waiter, link);

        w->known(w);
    }
    e->telling = false;
}

/* forget - the answers older than this, or all; those under way stay */

static void forget(struct users *u, int64_t older_than)
{
    static struct user_entry *victims[USERS_MAX];
    struct user_entry *e;
    size_t at = 0, n = 0;

    while ((e = map_next(&u->map, &at)) != NULL)
        if (e->known != KNOWN_WAIT && !e->telling && e->until <= older_than && n < USERS_MAX)
            victims[n++] = e;
    while (n > 0) {
        map_take(&u->map, entry_key(victims[--n]));
        free(victims[n]);
    }
}

static void make_way(struct users *u, int64_t now)
{
    if (u->map.n >= USERS_MAX)
        forget(u, now);
    if (u->map.n >= USERS_MAX)
        forget(u, INT64_MAX);
}

static struct user_entry *entry_new(struct users *u, struct slice name, int64_t now)
{
    struct user_entry *e;

    make_way(u, now);
    e = u->map.n < USERS_MAX ? calloc(1, sizeof *e) : NULL;
    if (e == NULL)
        return NULL;
    e->users = u;
    e->n = name.n;
    memcpy(e->name, name.p, name.n);
    e->work.data = e;
    list_init(&e->waiters);
    if (map_put(&u->map, e))
        return e;
    free(e);
    return NULL;
}

static enum known ask_system(struct users *u, struct user_entry *e)
{
    if (uv_queue_work(u->loop, &e->work, on_thread, on_answer) != 0)
        return e->known = KNOWN_TROUBLE;
    u->asking++;
    return e->known = KNOWN_WAIT;
}

enum known users_ask(struct users *u, struct slice name, struct user_entry **entry)
{
    int64_t now = clock_mono();
    struct user_entry *e;

    *entry = NULL;
    if (!name_ok(name))
        return KNOWN_NO;
    e = map_get(&u->map, name);
    if (e == NULL && (e = entry_new(u, name, now)) == NULL)
        return KNOWN_TROUBLE;
    *entry = e;
    return e->known == KNOWN_WAIT || e->until > now ? e->known : ask_system(u, e);
}

const struct user_facts *users_recall(const struct users *u, struct slice name)
{
    const struct user_entry *e = map_get(&u->map, name);

    return e != NULL && e->known == KNOWN_YES ? &e->facts : NULL;
}

void users_wait(struct user_entry *entry, struct user_waiter *w)
{
    list_push(&entry->waiters, &w->link);
}

void users_begin(struct users *u, uv_loop_t *loop, users_find_f *find)
{
    *u = (struct users){ .loop = loop, .map = MAP(entry_key),
                         .find = find != NULL ? find : users_find_system };
}

void users_end(struct users *u)
{
    struct user_entry *e;
    size_t at = 0;

    while ((e = map_next(&u->map, &at)) != NULL)
        free(e);
    map_free(&u->map);
}
