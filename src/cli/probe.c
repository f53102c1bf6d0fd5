/* probe.c - postrider probe: what does this server offer? No mail is sent. */
#include <string.h>
#include "base/clock.h"
#include "base/date.h"
#include "cli/control.h"
#include "cli/reach.h"
#include "cli/text.h"
#include "tls/peer.h"

enum { CHAIN_MAX = 10, SOON = 14 /* days */, DAY = 86400000 };

struct probe {
    struct reach reach;
};

static const struct option_row options[] = {
    { "server",  's', OPTION_TEXT, offsetof(struct probe, reach.server), "HOST:PORT", "who to speak to (port 25 if none is given)" },
    REACH_OPTIONS(probe, reach),
    REACH_VERBOSE(probe, reach),
    { "quiet",   'q', OPTION_FLAG, offsetof(struct probe, reach.quiet), NULL, "print what was found only, not the conversation" },
    { 0 },
};

/* --- what is offered ------------------------------------------------------------------ */

/* What a keyword of EHLO means, for those that people ask about. */
static const struct { const char *keyword, *meaning; } meanings[] = {
    { "SIZE", "largest message taken (RFC 1870)" },
    { "8BITMIME", "octets above 127 (RFC 6152)" },
    { "PIPELINING", "commands in groups (RFC 2920)" },
    { "ENHANCEDSTATUSCODES", "replies with x.y.z codes (RFC 2034)" },
    { "STARTTLS", "encryption (RFC 3207)" },
    { "AUTH", "login (RFC 4954)" },
    { "X-EXPS", "login, as Exchange calls it" },
    { "SMTPUTF8", "internationalised addresses (RFC 6531)" },
    { "CHUNKING", "messages by BDAT (RFC 3030)" },
    { "BINARYMIME", "binary messages (RFC 3030)" },
    { "DSN", "delivery reports on request (RFC 3461)" },
    { "DELIVERBY", "delivery within a time (RFC 2852)" },
    { "FUTURERELEASE", "delivery not before a time (RFC 4865)" },
    { "MT-PRIORITY", "priorities (RFC 6710)" },
    { "REQUIRETLS", "only ever over TLS (RFC 8689)" },
    { "RRVS", "only to who has had the address since (RFC 7293)" },
    { "LIMITS", "how much at a time (RFC 9422)" },
    { "NO-SOLICITING", "no unsolicited mail (RFC 3865)" },
    { "ETRN", "starting the queue for a domain (RFC 1985)" },
    { "ATRN", "fetching mail over this connection (RFC 2645)" },
    { "TURN", "fetching mail over this connection (RFC 821)" },
    { "SEND", "messages to terminals (RFC 821)" },
    { "SOML", "to a terminal, or else mailed (RFC 821)" },
    { "SAML", "to a terminal, and mailed (RFC 821)" },
    { "XCLIENT", "passing for another client (Postfix)" },
    { "XFORWARD", "telling of the first client (Postfix)" },
    { "XEXCH50", "properties of messages (Exchange)" },
    { "X-LINK2STATE", "link-state routing (Exchange)" },
    { "HELP", "help" }, { "VRFY", "asking for a user" }, { "EXPN", "asking for a list" },
};

/* meaning_of - keyword and argument may be joined by "=" too */

static const char *meaning_of(struct slice line)
{
    size_t at = 0;

    while (at < line.n && line.p[at] != ' ' && line.p[at] != '=')
        at++;
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (slice_ieq(slice_first(line, at), slice_cstr(meanings[i].keyword)))
            return meanings[i].meaning;
    return NULL;
}

static void print_offers(const struct reply_in *ehlo)
{
    struct slice line;

    for (unsigned n = 1; reader_line(ehlo, n, &line); n++) {
        const char *meaning = meaning_of(line);

        fputs("  ", stdout);
        text_print(stdout, line);
        if (meaning != NULL)
            printf("%*s%s", line.n < 24 ? (int)(24 - line.n) : 2, "", meaning);
        putchar('\n');
    }
}

static json_t *offers_json(const struct reply_in *ehlo)
{
    json_t *list = json_array();
    struct slice line;

    for (unsigned n = 1; reader_line(ehlo, n, &line); n++) {
        const char *meaning = meaning_of(line);

        json_array_append_new(list, json_pack("{s:o, s:s*}", "line",
                              json_stringn(line.p, line.n), "meaning", meaning));
    }
    return list;
}

/* --- its certificate -------------------------------------------------------------------- */

static void print_certificate(const struct peer_certificate *c, unsigned i)
{
    char from[24], to[24];
    int64_t left = c->ends - clock_wall();

    fputs(i == 0 ? "  certificate " : "  issued by   ", stdout);
    text_puts(stdout, c->subject);
    printf(" (%s)\n", c->key);
    if (c->names[0] != '\0') {
        fputs("    good for  ", stdout);
        text_puts(stdout, c->names);
        putchar('\n');
    }
    printf("    valid     %s to %s%s\n", time_local(c->begins, from), time_local(c->ends, to),
           left < 0 ? " (EXPIRED)" : left < (int64_t)SOON * DAY ? " (soon over)" : "");
    if (i == 0)
        printf("    sha256    %s\n", c->sha256);
}

static void print_tls(const struct dialog *d)
{
    struct peer_certificate c;
    struct tls_info info;

    if (!dialog_is_secure(d) || !tls_session_info(d->secure.session, &info)) {
        puts("Not encrypted.");
        return;
    }
    printf("Encrypted: %s, %s (%u bits); %s%s\n", info.version, info.cipher, info.bits,
           info.verified ? "its name is trusted" : "NOT trusted: ",
           info.verified ? "" : info.unverified != NULL ? info.unverified : "not checked");
    for (unsigned i = 0; i < CHAIN_MAX && peer_certificate(d->secure.session, i, &c); i++)
        print_certificate(&c, i);
}

/* json_text - what is no UTF-8 shows as such */

static json_t *json_text(const char *s)
{
    json_t *text = json_string(s);

    return text != NULL ? text : json_string("(not UTF-8)");
}

static json_t *certificates_json(const struct dialog *d)
{
    json_t *list = json_array();
    struct peer_certificate c;
    char from[DATE_TEXT], to[DATE_TEXT];

    for (unsigned i = 0; i < CHAIN_MAX && dialog_is_secure(d)
                         && peer_certificate(d->secure.session, i, &c); i++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s}",
            "subject", json_text(c.subject), "issuer", json_text(c.issuer),
            "names", json_text(c.names), "key", c.key, "signature", c.signature,
            "sha256", c.sha256, "begins", date_stamp(c.begins, from),
            "ends", date_stamp(c.ends, to)));
    return list;
}

/* --- the conversation ---------------------------------------------------------------------- */

/* try_others - commands that do nothing: what comes back says something of the server */

static int try_others(struct dialog *d)
{
    static const char *const lines[] = { "HELP", "NOOP", "RSET" };
    int status = EX_OK;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0] && status == EX_OK; i++) {
        status = dialog_say(d, "%s", lines[i]);
        if (status == EX_OK && dialog_code(d) == 421)
            status = EX_TEMPFAIL;
    }
    return status;
}

static void report(const struct dialog *d)
{
    printf("\n%s:%s %s\n", d->host, d->port, d->offers.flags & HOST_EHLO
           ? "speaks ESMTP and offers:" : "speaks SMTP without extensions.");
    print_offers(&d->ehlo);
    print_tls(d);
}

static json_t *report_json(const struct dialog *d)
{
    json_t *result = reach_json(d);

    json_object_set_new(result, "esmtp", json_boolean(d->offers.flags & HOST_EHLO));
    json_object_set_new(result, "offers", offers_json(&d->ehlo));
    json_object_set_new(result, "certificates", certificates_json(d));
    return result;
}

static int probe(const struct cli *cli, struct dialog *d, const struct probe *p)
{
    json_t *result = NULL;
    int status = reach_open(d, &p->reach);

    if (status == EX_OK) {
        if (!cli->json)
            dialog_note(d, "[Trying what does nothing]");
        status = try_others(d);
        if (cli->json)
            result = report_json(d);
        else
            report(d);
    }
    dialog_close(d);
    if (result == NULL && cli->json)
        result = reach_json(d);
    if (cli->json) {
        json_object_set_new(result, "exit", json_integer(status));
        json_object_set_new(result, "conversation", d->story);
        control_print_json(NULL, result);
        json_decref(result);
    }
    return status;
}

static int run(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    static struct text_list words;
    static struct dialog d;
    struct probe p = { .reach = { .quiet = cli->json } };
    const char *wrong;

    words = (struct text_list){ .n = 0 };
    if (!read_words(v, &p, argc, argv, &words))
        return EX_USAGE;
    if (p.reach.server == NULL && words.n == 1)
        p.reach.server = words.items[0];
    wrong = reach_check(&p.reach);
    if (wrong != NULL)
        return usage_error(v, wrong);
    d.story = cli->json ? json_array() : NULL;
    if (!reach_begin(&d, &p.reach))
        return usage_error(v, "HOST is a name or address, with :PORT or not");
    return probe(cli, &d, &p);
}

const struct verb probe_verbs[] = {
    { "probe", "HOST", "Ask a server what it offers, and look at its certificate", options, run,
      "EHLO, STARTTLS where it is offered, HELP, NOOP, RSET, QUIT; no mail.\n"
      "Exit status: as of postrider send.\n" },
    { 0 },
};
