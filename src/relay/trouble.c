/* trouble.c - the table of who suffers from what. */
#include <stdio.h>
#include "base/digits.h"
#include "relay/trouble.h"

static const struct {
    int64_t     seconds;
    const char *words;
} stages[STAGE_COUNT] = {
#define S(NAME, seconds, words) [STAGE_##NAME] = { seconds, words },
    CLIENT_STAGES(S)
#undef S
};

static const struct {
    struct verdict verdict;
    const char    *words;
} causes[CAUSE_COUNT] = {
    [CAUSE_NONE] = { { VICTIM_NONE, FATE_LATER, "4.0.0" }, "" },
#define C(NAME, victim, status, words) [CAUSE_##NAME] = { { victim, FATE_LATER, status }, words },
    TROUBLE_CAUSES(C)
#undef C
};

#define AT(NAME)    (1u << STAGE_##NAME)
#define ANYWHERE    (~0u)
#define BEGINNING   (AT(GREETING) | AT(EHLO) | AT(HELO))
#define LOGGING_IN  (AT(LOGIN) | AT(AUTH))

/* The first row that fits decides. */
static const struct row {
    unsigned       stages;
    unsigned       low, high;   /* reply codes */
    struct verdict verdict;
} rows[] = {
    { ANYWHERE,            421, 421, { VICTIM_HOST,    FATE_LATER, "4.3.2" } },

    { AT(GREETING),        220, 220, { VICTIM_NONE,    FATE_DONE,  "2.0.0" } },
    { AT(DATA),            354, 354, { VICTIM_NONE,    FATE_DONE,  "2.0.0" } },
    { AT(XEXCH50),         354, 354, { VICTIM_NONE,    FATE_DONE,  "2.0.0" } },
    { AT(STARTTLS),        220, 220, { VICTIM_NONE,    FATE_DONE,  "2.0.0" } },
    { AT(AUTH),            235, 235, { VICTIM_NONE,    FATE_DONE,  "2.7.0" } },
    { AT(AUTH),            334, 334, { VICTIM_NONE,    FATE_LATER, "4.7.0" } },
    { AT(EHLO) | AT(HELO) | AT(RSET) | AT(MAIL) | AT(RCPT) | AT(CHUNK) | AT(DOT) | AT(COMMAND)
      | AT(XFORWARD) | AT(BLOBBED),
                           200, 299, { VICTIM_NONE,    FATE_DONE,  "2.0.0" } },

    /* who asks for more than mail decides himself what a refusal means */
    { AT(COMMAND),         300, 399, { VICTIM_RCPT,    FATE_LATER, "4.5.0" } },
    { AT(COMMAND),         400, 499, { VICTIM_RCPT,    FATE_LATER, "4.0.0" } },
    { AT(COMMAND),         500, 599, { VICTIM_RCPT,    FATE_NEVER, "5.0.0" } },
    /* these are extras: mail goes without them */
    { AT(STARTTLS) | AT(XFORWARD) | AT(XEXCH50) | AT(BLOBBED),
                           400, 599, { VICTIM_RCPT,    FATE_LATER, "4.0.0" } },
    { LOGGING_IN,          400, 599, { VICTIM_HOST,    FATE_LATER, "4.7.0" } },

    /* a host that will not talk to us may talk to us tomorrow */
    { BEGINNING,           400, 599, { VICTIM_HOST,    FATE_LATER, "4.3.0" } },
    { AT(RSET),            400, 599, { VICTIM_SESSION, FATE_LATER, "4.5.0" } },

    /* bad sequence: this session is confused, not the message wrong */
    { AT(MAIL) | AT(RCPT) | AT(DATA),
                           503, 503, { VICTIM_SESSION, FATE_LATER, "4.5.1" } },
    { AT(MAIL) | AT(DATA) | AT(CHUNK) | AT(DOT),
                           400, 499, { VICTIM_MESSAGE, FATE_LATER, "4.0.0" } },
    { AT(MAIL) | AT(DATA) | AT(CHUNK) | AT(DOT),
                           500, 599, { VICTIM_MESSAGE, FATE_NEVER, "5.0.0" } },

    /* 552 is how some say "too many recipients" (RFC 5321 §4.5.3.1.10) */
    { AT(RCPT),            552, 552, { VICTIM_RCPT,    FATE_LATER, "4.5.3" } },
    { AT(RCPT),            400, 499, { VICTIM_RCPT,    FATE_LATER, "4.0.0" } },
    { AT(RCPT),            500, 599, { VICTIM_RCPT,    FATE_NEVER, "5.0.0" } },

    { ANYWHERE,              0, 999, { VICTIM_SESSION, FATE_LATER, "4.5.0" } },
};

int64_t stage_seconds(enum stage stage)
{
    return stages[stage].seconds;
}

const char *stage_words(enum stage stage)
{
    return stages[stage].words;
}

struct verdict trouble_reply(enum stage stage, unsigned code)
{
    const struct row *row = rows;

    while (!(row->stages & 1u << stage) || code < row->low || code > row->high)
        row++;
    return row->verdict;
}

struct verdict trouble_cause(enum cause cause)
{
    return causes[cause].verdict;
}

const char *cause_words(enum cause cause)
{
    return causes[cause].words;
}

/* status_put - numbers below 1000, in a text for each reply: too often for printf */

static void status_put(char text[STATUS_TEXT], unsigned class, unsigned subject, unsigned detail)
{
    char room[DIGITS_TEXT];
    struct slice s = digits_text(subject, room);

    *text++ = (char)('0' + class);
    *text++ = '.';
    memcpy(text, s.p, s.n);
    text += s.n;
    *text++ = '.';
    s = digits_text(detail, room);
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
}

void trouble_status(char text[STATUS_TEXT], const struct reply_in *r, const struct verdict *v)
{
    static const unsigned class_of[] = { [FATE_LATER] = 4, [FATE_DONE] = 2, [FATE_NEVER] = 5 };
    bool usable = r != NULL && r->status[0] != 0 && r->status[0] == r->code / 100
        && r->status[1] < 1000 && r->status[2] < 1000;

    if (usable)
        status_put(text, class_of[v->fate], r->status[1], r->status[2]);
    else
        snprintf(text, STATUS_TEXT, "%s", v->status);
}
