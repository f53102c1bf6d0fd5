/* test_console_request.c - what a line on the control socket may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/ascii.h"
#include "console/request.h"

static void every_field_arrives(void **state)
{
    char why[REQUEST_WHY];
    struct request r;

    (void)state;
    assert_true(request_read(&r, SLICE_LIT(
        "{\"do\":\"queue.list\",\"sender\":\"*@a\",\"recipient\":\"b?\",\"destination\":\"mx:*\","
        "\"state\":\"held\",\"older\":1000,\"newer\":9000,\"limit\":7,\"id\":\"0123456789ABC\"}"), why));
    assert_int_equal(r.kind, REQUEST_QUERY);
    assert_int_equal(r.query.verb, QUERY_LIST);
    assert_true(slice_eq(r.query.sender, SLICE_LIT("*@a")));
    assert_true(slice_eq(r.query.recipient, SLICE_LIT("b?")));
    assert_true(slice_eq(r.query.destination, SLICE_LIT("mx:*")));
    assert_true(slice_eq(r.query.state, SLICE_LIT("held")));
    assert_true(r.query.older == 1000 && r.query.newer == 9000 && r.query.limit == 7);
    assert_true(r.query.id != 0);
    request_forget(&r);
}

static void every_request_has_its_kind(void **state)
{
    static const struct { const char *line; enum request_kind kind; uint32_t verb; } cases[] = {
        { "{\"do\":\"status\"}", REQUEST_STATUS, 0 },
        { "{\"do\":\"reload\"}", REQUEST_RELOAD, 0 },
        { "{\"do\":\"stop\"}", REQUEST_STOP, 0 },
        { "{\"do\":\"queue.count\"}", REQUEST_QUERY, QUERY_COUNT },
        { "{\"do\":\"routes\"}", REQUEST_QUERY, QUERY_ROUTES },
        { "{\"do\":\"whois\",\"recipient\":\"a\"}", REQUEST_WHOIS, QUERY_WHOIS },
        { "{\"do\":\"expand\",\"recipient\":\"a\"}", REQUEST_WHOIS, QUERY_EXPAND },
        { "{\"do\":\"queue.remove\",\"sender\":\"*\"}", REQUEST_QUERY, QUERY_REMOVE },
        { " {\"do\" : \"trace\", \"recipient\":\"a@b\"}\r", REQUEST_QUERY, QUERY_TRACE },
    };
    char why[REQUEST_WHY];
    struct request r;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(request_read(&r, slice_cstr(cases[i].line), why));
        assert_int_equal(r.kind, cases[i].kind);
        if (r.kind == REQUEST_QUERY || r.kind == REQUEST_WHOIS)
            assert_int_equal(r.query.verb, cases[i].verb);
        request_forget(&r);
    }
}

static void nonsense_is_refused_with_a_printable_reason(void **state)
{
    static const char *const lines[] = {
        "", "x", "{", "[]", "1", "null", "\"do\"", "{}", "{\"do\":1}", "{\"do\":\"\"}",
        "{\"do\":\"queue\"}", "{\"do\":\"queue.list\",\"snder\":\"*\"}",
        "{\"do\":\"queue.list\",\"sender\":1}", "{\"do\":\"queue.list\",\"older\":-1}",
        "{\"do\":\"queue.list\",\"older\":\"5\"}", "{\"do\":\"queue.list\",\"limit\":1.5}",
        "{\"do\":\"queue.list\",\"limit\":99999999999999999999}",
        "{\"do\":\"queue.list\",\"id\":\"short\"}", "{\"do\":\"queue.list\",\"id\":\"../../../../x\"}",
        "{\"do\":\"queue.list\",\"id\":\"*\"}", "{\"do\":\"queue.list\",\"id\":5}",
        "{\"do\":\"queue.list\",\"do\":\"queue.remove\"}", "{\"do\":\"status\",\"sender\":\"*\"}",
        "{\"do\":\"stop\"} {\"do\":\"stop\"}", "{\"do\":\"a\\u0000b\"}", "{\"do\":\"x\\u001b[2J\"}",
        "{\"do\":\"queue.list\",\"sender\":\"\xff\"}",
        "{\"do\":\"queue.list\",\"\\u001b[31m\":\"\"}",
    };
    char why[REQUEST_WHY];
    struct request r;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        memset(why, 0, sizeof why);
        if (request_read(&r, slice_cstr(lines[i]), why))
            fail_msg("taken: %s", lines[i]);
        assert_true(why[0] != '\0');
        for (const char *p = why; *p != '\0'; p++)
            assert_false(ascii_control(*p));
    }
}

static void nesting_and_length_are_bounded(void **state)
{
    char why[REQUEST_WHY], *line = malloc(REQUEST_MAX + 1);
    struct request r;

    (void)state;
    memset(line, '[', REQUEST_MAX + 1);
    assert_false(request_read(&r, slice_of(line, REQUEST_MAX), why));
    assert_false(request_read(&r, slice_of(line, REQUEST_MAX + 1), why));
    free(line);
}

/* whatever is cut off or flipped, the reader says yes or no and leaks nothing */

/* The queue cuts off whoever asks with more: that must not be us, for all people. */

static void filters_are_as_long_as_the_queue_takes_them(void **state)
{
    static const char *const names[] = { "sender", "recipient", "destination", "state" };
    char line[QUERY_TEXT_MAX + 100], text[QUERY_TEXT_MAX + 2], why[REQUEST_WHY];
    struct request r;

    (void)state;
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(line, sizeof line, "{\"do\":\"queue.list\",\"%s\":\"%.*s\"}", names[i],
                 QUERY_TEXT_MAX, text);
        assert_true(request_read(&r, slice_cstr(line), why));
        request_forget(&r);
        snprintf(line, sizeof line, "{\"do\":\"queue.list\",\"%s\":\"%.*s\"}", names[i],
                 QUERY_TEXT_MAX + 1, text);
        assert_false(request_read(&r, slice_cstr(line), why));
    }
}

static void any_damage_is_survived(void **state)
{
    static const char good[] = "{\"do\":\"queue.list\",\"sender\":\"*@a\",\"older\":12}";
    char line[sizeof good], why[REQUEST_WHY];
    struct request r;

    (void)state;
    for (size_t i = 0; i < sizeof good - 1; i++)
        for (int c = 0; c < 256; c += 5) {
            memcpy(line, good, sizeof good);
            line[i] = (char)c;
            if (request_read(&r, slice_of(line, sizeof good - 1), why))
                request_forget(&r);
            if (request_read(&r, slice_of(good, i), why))
                request_forget(&r);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_arrives),
        cmocka_unit_test(every_request_has_its_kind),
        cmocka_unit_test(nonsense_is_refused_with_a_printable_reason),
        cmocka_unit_test(nesting_and_length_are_bounded),
        cmocka_unit_test(filters_are_as_long_as_the_queue_takes_them),
        cmocka_unit_test(any_damage_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
