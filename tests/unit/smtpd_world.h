/* smtpd_world.h - a world of a few lines around one session, for tests.
 *
 * It knows some users by name (see `users`), answers lookups and commits at
 * once or when told (world_commit_now), and remembers the messages that became "durable". Time
 * stands still unless a test moves it.
 */
#pragma once
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "conf/conf.h"
#include "log/log.h"
#include "mail/envelope.h"
#include "smtpd/flight.h"

struct script {
    struct conf  *conf;
    struct server server;
    struct session s;
    struct buf    in, out;
    /* what the world does */
    enum room     room;
    bool          slow_lookup, slow_commit, no_files;
    enum committed fate;
    /* what the session did */
    struct { uint32_t serial, ticket; char address[400]; } asked[512];
    unsigned      nasked;
    struct { unsigned n; bool expn, utf8; char text[600]; } whois;    /* ticket: n */
    uint64_t      last_id;
    unsigned      messages, lent, given_back, taken, commits;
    char         *slot;             /* shared memory, if slot_room > 0 */
    size_t        slot_room;
    bool          slot_taken;
    unsigned      slots;            /* how often it was */
    int           kept[FLIGHTS_MAX * 2];    /* files by their numbers; 0: given back, or read */
    struct buf    text, envelope;   /* of the last message */
    uint64_t      ticket;           /* of the last ETRN, TURN or ATRN */
    bool          turning, no_queue, certificate;
    char          wanted[200];      /* what it named */
};

static const char world_conf[] =
    "hostname = \"mx.ours.example\"\n"
    "spool = \"/nonexistent\"\n"
    "listen \"127.0.0.1:25\" { role = mx }\n"
    "listen \"127.0.0.1:26\" { role = sink }\n"
    "listen \"127.0.0.1:587\" { role = submission }\n"
    "listen \"127.0.0.1:366\" { role = odmr }\n"
    "listen \"127.0.0.1:24\" { role = lmtp }\n"
    "listen \"127.0.0.1:465\" { role = submission tls = require auth = offer }\n"
    "tls \"mx.ours.example\" { certificate = \"/etc/passwd\" key = \"/etc/passwd\" }\n"
    "accounts = \"file:/etc/passwd\"\n"
    "peer \"branch\" { accounts = {\"branch\"} domains = {\"branch.example\", \"b2.example\"}"
    " grant = {etrn, atrn, turn} }\n"
    "peer \"front\" { networks = {\"192.0.2.80\"} grant = {xclient, xforward} }\n"
    "peer \"old\" { networks = {\"192.0.2.81\"} grant = {send, soml, saml, xexch50} }\n"
    "domain \"ours.example\" { recipients = any deliver = \"discard\" }\n"
    "trust { networks = {\"10.0.0.0/8\"} }\n";

/* What is known of a local part. Others are unknown. */
static const struct { const char *local; enum known known; enum fate fate; } users[] = {
    { "user",       KNOWN_YES,     FATE_DONE },
    { "u2",         KNOWN_YES,     FATE_DONE },
    { "trouble",    KNOWN_TROUBLE, FATE_LATER },
    { "asked",      KNOWN_ASK,     FATE_DONE },
    { "list",       KNOWN_ASK,     FATE_DONE },
    { "asked-no",   KNOWN_ASK,     FATE_NEVER },
    { "asked-wait", KNOWN_ASK,     FATE_LATER },
    { "postmaster", KNOWN_ASK,     FATE_NEVER },
};

static inline int world_user(struct slice local)
{
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++)
        if (slice_ieq(local, slice_cstr(users[i].local)))
            return (int)i;
    return -1;
}

static inline enum known world_known(void *ctx, const struct conf_domain *d,
                                     const struct mailbox *m)
{
    int i = world_user(m->local);

    (void)ctx;
    (void)d;
    return i < 0 ? KNOWN_NO : users[i].known;
}

static inline void world_answer(struct script *w, unsigned i)
{
    struct buf entries = BUF(4096);
    struct wire out = wire_writer(&entries);
    struct slice local, domain;
    struct answer answer = { .fate = FATE_NEVER };
    int user;

    slice_cut(slice_cstr(w->asked[i].address), '@', &local, &domain);
    user = world_user(local);
    if (user >= 0)
        answer.fate = users[user].fate;
    if (slice_ieq(local, SLICE_LIT("list"))) {
        wire_put_bytes(&out, SLICE_LIT("a@ours.example"));
        wire_put_bytes(&out, SLICE_LIT("owner-list@ours.example"));
        wire_put_bytes(&out, SLICE_LIT("b@far.example"));
        wire_put_bytes(&out, SLICE_LIT("owner-list@ours.example"));
        answer.nentries = 2;
        answer.entries = buf_view(&entries);
    }
    answer.terminal = slice_ieq(local, SLICE_LIT("u2"));
    answer.since = slice_ieq(local, SLICE_LIT("user")) ? 1600000000 : 0;
    session_resolved(&w->s, w->asked[i].serial, w->asked[i].ticket, &answer);
    buf_free(&entries);
}

static inline void world_resolve(void *ctx, struct session *s, uint32_t ticket,
                                 struct slice address)
{
    struct script *w = ctx;

    if (w->nasked == sizeof w->asked / sizeof w->asked[0])
        return;
    w->asked[w->nasked].serial = s->tx_serial;
    w->asked[w->nasked].ticket = ticket;
    snprintf(w->asked[w->nasked].address, sizeof w->asked[0].address, "%.*s", SLICE(address));
    w->nasked++;
    if (!w->slow_lookup)
        world_answer(w, w->nasked - 1);
}

static inline enum room world_room(void *ctx)
{
    return ((struct script *)ctx)->room;
}

static inline uint64_t world_message_id(void *ctx)
{
    return ++((struct script *)ctx)->last_id;
}

static inline int *world_file(struct script *w, uint64_t number)
{
    return &w->kept[number % (sizeof w->kept / sizeof w->kept[0])];
}

static inline void world_file_close(struct script *w, uint64_t number)
{
    if (*world_file(w, number) > 0)
        close(*world_file(w, number));
    *world_file(w, number) = 0;
}

static inline bool world_lend(void *ctx, struct session *s, struct lent *lent)
{
    struct script *w = ctx;

    (void)s;
    if (w->no_files)
        return false;
    lent->number = ++w->lent;
    lent->fd = memfd_create("lent", MFD_CLOEXEC);
    *world_file(w, lent->number) = dup(lent->fd);
    return lent->fd >= 0;
}

static inline void world_lend_back(void *ctx, struct lent *lent)
{
    struct script *w = ctx;

    if (lent->fd >= 0)
        close(lent->fd);
    world_file_close(w, lent->number);
    w->given_back++;
}

static inline bool world_slot(void *ctx, struct slot *slot)
{
    struct script *w = ctx;

    if (w->slot_room == 0 || w->slot_taken)
        return false;
    w->slot_taken = true;
    w->slots++;
    *slot = (struct slot){ w->slot, w->slot_room, 1, 0 };
    return true;
}

static inline void world_slot_back(void *ctx, struct slot *slot)
{
    ((struct script *)ctx)->slot_taken = false;
    *slot = (struct slot){ 0 };
}

static inline void world_keep(struct script *w, const struct flight *f)
{
    buf_clear(&w->text);
    buf_clear(&w->envelope);
    buf_put_slice(&w->envelope, flight_envelope(f));
    if (f->slot.p != NULL) {
        buf_put_slice(&w->text, slice_of(f->slot.p, (size_t)f->length));
    } else if (f->lent.number == 0) {
        buf_put_slice(&w->text, buf_view(&f->body));
    } else {
        char *room = buf_room(&w->text, f->length);

        if (room != NULL
            && pread(*world_file(w, f->lent.number), room, f->length, 0) == (ssize_t)f->length)
            buf_added(&w->text, f->length);
    }
    w->messages++;
}

/* world_commit_now - the disk has it, or not */
static inline void world_commit_now(struct script *w, struct flight *f, enum committed how)
{
    if (how == COMMITTED_DONE)
        world_keep(w, f);
    if (f->lent.number != 0)
        world_file_close(w, f->lent.number);
    if (f->slot.p != NULL)
        w->slot_taken = false;
    flight_landed(f, how);
}

/* world_flight - the nth of the session's messages that are yet to become durable; NULL:
 * there are not so many */
static inline struct flight *world_flight(struct script *w, unsigned nth)
{
    for (struct list *node = w->s.flights.next; node != &w->s.flights; node = node->next) {
        struct flight *f = LIST_OWNER(node, struct flight, turn);

        if (!f->landed && nth-- == 0)
            return f;
    }
    return NULL;
}

static inline void world_commit(void *ctx, struct flight *f)
{
    struct script *w = ctx;

    w->commits++;
    w->taken += f->lent.number != 0;
    if (!w->slow_commit)
        world_commit_now(w, f, w->fate);
}

static inline uint64_t world_whois(void *ctx, struct session *s, bool expn, bool utf8,
                                   struct slice text)
{
    struct script *w = ctx;

    (void)s;
    w->whois.expn = expn;
    w->whois.utf8 = utf8;
    snprintf(w->whois.text, sizeof w->whois.text, "%.*s", SLICE(text));
    return ++w->whois.n;
}

static inline uint64_t world_kick(void *ctx, struct session *s, unsigned kind, struct slice name)
{
    struct script *w = ctx;

    (void)s;
    w->turning = false;
    snprintf(w->wanted, sizeof w->wanted, "%u %.*s", kind, SLICE(name));
    return w->no_queue ? 0 : ++w->ticket;
}

static inline uint64_t world_turn(void *ctx, struct session *s, uint32_t ndomains,
                                  struct slice domains)
{
    struct script *w = ctx;
    struct wire in = wire_reader(domains);
    size_t n = 0;

    (void)s;
    w->turning = true;
    w->wanted[0] = '\0';
    for (uint32_t i = 0; i < ndomains; i++) {
        struct slice name = wire_get_bytes(&in);

        n += (size_t)snprintf(w->wanted + n, sizeof w->wanted - n, "%s%.*s", i > 0 ? " " : "",
                              SLICE(slice_first(name, 60)));
    }
    return w->no_queue ? 0 : ++w->ticket;
}

static inline bool world_secure(void *ctx, struct session *s)
{
    (void)s;
    return ((struct script *)ctx)->certificate;
}

static const struct world scripted_world = {
    .known = world_known, .resolve = world_resolve, .room = world_room,
    .message_id = world_message_id, .lend = world_lend, .lend_back = world_lend_back,
    .slot = world_slot, .slot_back = world_slot_back, .commit = world_commit, .whois = world_whois,
    .secure = world_secure, .kick = world_kick, .turn = world_turn,
};

static inline struct conf *world_conf_parse(void)
{
    char path[] = "/tmp/postrider-test-XXXXXX";
    struct buf errors = BUF(65536);
    int fd = mkstemp(path);
    struct conf *conf;

    if (fd < 0 || write(fd, world_conf, sizeof world_conf - 1) < 0)
        abort();
    close(fd);
    conf = conf_parse(path, &errors);
    unlink(path);
    if (conf == NULL)
        fprintf(stderr, "%.*s\n", SLICE(buf_view(&errors)));
    buf_free(&errors);
    return conf;
}

/* script_begin - a session from `client` at listener 0 (mx) or 1 (sink), not yet greeted */
static inline void script_begin(struct script *w, struct conf *conf, unsigned listener,
                                const char *client)
{
    static const struct log_conf quiet = { .to = LOG_TO_STDERR, .level = LOG_ALARM + 1,
                                           .process = "test" };
    struct ip ip = { 0 };

    log_setup(&quiet);
    *w = (struct script){ .conf = conf, .room = ROOM_YES, .in = BUF(16 << 20),
                          .out = BUF(16 << 20), .text = BUF(16 << 20), .envelope = BUF(8 << 20) };
    w->server = (struct server){ .conf = conf, .world = &scripted_world, .ctx = w,
                                 .mono = 1000000, .wall = 1700000000000, .mechanisms = 31 };
    ip_parse(slice_cstr(client), &ip);
    session_begin(&w->s, &w->server, &conf->listens[listener], &ip, &w->out, 77, w);
}

/* script_go - let the session take what is there */
static inline void script_go(struct script *w)
{
    size_t n;

    do {
        n = session_input(&w->s, buf_view(&w->in));
        buf_drop(&w->in, n);
    } while (n > 0 && w->in.n > 0);
}

static inline void script_feed(struct script *w, struct slice bytes)
{
    buf_put_slice(&w->in, bytes);
    script_go(w);
}

static inline void script_end(struct script *w)
{
    session_end(&w->s);
    assert(w->lent == w->given_back + w->taken);    /* no file is forgotten */
    assert(w->server.flight_octets == 0);
    flights_free(&w->server);
    for (unsigned i = 0; i < sizeof w->kept / sizeof w->kept[0]; i++)
        world_file_close(w, i);
    buf_free(&w->in);
    buf_free(&w->out);
    buf_free(&w->text);
    buf_free(&w->envelope);
}
