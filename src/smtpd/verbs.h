/* verbs.h - the server's commands, as rows of one table. */
#pragma once
#include "smtpd/session.h"

/* Instead of a reply: */
#define REPLY_NONE  REPLY_COUNT             /* it comes later, or was lined up */
#define REPLY_STALL (REPLY_COUNT + 1)       /* cannot run yet: keep the line */

/* A command's handler: it starts in a legal stage, with the grant it needs;
 * parses its arguments once, acts, and returns the name of a reply. */
typedef unsigned verb_f(struct session *s, struct slice args, struct reply *r);

enum verb_flags {
    V_LAST   = 1 << 0,      /* must end a pipelined group (RFC 2920 §3.1) */
    V_HELO   = 1 << 1,      /* only after HELO or EHLO */
    V_PLAIN  = 1 << 2,      /* takes no argument */
    V_JUNK   = 1 << 3,      /* does nothing for mail: not for ever */
    V_QUEUES = 1 << 4,      /* its reply may be lined up */
    V_LEAVES = 1 << 5,      /* still heard while the server shuts down */
    V_OPEN   = 1 << 6,      /* before the client has logged in or begun TLS, where the
                               listener requires that (RFC 4954 §4, RFC 3207 §4) */
    V_LMTP   = 1 << 7,      /* of LMTP alone */
    V_SMTP   = 1 << 8,      /* not of LMTP */
    V_ODMR   = 1 << 9,      /* of a listener of role odmr too (RFC 2645 §5) */
    V_CHUNK  = 1 << 10,     /* octets follow that are no commands, even if it is refused */
    V_FOLLOWS = 1 << 11,    /* may run while messages before it are yet to become durable */
};

enum { NO_FEATURE = -1 };

struct verb {
    const char   *name;
    verb_f       *handle;
    unsigned      stages;       /* where it may be used... */
    enum reply_id otherwise;    /* ...and the answer elsewhere */
    unsigned      flags;
    int           feature;      /* enum feature that must be granted, or NO_FEATURE */
    const char   *help;         /* "VERB arguments: what it does" */
};

extern const struct verb verbs[];
extern const unsigned verbs_count;

/* verb_offered - may this client use it, now or later in this session? What HELP lists. */
bool verb_offered(const struct session *s, const struct verb *v);

/* A command line, looked at once. */
struct command {
    struct slice       line, name, args;
    const struct verb *verb;        /* NULL: no verb of ours */
};

/* verb_read - what this line asks for */
struct command verb_read(struct slice line);

/* verb_has - is it a verb with this flag? */
static inline bool verb_has(const struct command *c, enum verb_flags flag)
{
    return c->verb != NULL && (c->verb->flags & flag);
}

/* verb_run - carry out one command line: the reply's name, REPLY_NONE or
 * REPLY_STALL. *r has its text. */
unsigned verb_run(struct session *s, const struct command *c, struct reply *r);

/* verb_line_max - how long the line at the front of `in` may be, with its CRLF: some
 * commands need more than others (RFC 5321 §4.5.3.1.4 and each extension's §) */
size_t verb_line_max(const struct session *s, struct slice in);

/* verb_chunk - does a command begin here behind which octets come that are no commands? */
bool verb_chunk(const struct session *s, struct slice in);

/* verb_foreign - is this the first line of another protocol (A028)? Looks at
 * what is there, be it a whole line or not. */
bool verb_foreign(struct slice in);
