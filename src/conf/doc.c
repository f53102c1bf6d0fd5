/* doc.c - sections and values as written. */
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include "conf/doc.h"

bool conf_error(struct conf_errors *e, unsigned line, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    if (++e->n > CONF_ERRORS || e->out == NULL)
        return false;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (line > 0)
        buf_printf(e->out, "%.*s:%u: %s\n", SLICE(e->file), line, text);
    else
        buf_printf(e->out, "%.*s: %s\n", SLICE(e->file), text);
    return false;
}

struct conf_doc *doc_new(struct arena *a, struct slice file)
{
    struct conf_doc *doc = arena_alloc(a, sizeof *doc);

    if (doc == NULL)
        return NULL;
    doc->file = arena_copy(a, file);
    for (unsigned i = 0; i < SECTION_COUNT; i++)
        if (!conf_sections[i].titled
            && doc_add(a, doc, (enum conf_section)i, (struct slice){ 0 }, 0) == NULL)
            return NULL;
    return doc;
}

static bool doc_grow(struct arena *a, struct conf_doc *doc)
{
    size_t cap = doc->cap > 0 ? doc->cap * 2 : 32;
    struct conf_block *blocks;

    if (doc->n >= CONF_BLOCKS)
        return false;
    if (doc->n < doc->cap)
        return true;
    blocks = arena_array(a, cap, sizeof *blocks);
    if (blocks == NULL)
        return false;
    if (doc->n > 0)
        memcpy(blocks, doc->blocks, doc->n * sizeof *blocks);
    doc->blocks = blocks;
    doc->cap = cap;
    return true;
}

struct conf_block *doc_add(struct arena *a, struct conf_doc *doc, enum conf_section section,
                           struct slice title, unsigned line)
{
    struct conf_block b = { .section = section, .line = line };
    unsigned first, n;

    conf_section_span(section, &first, &n);
    b.entries = arena_array(a, n, sizeof *b.entries);
    b.title = arena_copy(a, title);
    if (b.entries == NULL || a->spent || !doc_grow(a, doc))
        return NULL;
    doc->blocks[doc->n] = b;
    return &doc->blocks[doc->n++];
}

struct conf_block *doc_block(const struct conf_doc *doc, enum conf_section section)
{
    for (size_t i = 0; i < doc->n; i++)
        if (doc->blocks[i].section == section)
            return &doc->blocks[i];
    return NULL;
}

struct conf_entry *block_entry(const struct conf_block *b, enum conf_set set)
{
    unsigned first, n;

    conf_section_span(b->section, &first, &n);
    return &b->entries[set - first];
}

bool entry_add(struct arena *a, struct conf_entry *e, unsigned line, struct slice value)
{
    if (e->n >= CONF_VALUES)
        return false;
    if ((e->n & (e->n + 1)) == 0) {             /* 0, 1, 3, 7...: the array is full */
        struct slice *more = arena_array(a, 2 * (e->n + 1), sizeof *more);

        if (more == NULL)
            return false;
        if (e->n > 0)
            memcpy(more, e->values, e->n * sizeof *more);
        e->values = more;
    }
    e->values[e->n++] = arena_copy(a, value);
    e->given = true;
    e->line = line;
    return !a->spent;
}

struct conf *conf_begin(struct slice file)
{
    struct conf *conf = calloc(1, sizeof *conf);

    if (conf == NULL)
        return NULL;
    conf->arena = ARENA(CONF_ARENA);
    conf->doc = doc_new(&conf->arena, file);
    if (conf->doc == NULL) {
        conf_free(conf);
        return NULL;
    }
    conf->file = conf->doc->file;
    return conf;
}

void conf_free(struct conf *conf)
{
    if (conf == NULL)
        return;
    map_free(&conf->domain_map);
    map_free(&conf->route_map);
    arena_free(&conf->arena);
    free(conf);
}
