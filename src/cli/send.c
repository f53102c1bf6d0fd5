/* send.c - postrider send: one message to one server, with everything shown. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include "base/ascii.h"
#include "base/clock.h"
#include "cli/control.h"
#include "cli/letter.h"
#include "cli/parameters.h"
#include "cli/reach.h"

enum { MESSAGE_MAX = 1 << 30 };

struct send {
    struct reach      reach;
    struct parameters parameters;
    const char       *from, *subject, *verb, *xforward;
    struct text_list  to, headers;
    uint64_t          chunk;
    bool              bdat, binary;
};

static const struct option_row options[] = {
    { "server",  's', OPTION_TEXT, offsetof(struct send, reach.server), "HOST:PORT", "who to speak to (port 25 if none is given)" },
    { "from",    'f', OPTION_TEXT, offsetof(struct send, from), "ADDRESS", "the sender; \"\" for the null sender" },
    { "to",      't', OPTION_LIST, offsetof(struct send, to), "ADDRESS", "a recipient; may be repeated" },
    { "header",  0,   OPTION_LIST, offsetof(struct send, headers), "FIELD", "a header field to put in front, \"X: y\"; may be repeated" },
    { "subject", 0,   OPTION_TEXT, offsetof(struct send, subject), "TEXT", "the subject" },
    { "verb",    0,   OPTION_TEXT, offsetof(struct send, verb), "WORD", "send, soml or saml instead of MAIL (RFC 821)" },
    { "bdat",    0,   OPTION_FLAG, offsetof(struct send, bdat), NULL, "by BDAT (RFC 3030)" },
    { "chunk",   0,   OPTION_COUNT, offsetof(struct send, chunk), "N", "octets of each BDAT (all)" },
    { "binary",  0,   OPTION_FLAG, offsetof(struct send, binary), NULL, "every octet as it is, BODY=BINARYMIME; means --bdat" },
    { "xforward", 0,  OPTION_TEXT, offsetof(struct send, xforward), "ATTRIBUTES", "say XFORWARD before MAIL" },
    PARAMETER_OPTIONS(send, parameters),
    REACH_OPTIONS(send, reach),
    REACH_VERBOSE(send, reach),
    { "quiet",   'q', OPTION_FLAG, offsetof(struct send, reach.quiet), NULL, "print nothing but trouble" },
    { 0 },
};

/* --- what is to be sent ------------------------------------------------------------ */

/* safe_text - no byte that could end a command or a header line */

static bool safe_text(const char *s)
{
    for (; *s != '\0'; s++)
        if (ascii_control(*s))
            return false;
    return true;
}

static bool safe_address(const char *s)
{
    return safe_text(s) && strpbrk(s, "<>") == NULL && strlen(s) < 1000;
}

static const char *strip_brackets(const char *address)
{
    return strcmp(address, "<>") == 0 ? "" : address;
}

/* verb_name - in capitals; MAIL by default, NULL: there is none such */

static const char *verb_name(const char *word)
{
    static const char *const verbs[] = { "MAIL", "SEND", "SOML", "SAML" };

    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (word == NULL || strcasecmp(word, verbs[i]) == 0)
            return verbs[i];
    return NULL;
}

static const char *check(struct send *s)
{
    const char *wrong;

    if (s->reach.server == NULL || s->from == NULL || s->to.n == 0)
        return "--server, --from and --to are needed";
    wrong = reach_check(&s->reach);
    if (wrong == NULL)
        wrong = parameters_check(&s->parameters);
    if (wrong != NULL)
        return wrong;
    if (s->verb != NULL && verb_name(s->verb) == NULL)
        return "--verb is mail, send, soml or saml";
    if (s->xforward != NULL && !safe_text(s->xforward))
        return "--xforward has control characters";
    s->from = strip_brackets(s->from);
    if (!safe_address(s->from))
        return "--from is no address";
    for (size_t i = 0; i < s->to.n; i++)
        if (!safe_address(s->to.items[i]))
            return "--to is no address";
    for (size_t i = 0; i < s->headers.n; i++)
        if (!safe_text(s->headers.items[i]) || strchr(s->headers.items[i], ':') == NULL)
            return "--header is no header field";
    if (s->subject != NULL && !safe_text(s->subject))
        return "--subject has control characters";
    return NULL;
}

static int read_file(FILE *file, const char *name, bool binary, struct buf *text)
{
    char *room;
    size_t n;

    while ((room = buf_room(text, 64 << 10)) != NULL
           && (n = fread(room, 1, 64 << 10, file)) > 0)
        buf_added(text, n);
    if (ferror(file) || text->full) {
        fprintf(stderr, "postrider send: %s: %s\n", name,
                text->full ? "the message is too big" : strerror(errno));
        return EX_NOINPUT;
    }
    if (!binary && text->n > 0 && memchr(buf_view(text).p, '\0', text->n) != NULL) {
        fprintf(stderr, "postrider send: %s: a NUL byte can only be sent with --binary\n", name);
        return EX_DATAERR;
    }
    return EX_OK;
}

static int read_message(const char *name, bool binary, struct buf *text)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    int status;

    if (file == NULL) {
        fprintf(stderr, "postrider send: %s: %s\n", name, strerror(errno));
        return EX_NOINPUT;
    }
    status = read_file(file, name, binary, text);
    if (file != stdin)
        fclose(file);
    return status;
}

static int write_letter(const struct send *s, const char *name, struct buf *letter)
{
    struct buf text = BUF(MESSAGE_MAX);
    uint64_t chance = 0;
    char host[256];
    struct letter l = {
        .from = s->from, .to = &s->to, .headers = &s->headers, .subject = s->subject,
        .host = dialog_name(host), .now = clock_wall(),
    };
    int status = read_message(name, s->binary, s->binary ? letter : &text);

    if (s->binary)
        return status;
    if (getrandom(&chance, sizeof chance, 0) == (ssize_t)sizeof chance)
        l.chance = chance;
    if (status == EX_OK && !letter_make(&l, buf_view(&text), letter)) {
        fputs("postrider send: the message is too big\n", stderr);
        status = EX_DATAERR;
    }
    buf_free(&text);
    return status;
}

/* --- the conversation --------------------------------------------------------------- */

static const char *body_word(const struct dialog *d, const struct send *s, struct slice letter)
{
    if (s->binary)
        return " BODY=BINARYMIME";
    return (d->offers.flags & HOST_8BITMIME) && letter_8bit(letter) ? " BODY=8BITMIME" : "";
}

static int say_mail(struct dialog *d, const struct send *s, struct slice letter)
{
    struct buf line = BUF(64 << 10);
    int status;

    if (d->offers.flags & HOST_SIZE)
        buf_printf(&line, " SIZE=%zu", letter.n);
    buf_puts(&line, body_word(d, s, letter));
    parameters_mail(&s->parameters, &line);
    status = dialog_say(d, "%s FROM:<%s>%.*s", verb_name(s->verb), s->from, SLICE(buf_view(&line)));
    buf_free(&line);
    return status == EX_OK ? dialog_judge(d, EX_NOPERM) : status;
}

static int say_rcpt(struct dialog *d, const struct send *s, size_t i)
{
    struct buf line = BUF(64 << 10);
    int status;

    parameters_rcpt(&s->parameters, i, &line);
    status = dialog_say(d, "RCPT TO:<%s>%.*s", s->to.items[i], SLICE(buf_view(&line)));
    buf_free(&line);
    return status;
}

/* say_rcpts - *refused: the status of those that were, temporary if any is; EX_OK when
 * at least one was taken */

static int say_rcpts(struct dialog *d, const struct send *s, int *refused)
{
    size_t taken = 0;
    int status;

    for (size_t i = 0; i < s->to.n; i++) {
        status = say_rcpt(d, s, i);
        if (status != EX_OK)
            return status;
        status = dialog_judge(d, EX_NOUSER);
        if (status == EX_OK)
            taken++;
        else if (*refused != EX_TEMPFAIL)
            *refused = status;
    }
    return taken > 0 ? EX_OK : *refused;
}

static int say_text(struct dialog *d, const struct send *s, struct slice letter)
{
    int status;

    if (s->bdat || s->binary) {
        status = dialog_chunks(d, letter, (size_t)s->chunk);
        return status == EX_OK ? dialog_judge(d, EX_DATAERR) : status;
    }
    status = dialog_say(d, "DATA");
    if (status != EX_OK)
        return status;
    if (dialog_code(d) != 354)
        return dialog_judge(d, EX_DATAERR) != EX_OK ? dialog_judge(d, EX_DATAERR) : EX_PROTOCOL;
    status = dialog_text(d, letter);
    return status == EX_OK ? dialog_judge(d, EX_DATAERR) : status;
}

static int say_xforward(struct dialog *d, const struct send *s)
{
    int status = s->xforward != NULL ? dialog_say(d, "XFORWARD %s", s->xforward) : EX_OK;

    return s->xforward != NULL && status == EX_OK ? dialog_judge(d, EX_NOPERM) : status;
}

static int transaction(struct dialog *d, const struct send *s, struct slice letter)
{
    int refused = EX_OK, status = say_xforward(d, s);

    if (status == EX_OK)
        status = say_mail(d, s, letter);
    if (status == EX_OK)
        status = say_rcpts(d, s, &refused);
    if (status == EX_OK)
        status = say_text(d, s, letter);
    return status != EX_OK ? status : refused;
}

/* tell - for scripts: the whole conversation, and how it ended */

static void tell(struct dialog *d, json_t *result, int status)
{
    json_object_set_new(result, "exit", json_integer(status));
    json_object_set_new(result, "conversation", d->story);
    d->story = NULL;
    control_print_json(NULL, result);
    json_decref(result);
}

static int converse(const struct cli *cli, struct send *s, struct slice letter)
{
    static struct dialog d;
    json_t *result;
    int status;

    if (cli->json)
        s->reach.quiet = true;
    d.story = cli->json ? json_array() : NULL;
    if (!reach_begin(&d, &s->reach)) {
        fputs("postrider send: --server is HOST, HOST:PORT or [ADDRESS]:PORT\n", stderr);
        return EX_USAGE;
    }
    status = reach_open(&d, &s->reach);
    result = cli->json ? reach_json(&d) : NULL;
    if (status == EX_OK)
        status = transaction(&d, s, letter);
    dialog_close(&d);
    if (cli->json)
        tell(&d, result, status);
    return status;
}

static int run(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    static struct send s;
    struct text_list words = { .n = 0 };
    struct buf letter = BUF(2 * (size_t)MESSAGE_MAX);
    const char *wrong;
    int status;

    s = (struct send){ .bdat = false };
    if (!read_words(v, &s, argc, argv, &words))
        return EX_USAGE;
    wrong = words.n > 1 ? "one FILE at most" : check(&s);
    if (wrong == NULL && s.reach.password_file != NULL && strcmp(s.reach.password_file, "-") == 0
        && (words.n == 0 || strcmp(words.items[0], "-") == 0))
        wrong = "password and message cannot both come from standard input";
    if (wrong != NULL)
        return usage_error(v, wrong);
    status = write_letter(&s, words.n > 0 ? words.items[0] : "-", &letter);
    if (status == EX_OK)
        status = converse(cli, &s, buf_view(&letter));
    buf_free(&letter);
    return status;
}

const struct verb send_verbs[] = {
    { "send", "[FILE|-]", "Send a message and show the conversation", options, run,
      "The message comes from FILE or standard input. If it has no header it gets one.\n\n"
      "Exit status: 0 accepted for all recipients; 65 message refused for ever;\n"
      "66 no such FILE; 67 a recipient refused for ever; 68 host unknown; 69 cannot\n"
      "connect; 75 refused for now, or connection lost; 76 that was not SMTP;\n"
      "77 greeting, EHLO or sender refused for ever.\n" },
    { 0 },
};
