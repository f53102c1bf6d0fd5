/* options.c - "--name value", "--name=value", "-x value", "-xvalue", "--". */
#include <string.h>
#include "base/slice.h"
#include "cli/options.h"

static bool refuse(char *why, size_t size, const char *what, const char *name)
{
    snprintf(why, size, "%s %s", what, name);
    return false;
}

bool age_parse(const char *text, int64_t *ms)
{
    static const struct { char unit; int64_t ms; } units[] = {
        { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 },
        { 'w', 7 * (int64_t)86400000 },
    };
    struct slice s = slice_cstr(text);
    int64_t scale = 1000;
    uint64_t n;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (s.p[s.n - 1] == units[i].unit) {
            scale = units[i].ms;
            s.n--;
            break;
        }
    }
    return slice_u64(s, &n) && n <= INT64_MAX
        && !__builtin_mul_overflow((int64_t)n, scale, ms);
}

static const struct option_row *find_name(const struct option_row *rows, struct slice name)
{
    for (; rows != NULL && rows->name != NULL; rows++)
        if (slice_eq(slice_cstr(rows->name), name))
            return rows;
    return NULL;
}

static const struct option_row *find_letter(const struct option_row *rows, char letter)
{
    for (; rows != NULL && rows->name != NULL; rows++)
        if (rows->letter == letter && letter != '\0')
            return rows;
    return NULL;
}

static bool list_add(struct text_list *list, const char *item)
{
    if (list->n == LIST_MAX)
        return false;
    list->items[list->n++] = item;
    return true;
}

/* option_set - one value into its place; false when it cannot be one */

static bool option_set(const struct option_row *row, void *into, const char *value)
{
    void *at = (char *)into + row->at;

    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)at = true;
        return true;
    case OPTION_TEXT:
        *(const char **)at = value;
        return true;
    case OPTION_LIST:
        return list_add(at, value);
    case OPTION_COUNT:
        return slice_u64(slice_cstr(value), at);
    case OPTION_AGE:
        return age_parse(value, at);
    }
    return false;
}

/* split - which option is this word, and is its value inside? */

static const struct option_row *split(const struct option_row *rows, const char *word,
                                      const char **value)
{
    struct slice name, rest;
    const struct option_row *row;

    *value = NULL;
    if (word[1] == '-') {
        if (slice_cut(slice_cstr(word + 2), '=', &name, &rest))
            *value = rest.p;
        return find_name(rows, name);
    }
    row = find_letter(rows, word[1]);
    if (row != NULL && word[2] != '\0')
        *value = word + 2;
    return row;
}

bool options_read(const struct option_row *rows, void *into, int argc, char **argv,
                  struct text_list *words, char *why, size_t size)
{
    const struct option_row *row;
    const char *value;
    bool only_words = false;

    for (int i = 0; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        if (only_words || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (!list_add(words, argv[i]))
                return refuse(why, size, "too many words at", argv[i]);
            continue;
        }
        row = split(rows, argv[i], &value);
        if (row == NULL)
            return refuse(why, size, "unknown option", argv[i]);
        if (row->kind == OPTION_FLAG && value != NULL)
            return refuse(why, size, "no value belongs to", argv[i]);
        if (row->kind != OPTION_FLAG && value == NULL && (value = argv[++i]) == NULL)
            return refuse(why, size, "a value is missing after", argv[i - 1]);
        if (!option_set(row, into, value))
            return refuse(why, size, "not a possible value:", value);
    }
    return true;
}

void options_help(const struct option_row *rows, FILE *out)
{
    char left[48];

    for (; rows != NULL && rows->name != NULL; rows++) {
        snprintf(left, sizeof left, "%c%c%s--%s%s%s",
                 rows->letter != '\0' ? '-' : ' ', rows->letter != '\0' ? rows->letter : ' ',
                 rows->letter != '\0' ? ", " : "  ", rows->name,
                 rows->argument != NULL ? " " : "", rows->argument != NULL ? rows->argument : "");
        fprintf(out, "  %-28s %s\n", left, rows->help);
    }
}
