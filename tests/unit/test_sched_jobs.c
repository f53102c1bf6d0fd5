/* test_sched_jobs.c - states, turns, windows, back-off and times of the schedule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "sched/sched.h"

#define MINUTE ((int64_t)60 * 1000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

enum { LOCAL = 150 };       /* attempts at once in lane 1 */

static const int64_t retry[] = { 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR };

static struct sched *new_sched(unsigned jitter, unsigned concurrency)
{
    struct sched *s = sched_new(&(struct sched_options){
        .retry = retry, .nretry = 4, .jitter = jitter, .concurrency = { concurrency, LOCAL },
        .lifetime = 5 * DAY, .warn = 4 * HOUR, .seed = 42 }, 1000);

    assert_non_null(s);
    return s;
}

static struct destination *dest(struct sched *s, const char *text)
{
    return sched_destination(s, slice_cstr(text), 0);
}

static void add(struct sched *s, struct sched_job *job, const char *to, uint64_t sender)
{
    sched_attach(s, job, dest(s, to), sender);
    sched_ready(s, job);
}

/* add_many - n new jobs, each of a sender of its own */

static void add_many(struct sched *s, struct sched_job *jobs, size_t n, const char *to)
{
    memset(jobs, 0, n * sizeof *jobs);
    for (size_t i = 0; i < n; i++)
        add(s, &jobs[i], to, i);
}

/* lease_all - what may go now, behind the n that are leased already; how many they are now */

static size_t lease_all(struct sched *s, unsigned lane, struct sched_job **leased, size_t n, size_t most)
{
    while (n < most && (leased[n] = sched_next(s, lane)) != NULL)
        n++;
    return n;
}

/* finish - a leased job is over */

static void finish(struct sched *s, struct sched_job *job, enum sched_news news, int64_t now)
{
    sched_result(s, job, news, SLICE_LIT("because"), now);
    sched_detach(s, job);
    assert_true(sched_check(s));
}

static void retry_times_follow_the_list_and_the_last_repeats(void **state)
{
    static const struct { unsigned attempts; int64_t wait; } cases[] = {
        { 1, 5 * MINUTE }, { 2, 15 * MINUTE }, { 3, HOUR }, { 4, 4 * HOUR }, { 5, 4 * HOUR },
        { 1000, 4 * HOUR },
    };
    struct sched *s = new_sched(0, 20);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(sched_delay(s, cases[i].attempts) == cases[i].wait);
    sched_free(s);
}

static void jitter_stays_within_its_per_cent_and_uses_them(void **state)
{
    struct sched *s = new_sched(20, 20);
    int64_t least = INT64_MAX, most = 0, wait;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        wait = sched_delay(s, 3);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_in_range(least, HOUR * 80 / 100, HOUR * 81 / 100);
    assert_in_range(most, HOUR * 119 / 100, HOUR * 120 / 100);
    sched_free(s);
}

static void the_same_seed_gives_the_same_times(void **state)
{
    struct sched *a = new_sched(20, 20), *b = new_sched(20, 20);

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_true(sched_delay(a, i) == sched_delay(b, i));
    sched_free(a);
    sched_free(b);
}

static void age_decides_about_warning_and_expiry(void **state)
{
    static const struct { int64_t age; bool warn, expired; } cases[] = {
        { 0, false, false }, { 4 * HOUR - 1, false, false }, { 4 * HOUR, true, false },
        { 5 * DAY - 1, true, false }, { 5 * DAY, true, true }, { -DAY, false, false },
    };
    struct sched *s = new_sched(0, 20);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(sched_warn_due(s, 100 * DAY, 100 * DAY + cases[i].age), cases[i].warn);
        assert_int_equal(sched_expired(s, 100 * DAY, 100 * DAY + cases[i].age), cases[i].expired);
    }
    sched_free(s);
}

static void a_deferred_job_comes_back_at_its_time_and_not_before(void **state)
{
    static const int64_t waits[] = { 1, 128, 1000, 8192, 8193, 5 * MINUTE, HOUR, DAY, 40 * DAY };
    struct sched *s = new_sched(0, 20);
    int64_t now = 1000, due;

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct sched_job job = { 0 };

        sched_attach(s, &job, dest(s, "mx:a"), 0);
        due = now + waits[i];
        sched_defer_until(s, &job, due);
        while (job.state == SCHED_DEFERRED) {
            int64_t wake = sched_wake(s);

            assert_true(wake > now);
            assert_true(wake <= due + 128);
            now = wake;
            sched_advance(s, now);
            assert_true(sched_check(s));
        }
        assert_in_range(now - due, 0, 128);
        sched_detach(s, &job);
    }
    assert_true(sched_wake(s) == INT64_MAX);
    sched_free(s);
}

static void a_window_grows_with_success_up_to_its_bound(void **state)
{
    enum { N = 200 };
    static struct sched_job jobs[N];
    struct sched *s = new_sched(0, 20);
    struct sched_job *leased[N];
    size_t n = 0, done = 0;

    (void)state;
    add_many(s, jobs, N, "mx:a");
    n = lease_all(s, 0, leased, 0, N);
    assert_int_equal(n, 5);
    while (done < N) {
        finish(s, leased[done++], SCHED_GOOD, 1000);
        n = lease_all(s, 0, leased, n, N);
        assert_true(n - done <= 20);
        if (done == 50)
            assert_int_equal(n - done, 20);
    }
    sched_free(s);
}

static void each_lane_has_its_own_bound(void **state)
{
    enum { N = 600 };
    static struct sched_job jobs[N];
    struct sched *s = new_sched(0, 20);
    struct sched_job *leased[N];
    size_t n = 0, done = 0;

    (void)state;
    memset(jobs, 0, sizeof jobs);
    for (size_t i = 0; i < N; i++) {
        sched_attach(s, &jobs[i], sched_destination(s, SLICE_LIT("maildir:/m"), 1), i);
        sched_ready(s, &jobs[i]);
    }
    while (done < N) {
        n = lease_all(s, 1, leased, n, N);
        assert_true(n - done <= LOCAL);
        if (done == 300)
            assert_int_equal(n - done, LOCAL);
        finish(s, leased[done++], SCHED_GOOD, 1000);
    }
    sched_free(s);
}

static void trouble_halves_a_living_window_and_stops_a_dead_one(void **state)
{
    enum { N = 100 };
    static struct sched_job jobs[N];
    struct sched *s = new_sched(0, 20);
    struct destination *d = dest(s, "mx:a");

    (void)state;
    add_many(s, jobs, N, "mx:a");
    for (int i = 0; i < 15; i++)
        finish(s, sched_next(s, 0), SCHED_GOOD, 1000);
    assert_int_equal(d->window, 20);
    assert_int_equal(sched_result(s, sched_next(s, 0), SCHED_BAD_HOST, SLICE_LIT("421"), 1000),
                     SCHED_SAME);
    assert_int_equal(d->window, 10);
    assert_true(d->until == 0);
    assert_int_equal(sched_result(s, sched_next(s, 0), SCHED_BAD_HOST, SLICE_LIT("421"), 1000),
                     SCHED_DOWN);
    assert_int_equal(d->window, 1);
    assert_true(d->until == 1000 + 5 * MINUTE);
    assert_null(sched_next(s, 0));
    assert_string_equal(d->reason, "421");
    sched_free(s);
}

static void a_dead_host_with_many_messages_costs_one_probe_a_back_off(void **state)
{
    enum { N = 100000 };
    struct sched_job *jobs = calloc(N, sizeof *jobs);
    struct sched *s = new_sched(20, 20);
    int64_t now = 1000, end = now + 5 * DAY;
    unsigned attempts = 0;

    (void)state;
    add_many(s, jobs, N, "mx:dead");
    while (now < end) {
        struct sched_job *leased[100];
        size_t n = lease_all(s, 0, leased, 0, 100);

        assert_true(n <= (attempts == 0 ? 5 : 1));
        attempts += (unsigned)n;
        for (size_t i = 0; i < n; i++) {
            sched_result(s, leased[i], SCHED_BAD_HOST, SLICE_LIT("timeout"), now);
            sched_defer(s, leased[i], now);
        }
        now = sched_wake(s);
        sched_advance(s, now);
    }
    assert_true(attempts < 5 * 24 * 3 + 10);
    assert_true(sched_check(s));
    sched_free(s);
    free(jobs);
}

static void a_host_that_is_back_is_not_overrun(void **state)
{
    enum { N = 1000 };
    static struct sched_job jobs[N];
    struct sched *s = new_sched(0, 20);
    struct destination *d = dest(s, "mx:a");
    struct sched_job *job;

    (void)state;
    add_many(s, jobs, N, "mx:a");
    finish(s, sched_next(s, 0), SCHED_BAD_HOST, 1000);
    assert_null(sched_next(s, 0));
    sched_advance(s, 1000 + 5 * MINUTE);
    job = sched_next(s, 0);                 /* the probe goes alone */
    assert_non_null(job);
    assert_null(sched_next(s, 0));
    assert_int_equal(sched_result(s, job, SCHED_GOOD, (struct slice){ 0 }, 2000), SCHED_UP);
    assert_int_equal(d->window, 2);
    assert_null(d->reason);
    assert_non_null(sched_next(s, 0));
    assert_non_null(sched_next(s, 0));
    assert_null(sched_next(s, 0));
    sched_free(s);
}

static void destinations_take_turns_whatever_waits_for_them(void **state)
{
    enum { N = 1000 };
    static struct sched_job many[N], few[3];
    struct sched *s = new_sched(0, 20);
    unsigned seen = 0, leases = 0;

    (void)state;
    memset(many, 0, sizeof many);
    memset(few, 0, sizeof few);
    for (size_t i = 0; i < N; i++)
        add(s, &many[i], "mx:many", 1);
    for (size_t i = 0; i < 3; i++)
        add(s, &few[i], "mx:few", 1);
    while (seen < 3) {
        struct sched_job *job = sched_next(s, 0);

        leases++;
        seen += job >= few && job < few + 3;
    }
    assert_true(leases <= 6);
    sched_free(s);
}

static void senders_take_turns_within_a_destination(void **state)
{
    enum { N = 1000 };
    static struct sched_job bulk[N], one;
    struct sched *s = new_sched(0, 20);
    unsigned leases = 1;

    (void)state;
    memset(bulk, 0, sizeof bulk);
    memset(&one, 0, sizeof one);
    for (size_t i = 0; i < N; i++)
        add(s, &bulk[i], "mx:a", 0);
    add(s, &one, "mx:a", 1);
    while (sched_next(s, 0) != &one)
        leases++;
    assert_true(leases <= 4);
    sched_free(s);
}

static void lanes_do_not_wait_for_each_other(void **state)
{
    struct sched_job a = { 0 }, b = { 0 };
    struct sched *s = new_sched(0, 20);

    (void)state;
    sched_attach(s, &a, sched_destination(s, SLICE_LIT("mx:a"), 0), 0);
    sched_attach(s, &b, sched_destination(s, SLICE_LIT("maildir:b"), 1), 0);
    sched_ready(s, &a);
    sched_ready(s, &b);
    assert_ptr_equal(sched_next(s, 1), &b);
    assert_null(sched_next(s, 1));
    assert_ptr_equal(sched_next(s, 0), &a);
    sched_free(s);
}

static void a_job_whose_agent_died_is_first_again_and_nothing_is_learned(void **state)
{
    struct sched_job a = { 0 }, b = { 0 };
    struct sched *s = new_sched(0, 20);

    (void)state;
    add(s, &a, "mx:a", 0);
    add(s, &b, "mx:a", 0);
    assert_ptr_equal(sched_next(s, 0), &a);
    sched_again(s, &a);
    assert_int_equal(a.attempts, 0);
    assert_ptr_equal(sched_next(s, 0), &a);
    assert_true(sched_check(s));
    sched_free(s);
}

static void a_held_job_waits_for_a_person_only(void **state)
{
    struct sched_job a = { 0 };
    struct sched *s = new_sched(0, 20);

    (void)state;
    add(s, &a, "mx:a", 0);
    sched_hold(s, &a);
    sched_advance(s, 1000 * DAY);
    assert_null(sched_next(s, 0));
    sched_ready(s, &a);
    assert_ptr_equal(sched_next(s, 0), &a);
    sched_free(s);
}

static void three_broken_sessions_in_a_row_are_trouble_of_the_host(void **state)
{
    enum { N = 10 };
    static struct sched_job jobs[N];
    struct sched *s = new_sched(0, 20);

    (void)state;
    add_many(s, jobs, N, "mx:a");
    finish(s, sched_next(s, 0), SCHED_BAD_SESSION, 1000);
    finish(s, sched_next(s, 0), SCHED_BAD_SESSION, 1000);
    assert_true(dest(s, "mx:a")->until == 0);
    finish(s, sched_next(s, 0), SCHED_BAD_SESSION, 1000);
    assert_true(dest(s, "mx:a")->until > 0);
    sched_free(s);
}

static void destinations_without_jobs_are_forgotten_in_the_end(void **state)
{
    struct sched *s = new_sched(0, 20);
    struct sched_job job = { 0 };
    char name[32];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "mx:d%d", i);
        add(s, &job, name, 0);
        sched_detach(s, &job);
    }
    for (size_t at = 0; sched_each(s, &at) != NULL; )
        n++;
    assert_true(n <= 4096);
    assert_null(sched_find(s, SLICE_LIT("mx:d0")));
    assert_true(sched_check(s));
    sched_free(s);
}

static void a_higher_level_goes_first_within_and_among_destinations(void **state)
{
    static const struct { const char *to; int level; uint64_t sender; size_t turn; } cases[] = {
        { "mx:a", 0, 0, 5 }, { "mx:a", 0, 0, 7 }, { "mx:a", 0, 1, 6 },  /* senders take turns */
        { "mx:b", 9, 0, 0 }, { "mx:a", 3, 0, 1 }, { "mx:a", 3, 1, 2 }, { "mx:a", 3, 1, 3 },
        { "mx:c", 1, 2, 4 }, { "mx:b", -9, 0, 9 }, { "mx:c", -1, 0, 8 },
    };
    enum { N = sizeof cases / sizeof cases[0] };
    struct sched_job jobs[N] = { 0 };
    struct sched *s = new_sched(0, 20);

    (void)state;
    for (size_t i = 0; i < N; i++) {
        sched_rank(&jobs[i], cases[i].level);
        assert_int_equal(sched_level(&jobs[i]), cases[i].level);
        add(s, &jobs[i], cases[i].to, cases[i].sender);
        assert_true(sched_check(s));
    }
    for (size_t turn = 0; turn < N; turn++) {
        struct sched_job *next = sched_next(s, 0);

        assert_non_null(next);
        if (cases[next - jobs].turn != turn)
            fail_msg("case %zu goes as number %zu", (size_t)(next - jobs), turn);
        finish(s, next, SCHED_GOOD, 1000);
    }
    sched_free(s);
}

static void a_level_stays_through_all_states_and_has_bounds(void **state)
{
    struct sched_job high = { 0 }, usual = { 0 };
    struct sched *s = new_sched(0, 20);

    (void)state;
    sched_rank(&high, 12);
    assert_int_equal(sched_level(&high), SCHED_HIGHEST);
    sched_rank(&high, -12);
    assert_int_equal(sched_level(&high), SCHED_LOWEST);
    sched_rank(&high, 4);
    add(s, &usual, "mx:a", 0);
    add(s, &high, "mx:a", 0);
    sched_defer_until(s, &high, 60 * 1000);
    assert_true(sched_check(s));
    sched_advance(s, 61 * 1000);
    assert_ptr_equal(sched_next(s, 0), &high);
    sched_again(s, &high);
    assert_ptr_equal(sched_next(s, 0), &high);
    finish(s, &high, SCHED_GOOD, 61 * 1000);
    assert_ptr_equal(sched_next(s, 0), &usual);
    sched_free(s);
}

static void a_job_that_goes_another_way_teaches_nothing_about_its_destination(void **state)
{
    struct sched_job held = { 0 }, later = { 0 };
    struct sched *s = new_sched(0, 20);

    (void)state;
    add(s, &held, "hold:a", 0);
    sched_hold(s, &held);
    add(s, &later, "hold:a", 0);
    sched_defer_until(s, &later, DAY);
    sched_lease(s, &held);
    sched_lease(s, &later);
    assert_int_equal(dest(s, "hold:a")->count[SCHED_LEASED], 2);
    assert_true(sched_check(s));
    sched_park(s, &held);
    sched_hold(s, &held);
    sched_park(s, &later);
    sched_defer_until(s, &later, DAY);
    assert_int_equal(later.attempts, 0);
    assert_true(sched_check(s));
    sched_detach(s, &held);
    sched_detach(s, &later);
    sched_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_times_follow_the_list_and_the_last_repeats),
        cmocka_unit_test(jitter_stays_within_its_per_cent_and_uses_them),
        cmocka_unit_test(the_same_seed_gives_the_same_times),
        cmocka_unit_test(age_decides_about_warning_and_expiry),
        cmocka_unit_test(a_deferred_job_comes_back_at_its_time_and_not_before),
        cmocka_unit_test(a_window_grows_with_success_up_to_its_bound),
        cmocka_unit_test(each_lane_has_its_own_bound),
        cmocka_unit_test(trouble_halves_a_living_window_and_stops_a_dead_one),
        cmocka_unit_test(a_dead_host_with_many_messages_costs_one_probe_a_back_off),
        cmocka_unit_test(a_host_that_is_back_is_not_overrun),
        cmocka_unit_test(destinations_take_turns_whatever_waits_for_them),
        cmocka_unit_test(senders_take_turns_within_a_destination),
        cmocka_unit_test(lanes_do_not_wait_for_each_other),
        cmocka_unit_test(a_job_whose_agent_died_is_first_again_and_nothing_is_learned),
        cmocka_unit_test(a_held_job_waits_for_a_person_only),
        cmocka_unit_test(three_broken_sessions_in_a_row_are_trouble_of_the_host),
        cmocka_unit_test(destinations_without_jobs_are_forgotten_in_the_end),
        cmocka_unit_test(a_higher_level_goes_first_within_and_among_destinations),
        cmocka_unit_test(a_level_stays_through_all_states_and_has_bounds),
        cmocka_unit_test(a_job_that_goes_another_way_teaches_nothing_about_its_destination),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
