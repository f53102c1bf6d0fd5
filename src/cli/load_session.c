/* load_session.c - the replies of a server, and what each leads to. */
#include <stdlib.h>
#include "cli/load_login.h"
#include "cli/load_say.h"

static bool advance(struct load_session *s);

/* --- memory ------------------------------------------------------------------------------- */

static bool session_make(struct load_session *s, struct load *load)
{
    unsigned n = session_window(&load->plan);

    s->load = load;
    s->connection.fd = -1;
    s->connection.parts = calloc(2 * (size_t)n + 2, sizeof *s->connection.parts);
    s->started = calloc(n, sizeof *s->started);
    s->room = calloc(n, session_room(&load->plan));
    return s->connection.parts != NULL && s->started != NULL && s->room != NULL;
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
        free(all[i].connection.parts);
        free(all[i].started);
        free(all[i].room);
    }
    free(all);
}

void session_drop(struct load_session *s)
{
    login_free(&s->login);
    connection_close(&s->connection);
    s->phase = PHASE_CLOSED;
}

/* --- replies, one function a phase ----------------------------------------------------------- */

/* A reply: its code, and all of its lines as they came. False: the connection is over. */
typedef bool reply_f(struct load_session *s, unsigned code, struct slice text);

/* ready - said hello, and whatever else was wanted before mail */

static bool ready(struct load_session *s)
{
    if (!s->idle)
        return say_next(s);
    s->phase = PHASE_IDLE;
    s->load->tally.open++;
    return true;
}

static bool quit_handshake(struct load_session *s)
{
    return say_line(s, PHASE_QUIT, SLICE_LIT("QUIT\r\n"));
}

static bool on_greeting(struct load_session *s, unsigned code, struct slice text)
{
    const struct load_plan *p = &s->load->plan;

    if (code != 220)
        return session_refuse_all(s, text);
    if (p->handshakes && !p->starttls) {
        if (!p->tls_at_once)
            s->started[0] = load_clock();
        return quit_handshake(s);
    }
    return say_line(s, PHASE_EHLO, buf_view(&p->hello));
}

struct host_offers *session_offers(const struct load_session *s)
{
    return &s->load->offers[connection_is_secure(&s->connection)];
}

/* learn_offers - from the first who is told; all others will be told the same */

static void learn_offers(struct load_session *s, struct slice text)
{
    static struct reply_reader reader;
    bool *known = &s->load->offers_known[connection_is_secure(&s->connection)];
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

    if (p->starttls && !connection_is_secure(&s->connection))
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
        return session_refuse_all(s, text);
    learn_offers(s, text);
    s->load->hopeless = missing_offer(s);
    if (s->load->hopeless != NULL)
        return session_fail(s, s->load->hopeless);
    if (p->starttls && !connection_is_secure(&s->connection))
        return say_line(s, PHASE_STARTTLS, SLICE_LIT("STARTTLS\r\n"));
    if (p->user != NULL) {
        struct slice line = login_begin(s);

        return line.n > 0 ? say_line(s, PHASE_AUTH, line) : session_fail(s, s->load->hopeless);
    }
    return ready(s);
}

static bool on_starttls(struct load_session *s, unsigned code, struct slice text)
{
    if (code != 220)
        return session_refuse_all(s, text);
    if (!connection_secure(&s->connection, &s->load->target))
        return session_fail(s, "no memory");
    s->phase = PHASE_HANDSHAKE;
    return advance(s);
}

static bool on_auth(struct load_session *s, unsigned code, struct slice text)
{
    struct slice line;

    if (code == 334) {
        line = login_step(s, text);
        return line.n > 0 ? say_line(s, PHASE_AUTH, line) : session_fail(s, "the server's challenge is wrong");
    }
    if (code != 235)
        return session_refuse_all(s, text);
    login_free(&s->login);
    return ready(s);
}

static bool on_mail(struct load_session *s, unsigned code, struct slice text)
{
    if (code != 250)
        session_refuse(s, text);
    s->phase = PHASE_RCPT;
    if (s->load->plan.pipelining)
        return true;
    return s->refused ? message_over(s, false) : say_rcpt(s);
}

static bool on_rcpt(struct load_session *s, unsigned code, struct slice text)
{
    if (code / 100 == 2)
        s->taken++;
    else
        session_refuse(s, text);
    if (++s->rcpt == s->load->plan.recipients)
        return say_after_rcpts(s);
    return s->load->plan.pipelining || say_rcpt(s);
}

static bool on_data(struct load_session *s, unsigned code, struct slice text)
{
    if (code == 354 && s->taken > 0)
        return say_text(s);
    session_refuse(s, text);
    if (code == 354)            /* it waits for a text to no one (RFC 2920 §3.1) */
        return say_line(s, PHASE_TEXT, SLICE_LIT(".\r\n"));
    return message_over(s, true);
}

static bool on_text(struct load_session *s, unsigned code, struct slice text)
{
    if (code != 250)
        session_refuse(s, text);
    return message_over(s, code != 250 && s->load->plan.bdat);
}

static bool on_rset(struct load_session *s, unsigned code, struct slice text)
{
    if (code != 250)
        return session_refuse_all(s, text);
    s->spoilt = false;
    return say_next(s);
}

/* on_idle - a server that speaks unasked says goodbye */

static bool on_idle(struct load_session *s, unsigned code, struct slice text)
{
    (void)code;
    return session_refuse_all(s, text);
}

static bool on_quit(struct load_session *s, unsigned code, struct slice text)
{
    int64_t now = load_clock();

    if (s->load->plan.handshakes && s->reserved) {
        if (code != 221)
            session_refuse(s, text);
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
        return session_fail(s, "that was not SMTP");
    if (code == 421 && pending && s->phase != PHASE_QUIT) {
        if (s->flying > 0) {
            s->flying--;
            s->reserved = true;     /* so that it is counted once, as refused */
        }
        return session_refuse_all(s, reply);
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
            return connection_keep(&s->connection, in) || session_fail(s, "a reply is too long");
        in = slice_from(in, reply.n);
        if (in.n > 0 && s->phase == PHASE_STARTTLS)
            return session_fail(s, "the server spoke before the handshake");
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
    s->load->tally.resumed += connection_resumed(&s->connection);
    if (p->tls_at_once) {
        s->phase = PHASE_GREETING;
        return say_flush(s);
    }
    return p->handshakes ? quit_handshake(s) : say_line(s, PHASE_EHLO, buf_view(&p->hello));
}

static bool read_some(struct load_session *s)
{
    struct slice in;

    do {
        switch (connection_read(&s->connection, &in)) {
        case CONNECTION_AGAIN:
            return true;
        case CONNECTION_LOST:
            return session_lost(s);
        case CONNECTION_OK:
            if (!replies_read(s, in))
                return false;
        }
    } while (connection_more(&s->connection));
    return true;
}

static bool advance(struct load_session *s)
{
    if (s->phase != PHASE_HANDSHAKE)
        return read_some(s);
    switch (connection_handshake(&s->connection, &s->load->target, s)) {
    case CONNECTION_AGAIN:
        return true;
    case CONNECTION_LOST:
        return session_lost(s);
    case CONNECTION_OK:
        break;
    }
    return handshake_over(s) && (!connection_more(&s->connection) || read_some(s));
}

bool session_event(struct load_session *s)
{
    if (s->connection.blocked && s->phase != PHASE_HANDSHAKE && !say_flush(s))
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
    if (!connection_open(&s->connection, &l->target, s))
        return session_lost(s);
    if (!l->plan.tls_at_once)
        return true;
    if (!connection_secure(&s->connection, &l->target))
        return session_fail(s, "no memory");
    s->phase = PHASE_HANDSHAKE;
    return advance(s);
}

void session_end(struct load_session *s, const char *why)
{
    if (s->phase == PHASE_IDLE)
        say_line(s, PHASE_QUIT, SLICE_LIT("QUIT\r\n"));
    else if (s->phase != PHASE_CLOSED && why != NULL)
        session_fail(s, why);
    session_drop(s);
}
