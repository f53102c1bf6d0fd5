/* store_sqlite.c - SQLite: WAL, synchronous=FULL, a group is a transaction. */
#include <err.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include "store.h"

struct base {
    sqlite3      *db;
    sqlite3_stmt *put, *remove, *begin, *commit;
    bool          open;     /* a transaction is */
};

/* The log is given back to the table every 16 MiB, not every 4: that is faster here. */
static const char setup[] =
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA wal_autocheckpoint=4096;"
    "PRAGMA cache_size=-65536;"
    "CREATE TABLE IF NOT EXISTS mail (id INTEGER PRIMARY KEY, envelope BLOB, body BLOB)";

static void must(struct base *b, int result)
{
    if (result != SQLITE_OK && result != SQLITE_DONE && result != SQLITE_ROW)
        errx(1, "SQLite: %s", sqlite3_errmsg(b->db));
}

static sqlite3_stmt *prepared(struct base *b, const char *text)
{
    sqlite3_stmt *s = NULL;

    must(b, sqlite3_prepare_v2(b->db, text, -1, &s, NULL));
    return s;
}

static void run(struct base *b, sqlite3_stmt *s)
{
    must(b, sqlite3_step(s));
    must(b, sqlite3_reset(s));
}

static void begin(struct base *b)
{
    if (!b->open)
        run(b, b->begin);
    b->open = true;
}

static void *base_open(const char *dir)
{
    struct base *b = calloc(1, sizeof *b);
    char path[4096];

    snprintf(path, sizeof path, "%s/mail.sqlite", dir);
    if (b == NULL || sqlite3_open(path, &b->db) != SQLITE_OK)
        errx(1, "%s", path);
    must(b, sqlite3_exec(b->db, setup, NULL, NULL, NULL));
    b->put = prepared(b, "INSERT INTO mail VALUES (?, ?, ?)");
    b->remove = prepared(b, "DELETE FROM mail WHERE id = ?");
    b->begin = prepared(b, "BEGIN IMMEDIATE");
    b->commit = prepared(b, "COMMIT");
    return b;
}

static void base_put(void *store, uint64_t id, struct octets envelope, struct octets body)
{
    struct base *b = store;

    begin(b);
    must(b, sqlite3_bind_int64(b->put, 1, (sqlite3_int64)id));
    must(b, sqlite3_bind_blob64(b->put, 2, envelope.p, envelope.n, SQLITE_STATIC));
    must(b, sqlite3_bind_blob64(b->put, 3, body.p, body.n, SQLITE_STATIC));
    run(b, b->put);
}

static void base_remove(void *store, uint64_t id)
{
    struct base *b = store;

    begin(b);
    must(b, sqlite3_bind_int64(b->remove, 1, (sqlite3_int64)id));
    run(b, b->remove);
    if (sqlite3_changes(b->db) != 1)
        errx(1, "SQLite: no message %llu", (unsigned long long)id);
}

static void base_commit(void *store)
{
    struct base *b = store;

    run(b, b->commit);
    b->open = false;
}

static uint64_t base_count(void *store)
{
    struct base *b = store;
    sqlite3_stmt *s = prepared(b, "SELECT count(*) FROM mail");
    uint64_t n;

    must(b, sqlite3_step(s));
    n = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

static void base_close(void *store)
{
    struct base *b = store;

    sqlite3_finalize(b->put);
    sqlite3_finalize(b->remove);
    sqlite3_finalize(b->begin);
    sqlite3_finalize(b->commit);
    must(b, sqlite3_close(b->db));
    free(b);
}

const struct store the_store = { base_open, base_put, base_remove, base_commit, base_count, base_close };
