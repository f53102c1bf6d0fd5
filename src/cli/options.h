/* options.h - the options of a command: one table is parser and help. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { LIST_MAX = 1000 };

struct text_list {
    const char *items[LIST_MAX];
    size_t      n;
};

enum option_kind {
    OPTION_FLAG,            /* bool */
    OPTION_TEXT,            /* const char * */
    OPTION_LIST,            /* struct text_list: may be repeated */
    OPTION_COUNT,           /* uint64_t */
    OPTION_AGE,             /* int64_t, ms: 90s, 15m, 2h, 5d, 1w */
};

/* A table of them ends with a row whose name is NULL. */
struct option_row {
    const char      *name;      /* without "--" */
    char             letter;    /* '\0': none */
    enum option_kind kind;
    size_t           at;        /* in the command's structure */
    const char      *argument;  /* for the help */
    const char      *help;
};

/* options_read - fill `into` from argv; what is no option goes to `words`, in
 * order. False and a message in `why` for anything unknown or malformed. */
bool options_read(const struct option_row *rows, void *into, int argc, char **argv,
                  struct text_list *words, char *why, size_t size);

/* options_help - the table as text */
void options_help(const struct option_row *rows, FILE *out);

/* age_parse - "90s", "15m", "2h", "5d", "1w" or a number of seconds, as ms */
bool age_parse(const char *text, int64_t *ms);
