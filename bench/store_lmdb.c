/* store_lmdb.c - LMDB as it comes (every transaction synced), a group is a transaction. */
#include <err.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include "store.h"

struct base {
    MDB_env *env;
    MDB_dbi  dbi;
    MDB_txn *txn;
};

static void must(int result)
{
    if (result != 0)
        errx(1, "LMDB: %s", mdb_strerror(result));
}

static MDB_txn *transaction(struct base *b)
{
    if (b->txn == NULL)
        must(mdb_txn_begin(b->env, NULL, 0, &b->txn));
    return b->txn;
}

static void base_commit(void *store)
{
    struct base *b = store;

    must(mdb_txn_commit(transaction(b)));
    b->txn = NULL;
}

static void *base_open(const char *dir)
{
    struct base *b = calloc(1, sizeof *b);

    if (b == NULL)
        err(1, "memory");
    must(mdb_env_create(&b->env));
    must(mdb_env_set_mapsize(b->env, (size_t)4 << 30));
    must(mdb_env_open(b->env, dir, 0, 0600));
    must(mdb_dbi_open(transaction(b), NULL, MDB_CREATE | MDB_INTEGERKEY, &b->dbi));
    base_commit(b);
    return b;
}

/* One value: u32 length of the envelope, envelope, body; written in place. */
static void base_put(void *store, uint64_t id, struct octets envelope, struct octets body)
{
    struct base *b = store;
    size_t number = (size_t)id;
    uint32_t n = (uint32_t)envelope.n;
    MDB_val key = { sizeof number, &number }, value = { sizeof n + envelope.n + body.n, NULL };
    char *to;

    must(mdb_put(transaction(b), b->dbi, &key, &value, MDB_RESERVE | MDB_APPEND));
    to = value.mv_data;
    memcpy(to, &n, sizeof n);
    memcpy(to + sizeof n, envelope.p, envelope.n);
    memcpy(to + sizeof n + envelope.n, body.p, body.n);
}

static void base_remove(void *store, uint64_t id)
{
    struct base *b = store;
    size_t number = (size_t)id;
    MDB_val key = { sizeof number, &number };

    must(mdb_del(transaction(b), b->dbi, &key, NULL));
}

static uint64_t base_count(void *store)
{
    struct base *b = store;
    MDB_stat s;

    must(mdb_stat(transaction(b), b->dbi, &s));
    mdb_txn_abort(b->txn);
    b->txn = NULL;
    return s.ms_entries;
}

static void base_close(void *store)
{
    struct base *b = store;

    mdb_env_close(b->env);
    free(b);
}

const struct store the_store = { base_open, base_put, base_remove, base_commit, base_count, base_close };
