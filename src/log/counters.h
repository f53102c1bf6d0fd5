/* counters.h - the list of counters and gauges, each with its help.
 *
 * A process adds to its own; the console adds them up. Counters only grow,
 * gauges are set before a report (child_role.gauge).
 */
#pragma once
#include <stdint.h>

/*  kind     name                 help */
#define COUNTERS(C)                                                             \
    C(GAUGE,   sessions,            "SMTP sessions open")                       \
    C(COUNTER, connections,         "connections taken")                        \
    C(COUNTER, connections_refused, "connections refused by a limit")           \
    C(COUNTER, accepted,            "messages accepted")                        \
    C(COUNTER, accepted_bytes,      "bytes of messages accepted")               \
    C(COUNTER, refused,             "commands and messages refused")            \
    C(COUNTER, commits,             "messages made durable")                    \
    C(COUNTER, syncs,               "syncs of the journal")                     \
    C(COUNTER, sync_failures,       "syncs that failed")                        \
    C(GAUGE,   waiting,             "messages in the queue")                    \
    C(GAUGE,   waiting_recipients,  "recipients in the queue")                  \
    C(GAUGE,   leased,              "recipients leased to an agent")            \
    C(GAUGE,   deferred,            "recipients deferred until a time")         \
    C(GAUGE,   held,                "messages held by a person")                \
    C(COUNTER, delivered,           "recipients delivered")                     \
    C(COUNTER, deferrals,           "attempts that became later")               \
    C(COUNTER, failed,              "recipients failed for ever")               \
    C(COUNTER, bounces,             "reports written")                          \
    C(COUNTER, expired,             "recipients failed by lifetime")            \
    C(COUNTER, removed,             "messages removed by a person")             \
    C(COUNTER, quarantined,         "records that recovery could not read")     \
    C(GAUGE,   spool_segments,      "journal segments on disk")                 \
    C(GAUGE,   outgoing,            "connections to other hosts open")          \
    C(COUNTER, outgoing_connects,   "connections to other hosts made")          \
    C(COUNTER, logins,              "clients that have logged in")              \
    C(COUNTER, logins_failed,       "logins with a wrong name or password")     \
    C(COUNTER, logins_refused,      "logins refused after too many failures")   \
    C(COUNTER, lookups,             "questions answered by lookup")             \
    C(COUNTER, restarts,            "processes started again after they died")  \
    C(COUNTER, log_suppressed,      "log lines left out by the rate limit")

enum counter {
#define C(kind, name, help) COUNT_##name,
    COUNTERS(C)
#undef C
    COUNTER_COUNT
};

extern uint64_t counters[COUNTER_COUNT];

#define count_add(name, n)  ((void)(counters[COUNT_##name] += (n)))
#define count_set(name, n)  ((void)(counters[COUNT_##name] = (n)))
