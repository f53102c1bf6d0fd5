/* doc.h - a configuration as it was written: sections, names, texts, lines.
 *
 * The file and the copy from another process both become a doc; conf_build()
 * makes the typed configuration from it and is the only place that decides
 * whether a value is right.
 */
#pragma once
#include "conf/settings.h"

enum {
    CONF_BLOCKS = 100000,       /* sections of a configuration */
    CONF_VALUES = 10000,        /* elements of a list */
    CONF_ARENA  = 256 << 20,
    CONF_ERRORS = 20,           /* told at once */
};

/* One setting as given. */
struct conf_entry {
    bool          given;        /* else the default holds */
    bool          closed;       /* a list that was read to its end */
    unsigned      line;
    struct slice *values;
    size_t        n;
};

/* One section: its settings in the order of conf_section_span(). */
struct conf_block {
    enum conf_section  section;
    struct slice       title;
    unsigned           line;    /* 0: made by default */
    struct conf_entry *entries;
};

/* The sections without a title stand first, each once, in the order of the
 * list (those with one have no block there). */
struct conf_doc {
    struct slice       file;
    struct conf_block *blocks;
    size_t             n, cap;
};

/* What is wrong, collected. */
struct conf_errors {
    struct buf  *out;           /* may be NULL */
    struct slice file;
    unsigned     n;
};

/* conf_error - "file:line: text"; line 0: "file: text"; always false */
bool conf_error(struct conf_errors *e, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* doc_new - a doc in the arena with the untitled sections, or NULL */
struct conf_doc *doc_new(struct arena *a, struct slice file);

/* doc_add - another section; NULL: no room */
struct conf_block *doc_add(struct arena *a, struct conf_doc *doc, enum conf_section section,
                           struct slice title, unsigned line);

/* doc_block - the only block of a section without title */
struct conf_block *doc_block(const struct conf_doc *doc, enum conf_section section);

/* block_entry - the entry of a setting in a block of its section */
struct conf_entry *block_entry(const struct conf_block *b, enum conf_set set);

/* entry_add - one more value for an entry, copied; false: no room */
bool entry_add(struct arena *a, struct conf_entry *e, unsigned line, struct slice value);

/* doc_read_file - parse a text in the syntax of the file. False: wrong, told. */
bool doc_read_file(struct arena *a, struct conf_doc *doc, struct slice text,
                   struct conf_errors *errors);

/* conf_build - the typed settings of conf from conf->doc. `files`: look whether
 * the files it names are there. False: wrong, told. */
bool conf_build(struct conf *conf, bool files, struct conf_errors *errors);

/* conf_begin - an empty configuration with a doc, or NULL */
struct conf *conf_begin(struct slice file);
