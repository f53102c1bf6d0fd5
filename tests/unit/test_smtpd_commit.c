/* test_smtpd_commit.c - sessions between a queue and a lookup that come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/crc32c.h"
#include "smtpd/ask.h"
#include "smtpd/commit.h"
#include "smtpd_peer.h"
#include "smtpd_world.h"

static struct conf   *conf;
static struct commits commits;
static struct asks    asks;
static struct script  w;

/* The other side: a queue or a lookup that says what the test wants. */
static uint64_t  ids[16];           /* of the commits */
static unsigned  ncommits, nresolves, lend_more, lent_back;
static uint64_t  last_id, last_nonce, last_ticket, last_length;
static uint32_t  last_crc;
static uint64_t  last_lent, last_bay, last_place, last_body;

static bool on_frame(struct channel *c, uint32_t type, struct wire *in, int *fd)
{
    struct msg_commit commit;
    struct msg_resolve resolve;
    struct msg_lend_more more;
    struct msg_lend_back back;

    (void)c;
    (void)fd;
    switch (type) {
    case MSG_COMMIT:
        assert_true(msg_commit_get(in, &commit));
        assert_true(commit.lent != 0 || commit.bay != 0 || commit.body.n > 0);
        last_bay = commit.bay;
        last_body = commit.body.n;
        last_place = commit.place;
        last_id = ids[ncommits % 16] = commit.id;
        last_nonce = commit.nonce;
        last_lent = commit.lent;
        last_length = commit.length;
        last_crc = commit.crc;
        ncommits++;
        return true;
    case MSG_RESOLVE:
        assert_true(msg_resolve_get(in, &resolve));
        nresolves++;
        last_ticket = resolve.ticket;
        return true;
    case MSG_LEND_MORE:
        assert_true(msg_lend_more_get(in, &more));
        lend_more += more.count;
        return true;
    case MSG_LEND_BACK:
        assert_true(msg_lend_back_get(in, &back));
        lent_back++;
        return true;
    default:
        return false;
    }
}

static unsigned goes;

static void go(struct session *s)
{
    (void)s;
    goes++;
    script_go(&w);
}

static void wake_all(void *user)
{
    (void)user;
    session_wake(&w.s);
    script_go(&w);
}

static void lost(void *user)
{
    (void)user;
    session_queue_lost(&w.s);
}

static struct session *find(void *user, uint64_t number)
{
    (void)user;
    return number == w.s.number ? &w.s : NULL;
}

static enum known known(void *ctx, const struct conf_domain *d, const struct mailbox *m)
{
    (void)ctx;
    (void)d;
    (void)m;
    return KNOWN_ASK;
}

static void resolve(void *ctx, struct session *s, uint32_t ticket, struct slice address)
{
    (void)ctx;
    asks_resolve(&asks, s, ticket, address);
}

static enum room room(void *ctx)
{
    (void)ctx;
    return commits_room(&commits);
}

static uint64_t message_id(void *ctx)
{
    (void)ctx;
    return commits_message_id(&commits);
}

static bool lend(void *ctx, struct session *s, struct lent *lent)
{
    (void)ctx;
    return commits_lend(&commits, s, lent);
}

static bool slot(void *ctx, struct slot *slot)
{
    (void)ctx;
    return bay_take(&commits.bay, slot);
}

static void slot_back(void *ctx, struct slot *slot)
{
    (void)ctx;
    bay_back(&commits.bay, slot);
}

static void lend_back(void *ctx, struct lent *lent)
{
    (void)ctx;
    commits_lend_back(&commits, lent);
}

static void commit(void *ctx, struct flight *f)
{
    (void)ctx;
    commits_commit(&commits, f);
}

static const struct world real_world = {
    .known = known, .resolve = resolve, .room = room, .message_id = message_id,
    .lend = lend, .lend_back = lend_back, .slot = slot, .slot_back = slot_back, .commit = commit,
};

static int begin(void **state)
{
    (void)state;
    if (conf == NULL)
        conf = world_conf_parse();
    child = (struct child){ .loop = uv_default_loop(), .slot = 7 };
    other = NULL;
    ncommits = nresolves = lend_more = lent_back = gone_count = 0;
    script_begin(&w, conf, 1, "192.0.2.9");
    w.server.world = &real_world;
    w.server.mono = clock_mono();
    w.server.wall = clock_wall();
    commits_begin(&commits, &child, &w.server, go, wake_all, lost, NULL);
    asks_begin(&asks, &child, &w.server, find, go, NULL);
    session_greet(&w.s, false);
    script_feed(&w, SLICE_LIT("EHLO c.example\r\n"));
    buf_clear(&w.out);
    return 0;
}

static int end(void **state)
{
    (void)state;
    commits_forget(&commits, &w.s);
    script_end(&w);
    map_free(&commits.by_id);
    map_free(&asks.by_ticket);
    if (commits.queue != NULL)
        channel_close(commits.queue, NULL);
    if (asks.lookup != NULL)
        channel_close(asks.lookup, NULL);
    turn();
    turn();
    return 0;
}

static void said(const char *wanted)
{
    struct slice out = buf_view(&w.out);

    if (out.n < strlen(wanted) || memcmp(out.p, wanted, strlen(wanted)) != 0)
        fail_msg("wanted \"%s\", got \"%.*s\"", wanted, SLICE(out));
    buf_clear(&w.out);
}

static void welcome(uint64_t floor)
{
    commits_queue(&commits, peer_new(ROLE_QUEUE));
    channel_send_msg_welcome(other, &(struct msg_welcome){ floor }, -1);
    turn();
}

static void send_message(void)
{
    script_feed(&w, SLICE_LIT("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"));
    said("250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n354 ");
    script_feed(&w, SLICE_LIT("x\r\n.\r\n"));
    turn();
}

static void committed(enum fate fate, bool full)
{
    channel_send_msg_committed(other, &(struct msg_committed){
        .id = last_id, .fate = (uint8_t)fate, .full = full }, -1);
    turn();
}

static void a_message_waits_for_the_queue_and_its_answer(void **state)
{
    (void)state;
    script_feed(&w, SLICE_LIT("MAIL FROM:<a@b.example>\r\n"));
    assert_int_equal(w.out.n, 0);
    welcome(0);
    said("250 2.1.0");
    script_feed(&w, SLICE_LIT("RSET\r\n"));
    buf_clear(&w.out);
    send_message();
    assert_int_equal(ncommits, 1);
    assert_int_equal(id_slot(last_id), 7);
    assert_int_equal(w.out.n, 0);
    committed(FATE_DONE, false);
    said("250 2.0.0 Ok: queued as ");
}

static void later_and_full_are_not_done(void **state)
{
    (void)state;
    welcome(0);
    send_message();
    committed(FATE_LATER, false);
    said("451 4.3.0");
    send_message();
    committed(FATE_LATER, true);
    said("452 4.3.1");
    send_message();
    committed((enum fate)99, false);
    said("451 4.3.0");
}

static void ids_start_above_the_queues_floor(void **state)
{
    uint64_t floor = (uint64_t)(clock_wall() + 1000000) << 20;

    (void)state;
    welcome(floor);
    send_message();
    assert_true(last_id > floor);
}

static void a_new_queue_is_asked_again_under_the_same_name(void **state)
{
    uint64_t id, nonce;

    (void)state;
    welcome(0);
    send_message();
    id = last_id;
    nonce = last_nonce;
    channel_close(other, NULL);
    turn();
    assert_null(commits.queue);
    assert_int_equal(w.out.n, 0);
    welcome(0);
    assert_int_equal(ncommits, 2);
    assert_true(last_id == id && last_nonce == nonce);
    committed(FATE_DONE, false);
    said("250 2.0.0");
    committed(FATE_DONE, false);        /* said twice, heard once */
    assert_int_equal(w.out.n, 0);
}

static void a_queue_that_never_answers_means_later(void **state)
{
    (void)state;
    welcome(0);
    send_message();
    w.server.mono += COMMIT_PATIENCE + 1;
    commits_tick(&commits);
    said("451 4.3.0");
    committed(FATE_DONE, false);
    assert_int_equal(w.out.n, 0);
}

/* send_three - in one piece, behind one another */

static void send_three(void)
{
    for (int i = 0; i < 3; i++)
        script_feed(&w, SLICE_LIT("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nBDAT 3 LAST\r\nx\r\n"));
    turn();
    assert_int_equal(ncommits, 3);
    said("250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n");
}

static void several_messages_of_one_session_are_under_way(void **state)
{
    (void)state;
    welcome(0);
    send_three();
    goes = 0;
    for (unsigned i = 3; i > 0; i--)
        channel_send_msg_committed(other, &(struct msg_committed){ .id = ids[i - 1], .fate = FATE_DONE }, -1);
    turn();
    assert_int_equal(goes, 1);      /* what is told in one piece is answered in one */
    assert_int_equal(commits.by_id.n, 0);
    assert_true(list_empty(&commits.order));
    said("250 2.0.0 Ok: queued as ");
    assert_false(session_flies(&w.s));
}

static void a_new_queue_is_asked_for_all_of_them_oldest_first(void **state)
{
    uint64_t before[3];

    (void)state;
    welcome(0);
    send_three();
    memcpy(before, ids, sizeof before);
    channel_send_msg_committed(other, &(struct msg_committed){ .id = before[1], .fate = FATE_DONE }, -1);
    turn();
    assert_int_equal(w.out.n, 0);
    channel_close(other, NULL);
    turn();
    script_feed(&w, SLICE_LIT("MAIL FROM:<a@b.example>\r\n"));      /* it waits with them */
    assert_int_equal(w.s.wait, WAIT_COMMIT);
    welcome(0);
    assert_int_equal(ncommits, 5);
    assert_true(ids[3] == before[0] && ids[4] == before[2]);
    channel_send_msg_committed(other, &(struct msg_committed){ .id = before[0], .fate = FATE_DONE }, -1);
    turn();
    said("250 2.0.0");
    last_id = before[2];
    committed(FATE_DONE, false);
    said("250 2.0.0");
    assert_int_equal(w.s.stage, S_SENDER);
}

static void a_session_may_leave_with_several_under_way(void **state)
{
    (void)state;
    welcome(0);
    send_three();
    last_id = ids[1];
    committed(FATE_DONE, false);
    commits_forget(&commits, &w.s);
    session_end(&w.s);
    assert_int_equal(commits.by_id.n, 0);
    assert_true(list_empty(&commits.order));
    last_id = ids[0];
    committed(FATE_DONE, false);
    assert_int_equal(w.out.n, 0);
}

static void several_that_are_never_answered_mean_later(void **state)
{
    (void)state;
    welcome(0);
    send_three();
    last_id = ids[1];
    committed(FATE_DONE, false);
    w.server.mono += COMMIT_PATIENCE + 1;
    commits_tick(&commits);
    said("451 4.3.0 Local trouble, try again later\r\n250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n"
         "250 2.0.0 Ok: queued as ");
    assert_false(session_flies(&w.s));
}

static void a_full_disk_refuses_at_mail(void **state)
{
    (void)state;
    welcome(0);
    channel_send_msg_room(other, &(struct msg_room){ 0 }, -1);
    turn();
    script_feed(&w, SLICE_LIT("MAIL FROM:<a@b.example>\r\n"));
    said("452 4.3.1");
    channel_send_msg_room(other, &(struct msg_room){ 1 }, -1);
    turn();
    script_feed(&w, SLICE_LIT("MAIL FROM:<a@b.example>\r\n"));
    said("250 2.1.0");
}

static void a_session_may_leave_while_it_waits(void **state)
{
    (void)state;
    welcome(0);
    send_message();
    commits_forget(&commits, &w.s);
    session_end(&w.s);
    committed(FATE_DONE, false);
    assert_int_equal(w.out.n, 0);
    assert_int_equal(commits.by_id.n, 0);
}

/* lend_file - one file from the queue to us; the test keeps a descriptor */

static int lend_file(uint64_t number)
{
    int fd = memfd_create("lent", MFD_CLOEXEC);

    channel_send_msg_lend(other, &(struct msg_lend){ number }, fd);
    turn();
    return fd;
}

static void feed_large(void)
{
    static char line[1000];

    script_feed(&w, SLICE_LIT("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"));
    buf_clear(&w.out);
    memset(line, 'x', sizeof line);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    for (int i = 0; i < 100; i++)
        script_feed(&w, slice_of(line, sizeof line));
}

static void a_large_body_travels_in_a_lent_file(void **state)
{
    static char text[200000];
    ssize_t n;
    int fd;

    (void)state;
    welcome(0);
    assert_int_equal(lend_more, COMMIT_STOCK - COMMIT_FIRST);
    fd = lend_file(41);
    feed_large();
    script_feed(&w, SLICE_LIT(".\r\n"));
    turn();
    assert_int_equal(ncommits, 1);
    assert_true(last_lent == 41);
    n = pread(fd, text, sizeof text, 0);
    assert_true(n > 100000 && (uint64_t)n == last_length);
    assert_true(crc32c(0, slice_of(text, (size_t)n)) == last_crc);
    committed(FATE_DONE, false);
    said("250 2.0.0");
    assert_int_equal(lent_back, 0);
    close(fd);
}

/* share - a bay from the queue; the test sees it too */

static char *share(uint64_t number)
{
    int fd = memfd_create("bay", MFD_CLOEXEC);
    char *p;

    assert_int_equal(ftruncate(fd, BAY_BYTES), 0);
    p = mmap(NULL, BAY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(p != MAP_FAILED);
    channel_send_msg_bay(other, &(struct msg_bay){ number }, fd);
    turn();
    close(fd);
    return p;
}

static unsigned free_slots(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < BAY_SLOTS; i++)
        n += commits.bay.owner[i] == 0;
    return n;
}

static void a_medium_body_lies_in_the_bay_until_the_queue_answers(void **state)
{
    char *bay;

    (void)state;
    welcome(0);
    bay = share(77);
    feed_large();
    script_feed(&w, SLICE_LIT(".\r\n"));
    turn();
    assert_int_equal(ncommits, 1);
    assert_true(last_bay == 77 && last_lent == 0 && last_length > 100000);
    assert_memory_equal(bay + last_place + last_length - 4, "xx\r\n", 4);
    assert_int_equal(free_slots(), BAY_SLOTS - 1);
    committed(FATE_DONE, false);
    said("250 2.0.0");
    assert_int_equal(free_slots(), BAY_SLOTS);
    bay_settle(&commits.bay);
    assert_int_equal(bay[last_place], 0);       /* its memory has gone back */
    munmap(bay, BAY_BYTES);
}

static void a_slot_is_the_queues_until_it_answers_whoever_has_left(void **state)
{
    char *bay;

    (void)state;
    welcome(0);
    bay = share(78);
    feed_large();
    script_feed(&w, SLICE_LIT(".\r\n"));
    turn();
    commits_forget(&commits, &w.s);
    session_end(&w.s);
    assert_int_equal(free_slots(), BAY_SLOTS - 1);
    committed(FATE_DONE, false);
    assert_int_equal(free_slots(), BAY_SLOTS);
    munmap(bay, BAY_BYTES);
}

static void what_lies_in_the_bay_of_a_dead_queue_is_asked_for_by_its_old_name(void **state)
{
    char *bay, *next;

    (void)state;
    welcome(0);
    bay = share(79);
    feed_large();
    script_feed(&w, SLICE_LIT(".\r\n"));
    turn();
    channel_close(other, NULL);
    turn();
    assert_null(commits.bay.p);
    welcome(0);
    next = share(80);
    turn();
    assert_int_equal(ncommits, 2);
    assert_true(last_bay == 79);                /* it knows whether it carried that out */
    committed(FATE_LATER, false);
    said("451 4.3.0");
    assert_int_equal(free_slots(), BAY_SLOTS);
    munmap(bay, BAY_BYTES);
    munmap(next, BAY_BYTES);
}

static void feed_small(void)
{
    script_feed(&w, SLICE_LIT("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"));
    buf_clear(&w.out);
    script_feed(&w, SLICE_LIT("Subject: small\r\n\r\nwords\r\n.\r\n"));
    turn();
}

static void a_small_body_goes_over_the_shelf(void **state)
{
    char *bay;

    (void)state;
    welcome(0);
    bay = share(81);
    feed_small();
    assert_int_equal(ncommits, 1);
    assert_true(last_bay == 81 && last_lent == 0 && last_place >= BAY_SLOTS * BODY_SHARED);
    assert_memory_equal(bay + last_place + last_length - 7, "words\r\n", 7);
    bay_settle(&commits.bay);
    assert_int_equal(bay[last_place + last_length - 7], 'w');   /* it was not read yet */
    committed(FATE_DONE, false);
    said("250 2.0.0");
    bay_settle(&commits.bay);
    assert_int_equal(bay[last_place + last_length - 7], 0);
    munmap(bay, BAY_BYTES);
}

static void what_lay_on_the_shelf_of_a_dead_queue_is_told_again_whole(void **state)
{
    char *bay;

    (void)state;
    welcome(0);
    bay = share(82);
    feed_small();
    assert_true(last_bay == 82);
    channel_close(other, NULL);
    turn();
    welcome(0);
    turn();
    assert_int_equal(ncommits, 2);
    assert_true(last_bay == 0 && last_length == 0 && last_body > 0);
    committed(FATE_DONE, false);
    said("250 2.0.0");
    munmap(bay, BAY_BYTES);
}

static void a_bay_that_is_none_costs_the_queue_its_channel(void **state)
{
    int fd = memfd_create("small", MFD_CLOEXEC);

    (void)state;
    welcome(0);
    assert_int_equal(ftruncate(fd, 4096), 0);
    channel_send_msg_bay(other, &(struct msg_bay){ 1 }, fd);
    turn();
    assert_null(commits.bay.p);
    assert_null(commits.queue);
    close(fd);
}

static void a_session_waits_for_a_file_and_gives_back_what_it_does_not_need(void **state)
{
    int fd;

    (void)state;
    welcome(0);
    feed_large();
    assert_int_equal(w.s.wait, WAIT_FILE);
    fd = lend_file(42);
    assert_int_equal(w.s.wait, WAIT_CLIENT);
    script_feed(&w, SLICE_LIT("bare\nline\r\n.\r\n"));
    said("550 5.6.0");
    turn();
    assert_int_equal(lent_back, 1);
    close(fd);
}

static void a_file_that_never_comes_is_asked_for_again(void **state)
{
    unsigned before;
    int fd;

    (void)state;
    welcome(0);
    feed_large();
    turn();
    before = lend_more;         /* the queue could not lend, and says nothing about it */
    w.server.mono += LEND_PATIENCE;
    commits_tick(&commits);
    turn();
    assert_int_equal(lend_more, before);
    w.server.mono += 1;
    commits_tick(&commits);
    turn();
    assert_int_equal(lend_more, before + COMMIT_STOCK + 1);
    fd = lend_file(44);
    assert_int_equal(w.s.wait, WAIT_CLIENT);
    close(fd);
}

static void however_many_wait_as_many_files_as_can_be_kept_are_asked_for(void **state)
{
    (void)state;
    welcome(0);
    commits.nwanting = 1000;
    feed_large();
    turn();
    assert_int_equal(lend_more, COMMIT_STOCK_MAX - COMMIT_FIRST);
    commits.nwanting -= 1000;
}

static void a_file_too_many_goes_back(void **state)
{
    (void)state;
    welcome(0);
    for (uint64_t i = 1; i <= COMMIT_STOCK_MAX; i++)
        close(lend_file(i));
    assert_int_equal(lent_back, 0);
    close(lend_file(1000));
    turn();
    assert_int_equal(lent_back, 1);
    assert_non_null(commits.queue);
}

static void files_of_a_dead_queue_are_worthless(void **state)
{
    int fd;

    (void)state;
    welcome(0);
    fd = lend_file(43);
    feed_large();
    channel_close(other, NULL);
    turn();
    assert_int_equal(commits.nstock, 0);
    welcome(0);
    script_feed(&w, SLICE_LIT(".\r\n"));
    said("451 4.3.0");
    assert_int_equal(ncommits, 0);
    close(fd);
}

static void a_queue_that_talks_nonsense_loses_its_channel(void **state)
{
    (void)state;
    welcome(0);
    channel_send_msg_welcome(other, &(struct msg_welcome){ 0 }, -1);
    turn();
    turn();
    assert_null(commits.queue);
    assert_int_equal(gone_count, 1);
}

static void lookup_is_asked_again_after_it_died(void **state)
{
    uint64_t ticket;

    (void)state;
    welcome(0);
    w.s.listen = &conf->listens[0];
    asks_lookup(&asks, peer_new(ROLE_LOOKUP));
    script_feed(&w, SLICE_LIT("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@ours.example>\r\n"));
    said("250 2.1.0");
    turn();
    assert_int_equal(nresolves, 1);
    ticket = last_ticket;
    channel_close(other, NULL);
    turn();
    assert_null(asks.lookup);
    asks_lookup(&asks, peer_new(ROLE_LOOKUP));
    turn();
    assert_int_equal(nresolves, 2);
    assert_true(last_ticket == ticket);
    channel_send_msg_resolved(other, &(struct msg_resolved){
        .ticket = ticket, .fate = FATE_NEVER }, -1);
    channel_send_msg_resolved(other, &(struct msg_resolved){
        .ticket = ticket, .fate = FATE_DONE }, -1);
    turn();
    said("550 5.1.1");
    assert_int_equal(asks.by_ticket.n, 0);
}

static void an_answer_for_a_session_that_left_is_thrown_away(void **state)
{
    (void)state;
    welcome(0);
    w.s.listen = &conf->listens[0];
    asks_lookup(&asks, peer_new(ROLE_LOOKUP));
    script_feed(&w, SLICE_LIT("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@ours.example>\r\n"));
    turn();
    w.s.number++;
    channel_send_msg_resolved(other, &(struct msg_resolved){
        .ticket = last_ticket, .fate = FATE_DONE }, -1);
    turn();
    assert_int_equal(asks.by_ticket.n, 0);
    assert_non_null(w.s.tx->first);
    script_feed(&w, SLICE_LIT("RCPT TO:<d@ours.example>\r\n"));
    w.server.mono += 2 * WORLD_PATIENCE + 1;
    asks_tick(&asks);
    assert_int_equal(asks.by_ticket.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_waits_for_the_queue_and_its_answer, begin, end),
        cmocka_unit_test_setup_teardown(later_and_full_are_not_done, begin, end),
        cmocka_unit_test_setup_teardown(ids_start_above_the_queues_floor, begin, end),
        cmocka_unit_test_setup_teardown(a_new_queue_is_asked_again_under_the_same_name, begin, end),
        cmocka_unit_test_setup_teardown(a_queue_that_never_answers_means_later, begin, end),
        cmocka_unit_test_setup_teardown(several_messages_of_one_session_are_under_way, begin, end),
        cmocka_unit_test_setup_teardown(a_new_queue_is_asked_for_all_of_them_oldest_first, begin, end),
        cmocka_unit_test_setup_teardown(a_session_may_leave_with_several_under_way, begin, end),
        cmocka_unit_test_setup_teardown(several_that_are_never_answered_mean_later, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_at_mail, begin, end),
        cmocka_unit_test_setup_teardown(a_session_may_leave_while_it_waits, begin, end),
        cmocka_unit_test_setup_teardown(a_large_body_travels_in_a_lent_file, begin, end),
        cmocka_unit_test_setup_teardown(a_medium_body_lies_in_the_bay_until_the_queue_answers, begin, end),
        cmocka_unit_test_setup_teardown(a_slot_is_the_queues_until_it_answers_whoever_has_left, begin, end),
        cmocka_unit_test_setup_teardown(what_lies_in_the_bay_of_a_dead_queue_is_asked_for_by_its_old_name, begin, end),
        cmocka_unit_test_setup_teardown(a_small_body_goes_over_the_shelf, begin, end),
        cmocka_unit_test_setup_teardown(what_lay_on_the_shelf_of_a_dead_queue_is_told_again_whole,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_bay_that_is_none_costs_the_queue_its_channel, begin, end),
        cmocka_unit_test_setup_teardown(a_session_waits_for_a_file_and_gives_back_what_it_does_not_need,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_never_comes_is_asked_for_again, begin, end),
        cmocka_unit_test_setup_teardown(however_many_wait_as_many_files_as_can_be_kept_are_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(a_file_too_many_goes_back, begin, end),
        cmocka_unit_test_setup_teardown(files_of_a_dead_queue_are_worthless, begin, end),
        cmocka_unit_test_setup_teardown(a_queue_that_talks_nonsense_loses_its_channel, begin, end),
        cmocka_unit_test_setup_teardown(lookup_is_asked_again_after_it_died, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_for_a_session_that_left_is_thrown_away, begin, end),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    conf_free(conf);
    return failed;
}
