/* load_say.c - messages in as few writes as may be, and the count of what became of them. */
#include "cli/load_login.h"
#include "cli/load_say.h"

/* --- room ---------------------------------------------------------------------------------- */

unsigned session_window(const struct load_plan *p)
{
    return !p->pipelining ? 1 : p->bdat ? (unsigned)p->window : 2;
}

size_t session_room(const struct load_plan *p)
{
    if (!p->pipelining)
        return plan_rcpt_max(p);
    return p->same ? 1 : p->opening.n;
}

/* --- trouble ------------------------------------------------------------------------------- */

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

bool session_fail(struct load_session *s, const char *why)
{
    if (s->phase != PHASE_QUIT || s->reserved) {
        tally_trouble(&s->load->tally, phase_names[s->phase], slice_cstr(why));
        count_failed(s);
    }
    session_drop(s);
    return false;
}

bool session_lost(struct load_session *s)
{
    char why[160];

    return session_fail(s, connection_why(&s->connection, why));
}

bool session_refuse(struct load_session *s, struct slice text)
{
    tally_trouble(&s->load->tally, phase_names[s->phase], text);
    s->refused = true;
    return true;
}

bool session_refuse_all(struct load_session *s, struct slice text)
{
    int64_t now = load_clock();

    session_refuse(s, text);
    if (s->reserved)
        tally_done(&s->load->tally, LOAD_REFUSED, now, now - s->opened, -1);
    s->reserved = false;
    count_failed(s);
    session_drop(s);
    return false;
}

bool say_flush(struct load_session *s)
{
    return connection_flush(&s->connection, &s->load->target, s) != CONNECTION_LOST
        || session_lost(s);
}

bool say_line(struct load_session *s, enum load_phase phase, struct slice line)
{
    s->phase = phase;
    connection_part(&s->connection, line);
    return say_flush(s);
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
    return (unsigned)(number % session_window(&s->load->plan));
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
        connection_part(&s->connection, buf_view(&p->mail));
    } else {
        connection_part(&s->connection, plan_opening(p, s->load->recipient,
                                                     s->room + slot * session_room(p)));
        if (p->bdat)
            connection_part(&s->connection, buf_view(&p->body));
    }
    s->load->recipient += p->recipients;
}

bool say_next(struct load_session *s)
{
    unsigned most = s->load->plan.bdat ? session_window(&s->load->plan) : 1;

    if (s->spoilt && s->flying == 0)
        return say_line(s, PHASE_RSET, SLICE_LIT("RSET\r\n"));
    while (s->flying < most && take(s))
        open_message(s);
    if (s->flying == 0)
        return say_line(s, PHASE_QUIT, SLICE_LIT("QUIT\r\n"));
    s->phase = PHASE_MAIL;
    s->rcpt = s->taken = 0;
    s->refused = false;
    return say_flush(s);
}

bool message_over(struct load_session *s, bool spoilt)
{
    uint64_t number = s->begun - s->flying;
    int64_t now = load_clock();

    s->flying--;
    s->spoilt |= spoilt;
    tally_done(&s->load->tally, s->refused ? LOAD_REFUSED : LOAD_ACCEPTED, now,
               now - s->started[slot_of(s, number)], number == 0 ? now - s->opened : -1);
    return say_next(s);
}

bool say_text(struct load_session *s)
{
    const struct load_plan *p = &s->load->plan;

    connection_part(&s->connection, buf_view(&p->body));
    if (p->pipelining && take(s))
        open_message(s);
    s->phase = PHASE_TEXT;
    return say_flush(s);
}

bool say_rcpt(struct load_session *s)
{
    return say_line(s, PHASE_RCPT, plan_rcpt(&s->load->plan, s->first_rcpt + s->rcpt, s->room));
}

bool say_after_rcpts(struct load_session *s)
{
    const struct load_plan *p = &s->load->plan;

    s->phase = p->bdat ? PHASE_TEXT : PHASE_DATA;
    if (p->pipelining)
        return true;
    if (s->taken == 0)
        return message_over(s, true);
    return p->bdat ? say_text(s) : say_line(s, PHASE_DATA, SLICE_LIT("DATA\r\n"));
}

