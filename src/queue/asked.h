/* asked.h - what a sender asked for beside delivery: the extras of an envelope and
 * of its recipients, as values.
 *
 * What cannot be read counts as not asked: the process that accepted the message
 * has checked it already.
 */
#pragma once
#include "base/arena.h"
#include "mail/envelope.h"
#include "mail/notify.h"

enum asked_verb { ASKED_MAIL, ASKED_SEND, ASKED_SOML, ASKED_SAML, ASKED_VERBS };

/* Of the whole message. */
struct asked {
    int64_t         hold;       /* not before (wall ms); 0: at once (RFC 4865) */
    int64_t         by;         /* deliver by (wall ms); 0: whenever (RFC 2852) */
    bool            by_return;  /* what is late by then fails; else its sender is told */
    bool            by_trace;   /* tell of each relay on the way */
    int             priority;   /* -9 to 9 (RFC 6710) */
    enum asked_verb verb;
};

struct asked asked_of(struct slice extra);
const char *asked_verb_name(enum asked_verb verb);

/* How a recipient came to be in the envelope. */
enum asked_origin { ASKED_ITSELF, ASKED_BY_ALIAS /* one of several addresses of an alias */,
                    ASKED_BY_LIST /* of a list with its own return path */ };
enum asked_origin asked_origin(struct slice extra);

/* asked_notify - NOTIFY of one recipient as its sender gave it; 0: not given */
unsigned asked_notify(struct slice extra);

/* asked_notify_here - what still holds for it: the members of an alias are told of
 * in one report when it is expanded, and a list's are no longer the sender's affair
 * (RFC 3461 §5.2.7) */
unsigned asked_notify_here(struct slice extra);

/* asked_parameters - did the sender use the extension DSN at all? */
bool asked_parameters(const struct envelope *e);

/* asked_xtext - a value of an extra as text (RFC 3461 §4), in the arena; empty when it
 * is absent, malformed, or has a control character */
struct slice asked_xtext(struct slice extra, enum envelope_extra name, struct arena *arena);

/* asked_rrvs - since when the recipient must be who he is (wall ms); 0: not asked */
int64_t asked_rrvs(struct slice extra);
