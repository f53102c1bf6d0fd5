/* queue_world.h - a queue on a disk in memory, with peers that remember what was
 * said to them, for the unit tests of its parts. Included once by each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "conf_text.h"
#include "queue_settle.h"
#include "../sim/disk_mem.c"
#include "queue/core.h"
#include "queue/people.h"

enum { HEARD = 4000, SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

/* One DELIVER that an agent got. */
struct heard {
    uint64_t job, id;
    char     destination[80], sender[80], rcpts[4][80];
    char     notify[4][40];
    uint32_t index[4], nrcpts, flags;
    struct peer *by;            /* who got it */
    bool     answered;
};

static struct world {
    struct conf  *conf;
    struct disk  *disk;
    struct queue *queue;
    struct peer   smtpd, relay, local, lookup, console;
    uint8_t       fate;         /* of the last COMMITTED */
    struct heard  heard[HEARD];
    size_t        nheard;
    char          report[65536];        /* body of the last message from <> */
    char          row[8000], rows[20000];
    uint64_t      done_count;
    struct msg_kicked kicked;
    unsigned      nkicked;
    struct msg_turn_answer answer;
    unsigned      nanswers;
    uint64_t      turn_ticket;  /* of the last TURN_GO that the relay got */
    unsigned      turns, overs, fetches, adopts;
    uint64_t      fetch_ticket;
    char          fetch_name[80];
    bool          taken;        /* do peers take what is handed to them? */
} world;

static void on_welcome(struct peer *p, const struct msg_welcome *m) { (void)p; (void)m; }
static void on_room(struct peer *p, const struct msg_room *m) { (void)p; (void)m; }

static void on_lend(struct peer *p, const struct msg_lend *m, int fd)
{
    (void)p;
    (void)m;
    (void)fd;
}

static void on_committed(struct peer *p, const struct msg_committed *m)
{
    (void)p;
    world.fate = m->fate;
}

static void put(char *to, size_t size, struct slice s)
{
    snprintf(to, size, "%.*s", SLICE(s));
}

static bool on_deliver(struct peer *p, const struct msg_deliver *m, int fd)
{
    struct heard *h = &world.heard[world.nheard++];
    struct wire w = wire_reader(m->rcpts);
    struct slice value;

    (void)fd;
    assert_true(world.nheard < HEARD);
    *h = (struct heard){ .by = p, .job = m->job, .id = m->id, .nrcpts = m->nrcpts, .flags = m->flags };
    put(h->destination, sizeof h->destination, m->destination);
    put(h->sender, sizeof h->sender, m->sender);
    for (uint32_t i = 0; i < m->nrcpts; i++) {
        uint32_t at = i < 4 ? i : 3;
        struct slice extra;

        h->index[at] = wire_get_u32(&w);
        put(h->rcpts[at], sizeof h->rcpts[at], wire_get_bytes(&w));
        wire_get_bytes(&w);
        extra = wire_get_bytes(&w);
        if (extra.n > 0 && extra_get(extra, EXTRA_NOTIFY, &value))
            put(h->notify[at], sizeof h->notify[at], value);
    }
    assert_true(wire_done(&w));
    if (m->sender.n == 0)
        put(world.report, sizeof world.report, m->body);
    return true;
}

static void on_resolve(struct peer *p, const struct msg_resolve *m) { (void)p; (void)m; }

static void on_row(struct peer *p, const struct msg_row *m)
{
    size_t n = strlen(world.rows);

    (void)p;
    put(world.row, sizeof world.row, m->json);
    snprintf(world.rows + n, sizeof world.rows - n, "%s\n", world.row);
}

static void on_done(struct peer *p, const struct msg_done *m)
{
    (void)p;
    world.done_count = m->count;
}

static void on_kicked(struct peer *p, const struct msg_kicked *m)
{
    (void)p;
    world.kicked = *m;
    world.nkicked++;
}

static void on_turn_answer(struct peer *p, const struct msg_turn_answer *m)
{
    (void)p;
    world.answer = *m;
    world.nanswers++;
}

static bool on_turn_go(struct peer *p, const struct msg_turn_go *m, int fd)
{
    (void)p;
    (void)fd;
    world.turn_ticket = m->ticket;
    world.turns++;
    return world.taken;
}

static void on_turn_over(struct peer *p, const struct msg_turn_over *m)
{
    (void)p;
    assert_true(m->ticket == world.turn_ticket);
    world.overs++;
}

static bool on_fetch(struct peer *p, const struct msg_fetch *m)
{
    (void)p;
    world.fetches++;
    world.fetch_ticket = m->ticket;
    put(world.fetch_name, sizeof world.fetch_name, m->name);
    return world.taken;
}

static bool on_adopt(struct peer *p, const struct msg_adopt *m, int fd)
{
    (void)p;
    (void)m;
    (void)fd;
    world.adopts++;
    return world.taken;
}

static const struct peer_ops ops = {
    .welcome = on_welcome, .room = on_room, .committed = on_committed, .lend = on_lend,
    .deliver = on_deliver, .resolve = on_resolve, .row = on_row, .done = on_done,
    .kicked = on_kicked, .turn_answer = on_turn_answer, .turn_go = on_turn_go,
    .turn_over = on_turn_over, .fetch = on_fetch, .adopt = on_adopt,
};

static void on_flush(void *user) { (void)user; }

static const char conf_text[] =
    "hostname = \"mx.ours.test\"\nspool = \"/nowhere\"\n"
    "listen \"127.0.0.1:2525\" { role = sink\n deliver = \"discard\" }\n"
    "domain \"ours.test\" { recipients = any\n deliver = \"maildir:/mail/%d/%u\" }\n"
    "route \"partner.test\" { via = \"127.0.0.1:2600\" }\n"
    "route \"other.test\" { via = \"127.0.0.1:2600\" }\n"
    "route \"wait.test\" { via = hold }\n"
    "route \"*.wait.test\" { via = hold }\n"
    "fetch \"provider\" { host = \"127.0.0.1:366\"  verb = etrn  domains = {\"ours.test\"}"
    "  every = 10m }\n"
    "queue { lifetime = 5d  warn = 4h  retry = {5m, 15m, 1h, 4h}  jitter = 0 }\n";

static int64_t world_mono = 1000, world_wall = 1000000000000;

static void peers(void)
{
    queue_peer(world.queue, &world.smtpd, ROLE_SMTPD, 7, &ops, NULL);
    queue_peer(world.queue, &world.relay, ROLE_RELAY, 9, &ops, NULL);
    queue_peer(world.queue, &world.local, ROLE_LOCAL, 10, &ops, NULL);
    queue_peer(world.queue, &world.lookup, ROLE_LOOKUP, 11, &ops, NULL);
    queue_peer(world.queue, &world.console, ROLE_CONSOLE, 12, &ops, NULL);
}

static void open_queue(void)
{
    struct why why = { 0 };

    world.queue = queue_open(&(struct queue_options){
        .conf = world.conf, .disk = world.disk, .segment_size = 1 << 20, .seed = 7,
        .mono = world_mono, .wall = world_wall, .flush = on_flush }, &why);
    assert_non_null(world.queue);
    peers();
}

static int setup(void **state)
{
    (void)state;
    world_mono = 1000;
    world_wall = 1000000000000;
    memset(&world, 0, sizeof world);
    world.conf = conf_of(conf_text);
    world.disk = disk_mem((int64_t)1 << 40);
    world.taken = true;
    open_queue();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    queue_close(world.queue);
    conf_free(world.conf);
    disk_mem_free(world.disk);
    return 0;
}

/* work - let so many ms pass, and everything happen that happens then */

static void work(int64_t later)
{
    world_mono += later;
    world_wall += later;
    queue_at(world.queue, world_mono, world_wall);
    queue_settle(world.queue, 2000);
}

/* pass - time, in steps so small that every second has its work */

__attribute__((unused))
static void pass(int64_t time, int64_t step)
{
    for (; time > 0; time -= step)
        work(step < time ? step : time);
}

__attribute__((unused))
static void restart(void)
{
    queue_close(world.queue);
    disk_mem_unlock(world.disk);
    open_queue();
    work(0);
}

/* --- saying things ------------------------------------------------------------ */

struct rcpt {
    const char *address, *original, *notify, *orcpt, *expanded, *return_path;
};

struct mail {
    const char *sender;
    uint32_t    flags;
    const char *ret, *envid, *verb, *priority;
    int64_t     hold, by;       /* ms from now; 0: not */
    const char *by_mode;        /* "R", "NT" */
    struct rcpt rcpts[6];       /* up to the first without an address */
    const char *body;
};

static void put_extra(struct wire *w, enum envelope_extra name, const char *value)
{
    if (value != NULL)
        extra_put(w, name, slice_cstr(value));
}

static void put_wall(struct wire *w, enum envelope_extra name, int64_t wait, const char *more)
{
    char text[64];

    if (wait == 0)
        return;
    snprintf(text, sizeof text, "%lld%s%s", (long long)(world_wall + wait),
             more != NULL ? " " : "", more != NULL ? more : "");
    extra_put(w, name, slice_cstr(text));
}

static void put_rcpt(struct wire *w, const struct rcpt *r)
{
    struct buf extra = BUF(4096);
    struct wire we = wire_writer(&extra);

    put_extra(&we, EXTRA_NOTIFY, r->notify);
    put_extra(&we, EXTRA_ORCPT, r->orcpt);
    put_extra(&we, EXTRA_EXPANDED, r->expanded);
    recipient_put(w, &(struct recipient){
        .address = slice_cstr(r->address), .original = slice_cstr(r->original),
        .return_path = slice_cstr(r->return_path), .extra = buf_view(&extra) });
    buf_free(&extra);
}

static void put_envelope(struct buf *out, const struct mail *m)
{
    struct buf all = BUF(1 << 16), extra = BUF(4096);
    struct wire w = wire_writer(&all), we = wire_writer(&extra), wo = wire_writer(out);
    uint32_t n = 0;

    for (; n < 6 && m->rcpts[n].address != NULL; n++)
        put_rcpt(&w, &m->rcpts[n]);
    put_extra(&we, EXTRA_RET, m->ret);
    put_extra(&we, EXTRA_ENVID, m->envid);
    put_extra(&we, EXTRA_VERB, m->verb);
    put_extra(&we, EXTRA_PRIORITY, m->priority);
    put_wall(&we, EXTRA_HOLD, m->hold, NULL);
    put_wall(&we, EXTRA_BY, m->by, m->by_mode);
    envelope_put(&wo, &(struct envelope){ .arrived = world_wall, .flags = m->flags,
        .sender = slice_cstr(m->sender), .listener = SLICE_LIT("127.0.0.1:2525"),
        .extra = buf_view(&extra), .nrcpts = n, .rcpts = buf_view(&all) });
    buf_free(&all);
    buf_free(&extra);
}

static bool say(struct peer *p, uint32_t type, const struct buf *frame)
{
    struct wire in = wire_reader(buf_view(frame));

    queue_at(world.queue, world_mono, world_wall);
    return queue_receive(world.queue, p, type, &in, 0);
}

#define SAYS(TYPE, type)                                                                \
    __attribute__((unused))                                                             \
    static bool say_##type(struct peer *p, const struct msg_##type *m)                  \
    {                                                                                   \
        struct buf frame = BUF(1 << 20);                                                \
        struct wire out = wire_writer(&frame);                                          \
        bool ok;                                                                        \
                                                                                        \
        msg_##type##_put(&out, m);                                                      \
        ok = say(p, MSG_##TYPE, &frame);                                                \
        buf_free(&frame);                                                               \
        return ok;                                                                      \
    }
SAYS(COMMIT, commit)
SAYS(RESULT, result)
SAYS(KICK, kick)
SAYS(TURN_ASK, turn_ask)
SAYS(TURN_GO, turn_go)
SAYS(TURN_OVER, turn_over)
SAYS(FETCHED, fetched)
SAYS(ADOPT, adopt)

static unsigned commits;

/* commit - returns the letter's id */

static uint64_t commit(const struct mail *m)
{
    uint64_t id = (uint64_t)world_wall << 20 | (uint64_t)7 << 12 | (++commits & 0xfff);
    struct buf envelope = BUF(1 << 16);

    put_envelope(&envelope, m);
    assert_true(say_commit(&world.smtpd, &(struct msg_commit){ .id = id, .nonce = 5,
        .envelope = buf_view(&envelope),
        .body = m->body != NULL ? slice_cstr(m->body) : SLICE_LIT("Subject: a\r\n\r\nb\r\n") }));
    buf_free(&envelope);
    return id;
}

/* result - the agent that has it answers the n-th DELIVER, the same for all recipients */

static bool result(size_t n, enum fate fate, enum delivery_kind how, uint8_t trouble)
{
    struct heard *h = &world.heard[n];
    struct buf bytes = BUF(1 << 16);
    struct wire w = wire_writer(&bytes);
    bool ok;

    for (uint32_t i = 0; i < h->nrcpts; i++)
        outcome_put(&w, &(struct outcome){ .index = h->index[i], .fate = (uint8_t)fate,
            .how = (uint8_t)how, .code = fate == FATE_DONE ? 250 : fate == FATE_NEVER ? 550 : 450,
            .status = fate == FATE_DONE ? SLICE_LIT("2.0.0") : fate == FATE_NEVER
                      ? SLICE_LIT("5.1.1") : SLICE_LIT("4.2.0"),
            .text = SLICE_LIT("their words") });
    h->answered = true;
    ok = say_result(h->by, &(struct msg_result){ .job = h->job, .trouble = trouble,
             .host = SLICE_LIT("mx.partner.test [192.0.2.1]:25"), .note = SLICE_LIT("a note"),
             .noutcomes = h->nrcpts, .outcomes = buf_view(&bytes) });
    buf_free(&bytes);
    return ok;
}

/* answer - the newest DELIVER */

__attribute__((unused))
static void answer(enum fate fate, enum delivery_kind how)
{
    assert_true(world.nheard > 0);
    assert_true(result(world.nheard - 1, fate, how, TROUBLE_NONE));
    work(0);
}

__attribute__((unused))
static const struct heard *last_heard(void)
{
    assert_true(world.nheard > 0);
    return &world.heard[world.nheard - 1];
}

__attribute__((unused))
static void query(enum query_verb verb, uint64_t id)
{
    world.row[0] = world.rows[0] = '\0';
    assert_true(people_query(world.queue, &world.console, &(struct msg_query){
        .ticket = 1, .verb = verb, .id = id }));
    work(0);
}
