/* load_plan.h - what a load is to be, and its bytes, made once before it begins.
 *
 * Messages are all alike but for their recipients, so that nothing is composed while
 * time is measured: a connection points at these bytes. Only where --to counts (%n) is
 * an envelope written anew for each message.
 */
#pragma once
#include "base/buf.h"
#include "cli/options.h"

enum {
    LOAD_SESSIONS_MAX   = 1000000,
    LOAD_SIZE_MAX       = 1 << 30,
    LOAD_RECIPIENTS_MAX = 100000,
    LOAD_WINDOW_MAX     = 64,
    LOAD_ADDRESS_MAX    = 1000,
};

struct load_plan {
    /* as the options say */
    const char *server, *from, *to, *helo;
    const char *user, *password_file, *mechanism;
    uint64_t    sessions, messages, warmup, active;
    uint64_t    per_connection;     /* messages; 0: all on one */
    uint64_t    size, recipients, spread;
    uint64_t    window;             /* messages on their way on one connection, by BDAT */
    int64_t     time;               /* ms */
    bool        pipelining, bdat, starttls, tls_at_once, resume, brisk;
    bool        handshakes, idle, quiet;

    /* made of them */
    bool        same;               /* every message has the same recipients */
    struct buf  hello;              /* EHLO */
    struct buf  mail;               /* MAIL */
    struct buf  opening;            /* all that is sent before the text in one piece; when not
                                     * `same`, it has the longest possible recipients */
    struct buf  body;               /* the text and what is around it: "." or BDAT */
    struct slice rcpt_head, rcpt_tail;  /* of an address: before and after the number */
};

/* plan_check - defaults for what was not given; what is wrong with it, or NULL */
const char *plan_check(struct load_plan *p);

/* plan_make - the bytes; plan_free gives them back. False: no memory. */
bool plan_make(struct load_plan *p);
void plan_free(struct load_plan *p);

/* plan_rcpt - the line RCPT with recipient number n, written to `to`, which has room for
 * plan_rcpt_max() */
struct slice plan_rcpt(const struct load_plan *p, uint64_t n, char *to);
size_t plan_rcpt_max(const struct load_plan *p);

/* plan_opening - MAIL, all RCPT from number n on, and DATA unless by BDAT: in `to`, which
 * has room for p->opening.n, or the same for all */
struct slice plan_opening(const struct load_plan *p, uint64_t n, char *to);
