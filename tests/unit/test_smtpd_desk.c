/* test_smtpd_desk.c - real connections that change hands: turned over to the queue, and
 * adopted from it; and those behind a load balancer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include "smtpd/balancer.h"
#include "smtpd/desk.h"
#include "smtpd/logins.h"
#include "smtpd_peer.h"
#include "smtpd_world.h"

static struct conf   *conf;
static struct smtpd   d;

/* What the queue heard. */
static unsigned kicks, asks_heard, overs, goes;
static uint64_t last_ticket;
static char     last_name[300], last_host[300];
static int      got = -1;

static bool on_frame(struct channel *c, uint32_t type, struct wire *in, int *fd)
{
    struct msg_kick kick;
    struct msg_turn_ask ask;
    struct msg_turn_go go;
    struct msg_turn_over over;

    (void)c;
    switch (type) {
    case MSG_KICK:
        assert_true(msg_kick_get(in, &kick));
        snprintf(last_name, sizeof last_name, "%.*s", SLICE(kick.name));
        last_ticket = kick.ticket;
        kicks++;
        return true;
    case MSG_TURN_ASK:
        assert_true(msg_turn_ask_get(in, &ask));
        snprintf(last_name, sizeof last_name, "%.*s", SLICE(ask.account));
        last_ticket = ask.ticket;
        asks_heard++;
        return true;
    case MSG_TURN_GO:
        assert_true(msg_turn_go_get(in, &go));
        assert_true(go.ticket == last_ticket && *fd >= 0);
        snprintf(last_host, sizeof last_host, "%.*s", SLICE(go.host));
        got = *fd;
        *fd = -1;
        goes++;
        return true;
    case MSG_TURN_OVER:
        assert_true(msg_turn_over_get(in, &over));
        overs++;
        return true;
    case MSG_LEND_MORE: case MSG_LEND_BACK:
        return true;
    default:
        return false;
    }
}

static uint64_t kick(void *ctx, struct session *s, unsigned kind, struct slice name)
{
    (void)s;
    return desk_kick(ctx, kind, name);
}

static uint64_t turn_ask(void *ctx, struct session *s, uint32_t ndomains, struct slice domains)
{
    return desk_turn(ctx, s, ndomains, domains);
}

static enum room no_room(void *ctx)
{
    (void)ctx;
    return ROOM_UNKNOWN;
}

static const struct world desk_world = { .kick = kick, .turn = turn_ask, .room = no_room };

static struct slice number_of(const void *member)
{
    const struct client *c = member;

    return slice_of((const char *)&c->session.number, sizeof c->session.number);
}

static void go(struct session *s)
{
    client_go(client_of(s));
}

static void nothing(void *user)
{
    (void)user;
}

static bool from_queue(void *user, struct channel *queue, uint32_t type, struct wire *w, int *fd)
{
    return desk_receive(user, queue, type, w, fd);
}

static int begin(void **state)
{
    static const struct log_conf quiet = { .to = LOG_TO_STDERR, .level = LOG_ALARM + 1, .process = "test" };

    (void)state;
    log_setup(&quiet);
    if (conf == NULL)
        conf = world_conf_parse();
    child = (struct child){ .loop = uv_default_loop(), .slot = 7, .conf = conf };
    d = (struct smtpd){ .child = &child, .server = { .conf = conf, .world = &desk_world, .ctx = &d },
                        .by_number = MAP(number_of) };
    list_init(&d.clients);
    server_now(&d.server);
    commits_begin(&d.commits, &child, &d.server, go, nothing, nothing, &d);
    d.commits.other = from_queue;
    commits_queue(&d.commits, peer_new(ROLE_QUEUE));
    kicks = asks_heard = overs = goes = 0;
    got = -1;
    return 0;
}

static int end(void **state)
{
    (void)state;
    channel_close(d.commits.queue, NULL);
    turn();
    map_free(&d.by_number);
    map_free(&d.commits.by_id);
    if (got >= 0)
        close(got);
    return 0;
}

/* connected - two ends of a TCP connection */

static void connected(int ends[2])
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(ends[0], (struct sockaddr *)&at, sizeof at), 0);
    setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    ends[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(ends[1] >= 0);
    close(listener);
}

/* hear - all that has come by now */

static const char *hear(int fd)
{
    static char text[8192];
    ssize_t n;

    turn();
    n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    turn();
}

/* visit - a client that has logged in as `branch` */

static struct client *visit(int ends[2])
{
    struct ip peer = { .family = 4, .bytes = { 192, 0, 2, 9 } };
    struct client *c;

    connected(ends);
    client_new(&d, &conf->listens[0], ends[1], &peer, NULL);
    assert_non_null(strstr(hear(ends[0]), "220 mx.ours.example"));
    say(ends[0], "EHLO c.example\r\n");
    hear(ends[0]);
    c = LIST_OWNER(d.clients.next, struct client, link);
    c->session.account = slice_cstr(strdup("branch"));
    session_grants(&c->session);
    return c;
}

static void leave(int fd)
{
    close(fd);
    turn();
    assert_int_equal(d.nclients, 0);
}

static void etrn_goes_to_the_queue_and_comes_back(void **state)
{
    int ends[2];

    (void)state;
    visit(ends);
    say(ends[0], "ETRN branch.example\r\n");
    turn();
    assert_int_equal(kicks, 1);
    assert_string_equal(last_name, "branch.example");
    channel_send_msg_kicked(other, &(struct msg_kicked){ .ticket = last_ticket + 1, .fate = FATE_DONE, .count = 9 }, -1);
    assert_string_equal(hear(ends[0]), "");
    channel_send_msg_kicked(other, &(struct msg_kicked){ .ticket = last_ticket, .fate = FATE_DONE, .count = 3 }, -1);
    assert_string_equal(hear(ends[0]), "253 2.0.0 OK, 3 pending messages started\r\n");
    leave(ends[0]);
}

static void answer(enum fate fate, uint64_t count)
{
    channel_send_msg_turn_answer(other, &(struct msg_turn_answer){ .ticket = last_ticket, .fate = (uint8_t)fate, .count = count }, -1);
    turn();
}

static void a_turned_connection_is_the_queues(void **state)
{
    int ends[2];

    (void)state;
    visit(ends);
    say(ends[0], "ATRN\r\n");
    assert_int_equal(asks_heard, 1);
    assert_string_equal(last_name, "branch");
    answer(FATE_DONE, 2);
    assert_string_equal(hear(ends[0]), "250 2.0.0 OK now reversing the connection\r\n");
    assert_int_equal(goes, 1);
    assert_string_equal(last_host, "c.example [192.0.2.9]");
    assert_int_equal(d.nclients, 0);
    assert_int_equal(overs, 0);
    say(ends[0], "220 c.example\r\n");
    assert_string_equal(hear(got), "220 c.example\r\n");
    assert_int_equal(send(got, "EHLO mx\r\n", 9, 0), 9);
    assert_string_equal(hear(ends[0]), "EHLO mx\r\n");
    close(ends[0]);
}

static void what_is_said_too_early_stops_the_turn(void **state)
{
    int ends[2];

    (void)state;
    visit(ends);
    say(ends[0], "TURN\r\n");
    say(ends[0], "220 c.example\r\n");
    answer(FATE_DONE, 2);
    assert_non_null(strstr(hear(ends[0]), "554 5.5.0"));
    assert_int_equal(overs, 1);
    assert_int_equal(goes, 0);
    leave(ends[0]);
}

static void a_client_that_left_meanwhile_is_no_turn(void **state)
{
    int ends[2];

    (void)state;
    visit(ends);
    say(ends[0], "ATRN branch.example\r\n");
    close(ends[0]);
    for (int i = 0; i < 5; i++)
        turn();
    answer(FATE_DONE, 2);
    for (int i = 0; i < 5; i++)
        turn();
    assert_int_equal(goes, 0);
    assert_int_equal(overs, 1);
    assert_int_equal(d.nclients, 0);
}

static void an_adopted_connection_is_greeted_as_a_stranger(void **state)
{
    int ends[2];

    (void)state;
    connected(ends);
    channel_send_msg_adopt(other, &(struct msg_adopt){ .host = SLICE_LIT("provider.example [127.0.0.1]:366") }, ends[1]);
    close(ends[1]);
    assert_string_equal(hear(ends[0]), "220 mx.ours.example ESMTP Postrider\r\n");
    say(ends[0], "EHLO provider.example\r\n");
    assert_non_null(strstr(hear(ends[0]), "250 ENHANCEDSTATUSCODES"));
    assert_false(LIST_OWNER(d.clients.next, struct client, link)->session.trusted);
    say(ends[0], "QUIT\r\n");
    hear(ends[0]);
    leave(ends[0]);
}

static void behind_a_balancer_stands_somebody_else(void **state)
{
    struct ip peer = { .family = 4, .bytes = { 127, 0, 0, 1 } };
    static const char line[] = "PROXY TCP4 10.1.2.3 192.0.2.1 56324 25\r\n";
    struct client *c;
    int ends[2];

    (void)state;
    connected(ends);
    balancer_new(&d, &conf->listens[0], ends[1], &peer);
    for (size_t i = 0; line[i] != '\0'; i++) {
        char octet[2] = { line[i], '\0' };

        assert_string_equal(hear(ends[0]), "");
        say(ends[0], octet);
    }
    assert_non_null(strstr(hear(ends[0]), "220 "));
    c = LIST_OWNER(d.clients.next, struct client, link);
    assert_true(c->session.trusted);
    assert_int_equal(c->session.client.bytes[0], 10);
    assert_int_equal(c->session.peer.bytes[0], 10);     /* what the balancer may is not its clients' */
    leave(ends[0]);
}

static void a_balancer_that_says_something_else_is_left(void **state)
{
    static const char *const lines[] = { "EHLO x\r\n", "PROXY TCP4 1.2.3.4\r\n", "\r\n\r\nQUIT" };
    struct ip peer = { .family = 4, .bytes = { 127, 0, 0, 1 } };
    char octet;
    int ends[2];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        connected(ends);
        balancer_new(&d, &conf->listens[0], ends[1], &peer);
        say(ends[0], lines[i]);
        turn();
        assert_true(recv(ends[0], &octet, 1, MSG_DONTWAIT) <= 0);
        close(ends[0]);
    }
    connected(ends);
    balancer_new(&d, &conf->listens[0], ends[1], &peer);
    close(ends[0]);         /* and one that leaves without a word */
    turn();
    assert_int_equal(d.nclients, 0);
}

static unsigned gone_on;

static void count_go(struct session *s)
{
    (void)s;
    gone_on++;
}

/* to_vault - a channel to somebody who is called so and says nothing */

static struct channel *to_vault(int *far)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    *far = ends[1];
    return channel_new(child.loop, ends[0], ROLE_SMTPD, ROLE_VAULT, 0, on_frame, on_gone, NULL);
}

/* The channel to the vault that died may be told of after the one to its successor. */

static void logins_of_a_vault_that_was_replaced_are_over(void **state)
{
    int ends[2], far[2];
    struct channel *first = to_vault(&far[0]), *second = to_vault(&far[1]);
    struct client *c = visit(ends);
    struct logins logins;
    uint64_t ticket;

    (void)state;
    gone_on = 0;
    logins_begin(&logins, &d.server, count_go);
    logins_vault(&logins, first);
    ticket = logins_open(&logins, &c->session, SLICE_LIT("LOGIN"), 0, false, (struct slice){ 0 });
    assert_true(logins_step(&logins, ticket, SLICE_LIT("alice")));
    logins_vault(&logins, second);
    assert_false(logins_step(&logins, ticket, SLICE_LIT("secret")));
    assert_int_equal(gone_on, 1);
    assert_int_equal(logins.open.n, 0);
    assert_ptr_equal(logins.vault, second);
    channel_close(first, NULL);
    channel_close(second, NULL);
    close(far[0]);
    close(far[1]);
    map_free(&logins.open);
    leave(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(etrn_goes_to_the_queue_and_comes_back, begin, end),
        cmocka_unit_test_setup_teardown(a_turned_connection_is_the_queues, begin, end),
        cmocka_unit_test_setup_teardown(what_is_said_too_early_stops_the_turn, begin, end),
        cmocka_unit_test_setup_teardown(a_client_that_left_meanwhile_is_no_turn, begin, end),
        cmocka_unit_test_setup_teardown(an_adopted_connection_is_greeted_as_a_stranger, begin, end),
        cmocka_unit_test_setup_teardown(behind_a_balancer_stands_somebody_else, begin, end),
        cmocka_unit_test_setup_teardown(a_balancer_that_says_something_else_is_left, begin, end),
        cmocka_unit_test_setup_teardown(logins_of_a_vault_that_was_replaced_are_over, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
