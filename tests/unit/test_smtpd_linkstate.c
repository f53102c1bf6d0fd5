/* test_smtpd_linkstate.c - X-LINK2STATE: what the queue is asked, and how its answers are said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "smtpd/linkstate.h"
#include "smtpd_play.h"

static struct {
    char     payload[4000];
    uint64_t ticket;
    bool     deaf;
} queue;

static uint64_t world_linkstate(void *ctx, struct session *s, struct slice payload)
{
    (void)ctx;
    (void)s;
    snprintf(queue.payload, sizeof queue.payload, "%.*s", SLICE(payload));
    return queue.deaf ? 0 : ++queue.ticket;
}

/* begin_granted - a session of a neighbour, behind EHLO */

static void begin_granted(struct script *w)
{
    static struct world world;

    begin(w, "10.0.0.1");
    world = scripted_world;
    world.linkstate = world_linkstate;
    queue.deaf = false;
    w->server.world = &world;
    play(w, "start", HELLO);
    w->s.granted |= FEATURE(LINK2STATE);
}

static void answered(struct script *w, enum fate fate, struct slice answer)
{
    session_linkstate(&w->s, queue.ticket, fate, answer);
    script_go(w);
}

static void says(struct script *w, const char *line, const char *reply)
{
    script_feed(w, slice_cstr(line));
    expect(w, line, reply);
}

static void the_queue_is_asked_for_whole_payloads_only(void **state)
{
    struct script w;

    (void)state;
    begin_granted(&w);
    says(&w, "X-LINK2STATE FIRST CHUNK={00000003} one\r\n", "200 NEXT");
    says(&w, "X-LINK2STATE CHUNK={00000003} two\r\n", "200 NEXT");
    script_feed(&w, SLICE_LIT("X-LINK2STATE LAST CHUNK={00000005} three\r\n"));
    assert_string_equal(queue.payload, "onetwothree");
    assert_int_equal(w.s.wait, WAIT_ANSWER);
    answered(&w, FATE_DONE, SLICE_LIT("DONE"));
    expect(&w, "the answer", "200 LAST CHUNK={00000004} DONE");
    script_end(&w);
}

static void a_long_answer_comes_in_pieces(void **state)
{
    char text[1000];
    struct script w;

    (void)state;
    memset(text, 'x', sizeof text);
    begin_granted(&w);
    says(&w, "X-LINK2STATE LAST CHUNK={00000004} MORE\r\n", "503");
    script_feed(&w, SLICE_LIT("X-LINK2STATE LAST CHUNK={00000001} x\r\n"));
    answered(&w, FATE_DONE, slice_of(text, sizeof text));
    expect(&w, "1", "200 FIRST CHUNK={000001c2} xxx");
    says(&w, "X-LINK2STATE LAST CHUNK={00000004} MORE\r\n", "200 NEXT CHUNK={000001c2} xxx");
    says(&w, "X-LINK2STATE LAST CHUNK={00000004} MORE\r\n", "200 LAST CHUNK={00000064} xxx");
    says(&w, "X-LINK2STATE LAST CHUNK={00000004} MORE\r\n", "503");
    script_end(&w);
}

static void every_fate_has_its_reply(void **state)
{
    struct script w;

    (void)state;
    begin_granted(&w);
    script_feed(&w, SLICE_LIT("X-LINK2STATE LAST CHUNK={00000001} x\r\n"));
    answered(&w, FATE_NEVER, (struct slice){ 0 });
    expect(&w, "never", "501 5.5.4");
    script_feed(&w, SLICE_LIT("X-LINK2STATE LAST CHUNK={00000001} x\r\n"));
    answered(&w, FATE_LATER, (struct slice){ 0 });
    expect(&w, "later", "451 4.3.0");
    queue.deaf = true;
    says(&w, "X-LINK2STATE LAST CHUNK={00000001} x\r\n", "451 4.3.0");
    queue.deaf = false;
    script_feed(&w, SLICE_LIT("X-LINK2STATE LAST CHUNK={00000001} x\r\n"));
    w.server.mono += WORLD_PATIENCE + 1;
    session_tick(&w.s);
    expect(&w, "silence", "451 4.3.0");
    answered(&w, FATE_DONE, SLICE_LIT("DONE"));       /* too late: says nothing */
    says(&w, "NOOP\r\n", "250");
    script_end(&w);
}

static void what_was_begun_ends_with_the_session(void **state)
{
    struct script w;

    (void)state;
    begin_granted(&w);
    says(&w, "X-LINK2STATE FIRST CHUNK={00000003} one\r\n", "200 NEXT");
    session_renew(&w.s);
    play(&w, "anew", HELLO);
    w.s.granted |= FEATURE(LINK2STATE);
    says(&w, "X-LINK2STATE NEXT CHUNK={00000003} one\r\n", "503");
    script_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_is_asked_for_whole_payloads_only),
        cmocka_unit_test(a_long_answer_comes_in_pieces),
        cmocka_unit_test(every_fate_has_its_reply),
        cmocka_unit_test(what_was_begun_ends_with_the_session),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
