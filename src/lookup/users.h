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

enum { USER_NAME_BYTES = 128 };

/* What the system knows of a user. */
struct user_facts {
    uid_t uid;
    char  name[USER_NAME_BYTES];    /* full name, as it stands in his entry: any bytes */
};

/* How a name is looked up, on another thread: 1 exists, 0 does not, -1 trouble. */
typedef int users_find_f(const char *name, struct user_facts *facts);

struct users {
    uv_loop_t    *loop;
    users_find_f *find;         /* users_find_system, or a test's */
    struct map    map;
    size_t        asking;
};

users_find_f users_find_system;

/* users_begin - all-zero plus loop; `find` NULL: the system's */
void users_begin(struct users *u, uv_loop_t *loop, users_find_f *find);

/* users_ask - does this user exist? KNOWN_WAIT: not known yet, and *entry is
 * for users_wait(). Names that no system gives its users do not exist. */
struct user_entry;
enum known users_ask(struct users *u, struct slice name, struct user_entry **entry);

/* users_wait - call w->known once, when this name is known */
void users_wait(struct user_entry *entry, struct user_waiter *w);

/* users_recall - what is known of a user who exists, or NULL: he does not, or
 * nobody has asked for him lately. Valid until the loop runs again. */
const struct user_facts *users_recall(const struct users *u, struct slice name);

/* users_end - forget everything; only when nothing is asked any more */
void users_end(struct users *u);
