/* table.h - who is known here, and what stands for whom: files, compiled.
 *
 * The master compiles a file into a CDB in sealed memory (table_compile) and
 * hands the descriptor to the processes under the table's name; they map it
 * and look things up. A key is an address in its canonical form
 * (smtp/address.h) or a canonical local part, in lower case: local parts are
 * compared without case, as every mail system people know does.
 */
#pragma once
#include <cdb.h>
#include "base/buf.h"
#include "base/wire.h"
#include "conf/conf.h"

enum table_kind { TABLE_RECIPIENTS, TABLE_ALIASES, TABLE_KINDS };

enum {
    TABLE_NAME    = 300,        /* bytes of a table's name with its NUL */
    TABLE_KEY     = 400,        /* bytes of a key; addresses are shorter */
    TABLE_TARGETS = 10000,      /* of one alias */
};

/* table_compile - the file at `path` as a sealed descriptor of the caller's,
 * or -1 and "file:line: what is wrong, what was meant" in `errors` (20 lines at most).
 *
 * Recipients: one address or local part a line, and behind it, if it is known, the
 * day since when it has been this person's: "alice 2024-01-31". Aliases: "name: target, target",
 * going on in lines that begin with a blank; name and target are local parts
 * (quoted where needed) or addresses; a target "\name" is final. Both: blank
 * lines, and comments from # at the front or after a blank. Commands (|), files
 * (/) and :include: are refused (A092, A194). */
int table_compile(enum table_kind kind, const char *path, struct buf *errors);

/* table_name - "recipients:example.org", "aliases:example.org"; returns text */
char *table_name(enum table_kind kind, struct slice domain, char text[TABLE_NAME]);

/* conf_check - what `postrider config check` does: parse the file and compile
 * every table that it names. NULL and the errors if anything is wrong. */
struct conf *conf_check(const char *path, struct buf *errors);

/* A compiled table, mapped. All-zero is an empty one. */
struct table {
    struct cdb cdb;
    bool       open;
};

/* table_open - map it; the descriptor stays the caller's and is not needed any more */
bool table_open(struct table *t, int fd);
void table_close(struct table *t);

/* table_get - the value of exactly this key; false: it is not there */
bool table_get(const struct table *t, struct slice key, struct slice *value);

/* table_find - the value for a canonical address "local@domain": first the
 * address, then the local part alone, without case */
bool table_find(const struct table *t, struct slice address, struct slice *value);

/* recipient_since - of a value out of a recipients table: the address is this
 * person's since (wall clock, s), 0: unknown (RFC 7293) */
int64_t recipient_since(struct slice value);

/* The targets of an alias: start with wire_reader(value). */
enum target_kind {
    TARGET_LOCAL,       /* `text` is a canonical local part in the alias's domain */
    TARGET_FINAL,       /* the same, and is not looked up again among the aliases */
    TARGET_ADDRESS,     /* `text` is a canonical address */
};
struct target {
    enum target_kind kind;
    struct slice     text;
};
bool target_next(struct wire *w, struct target *t);     /* false at the end, or bad */

/* Tables by name, as handed over. */
struct table_named {
    char        *name;
    struct table table;
};
struct table_set {
    struct map map;                 /* of struct table_named; all-zero: empty */
};

/* table_set_add - map one table that a process was given (child->tables).
 * False: no memory, or it cannot be mapped. The descriptor stays the caller's. */
bool table_set_add(struct table_set *set, const char *name, int fd);
void table_set_close(struct table_set *set);

/* table_set_find - the table of a domain, or NULL */
const struct table *table_set_find(const struct table_set *set, enum table_kind kind,
                                   struct slice domain);

/* What the tables alone say about a recipient. */
enum recipient_answer {
    RECIPIENT_UNKNOWN,      /* 550 5.1.1 */
    RECIPIENT_DELIVER,      /* known, and no alias stands for it: deliver to this address */
    RECIPIENT_ASK,          /* lookup must say */
};

/* recipient_check - is this canonical address of domain `d` known? Decides
 * from mapped tables; asks nobody. */
enum recipient_answer recipient_check(const struct table_set *set, const struct conf_domain *d,
                                      struct slice address);

/* address_split - a canonical address into local part and domain (both empty-safe) */
void address_split(struct slice address, struct slice *local, struct slice *domain);

/* address_base - "user" of "user+detail" at the end of a local part that is a
 * plain (unquoted) one; false, with *base all of it, if there is no detail */
bool address_base(struct slice local, struct slice *base);
