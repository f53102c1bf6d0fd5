/* status.c - postrider status: the processes, and how the mail flows. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "cli/control.h"
#include "cli/text.h"
#include "log/counters.h"

enum { PROCESSES_MAX = 512 };

struct process {
    char    role[16], sandbox[16];
    int64_t pid, generation, slot, started, sessions, outgoing, accepted, delivered;
};

struct sample {
    struct process processes[PROCESSES_MAX];
    size_t         n;
    int64_t        totals[COUNTER_COUNT];
    int64_t        at;          /* monotonic, ms */
    int64_t        missing;
    bool           json;
};

static const char *const counter_names[COUNTER_COUNT] = {
#define C(kind, name, help) #name,
    COUNTERS(C)
#undef C
};

struct status {
    int64_t interval;
};

static const struct option_row options[] = {
    { "interval", 'i', OPTION_AGE, offsetof(struct status, interval), "TIME",
      "over which rates are measured (1s)" },
    { 0 },
};

/* --- taking a sample --------------------------------------------------------------- */

static int64_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *text_of(const json_t *row, const char *name)
{
    const char *s = json_string_value(json_object_get(row, name));

    return s != NULL ? s : "";
}

static void take_row(void *user, json_t *row)
{
    struct sample *s = user;
    const json_t *counts = json_object_get(row, "counters");
    const char *role = json_string_value(json_object_get(row, "role"));

    for (size_t i = 0; i < COUNTER_COUNT; i++)
        s->totals[i] += number(counts, counter_names[i]);
    if (s->n == PROCESSES_MAX)
        return;
    struct process *p = &s->processes[s->n++];

    snprintf(p->role, sizeof p->role, "%s", role != NULL ? role : "?");
    snprintf(p->sandbox, sizeof p->sandbox, "%s", text_of(row, "sandbox"));
    p->pid = number(row, "pid");
    p->slot = number(row, "slot");
    p->generation = number(row, "generation");
    p->started = number(row, "started");
    p->sessions = number(counts, "sessions");
    p->outgoing = number(counts, "outgoing");
    p->accepted = number(counts, "accepted");
    p->delivered = number(counts, "delivered");
}

/* role_rank - the order in which a message meets them */

static size_t role_rank(const char *role)
{
    static const char *const order[] = {
        "master", "smtpd", "vault", "lookup", "queue", "relay", "local", "console",
    };
    size_t i = 0;

    while (i < sizeof order / sizeof order[0] && strcmp(order[i], role) != 0)
        i++;
    return i;
}

static int by_role(const void *a, const void *b)
{
    const struct process *p = a, *q = b;
    size_t pr = role_rank(p->role), qr = role_rank(q->role);

    return pr != qr ? (pr > qr) - (pr < qr) : (p->slot > q->slot) - (p->slot < q->slot);
}

static int take(const struct cli *cli, struct sample *s)
{
    json_t *done = NULL;
    int status = control_ask(cli, json_pack("{s:s}", "do", "status"), take_row, s, &done);

    qsort(s->processes, s->n, sizeof s->processes[0], by_role);
    s->at = clock_mono();
    s->missing = number(done, "missing");
    json_decref(done);
    return status;
}

/* --- printing ---------------------------------------------------------------------- */

static void print_processes(const struct sample *s)
{
    struct table t = {
        .columns = 7,
        .heads = { "PROCESS", "PID", "GENERATION", "SESSIONS", "OUTGOING", "SANDBOX", "UP" },
        .right = { false, true, true, true, true, false, false },
    };
    char pid[24], generation[24], up[24], sessions[24], outgoing[24];

    for (size_t i = 0; i < s->n; i++) {
        const struct process *p = &s->processes[i];

        snprintf(pid, sizeof pid, "%lld", (long long)p->pid);
        snprintf(generation, sizeof generation, "%lld", (long long)p->generation);
        snprintf(sessions, sizeof sessions, "%lld", (long long)p->sessions);
        snprintf(outgoing, sizeof outgoing, "%lld", (long long)p->outgoing);
        table_add(&t, (const char *const[]){ p->role, pid, generation, sessions, outgoing,
                  p->sandbox, span_text(clock_wall() - p->started, up) });
    }
    table_print(&t, stdout, 0);
    table_free(&t);
    if (s->missing > 0)
        printf("%lld processes did not answer in time.\n", (long long)s->missing);
}

static void print_totals(const struct sample *s)
{
    printf("\nQueue: messages %lld (held %lld), recipients %lld (being delivered %lld, "
           "deferred %lld)\n",
           (long long)s->totals[COUNT_waiting], (long long)s->totals[COUNT_held],
           (long long)s->totals[COUNT_waiting_recipients],
           (long long)s->totals[COUNT_leased], (long long)s->totals[COUNT_deferred]);
    printf("Since start: %lld accepted, %lld refused, %lld delivered, %lld deferrals, "
           "%lld failed, %lld reports\n",
           (long long)s->totals[COUNT_accepted], (long long)s->totals[COUNT_refused],
           (long long)s->totals[COUNT_delivered], (long long)s->totals[COUNT_deferrals],
           (long long)s->totals[COUNT_failed], (long long)s->totals[COUNT_bounces]);
}

static double rate(const struct sample *a, const struct sample *b, enum counter c)
{
    int64_t ms = b->at - a->at, n = b->totals[c] - a->totals[c];

    return ms > 0 && n > 0 ? 1000.0 * (double)n / (double)ms : 0;
}

static void print_rates(const struct sample *a, const struct sample *b)
{
    printf("A second, now: %.1f connections, %.1f accepted, %.1f delivered, %.1f deferrals\n",
           rate(a, b, COUNT_connections), rate(a, b, COUNT_accepted),
           rate(a, b, COUNT_delivered), rate(a, b, COUNT_deferrals));
}

static void destination_row(void *user, json_t *row)
{
    static const char *const names[] = { "ready", "leased", "deferred", "held", "window" };
    char cells[5][24], next[24] = "-";
    int64_t at;

    for (size_t i = 0; i < 5; i++)
        snprintf(cells[i], sizeof cells[i], "%lld", (long long)number(row, names[i]));
    if (time_parse(text_of(row, "next"), &at))
        span_text(at - clock_wall(), next);
    table_add(user, (const char *const[]){ text_of(row, "destination"), text_of(row, "state"),
              cells[0], cells[1], cells[2], cells[3], cells[4], next, text_of(row, "reason") });
}

static int print_destinations(const struct cli *cli)
{
    struct table t = {
        .columns = 9,
        .heads = { "DESTINATION", "STATE", "READY", "LEASED", "DEFERRED", "HELD", "WINDOW",
                   "NEXT", "WHY" },
        .right = { [2] = true, [3] = true, [4] = true, [5] = true, [6] = true, [7] = true },
    };
    int status = control_ask(cli, json_pack("{s:s}", "do", "queue.destinations"),
                             destination_row, &t, NULL);

    if (status == EX_OK && t.rows > 0) {
        putchar('\n');
        table_print(&t, stdout, screen_width());
    }
    table_free(&t);
    return status;
}

static void wait_ms(int64_t ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

static int print_json(const struct cli *cli)
{
    int status = control_ask(cli, json_pack("{s:s}", "do", "status"), control_print_json,
                             NULL, NULL);

    if (status == EX_OK)
        status = control_ask(cli, json_pack("{s:s}", "do", "queue.destinations"),
                             control_print_json, NULL, NULL);
    return status;
}

static int run(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    static struct text_list words;
    static struct sample first, second;
    struct status s = { .interval = 1000 };
    int status;

    words = (struct text_list){ .n = 0 };
    first = second = (struct sample){ .n = 0 };
    if (!read_words(v, &s, argc, argv, &words))
        return EX_USAGE;
    if (cli->json)
        return print_json(cli);
    status = take(cli, &first);
    if (status != EX_OK)
        return status;
    print_processes(&first);
    print_totals(&first);
    fflush(stdout);
    if (s.interval > 0) {
        wait_ms(s.interval);
        status = take(cli, &second);
        if (status == EX_OK)
            print_rates(&first, &second);
    }
    return status == EX_OK ? print_destinations(cli) : status;
}

const struct verb status_verbs[] = {
    { "status", "", "Show the processes, the rates, and the queue by destination", options, run,
      NULL },
    { 0 },
};
