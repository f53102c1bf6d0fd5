/* store_rocksdb.c - RocksDB: a group is a batch, its log synced; logs are used again. */
#include <err.h>
#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>
#include "store.h"

struct base {
    rocksdb_t              *db;
    rocksdb_options_t      *options;
    rocksdb_writeoptions_t *write;
    rocksdb_writebatch_t   *batch;
};

static void must(char *error)
{
    if (error != NULL)
        errx(1, "RocksDB: %s", error);
}

/* Keys sort as the numbers do, so that what goes is together. */
static void key_of(uint64_t id, char key[8])
{
    for (int i = 0; i < 8; i++)
        key[i] = (char)(id >> (8 * (7 - i)));
}

static void *base_open(const char *dir)
{
    struct base *b = calloc(1, sizeof *b);
    char *error = NULL;

    if (b == NULL)
        err(1, "memory");
    b->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(b->options, 1);
    rocksdb_options_set_compression(b->options, rocksdb_no_compression);
    rocksdb_options_set_recycle_log_file_num(b->options, 4);
    rocksdb_options_increase_parallelism(b->options, 2);
    b->db = rocksdb_open(b->options, dir, &error);
    must(error);
    b->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(b->write, 1);
    b->batch = rocksdb_writebatch_create();
    return b;
}

/* One value of two parts: u32 length of the envelope and envelope, body. */
static void base_put(void *store, uint64_t id, struct octets envelope, struct octets body)
{
    struct base *b = store;
    uint32_t n = (uint32_t)envelope.n;
    char key[8], head[256];
    const char *keys[] = { key }, *values[] = { head, body.p };
    size_t key_sizes[] = { sizeof key }, value_sizes[] = { sizeof n + envelope.n, body.n };

    if (envelope.n > sizeof head - sizeof n)
        errx(1, "RocksDB: a long envelope");
    key_of(id, key);
    memcpy(head, &n, sizeof n);
    memcpy(head + sizeof n, envelope.p, envelope.n);
    rocksdb_writebatch_putv(b->batch, 1, keys, key_sizes, 2, values, value_sizes);
}

static void base_remove(void *store, uint64_t id)
{
    struct base *b = store;
    char key[8];

    key_of(id, key);
    rocksdb_writebatch_delete(b->batch, key, sizeof key);
}

static void base_commit(void *store)
{
    struct base *b = store;
    char *error = NULL;

    rocksdb_write(b->db, b->write, b->batch, &error);
    must(error);
    rocksdb_writebatch_clear(b->batch);
}

static uint64_t base_count(void *store)
{
    struct base *b = store;
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    rocksdb_iterator_t *i = rocksdb_create_iterator(b->db, read);
    uint64_t n = 0;

    for (rocksdb_iter_seek_to_first(i); rocksdb_iter_valid(i); rocksdb_iter_next(i))
        n++;
    rocksdb_iter_destroy(i);
    rocksdb_readoptions_destroy(read);
    return n;
}

static void base_close(void *store)
{
    struct base *b = store;

    rocksdb_close(b->db);
    rocksdb_writebatch_destroy(b->batch);
    rocksdb_writeoptions_destroy(b->write);
    rocksdb_options_destroy(b->options);
    free(b);
}

const struct store the_store = { base_open, base_put, base_remove, base_commit, base_count, base_close };
