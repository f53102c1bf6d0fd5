/* notify.c - the table of the rules. */
#include "mail/notify.h"
#include "base/ascii.h"

/* What a recipient's NOTIFY says to the event of a row. */
enum asked {
    ANY,
    ABSENT,         /* no NOTIFY */
    NEVER,
    HAS_SUCCESS,
    HAS_FAILURE,
    HAS_DELAY,
};

static bool asks(unsigned notify, enum asked asked)
{
    switch (asked) {
    case ANY:         return true;
    case ABSENT:      return notify == 0;
    case NEVER:       return (notify & NOTIFY_NEVER) != 0;
    case HAS_SUCCESS: return (notify & NOTIFY_SUCCESS) != 0;
    case HAS_FAILURE: return (notify & NOTIFY_FAILURE) != 0;
    case HAS_DELAY:   return (notify & NOTIFY_DELAY) != 0;
    }
    return false;
}

/* What goes on with the message. */
enum onward {
    NOTHING,
    ALL,
    LESS_SUCCESS,   /* the report on the expansion was the success */
    WITH_DELAY,     /* FAILURE,DELAY if there was none, else DELAY added */
};

enum { QUIET = -1 };

/* The first row that fits decides: event, what was asked, the report, what goes
 * on, and the paragraph. */
static const struct row {
    enum notify_event event;
    enum asked        asked;
    int               report;       /* enum dsn_kind, or QUIET */
    enum onward       onward;
    const char       *rule;
} rows[] = {
    { NOTIFY_DELIVERED,        HAS_SUCCESS, DSN_DELIVERED, NOTHING, "RFC 3461 5.2.3(a)" },
    { NOTIFY_DELIVERED,        ABSENT,      QUIET,         NOTHING, "RFC 3461 5.2.3(c)" },
    { NOTIFY_DELIVERED,        ANY,         QUIET,         NOTHING, "RFC 3461 5.2.3(b)" },

    { NOTIFY_TO_DSN_HOST,      ANY,         QUIET,         ALL,     "RFC 3461 5.2.1(c)" },

    { NOTIFY_TO_PLAIN_HOST,    HAS_SUCCESS, DSN_RELAYED,   NOTHING, "RFC 3461 5.2.2(b)" },
    { NOTIFY_TO_PLAIN_HOST,    NEVER,       QUIET,         NOTHING, "RFC 3461 5.2.2(d)" },
    { NOTIFY_TO_PLAIN_HOST,    ABSENT,      QUIET,         NOTHING, "RFC 3461 5.2.2(e)" },
    { NOTIFY_TO_PLAIN_HOST,    ANY,         QUIET,         NOTHING, "RFC 3461 5.2.2(a)" },

    { NOTIFY_FORWARDED,        ANY,         QUIET,         ALL,     "RFC 3461 5.2.7.2" },

    { NOTIFY_EXPANDED,         HAS_SUCCESS, DSN_EXPANDED,  LESS_SUCCESS, "RFC 3461 5.2.7.3(c)" },
    { NOTIFY_EXPANDED,         ANY,         QUIET,         LESS_SUCCESS, "RFC 3461 5.2.7.3(c)" },

    { NOTIFY_REDISTRIBUTED,    HAS_SUCCESS, DSN_DELIVERED, NOTHING, "RFC 3461 5.2.7.1" },
    { NOTIFY_REDISTRIBUTED,    ANY,         QUIET,         NOTHING, "RFC 3461 5.2.7.1(b)" },

    { NOTIFY_FAILED,           HAS_FAILURE, DSN_FAILED,    NOTHING, "RFC 3461 5.2.6(a)" },
    { NOTIFY_FAILED,           ABSENT,      DSN_FAILED,    NOTHING, "RFC 3461 5.2.6(c)" },
    { NOTIFY_FAILED,           ANY,         QUIET,         NOTHING, "RFC 3461 5.2.6(b)" },

    { NOTIFY_DELAYED,          HAS_DELAY,   DSN_DELAYED,   NOTHING, "RFC 3461 5.2.5(a)" },
    { NOTIFY_DELAYED,          ABSENT,      DSN_DELAYED,   NOTHING, "RFC 3461 5.2.5(b)" },
    { NOTIFY_DELAYED,          ANY,         QUIET,         NOTHING, "RFC 3461 5.2.5(c)" },

    { NOTIFY_BY_EXPIRED,       HAS_DELAY,   DSN_DELAYED,   NOTHING, "RFC 2852 4.1.3" },
    { NOTIFY_BY_EXPIRED,       ABSENT,      DSN_DELAYED,   NOTHING, "RFC 2852 4.1.3" },
    { NOTIFY_BY_EXPIRED,       ANY,         QUIET,         NOTHING, "RFC 2852 4.1.3" },

    { NOTIFY_BY_PLAIN_HOST,    NEVER,       QUIET,         ALL,     "RFC 2852 4.1.4.2" },
    { NOTIFY_BY_PLAIN_HOST,    ANY,         DSN_RELAYED,   WITH_DELAY, "RFC 2852 4.1.4.2" },

    { NOTIFY_BY_PLAINEST_HOST, NEVER,       QUIET,         NOTHING, "RFC 2852 4.1.4.2" },
    { NOTIFY_BY_PLAINEST_HOST, ANY,         DSN_RELAYED,   NOTHING, "RFC 2852 4.1.4.2" },

    { NOTIFY_BY_TRACED,        NEVER,       QUIET,         ALL,     "RFC 2852 4.1.4" },
    { NOTIFY_BY_TRACED,        ANY,         DSN_RELAYED,   ALL,     "RFC 2852 4.1.4" },
};

static const struct row *row_find(enum notify_event event, unsigned notify)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].event == event && asks(notify, rows[i].asked))
            return &rows[i];
    return NULL;
}

/* onward_of - SUCCESS alone, taken away, leaves NEVER: an absent NOTIFY would ask for
 * reports of failure, which the sender did not want */

static unsigned onward_of(enum onward onward, unsigned notify)
{
    unsigned left = notify & ~(unsigned)NOTIFY_SUCCESS;

    switch (onward) {
    case NOTHING:      return 0;
    case ALL:          return notify;
    case LESS_SUCCESS: return notify == NOTIFY_SUCCESS ? (unsigned)NOTIFY_NEVER : left;
    case WITH_DELAY:   return notify == 0 ? (unsigned)(NOTIFY_FAILURE | NOTIFY_DELAY)
                                          : notify | NOTIFY_DELAY;
    }
    return 0;
}

struct notify_decision notify_decide(enum notify_event event, unsigned notify, bool null_sender)
{
    const struct row *row = row_find(event, notify);
    struct notify_decision d = { .rule = "" };

    if (row == NULL)
        return d;
    d.rule = row->rule;
    d.pass = row->onward != NOTHING;
    d.notify = onward_of(row->onward, notify);
    d.report = row->report != QUIET && !null_sender;
    if (row->report != QUIET)
        d.kind = (enum dsn_kind)row->report;
    return d;
}

bool notify_valid(unsigned notify)
{
    return notify == NOTIFY_NEVER
        || (notify != 0 && (notify & ~(unsigned)(NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY)) == 0);
}

/* The words, by their bit. */
static const struct slice words[] = {
    SLICE_INIT("NEVER"), SLICE_INIT("SUCCESS"), SLICE_INIT("FAILURE"), SLICE_INIT("DELAY"),
};

const char *notify_text(unsigned notify)
{
    static const char *const texts[] = {    /* SUCCESS 1, FAILURE 2, DELAY 4 */
        "", "SUCCESS", "FAILURE", "SUCCESS,FAILURE",
        "DELAY", "SUCCESS,DELAY", "FAILURE,DELAY", "SUCCESS,FAILURE,DELAY",
    };

    return notify & NOTIFY_NEVER ? "NEVER" : texts[notify >> 1 & 7];
}

static unsigned word_bit(struct slice word)
{
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_ieq(word, words[i]))
            return 1u << i;
    return 0;
}

bool notify_parse(struct slice value, unsigned *notify)
{
    struct slice word;
    bool more = true;

    for (*notify = 0; more;) {
        unsigned bit;

        more = slice_cut(value, ',', &word, &value);
        bit = word_bit(word);
        if (bit == 0 || (*notify & bit) != 0)
            return false;
        *notify |= bit;
    }
    return notify_valid(*notify);
}
