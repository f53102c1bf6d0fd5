/* test_mail_envelope.c - an envelope is what was written, or it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "mail/envelope.h"

static struct slice encode(struct buf *out, struct envelope *e, const struct recipient *r, uint32_t n)
{
    struct buf rcpts = BUF(1 << 20);
    struct wire w = wire_writer(&rcpts), all = wire_writer(out);

    for (uint32_t i = 0; i < n; i++)
        recipient_put(&w, &r[i]);
    e->nrcpts = n;
    e->rcpts = buf_view(&rcpts);
    buf_clear(out);
    envelope_put(&all, e);
    assert_false(w.bad || all.bad);
    buf_free(&rcpts);
    return buf_view(out);
}

static struct envelope sample(void)
{
    return (struct envelope){
        .arrived = 1700000000123, .flags = ENV_8BIT, .hops = 3, .sender = SLICE_LIT("a@b"),
        .client = SLICE_LIT("192.0.2.1"), .helo = SLICE_LIT("h"), .protocol = SLICE_LIT("ESMTP"),
        .listener = SLICE_LIT("0.0.0.0:25"), .session = SLICE_LIT("s1"),
    };
}

static void what_was_put_is_got(void **state)
{
    struct buf out = BUF(ENVELOPE_MAX);
    struct envelope e = sample(), back;
    const struct recipient rs[] = {
        { .address = SLICE_LIT("x@y") },
        { .address = SLICE_LIT("z@y"), .original = SLICE_LIT("list@y"), .return_path = SLICE_LIT("owner@y") },
    };
    struct recipient r;
    struct wire w;

    (void)state;
    assert_true(envelope_get(encode(&out, &e, rs, 2), &back));
    assert_true(back.arrived == e.arrived && back.flags == ENV_8BIT && back.hops == 3);
    assert_true(slice_eq(back.sender, e.sender) && slice_eq(back.listener, e.listener));
    assert_int_equal(back.nrcpts, 2);
    w = wire_reader(back.rcpts);
    assert_true(recipient_next(&w, &r) && slice_eq(r.address, rs[0].address) && r.original.n == 0);
    assert_true(recipient_next(&w, &r) && slice_eq(r.return_path, rs[1].return_path));
    assert_false(recipient_next(&w, &r));
    assert_false(w.bad);
    buf_free(&out);
}

static void no_truncation_and_nothing_left_over_is_taken(void **state)
{
    struct buf out = BUF(ENVELOPE_MAX);
    struct envelope e = sample(), back;
    struct recipient r = { .address = SLICE_LIT("x@y") };
    struct slice all = encode(&out, &e, &r, 1);
    size_t n = all.n;

    (void)state;
    for (size_t cut = 0; cut < n; cut++)
        assert_false(envelope_get(slice_first(all, cut), &back));
    assert_true(buf_put(&out, "", 1));
    assert_false(envelope_get(buf_view(&out), &back));
    buf_free(&out);
}

static void what_could_harm_is_refused(void **state)
{
    static char big[ENVELOPE_FIELD + 1];
    const struct slice bad[] = { SLICE_LIT("a\0b"), SLICE_LIT("a\nb"), SLICE_LIT("a\rb"),
                                 { big, sizeof big } };
    struct buf out = BUF(ENVELOPE_MAX);
    struct recipient r = { .address = SLICE_LIT("x@y") };
    struct envelope e, back;

    (void)state;
    memset(big, 'x', sizeof big);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct slice *texts[] = { &e.sender, &e.client, &e.helo, &e.protocol, &e.listener,
                                  &e.session, &e.extra, &r.address, &r.original,
                                  &r.return_path, &r.extra };

        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            e = sample();
            r = (struct recipient){ .address = SLICE_LIT("x@y") };
            assert_true(envelope_get(encode(&out, &e, &r, 1), &back));
            *texts[k] = bad[i];
            assert_false(envelope_get(encode(&out, &e, &r, 1), &back));
        }
    }
    e = sample();
    assert_false(envelope_get(encode(&out, &e, NULL, 0), &back));
    r = (struct recipient){ 0 };
    assert_false(envelope_get(encode(&out, &e, &r, 1), &back));
    buf_free(&out);
}

static void what_could_harm_is_found_wherever_it_stands(void **state)
{
    struct buf out = BUF(ENVELOPE_MAX);
    struct recipient r = { .address = SLICE_LIT("x@y") };
    struct envelope e = sample(), back;
    char text[20];

    (void)state;
    for (size_t n = 1; n <= sizeof text; n++)
        for (size_t at = 0; at < n; at++)
            for (int c = 0; c < 256; c++) {
                memset(text, 'x', sizeof text);
                text[at] = (char)c;
                e.helo = slice_of(text, n);
                assert_int_equal(envelope_get(encode(&out, &e, &r, 1), &back),
                                 c != '\0' && c != '\r' && c != '\n');
            }
    buf_free(&out);
}

static void extra_holds_pairs_of_texts(void **state)
{
    struct buf out = BUF(ENVELOPE_MAX), extra = BUF(1000);
    struct wire w = wire_writer(&extra);
    struct recipient r = { .address = SLICE_LIT("x@y") };
    struct envelope e = sample(), back;

    (void)state;
    wire_put_bytes(&w, SLICE_LIT("ENVID"));
    wire_put_bytes(&w, SLICE_LIT("1"));
    e.extra = r.extra = buf_view(&extra);
    assert_true(envelope_get(encode(&out, &e, &r, 1), &back));
    assert_true(slice_eq(back.extra, e.extra));
    wire_put_bytes(&w, SLICE_LIT("alone"));
    e.extra = buf_view(&extra);
    assert_false(envelope_get(encode(&out, &e, &r, 1), &back));
    buf_free(&out);
    buf_free(&extra);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_got),
        cmocka_unit_test(no_truncation_and_nothing_left_over_is_taken),
        cmocka_unit_test(what_could_harm_is_refused),
        cmocka_unit_test(what_could_harm_is_found_wherever_it_stands),
        cmocka_unit_test(extra_holds_pairs_of_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
