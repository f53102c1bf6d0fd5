/* users.h - which system users exist, asked without waiting, remembered for a minute.
 *
 * The C library's question may take seconds (LDAP), so it runs on a thread of
 * libuv's. Bounded: names remembered and questions under way.
 */
#pragma once
#include <uv.h>
#include "base/list.h"
#include "base/map.h"
#include "table/expand.h"

enum {
    USERS_MAX      = 10000,         /* names remembered */
    USERS_FOR      = 60 * 1000,     /* ms */
    USERS_SICK_FOR = 5 * 1000,      /* ms before asking again after trouble */
};

struct users;

/* Somebody who waits for a name; taken out of its list before the call. */
struct user_waiter {
    struct list link;
    void      (*known)(struct user_waiter *w);
};

/* How a name is looked up, on another thread: 1 exists, 0 does not, -1 trouble. */
typedef int users_find_f(const char *name);

struct users {
    uv_loop_t    *loop;
    users_find_f *find;         /* users_find_system, or a test's */
    struct map    map;
    size_t        asking;
};

int users_find_system(const char *name);

/* users_begin - all-zero plus loop; `find` NULL: the system's */
void users_begin(struct users *u, uv_loop_t *loop, users_find_f *find);

/* users_ask - does this user exist? KNOWN_WAIT: not known yet, and *entry is
 * for users_wait(). Names that no system gives its users do not exist. */
struct user_entry;
enum known users_ask(struct users *u, struct slice name, struct user_entry **entry);

/* users_wait - call w->known once, when this name is known */
void users_wait(struct user_entry *entry, struct user_waiter *w);

/* users_end - forget everything; only when nothing is asked any more */
void users_end(struct users *u);
