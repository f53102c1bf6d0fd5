/* session.c - the loop that takes lines and text; replies, questions, time. */
#include <assert.h>
#include <stdlib.h>
#include "base/clock.h"
#include "log/log.h"
#include "mail/envelope.h"
#include "smtpd/flight.h"
#include "smtpd/intake.h"
#include "smtpd/linkstate.h"
#include "smtpd/policy.h"
#include "smtpd/verbs.h"

enum {
    ARENA_MAX = 8 << 20,    /* bytes of one transaction, recipients waiting included */
    RESTS     = 900,        /* ms without a command: less than between two ticks */
};

void server_now(struct server *server)
{
    server->mono = clock_mono();
    server->wall = clock_wall();
}

/* ------------------------------------------------------------ the stage -- */

/* From where each stage may be entered. */

static unsigned entrances(enum stage stage)
{
    switch (stage) {
    case S_GREETING: return 0;
    case S_START:    return S_GREETING | S_START | S_READY;
    case S_READY:    return S_START | S_READY | S_IN_TX;
    case S_SENDER:   return S_READY;
    case S_RCPTS:    return S_SENDER | S_RCPTS;
    case S_TEXT:     return S_RCPTS;
    case S_CHUNKS:   return S_RCPTS;
    default:         return S_GREETING | S_START | S_READY;
    }
}

static void check(const struct session *s)
{
    assert((s->tx != NULL) == ((s->stage & S_IN_TX) != 0));
    (void)s;
}

void session_enter(struct session *s, enum stage stage)
{
    assert(entrances(stage) & s->stage);
    s->stage = stage;
}

/* ---------------------------------------------------------------- replies -- */

/* Replies after which nothing more is read; all 421 as well. */

static bool reply_ends(enum reply_id id)
{
    switch (id) {
    case REPLY_BYE: case REPLY_NOT_SMTP: case REPLY_BARE_LF: case REPLY_BAD_CHUNK:
    case REPLY_CHUNK_TOO_BIG:
    case REPLY_OUT_OF_STEP: case REPLY_EARLY_TALKER:
        return true;
    default:
        return reply_code(id) == 421;
    }
}

/* count_against - the replies that a client may not cause for ever: errors,
 * and trouble that costs us work. Too many recipients is neither: it is the
 * ordinary way of splitting a long list. */

static enum reply_id count_against(struct session *s, enum reply_id id)
{
    unsigned code = reply_code(id);

    if (code < 400 || reply_ends(id))
        return id;
    s->refused++;
    if (code >= 500 && ++s->errors >= s->server->conf->limits.errors)
        return REPLY_TOO_MANY_ERRORS;
    if (code < 500 && id != REPLY_TOO_MANY_RCPTS
        && ++s->junk >= s->server->conf->limits.junk)
        return REPLY_TOO_MUCH_JUNK;
    return id;
}

static void session_stop(struct session *s, enum reply_id id)
{
    session_aside_end(s);
    tx_drop(s);
    s->last = id;
    s->wait = WAIT_CLIENT;
    s->asking = (struct asking){ 0 };
    session_enter(s, S_ENDED);
}

/* The words of each reply, for the log. */

static const char *const words[REPLY_COUNT] = {
#define R(NAME, code, subject, detail, text) [REPLY_##NAME] = text,
    SMTP_REPLIES(R)
#undef R
};

/* write_reply - n times, where a recipient has his own (LMTP) */

static void write_reply(struct session *s, struct buf *out, const struct reply *r, unsigned n)
{
    static struct reply instead;        /* its text is never used */
    enum reply_id id = count_against(s, r->id);

    if (reply_code(id) >= 400) {
        count_add(refused, 1);
        log_event(EVENT_REFUSE, LF_ID("session", s->number), LF_NUM("code", reply_code(id)),
                  LF_STR("why", id == r->id && r->len > 0 ? r->text : words[id]));
    }
    if (id != r->id) {
        instead.id = id;
        r = &instead;
    }
    reply_write(out, r, session_enhanced(s));
    if (reply_ends(id))
        session_stop(s, id);
    for (; s->lmtp && n > 1 && s->stage != S_ENDED; n--)
        reply_write(out, r, session_enhanced(s));
}

/* session_say_each - behind the messages that are under way, if there are any. A refusal
 * counts against the client, and may be the last word: so it is said when they have landed,
 * and nothing is done until then. No command that runs behind a flight refuses with a text
 * of its own. */

void session_say_each(struct session *s, const struct reply *r, unsigned n)
{
    struct flight *last = flight_last(s);

    if (s->stage == S_ENDED)
        return;
    if (last == NULL) {
        write_reply(s, s->out, r, n);
    } else if (reply_code(r->id) < 400) {
        write_reply(s, &last->behind, r, n);
    } else {
        s->refusal = r->id;
        s->refusal_times = n;
        s->wait = WAIT_COMMIT;
    }
}

void session_say_reply(struct session *s, const struct reply *r)
{
    session_say_each(s, r, 1);
}

void session_answer(struct session *s, const struct reply *r)
{
    if (s->stage != S_ENDED && !rcpt_line_up(s, r->id))
        session_say_each(s, r, 1);
}

static void say_plain(struct session *s, enum reply_id id, unsigned n)
{
    static struct reply plain;          /* never has a text */

    plain.id = id;
    session_say_each(s, &plain, n);
}

void session_say(struct session *s, enum reply_id id)
{
    say_plain(s, id, 1);
}

void session_tell(struct session *s, const struct reply *r, unsigned n, const struct buf *behind)
{
    static const struct reply lost = { .id = REPLY_NO_SERVICE };

    write_reply(s, s->out, r, n);
    if (s->stage == S_ENDED)
        return;
    if (behind->full)       /* no memory: the client must not take others for them */
        write_reply(s, s->out, &lost, 1);
    else
        buf_put_slice(s->out, buf_view(behind));
}

/* ------------------------------------------- questions, and input aside -- */

/* What makes sense where mail is only fetched, whatever is granted (RFC 2645 §5). */
static const uint64_t odmr = FEATURE(PIPELINING) | FEATURE(ENHANCED) | FEATURE(STARTTLS)
                           | FEATURE(AUTH) | FEATURE(X_EXPS) | FEATURE(ATRN) | FEATURE(HELP);

void session_grants(struct session *s)
{
    enum who who = s->account.n > 0 ? WHO_AUTHENTICATED : s->trusted ? WHO_TRUSTED : WHO_STRANGER;

    s->granted = s->listen->offers[who] | conf_grants(s->server->conf, &s->client, s->account);
    s->granted |= conf_grants(s->server->conf, &s->peer, s->account) & FEATURE(XCLIENT);
    if (s->listen->role == LISTEN_ODMR)
        s->granted &= odmr;
    if (s->listen->tls == LISTEN_TLS_REQUIRE && !s->secure)
        s->granted &= ~(FEATURE(AUTH) | FEATURE(X_EXPS));   /* no password in clear text (A120) */
    if (!(s->granted & FEATURE(CHUNKING)))
        s->granted &= ~FEATURE(BINARYMIME);     /* RFC 3030 §3 */
    if (!(s->granted & FEATURE(8BITMIME)))
        s->granted &= ~FEATURE(SMTPUTF8);       /* RFC 6531 §3.1 */
    if (s->secure)
        s->granted &= ~FEATURE(STARTTLS);
    else
        s->granted &= ~FEATURE(REQUIRETLS);     /* RFC 8689 §2 */
    if (s->account.n > 0)
        s->granted &= ~(FEATURE(AUTH) | FEATURE(X_EXPS));
}

void session_ask(struct session *s, uint64_t ticket, int64_t patience,
                 void (*late)(struct session *s))
{
    s->wait = WAIT_ANSWER;
    s->asking = (struct asking){ .late = late, .ticket = ticket,
                                 .deadline = s->server->mono + patience };
}

bool session_answered(struct session *s, uint64_t ticket)
{
    if (s->wait != WAIT_ANSWER || s->asking.ticket != ticket)
        return false;
    s->asking = (struct asking){ 0 };
    s->wait = WAIT_CLIENT;
    return true;
}

/* answer_late - the world is silent: the command fails for now */

static void answer_late(struct session *s)
{
    void (*late)(struct session *) = s->asking.late;
    enum reply_id id = s->asking.otherwise != 0 ? s->asking.otherwise : REPLY_LOCAL_TROUBLE;

    s->asking = (struct asking){ 0 };
    s->wait = WAIT_CLIENT;
    if (late != NULL)
        late(s);
    session_say(s, id);
}

void session_aside(struct session *s, aside_f *read, void *state, void (*free_state)(void *))
{
    s->aside = read;
    s->aside_state = state;
    s->aside_free = free_state;
}

void session_aside_end(struct session *s)
{
    if (s->aside_free != NULL && s->aside_state != NULL)
        s->aside_free(s->aside_state);
    s->aside = NULL;
    s->aside_state = NULL;
    s->aside_free = NULL;
}

void session_renew(struct session *s)
{
    session_aside_end(s);
    linkstate_end(s);
    tx_drop(s);
    free((char *)(uintptr_t)s->helo.p);
    s->helo = (struct slice){ 0 };
    s->esmtp = s->lmtp = false;
    s->reader = (struct line_reader){ 0 };
    if (s->stage != S_GREETING)
        session_enter(s, S_START);
    session_grants(s);
}

/* ------------------------------------------------------------------ input -- */

static void line_wrong(struct session *s, enum line_result result)
{
    static struct reply r;

    r.id = s->line_chunk ? REPLY_BAD_CHUNK : result == LINE_BAD ? REPLY_BAD_BYTES
         : result == LINE_LONG ? REPLY_LINE_TOO_LONG : REPLY_LINE_ENDLESS;
    session_answer(s, &r);
}

/* must_wait - replies stay in order: behind recipients that are being looked up only more
 * recipients may come, and behind a message that is under way what does no more than begin
 * another. WAIT_CLIENT: it need not. */

static enum wait must_wait(const struct session *s, enum line_result result,
                           const struct command *c)
{
    if (s->tx != NULL && s->tx->first != NULL
        && (result != LINE_OK || !verb_has(c, V_QUEUES) || s->tx->nwaiting >= RCPTS_WAITING))
        return WAIT_RCPTS;
    if (session_flies(s) && (result != LINE_OK || !verb_has(c, V_FOLLOWS) || !flight_room(s)))
        return WAIT_COMMIT;
    return WAIT_CLIENT;
}

/* shown - a command as the log may have it: a login's first answer may be a password */

static struct slice shown(struct slice line)
{
    struct slice verb, args, mechanism, initial;

    if (!slice_cut(line, ' ', &verb, &args)
        || (!slice_ieq(verb, SLICE_LIT("AUTH")) && !slice_ieq(verb, SLICE_LIT("X-EXPS")))
        || !slice_cut(args, ' ', &mechanism, &initial))
        return line;
    return slice_first(line, line.n - initial.n);
}

/* line_run - carry out what came; false: it has to be kept for later */

static bool line_run(struct session *s, enum line_result result, const struct command *c)
{
    static struct reply reply;
    unsigned id;

    if (result != LINE_OK) {
        line_wrong(s, result);
        return true;
    }
    if (log_wants(EVENT_DIALOG))
        log_event(EVENT_DIALOG, LF_ID("session", s->number), LF_TEXT("line", shown(c->line)));
    reply.len = 0;
    id = verb_run(s, c, &reply);
    if (id == REPLY_STALL)
        return false;
    if (id != REPLY_NONE) {
        reply.id = (enum reply_id)id;
        session_answer(s, &reply);
    }
    return true;
}

/* command_step - one command line. Returns bytes used; 0: not whole, or the
 * session must wait before this line. */

static size_t command_step(struct session *s, struct slice in)
{
    struct line_reader before = s->reader;
    struct command c = { 0 };
    struct slice line;
    size_t used;
    enum line_result result;

    if (!s->reader.discarding) {
        s->line_max = verb_line_max(s, in);
        s->line_chunk = verb_chunk(s, in);
    }
    result = line_next(&s->reader, in, s->line_max, &line, &used);
    if (result == LINE_MORE)
        return used;
    s->input_waiting = used < in.n;
    s->deadline = s->server->mono + s->server->conf->limits.command_timeout;
    if (result == LINE_OK)
        c = verb_read(line);
    s->wait = must_wait(s, result, &c);
    if (s->wait == WAIT_CLIENT && line_run(s, result, &c))
        return used;
    s->reader = before;
    return 0;
}

/* step - as much as can be done at once with the front of `in`; bytes used */

static size_t step(struct session *s, struct slice in)
{
    if (s->stage == S_ENDED)
        return in.n;
    if (s->stage == S_GREETING) {
        session_greet(s, true);
        return in.n;
    }
    if (s->aside != NULL)
        return s->aside(s, in);
    if (s->stage == S_TEXT)
        return intake_read(s, in);
    if (!s->greeted && verb_foreign(in)) {
        session_say(s, REPLY_NOT_SMTP);
        return in.n;
    }
    return command_step(s, in);
}

size_t session_input(struct session *s, struct slice in)
{
    size_t used = 0, n;

    check(s);
    while (used < in.n && s->wait == WAIT_CLIENT && s->out->n < REPLY_OUT_HIGH) {
        n = step(s, slice_from(in, used));
        check(s);
        if (n == 0)
            break;
        used += n;
    }
    return s->stage == S_ENDED ? in.n : used;
}

/* -------------------------------------------------- what the world answers -- */

void session_wake(struct session *s)
{
    if (s->wait != WAIT_QUEUE && s->wait != WAIT_FILE)
        return;
    s->wait = WAIT_CLIENT;
    if (s->tx != NULL) {
        s->tx->window = s->server->mono;
        s->tx->window_size = s->tx->data.size;
    }
}

/* in_text - octets of a message are coming */

static bool in_text(const struct session *s)
{
    return s->stage == S_TEXT || (s->stage == S_CHUNKS && s->aside != NULL);
}

/* say_refusal - they all have landed: what came behind them has its turn */

static void say_refusal(struct session *s)
{
    enum reply_id id = s->refusal;

    s->refusal = 0;
    s->wait = WAIT_CLIENT;
    say_plain(s, id, s->refusal_times);
    rcpt_settle(s);
}

void session_flown(struct session *s)
{
    if (s->stage == S_ENDED)
        return;
    if (s->wait == WAIT_COMMIT && s->refusal == 0)
        s->wait = WAIT_CLIENT;
    if (s->wait == WAIT_CLIENT && !in_text(s))
        s->deadline = s->server->mono + s->server->conf->limits.command_timeout;
    if (session_flies(s))
        return;
    if (s->refusal != 0)
        say_refusal(s);
    if (s->server->draining)
        session_drain(s);
}

void session_queue_lost(struct session *s)
{
    struct tx *tx = s->tx;

    if (tx == NULL || (tx->lent.number == 0 && tx->slot.p == NULL) || !(s->stage & (S_TEXT | S_CHUNKS)))
        return;
    intake_release(s);
    tx->broken = tx->discard = true;
    buf_clear(&s->body);
}

/* ------------------------------------------------------- time and the end -- */

/* slow - does a client send its text below the least rate? Measured over 30 s. */

static bool slow(struct session *s)
{
    enum { WINDOW = 30000 };
    struct tx *tx = s->tx;
    uint64_t least = s->server->conf->limits.min_data_rate * (WINDOW / 1000);
    uint64_t came;

    if (!in_text(s) || least == 0 || s->server->mono - tx->window < WINDOW)
        return false;
    came = tx->data.size - tx->window_size;
    tx->window = s->server->mono;
    tx->window_size = tx->data.size;
    return came < least;
}

/* world_late - the world did not answer in time: the client hears "later" */

static void world_late(struct session *s)
{
    if (s->wait == WAIT_FILE) {
        s->tx->broken = s->tx->discard = true;
        buf_clear(&s->body);
    }
    s->wait = WAIT_CLIENT;      /* MAIL is tried again, and finds that it waited enough */
}

static void tick_client(struct session *s)
{
    int64_t now = s->server->mono;

    if (now > s->deadline)
        session_say(s, REPLY_TIMED_OUT);
    else if (slow(s))
        session_say(s, REPLY_TOO_SLOW);
    else if (!in_text(s) && now - s->began > s->server->conf->limits.session_timeout)
        session_say(s, REPLY_TIMED_OUT);
}

/* slim - a session that rests between transactions holds no memory but itself */

static void slim(struct session *s)
{
    arena_free(&s->arena);
    buf_free(&s->rcpts);
    buf_free(&s->body);
}

void session_tick(struct session *s)
{
    int64_t now = s->server->mono;

    if (s->stage & (S_ENDED | S_GREETING) && s->wait != WAIT_ANSWER)
        return;
    if (s->tx != NULL && s->tx->first != NULL && now > s->tx->rcpt_deadline)
        rcpt_give_up(s);
    if (s->wait == WAIT_CLIENT && (in_text(s) || !session_flies(s)))
        tick_client(s);
    else if (s->wait == WAIT_QUEUE && now - s->stalled >= WORLD_PATIENCE)
        world_late(s);
    else if (s->wait == WAIT_FILE && now > s->deadline)
        world_late(s);
    else if (s->wait == WAIT_ANSWER && now > s->asking.deadline)
        answer_late(s);
    if (s->tx == NULL && session_idle(s) >= RESTS)
        slim(s);
}

void session_drain(struct session *s)
{
    if (s->stage & (S_GREETING | S_START | S_READY) && s->wait != WAIT_TURN && !session_flies(s))
        session_say(s, REPLY_SHUTTING_DOWN);
}

int64_t session_idle(const struct session *s)
{
    int64_t since = s->deadline - s->server->conf->limits.command_timeout;

    return s->stage & (S_START | S_READY) && s->wait == WAIT_CLIENT && !session_flies(s)
         ? s->server->mono - since : 0;
}

void session_begin(struct session *s, struct server *server, const struct conf_listen *listen,
                   const struct ip *client, struct buf *out, uint64_t number, void *user)
{
    *s = (struct session){
        .server = server, .listen = listen, .user = user, .out = out, .number = number,
        .client = *client, .peer = *client, .stage = S_GREETING, .began = server->mono,
        .trusted = conf_trusts(server->conf, client),
        .arena = ARENA(ARENA_MAX), .rcpts = BUF(ENVELOPE_MAX), .body = BUF(BODY_INLINE + BODY_MORE),
    };
    list_init(&s->link);
    list_init(&s->due);
    list_init(&s->flights);
    session_grants(s);
}

void session_greet(struct session *s, bool early)
{
    static struct reply reply;

    if (s->stage != S_GREETING)
        return;
    if (early) {
        session_say(s, REPLY_EARLY_TALKER);
        return;
    }
    reply.len = 0;
    reply_add(&reply, REPLY_GREETING, "%.*s %s Postrider", SLICE(s->server->conf->hostname),
              s->listen->role == LISTEN_LMTP ? "LMTP" : "ESMTP");
    session_enter(s, S_START);
    s->deadline = s->server->mono + s->server->conf->limits.command_timeout;
    write_reply(s, s->out, &reply, 1);
}

void session_refuse(struct session *s, enum reply_id id)
{
    flights_forget(s);
    session_say(s, id);
}

void session_end(struct session *s)
{
    session_aside_end(s);
    flights_forget(s);
    if (s->stage != S_ENDED) {
        tx_drop(s);
        session_enter(s, S_ENDED);
    }
    list_remove(&s->link);
    list_remove(&s->due);
    arena_free(&s->arena);
    buf_free(&s->rcpts);
    buf_free(&s->body);
    free((char *)(uintptr_t)s->helo.p);
    free((char *)(uintptr_t)s->account.p);
    free((char *)(uintptr_t)s->tls_note.p);
    free((char *)(uintptr_t)s->name.p);
    free((char *)(uintptr_t)s->xforward.p);
    linkstate_end(s);
    s->name = s->xforward = (struct slice){ 0 };
    s->helo = s->account = s->tls_note = (struct slice){ 0 };
}
