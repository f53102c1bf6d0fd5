/* log.h - one line for each event, from one list of events.
 *
 * A line has the time, the process, the event's name and its fields, as text
 * (key=value, quoted where needed) or as one JSON object. Everything that came
 * from outside goes through here as a field, and no control byte of it ever
 * reaches the line. To follow one message or one session, search its id.
 */
#pragma once
#include "base/slice.h"
#include "log/counters.h"

enum log_level { LOG_DEBUGGING, LOG_INFORM, LOG_WARN, LOG_ALARM };

/*  NAME              level        help */
#define EVENTS(E)                                                                         \
    E(START,          LOG_INFORM,  "a process has begun")                                 \
    E(READY,          LOG_INFORM,  "the server takes connections")                        \
    E(STOP,           LOG_INFORM,  "a process ends in order")                             \
    E(CHILD_DIED,     LOG_ALARM,   "a process died and is started again")                 \
    E(CHILD_LEFT,     LOG_INFORM,  "a process of an old generation has left")             \
    E(RELOAD,         LOG_INFORM,  "a new configuration is in force")                     \
    E(RELOAD_REFUSED, LOG_ALARM,   "the new configuration is wrong; the old one stays")   \
    E(CONFIG,         LOG_ALARM,   "trouble with the configuration")                      \
    E(CHANNEL,        LOG_ALARM,   "a channel between processes was cut")                 \
    E(LISTEN,         LOG_INFORM,  "a port is open")                                      \
    E(CONNECT,        LOG_INFORM,  "a client has connected")                              \
    E(AUTH,           LOG_INFORM,  "a client has logged in, or tried to")                 \
    E(SECURE,         LOG_INFORM,  "TLS was agreed on")                                   \
    E(INSECURE,       LOG_INFORM,  "a TLS handshake failed")                              \
    E(REFUSE,         LOG_INFORM,  "a client, command or message was refused")            \
    E(DISCONNECT,     LOG_INFORM,  "a session has ended, with what it did")               \
    E(DIALOG,         LOG_DEBUGGING, "one line of a session")                             \
    E(ACCEPT,         LOG_INFORM,  "a message was accepted: it is durable")               \
    E(QUEUED,         LOG_INFORM,  "a message is in the queue")                           \
    E(DELIVERED,      LOG_INFORM,  "a recipient was delivered")                           \
    E(DEFERRED,       LOG_INFORM,  "a recipient must wait; why, and until when")          \
    E(FAILED,         LOG_INFORM,  "a recipient failed for ever")                         \
    E(EXPIRED,        LOG_INFORM,  "a recipient failed because its lifetime is over")     \
    E(BOUNCED,        LOG_INFORM,  "a report was written")                                \
    E(DOUBLE_BOUNCE,  LOG_WARN,    "a report could not be delivered and was dropped")     \
    E(NOTIFIED,       LOG_INFORM,  "a report of success was written: the sender asked for it") \
    E(WARNED,         LOG_INFORM,  "a delay warning was written")                         \
    E(REMOVED,        LOG_INFORM,  "a message has left the queue")                        \
    E(HELD,           LOG_INFORM,  "a message is held by a person")                       \
    E(RELEASED,       LOG_INFORM,  "a held message may go")                               \
    E(DESTINATION,    LOG_INFORM,  "a destination is in trouble, or well again")          \
    E(KICKED,         LOG_INFORM,  "mail was let go by ETRN")                             \
    E(TURNED,         LOG_INFORM,  "mail was fetched by TURN or ATRN")                    \
    E(LINKS,          LOG_INFORM,  "a connector to a neighbour went down or came up")     \
    E(FETCHED,        LOG_INFORM,  "we fetched our mail elsewhere, or tried")             \
    E(RECOVERED,      LOG_INFORM,  "the journal was read: what was found")                \
    E(QUARANTINE,     LOG_ALARM,   "recovery could not read something and put it aside")  \
    E(SPOOL,          LOG_ALARM,   "trouble with the spool")                              \
    E(DISK_FULL,      LOG_ALARM,   "mail is refused until there is room again")           \
    E(OUTGOING,       LOG_DEBUGGING, "a connection to another host")                      \
    E(FETCH,          LOG_INFORM,  "our mail was asked for at another host")              \
    E(DNS,            LOG_WARN,    "a name could not be resolved")                        \
    E(MAILBOX,        LOG_WARN,    "trouble with a mailbox")                              \
    E(TABLE,          LOG_WARN,    "trouble with a table")                                \
    E(CONTROL,        LOG_INFORM,  "a person gave a command")                             \
    E(SUPPRESSED,     LOG_WARN,    "lines were left out by the rate limit")               \
    E(BUG,            LOG_ALARM,   "something that cannot be: please report it")

enum event {
#define E(NAME, level, help) EVENT_##NAME,
    EVENTS(E)
#undef E
    EVENT_COUNT
};

/* A field of a line. Make them with the macros below. */
struct log_field {
    enum { LF_KIND_TEXT, LF_KIND_NUMBER, LF_KIND_ID } kind;
    struct slice key;
    struct slice text;
    int64_t      number;
    uint64_t     id;
};

#define LF_TEXT(k, slice_)  ((struct log_field){ .kind = LF_KIND_TEXT, .key = slice_cstr(k), .text = (slice_) })
#define LF_STR(k, cstr)     LF_TEXT(k, slice_cstr(cstr))
#define LF_NUM(k, n_)       ((struct log_field){ .kind = LF_KIND_NUMBER, .key = slice_cstr(k), .number = (int64_t)(n_) })
#define LF_ID(k, id_)       ((struct log_field){ .kind = LF_KIND_ID, .key = slice_cstr(k), .id = (id_) })

/* log_event - write one line: log_event(EVENT_ACCEPT, LF_ID("id", id), LF_NUM("size", n)) */
#define log_event(event, ...)                                                \
    log_fields((event), (const struct log_field[]){ __VA_ARGS__ },           \
               sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field))
void log_fields(enum event event, const struct log_field *fields, size_t n);

/* log_wants - is this event written at all? For those whose fields cost something to find */
bool log_wants(enum event event);

/* log_gather - a process with a loop lets its lines wait until log_flush(), once a turn,
 * so that the lines of a turn cost one system call. Warnings and alarms do not wait.
 * log_gather(false), as at first: no line does. */
void log_gather(bool on);
void log_flush(void);

/* log_line - the line that log_fields would write, with its newline, cut to
 * size; for tests and the history. Returns its length. */
size_t log_line(char *line, size_t size, bool json, int64_t wall_ms, const char *process,
                unsigned pid, enum event event, const struct log_field *fields, size_t n);

struct log_conf {
    enum { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE } to;  /* a file is descriptor 2 by now */
    bool           json;
    enum log_level level;       /* nothing below */
    unsigned       per_second;  /* lines a second and process; 0: no limit (A168) */
    const char    *process;     /* "smtpd", lives as long as the process */
};

/* log_setup - before it: text to standard error, LOG_INFORM. Never blocks mail:
 * a line that cannot be written is counted and dropped. */
void log_setup(const struct log_conf *conf);

const char *event_name(enum event event);       /* lower case, as in the line */
