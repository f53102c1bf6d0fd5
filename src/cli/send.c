/* send.c - postrider send: one message to one server, with everything shown. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include "base/ascii.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/dialog.h"
#include "cli/letter.h"

enum { MESSAGE_MAX = 1 << 30 };

struct send {
    const char      *server, *from, *helo, *subject;
    struct text_list to, headers;
    bool             ipv4, ipv6, quiet;
    int64_t          timeout;
};

static const struct option_row options[] = {
    { "server",  's', OPTION_TEXT, offsetof(struct send, server), "HOST:PORT", "who to speak to (port 25 if none is given)" },
    { "from",    'f', OPTION_TEXT, offsetof(struct send, from), "ADDRESS", "the sender; \"\" for the null sender" },
    { "to",      't', OPTION_LIST, offsetof(struct send, to), "ADDRESS", "a recipient; may be repeated" },
    { "helo",    0,   OPTION_TEXT, offsetof(struct send, helo), "NAME", "what to call oneself (this machine's name)" },
    { "header",  0,   OPTION_LIST, offsetof(struct send, headers), "FIELD", "a header field to put in front, \"X: y\"; may be repeated" },
    { "subject", 0,   OPTION_TEXT, offsetof(struct send, subject), "TEXT", "the subject" },
    { "ipv4",    '4', OPTION_FLAG, offsetof(struct send, ipv4), NULL, "IPv4 only" },
    { "ipv6",    '6', OPTION_FLAG, offsetof(struct send, ipv6), NULL, "IPv6 only" },
    { "timeout", 0,   OPTION_AGE,  offsetof(struct send, timeout), "TIME", "to wait for each answer (60s)" },
    { "quiet",   'q', OPTION_FLAG, offsetof(struct send, quiet), NULL, "print nothing but trouble" },
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

static const char *check(struct send *s)
{
    if (s->server == NULL || s->from == NULL || s->to.n == 0)
        return "--server, --from and --to are needed";
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
    if (s->helo != NULL && !safe_text(s->helo))
        return "--helo has control characters";
    return NULL;
}

static int read_file(FILE *file, const char *name, struct buf *text)
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
    if (memchr(buf_view(text).p, '\0', text->n) != NULL) {
        fprintf(stderr, "postrider send: %s: a NUL byte cannot be sent\n", name);
        return EX_DATAERR;
    }
    return EX_OK;
}

static int read_message(const char *name, struct buf *text)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    int status;

    if (file == NULL) {
        fprintf(stderr, "postrider send: %s: %s\n", name, strerror(errno));
        return EX_NOINPUT;
    }
    status = read_file(file, name, text);
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
    int status = read_message(name, &text);

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

static int say_mail(struct dialog *d, const struct send *s, struct slice letter)
{
    char size[40] = "";
    const char *body = "";
    int status;

    if (d->offers.flags & HOST_SIZE)
        snprintf(size, sizeof size, " SIZE=%zu", letter.n);
    if ((d->offers.flags & HOST_8BITMIME) && letter_8bit(letter))
        body = " BODY=8BITMIME";
    status = dialog_say(d, "MAIL FROM:<%s>%s%s", s->from, size, body);
    return status == EX_OK ? dialog_judge(d, EX_NOPERM) : status;
}

/* say_rcpts - *refused: the status of those that were, temporary if any is; EX_OK when
 * at least one was taken */

static int say_rcpts(struct dialog *d, const struct send *s, int *refused)
{
    size_t taken = 0;
    int status;

    for (size_t i = 0; i < s->to.n; i++) {
        status = dialog_say(d, "RCPT TO:<%s>", s->to.items[i]);
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

static int transaction(struct dialog *d, const struct send *s, struct slice letter)
{
    int refused = EX_OK, status = say_mail(d, s, letter);

    if (status == EX_OK)
        status = say_rcpts(d, s, &refused);
    if (status == EX_OK)
        status = dialog_say(d, "DATA");
    if (status == EX_OK && dialog_code(d) != 354)
        status = dialog_judge(d, EX_DATAERR) != EX_OK ? dialog_judge(d, EX_DATAERR) : EX_PROTOCOL;
    else if (status == EX_OK) {
        status = dialog_text(d, letter);
        if (status == EX_OK)
            status = dialog_judge(d, EX_DATAERR);
    }
    return status != EX_OK ? status : refused;
}

static int converse(const struct send *s, struct slice letter)
{
    char name[256];
    struct dialog d = {
        .timeout = s->timeout > 0 ? s->timeout : 60000, .quiet = s->quiet, .fd = -1,
        .family = s->ipv4 ? AF_INET : s->ipv6 ? AF_INET6 : AF_UNSPEC,
    };
    int status;

    if (!dialog_server(&d, s->server)) {
        fputs("postrider send: --server is HOST, HOST:PORT or [ADDRESS]:PORT\n", stderr);
        return EX_USAGE;
    }
    status = dialog_open(&d);
    if (status == EX_OK)
        status = dialog_hello(&d, s->helo != NULL ? s->helo : dialog_name(name));
    if (status == EX_OK)
        status = transaction(&d, s, letter);
    dialog_close(&d);
    return status;
}

static int run(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    static struct send s;
    struct text_list words = { .n = 0 };
    struct buf letter = BUF(2 * (size_t)MESSAGE_MAX);
    const char *wrong;
    int status;

    (void)cli;
    s = (struct send){ .quiet = false };
    if (!read_words(v, &s, argc, argv, &words))
        return EX_USAGE;
    wrong = words.n > 1 ? "one FILE at most" : check(&s);
    if (wrong != NULL)
        return usage_error(v, wrong);
    status = write_letter(&s, words.n > 0 ? words.items[0] : "-", &letter);
    if (status == EX_OK)
        status = converse(&s, buf_view(&letter));
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
