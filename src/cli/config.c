/* config.c - postrider config: is a file right, and what is in force? */
#include "cli/cli.h"
#include "conf/conf.h"
#include "table/table.h"

static const char *file_of(const struct cli *cli, const struct text_list *words)
{
    if (words->n > 0)
        return words->items[0];
    if (cli->conf != NULL)
        return cli->conf;
    return conf_usual();
}

/* load - the configuration, or NULL after its errors were printed */

typedef struct conf *reader(const char *path, struct buf *errors);

static struct conf *load(const char *file, reader *read)
{
    struct buf errors = BUF(64 << 10);
    struct conf *conf = read(file, &errors);

    if (errors.n > 0)
        fwrite(buf_view(&errors).p, 1, errors.n, stderr);
    buf_free(&errors);
    return conf;
}

static int check(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    static struct text_list words;
    struct conf *conf;
    const char *file;

    words = (struct text_list){ .n = 0 };
    if (!read_words(v, NULL, argc, argv, &words))
        return EX_USAGE;
    if (words.n > 1)
        return usage_error(v, "one FILE at a time");
    file = file_of(cli, &words);
    conf = load(file, conf_check);
    if (conf == NULL)
        return EX_CONFIG;
    printf("%s: right (%zu listeners, %zu domains, %zu routes)\n",
           file != NULL ? file : "(embedded)", conf->nlistens, conf->ndomains, conf->nroutes);
    conf_free(conf);
    return EX_OK;
}

static int show(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    static struct text_list words;
    struct buf out = BUF(16 << 20);
    struct conf *conf;

    words = (struct text_list){ .n = 0 };
    if (!read_words(v, NULL, argc, argv, &words))
        return EX_USAGE;
    conf = load(file_of(cli, &words), conf_parse);
    if (conf == NULL)
        return EX_CONFIG;
    conf_show(conf, &out);
    fwrite(buf_view(&out).p, 1, out.n, stdout);
    buf_free(&out);
    conf_free(conf);
    return EX_OK;
}

const struct verb config_verbs[] = {
    { "config check", "[FILE]", "Check a configuration and the files it names", NULL, check,
      "Errors are file:line: what is wrong, what was meant. Exit status 78 if there are any.\n" },
    { "config show",  "[FILE]", "Show every setting, with its origin", NULL, show,
      "The output is a configuration with the same meaning.\n" },
    { 0 },
};
