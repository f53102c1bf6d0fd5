/* cli.h - what every command of `postrider` is given. */
#pragma once
#include <jansson.h>
#include <sysexits.h>
#include "cli/options.h"

/* The options that stand before the command, or among its own. */
struct cli {
    const char *conf;           /* -c; NULL: the usual place */
    const char *control;        /* --control; NULL: as the configuration says */
    bool        json;
    bool        help;
};

struct verb {
    const char              *name;      /* "queue list" */
    const char              *words;     /* "ID..." for the help, or "" */
    const char              *help;      /* one line */
    const struct option_row *options;   /* NULL: none */
    /* do it; argv holds what followed the name. The exit status, of sysexits.h. */
    int                    (*run)(const struct cli *cli, const struct verb *v, int argc, char **argv);
    const char              *more;      /* further lines of help, or NULL */
};

/* One table of verbs for each file; each ends with a row whose name is NULL. */
extern const struct verb send_verbs[], probe_verbs[], queue_verbs[], status_verbs[],
                         trace_verbs[], config_verbs[], server_verbs[], account_verbs[],
                         names_verbs[], etrn_verbs[], fetch_verbs[], routes_verbs[], load_verbs[];

/* usage_error - say what is wrong and where help is; returns EX_USAGE */
int usage_error(const struct verb *v, const char *why);

/* read_words - options and words of a verb, or false after a message */
bool read_words(const struct verb *v, void *into, int argc, char **argv,
                struct text_list *words);

/* verb_find - the verb whose name begins the words; *used: how many words that
 * were. NULL when there is none. */
const struct verb *verb_find(char **words, int n, int *used);

/* cli_main - the whole command, for main() and tests */
int cli_main(int argc, char **argv);
