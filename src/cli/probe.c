/* probe.c - postrider probe: what does this server offer? */
#include <string.h>
#include <sys/socket.h>
#include "cli/cli.h"
#include "cli/dialog.h"
#include "cli/text.h"

struct probe {
    const char *server, *helo;
    bool        ipv4, ipv6;
    int64_t     timeout;
};

static const struct option_row options[] = {
    { "server",  's', OPTION_TEXT, offsetof(struct probe, server), "HOST:PORT", "who to speak to (port 25 if none is given)" },
    { "helo",    0,   OPTION_TEXT, offsetof(struct probe, helo), "NAME", "what to call oneself (this machine's name)" },
    { "ipv4",    '4', OPTION_FLAG, offsetof(struct probe, ipv4), NULL, "IPv4 only" },
    { "ipv6",    '6', OPTION_FLAG, offsetof(struct probe, ipv6), NULL, "IPv6 only" },
    { "timeout", 0,   OPTION_AGE,  offsetof(struct probe, timeout), "TIME", "to wait for each answer (60s)" },
    { 0 },
};

/* offer_text - what a keyword of EHLO means, for those that people ask about */

static const struct { const char *keyword, *meaning; } meanings[] = {
    { "SIZE", "largest message taken (RFC 1870)" },
    { "8BITMIME", "octets above 127 (RFC 6152)" },
    { "PIPELINING", "commands in groups (RFC 2920)" },
    { "ENHANCEDSTATUSCODES", "replies with x.y.z codes (RFC 2034)" },
    { "STARTTLS", "encryption (RFC 3207)" },
    { "AUTH", "authentication (RFC 4954)" },
    { "SMTPUTF8", "internationalised addresses (RFC 6531)" },
    { "CHUNKING", "BDAT (RFC 3030)" },
    { "BINARYMIME", "binary messages (RFC 3030)" },
    { "DSN", "delivery reports on request (RFC 3461)" },
    { "ETRN", "starting the queue for a domain (RFC 1985)" },
    { "HELP", "help" }, { "VRFY", "asking for a user" }, { "EXPN", "asking for a list" },
};

static void print_offers(const struct reply_in *ehlo)
{
    struct slice line, word, rest;

    for (unsigned n = 1; reader_line(ehlo, n, &line); n++) {
        slice_cut(line, ' ', &word, &rest);
        fputs("  ", stdout);
        text_print(stdout, line);
        for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
            if (slice_ieq(word, slice_cstr(meanings[i].keyword)))
                printf("%*s%s", line.n < 24 ? (int)(24 - line.n) : 2, "", meanings[i].meaning);
        putchar('\n');
    }
}

static int run(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    struct probe p = { 0 };
    struct text_list words = { .n = 0 };
    static struct dialog d;
    static struct reply_in ehlo;
    char name[256];
    int status;

    (void)cli;
    if (!read_words(v, &p, argc, argv, &words))
        return EX_USAGE;
    if (p.server == NULL && words.n == 1)
        p.server = words.items[0];
    d = (struct dialog){
        .timeout = p.timeout > 0 ? p.timeout : 60000, .fd = -1,
        .family = p.ipv4 ? AF_INET : p.ipv6 ? AF_INET6 : AF_UNSPEC,
    };
    if (p.server == NULL || !dialog_server(&d, p.server))
        return usage_error(v, "--server HOST:PORT is needed");
    status = dialog_open(&d);
    if (status == EX_OK)
        status = dialog_hello(&d, p.helo != NULL ? p.helo : dialog_name(name));
    if (status == EX_OK)
        ehlo = d.reader.reply;
    dialog_close(&d);
    if (status == EX_OK) {
        printf("\n%s:%s %s\n", d.host, d.port,
               d.offers.flags & HOST_EHLO ? "speaks ESMTP and offers:" : "speaks SMTP without extensions.");
        print_offers(&ehlo);
    }
    return status;
}

const struct verb probe_verbs[] = {
    { "probe", "", "Ask a server what it offers", options, run,
      "Exit status: as of postrider send.\n" },
    { 0 },
};
