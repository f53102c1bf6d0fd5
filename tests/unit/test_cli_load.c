/* test_cli_load.c - what postrider load counts with, and what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "cli/histogram.h"
#include "cli/load_plan.h"

/* --- durations ------------------------------------------------------------------ */

static void a_quantile_is_near_the_truth_whatever_its_size(void **state)
{
    (void)state;
    for (int64_t unit = 1; unit < INT64_MAX / 2000; unit *= 7) {
        struct histogram *h = calloc(1, sizeof *h);

        for (int64_t i = 1; i <= 1000; i++)
            histogram_add(h, i * unit);
        assert_true(h->count == 1000 && h->min == unit && h->max == 1000 * unit);
        for (int percent = 1; percent < 100; percent++) {
            double truth = (double)(percent * 10 + 1) * (double)unit;
            double told = (double)histogram_at(h, percent / 100.0);

            assert_true(told >= truth * 0.984 - 1 && told <= truth * 1.016 + 1);
        }
        assert_true(histogram_at(h, 1) == 1000 * unit);
        free(h);
    }
}

static void every_duration_has_a_bucket(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);
    uint64_t sum = 0;

    (void)state;
    assert_true(histogram_at(h, 0.5) == 0);
    histogram_add(h, -1);
    for (int bit = 0; bit < 63; bit++) {
        histogram_add(h, (int64_t)1 << bit);
        histogram_add(h, ((int64_t)1 << bit) - 1);
    }
    histogram_add(h, INT64_MAX);
    for (unsigned i = 0; i < HISTOGRAM_SIZE; i++)
        sum += h->buckets[i];
    assert_true(sum == 128 && h->min == 0 && h->max == INT64_MAX);
    free(h);
}

/* --- bytes ----------------------------------------------------------------------- */

static struct load_plan plan_of(const char *to, uint64_t spread, uint64_t recipients)
{
    return (struct load_plan){
        .server = "127.0.0.1:25", .from = "f@a.test", .to = to, .helo = "h.test", .sessions = 1,
        .size = 4096, .spread = spread, .recipients = recipients, .window = 8,
    };
}

static void a_recipient_is_counted_where_the_pattern_says(void **state)
{
    static const struct { const char *to; uint64_t spread, n; const char *line; } cases[] = {
        { "a@b.test", 5, 3, "RCPT TO:<a@b.test>\r\n" },
        { "a%n@b.test", 5, 3, "RCPT TO:<a3@b.test>\r\n" },
        { "a%n@b.test", 5, 5, "RCPT TO:<a0@b.test>\r\n" },
        { "a@b%n.test", 1000000, 999999, "RCPT TO:<a@b999999.test>\r\n" },
        { "a%n", 1000, 123, "RCPT TO:<a123>\r\n" },
        { "%n@b.test", 2, UINT64_MAX, "RCPT TO:<1@b.test>\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct load_plan p = plan_of(cases[i].to, cases[i].spread, 1);
        char *to;

        assert_null(plan_check(&p));
        assert_true(plan_make(&p));
        to = malloc(plan_rcpt_max(&p));
        assert_true(slice_eq(plan_rcpt(&p, cases[i].n, to), slice_cstr(cases[i].line)));
        free(to);
        plan_free(&p);
    }
}

static void an_envelope_is_one_piece(void **state)
{
    struct load_plan p = plan_of("a%n@b.test", 3, 2);
    char *to;

    (void)state;
    assert_null(plan_check(&p));
    assert_true(plan_make(&p));
    to = malloc(p.opening.n);
    assert_true(slice_eq(plan_opening(&p, 2, to),
                         SLICE_LIT("MAIL FROM:<f@a.test>\r\nRCPT TO:<a2@b.test>\r\n"
                                   "RCPT TO:<a0@b.test>\r\nDATA\r\n")));
    free(to);
    plan_free(&p);
}

static void a_text_has_the_size_asked_for(void **state)
{
    (void)state;
    for (uint64_t size = 300; size < 700; size++) {
        struct load_plan p = plan_of("a@b.test", 1, 1);
        struct slice body;

        p.size = size;
        assert_null(plan_check(&p));
        assert_true(plan_make(&p));
        body = buf_view(&p.body);
        assert_true(p.size == size && body.n == size + 3);
        assert_memory_equal(body.p + size - 2, "\r\n.\r\n", 5);
        for (size_t i = 1; i < size; i++)       /* no bare LF, no line that begins with a dot */
            assert_true((body.p[i] == '\n') == (body.p[i - 1] == '\r')
                        && (body.p[i - 1] != '\n' || body.p[i] != '.'));
        plan_free(&p);
    }
}

static void a_chunk_says_its_size(void **state)
{
    struct load_plan p = plan_of("a@b.test", 1, 1);

    (void)state;
    p.bdat = true;
    p.size = 1000;
    assert_null(plan_check(&p));
    assert_true(plan_make(&p));
    assert_true(slice_istarts(buf_view(&p.body), SLICE_LIT("BDAT 1000 LAST\r\nFrom: ")));
    assert_true(p.body.n == strlen("BDAT 1000 LAST\r\n") + 1000);
    plan_free(&p);
}

static void nonsense_is_refused(void **state)
{
    struct load_plan p;

    (void)state;
#define REFUSED(change)                         \
    p = plan_of("a@b.test", 1, 1);              \
    change;                                     \
    assert_non_null(plan_check(&p));
    REFUSED(p.server = NULL)
    REFUSED(p.to = NULL)
    REFUSED(p.to = "a@b\r\nQUIT")
    REFUSED(p.from = "<a@b>")
    REFUSED(p.sessions = 0)
    REFUSED(p.sessions = UINT64_MAX)
    REFUSED(p.recipients = 0)
    REFUSED(p.size = UINT64_MAX)
    REFUSED(p.messages = UINT64_MAX)
    REFUSED(p.window = 65)
    REFUSED(p.time = -5)
    REFUSED(p.starttls = p.tls_at_once = true)
    REFUSED(p.handshakes = p.idle = true)
    REFUSED(p.password_file = "f")
#undef REFUSED
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantile_is_near_the_truth_whatever_its_size),
        cmocka_unit_test(every_duration_has_a_bucket),
        cmocka_unit_test(a_recipient_is_counted_where_the_pattern_says),
        cmocka_unit_test(an_envelope_is_one_piece),
        cmocka_unit_test(a_text_has_the_size_asked_for),
        cmocka_unit_test(a_chunk_says_its_size),
        cmocka_unit_test(nonsense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
