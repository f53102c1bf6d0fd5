/* test_local_job.c - what local believes of a DELIVER frame (A207). */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>
#include "local/job.h"

/* put_rcpts - n recipients as the queue writes them */

static void put_rcpts(struct buf *out, uint32_t n)
{
    struct wire w = wire_writer(out);

    for (uint32_t i = 0; i < n; i++) {
        wire_put_u32(&w, 10 + i);
        wire_put_bytes(&w, SLICE_LIT("u@x.test"));
        wire_put_bytes(&w, i % 2 ? SLICE_LIT("list@x.test") : SLICE_LIT(""));
        wire_put_bytes(&w, SLICE_LIT(""));
    }
}

static struct msg_deliver frame(struct slice rcpts, uint32_t n)
{
    return (struct msg_deliver){
        .job = 7, .id = 9, .destination = SLICE_LIT("maildir:/m/%d/%u"),
        .sender = SLICE_LIT("s@t"), .nrcpts = n, .rcpts = rcpts, .body = SLICE_LIT("A: b\r\n"),
    };
}

static void a_frame_becomes_a_delivery_for_each_recipient(void **state)
{
    struct buf rcpts = BUF(1000), outcomes = BUF(1000);
    struct msg_result result;
    struct outcome o;
    struct wire w;
    bool malformed;
    int fd = -1;

    (void)state;
    put_rcpts(&rcpts, 2);
    struct msg_deliver m = frame(buf_view(&rcpts), 2);
    struct job *job = local_job_new(&m, &fd, &malformed);

    assert_non_null(job);
    buf_clear(&rcpts);          /* the frame is gone; the job lives on */
    put_rcpts(&rcpts, 1);
    assert_int_equal(job->n, 2);
    assert_true(slice_eq(job->deliveries[1].front.original, SLICE_LIT("list@x.test")));
    assert_true(slice_eq(job->deliveries[0].template, SLICE_LIT("/m/%d/%u")));
    assert_true(slice_eq(job->deliveries[0].body->text, SLICE_LIT("A: b\r\n")));
    local_job_fail(job, "4.3.2", "no room", true);
    assert_true(local_job_result(job, &outcomes, &result));
    assert_true(result.job == 7 && result.noutcomes == 2 && result.trouble == TROUBLE_HOST);
    w = wire_reader(result.outcomes);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(outcome_next(&w, &o));
        assert_int_equal(o.index, 10 + i);
        assert_int_equal(o.fate, FATE_LATER);
        assert_true(slice_eq(o.status, SLICE_LIT("4.3.2")));
    }
    assert_true(wire_done(&w));
    local_job_free(job);
    buf_free(&rcpts);
    buf_free(&outcomes);
}

static void refused(const struct msg_deliver *m, int fd)
{
    bool malformed = false;

    assert_null(local_job_new(m, &fd, &malformed));
    assert_true(malformed);
}

static void every_cut_and_every_wrong_count_is_malformed(void **state)
{
    struct buf rcpts = BUF(1000);
    struct msg_deliver m;

    (void)state;
    put_rcpts(&rcpts, 3);
    for (size_t n = 0; n < rcpts.n; n++) {
        m = frame(slice_first(buf_view(&rcpts), n), 3);
        refused(&m, -1);
    }
    for (uint32_t n = 0; n < 8; n++) {
        m = frame(buf_view(&rcpts), n);
        if (n != 3)
            refused(&m, -1);
    }
    m = frame(buf_view(&rcpts), UINT32_MAX);
    refused(&m, -1);
    buf_free(&rcpts);
}

static void a_body_in_a_file_must_be_a_file(void **state)
{
    static const struct { uint64_t offset, length; } bounds[] = {
        { UINT64_MAX, 1 }, { 1, UINT64_MAX }, { INT64_MAX, 1 }, { 0, (uint64_t)INT64_MAX + 1 },
    };
    struct buf rcpts = BUF(1000);
    FILE *file = tmpfile();
    struct msg_deliver m;
    int null = open("/dev/null", O_RDONLY), fd;
    struct job *job;
    bool malformed;

    (void)state;
    put_rcpts(&rcpts, 1);
    m = frame(buf_view(&rcpts), 1);
    m.file = 1;
    refused(&m, fileno(file));          /* inline as well */
    m.body = (struct slice){ 0 };
    refused(&m, -1);
    refused(&m, null);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        m.offset = bounds[i].offset;
        m.length = bounds[i].length;
        refused(&m, fileno(file));
    }
    m.offset = m.length = 0;
    fd = dup(fileno(file));
    job = local_job_new(&m, &fd, &malformed);
    assert_non_null(job);
    assert_int_equal(fd, -1);           /* taken */
    local_job_free(job);
    close(null);
    fclose(file);
    buf_free(&rcpts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_becomes_a_delivery_for_each_recipient),
        cmocka_unit_test(every_cut_and_every_wrong_count_is_malformed),
        cmocka_unit_test(a_body_in_a_file_must_be_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
