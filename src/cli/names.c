/* names.c - postrider verify, postrider expand: who is this, who is behind it? Asked of
 * the server on this machine, or of any other by SMTP. */
#include <string.h>
#include "base/ascii.h"
#include "cli/control.h"
#include "cli/reach.h"
#include "cli/text.h"

struct names {
    struct reach reach;
    bool         utf8;
};

static const struct option_row options[] = {
    { "host", 's', OPTION_TEXT, offsetof(struct names, reach.server), "HOST:PORT", "ask this server by SMTP (VRFY, EXPN)" },
    { "utf8", 0, OPTION_FLAG, offsetof(struct names, utf8), NULL, "take an answer in UTF-8 from it (RFC 6531)" },
    REACH_VERBOSE(names, reach),
    REACH_OPTIONS(names, reach),
    { 0 },
};

/* What an answer means. */
static const struct meaning {
    unsigned    code;
    int         status;
    const char *words;          /* for people, when there is no entry; or before entries */
} meanings[] = {
    { 250, EX_OK,          "" },
    { 251, EX_OK,          "goes on to " },
    { 252, EX_TEMPFAIL,    "cannot be said without sending mail" },
    { 451, EX_TEMPFAIL,    "cannot be said now" },
    { 502, EX_UNAVAILABLE, "the server does not answer this" },
    { 551, EX_NOHOST,      "not a domain of this server: " },
    { 553, EX_NOUSER,      "ambiguous, perhaps " },
};

static const struct meaning *meaning_of(unsigned code)
{
    static const struct meaning later = { 0, EX_TEMPFAIL, "cannot be said now" },
                                never = { 0, EX_NOUSER, "nobody" },
                                other = { 0, EX_PROTOCOL, "the answer makes no sense" };

    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].code == code)
            return &meanings[i];
    return code / 100 == 4 ? &later : code / 100 == 5 ? &never : &other;
}

/* --- this server ------------------------------------------------------------------ */

struct asked {
    unsigned code;
    bool     json;
};

static void local_row(void *user, json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "name")),
               *address = json_string_value(json_object_get(row, "address"));
    struct asked *a = user;
    const struct meaning *m;

    a->code = (unsigned)json_integer_value(json_object_get(row, "code"));
    m = meaning_of(a->code);
    if (a->json) {
        control_print_json(NULL, row);
        return;
    }
    fputs(m->words, stdout);
    text_puts(stdout, name);
    if (address != NULL) {
        fputs(name != NULL ? " <" : "<", stdout);
        text_puts(stdout, address);
        fputs(">", stdout);
    }
    putchar('\n');
}

static int ask_here(const struct cli *cli, const char *what, const char *name)
{
    struct asked a = { .json = cli->json };
    json_t *request = json_pack("{s:s, s:s}", "do", what, "recipient", name);
    int status;

    if (request == NULL) {
        fputs("postrider: a name is UTF-8\n", stderr);
        return EX_USAGE;
    }
    status = control_ask(cli, request, local_row, &a, NULL);
    return status == EX_OK ? meaning_of(a.code)->status : status;
}

/* --- another one ------------------------------------------------------------------- */

/* print_line - one line of the reply, without its codes; JSON: one object a line */

static void print_line(struct slice line, unsigned code, bool json)
{
    struct slice text = slice_from(slice_trim(line), 4), digit = text;
    json_t *row;

    while (digit.n > 0 && (ascii_digit(digit.p[0]) || digit.p[0] == '.'))
        digit = slice_from(digit, 1);
    if (digit.n > 0 && digit.p[0] == ' ' && digit.n < text.n)
        text = slice_from(digit, 1);
    if (!json) {
        text_print(stdout, text);
        putchar('\n');
        return;
    }
    row = json_pack("{s:i, s:o}", "code", (int)code, "text", json_stringn(text.p, text.n));
    if (row == NULL)
        row = json_pack("{s:i}", "code", (int)code);    /* not UTF-8 */
    control_print_json(NULL, row);
    json_decref(row);
}

static void print_reply(const struct dialog *d, bool json)
{
    struct slice rest = buf_view(&d->raw), line;

    while (slice_cut(rest, '\n', &line, &rest))
        print_line(line, dialog_code(d), json);
}

static int ask_there(const struct cli *cli, struct names *n, const char *verb, const char *name)
{
    static struct dialog d;
    int status;

    n->reach.quiet = !n->reach.verbose || cli->json;
    if (!reach_begin(&d, &n->reach)) {
        fputs("postrider: --host is HOST, HOST:PORT or [ADDRESS]:PORT\n", stderr);
        return EX_USAGE;
    }
    status = reach_open(&d, &n->reach);
    if (status == EX_OK)
        status = dialog_say(&d, "%s %s%s", verb, name, n->utf8 ? " SMTPUTF8" : "");
    if (status == EX_OK) {
        print_reply(&d, cli->json);
        status = meaning_of(dialog_code(&d))->status;
    }
    dialog_close(&d);
    return status;
}

/* --- both --------------------------------------------------------------------------- */

static bool safe(const char *s)
{
    if (*s == '\0' || strlen(s) > 500)
        return false;
    for (; *s != '\0'; s++)
        if (ascii_control(*s))
            return false;
    return true;
}

static int ask(const struct cli *cli, const struct verb *v, int argc, char **argv,
               const char *verb, const char *here)
{
    static struct names n;
    static struct text_list words;
    const char *wrong;

    n = (struct names){ .utf8 = false };
    words = (struct text_list){ .n = 0 };
    if (!read_words(v, &n, argc, argv, &words))
        return EX_USAGE;
    if (words.n != 1 || !safe(words.items[0]))
        return usage_error(v, "one name or address is needed");
    if (n.reach.server == NULL)
        return ask_here(cli, here, words.items[0]);
    wrong = reach_check(&n.reach);
    return wrong != NULL ? usage_error(v, wrong) : ask_there(cli, &n, verb, words.items[0]);
}

static int verify(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    return ask(cli, v, argc, argv, "VRFY", "whois");
}

static int expand(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    return ask(cli, v, argc, argv, "EXPN", "expand");
}

#define STATUSES \
    "Without --host the server on this machine is asked, through its control socket.\n\n"    \
    "Exit status: 0 known; 67 nobody, or ambiguous; 68 not a domain of the server;\n"        \
    "69 the server does not answer this; 75 cannot be said (now).\n"

const struct verb names_verbs[] = {
    { "verify", "ADDRESS", "Ask who an address is", options, verify, STATUSES },
    { "expand", "ALIAS", "Ask who is behind an alias or a list", options, expand, STATUSES },
    { 0 },
};
