/* etrn.c - postrider etrn: let another server send what waits for us (RFC 1985). */
#include "base/ascii.h"
#include "cli/control.h"
#include "cli/reach.h"

struct etrn {
    struct reach reach;
};

static const struct option_row options[] = {
    REACH_VERBOSE(etrn, reach),
    REACH_OPTIONS(etrn, reach),
    { 0 },
};

/* What a reply means (RFC 1985 §5.3). */
static const struct { unsigned code; int status; const char *words; } meanings[] = {
    { 250, EX_OK,       "started" },
    { 251, EX_OK,       "nothing waits" },
    { 252, EX_OK,       "started, mail waits" },
    { 253, EX_OK,       "started, mail waits" },
    { 458, EX_TEMPFAIL, "cannot be started now" },
    { 459, EX_NOPERM,   "not allowed" },
};

static int meaning(unsigned code, const char **words)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].code == code) {
            *words = meanings[i].words;
            return meanings[i].status;
        }
    *words = code / 100 == 4 ? "not now" : "refused";
    return code / 100 == 2 ? EX_OK : code / 100 == 4 ? EX_TEMPFAIL : EX_UNAVAILABLE;
}

static void print(const struct cli *cli, const struct dialog *d, const char *name,
                  const char *words)
{
    const struct reply_in *r = &d->reader.reply;
    json_t *row;

    if (!cli->json) {
        printf("%s: %s (%u %.*s)\n", name, words, r->code, (int)r->len, r->text);
        return;
    }
    row = json_pack("{s:s, s:i, s:s, s:o}", "name", name, "code", (int)r->code, "meaning", words,
                    "text", json_stringn(r->text, r->len));
    control_print_json(NULL, row);
    json_decref(row);
}

/* ask_all - 5yz: it makes no sense to go on (§5.3) */

static int ask_all(const struct cli *cli, struct dialog *d, const struct text_list *names)
{
    int worst = EX_OK, status;
    const char *words;

    for (size_t i = 0; i < names->n; i++) {
        status = dialog_say(d, "ETRN %s", names->items[i]);
        if (status != EX_OK)
            return status;
        status = meaning(dialog_code(d), &words);
        print(cli, d, names->items[i], words);
        if (status != EX_OK)
            worst = status;
        if (dialog_code(d) / 100 == 5)
            break;
    }
    return worst;
}

static bool safe(const char *s)
{
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++)
        if (ascii_control(*s) || *s == ' ')
            return false;
    return true;
}

static int run(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    static struct text_list words, names;
    static struct dialog d;
    struct etrn e = { .reach = { .quiet = true } };
    const char *wrong;
    int status;

    words = names = (struct text_list){ .n = 0 };
    if (!read_words(v, &e, argc, argv, &words))
        return EX_USAGE;
    for (size_t i = 1; i < words.n; i++)
        names.items[names.n++] = words.items[i];
    e.reach.server = words.n > 0 ? words.items[0] : NULL;
    e.reach.quiet = !e.reach.verbose || cli->json;
    wrong = reach_check(&e.reach);
    if (wrong == NULL && names.n == 0)
        wrong = "which DOMAIN?";
    for (size_t i = 0; i < names.n && wrong == NULL; i++)
        wrong = safe(names.items[i]) ? NULL : "a DOMAIN has no blanks or control characters";
    if (wrong != NULL)
        return usage_error(v, wrong);
    if (!reach_begin(&d, &e.reach))
        return usage_error(v, "HOST is a name or address, with :PORT or not");
    status = reach_open(&d, &e.reach);
    if (status == EX_OK)
        status = ask_all(cli, &d, &names);
    dialog_close(&d);
    return status;
}

const struct verb etrn_verbs[] = {
    { "etrn", "HOST DOMAIN...", "Let a server send the mail that waits there for a domain",
      options, run,
      "DOMAIN is a domain; @DOMAIN stands for it and all below it, #NAME for a queue of\n"
      "the server's. The mail comes over connections of its own, as always.\n\n"
      "Exit status: 0 started, or nothing waits; 75 not now; 77 not allowed; 69 the\n"
      "server has no ETRN.\n" },
    { 0 },
};
