/* sim.c - queue, schedule and journal in one process, with all the world made up.
 *
 *     sim SEED [verbose]
 *
 * Clients commit messages; agents answer as each domain's nature says (accept,
 * refuse for now, refuse for ever, be dead until a day, be silent); agents and
 * the queue itself are killed now and then; the disk fails for a while, and the
 * wall clock is set years ahead or back. Weeks
 * pass in seconds. The same seed is the same run. A ledger, kept apart, knows
 * of every accepted recipient; at the end each was delivered or reported, none
 * is lost, and nothing waits. A dead destination has cost few attempts and has
 * made nobody else wait.
 *
 * Some messages are held on request, have a deadline, a priority or a verb for
 * terminals; recipients want to be reported on or not. One domain is fetched by
 * ATRN only, over connections that break. The ledger knows of all of that too:
 * nothing goes before its time or long after its deadline, nobody hears what he
 * does not want to hear or misses the success he asked for, and nothing but that
 * domain's mail goes over its connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "conf/conf.h"
#include "disk_mem.h"
#include "draw.h"
#include "log/log.h"
#include "queue/core.h"

#define MINUTE ((int64_t)60 * 1000)
#define HOUR   (60 * MINUTE)
#define SECOND ((int64_t)1000)
#define DAY    (24 * HOUR)

enum { MESSAGES = 3000, RCPTS = 6, RELAYS = 2, EVENTS_MAX = 4096 };

/* --- the natures of destinations ------------------------------------------ */

enum nature { GOOD, SOMETIMES, NEVER, DEAD, BACK_LATER, SILENT, LOCAL, FETCHED, NATURES };

static const char *const domains[NATURES] = {
    [GOOD] = "good.test", [SOMETIMES] = "sometimes.test", [NEVER] = "never.test",
    [DEAD] = "dead.test", [BACK_LATER] = "backlater.test", [SILENT] = "silent.test",
    [LOCAL] = "ours.test", [FETCHED] = "branch.test",
};

static const char *const notifies[] = { NULL, NULL, NULL, "NEVER", "SUCCESS", "FAILURE",
                                        "SUCCESS,FAILURE,DELAY" };
enum { NOTIFIES = sizeof notifies / sizeof notifies[0] };

/* --- the ledger ------------------------------------------------------------ */

struct entry {
    uint64_t id;
    unsigned nrcpts;
    uint8_t  nature[RCPTS];
    uint8_t  delivered[RCPTS], reported[RCPTS], told[RCPTS];
    bool     done[RCPTS];       /* delivered, and the queue still knew after each of its deaths */
    uint8_t  notify[RCPTS];     /* index of notifies */
    int64_t  hold, by;          /* ms after the acceptance; 0: none */
    bool     returns;           /* BY=...R */
    int      priority;
    const char *verb;           /* or NULL */
    int64_t  accepted, first[RCPTS];    /* true time (mono ms) of the acceptance; of the first delivery */
    bool     acked, bad_sender;
};

struct event_at {
    int64_t  at;
    unsigned agent;             /* index; RELAYS: the local one */
    uint64_t life;              /* of the agent: an answer dies with it */
    uint64_t job;
    char     rcpts[RCPTS * 2][80];
    uint32_t index[RCPTS * 2];
    unsigned nrcpts;
    bool     terminal, turn;
    bool     used;
};

static struct sim {
    uint64_t       random;
    bool           verbose;
    int64_t        mono, wall;
    struct disk   *disk;
    struct conf   *conf;
    struct queue  *queue;
    bool           flush;
    struct peer    smtpd, lookup, agents[RELAYS + 1];
    uint64_t       life[RELAYS + 1];
    struct id_maker ids;
    struct entry   ledger[MESSAGES];
    unsigned       committed, acked;
    struct event_at events[EVENTS_MAX];
    uint64_t       attempts[NATURES], leases, restarts, deaths, doubles, duplicates, reports, jumps;
    uint64_t       turn;        /* ticket of the living reversed connection; 0: none */
    unsigned       turn_agent;  /* which relay has it */
    uint64_t       asked;       /* TURN_ASKs */
    bool           fetch;       /* mail waits: say TURN_GO */
    uint64_t       turns, cuts; /* connections; and those that broke */
    uint64_t       ticket;      /* a RESOLVE to answer; 0: none */
    struct buf     resolve;
} sim;

uint64_t counters[COUNTER_COUNT];

/* the log of the queue: what it says of double bounces counts as reported */

const char *event_name(enum event event)
{
    (void)event;
    return "event";
}

void log_fields(enum event event, const struct log_field *f, size_t n)
{
    if (event == EVENT_DOUBLE_BOUNCE)
        sim.doubles++;
    if (!sim.verbose)
        return;
    printf("%10.3f %d", (double)sim.wall / 1000, (int)event);
    for (size_t i = 0; i < n; i++)
        if (f[i].kind == LF_KIND_TEXT)
            printf(" %.*s=%.*s", SLICE(f[i].key), SLICE(f[i].text));
        else
            printf(" %.*s=%lld", SLICE(f[i].key),
                   f[i].kind == LF_KIND_ID ? (long long)f[i].id : (long long)f[i].number);
    printf("\n");
}

static void fail(const char *what)
{
    fprintf(stderr, "sim: %s\n", what);
    exit(1);
}

static uint64_t draw(uint64_t n)
{
    return draw_below(&sim.random, n);
}

/* --- agents ----------------------------------------------------------------- */

static enum nature nature_of(struct slice address)
{
    size_t at = slice_rchr(address, '@');

    for (enum nature i = 0; i < NATURES; i++)
        if (slice_eq(slice_from(address, at + 1), slice_cstr(domains[i])))
            return i;
    fprintf(stderr, "<%.*s>\n", SLICE(address));
    fail("an address that nobody made up");
    return GOOD;
}

static struct event_at *event_new(void)
{
    for (size_t i = 0; i < EVENTS_MAX; i++)
        if (!sim.events[i].used)
            return &sim.events[i];
    fail("too many jobs are leased at once");
    return NULL;
}

static bool wants(const struct entry *l, unsigned r, const char *what)
{
    const char *notify = notifies[l->notify[r]];

    return notify == NULL ? strcmp(what, "SUCCESS") != 0 : strstr(notify, what) != NULL;
}

static void note_failure(struct entry *l, unsigned r)
{
    int64_t age = sim.mono - l->accepted - l->hold;

    l->reported[r]++;
    if (!wants(l, r, "FAILURE"))
        fail("a failure is told to who does not want to hear of it");
    if (l->nature[r] == DEAD && age < (l->by > 0 && l->returns ? l->by - l->hold : 5 * DAY) - HOUR)
        fail("something expired before its time");
}

/* note_action - what a report says of one recipient */

static bool note_action(struct entry *l, unsigned r, const char *action)
{
    if (strncmp(action, "failed", 6) == 0) {
        note_failure(l, r);
        return true;
    }
    if (strncmp(action, "relayed", 7) == 0 && l->by > 0 && !l->returns) {
        l->told[r]++;           /* RFC 2852: of each relay, wanted or not */
        return false;
    }
    if (strncmp(action, "delivered", 9) == 0 || strncmp(action, "relayed", 7) == 0) {
        if (!wants(l, r, "SUCCESS"))
            fail("a success is told to who does not want to hear of it");
        if (l->delivered[r] == 0)
            fail("a success is told of what was not delivered");
        l->told[r]++;
    } else if (!wants(l, r, "DELAY")) {
        fail("a delay is told to who does not want to hear of it");
    }
    return false;
}

/* note_report - a report arrives: whom does it speak of? "mN.R@domain" */

static void note_report(struct slice body)
{
    static const char field[] = "\r\nFinal-Recipient: rfc822;", next[] = "\r\nAction: ";
    unsigned n, r;
    bool any = false;
    const char *end = body.p + body.n, *p = body.p, *action;

    while ((p = memmem(p, (size_t)(end - p), field, sizeof field - 1)) != NULL) {
        p += sizeof field - 1;
        action = memmem(p, (size_t)(end - p), next, sizeof next - 1);
        if (action == NULL || end - action < 30)
            fail("a report without an action");
        if (sscanf(p, " m%u.%u@", &n, &r) == 2 && n < MESSAGES && r < RCPTS)
            any |= note_action(&sim.ledger[n], r, action + sizeof next - 1);
    }
    sim.reports += any;
}

/* check_times - does it go when it may? */

static void check_times(const struct msg_deliver *m, const char *rcpt)
{
    const struct entry *l;
    unsigned n, r;

    if (sscanf(rcpt, "m%u.%u@", &n, &r) != 2 || m->sender.n == 0)
        return;
    l = &sim.ledger[n];
    if (l->acked && sim.mono - l->accepted < l->hold - SECOND)
        fail("a message goes before its time");
    if (l->acked && l->by > 0 && l->returns && sim.mono - l->accepted > l->by + 5 * HOUR)
        fail("a message goes long after its deadline");
}

static bool on_deliver(struct peer *p, const struct msg_deliver *m, int fd)
{
    struct event_at *e = event_new();
    struct wire w = wire_reader(m->rcpts);
    struct slice address;

    (void)fd;
    *e = (struct event_at){ .at = sim.mono + 50 + (int64_t)draw(2000), .job = m->job, .used = true };
    for (unsigned i = 0; i <= RELAYS; i++)
        if (&sim.agents[i] == p)
            e->agent = i;
    e->life = sim.life[e->agent];
    e->terminal = slice_eq(m->destination, SLICE_LIT("terminal:"));
    e->turn = slice_istarts(m->destination, SLICE_LIT("turn:"));
    if (e->turn && (sim.turn == 0 || e->agent != sim.turn_agent))
        fail("mail for a connection that nobody has");
    for (uint32_t i = 0; i < m->nrcpts; i++) {
        e->index[i] = wire_get_u32(&w);
        address = wire_get_bytes(&w);
        snprintf(e->rcpts[i], sizeof e->rcpts[i], "%.*s", SLICE(address));
        wire_get_bytes(&w);
        wire_get_bytes(&w);     /* parameters */
        sim.attempts[nature_of(slice_cstr(e->rcpts[i]))]++;
        if ((nature_of(slice_cstr(e->rcpts[i])) == FETCHED) != e->turn)
            fail("mail goes over a connection that is not its own");
        check_times(m, e->rcpts[i]);
    }
    if (!wire_done(&w))
        fail("a DELIVER with bad recipients");
    e->nrcpts = m->nrcpts;
    sim.leases++;
    if (nature_of(slice_cstr(e->rcpts[0])) == SILENT && draw(3) == 0)
        e->at = sim.mono + 100 * DAY;       /* never answers */
    if (m->sender.n == 0)
        note_report(m->body);
    return true;
}

static const char *const texts[] = { "Try again later", "Ok", "No such user" };

/* judge - what a destination says of one recipient now */

static enum fate judge(const char *rcpt, uint8_t *trouble)
{
    enum nature nature = nature_of(slice_cstr(rcpt));
    int64_t day = sim.mono / DAY;

    switch (nature) {
    case SOMETIMES: return draw(3) == 0 ? FATE_LATER : draw(10) == 0 ? FATE_NEVER : FATE_DONE;
    case NEVER:     return FATE_NEVER;
    case DEAD:      *trouble = TROUBLE_HOST; return FATE_LATER;
    case BACK_LATER:
        if (day >= 3)
            return FATE_DONE;
        *trouble = TROUBLE_HOST;
        return FATE_LATER;
    case SILENT:    *trouble = draw(4) == 0 ? TROUBLE_SESSION : TROUBLE_NONE;
                    return *trouble != TROUBLE_NONE ? FATE_LATER : FATE_DONE;
    default:        return FATE_DONE;
    }
}

static void note_delivery(const char *rcpt, bool terminal)
{
    unsigned n, r;

    if (sscanf(rcpt, "m%u.%u@", &n, &r) != 2)
        return;                 /* a report to its sender */
    if (terminal && strcmp(sim.ledger[n].verb, "SAML") == 0)
        return;                 /* the mailbox counts */
    sim.ledger[n].done[r] = true;
    if (sim.ledger[n].delivered[r]++ > 0)
        sim.duplicates++;
    else
        sim.ledger[n].first[r] = sim.mono;
}

static void receive(struct peer *p, uint32_t type, struct buf *bytes)
{
    struct wire w = wire_reader(buf_view(bytes));

    queue_at(sim.queue, sim.mono, sim.wall);
    if (!queue_receive(sim.queue, p, type, &w, -1))
        fail("the queue calls a peer malformed");
}

static void cut(void);

static void answer(struct event_at *e)
{
    struct buf outcomes = BUF(1 << 16), frame = BUF(1 << 17);
    struct wire w = wire_writer(&outcomes), out = wire_writer(&frame);
    struct msg_result m = { .job = e->job, .host = SLICE_LIT("mx.test [192.0.2.1]:25") };

    e->used = false;
    if (e->life != sim.life[e->agent])
        return;
    if (e->turn && draw(12) == 0) {
        cut();
        return;
    }
    for (unsigned i = 0; i < e->nrcpts; i++) {
        enum fate fate = judge(e->rcpts[i], &m.trouble);

        if (e->terminal)
            fate = (enum fate)draw(3);
        else if (e->turn && draw(10) == 0)
            fate = FATE_LATER;
        if (fate == FATE_DONE)
            note_delivery(e->rcpts[i], e->terminal);
        outcome_put(&w, &(struct outcome){ .index = e->index[i], .fate = (uint8_t)fate,
            .how = e->agent == RELAYS ? DELIVERY_FINAL : DELIVERY_RELAYED,
            .code = (uint16_t)(fate == FATE_DONE ? 250 : fate == FATE_NEVER ? 550 : 450),
            .status = fate == FATE_NEVER ? SLICE_LIT("5.1.1") : SLICE_LIT("4.2.0"),
            .text = slice_cstr(texts[fate]) });
        m.noutcomes++;
    }
    m.outcomes = buf_view(&outcomes);
    msg_result_put(&out, &m);
    receive(&sim.agents[e->agent], MSG_RESULT, &frame);
    buf_free(&outcomes);
    buf_free(&frame);
}

/* --- the other peers -------------------------------------------------------- */

static void on_welcome(struct peer *p, const struct msg_welcome *m)
{
    (void)p;
    id_floor(&sim.ids, m->floor);
}

static void on_room(struct peer *p, const struct msg_room *m)
{
    (void)p;
    (void)m;
}

static void on_committed(struct peer *p, const struct msg_committed *m)
{
    (void)p;
    for (unsigned i = 0; i < sim.committed; i++)
        if (sim.ledger[i].id == m->id && m->fate == FATE_DONE && !sim.ledger[i].acked) {
            sim.ledger[i].acked = true;
            sim.ledger[i].accepted = sim.mono;
            sim.acked++;
        }
}

static void on_lend(struct peer *p, const struct msg_lend *m, int fd)
{
    (void)p;
    (void)m;
    (void)fd;
}

static void on_resolve(struct peer *p, const struct msg_resolve *m)
{
    struct buf entries = BUF(4096);
    struct wire w = wire_writer(&entries), out;

    (void)p;
    buf_clear(&sim.resolve);
    out = wire_writer(&sim.resolve);
    wire_put_bytes(&w, m->address);
    wire_put_bytes(&w, (struct slice){ 0 });
    msg_resolved_put(&out, &(struct msg_resolved){ .ticket = m->ticket, .fate = FATE_DONE,
        .nentries = 1, .entries = buf_view(&entries) });
    sim.ticket = m->ticket;
    buf_free(&entries);
}

/* --- fetching ---------------------------------------------------------------- */

static void on_turn_answer(struct peer *p, const struct msg_turn_answer *m)
{
    (void)p;
    sim.fetch = m->fate == FATE_DONE && m->count > 0 && m->ticket == sim.asked;
}

static bool on_turn_go(struct peer *p, const struct msg_turn_go *m, int fd)
{
    (void)fd;
    sim.turn = m->ticket;
    sim.turn_agent = p == &sim.agents[0] ? 0 : 1;
    sim.turns++;
    return true;
}

static void on_turn_over(struct peer *p, const struct msg_turn_over *m)
{
    (void)p;
    if (m->ticket == sim.turn)
        sim.turn = 0;
}

/* fetch - the branch dials in: ATRN branch.test */

static void fetch(void)
{
    struct buf names = BUF(64), frame = BUF(256);
    struct wire w = wire_writer(&names), out = wire_writer(&frame);

    wire_put_bytes(&w, SLICE_LIT("branch.test"));
    msg_turn_ask_put(&out, &(struct msg_turn_ask){ .ticket = ++sim.asked, .ndomains = 1,
        .domains = buf_view(&names) });
    receive(&sim.smtpd, MSG_TURN_ASK, &frame);
    buf_free(&names);
    buf_free(&frame);
}

static void fetch_go(void)
{
    struct buf frame = BUF(256);
    struct wire out = wire_writer(&frame);

    sim.fetch = false;
    if (draw(10) == 0)
        msg_turn_over_put(&out, &(struct msg_turn_over){ sim.asked });
    else
        msg_turn_go_put(&out, &(struct msg_turn_go){ .ticket = sim.asked });
    receive(&sim.smtpd, sim.turn == 0 && frame.n == 8 ? MSG_TURN_OVER : MSG_TURN_GO, &frame);
    buf_free(&frame);
}

/* cut - the branch's connection breaks; what its relay has to say dies with it */

static void cut(void)
{
    struct buf frame = BUF(256);
    struct wire out = wire_writer(&frame);

    if (sim.turn == 0)
        return;
    for (size_t i = 0; i < EVENTS_MAX; i++)
        if (sim.events[i].used && sim.events[i].turn)
            sim.events[i].used = false;
    msg_turn_over_put(&out, &(struct msg_turn_over){ sim.turn });
    sim.cuts++;
    sim.turn = 0;
    receive(&sim.agents[sim.turn_agent], MSG_TURN_OVER, &frame);
    buf_free(&frame);
}

static const struct peer_ops smtpd_ops = {
    .welcome = on_welcome, .room = on_room, .committed = on_committed, .lend = on_lend,
    .turn_answer = on_turn_answer,
};
static const struct peer_ops agent_ops = { .deliver = on_deliver, .turn_go = on_turn_go,
                                           .turn_over = on_turn_over };
static const struct peer_ops lookup_ops = { .resolve = on_resolve };

/* --- life and death ---------------------------------------------------------- */

static void on_flush(void *user)
{
    (void)user;
    sim.flush = true;
}

static void agent_start(unsigned i)
{
    sim.life[i]++;
    queue_peer(sim.queue, &sim.agents[i], i == RELAYS ? ROLE_LOCAL : ROLE_RELAY, 10 + i,
               &agent_ops, NULL);
}

static void start(void)
{
    struct why why = { 0 };

    sim.queue = queue_open(&(struct queue_options){
        .conf = sim.conf, .disk = sim.disk, .segment_size = 1 << 20, .seed = draw(1 << 30),
        .mono = sim.mono, .wall = sim.wall, .flush = on_flush }, &why);
    if (sim.queue == NULL)
        fail(why.text);
    queue_peer(sim.queue, &sim.smtpd, ROLE_SMTPD, 7, &smtpd_ops, NULL);
    queue_peer(sim.queue, &sim.lookup, ROLE_LOOKUP, 8, &lookup_ops, NULL);
    for (unsigned i = 0; i <= RELAYS; i++)
        agent_start(i);
}

/* forget - what was delivered but is to go again: the disk took no record of it before the
 * queue died. That it may be refused now, or be too late, is no fault. */

static void forget(struct entry *l, bool unwritten)
{
    struct letter *m = letter_get(sim.queue, l->id);

    for (struct job *job = NULL; m != NULL && (job = job_next(m, job)) != NULL; )
        for (uint32_t i = 0; i < job_count(job); i++) {
            bool *done = &l->done[job_rcpt(job, i)];

            if (*done && !unwritten)
                fail("a success is forgotten that was written");
            *done = false;
        }
}

/* kill_queue - the agents of this simulation die with it: what they had told
 * nobody may happen twice */

static void kill_queue(void)
{
    bool unwritten = sim.queue->units > 0;

    for (unsigned i = 0; i <= RELAYS; i++)
        sim.life[i]++;
    sim.ticket = 0;
    sim.turn = 0;
    sim.fetch = false;
    sim.flush = false;
    queue_close(sim.queue);
    disk_mem_unlock(sim.disk);
    disk_mem_fail(sim.disk, 0);
    sim.restarts++;
    start();
    for (unsigned n = 0; n < sim.committed; n++)
        forget(&sim.ledger[n], unwritten);
}

static void kill_agent(unsigned i)
{
    if (i == sim.turn_agent)
        sim.turn = 0;
    queue_peer_gone(sim.queue, &sim.agents[i]);
    sim.deaths++;
    agent_start(i);
}

/* --- clients ----------------------------------------------------------------- */

static enum nature any_nature(void)
{
    static const enum nature often[] = { GOOD, GOOD, GOOD, GOOD, LOCAL, LOCAL, SOMETIMES,
                                         SOMETIMES, NEVER, DEAD, BACK_LATER, SILENT, FETCHED };

    return often[draw(sizeof often / sizeof often[0])];
}

/* make_up - what is asked for with a message */

static void make_up(struct entry *l, unsigned n)
{
    l->id = id_next(&sim.ids, sim.wall);
    l->nrcpts = 1 + (unsigned)draw(RCPTS);
    for (unsigned i = 0; i < l->nrcpts; i++) {
        l->nature[i] = (uint8_t)any_nature();
        l->notify[i] = (uint8_t)draw(NOTIFIES);
    }
    l->bad_sender = draw(10) == 0;
    l->hold = draw(10) == 0 ? (int64_t)draw(12 * HOUR) : 0;
    l->by = draw(10) == 0 ? l->hold + MINUTE + (int64_t)draw(2 * DAY) : 0;
    l->returns = draw(2) == 0;
    l->priority = draw(4) == 0 ? (int)draw(19) - 9 : 0;
    l->verb = draw(20) == 0 ? (n % 2 ? "SOML" : "SAML") : NULL;
}

static void put_text(struct wire *w, enum envelope_extra name, const char *text)
{
    if (text != NULL)
        extra_put(w, name, slice_cstr(text));
}

static void put_extras(const struct entry *l, struct buf *extra)
{
    struct wire w = wire_writer(extra);
    char text[64];

    if (l->hold > 0) {
        snprintf(text, sizeof text, "%lld", (long long)(sim.wall + l->hold));
        put_text(&w, EXTRA_HOLD, text);
    }
    if (l->by > 0) {
        snprintf(text, sizeof text, "%lld %c", (long long)(sim.wall + l->by), l->returns ? 'R' : 'N');
        put_text(&w, EXTRA_BY, text);
    }
    if (l->priority != 0) {
        snprintf(text, sizeof text, "%d", l->priority);
        put_text(&w, EXTRA_PRIORITY, text);
    }
    put_text(&w, EXTRA_VERB, l->verb);
}

static void put_rcpt(struct wire *w, unsigned n, unsigned i)
{
    const struct entry *l = &sim.ledger[n];
    struct buf extra = BUF(256);
    struct wire we = wire_writer(&extra);
    char text[80];

    snprintf(text, sizeof text, "m%u.%u@%s", n, i, domains[l->nature[i]]);
    put_text(&we, EXTRA_NOTIFY, notifies[l->notify[i]]);
    recipient_put(w, &(struct recipient){ .address = slice_cstr(text), .extra = buf_view(&extra) });
    buf_free(&extra);
}

static void commit(unsigned n)
{
    struct entry *l = &sim.ledger[n];
    struct buf rcpts = BUF(1 << 16), envelope = BUF(1 << 17), frame = BUF(1 << 20), extra = BUF(1024);
    struct wire w = wire_writer(&rcpts), all = wire_writer(&envelope), out = wire_writer(&frame);
    char sender[80];
    struct envelope e = { .arrived = sim.wall, .protocol = SLICE_LIT("ESMTP"),
                          .client = SLICE_LIT("192.0.2.9"), .helo = SLICE_LIT("client") };

    if (l->id == 0)
        make_up(l, n);
    snprintf(sender, sizeof sender, "s%u@%s", n,
             l->bad_sender ? domains[NEVER] : domains[n % 2 ? GOOD : LOCAL]);
    e.sender = slice_cstr(sender);
    for (unsigned i = 0; i < l->nrcpts; i++)
        put_rcpt(&w, n, i);
    put_extras(l, &extra);
    e.extra = buf_view(&extra);
    e.nrcpts = l->nrcpts;
    e.rcpts = buf_view(&rcpts);
    envelope_put(&all, &e);
    msg_commit_put(&out, &(struct msg_commit){ .id = l->id, .nonce = 99,
        .envelope = buf_view(&envelope), .body = SLICE_LIT("Subject: sim\r\n\r\nHello\r\n") });
    if (n == sim.committed)
        sim.committed++;
    receive(&sim.smtpd, MSG_COMMIT, &frame);
    buf_free(&extra);
    buf_free(&rcpts);
    buf_free(&envelope);
    buf_free(&frame);
}

/* --- time --------------------------------------------------------------------- */

static void settle(void)
{
    unsigned turns = 0;
    bool more;

    do {
        queue_at(sim.queue, sim.mono, sim.wall);
        if (sim.ticket != 0) {
            sim.ticket = 0;
            receive(&sim.lookup, MSG_RESOLVED, &sim.resolve);
        }
        if (sim.fetch)
            fetch_go();
        more = queue_work(sim.queue);
        sim.flush = false;
        while (journal_flush_begin(sim.queue->journal)) {
            journal_flush_work(sim.queue->journal);
            journal_flush_end(sim.queue->journal);
        }
        journal_tidy(sim.queue->journal);
        if (++turns > 100000)
            fail("the queue never comes to rest");
    } while (more || sim.flush || sim.ticket != 0 || sim.fetch);
}

static struct event_at *first_event(void)
{
    struct event_at *first = NULL;

    for (size_t i = 0; i < EVENTS_MAX; i++)
        if (sim.events[i].used && (first == NULL || sim.events[i].at < first->at))
            first = &sim.events[i];
    return first;
}

static void check(void)
{
    struct why why = { 0 };

    if (!queue_check(sim.queue, &why))
        fail(why.text);
}

/* to - let the world go on until a moment */

static void to(int64_t until)
{
    struct event_at *e;
    int64_t next, wake;

    while (sim.mono < until) {
        settle();
        e = first_event();
        wake = queue_wake(sim.queue);
        /* its second-by-second housekeeping may be a minute late at night */
        if (wake < sim.mono + MINUTE / 2 && sim.queue->next_second == wake)
            wake = sim.mono + MINUTE / 2;
        next = e != NULL && e->at < wake ? e->at : wake;
        next = next < until ? next : until;
        if (next <= sim.mono)
            next = sim.mono + 1;
        sim.wall += next - sim.mono;
        sim.mono = next;
        while ((e = first_event()) != NULL && e->at <= sim.mono)
            answer(e);
    }
    settle();
}

/* jump - somebody sets the clock to some day, and notices in an hour or so */

static void jump(void)
{
    int64_t by = ((int64_t)draw(7300) - 3650) * DAY;

    sim.wall += by;
    sim.jumps++;
    to(sim.mono + (int64_t)draw(2 * HOUR));
    sim.wall -= by;
}

static void mishap(void)
{
    if (draw(100) == 0)
        jump();
    switch (draw(40)) {
    case 0: kill_queue(); break;
    case 1: kill_agent((unsigned)draw(RELAYS + 1)); break;
    case 2: disk_mem_fail(sim.disk, 5); break;
    case 3: case 4: case 5: fetch(); break;
    default: disk_mem_fail(sim.disk, 0);
    }
}

/* --- the verdict ---------------------------------------------------------------- */

static void verdict(void)
{
    unsigned lost = 0, undelivered = 0, late = 0, untold = 0, rcpts = 0;

    for (unsigned n = 0; n < sim.committed; n++) {
        const struct entry *l = &sim.ledger[n];

        for (unsigned i = 0; l->acked && i < l->nrcpts; i++) {
            rcpts++;
            if (!l->done[i] && l->reported[i] == 0 && !l->bad_sender
                && wants(l, i, "FAILURE"))
                lost++;
            if (l->done[i] && l->told[i] == 0 && !l->bad_sender
                && wants(l, i, "SUCCESS"))
                untold++;
            if (l->nature[i] == FETCHED && l->delivered[i] == 0 && !(l->by > 0 && l->returns))
                lost++;
            if (l->nature[i] == DEAD && l->delivered[i] > 0)
                undelivered++;
            if ((l->nature[i] == GOOD || l->nature[i] == LOCAL)
                && l->first[i] - l->accepted - l->hold > HOUR)
                late++;
        }
    }
    printf("%u messages, %u recipients; %llu leases, %llu to the dead; "
           "%llu restarts, %llu dead agents; %llu reports, %llu double bounces, "
           "%llu duplicates, %llu jumps of the clock, %llu fetches, %llu cut; "
           "lost %u, late %u, untold %u\n", sim.acked, rcpts,
           (unsigned long long)sim.leases, (unsigned long long)sim.attempts[DEAD],
           (unsigned long long)sim.restarts, (unsigned long long)sim.deaths,
           (unsigned long long)sim.reports, (unsigned long long)sim.doubles,
           (unsigned long long)sim.duplicates, (unsigned long long)sim.jumps,
           (unsigned long long)sim.turns, (unsigned long long)sim.cuts, lost, late, untold);
    if (lost > 0 || undelivered > 0)
        fail("a recipient was lost");
    if (untold > 0)
        fail("a sender never heard of a success");
    if (late > 0)
        fail("somebody waited for a destination that is not theirs");
    if (sim.attempts[DEAD] > 4000)
        fail("the dead destination was tried too often");
    if (sim.queue->letters.n != 0)
        fail("something is stuck");
    if (sim.acked < sim.committed * 9 / 10)
        fail("too little was accepted");
}

static struct conf *make_conf(void)
{
    static const char file[] =
        "hostname = \"mx.ours.test\"\n"
        "spool = \"/nowhere\"\n"
        "route \"branch.test\" { via = hold }\n"
        "domain \"ours.test\" { recipients = any\n deliver = \"maildir:/nowhere/%u\" }\n"
        "queue { lifetime = 5d  warn = 4h  retry = {5m, 15m, 1h, 4h} }\n";
    char path[] = "/tmp/simXXXXXX";
    struct buf errors = BUF(65536);
    struct conf *conf;
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, file, sizeof file - 1) != (ssize_t)sizeof file - 1)
        fail("no temporary file");
    close(fd);
    conf = conf_parse(path, &errors);
    unlink(path);
    if (conf == NULL)
        fprintf(stderr, "%.*s\n", SLICE(buf_view(&errors)));
    if (conf == NULL)
        fail("the configuration is refused");
    buf_free(&errors);
    return conf;
}

int main(int argc, char **argv)
{
    sim.random = argc > 1 ? strtoull(argv[1], NULL, 10) * 2 + 1 : 1;
    sim.verbose = argc > 2;
    sim.mono = 1000;
    sim.wall = 20000 * DAY;
    sim.ids.slot = 7;
    sim.resolve = BUF(1 << 16);
    sim.disk = disk_mem((int64_t)1 << 40);
    sim.conf = make_conf();
    start();
    for (unsigned n = 0; n < MESSAGES; n++) {
        commit(n);
        to(sim.mono + (int64_t)draw(10 * MINUTE));
        for (unsigned again = n > 20 ? n - 20 : 0; again < n; again++)
            if (!sim.ledger[again].acked)
                commit(again);
        mishap();
        if (n % 50 == 0)
            check();
    }
    disk_mem_fail(sim.disk, 0);
    for (int day = 0; day < 14; day++) {
        for (int i = 0; i < 4; i++) {
            fetch();
            to(sim.mono + DAY / 4);
        }
        check();
    }
    verdict();
    queue_close(sim.queue);
    conf_free(sim.conf);
    buf_free(&sim.resolve);
    disk_mem_free(sim.disk);
    return 0;
}
