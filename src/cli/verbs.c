/* verbs.c - the table of commands, finding one in it, and the help made from it. */
#include <string.h>
#include "cli/cli.h"

static const struct verb *const tables[] = {
    send_verbs, probe_verbs, load_verbs, names_verbs, etrn_verbs, fetch_verbs, queue_verbs, routes_verbs, trace_verbs, status_verbs, server_verbs, config_verbs,
    account_verbs,
};

enum { TABLES = sizeof tables / sizeof tables[0] };

static const struct option_row global_options[] = {
    { "config",  'c', OPTION_TEXT, offsetof(struct cli, conf),    "FILE",
      "the server's configuration: says where its control socket is" },
    { "control", 0,   OPTION_TEXT, offsetof(struct cli, control), "PATH",
      "the control socket itself" },
    { "json",    0,   OPTION_FLAG, offsetof(struct cli, json),    NULL,
      "answers as JSON, one object a line" },
    { "help",    'h', OPTION_FLAG, offsetof(struct cli, help),    NULL, "this help" },
    { 0 },
};

/* --- finding --------------------------------------------------------------- */

/* words_match - how many words of `name` stand in front of `words`, 0: not all of them */

static int words_match(const char *name, char **words, int n)
{
    int used = 0;
    size_t len;

    for (;;) {
        len = strcspn(name, " ");
        if (used == n || strlen(words[used]) != len || memcmp(words[used], name, len) != 0)
            return 0;
        used++;
        if (name[len] == '\0')
            return used;
        name += len + 1;
    }
}

const struct verb *verb_find(char **words, int n, int *used)
{
    for (size_t i = 0; i < TABLES; i++)
        for (const struct verb *v = tables[i]; v->name != NULL; v++)
            if ((*used = words_match(v->name, words, n)) > 0)
                return v;
    return NULL;
}

/* --- help ------------------------------------------------------------------ */

static void verb_help(const struct verb *v, FILE *out)
{
    fprintf(out, "postrider %s%s%s%s\n\n%s.\n", v->name, v->options != NULL ? " [options]" : "",
            v->words[0] != '\0' ? " " : "", v->words, v->help);
    if (v->options != NULL) {
        fputs("\nOptions:\n", out);
        options_help(v->options, out);
    }
    fputs("\nOptions of every command:\n", out);
    options_help(global_options, out);
    if (v->more != NULL)
        fprintf(out, "\n%s", v->more);
}

static void all_help(FILE *out)
{
    char left[64];

    fputs("postrider [-c FILE] COMMAND [options]\n\nCommands:\n", out);
    for (size_t i = 0; i < TABLES; i++)
        for (const struct verb *v = tables[i]; v->name != NULL; v++) {
            snprintf(left, sizeof left, "%s %s", v->name, v->words);
            fprintf(out, "  %-26s %s\n", left, v->help);
        }
    fputs("  help [COMMAND]             what a command does, with its options\n"
          "  version                    which version this is\n\nOptions:\n", out);
    options_help(global_options, out);
    fputs("\nSee postrider(1).\n", out);
}

/* group_help - "queue" alone: the verbs that begin with it */

static bool group_help(const char *word, FILE *out)
{
    size_t n = strlen(word), found = 0;

    for (size_t i = 0; i < TABLES; i++)
        for (const struct verb *v = tables[i]; v->name != NULL; v++)
            if (strncmp(v->name, word, n) == 0 && v->name[n] == ' ' && ++found > 0)
                fprintf(out, "  postrider %-16s %s\n", v->name, v->help);
    return found > 0;
}

static int help(int n, char **words, FILE *out, int status)
{
    const struct verb *v;
    int used;

    if (n == 0) {
        all_help(out);
        return status;
    }
    v = verb_find(words, n, &used);
    if (v != NULL) {
        verb_help(v, out);
        return status;
    }
    if (group_help(words[0], out))
        return status;
    fprintf(stderr, "postrider: no command \"%s\"; see postrider help\n", words[0]);
    return EX_USAGE;
}

int usage_error(const struct verb *v, const char *why)
{
    fprintf(stderr, "postrider %s: %s\nSee postrider help %s\n", v->name, why, v->name);
    return EX_USAGE;
}

bool read_words(const struct verb *v, void *into, int argc, char **argv,
                struct text_list *words)
{
    char why[200];

    if (options_read(v->options, into, argc, argv, words, why, sizeof why))
        return true;
    usage_error(v, why);
    return false;
}

/* --- the whole command ------------------------------------------------------ */

/* value_of - the value of a global option in word i or the one after it. NULL:
 * this is another word; "" with *i at the end: the value is missing */

static const char *value_of(const char *name, int argc, char **argv, int *i)
{
    size_t n = strlen(name);

    if (strncmp(argv[*i], name, n) != 0)
        return NULL;
    if (argv[*i][n] == '=' && name[1] == '-')
        return argv[*i] + n + 1;
    if (argv[*i][n] != '\0')
        return NULL;
    return ++*i < argc ? argv[*i] : "";
}

static bool take_one(struct cli *cli, int argc, char **argv, int *i)
{
    const char *value;

    if (strcmp(argv[*i], "--json") == 0)
        cli->json = true;
    else if (strcmp(argv[*i], "--help") == 0 || strcmp(argv[*i], "-h") == 0)
        cli->help = true;
    else if ((value = value_of("-c", argc, argv, i)) != NULL
             || (value = value_of("--config", argc, argv, i)) != NULL)
        cli->conf = value;
    else if ((value = value_of("--control", argc, argv, i)) != NULL)
        cli->control = value;
    else
        return false;
    return true;
}

/* take_global - global options are taken out of argv wherever they stand, but
 * not beyond "--". The count left. */

static int take_global(struct cli *cli, int argc, char **argv)
{
    int kept = 0;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                argv[kept++] = argv[i++];
        } else if (!take_one(cli, argc, argv, &i)) {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    return kept;
}

static bool no_file(const char *name)
{
    return name != NULL && name[0] == '\0';
}

int cli_main(int argc, char **argv)
{
    struct cli cli = { 0 };
    const struct verb *v;
    int n, used;

    n = take_global(&cli, argc - 1, argv + 1);
    argv++;
    if (no_file(cli.conf) || no_file(cli.control)) {
        fputs("postrider: a file name is missing after -c, --config or --control\n", stderr);
        return EX_USAGE;
    }
    if (n > 0 && strcmp(argv[0], "version") == 0) {
        puts("postrider " POSTRIDER_VERSION);
        return EX_OK;
    }
    if (n > 0 && strcmp(argv[0], "help") == 0)
        return help(n - 1, argv + 1, stdout, EX_OK);
    if (cli.help)
        return help(n, argv, stdout, EX_OK);
    if (n == 0)
        return help(0, argv, stderr, EX_USAGE);
    v = verb_find(argv, n, &used);
    if (v == NULL)
        return help(n, argv, stderr, EX_USAGE);
    return v->run(&cli, v, n - used, argv + used);
}
