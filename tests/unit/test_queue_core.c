/* test_queue_core.c - routing, and peers in hostile hands, on a disk in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include "base/crc32c.h"
#include "conf_text.h"
#include "queue_settle.h"
#include "../sim/disk_mem.c"
#include "queue/cache.h"
#include "queue/core.h"
#include "queue/past.h"
#include "queue/people.h"
#include "queue/route.h"

/* --- a queue with peers that remember what was said ------------------------- */

static struct world {
    struct conf  *conf;
    struct disk  *disk;
    struct queue *queue;
    struct peer   smtpd, other_smtpd, relay, local, lookup, console;
    unsigned      committed, lends, delivers, resolves, rows, rooms;
    uint8_t       fate, room;
    uint64_t      lent, job, ticket, done_count;
    uint8_t       done_fate;
    char          destination[200], row[4000];
    struct slice  deliver_rcpts;
    uint32_t      deliver_nrcpts;
    struct peer  *deliver_to;
    char         *bay;          /* shared with smtpd */
    uint64_t      bay_number;
    size_t        body;         /* of the last DELIVER */
} world;

static void on_welcome(struct peer *p, const struct msg_welcome *m) { (void)p; (void)m; }

static void on_room(struct peer *p, const struct msg_room *m)
{
    (void)p;
    world.rooms++;
    world.room = m->room;
}

static void on_committed(struct peer *p, const struct msg_committed *m)
{
    (void)p;
    world.committed++;
    world.fate = m->fate;
}

static void on_lend(struct peer *p, const struct msg_lend *m, int fd)
{
    (void)p;
    (void)fd;
    world.lends++;
    world.lent = m->number;
}

static void on_bay(struct peer *p, const struct msg_bay *m, int fd)
{
    void *at = mmap(NULL, BAY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    assert_true(at != MAP_FAILED);
    assert_int_equal(ftruncate(fd, 0), -1);             /* sealed */
    if (p != &world.smtpd) {
        munmap(at, BAY_BYTES);
        return;
    }
    if (world.bay != NULL)
        munmap(world.bay, BAY_BYTES);
    world.bay = at;
    world.bay_number = m->number;
}

static bool on_deliver(struct peer *p, const struct msg_deliver *m, int fd)
{
    (void)fd;
    world.body = m->body.n;
    world.delivers++;
    world.job = m->job;
    world.deliver_to = p;
    world.deliver_nrcpts = m->nrcpts;
    snprintf(world.destination, sizeof world.destination, "%.*s", SLICE(m->destination));
    return true;
}

static void on_resolve(struct peer *p, const struct msg_resolve *m)
{
    (void)p;
    world.resolves++;
    world.ticket = m->ticket;
}

static void on_row(struct peer *p, const struct msg_row *m)
{
    (void)p;
    world.rows++;
    snprintf(world.row, sizeof world.row, "%.*s", SLICE(m->json));
}

static void on_done(struct peer *p, const struct msg_done *m)
{
    (void)p;
    world.done_fate = m->fate;
    world.done_count = m->count;
}

static const struct peer_ops ops = {
    .welcome = on_welcome, .room = on_room, .committed = on_committed, .lend = on_lend,
    .bay = on_bay,
    .deliver = on_deliver, .resolve = on_resolve, .row = on_row, .done = on_done,
};

static void on_flush(void *user) { (void)user; }

static const char conf_text[] =
    "hostname = \"mx.ours.test\"\nspool = \"/nowhere\"\n"
    "listen \"127.0.0.1:2525\" { role = sink\n deliver = \"discard\" }\n"
    "listen \"127.0.0.1:2526\" { role = sink }\n"
    "domain \"ours.test\" { recipients = any\n deliver = \"maildir:/mail/%d/%u\" }\n"
    "domain \"lmtp.test\" { recipients = any\n deliver = \"lmtp:/run/lmtp\" }\n"
    "domain \"void.test\" { recipients = any\n deliver = \"discard\" }\n"
    "route \"partner.test\" { via = \"127.0.0.1:2600\" }\n"
    "route \"six.test\" { via = \"[::1]:2600\" }\n"
    "route \"wait.test\" { via = hold }\n"
    "queue { lifetime = 5d  warn = 4h  retry = {5m, 15m, 1h, 4h}  jitter = 0 }\n";

static void open_queue(void)
{
    struct why why = { 0 };

    world.queue = queue_open(&(struct queue_options){
        .conf = world.conf, .disk = world.disk, .segment_size = 1 << 20, .seed = 7,
        .mono = 1000, .wall = 1000000000000, .flush = on_flush }, &why);
    assert_non_null(world.queue);
    queue_peer(world.queue, &world.smtpd, ROLE_SMTPD, 7, &ops, NULL);
    queue_peer(world.queue, &world.other_smtpd, ROLE_SMTPD, 8, &ops, NULL);
    queue_peer(world.queue, &world.relay, ROLE_RELAY, 9, &ops, NULL);
    queue_peer(world.queue, &world.local, ROLE_LOCAL, 10, &ops, NULL);
    queue_peer(world.queue, &world.lookup, ROLE_LOOKUP, 11, &ops, NULL);
    queue_peer(world.queue, &world.console, ROLE_CONSOLE, 12, &ops, NULL);
}

static int setup(void **state)
{
    (void)state;
    world = (struct world){ .conf = conf_of(conf_text), .disk = disk_mem((int64_t)1 << 40) };
    open_queue();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    munmap(world.bay, BAY_BYTES);
    queue_close(world.queue);
    conf_free(world.conf);
    disk_mem_free(world.disk);
    return 0;
}

/* work - until nothing more happens now */

static void work(int64_t later)
{
    struct queue *q = world.queue;

    queue_at(q, q->mono + later, q->wall + later);
    queue_settle(q, 20);
}

/* --- saying things ----------------------------------------------------------- */

static void put_envelope(struct buf *out, const char *sender, uint32_t flags,
                         const char *const *rcpts, size_t n)
{
    struct buf all = BUF(1 << 16);
    struct wire w = wire_writer(&all), wo = wire_writer(out);

    for (size_t i = 0; i < n; i++)
        recipient_put(&w, &(struct recipient){ .address = slice_cstr(rcpts[i]) });
    envelope_put(&wo, &(struct envelope){ .arrived = 1000000000000, .flags = flags,
        .sender = slice_cstr(sender), .listener = SLICE_LIT("127.0.0.1:2525"),
        .nrcpts = (uint32_t)n, .rcpts = buf_view(&all) });
    buf_free(&all);
}

static bool say_commit(struct peer *p, const struct msg_commit *m)
{
    struct buf frame = BUF(1 << 20);
    struct wire out = wire_writer(&frame), in;
    bool ok;

    msg_commit_put(&out, m);
    in = wire_reader(buf_view(&frame));
    ok = queue_receive(world.queue, p, MSG_COMMIT, &in, -1);
    buf_free(&frame);
    return ok;
}

static uint64_t id_of(unsigned slot, unsigned n)
{
    return (uint64_t)1000000000000 << 20 | (uint64_t)slot << 12 | n;
}

static bool commit_to(const char *sender, const char *const *rcpts, size_t n, unsigned number)
{
    struct buf envelope = BUF(1 << 16);
    bool ok;

    put_envelope(&envelope, sender, 0, rcpts, n);
    ok = say_commit(&world.smtpd, &(struct msg_commit){ .id = id_of(7, number), .nonce = 5,
        .envelope = buf_view(&envelope), .body = SLICE_LIT("Subject: a\r\n\r\nb\r\n") });
    buf_free(&envelope);
    return ok;
}

static bool say_result(struct peer *p, uint64_t job, uint8_t trouble,
                       const struct outcome *outcomes, uint32_t n, uint32_t said)
{
    struct buf bytes = BUF(1 << 16), frame = BUF(1 << 17);
    struct wire w = wire_writer(&bytes), out = wire_writer(&frame), in;
    bool ok;

    for (uint32_t i = 0; i < n; i++)
        outcome_put(&w, &outcomes[i]);
    msg_result_put(&out, &(struct msg_result){ .job = job, .trouble = trouble,
        .host = SLICE_LIT("mx [192.0.2.1]:25"), .noutcomes = said, .outcomes = buf_view(&bytes) });
    in = wire_reader(buf_view(&frame));
    ok = queue_receive(world.queue, p, MSG_RESULT, &in, -1);
    buf_free(&bytes);
    buf_free(&frame);
    return ok;
}

static struct outcome verdict(uint32_t index, enum fate fate)
{
    return (struct outcome){ .index = index, .fate = (uint8_t)fate, .code = 250,
                             .status = SLICE_LIT("2.0.0"), .text = SLICE_LIT("words") };
}

static bool query(enum query_verb verb, uint64_t id, const char *sender)
{
    return people_query(world.queue, &world.console, &(struct msg_query){
        .ticket = 1, .verb = verb, .id = id, .sender = slice_cstr(sender) });
}

/* --- routing ------------------------------------------------------------------ */

static void addresses_go_where_the_configuration_says(void **state)
{
    static const struct { const char *address; uint32_t flags; const char *text;
                          enum lane lane; bool hold; } cases[] = {
        { "a@ours.test",            0, "maildir:/mail/%d/%u", LANE_LOCAL, false },
        { "a@OURS.TEST",            0, "maildir:/mail/%d/%u", LANE_LOCAL, false },
        { "\"x@y\"@ours.test",      0, "maildir:/mail/%d/%u", LANE_LOCAL, false },
        { "a@lmtp.test",            0, "lmtp:/run/lmtp", LANE_RELAY, false },
        { "a@void.test",            0, "discard:", LANE_LOCAL, false },
        { "a@partner.test",         0, "host:127.0.0.1:2600", LANE_RELAY, false },
        { "a@six.test",             0, "host:[::1]:2600", LANE_RELAY, false },
        { "a@wait.test",            0, "hold:wait.test", LANE_RELAY, true },
        { "a@elsewhere.test",       0, "mx:elsewhere.test", LANE_RELAY, false },
        { "a@[192.0.2.7]",          0, "mx:[192.0.2.7]", LANE_RELAY, false },
        { "a@[IPv6:2001:db8::7]",   0, "mx:[IPv6:2001:db8::7]", LANE_RELAY, false },
        { "postmaster",             0, "maildir:/mail/%d/%u", LANE_LOCAL, false },
        { "a@elsewhere.test", ENV_SINK, "discard:", LANE_LOCAL, false },
    };
    struct envelope e = { .listener = SLICE_LIT("127.0.0.1:2525") };
    struct buf text = BUF(1024);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hop hop;

        e.flags = cases[i].flags;
        hop = route_hop(world.conf, &e, slice_cstr(cases[i].address), false, &text);
        if (!slice_eq(hop.text, slice_cstr(cases[i].text)))
            fail_msg("%s goes to %.*s", cases[i].address, SLICE(hop.text));
        assert_int_equal(hop.lane, cases[i].lane);
        assert_int_equal(hop.hold, cases[i].hold);
    }
    e.flags = ENV_SINK;
    e.listener = SLICE_LIT("a listener that is gone");
    assert_true(slice_eq(route_hop(world.conf, &e, SLICE_LIT("a@b"), false, &text).text,
                         SLICE_LIT("maildir:/nowhere/sink")));
    e.flags = 0;
    assert_true(slice_eq(route_hop(world.conf, &e, SLICE_LIT("a@wait.test"), true, &text).text,
                         SLICE_LIT("mx:wait.test")));
    buf_free(&text);
}

/* --- commits ------------------------------------------------------------------- */

static void a_commit_is_answered_when_it_is_durable_and_not_before(void **state)
{
    static const char *const rcpts[] = { "a@ours.test" };

    (void)state;
    assert_true(commit_to("s@elsewhere.test", rcpts, 1, 1));
    assert_int_equal(world.committed, 0);
    assert_null(sched_next(world.queue->sched, LANE_LOCAL));
    work(0);
    assert_int_equal(world.committed, 1);
    assert_int_equal(world.fate, FATE_DONE);
    assert_int_equal(world.delivers, 1);
}

static void a_repeated_commit_is_carried_out_once(void **state)
{
    static const char *const rcpts[] = { "a@ours.test" };
    struct outcome done = verdict(0, FATE_DONE);

    (void)state;
    assert_true(commit_to("s@elsewhere.test", rcpts, 1, 1));
    work(0);
    assert_true(commit_to("s@elsewhere.test", rcpts, 1, 1));
    work(0);
    assert_int_equal(world.committed, 2);
    assert_int_equal(world.delivers, 1);
    assert_true(say_result(&world.local, world.job, 0, &done, 1, 1));
    work(2000);
    assert_true(world.queue->letters.n == 0);
    assert_true(commit_to("s@elsewhere.test", rcpts, 1, 1));   /* it has left meanwhile */
    work(2000);
    assert_int_equal(world.committed, 3);
    assert_int_equal(world.delivers, 1);
    queue_close(world.queue);                                  /* and after a restart */
    disk_mem_unlock(world.disk);
    open_queue();
    assert_true(commit_to("s@elsewhere.test", rcpts, 1, 1));
    work(2000);
    assert_int_equal(world.committed, 4);
    assert_int_equal(world.fate, FATE_DONE);
    assert_int_equal(world.delivers, 1);
}

static void a_hostile_commit_costs_its_sender_the_channel(void **state)
{
    static const char *const rcpts[] = { "a@ours.test" };
    static char big[(256 << 10) + 1];
    struct buf envelope = BUF(1 << 16), bounce = BUF(1 << 16);
    struct slice body = SLICE_LIT("x\r\n");

    (void)state;
    put_envelope(&envelope, "s@e", 0, rcpts, 1);
    put_envelope(&bounce, "s@e", ENV_BOUNCE, rcpts, 1);
    queue_receive(world.queue, &world.smtpd, MSG_LEND_MORE, &(struct wire){ .bad = true }, -1);
    const struct msg_commit cases[] = {
        { .id = 0, .envelope = buf_view(&envelope), .body = body },
        { .id = id_of(8, 1), .envelope = buf_view(&envelope), .body = body },   /* not its slot */
        { .id = UINT64_MAX - (0xf8 << 12), .envelope = buf_view(&envelope), .body = body },
        { .id = id_of(7, 1), .envelope = SLICE_LIT("garbage"), .body = body },
        { .id = id_of(7, 1), .envelope = slice_first(buf_view(&envelope), 30), .body = body },
        { .id = id_of(7, 1), .envelope = buf_view(&bounce), .body = body },
        { .id = id_of(7, 1), .envelope = buf_view(&envelope), .body = slice_of(big, sizeof big) },
        { .id = id_of(7, 1), .envelope = buf_view(&envelope), .body = body, .length = 5 },
        { .id = id_of(7, 1), .envelope = buf_view(&envelope), .body = body, .lent = world.lent },
        /* the last file was lent to the other one */
        { .id = id_of(7, 1), .envelope = buf_view(&envelope), .lent = world.lent, .length = 5 },
        { .id = id_of(7, 1), .envelope = buf_view(&envelope), .lent = 1, .length = UINT64_MAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (say_commit(&world.smtpd, &cases[i]))
            fail_msg("case %zu is taken", i);
    assert_true(world.queue->letters.n == 0);
    assert_int_equal(world.committed, 0);
    buf_free(&envelope);
    buf_free(&bounce);
}

static void ids_do_not_go_back_with_the_clock(void **state)
{
    static const char *const rcpts[] = { "a@ours.test" };
    const int64_t year = 365 * 86400000LL;
    struct buf envelope = BUF(1 << 16);
    struct queue *q = world.queue;

    (void)state;
    put_envelope(&envelope, "s@e", 0, rcpts, 1);
    queue_at(q, q->mono + 1000, q->wall + year);        /* somebody sets the clock... */
    queue_at(q, q->mono + 1000, q->wall - year);        /* ...and sets it right */
    for (unsigned i = 1; i < 3; i++)            /* an honest smtpd goes on from its last id */
        assert_true(say_commit(&world.smtpd, &(struct msg_commit){
            .id = id_of(7, i) + ((uint64_t)year << 20), .nonce = 5,
            .envelope = buf_view(&envelope), .body = SLICE_LIT("x\r\n") }));
    buf_free(&envelope);
}

static void a_file_is_taken_back_with_the_commit_that_is_put_off(void **state)
{
    static const char *const rcpts[] = { "a@ours.test" };
    struct buf envelope = BUF(1 << 16);
    size_t had = world.other_smtpd.nlent;

    (void)state;
    put_envelope(&envelope, "s@e", 0, rcpts, 1);
    world.queue->draining = true;
    assert_true(say_commit(&world.other_smtpd, &(struct msg_commit){ .id = id_of(8, 1), .nonce = 5,
        .envelope = buf_view(&envelope), .lent = world.lent, .length = 5 }));
    assert_int_equal(world.committed, 1);
    assert_int_equal(world.fate, FATE_LATER);
    assert_int_equal(world.other_smtpd.nlent, had - 1);
    buf_free(&envelope);
}

static void another_nonce_under_the_same_id_is_refused(void **state)
{
    static const char *const rcpts[] = { "a@ours.test" };
    struct buf envelope = BUF(1 << 16);

    (void)state;
    put_envelope(&envelope, "s@e", 0, rcpts, 1);
    assert_true(commit_to("s@e", rcpts, 1, 1));
    assert_false(say_commit(&world.smtpd, &(struct msg_commit){ .id = id_of(7, 1), .nonce = 6,
        .envelope = buf_view(&envelope), .body = SLICE_LIT("other\r\n") }));
    buf_free(&envelope);
}

static void peers_say_only_what_they_may(void **state)
{
    static const struct { struct peer *peer; uint32_t type; } cases[] = {
        { &world.relay, MSG_COMMIT }, { &world.smtpd, MSG_RESULT }, { &world.relay, MSG_QUERY },
        { &world.console, MSG_COMMIT }, { &world.smtpd, MSG_RESOLVED },
        { &world.smtpd, MSG_COUNT }, { &world.smtpd, UINT32_MAX },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire w = { 0 };

        assert_false(queue_receive(world.queue, cases[i].peer, cases[i].type, &w, -1));
    }
}

/* --- results -------------------------------------------------------------------- */

static void a_hostile_result_costs_its_sender_the_channel(void **state)
{
    static const char *const rcpts[] = { "a@partner.test", "b@partner.test" };
    static char long_text[9000];
    struct outcome twice[] = { verdict(0, FATE_DONE), verdict(0, FATE_DONE) };
    struct outcome stranger = verdict(2, FATE_DONE), odd = verdict(0, FATE_DONE);
    struct outcome wordy = verdict(0, FATE_DONE), fine = verdict(0, FATE_DONE);

    (void)state;
    assert_true(commit_to("s@e", rcpts, 2, 1));
    work(0);
    assert_int_equal(world.deliver_nrcpts, 2);
    odd.fate = 3;
    memset(long_text, 'x', sizeof long_text);
    wordy.text = slice_of(long_text, sizeof long_text);
    assert_false(say_result(&world.relay, world.job, 0, twice, 2, 2));
    assert_false(say_result(&world.relay, world.job, 0, &stranger, 1, 1));
    assert_false(say_result(&world.relay, world.job, 0, &odd, 1, 1));
    assert_false(say_result(&world.relay, world.job, 0, &wordy, 1, 1));
    assert_false(say_result(&world.relay, world.job, 0, &fine, 1, 2));
    assert_false(say_result(&world.relay, world.job, TROUBLE_COUNT, &fine, 1, 1));
    assert_false(say_result(&world.relay, world.job + 1, 0, &fine, 1, 1));
    assert_false(say_result(&world.local, world.job, 0, &fine, 1, 1));  /* not its job */
    assert_true(say_result(&world.relay, world.job, 0, &fine, 1, 1));
    assert_true(say_result(&world.relay, world.job, 0, &fine, 1, 1));   /* too late: ignored */
    work(0);
}

static void who_has_no_outcome_is_later(void **state)
{
    static const char *const rcpts[] = { "a@partner.test", "b@partner.test" };
    struct outcome one = verdict(0, FATE_DONE);

    (void)state;
    commit_to("s@e", rcpts, 2, 1);
    work(0);
    assert_true(say_result(&world.relay, world.job, 0, &one, 1, 1));
    work(0);
    assert_int_equal(world.delivers, 1);
    work(5 * 60 * 1000 + 1000);
    assert_int_equal(world.delivers, 2);
    assert_int_equal(world.deliver_nrcpts, 1);
}

static void an_agent_that_dies_costs_no_attempt(void **state)
{
    static const char *const rcpts[] = { "a@partner.test" };

    (void)state;
    commit_to("s@e", rcpts, 1, 1);
    work(0);
    queue_peer_gone(world.queue, &world.relay);
    work(0);
    queue_peer(world.queue, &world.relay, ROLE_RELAY, 9, &ops, NULL);
    work(0);
    assert_int_equal(world.delivers, 2);
}

static void after_a_restart_only_the_rest_is_delivered_at_its_time(void **state)
{
    static const char *const rcpts[] = { "a@partner.test", "b@partner.test" };
    struct outcome o[] = { verdict(0, FATE_DONE), verdict(1, FATE_LATER) };

    (void)state;
    commit_to("s@e", rcpts, 2, 1);
    work(0);
    assert_true(say_result(&world.relay, world.job, 0, o, 2, 2));
    work(0);
    queue_close(world.queue);
    disk_mem_unlock(world.disk);
    open_queue();
    work(0);
    assert_int_equal(world.delivers, 1);
    work(5 * 60 * 1000 + 1000);
    assert_int_equal(world.delivers, 2);
    assert_int_equal(world.deliver_nrcpts, 1);
}

/* --- reports ---------------------------------------------------------------------- */

static void a_failure_is_reported_to_the_resolved_sender(void **state)
{
    static const char *const rcpts[] = { "a@partner.test", "b@partner.test" };
    struct outcome o[] = { verdict(0, FATE_NEVER), verdict(1, FATE_NEVER) };
    struct buf entries = BUF(1000);
    struct wire w = wire_writer(&entries);

    (void)state;
    commit_to("s@ours.test", rcpts, 2, 1);
    work(0);
    assert_true(say_result(&world.relay, world.job, 0, o, 2, 2));
    work(0);
    assert_int_equal(world.resolves, 1);
    wire_put_bytes(&w, SLICE_LIT("real@ours.test"));
    wire_put_bytes(&w, (struct slice){ 0 });
    {
        struct buf frame = BUF(4000);
        struct wire out = wire_writer(&frame), in;

        msg_resolved_put(&out, &(struct msg_resolved){ .ticket = world.ticket,
            .fate = FATE_DONE, .nentries = 1, .entries = buf_view(&entries) });
        in = wire_reader(buf_view(&frame));
        assert_true(queue_receive(world.queue, &world.lookup, MSG_RESOLVED, &in, -1));
        buf_free(&frame);
    }
    work(0);
    assert_int_equal(world.delivers, 2);        /* one report for both */
    assert_ptr_equal(world.deliver_to, &world.local);
    assert_true(world.queue->letters.n == 1);
    buf_free(&entries);
}

static void nobody_is_told_about_a_message_without_a_sender(void **state)
{
    static const char *const rcpts[] = { "a@partner.test" };
    struct outcome never = verdict(0, FATE_NEVER);

    (void)state;
    commit_to("", rcpts, 1, 1);
    work(0);
    assert_true(say_result(&world.relay, world.job, 0, &never, 1, 1));
    work(0);
    assert_true(world.queue->letters.n == 0);
    assert_int_equal(world.delivers, 1);
}

static void a_message_expires_and_is_reported_once(void **state)
{
    static const char *const rcpts[] = { "a@partner.test" };

    (void)state;
    commit_to("s@partner.test", rcpts, 1, 1);
    work(0);
    queue_peer_gone(world.queue, &world.relay);
    world.queue->draining = true;               /* nothing is even tried */
    for (int i = 0; i < 5 * 4; i++)
        work(6 * 60 * 60 * 1000);
    work(60 * 1000);
    world.queue->draining = false;
    queue_peer(world.queue, &world.relay, ROLE_RELAY, 9, &ops, NULL);
    work(60 * 1000);
    assert_int_equal(world.delivers, 3);        /* the first try, the warning, the report */
}

static void a_job_that_was_away_during_a_reload_takes_the_new_route(void **state)
{
    static const char *const rcpts[] = { "a@partner.test" };
    struct outcome later = verdict(0, FATE_LATER);
    struct conf *old = world.conf;

    (void)state;
    commit_to("s@e", rcpts, 1, 1);
    work(0);
    assert_string_equal(world.destination, "host:127.0.0.1:2600");
    world.conf = conf_of("hostname = \"mx.ours.test\"\nspool = \"/nowhere\"\n"
                           "listen \"127.0.0.1:2525\" { role = sink }\n"
                           "route \"partner.test\" { via = \"127.0.0.1:2700\" }\n");
    queue_reconf(world.queue, world.conf);
    conf_free(old);
    work(0);
    assert_true(say_result(&world.relay, world.job, 1, &later, 1, 1));
    work(6 * 60 * 1000);
    assert_int_equal(world.delivers, 2);
    assert_string_equal(world.destination, "host:127.0.0.1:2700");
}

/* --- people ------------------------------------------------------------------------ */

static void a_route_that_holds_waits_for_a_person(void **state)
{
    static const char *const rcpts[] = { "a@wait.test" };

    (void)state;
    commit_to("s@e", rcpts, 1, 1);
    work(0);
    assert_int_equal(world.delivers, 0);
    assert_true(query(QUERY_LIST, 0, ""));
    work(0);
    assert_non_null(strstr(world.row, "\"state\":\"held\""));
    assert_non_null(strstr(world.row, "held by route"));
    assert_true(query(QUERY_RELEASE, id_of(7, 1), ""));
    work(0);
    assert_int_equal(world.done_count, 1);
    assert_int_equal(world.delivers, 1);
    assert_string_equal(world.destination, "mx:wait.test");
    queue_close(world.queue);                   /* and it stays released */
    disk_mem_unlock(world.disk);
    open_queue();
    work(0);
    assert_int_equal(world.delivers, 2);
}

static void what_a_person_holds_stays_held_over_a_restart(void **state)
{
    static const char *const rcpts[] = { "a@partner.test" };

    (void)state;
    world.queue->draining = true;
    commit_to("s@e", rcpts, 1, 1);
    assert_int_equal(world.fate, 0);
    world.queue->draining = false;
    commit_to("s@e", rcpts, 1, 1);
    journal_flush_begin(world.queue->journal);
    journal_flush_work(world.queue->journal);
    journal_flush_end(world.queue->journal);
    assert_true(query(QUERY_HOLD, id_of(7, 1), ""));
    work(0);
    assert_int_equal(world.done_count, 1);
    queue_close(world.queue);
    disk_mem_unlock(world.disk);
    open_queue();
    work(1000);
    assert_true(query(QUERY_RETRY, id_of(7, 1), ""));
    work(1000);
    assert_int_equal(world.done_count, 0);
    assert_true(query(QUERY_RELEASE, id_of(7, 1), ""));
    work(1000);
    assert_int_equal(world.done_count, 1);
    assert_true(world.delivers >= 1);
}

static void removal_ends_waiting_mail_without_a_report(void **state)
{
    static const char *const rcpts[] = { "a@partner.test" };
    struct outcome later = verdict(0, FATE_LATER);

    (void)state;
    commit_to("s@e", rcpts, 1, 1);
    work(0);
    assert_true(query(QUERY_REMOVE, id_of(7, 1), ""));      /* an agent has it */
    work(0);
    assert_true(world.queue->letters.n == 1);
    assert_true(say_result(&world.relay, world.job, 0, &later, 1, 1));
    work(0);
    assert_true(world.queue->letters.n == 0);
    assert_int_equal(world.delivers, 1);
}

static void a_change_of_everything_must_be_asked_for(void **state)
{
    (void)state;
    assert_true(query(QUERY_REMOVE, 0, ""));
    assert_int_equal(world.done_fate, FATE_NEVER);
    assert_true(query(QUERY_REMOVE, 0, "*"));
    work(0);
    assert_int_equal(world.done_fate, FATE_DONE);
    assert_false(query(QUERY_COUNT_OF_VERBS, 0, "*"));
}

/* --- the disk ----------------------------------------------------------------------- */

static void a_full_disk_refuses_mail_until_there_is_room(void **state)
{
    (void)state;
    work(1000);
    disk_mem_room(world.disk, 1000);
    work(2000);
    assert_int_equal(world.rooms, 2);           /* both smtpd */
    assert_int_equal(world.room, 0);
    disk_mem_room(world.disk, (int64_t)1 << 40);
    work(2000);
    assert_int_equal(world.rooms, 4);
    assert_int_equal(world.room, 1);
}

static void mail_that_has_gone_gives_its_room_back(void **state)
{
    static const char *const rcpts[] = { "a@partner.test" };
    static char body[200 << 10];
    struct buf envelope = BUF(1 << 16);
    struct outcome done = verdict(0, FATE_DONE);
    int64_t room = 0;

    (void)state;
    memset(body, 'x', sizeof body);
    put_envelope(&envelope, "s@e", 0, rcpts, 1);
    for (unsigned i = 1; i <= 4; i++) {         /* less than a segment */
        assert_true(say_commit(&world.smtpd, &(struct msg_commit){ .id = id_of(7, i), .nonce = 5,
            .envelope = buf_view(&envelope), .body = slice_of(body, sizeof body) }));
        work(1);
        if (i == 1)
            room = journal_room(world.queue->journal);
        assert_true(say_result(&world.relay, world.job, 0, &done, 1, 1));
        work(1);
    }
    assert_int_equal(world.queue->letters.n, 0);
    assert_true(journal_room(world.queue->journal) >= room);
    buf_free(&envelope);
}

/* The large files cannot be opened while large_fails. */
static int (*open_well)(void *ctx, const char *name, unsigned how);
static bool large_fails;

static int open_badly(void *ctx, const char *name, unsigned how)
{
    return large_fails && strncmp(name, "large/", 6) == 0 ? -EIO : open_well(ctx, name, how);
}

/* commit_large - a message whose body is in the file lent last */

static void commit_large(const char *sender, const char *const *rcpts, size_t n, struct slice body)
{
    struct buf envelope = BUF(1 << 16);
    char name[64];
    int handle;

    snprintf(name, sizeof name, "lent/%llx", (unsigned long long)world.lent);
    handle = world.disk->open(world.disk->ctx, name, DISK_WRITE);
    assert_true(handle >= 0);
    assert_int_equal(world.disk->write(world.disk->ctx, handle, body, 0), body.n);
    world.disk->close(world.disk->ctx, handle);
    put_envelope(&envelope, sender, 0, rcpts, n);
    assert_true(say_commit(&world.other_smtpd, &(struct msg_commit){ .id = id_of(8, 1),
        .nonce = 5, .envelope = buf_view(&envelope), .lent = world.lent, .length = body.n,
        .crc = crc32c(0, body) }));
    buf_free(&envelope);
}

static void a_report_waits_for_a_large_original_that_cannot_be_read(void **state)
{
    static const char *const rcpts[] = { "a@partner.test" };
    struct outcome never = verdict(0, FATE_NEVER);

    (void)state;
    open_well = world.disk->open;
    world.disk->open = open_badly;
    commit_large("s@partner.test", rcpts, 1, SLICE_LIT("Subject: a\r\n\r\nb\r\n"));
    work(0);
    assert_int_equal(world.fate, FATE_DONE);
    assert_int_equal(world.delivers, 1);
    large_fails = true;
    assert_true(say_result(&world.relay, world.job, 0, &never, 1, 1));
    for (int i = 0; i < 10; i++)
        work(1000);
    assert_int_equal(world.delivers, 1);
    large_fails = false;
    for (int i = 0; i < 60; i++)
        work(1000);
    assert_int_equal(world.delivers, 2);        /* the report */
}

static bool commit_bay(unsigned number, uint64_t bay, uint64_t place, uint64_t length)
{
    static const char *const rcpts[] = { "a@partner.test" };
    struct buf envelope = BUF(1 << 16);
    bool ok;

    put_envelope(&envelope, "s@e", 0, rcpts, 1);
    ok = say_commit(&world.smtpd, &(struct msg_commit){ .id = id_of(7, number), .nonce = 5,
        .envelope = buf_view(&envelope), .bay = bay, .place = place, .length = length });
    buf_free(&envelope);
    return ok;
}

static void a_body_in_the_bay_is_copied_when_it_is_told(void **state)
{
    static const char text[] = "Subject: a\r\n\r\n";
    struct slice envelope, body;
    enum { PLACE = 3 << 20, LENGTH = 300000 };

    (void)state;
    memset(world.bay + PLACE, 'x', LENGTH);
    memcpy(world.bay + PLACE, text, sizeof text - 1);
    assert_true(commit_bay(1, world.bay_number, PLACE, LENGTH));
    memset(world.bay + PLACE, 'y', LENGTH);     /* too late */
    work(0);
    assert_int_equal(world.fate, FATE_DONE);
    assert_int_equal(world.delivers, 1);
    assert_int_equal(world.body, LENGTH);
    cache_drop(world.queue->cache, id_of(7, 1));
    assert_true(letter_read(world.queue, letter_get(world.queue, id_of(7, 1)), &envelope, &body));
    assert_int_equal(body.n, LENGTH);
    assert_memory_equal(body.p, text, sizeof text - 1);
    assert_true(body.p[sizeof text] == 'x' && body.p[LENGTH - 1] == 'x');
}

static void a_body_outside_of_the_bay_costs_the_channel(void **state)
{
    static const struct { uint64_t place, length; } cases[] = {
        { BAY_BYTES, 1 }, { BAY_BYTES - 10, 11 }, { 0, BODY_SHARED + 1 }, { UINT64_MAX, 2 },
        { UINT64_MAX - 1, 2 }, { 0, UINT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_false(commit_bay(1, world.bay_number, cases[i].place, cases[i].length));
    assert_true(commit_bay(1, world.bay_number, BAY_BYTES - 10, 10));
    work(0);
    assert_int_equal(world.fate, FATE_DONE);
}

static void what_lay_in_another_bay_is_later(void **state)
{
    (void)state;
    assert_true(commit_bay(1, world.bay_number + 1, 0, 100));
    assert_int_equal(world.committed, 1);
    assert_int_equal(world.fate, FATE_LATER);
    assert_int_equal(world.queue->letters.n, 0);
}

static void a_failed_sync_is_later_for_the_client(void **state)
{
    static const char *const rcpts[] = { "a@partner.test" };

    (void)state;
    disk_mem_fail(world.disk, 5);
    commit_to("s@e", rcpts, 1, 1);
    work(0);
    assert_int_equal(world.committed, 1);
    assert_int_equal(world.fate, FATE_LATER);
    assert_true(world.queue->letters.n == 0);
    disk_mem_fail(world.disk, 0);
    commit_to("s@e", rcpts, 1, 1);
    work(0);
    assert_int_equal(world.fate, FATE_DONE);
}

static void an_outcome_that_could_not_be_written_is_written_later(void **state)
{
    static const char *const rcpts[] = { "a@partner.test" };
    struct outcome done = verdict(0, FATE_DONE);

    (void)state;
    commit_to("s@e", rcpts, 1, 1);
    work(0);
    disk_mem_fail(world.disk, 5);
    assert_true(say_result(&world.relay, world.job, 0, &done, 1, 1));
    work(1000);
    assert_true(world.queue->letters.n == 1);
    disk_mem_fail(world.disk, 0);
    work(6000);
    work(2000);
    assert_true(world.queue->letters.n == 0);
    assert_int_equal(world.delivers, 1);
}

static void restart(void)
{
    queue_close(world.queue);
    disk_mem_unlock(world.disk);
    open_queue();
}

static void an_old_outcome_never_stands_behind_a_newer_one(void **state)
{
    static const char *const rcpts[] = { "a@partner.test", "b@partner.test" };
    struct outcome both[] = { verdict(0, FATE_LATER), verdict(1, FATE_LATER) };

    (void)state;
    commit_to("s@e", rcpts, 2, 1);
    work(0);
    disk_mem_fail(world.disk, 5);
    assert_true(say_result(&world.relay, world.job, 0, both, 2, 2));
    work(1);                                    /* the first outcome waits to be appended again */
    disk_mem_fail(world.disk, 0);
    assert_true(query(QUERY_RETRY, id_of(7, 1), ""));
    work(1);
    work(1);
    assert_int_equal(world.delivers, 2);
    both[0].fate = FATE_DONE;
    assert_true(say_result(&world.relay, world.job, 0, both, 2, 2));
    work(1);
    work(10000);                                /* now both are written */
    restart();
    work(0);
    work(60 * 60 * 1000);
    assert_int_equal(world.delivers, 3);
    assert_int_equal(world.deliver_nrcpts, 1);  /* a has it already */
}

static void a_letter_goes_after_its_report_is_durable(void **state)
{
    static const char *const rcpts[] = { "a@partner.test", "b@void.test" };
    struct outcome never = verdict(0, FATE_NEVER), done = verdict(1, FATE_DONE);

    (void)state;
    queue_peer_gone(world.queue, &world.local);
    commit_to("s@partner.test", rcpts, 2, 1);
    work(0);
    assert_true(say_result(&world.relay, world.job, 0, &never, 1, 1));
    disk_mem_fail(world.disk, 5);
    work(31000);                                /* the report does not wait for b */
    disk_mem_fail(world.disk, 0);
    queue_peer(world.queue, &world.local, ROLE_LOCAL, 10, &ops, NULL);
    work(1);
    assert_string_equal(world.destination, "discard:");
    assert_true(say_result(&world.local, world.job, 0, &done, 1, 1));
    for (int i = 0; i < 8; i++)
        work(1000);
    assert_null(letter_get(world.queue, id_of(7, 1)));
    restart();
    work(0);
    assert_int_equal(world.queue->letters.n, 1);        /* the report */
    assert_string_equal(world.destination, "host:127.0.0.1:2600");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(addresses_go_where_the_configuration_says),
        T(a_commit_is_answered_when_it_is_durable_and_not_before),
        T(a_repeated_commit_is_carried_out_once),
        T(a_hostile_commit_costs_its_sender_the_channel),
        T(another_nonce_under_the_same_id_is_refused),
        T(ids_do_not_go_back_with_the_clock),
        T(a_file_is_taken_back_with_the_commit_that_is_put_off),
        T(peers_say_only_what_they_may),
        T(a_hostile_result_costs_its_sender_the_channel),
        T(who_has_no_outcome_is_later),
        T(an_agent_that_dies_costs_no_attempt),
        T(after_a_restart_only_the_rest_is_delivered_at_its_time),
        T(a_failure_is_reported_to_the_resolved_sender),
        T(nobody_is_told_about_a_message_without_a_sender),
        T(a_message_expires_and_is_reported_once),
        T(a_job_that_was_away_during_a_reload_takes_the_new_route),
        T(a_route_that_holds_waits_for_a_person),
        T(what_a_person_holds_stays_held_over_a_restart),
        T(removal_ends_waiting_mail_without_a_report),
        T(a_change_of_everything_must_be_asked_for),
        T(a_full_disk_refuses_mail_until_there_is_room),
        T(mail_that_has_gone_gives_its_room_back),
        T(a_report_waits_for_a_large_original_that_cannot_be_read),
        T(a_body_in_the_bay_is_copied_when_it_is_told),
        T(a_body_outside_of_the_bay_costs_the_channel),
        T(what_lay_in_another_bay_is_later),
        T(a_failed_sync_is_later_for_the_client),
        T(an_outcome_that_could_not_be_written_is_written_later),
        T(an_old_outcome_never_stands_behind_a_newer_one),
        T(a_letter_goes_after_its_report_is_durable),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
