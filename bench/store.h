/* store.h - what could hold the mail between its 250 and its delivery.
 *
 * A store takes groups: messages that came and messages that went, made durable
 * together. Whatever goes wrong ends the program (err, errx): this only measures.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct octets {
    const char *p;
    size_t      n;
};

struct store {
    void    *(*open)(const char *dir);      /* a folder that exists: empty, or of an earlier run */
    void     (*put)(void *store, uint64_t id, struct octets envelope, struct octets body);
    void     (*remove)(void *store, uint64_t id);
    void     (*commit)(void *store);        /* all since the last one is durable; octets live till then */
    uint64_t (*count)(void *store);         /* messages that are there, after open */
    void     (*close)(void *store);
};

/* A store with a library of its own is a shared object that defines this. */
extern const struct store the_store;

/* Those that the program itself has. */
extern const struct store store_files, store_journal;
