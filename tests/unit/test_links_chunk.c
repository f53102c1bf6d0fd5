/* test_links_chunk.c - X-LINK2STATE's lines: labels, lengths, order, both sides of an exchange. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "links/talk.h"

static void only_exact_chunks_are_chunks(void **state)
{
    static const struct { const char *in; enum chunk_result result; enum chunk_label label;
                          const char *data; } cases[] = {
        { "LAST CHUNK={00000004} DONE", CHUNK_MORE, CHUNK_LAST, "DONE" },
        { "FIRST CHUNK={00000004} DONE", CHUNK_MORE, CHUNK_FIRST, "DONE" },
        { "next chunk={00000004} DONE", CHUNK_MORE, CHUNK_NEXT, "DONE" },
        { "CHUNK={00000004} DONE", CHUNK_MORE, CHUNK_BARE, "DONE" },
        { "LAST CHUNK={0000000a} a b  c   d", CHUNK_MORE, CHUNK_LAST, "a b  c   d" },
        { "LAST CHUNK={0000000A} a b  c   d", CHUNK_MORE, CHUNK_LAST, "a b  c   d" },
        { "LAST CHUNK={00000002}  x", CHUNK_MORE, CHUNK_LAST, " x" },
        /* a length that is not that of the data */
        { "LAST CHUNK={00000003} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={00000005} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={ffffffff} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={80000004} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={00000000} ", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={00000000}", CHUNK_SYNTAX, 0, NULL },
        /* not eight hexadecimal digits in braces */
        { "LAST CHUNK={4} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={000000004} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={0000000g} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={-0000004} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={0x000004} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK=00000004 DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK=(00000004) DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={00000004}DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={00000004", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={", CHUNK_SYNTAX, 0, NULL },
        /* other labels, and none of the rest */
        { "LASTCHUNK={00000004} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST  CHUNK={00000004} DONE", CHUNK_SYNTAX, 0, NULL },
        { "MIDDLE CHUNK={00000004} DONE", CHUNK_SYNTAX, 0, NULL },
        { "FIRST LAST CHUNK={00000004} DONE", CHUNK_SYNTAX, 0, NULL },
        { "LAST", CHUNK_SYNTAX, 0, NULL },
        { "", CHUNK_SYNTAX, 0, NULL },
        /* octets that may not be */
        { "LAST CHUNK={00000004} DO\tE", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={00000004} DO\x7f" "E", CHUNK_SYNTAX, 0, NULL },
        { "LAST CHUNK={00000004} DO\xc3" "E", CHUNK_SYNTAX, 0, NULL },
    };
    struct chunk_line c;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (chunk_parse(slice_cstr(cases[i].in), &c) != cases[i].result)
            fail_msg("%s", cases[i].in);
        if (cases[i].result != CHUNK_MORE)
            continue;
        assert_int_equal(c.label, cases[i].label);
        assert_true(slice_eq(c.data, slice_cstr(cases[i].data)));
    }
}

/* chunk_of - a chunk with n octets of data; label may be "" */

static struct slice chunk_of(const char *label, size_t n, char fill)
{
    static char text[2048];
    int head = snprintf(text, sizeof text, "%s%sCHUNK={%08zx} ", label, label[0] ? " " : "", n);

    memset(text + head, fill, n);
    return slice_of(text, (size_t)head + n);
}

static void a_line_has_at_most_1024_octets(void **state)
{
    size_t room = CHUNK_LINE - 2 - (sizeof "X-LINK2STATE LAST CHUNK={00000000} " - 1);
    struct chunk_line c;

    (void)state;
    assert_int_equal(chunk_parse(chunk_of("LAST", room, 'x'), &c), CHUNK_MORE);
    assert_int_equal(chunk_parse(chunk_of("LAST", room + 1, 'x'), &c), CHUNK_TOO_LONG);
    assert_int_equal(chunk_parse(chunk_of("FIRST", CHUNK_DATA, 'x'), &c), CHUNK_MORE);
}

static void cve_2005_0560_an_unlabelled_chunk_over_520_octets_is_refused_anywhere(void **state)
{
    struct chunk_in in = { 0 };
    struct slice whole;

    (void)state;
    assert_int_equal(chunk_take(&in, chunk_of("", 521, 'A'), &whole), CHUNK_TOO_LONG);
    assert_int_equal(chunk_take(&in, chunk_of("", 980, 'A'), &whole), CHUNK_TOO_LONG);
    assert_int_equal(chunk_take(&in, chunk_of("", 520, 'A'), &whole), CHUNK_ORDER);
    assert_int_equal(chunk_take(&in, chunk_of("FIRST", 600, 'A'), &whole), CHUNK_MORE);
    assert_int_equal(chunk_take(&in, chunk_of("", 520, 'A'), &whole), CHUNK_MORE);
    assert_int_equal(chunk_take(&in, chunk_of("", 521, 'A'), &whole), CHUNK_TOO_LONG);
    assert_int_equal(chunk_code(CHUNK_TOO_LONG), 501);
    chunk_in_free(&in);
}

static void chunks_come_in_their_order(void **state)
{
    /* F, N, L and B (bare) are good chunks, x is a bad one without label, X a bad
     * LAST; m: more, w: whole, o: out of order, s: syntax */
    static const struct { const char *sent, *results; } cases[] = {
        { "L", "w" }, { "LL", "ww" }, { "FL", "mw" }, { "FNNL", "mmmw" }, { "FBBL", "mmmw" },
        { "FNBL", "mmmw" }, { "FFFL", "mmmw" }, { "FNFL", "mmmw" },
        { "N", "o" }, { "B", "o" }, { "NL", "oo" }, { "NLL", "oow" }, { "BNL", "ooo" },
        { "BFL", "omw" }, { "FLN", "mwo" }, { "FLNLL", "mwoow" }, { "LNL", "woo" },
        { "FxNL", "msoo" }, { "FxNLL", "msoow" }, { "FxFL", "msmw" }, { "FXL", "msw" },
        { "xL", "so" }, { "XL", "sw" }, { "xLL", "sow" },
    };
    static const char *const sent[] = {
        ['F'] = "FIRST CHUNK={00000001} f", ['N'] = "NEXT CHUNK={00000001} n",
        ['L'] = "LAST CHUNK={00000001} l", ['B'] = "CHUNK={00000001} b",
        ['x'] = "CHUNK={00000002} b", ['X'] = "LAST CHUNK={00000002} l",
    };
    static const enum chunk_result results[] = {
        ['m'] = CHUNK_MORE, ['w'] = CHUNK_WHOLE, ['o'] = CHUNK_ORDER, ['s'] = CHUNK_SYNTAX };
    struct slice whole;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct chunk_in in = { 0 };

        for (size_t j = 0; cases[i].sent[j] != '\0'; j++)
            if (chunk_take(&in, slice_cstr(sent[(int)cases[i].sent[j]]), &whole)
                != results[(int)cases[i].results[j]])
                fail_msg("%s at %zu", cases[i].sent, j);
        chunk_in_free(&in);
    }
}

static void first_forgets_what_came_before(void **state)
{
    struct chunk_in in = { 0 };
    struct slice whole;

    (void)state;
    chunk_take(&in, SLICE_LIT("FIRST CHUNK={00000004} old1"), &whole);
    chunk_take(&in, SLICE_LIT("NEXT CHUNK={00000004} old2"), &whole);
    chunk_take(&in, SLICE_LIT("FIRST CHUNK={00000003} new"), &whole);
    assert_int_equal(chunk_take(&in, SLICE_LIT("LAST CHUNK={00000001} !"), &whole), CHUNK_WHOLE);
    assert_true(slice_eq(whole, SLICE_LIT("new!")));
    assert_int_equal(chunk_take(&in, SLICE_LIT("LAST CHUNK={00000001} ?"), &whole), CHUNK_WHOLE);
    assert_true(slice_eq(whole, SLICE_LIT("?")));
    chunk_in_free(&in);
}

/* flood - how many chunks of n octets are taken until one is refused, and how */

static unsigned flood(size_t n, enum chunk_result *refusal)
{
    struct chunk_in in = { 0 };
    struct slice whole;
    unsigned count = 0;

    *refusal = chunk_take(&in, chunk_of("FIRST", n, 'x'), &whole);
    while (*refusal == CHUNK_MORE) {
        count++;
        *refusal = chunk_take(&in, chunk_of("NEXT", n, 'x'), &whole);
    }
    assert_int_equal(chunk_take(&in, chunk_of("NEXT", n, 'x'), &whole), CHUNK_ORDER);
    assert_true(in.buf.n == 0);
    chunk_in_free(&in);
    return count;
}

static void a_transfer_is_bounded_in_octets_and_chunks(void **state)
{
    enum chunk_result refusal;

    (void)state;
    assert_int_equal(flood(1, &refusal), CHUNK_COUNT);
    assert_int_equal(refusal, CHUNK_TOO_BIG);
    assert_int_equal(flood(CHUNK_DATA, &refusal), CHUNK_TOTAL / CHUNK_DATA);
    assert_int_equal(refusal, CHUNK_TOO_BIG);
    assert_int_equal(chunk_code(CHUNK_TOO_BIG), 552);
    assert_int_equal(chunk_code(CHUNK_ORDER), 503);
}

/* ---------------------------------------------------------- both sides -- */

static char *payload_of(size_t n)
{
    char *p = malloc(n + 1);

    for (size_t i = 0; i < n; i++)
        p[i] = (char)(' ' + (i * 7 + i / 95) % 95);
    return p;
}

/* exchange - client sends `sent`, the owner behind the server answers `answer`;
 * how many commands it took. What each side got must be what the other gave. */

static unsigned exchange(struct talk_client *c, struct talk_server *s, struct slice sent,
                         struct slice answer)
{
    struct buf line = BUF(CHUNK_LINE), reply = BUF(490);
    enum talk_client_next next = TALK_SEND;
    struct slice got = { 0 };
    struct talk_turn turn;
    unsigned commands = 0;

    talk_begin(c, sent, &line);
    while (next == TALK_SEND) {
        struct slice command = buf_view(&line);

        commands++;
        assert_false(line.full || reply.full);
        assert_true(slice_istarts(command, SLICE_LIT("X-LINK2STATE ")));
        assert_true(slice_trim(command).n == command.n - 2);     /* no blanks at the end */
        turn = talk_heard(s, slice_trim(slice_from(command, 13)), &reply);
        if (turn.next == TALK_ASK) {
            assert_true(slice_eq(turn.payload, sent));
            turn = talk_answer(s, answer, &reply);
        }
        assert_int_equal(turn.code, 200);
        buf_clear(&line);
        next = talk_replied(c, turn.code, turn.text, &line, &got);
    }
    assert_int_equal(next, TALK_DONE);
    assert_true(slice_eq(got, answer));
    buf_free(&line);
    buf_free(&reply);
    return commands;
}

static void an_exchange_carries_payloads_of_every_length(void **state)
{
    static const size_t lengths[] = { 1, 4, CHUNK_DATA - 1, CHUNK_DATA, CHUNK_DATA + 1,
                                      2 * CHUNK_DATA, 5000, CHUNK_TOTAL };
    enum { N = sizeof lengths / sizeof lengths[0] };
    struct talk_client c = { 0 };
    struct talk_server s = { 0 };

    (void)state;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            char *a = payload_of(lengths[i]), *b = payload_of(lengths[j]);
            size_t chunks = (lengths[i] + CHUNK_DATA - 1) / CHUNK_DATA
                          + (lengths[j] + CHUNK_REPLY - 1) / CHUNK_REPLY - 1;

            a[lengths[i] - 1] = b[lengths[j] - 1] = '.';
            assert_in_range(exchange(&c, &s, slice_of(a, lengths[i]), slice_of(b, lengths[j])),
                            chunks, chunks + 2 + chunks / 90);
            free(a);
            free(b);
        }
    talk_client_free(&c);
    talk_server_free(&s);
}

static void the_server_refuses_with_a_code_for_each_fault(void **state)
{
    static const struct { const char *said; unsigned code; } cases[] = {
        { "LAST CHUNK={00000004} MORE", 503 },
        { "NEXT CHUNK={00000004} MORE", 503 },
        { "FIRST CHUNK={00000001} x", 200 },
        { "rubbish", 501 },
        { "LAST CHUNK={00000001} x", 503 },
    };
    struct talk_server s = { 0 };
    struct buf line = BUF(CHUNK_LINE);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(talk_heard(&s, slice_cstr(cases[i].said), &line).code, cases[i].code);
    assert_int_equal(talk_heard(&s, SLICE_LIT("LAST CHUNK={00000001} x"), &line).next, TALK_ASK);
    assert_int_equal(talk_answer(&s, SLICE_LIT(""), &line).code, 451);
    talk_server_free(&s);
    buf_free(&line);
}

static void the_client_gives_up_at_nonsense(void **state)
{
    static const struct { unsigned code; const char *text; } cases[] = {
        { 500, "What?" }, { 530, "Authentication required" }, { 503, "Not now" },
        { 200, "NEXT" }, { 200, "" }, { 200, "LAST CHUNK={00000005} DONE" },
        { 200, "NEXT CHUNK={00000004} DONE" }, { 250, "LAST CHUNK={00000004} DONE" },
        { 200, "CHUNK={00000004} DONE" },
    };
    struct slice answer;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct talk_client c = { 0 };
        struct buf line = BUF(CHUNK_LINE);

        talk_begin(&c, SLICE_LIT("DIGEST"), &line);
        assert_int_equal(talk_replied(&c, cases[i].code, slice_cstr(cases[i].text), &line, &answer),
                         TALK_FAILED);
        assert_int_equal(talk_replied(&c, 200, SLICE_LIT("LAST CHUNK={00000004} DONE"), &line,
                                      &answer), TALK_FAILED);
        talk_client_free(&c);
        buf_free(&line);
    }
}

static void a_server_that_never_ends_is_left(void **state)
{
    struct talk_client c = { 0 };
    struct buf line = BUF(CHUNK_LINE);
    const char *said = "FIRST CHUNK={00000001} x";
    struct slice answer;
    unsigned rounds = 0;

    (void)state;
    talk_begin(&c, SLICE_LIT("DIGEST"), &line);
    while (talk_replied(&c, 200, slice_cstr(said), &line, &answer) == TALK_SEND) {
        buf_clear(&line);
        said = "NEXT CHUNK={00000001} x";
        rounds++;
    }
    assert_int_equal(rounds, CHUNK_COUNT);
    talk_client_free(&c);
    buf_free(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_exact_chunks_are_chunks),
        cmocka_unit_test(a_line_has_at_most_1024_octets),
        cmocka_unit_test(cve_2005_0560_an_unlabelled_chunk_over_520_octets_is_refused_anywhere),
        cmocka_unit_test(chunks_come_in_their_order),
        cmocka_unit_test(first_forgets_what_came_before),
        cmocka_unit_test(a_transfer_is_bounded_in_octets_and_chunks),
        cmocka_unit_test(an_exchange_carries_payloads_of_every_length),
        cmocka_unit_test(the_server_refuses_with_a_code_for_each_fault),
        cmocka_unit_test(the_client_gives_up_at_nonsense),
        cmocka_unit_test(a_server_that_never_ends_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
