/* load.c - postrider load: how much mail does a server take, and how fast? */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/dialog.h"
#include "cli/load_loop.h"
#include "cli/reach.h"

enum { PASSWORD = 512, HELLOS_MAX = 20000 };

static const struct option_row options[] = {
    { "sessions", 's', OPTION_COUNT, offsetof(struct load_plan, sessions), "N", "connections at a time (50)" },
    { "messages", 'm', OPTION_COUNT, offsetof(struct load_plan, messages), "N", "in all (1000; with --time as many as fit)" },
    { "per-connection", 0, OPTION_COUNT, offsetof(struct load_plan, per_connection), "N", "messages on one connection (0: all)" },
    { "size",    'l', OPTION_COUNT, offsetof(struct load_plan, size), "BYTES", "of a message, header and all (4096)" },
    { "recipients", 'r', OPTION_COUNT, offsetof(struct load_plan, recipients), "N", "of a message (1)" },
    { "from",    'f', OPTION_TEXT, offsetof(struct load_plan, from), "ADDRESS", "the sender" },
    { "to",      't', OPTION_TEXT, offsetof(struct load_plan, to), "PATTERN", "the recipient; %n counts recipients, 0 to --spread less 1" },
    { "spread",  0,   OPTION_COUNT, offsetof(struct load_plan, spread), "N", "different recipients (1)" },
    { "helo",    0,   OPTION_TEXT, offsetof(struct load_plan, helo), "NAME", "what to call oneself (this machine's name)" },
    { "pipelining", 0, OPTION_FLAG, offsetof(struct load_plan, pipelining), NULL, "commands in groups (RFC 2920)" },
    { "bdat",    0,   OPTION_FLAG, offsetof(struct load_plan, bdat), NULL, "by BDAT, not DATA (RFC 3030)" },
    { "window",  0,   OPTION_COUNT, offsetof(struct load_plan, window), "N", "messages on their way on one connection with --pipelining --bdat (8)" },
    { "tls",     0,   OPTION_FLAG, offsetof(struct load_plan, starttls), NULL, "STARTTLS, whatever the certificate" },
    { "tls-on-connect", 0, OPTION_FLAG, offsetof(struct load_plan, tls_at_once), NULL, "TLS at once, whatever the certificate" },
    { "brisk",   0,   OPTION_FLAG, offsetof(struct load_plan, brisk), NULL, "TLS 1.3 only, at half the cost for this side" },
    { "resume",  0,   OPTION_FLAG, offsetof(struct load_plan, resume), NULL, "resume TLS sessions" },
    { "auth",    'u', OPTION_TEXT, offsetof(struct load_plan, user), "NAME", "log in as" },
    { "password-file", 0, OPTION_TEXT, offsetof(struct load_plan, password_file), "FILE", "whose first line is the password (asked for)" },
    { "mechanism", 0, OPTION_TEXT, offsetof(struct load_plan, mechanism), "WORD", "how to log in (the strongest)" },
    { "handshakes", 0, OPTION_FLAG, offsetof(struct load_plan, handshakes), NULL, "connect, TLS and QUIT; no mail" },
    { "idle",    0,   OPTION_FLAG, offsetof(struct load_plan, idle), NULL, "hold the sessions open until standard input ends" },
    { "active",  0,   OPTION_COUNT, offsetof(struct load_plan, active), "N", "connections for --messages beside those of --idle (1)" },
    { "time",    0,   OPTION_AGE,  offsetof(struct load_plan, time), "TIME", "at most (60s; 10m with --idle)" },
    { "warmup",  0,   OPTION_COUNT, offsetof(struct load_plan, warmup), "N", "messages to send before those that are counted (0)" },
    { "quiet",   'q', OPTION_FLAG, offsetof(struct load_plan, quiet), NULL, "show no progress" },
    { 0 },
};

/* --- where to ---------------------------------------------------------------------------------- */

/* answers - does anybody listen there? Asked only where a name has several addresses. */

static bool answers(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0;

    if (fd >= 0)
        close(fd);
    return yes;
}

static bool is_address(const char *host)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static int find_server(const char *server, struct load_target *t)
{
    static struct dialog d;     /* for its name, which TLS sends */
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *a;
    int error;

    if (!dialog_server(&d, server)) {
        fputs("postrider load: the server is HOST, HOST:PORT or [ADDRESS]:PORT\n", stderr);
        return EX_USAGE;
    }
    error = getaddrinfo(d.host, d.port, &hints, &all);
    if (error != 0) {
        fprintf(stderr, "postrider load: %s: %s\n", d.host, gai_strerror(error));
        return EX_NOHOST;
    }
    for (a = all; a->ai_next != NULL && !answers(a); a = a->ai_next)
        ;
    memcpy(&t->to, a->ai_addr, a->ai_addrlen);
    t->to_size = a->ai_addrlen;
    t->name = is_address(d.host) ? NULL : d.host;
    freeaddrinfo(all);
    return EX_OK;
}

/* --- TLS and login -------------------------------------------------------------------------------- */

/* keep_ticket - the last one that came is the one to be resumed */

static int keep_ticket(SSL *tls, SSL_SESSION *ticket)
{
    struct load_target *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(tls));

    SSL_SESSION_free(t->ticket);
    t->ticket = ticket;
    return 1;
}

/* hellos - how many to prepare: for handshakes, as many as there will be */

static size_t hellos(const struct load_plan *p)
{
    uint64_t n = p->messages + p->warmup;

    return !p->handshakes ? 0 : n < HELLOS_MAX ? (size_t)n : HELLOS_MAX;
}

static int prepare_tls(struct load *l)
{
    if (!l->plan.starttls && !l->plan.tls_at_once)
        return EX_OK;
    l->target.brisk = l->plan.brisk;
    if (l->plan.brisk)
        return brisk_prepare(hellos(&l->plan)) ? EX_OK : EX_OSERR;
    l->target.tls = tls_load_context(l->plan.resume ? keep_ticket : NULL, &l->target);
    return l->target.tls != NULL ? EX_OK : EX_OSERR;
}

static int prepare_login(struct load *l, char password[PASSWORD])
{
    static struct accounts nobody;      /* a client has none */
    size_t n = 0;

    l->mechanism = SASL_MECHANISM_COUNT;
    if (l->plan.user == NULL)
        return EX_OK;
    if (!password_read(l->plan.password_file, password, &n))
        return EX_NOINPUT;
    l->credential = (struct credential){ .user = slice_cstr(l->plan.user),
                                         .password = slice_of(password, n) };
    return sasl_begin(&l->sasl, &nobody, "localhost", "", NULL) ? EX_OK : EX_OSERR;
}

/* --- the whole ---------------------------------------------------------------------------------- */

static int judge(const struct load *l)
{
    const struct load_tally *t = &l->tally;

    if (l->hopeless != NULL)
        fprintf(stderr, "postrider load: %s\n", l->hopeless);
    if (t->count[LOAD_REFUSED] + t->count[LOAD_FAILED] + t->lost > 0 || l->hopeless != NULL
        || t->interrupted || (l->unsent && l->plan.messages < UINT64_MAX / 4))
        return EX_TEMPFAIL;
    return EX_OK;
}

static int report(const struct cli *cli, const struct load *l)
{
    json_t *result;

    if (l->unsent && l->plan.messages < UINT64_MAX / 4 && !cli->json)
        puts("Time was up before all were sent.");
    if (!cli->json) {
        tally_print(&l->tally, &l->plan);
        return judge(l);
    }
    result = tally_json(&l->tally, &l->plan);
    control_print_json(NULL, result);
    json_decref(result);
    return judge(l);
}

static int load(const struct cli *cli, struct load *l)
{
    char password[PASSWORD] = "";
    int status = find_server(l->plan.server, &l->target);

    if (status == EX_OK)
        status = prepare_tls(l);
    if (status == EX_OK)
        status = prepare_login(l, password);
    if (status == EX_OK && (!plan_make(&l->plan) || !load_run(l))) {
        fprintf(stderr, "postrider load: %s\n", strerror(errno));
        status = EX_OSERR;
    } else if (status == EX_OK) {
        status = report(cli, l);
    }
    explicit_bzero(password, sizeof password);
    if (l->sasl.gsasl != NULL)
        sasl_end(&l->sasl);
    plan_free(&l->plan);
    SSL_SESSION_free(l->target.ticket);
    SSL_CTX_free(l->target.tls);
    brisk_forget();
    return status;
}

static int run(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    static struct text_list words;
    static struct load l;
    char own[256];
    const char *wrong;

    words = (struct text_list){ .n = 0 };
    l = (struct load){ .plan = {
        .sessions = 50, .size = 4096, .recipients = 1, .window = 8,
        .from = "load@example.org", .helo = dialog_name(own),
    } };
    if (!read_words(v, &l.plan, argc, argv, &words))
        return EX_USAGE;
    if (words.n == 1)
        l.plan.server = words.items[0];
    if (l.plan.to == NULL && (l.plan.handshakes || l.plan.idle))
        l.plan.to = l.plan.from;
    wrong = words.n > 1 ? "one server only" : plan_check(&l.plan);
    if (wrong != NULL)
        return usage_error(v, wrong);
    return load(cli, &l);
}

const struct verb load_verbs[] = {
    { "load", "HOST:PORT", "Send much mail to a server, and measure how it takes it", options, run,
      "One thread; messages are all alike. It ends after --messages or --time, whichever is\n"
      "first; Ctrl-C ends it earlier, and tells what was measured until then.\n\n"
      "Exit status: 0 all was accepted; 75 some was not, or not sent in time; 64 to 71 as of\n"
      "postrider send, before anything was sent.\n" },
    { 0 },
};
