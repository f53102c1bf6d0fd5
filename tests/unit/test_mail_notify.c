/* test_mail_notify.c - who is told what: a case for each row of RFC 3461 §5.2 and
 * RFC 2852 §4.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "mail/notify.h"

enum { NOT_GIVEN = 0, NO = -1, N = NOTIFY_NEVER, S = NOTIFY_SUCCESS, F = NOTIFY_FAILURE, D = NOTIFY_DELAY };

static const struct {
    enum notify_event event;
    unsigned          notify;
    int               report;       /* enum dsn_kind, or NO */
    bool              pass;
    unsigned          onward;
    const char       *rule;
} cases[] = {
    { NOTIFY_DELIVERED, S, DSN_DELIVERED, false, 0, "RFC 3461 5.2.3(a)" },
    { NOTIFY_DELIVERED, S | F | D, DSN_DELIVERED, false, 0, "RFC 3461 5.2.3(a)" },
    { NOTIFY_DELIVERED, F | D, NO, false, 0, "RFC 3461 5.2.3(b)" },
    { NOTIFY_DELIVERED, N, NO, false, 0, "RFC 3461 5.2.3(b)" },
    { NOTIFY_DELIVERED, NOT_GIVEN, NO, false, 0, "RFC 3461 5.2.3(c)" },

    { NOTIFY_TO_DSN_HOST, S | F, NO, true, S | F, "RFC 3461 5.2.1(c)" },
    { NOTIFY_TO_DSN_HOST, N, NO, true, N, "RFC 3461 5.2.1(c)" },
    { NOTIFY_TO_DSN_HOST, NOT_GIVEN, NO, true, 0, "RFC 3461 5.2.1(c)" },

    { NOTIFY_TO_PLAIN_HOST, S, DSN_RELAYED, false, 0, "RFC 3461 5.2.2(b)" },
    { NOTIFY_TO_PLAIN_HOST, F | D, NO, false, 0, "RFC 3461 5.2.2(a)" },
    { NOTIFY_TO_PLAIN_HOST, N, NO, false, 0, "RFC 3461 5.2.2(d)" },
    { NOTIFY_TO_PLAIN_HOST, NOT_GIVEN, NO, false, 0, "RFC 3461 5.2.2(e)" },

    { NOTIFY_FORWARDED, S | D, NO, true, S | D, "RFC 3461 5.2.7.2" },
    { NOTIFY_FORWARDED, NOT_GIVEN, NO, true, 0, "RFC 3461 5.2.7.2" },

    { NOTIFY_EXPANDED, S | F, DSN_EXPANDED, true, F, "RFC 3461 5.2.7.3(c)" },
    { NOTIFY_EXPANDED, S, DSN_EXPANDED, true, N, "RFC 3461 5.2.7.3(c)" },
    { NOTIFY_EXPANDED, F | D, NO, true, F | D, "RFC 3461 5.2.7.3(c)" },
    { NOTIFY_EXPANDED, N, NO, true, N, "RFC 3461 5.2.7.3(c)" },
    { NOTIFY_EXPANDED, NOT_GIVEN, NO, true, 0, "RFC 3461 5.2.7.3(c)" },

    { NOTIFY_REDISTRIBUTED, S, DSN_DELIVERED, false, 0, "RFC 3461 5.2.7.1" },
    { NOTIFY_REDISTRIBUTED, F, NO, false, 0, "RFC 3461 5.2.7.1(b)" },
    { NOTIFY_REDISTRIBUTED, NOT_GIVEN, NO, false, 0, "RFC 3461 5.2.7.1(b)" },

    { NOTIFY_FAILED, F, DSN_FAILED, false, 0, "RFC 3461 5.2.6(a)" },
    { NOTIFY_FAILED, S | D, NO, false, 0, "RFC 3461 5.2.6(b)" },
    { NOTIFY_FAILED, N, NO, false, 0, "RFC 3461 5.2.6(b)" },
    { NOTIFY_FAILED, NOT_GIVEN, DSN_FAILED, false, 0, "RFC 3461 5.2.6(c)" },

    { NOTIFY_DELAYED, D, DSN_DELAYED, false, 0, "RFC 3461 5.2.5(a)" },
    { NOTIFY_DELAYED, NOT_GIVEN, DSN_DELAYED, false, 0, "RFC 3461 5.2.5(b)" },
    { NOTIFY_DELAYED, S | F, NO, false, 0, "RFC 3461 5.2.5(c)" },
    { NOTIFY_DELAYED, N, NO, false, 0, "RFC 3461 5.2.5(c)" },

    { NOTIFY_BY_EXPIRED, D, DSN_DELAYED, false, 0, "RFC 2852 4.1.3" },
    { NOTIFY_BY_EXPIRED, NOT_GIVEN, DSN_DELAYED, false, 0, "RFC 2852 4.1.3" },
    { NOTIFY_BY_EXPIRED, F, NO, false, 0, "RFC 2852 4.1.3" },

    { NOTIFY_BY_PLAIN_HOST, NOT_GIVEN, DSN_RELAYED, true, F | D, "RFC 2852 4.1.4.2" },
    { NOTIFY_BY_PLAIN_HOST, S, DSN_RELAYED, true, S | D, "RFC 2852 4.1.4.2" },
    { NOTIFY_BY_PLAIN_HOST, N, NO, true, N, "RFC 2852 4.1.4.2" },
    { NOTIFY_BY_PLAINEST_HOST, NOT_GIVEN, DSN_RELAYED, false, 0, "RFC 2852 4.1.4.2" },
    { NOTIFY_BY_PLAINEST_HOST, F, DSN_RELAYED, false, 0, "RFC 2852 4.1.4.2" },
    { NOTIFY_BY_PLAINEST_HOST, N, NO, false, 0, "RFC 2852 4.1.4.2" },

    { NOTIFY_BY_TRACED, NOT_GIVEN, DSN_RELAYED, true, 0, "RFC 2852 4.1.4" },
    { NOTIFY_BY_TRACED, F, DSN_RELAYED, true, F, "RFC 2852 4.1.4" },
    { NOTIFY_BY_TRACED, N, NO, true, N, "RFC 2852 4.1.4" },
};

static void every_row_decides_as_its_paragraph_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct notify_decision d = notify_decide(cases[i].event, cases[i].notify, false);

        assert_string_equal(d.rule, cases[i].rule);
        assert_int_equal(d.report, cases[i].report != NO);
        if (d.report)
            assert_int_equal(d.kind, cases[i].report);
        assert_int_equal(d.pass, cases[i].pass);
        assert_int_equal(d.notify, cases[i].onward);
    }
}

static void the_null_sender_is_never_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct notify_decision d = notify_decide(cases[i].event, cases[i].notify, true);

        assert_false(d.report);
        assert_int_equal(d.notify, cases[i].onward);
    }
}

static void every_event_has_an_answer_to_everything(void **state)
{
    (void)state;
    for (unsigned event = 0; event < NOTIFY_EVENTS; event++)
        for (unsigned notify = 0; notify < 16; notify++) {
            struct notify_decision d = notify_decide((enum notify_event)event, notify, false);

            if (notify != 0 && !notify_valid(notify))
                continue;
            assert_string_not_equal(d.rule, "");
            assert_true(d.notify == 0 || notify_valid(d.notify));
            assert_false((notify & NOTIFY_NEVER) && d.report);
        }
}

static void the_parameter_is_read_and_written(void **state)
{
    static const struct { struct slice text; int value; } texts[] = {
        { SLICE_INIT("NEVER"), N }, { SLICE_INIT("never"), N }, { SLICE_INIT("SUCCESS"), S },
        { SLICE_INIT("delay,Success,FAILURE"), S | F | D }, { SLICE_INIT("FAILURE,DELAY"), F | D },
        { SLICE_INIT(""), NO }, { SLICE_INIT(","), NO }, { SLICE_INIT("SUCCESS,"), NO },
        { SLICE_INIT("SUCCESS,SUCCESS"), NO }, { SLICE_INIT("NEVER,SUCCESS"), NO },
        { SLICE_INIT("NEVER,NEVER"), NO }, { SLICE_INIT("SUCCESS, DELAY"), NO }, { SLICE_INIT("ALWAYS"), NO },
    };
    unsigned notify;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(notify_parse(texts[i].text, &notify), texts[i].value != NO);
        if (texts[i].value != NO)
            assert_int_equal(notify, texts[i].value);
    }
    for (notify = 1; notify < 16; notify++) {
        unsigned back;

        if (!notify_valid(notify))
            continue;
        assert_true(notify_parse(slice_cstr(notify_text(notify)), &back));
        assert_int_equal(back, notify);
    }
    assert_string_equal(notify_text(0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_decides_as_its_paragraph_says),
        cmocka_unit_test(the_null_sender_is_never_told),
        cmocka_unit_test(every_event_has_an_answer_to_everything),
        cmocka_unit_test(the_parameter_is_read_and_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
