/* load_tally.c - counting, and the report made of it. */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include "cli/load_tally.h"
#include "cli/text.h"

enum { SECOND = 1000000000 };

int64_t load_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static int64_t cpu_clock(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * SECOND
           + ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

void tally_begin(struct load_tally *t, int64_t now)
{
    t->begun = t->ended = now;
    t->cpu = cpu_clock();
}

void tally_end(struct load_tally *t)
{
    t->cpu = t->begun == 0 ? 0 : cpu_clock() - t->cpu;
}

void tally_done(struct load_tally *t, enum load_fate fate, int64_t now, int64_t took,
                int64_t since_connect)
{
    if (t->warm > 0) {
        if (--t->warm == 0)
            tally_begin(t, now);
        return;
    }
    t->count[fate]++;
    t->ended = now;
    if (fate != LOAD_ACCEPTED)
        return;
    histogram_add(&t->message, took);
    if (since_connect >= 0)
        histogram_add(&t->connection, since_connect);
}

void tally_trouble(struct load_tally *t, const char *doing, struct slice why)
{
    struct buf clean = BUF(sizeof t->trouble);

    if (t->trouble[0] != '\0')
        return;
    text_clean(&clean, slice_trim(slice_first(why, 120)));
    snprintf(t->trouble, sizeof t->trouble, "%s: %.*s", doing, SLICE(buf_view(&clean)));
    buf_free(&clean);
}

uint64_t tally_counted(const struct load_tally *t)
{
    return t->count[LOAD_ACCEPTED] + t->count[LOAD_REFUSED] + t->count[LOAD_FAILED];
}

/* --- the report --------------------------------------------------------------------------- */

/* The quantiles that are told, for people and as members of JSON. */
static const struct { const char *name, *word; double q; } quantiles[] = {
    { "min", "least", 0 }, { "median", "median", 0.5 }, { "p90", "90 %", 0.9 },
    { "p99", "99 %", 0.99 }, { "p999", "99.9 %", 0.999 }, { "max", "most", 1 },
};
enum { QUANTILES = sizeof quantiles / sizeof quantiles[0] };

static double quantile_ms(const struct histogram *h, size_t i)
{
    return (double)(i == 0 ? h->min : histogram_at(h, quantiles[i].q)) / 1e6;
}

static double seconds(const struct load_tally *t)
{
    return (double)(t->ended - t->begun) / SECOND;
}

static double a_second(const struct load_tally *t, double n)
{
    return t->ended > t->begun ? n / seconds(t) : 0;
}

static double cpu_seconds(const struct load_tally *t)
{
    return (double)t->cpu / SECOND;
}

static void print_latency(const char *what, const struct histogram *h)
{
    if (h->count == 0)
        return;
    printf("%-22s ms:", what);
    for (size_t i = 0; i < QUANTILES; i++)
        printf("%s %s %.3g", i > 0 ? "," : "", quantiles[i].word, quantile_ms(h, i));
    putchar('\n');
}

static json_t *latency_json(const struct histogram *h)
{
    json_t *o = json_object();

    for (size_t i = 0; i < QUANTILES; i++)
        json_object_set_new(o, quantiles[i].name, json_real(quantile_ms(h, i)));
    return o;
}

static void print_counts(const struct load_tally *t, const struct load_plan *p)
{
    uint64_t n = tally_counted(t);
    double accepted = (double)t->count[LOAD_ACCEPTED];

    printf("%llu %s in %.2f s on %llu connections: %.0f accepted a second", (unsigned long long)n,
           p->handshakes ? "handshakes" : "messages", seconds(t),
           (unsigned long long)t->connections, a_second(t, accepted));
    if (!p->handshakes)
        printf(", %.1f MB/s", a_second(t, accepted * (double)p->size) / 1e6);
    printf("\naccepted %llu, refused %llu, failed %llu\n",
           (unsigned long long)t->count[LOAD_ACCEPTED], (unsigned long long)t->count[LOAD_REFUSED],
           (unsigned long long)t->count[LOAD_FAILED]);
}

void tally_print(const struct load_tally *t, const struct load_plan *p)
{
    uint64_t n = tally_counted(t);

    if (p->idle)
        printf("%llu sessions open after %.2f s, %llu of them lost\n",
               (unsigned long long)t->open, (double)t->opening / SECOND,
               (unsigned long long)t->lost);
    if (n > 0 || !p->idle) {
        print_counts(t, p);
        print_latency(p->handshakes ? "Connect to handshake," : "MAIL to last reply,", &t->message);
        print_latency("Connect to last reply,", &t->connection);
        printf("CPU of this command %.2f s", cpu_seconds(t));
        if (n > 0)
            printf(", %.1f us each", cpu_seconds(t) * 1e6 / (double)n);
        putchar('\n');
    }
    if (t->trouble[0] != '\0')
        printf("First trouble: %s\n", t->trouble);
    if (t->interrupted)
        puts("Interrupted.");
}

json_t *tally_json(const struct load_tally *t, const struct load_plan *p)
{
    double accepted = (double)t->count[LOAD_ACCEPTED];
    json_t *o = json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:b, s:o}",
        "messages", (json_int_t)tally_counted(t),
        "accepted", (json_int_t)t->count[LOAD_ACCEPTED],
        "refused", (json_int_t)t->count[LOAD_REFUSED],
        "failed", (json_int_t)t->count[LOAD_FAILED],
        "connections", (json_int_t)t->connections,
        "seconds", seconds(t),
        "messages_per_second", a_second(t, accepted),
        "bytes_per_second", p->handshakes ? 0.0 : a_second(t, accepted * (double)p->size),
        "cpu_seconds", cpu_seconds(t),
        "interrupted", t->interrupted,
        "latency_ms", latency_json(&t->message));

    if (t->connection.count > 0)
        json_object_set_new(o, "connect_latency_ms", latency_json(&t->connection));
    if (p->idle)
        json_object_update_new(o, json_pack("{s:I, s:I, s:f}", "open", (json_int_t)t->open,
            "lost", (json_int_t)t->lost, "opening_seconds", (double)t->opening / SECOND));
    if (p->resume)
        json_object_set_new(o, "resumed", json_integer((json_int_t)t->resumed));
    if (t->trouble[0] != '\0')
        json_object_set_new(o, "trouble", json_string(t->trouble));
    return o;
}
