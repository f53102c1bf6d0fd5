/* load_session.c - a conversation that costs as little as it can. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/load_login.h"
#include "cli/load_session.h"

static bool advance(struct load_session *s);

/* --- memory ------------------------------------------------------------------------------- */

/* window - messages that may be on their way at the same time: by BDAT several; by DATA the
 * text of one and the envelope of the next, which may go together (RFC 2920 §3.1) */

static unsigned window(const struct load_plan *p)
{
    return !p->pipelining ? 1 : p->bdat ? (unsigned)p->window : 2;
}

static size_t room_of(const struct load_plan *p)
{
    if (!p->pipelining)
        return plan_rcpt_max(p);
    return p->same ? 1 : p->opening.n;
}

static bool session_make(struct load_session *s, struct load *load)
{
    unsigned n = window(&load->plan);

    s->load = load;
    s->wire.fd = -1;
    s->wire.parts = calloc(2 * (size_t)n + 2, sizeof *s->wire.parts);
    s->started = calloc(n, sizeof *s->started);
    s->room = calloc(n, room_of(&load->plan));
    return s->wire.parts != NULL && s->started != NULL && s->room != NULL;
}

struct load_session *sessions_new(struct load *load, size_t n)
{
    struct load_session *all = calloc(n, sizeof *all);

    for (size_t i = 0; all != NULL && i < n; i++) {
        if (!session_make(&all[i], load)) {
            sessions_free(all, n);
            return NULL;
        }
    }
    return all;
}

void sessions_free(struct load_session *all, size_t n)
{
    for (size_t i = 0; all != NULL && i < n; i++) {
        if (all[i].load != NULL)
            session_drop(&all[i]);
        free(all[i].wire.parts);
        free(all[i].started);
        free(all[i].room);
    }
    free(all);
}

void session_drop(struct load_session *s)
{
    login_free(&s->login);
    wire_close(&s->wire);
    s->phase = PHASE_CLOSED;
}

/* --- counting ----------------------------------------------------------------------------- */

static const char *const phase_names[PHASE_COUNT] = {
    [PHASE_GREETING] = "greeting", [PHASE_EHLO] = "EHLO", [PHASE_STARTTLS] = "STARTTLS",
    [PHASE_HANDSHAKE] = "TLS handshake", [PHASE_AUTH] = "AUTH", [PHASE_MAIL] = "MAIL",
    [PHASE_RCPT] = "RCPT", [PHASE_DATA] = "DATA", [PHASE_TEXT] = "text", [PHASE_RSET] = "RSET",
    [PHASE_IDLE] = "idle", [PHASE_QUIT] = "QUIT",
};

/* count_failed - what this connection had begun or taken */

static void count_failed(struct load_session *s)
{
    struct load_tally *t = &s->load->tally;
    int64_t now = load_clock();

    for (unsigned i = s->flying + s->reserved; i > 0; i--)
        tally_done(t, LOAD_FAILED, now, 0, -1);
    s->flying = 0;
    s->reserved = false;
    if (s->idle)
        t->lost++;
    if (s->phase == PHASE_IDLE)
        t->open--;
}

static bool fail(struct load_session *s, const char *why)
{
    if (s->phase != PHASE_QUIT || s->reserved) {
        tally_trouble(&s->load->tally, phase_names[s->phase], slice_cstr(why));
        count_failed(s);
    }
    session_drop(s);
    return false;
}

static bool fail_wire(struct load_session *s)
{
    char why[160];

    return fail(s, wire_why(&s->wire, why));
}

static bool flush(struct load_session *s)
{
    return wire_flush(&s->wire, &s->load->target, s) != WIRE_LOST || fail_wire(s);
}

/* say - one thing, and wait for the answer to it */

static bool say(struct load_session *s, enum load_phase phase, struct slice line)
{
    s->phase = phase;
    wire_part(&s->wire, line);
    return flush(s);
}

/* --- messages ------------------------------------------------------------------------------- */

/* take - another message for this connection, if there is one and it may have more */

static bool take(struct load_session *s)
{
    const struct load_plan *p = &s->load->plan;

    if (s->reserved) {
        s->reserved = false;
        return true;
    }
    if (s->spoilt || s->load->left == 0 || (p->per_connection > 0 && s->begun >= p->per_connection))
        return false;
    s->load->left--;
    return true;
}

static unsigned slot_of(const struct load_session *s, uint64_t number)
{
    return (unsigned)(number % window(&s->load->plan));
}

/* open_message - what is sent of it at once: MAIL alone, or all commands, or all of it */

static void open_message(struct load_session *s)
{
    const struct load_plan *p = &s->load->plan;
    unsigned slot = slot_of(s, s->begun);

    s->started[slot] = load_clock();
    s->begun++;
    s->flying++;
    if (!p->pipelining) {
        s->first_rcpt = s->load->recipient;
        wire_part(&s->wire, buf_view(&p->mail));
    } else {
        wire_part(&s->wire, plan_opening(p, s->load->recipient, s->room + slot * room_of(p)));
        if (p->bdat)
            wire_part(&s->wire, buf_view(&p->body));
    }
    s->load->recipient += p->recipients;
}

/* next_message - as many as may be on their way; QUIT when there are none left */

static bool next_message(struct load_session *s)
{
    unsigned most = s->load->plan.bdat ? window(&s->load->plan) : 1;

    if (s->spoilt && s->flying == 0)
        return say(s, PHASE_RSET, SLICE_LIT("RSET\r\n"));
    while (s->flying < most && take(s))
        open_message(s);
    if (s->flying == 0)
        return say(s, PHASE_QUIT, SLICE_LIT("QUIT\r\n"));
    s->phase = PHASE_MAIL;
    s->rcpt = s->taken = 0;
    s->refused = false;
    return flush(s);
}

/* message_over - the oldest one; `spoilt`: the server may still be in the middle of it */

static bool message_over(struct load_session *s, bool spoilt)
{
    uint64_t number = s->begun - s->flying;
    int64_t now = load_clock();

    s->flying--;
    s->spoilt |= spoilt;
    tally_done(&s->load->tally, s->refused ? LOAD_REFUSED : LOAD_ACCEPTED, now,
               now - s->started[slot_of(s, number)], number == 0 ? now - s->opened : -1);
    return next_message(s);
}

static bool say_text(struct load_session *s)
{
    const struct load_plan *p = &s->load->plan;

    wire_part(&s->wire, buf_view(&p->body));
    if (p->pipelining && take(s))
        open_message(s);
    s->phase = PHASE_TEXT;
    return flush(s);
}

static bool say_rcpt(struct load_session *s)
{
    return say(s, PHASE_RCPT, plan_rcpt(&s->load->plan, s->first_rcpt + s->rcpt, s->room));
}

/* after_rcpts - every recipient is answered */

static bool after_rcpts(struct load_session *s)
{
    const struct load_plan *p = &s->load->plan;

    s->phase = p->bdat ? PHASE_TEXT : PHASE_DATA;
    if (p->pipelining)
        return true;
    if (s->taken == 0)
        return message_over(s, true);
    return p->bdat ? say_text(s) : say(s, PHASE_DATA, SLICE_LIT("DATA\r\n"));
}

/* --- replies, one function a phase ----------------------------------------------------------- */

/* A reply: its code, and all of its lines as they came. False: the connection is over. */
typedef bool reply_f(struct load_session *s, unsigned code, struct slice text);

static bool refuse(struct load_session *s, struct slice text)
{
    tally_trouble(&s->load->tally, phase_names[s->phase], text);
    s->refused = true;
    return true;
}

/* refuse_all - a connection that comes to nothing: its message is refused, if it has one */

static bool refuse_all(struct load_session *s, struct slice text)
{
    int64_t now = load_clock();

    refuse(s, text);
    if (s->reserved)
        tally_done(&s->load->tally, LOAD_REFUSED, now, now - s->opened, -1);
    s->reserved = false;
    count_failed(s);
    session_drop(s);
    return false;
}

/* ready - said hello, and whatever else was wanted before mail */

static bool ready(struct load_session *s)
{
    if (!s->idle)
        return next_message(s);
    s->phase = PHASE_IDLE;
    s->load->tally.open++;
    return true;
}

static bool quit_handshake(struct load_session *s)
{
    return say(s, PHASE_QUIT, SLICE_LIT("QUIT\r\n"));
}

static bool on_greeting(struct load_session *s, unsigned code, struct slice text)
{
    const struct load_plan *p = &s->load->plan;

    if (code != 220)
        return refuse_all(s, text);
    if (p->handshakes && !p->starttls) {
        if (!p->tls_at_once)
            s->started[0] = load_clock();
        return quit_handshake(s);
    }
    return say(s, PHASE_EHLO, buf_view(&p->hello));
}

struct host_offers *session_offers(const struct load_session *s)
{
    return &s->load->offers[s->wire.tls != NULL];
}

/* learn_offers - from the first who is told; all others will be told the same */

static void learn_offers(struct load_session *s, struct slice text)
{
    static struct reply_reader reader;
    bool *known = &s->load->offers_known[s->wire.tls != NULL];
    size_t used;

    if (*known)
        return;
    reader = (struct reply_reader){ .begun = false };
    if (reader_next(&reader, text, &used) == READER_REPLY)
        offers_read(&reader.reply, session_offers(s));
    *known = true;
}

static const char *missing_offer(const struct load_session *s)
{
    const struct load_plan *p = &s->load->plan;
    unsigned flags = session_offers(s)->flags;

    if (p->starttls && s->wire.tls == NULL)
        return flags & HOST_STARTTLS ? NULL : "the server offers no STARTTLS";
    if (p->pipelining && !(flags & HOST_PIPELINING))
        return "the server offers no PIPELINING";
    if (p->bdat && !(flags & HOST_CHUNKING))
        return "the server offers no CHUNKING, which BDAT belongs to";
    return NULL;
}

static bool on_ehlo(struct load_session *s, unsigned code, struct slice text)
{
    const struct load_plan *p = &s->load->plan;

    if (code != 250)
        return refuse_all(s, text);
    learn_offers(s, text);
    s->load->hopeless = missing_offer(s);
    if (s->load->hopeless != NULL)
        return fail(s, s->load->hopeless);
    if (p->starttls && s->wire.tls == NULL)
        return say(s, PHASE_STARTTLS, SLICE_LIT("STARTTLS\r\n"));
    if (p->user != NULL) {
        struct slice line = login_begin(s);

        return line.n > 0 ? say(s, PHASE_AUTH, line) : fail(s, s->load->hopeless);
    }
    return ready(s);
}

static bool on_starttls(struct load_session *s, unsigned code, struct slice text)
{
    if (code != 220)
        return refuse_all(s, text);
    if (!wire_secure(&s->wire, &s->load->target))
        return fail(s, "no memory");
    s->phase = PHASE_HANDSHAKE;
    return advance(s);
}

static bool on_auth(struct load_session *s, unsigned code, struct slice text)
{
    struct slice line;

    if (code == 334) {
        line = login_step(s, text);
        return line.n > 0 ? say(s, PHASE_AUTH, line) : fail(s, "the server's challenge is wrong");
    }
    if (code != 235)
        return refuse_all(s, text);
    login_free(&s->login);
    return ready(s);
}

static bool on_mail(struct load_session *s, unsigned code, struct slice text)
{
    if (code != 250)
        refuse(s, text);
    s->phase = PHASE_RCPT;
    if (s->load->plan.pipelining)
        return true;
    return s->refused ? message_over(s, false) : say_rcpt(s);
}

static bool on_rcpt(struct load_session *s, unsigned code, struct slice text)
{
    if (code == 250 || code == 251)
        s->taken++;
    else
        refuse(s, text);
    if (++s->rcpt == s->load->plan.recipients)
        return after_rcpts(s);
    return s->load->plan.pipelining || say_rcpt(s);
}

static bool on_data(struct load_session *s, unsigned code, struct slice text)
{
    if (code == 354 && s->taken > 0)
        return say_text(s);
    refuse(s, text);
    if (code == 354)            /* it waits for a text to no one (RFC 2920 §3.1) */
        return say(s, PHASE_TEXT, SLICE_LIT(".\r\n"));
    return message_over(s, true);
}

static bool on_text(struct load_session *s, unsigned code, struct slice text)
{
    if (code != 250)
        refuse(s, text);
    return message_over(s, code != 250 && s->load->plan.bdat);
}

static bool on_rset(struct load_session *s, unsigned code, struct slice text)
{
    if (code != 250)
        return refuse_all(s, text);
    s->spoilt = false;
    return next_message(s);
}

/* on_idle - a server that speaks unasked says goodbye */

static bool on_idle(struct load_session *s, unsigned code, struct slice text)
{
    (void)code;
    return refuse_all(s, text);
}

static bool on_quit(struct load_session *s, unsigned code, struct slice text)
{
    int64_t now = load_clock();

    if (s->load->plan.handshakes && s->reserved) {
        if (code != 221)
            refuse(s, text);
        s->reserved = false;
        s->begun = 1;
        tally_done(&s->load->tally, code == 221 ? LOAD_ACCEPTED : LOAD_REFUSED, now,
                   s->started[0] - s->opened, now - s->opened);
    }
    session_drop(s);
    return false;
}

static reply_f *const replies[PHASE_COUNT] = {
    [PHASE_GREETING] = on_greeting, [PHASE_EHLO] = on_ehlo, [PHASE_STARTTLS] = on_starttls,
    [PHASE_AUTH] = on_auth, [PHASE_MAIL] = on_mail, [PHASE_RCPT] = on_rcpt, [PHASE_DATA] = on_data,
    [PHASE_TEXT] = on_text, [PHASE_RSET] = on_rset, [PHASE_IDLE] = on_idle, [PHASE_QUIT] = on_quit,
};

/* --- reading --------------------------------------------------------------------------------- */

static unsigned line_code(struct slice line)
{
    if (line.n < 4 || line.p[0] < '2' || line.p[0] > '5' || line.p[1] < '0' || line.p[1] > '9'
        || line.p[2] < '0' || line.p[2] > '9')
        return 0;
    return (unsigned)((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0'));
}

/* reply_cut - the reply in front of `in`, with all its lines. False: its end has not come.
 * The code is 0 when that was no reply. */

static bool reply_cut(struct slice in, struct slice *reply, unsigned *code)
{
    struct slice line, rest = in;
    unsigned first = 0;

    do {
        if (!slice_cut(rest, '\n', &line, &rest))
            return false;
        *code = line_code(line);
        if (first == 0)
            first = *code;
        else if (*code != first)
            *code = 0;
    } while (*code != 0 && line.p[3] == '-');
    *reply = slice_first(in, in.n - rest.n);
    return true;
}

static bool handle(struct load_session *s, unsigned code, struct slice reply)
{
    bool pending = s->flying > 0 || s->reserved;

    if (code == 0)
        return fail(s, "that was not SMTP");
    if (code == 421 && pending && s->phase != PHASE_QUIT) {
        if (s->flying > 0) {
            s->flying--;
            s->reserved = true;     /* so that it is counted once, as refused */
        }
        return refuse_all(s, reply);
    }
    return replies[s->phase](s, code, reply);
}

/* replies_read - all that are whole; the rest is kept */

static bool replies_read(struct load_session *s, struct slice in)
{
    struct slice reply;
    unsigned code;

    while (in.n > 0 && s->phase != PHASE_HANDSHAKE) {
        if (!reply_cut(in, &reply, &code))
            return wire_keep(&s->wire, in) || fail(s, "a reply is too long");
        in = slice_from(in, reply.n);
        if (in.n > 0 && s->phase == PHASE_STARTTLS)
            return fail(s, "the server spoke before the handshake");
        if (!handle(s, code, reply))
            return false;
    }
    return true;
}

/* handshake_over - what comes next in a connection that is now secret */

static bool handshake_over(struct load_session *s)
{
    const struct load_plan *p = &s->load->plan;

    s->started[0] = load_clock();
    s->load->tally.resumed += SSL_session_reused(s->wire.tls) == 1;
    if (p->tls_at_once) {
        s->phase = PHASE_GREETING;
        return true;
    }
    return p->handshakes ? quit_handshake(s) : say(s, PHASE_EHLO, buf_view(&p->hello));
}

static bool read_some(struct load_session *s)
{
    struct slice in;

    do {
        switch (wire_read(&s->wire, &in)) {
        case WIRE_AGAIN:
            return true;
        case WIRE_LOST:
            return fail_wire(s);
        case WIRE_OK:
            if (!replies_read(s, in))
                return false;
        }
    } while (wire_more(&s->wire));
    return true;
}

static bool advance(struct load_session *s)
{
    if (s->phase != PHASE_HANDSHAKE)
        return read_some(s);
    switch (wire_handshake(&s->wire, &s->load->target, s)) {
    case WIRE_AGAIN:
        return true;
    case WIRE_LOST:
        return fail_wire(s);
    case WIRE_OK:
        break;
    }
    return handshake_over(s) && (!wire_more(&s->wire) || read_some(s));
}

bool session_event(struct load_session *s)
{
    if (s->wire.blocked && s->phase != PHASE_HANDSHAKE && !flush(s))
        return false;
    return advance(s);
}

/* --- the beginning ---------------------------------------------------------------------------- */

bool session_begin(struct load_session *s)
{
    struct load *l = s->load;

    s->refused = s->spoilt = false;
    s->flying = 0;
    s->begun = 0;
    s->opened = s->started[0] = load_clock();
    s->phase = PHASE_GREETING;
    l->tally.connections++;
    if (!wire_open(&s->wire, &l->target, s))
        return fail_wire(s);
    if (!l->plan.tls_at_once)
        return true;
    if (!wire_secure(&s->wire, &l->target))
        return fail(s, "no memory");
    s->phase = PHASE_HANDSHAKE;
    return advance(s);
}

void session_end(struct load_session *s, const char *why)
{
    if (s->phase == PHASE_IDLE)
        say(s, PHASE_QUIT, SLICE_LIT("QUIT\r\n"));
    else if (s->phase != PHASE_CLOSED && why != NULL)
        fail(s, why);
    session_drop(s);
}
