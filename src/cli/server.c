/* server.c - postrider reload, postrider stop. */
#include "cli/control.h"

static int ask(const struct cli *cli, const struct verb *v, int argc, char **argv,
               const char *request, const char *said)
{
    static struct text_list words;
    int status;

    words = (struct text_list){ .n = 0 };
    if (!read_words(v, NULL, argc, argv, &words))
        return EX_USAGE;
    if (words.n > 0)
        return usage_error(v, "nothing belongs after it");
    status = control_ask(cli, json_pack("{s:s}", "do", request), NULL, NULL, NULL);
    if (status == EX_OK)
        puts(said);
    return status == EX_TEMPFAIL ? EX_CONFIG : status;
}

static int reload(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    return ask(cli, v, argc, argv, "reload", "The new configuration is in force.");
}

static int stop(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    return ask(cli, v, argc, argv, "stop", "The server is stopping.");
}

const struct verb server_verbs[] = {
    { "reload", "", "Make the server read its configuration again", NULL, reload,
      "If the configuration is wrong, the old one stays and the exit status is 78.\n" },
    { "stop",   "", "Stop the server in order", NULL, stop, NULL },
    { 0 },
};
