/* client.c - the conversation with the next host, from greeting to goodbye. */
#include <assert.h>
#include <stdio.h>
#include "log/log.h"
#include "relay/client.h"

enum { FILL_LOW = 64 << 10, FILL_PIECE = 32 << 10 };

/* --- where we are */

static void enter(struct client *c, enum stage stage)
{
    int64_t scale = c->options.scale > 0 ? c->options.scale : 100;
    int64_t ms = stage_seconds(stage) * 10 * scale;

    c->stage = stage;
    c->deadline = ms > 0 ? c->now + ms : 0;
    assert((c->mail != NULL) == (stage >= STAGE_RSET && stage <= STAGE_DOT));
}

static void dialog(const struct client *c, const char *way, struct slice line)
{
    log_event(EVENT_DIALOG, LF_TEXT("session", c->options.session),
              LF_STR("way", way), LF_TEXT("line", slice_trim(line)));
}

static void command(struct client *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void command(struct client *c, const char *fmt, ...)
{
    char line[1200];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    assert(n > 0 && (size_t)n < sizeof line);
    buf_put(c->options.out, line, (size_t)n);
    dialog(c, ">", slice_of(line, (size_t)n));
}

/* --- the end of a transaction, and of a session */

static void mail_end(struct client *c)
{
    c->mail = NULL;
    c->accepted = c->at = 0;
    enter(c, STAGE_IDLE);
}

static void die(struct client *c)
{
    c->mail = NULL;
    enter(c, STAGE_DEAD);
}

static void say_goodbye(struct client *c)
{
    command(c, "QUIT\r\n");
    die(c);
}

void client_quit(struct client *c)
{
    if (c->stage == STAGE_IDLE)
        say_goodbye(c);
    else if (c->stage != STAGE_DEAD)
        die(c);
}

/* words - a reply's text as one line, no longer than we keep */

static struct slice words(struct arena *a, const struct reply_in *r)
{
    struct slice text = arena_copy(a, slice_first(slice_of(r->text, r->len), CLIENT_TEXT));

    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\n')
            ((char *)(uintptr_t)text.p)[i] = ' ';
    return text;
}

/* An outcome as all recipients share it that get it. */
struct outcome_words {
    enum fate    fate;
    unsigned     code;
    const char  *status;
    struct slice text;
};

static struct outcome_words words_of_reply(struct client *c, const struct reply_in *r,
                                           const struct verdict *v)
{
    char status[STATUS_TEXT];

    trouble_status(status, r, v);
    return (struct outcome_words){
        .fate = v->fate, .code = r->code, .text = words(c->mail->arena, r),
        .status = arena_copy(c->mail->arena, slice_cstr(status)).p,
    };
}

/* Without memory for the words, the fate still stands. */
static void decide(struct client_rcpt *rcpt, const struct outcome_words *w)
{
    rcpt->decided = true;
    rcpt->accepted = false;
    rcpt->fate = w->fate;
    rcpt->code = w->code;
    rcpt->status = w->status != NULL ? w->status : "";
    rcpt->text = w->text;
}

static void decide_all(struct client *c, const struct outcome_words *w)
{
    for (size_t i = 0; i < c->mail->nrcpts; i++)
        if (!c->mail->rcpts[i].decided)
            decide(&c->mail->rcpts[i], w);
}

/* never - our own reason why this message cannot go to this host */

static void never(struct client *c, const char *status, const char *why)
{
    decide_all(c, &(struct outcome_words){ FATE_NEVER, 0, status, slice_cstr(why) });
    mail_end(c);
}

/* After the final dot nobody knows whether the host has the message: it must
 * not go to another host now, and it must not be forgotten. A duplicate is
 * possible here and only here. */
static void decide_unknown(struct client *c)
{
    struct outcome_words w = { FATE_LATER, c->problem.code, NULL, { NULL, 0 } };

    w.status = arena_copy(c->mail->arena, slice_cstr(c->problem.status)).p;
    w.text = arena_copy(c->mail->arena, slice_cstr(c->problem.text));
    for (size_t i = 0; i < c->mail->nrcpts; i++)
        if (c->mail->rcpts[i].accepted)
            decide(&c->mail->rcpts[i], &w);
}

void client_fail(struct client *c, enum cause cause, const char *detail)
{
    struct verdict v = trouble_cause(cause);
    struct client_problem *p = &c->problem;

    if (c->stage == STAGE_DEAD)
        return;
    *p = (struct client_problem){ .cause = cause, .stage = c->stage, .victim = v.victim };
    snprintf(p->status, sizeof p->status, "%s", v.status);
    if (cause == CAUSE_CONNECT || cause == CAUSE_RESOURCE)
        snprintf(p->text, sizeof p->text, "%s: %s", cause_words(cause), detail);
    else
        snprintf(p->text, sizeof p->text, "%s while waiting for %s%s%s", cause_words(cause),
                 stage_words(c->stage), *detail ? ": " : "", detail);
    if (c->stage == STAGE_DOT)
        decide_unknown(c);
    die(c);
}

/* session_lost - a reply that ends the session (421, one that makes no sense) */

static void session_lost(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    struct client_problem *p = &c->problem;
    int n = (int)(r->len < 300 ? r->len : 300);

    *p = (struct client_problem){ .stage = c->stage, .victim = v->victim, .code = r->code };
    trouble_status(p->status, r, v);
    snprintf(p->text, sizeof p->text, "%.*s", n, r->text);
    for (char *s = p->text; *s; s++)
        if (*s == '\n')
            *s = ' ';
    if (c->stage == STAGE_DOT)
        decide_unknown(c);
    if (r->code == 421 || c->stage == STAGE_BODY)
        die(c);
    else
        say_goodbye(c);
}

/* --- what goes into a command */

bool client_address_ok(struct slice address, bool null_ok)
{
    bool quoted = false;

    if (address.n == 0)
        return null_ok;
    for (size_t i = 0; i < address.n; i++) {
        unsigned char b = (unsigned char)address.p[i];

        if (b < ' ' || b > 126 || (!quoted && (b == ' ' || b == '<' || b == '>')))
            return false;
        if (b == '"')
            quoted = !quoted;
        if (b == '\\' && quoted && ++i < address.n
            && ((unsigned char)address.p[i] < ' ' || (unsigned char)address.p[i] > 126))
            return false;
    }
    return !quoted && address.n <= 512;
}

static bool offers(const struct client *c, unsigned what)
{
    return (c->offers.flags & what) != 0;
}

static void put_mail(struct client *c)
{
    char size[40] = "";

    if (offers(c, HOST_SIZE))
        snprintf(size, sizeof size, " SIZE=%llu", (unsigned long long)c->mail->size);
    command(c, "MAIL FROM:<%.*s>%s%s\r\n", SLICE(c->mail->sender), size,
            c->mail->eight ? " BODY=8BITMIME" : "");
}

/* rcpt_after - the first recipient from `at` on that belongs to this transaction */

static size_t rcpt_after(const struct client *c, size_t at)
{
    while (at < c->mail->nrcpts && !c->mail->rcpts[at].open)
        at++;
    return at;
}

static void put_rcpt(struct client *c, size_t at)
{
    command(c, "RCPT TO:<%.*s>\r\n", SLICE(c->mail->rcpts[at].address));
}

static void put_data(struct client *c)
{
    command(c, "DATA\r\n");
    c->asked_data = true;
}

/* put_group - MAIL to DATA in one piece */

static void put_group(struct client *c)
{
    put_mail(c);
    for (size_t i = rcpt_after(c, 0); i < c->mail->nrcpts; i = rcpt_after(c, i + 1))
        put_rcpt(c, i);
    put_data(c);
}

/* check_room - a command that found no memory is missing in the middle: what
 * was written must not go out, or replies would be counted wrongly */

static void check_room(struct client *c)
{
    if (!c->options.out->full)
        return;
    client_fail(c, CAUSE_RESOURCE, "no memory");
    buf_clear(c->options.out);
}

static bool pipelines(const struct client *c)
{
    return offers(c, HOST_PIPELINING);
}

/* --- before the transaction: what we know already */

static void choose_rcpts(struct client_mail *m)
{
    static const struct outcome_words bad = {
        FATE_NEVER, 0, "5.1.3", { "address cannot be written in a command", 38 } };

    for (size_t i = 0; i < m->nrcpts; i++) {
        if (!m->rcpts[i].decided && !client_address_ok(m->rcpts[i].address, false))
            decide(&m->rcpts[i], &bad);
        m->rcpts[i].open = !m->rcpts[i].decided;
    }
}

/* mail_fits - true, or it is over: never */

static bool mail_fits(struct client *c)
{
    const struct client_mail *m = c->mail;

    if (!client_address_ok(m->sender, true))
        never(c, "5.1.7", "sender address cannot be written in a command");
    else if (offers(c, HOST_SIZE) && c->offers.size_max > 0 && m->size > c->offers.size_max)
        never(c, "5.3.4", "message is larger than the host accepts");
    else if (m->eight && !offers(c, HOST_8BITMIME))
        never(c, "5.6.3", "message has 8-bit text and the host does not offer 8BITMIME");
    else if (rcpt_after(c, 0) == m->nrcpts)
        mail_end(c);
    else
        return true;
    return false;
}

void client_send(struct client *c, struct client_mail *mail, int64_t now)
{
    assert(c->stage == STAGE_IDLE && c->mail == NULL && mail->nrcpts <= CLIENT_RCPTS);
    c->now = now;
    c->mail = mail;
    c->refused = c->asked_data = false;
    c->done = 0;
    c->heard = 0;
    c->accepted = 0;
    c->writer = (struct data_writer){ 0 };
    choose_rcpts(mail);
    if (!mail_fits(c))
        return;
    c->at = rcpt_after(c, 0);
    c->sent++;
    if (c->unclean)
        command(c, "RSET\r\n");
    if (pipelines(c))
        put_group(c);
    else if (!c->unclean)
        put_mail(c);
    enter(c, c->unclean ? STAGE_RSET : STAGE_MAIL);
    c->unclean = false;
    check_room(c);
}

/* --- the body */

static bool body_piece(struct client *c, char *room, struct slice *piece)
{
    struct client_mail *m = c->mail;
    uint64_t left = m->size - c->done;
    size_t n = left < FILL_PIECE ? (size_t)left : FILL_PIECE;
    int64_t got;

    if (m->read == NULL) {
        *piece = slice_first(slice_from(m->body, (size_t)c->done), n);
        return piece->n > 0;
    }
    got = m->read(m->read_user, room, n, c->done);
    *piece = slice_of(room, got > 0 ? (size_t)got : 0);
    return got > 0;
}

/* What is not made of CRLF lines cannot be sent, today or later, and the dot
 * that would make it count has not been sent (A023). */
static void body_bad(struct client *c)
{
    struct outcome_words w = { FATE_NEVER, 0, "5.6.0",
                               SLICE_LIT("message has a bare CR, bare LF or NUL and cannot be sent") };

    if (c->options.out->full) {
        client_fail(c, CAUSE_RESOURCE, "no memory");
        return;
    }
    decide_all(c, &w);
    client_fail(c, CAUSE_RESOURCE, "message cannot be sent");
}

static bool body_more(struct client *c)
{
    char room[FILL_PIECE];
    struct slice piece;

    if (!body_piece(c, room, &piece)) {
        client_fail(c, CAUSE_RESOURCE, "message cannot be read");
        return false;
    }
    if (!data_write(&c->writer, c->options.out, piece)) {
        body_bad(c);
        return false;
    }
    c->done += piece.n;
    return true;
}

void client_fill(struct client *c, int64_t now)
{
    c->now = now;
    if (c->stage != STAGE_BODY)
        return;
    while (c->done < c->mail->size && c->options.out->n < FILL_LOW)
        if (!body_more(c))
            return;
    if (c->done < c->mail->size)
        enter(c, STAGE_BODY);
    else if (!data_finish(&c->writer, c->options.out))
        body_bad(c);
    else
        enter(c, STAGE_DOT);
}

/* --- replies, by stage */

typedef void reply_f(struct client *c, const struct reply_in *r, const struct verdict *v);

static bool is_our_name(const struct client *c, const struct reply_in *r)
{
    struct slice line, name, rest;

    if (!c->options.loops || !reader_line(r, 0, &line))
        return false;
    slice_cut(line, ' ', &name, &rest);
    return name.n > 0 && slice_ieq(name, c->options.hostname);
}

static void hello(struct client *c, enum stage stage)
{
    const char *verb = c->options.lmtp ? "LHLO" : stage == STAGE_EHLO ? "EHLO" : "HELO";

    command(c, "%s %.*s\r\n", verb, SLICE(slice_first(c->options.hostname, 255)));
    enter(c, stage);
}

static void on_greeting(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim != VICTIM_NONE)
        session_lost(c, r, v);
    else if (is_our_name(c, r))
        client_fail(c, CAUSE_LOOP, "the host greets with our own name");
    else
        hello(c, c->options.plain ? STAGE_HELO : STAGE_EHLO);
}

static void on_ehlo(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim == VICTIM_NONE) {
        offers_read(r, &c->offers);
        enter(c, STAGE_IDLE);
    } else if (r->code >= 500 && !c->options.lmtp)
        hello(c, STAGE_HELO);
    else
        session_lost(c, r, v);
}

static void on_helo(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim != VICTIM_NONE)
        session_lost(c, r, v);
    else
        enter(c, STAGE_IDLE);
}

/* Nobody asked: a kept connection is being closed. */
static void on_idle(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    session_lost(c, r, v);
}

static void on_rset(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim != VICTIM_NONE) {
        session_lost(c, r, v);
        return;
    }
    if (!pipelines(c))
        put_mail(c);
    enter(c, STAGE_MAIL);
}

static void on_mail(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    struct outcome_words w;

    if (v->victim == VICTIM_MESSAGE) {
        w = words_of_reply(c, r, v);
        decide_all(c, &w);
        c->refused = true;
    } else if (v->victim != VICTIM_NONE) {
        session_lost(c, r, v);
        return;
    }
    if (c->refused && !pipelines(c)) {
        mail_end(c);
        return;
    }
    if (!pipelines(c))
        put_rcpt(c, c->at);
    enter(c, STAGE_RCPT);
}

/* rcpts_end - every RCPT has its reply */

static void rcpts_end(struct client *c)
{
    if (!c->asked_data && c->accepted == 0) {
        c->unclean = true;
        mail_end(c);
        return;
    }
    if (!c->asked_data)
        put_data(c);
    enter(c, STAGE_DATA);
}

static void rcpt_reply(struct client *c, struct client_rcpt *rcpt, const struct reply_in *r,
                       const struct verdict *v)
{
    struct outcome_words w;

    if (v->victim == VICTIM_NONE) {
        rcpt->accepted = true;
        c->accepted++;
    } else {
        w = words_of_reply(c, r, v);
        decide(rcpt, &w);
    }
}

/* After a refused MAIL the replies to the rest of the group mean nothing. */
static void on_rcpt(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim == VICTIM_HOST || (!c->refused && v->victim > VICTIM_MESSAGE)) {
        session_lost(c, r, v);
        return;
    }
    if (!c->refused)
        rcpt_reply(c, &c->mail->rcpts[c->at], r, v);
    c->at = rcpt_after(c, c->at + 1);
    if (c->at >= c->mail->nrcpts) {
        rcpts_end(c);
        return;
    }
    if (!pipelines(c))
        put_rcpt(c, c->at);
    enter(c, STAGE_RCPT);
}

/* 354 although nobody accepted a recipient: an empty message is the way out
 * (RFC 2920 §3.1). In LMTP it would have no reply at all. */
static void empty_body(struct client *c)
{
    if (c->options.lmtp) {
        client_fail(c, CAUSE_PROTOCOL, "DATA was accepted without recipients");
        return;
    }
    command(c, ".\r\n");
    enter(c, STAGE_DOT);
}

static void on_data(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    struct outcome_words w;

    if (v->victim == VICTIM_NONE && c->accepted == 0) {
        empty_body(c);
    } else if (v->victim == VICTIM_NONE) {
        enter(c, STAGE_BODY);
        client_fill(c, c->now);
    } else if (v->victim == VICTIM_MESSAGE || (v->victim != VICTIM_HOST && c->accepted == 0)) {
        w = words_of_reply(c, r, v);
        decide_all(c, &w);
        c->unclean = true;
        mail_end(c);
    } else
        session_lost(c, r, v);
}

/* Before all of the message is sent there is nothing to answer. */
static void on_body(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    session_lost(c, r, v);
    buf_clear(c->options.out);
}

/* next_accepted - LMTP: whose reply comes next (RFC 2033 §4.2) */

static struct client_rcpt *next_accepted(struct client *c)
{
    for (size_t i = 0; i < c->mail->nrcpts; i++)
        if (c->mail->rcpts[i].accepted)
            return &c->mail->rcpts[i];
    return NULL;
}

static void on_dot(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    struct outcome_words w;
    struct client_rcpt *rcpt = next_accepted(c);

    if (v->victim > VICTIM_MESSAGE && rcpt != NULL) {
        session_lost(c, r, v);
        return;
    }
    w = words_of_reply(c, r, v);
    if (rcpt != NULL && c->options.lmtp)
        decide(rcpt, &w);
    else
        decide_all(c, &w);
    if (next_accepted(c) == NULL)
        mail_end(c);
    else
        enter(c, STAGE_DOT);
}

static reply_f *const on_reply[STAGE_COUNT] = {
    [STAGE_GREETING] = on_greeting, [STAGE_EHLO] = on_ehlo, [STAGE_HELO] = on_helo,
    [STAGE_IDLE] = on_idle,         [STAGE_RSET] = on_rset, [STAGE_MAIL] = on_mail,
    [STAGE_RCPT] = on_rcpt,         [STAGE_DATA] = on_data, [STAGE_BODY] = on_body,
    [STAGE_DOT]  = on_dot,
};

/* --- input */

static void take_reply(struct client *c)
{
    const struct reply_in *r = &c->reader.reply;
    struct verdict v = trouble_reply(c->stage, r->code);

    log_event(EVENT_DIALOG, LF_TEXT("session", c->options.session), LF_STR("way", "<"),
              LF_NUM("code", r->code), LF_TEXT("line", slice_of(r->text, r->len)));
    c->heard++;
    on_reply[c->stage](c, r, &v);
}

/* alone - must nothing follow the reply that is awaited now? Whoever answers
 * a command that was not yet sent is out of step with us (A154). */

static bool alone(const struct client *c)
{
    switch (c->stage) {
    case STAGE_MAIL: case STAGE_RCPT: case STAGE_RSET:
        return !pipelines(c);
    case STAGE_DOT:
        return !c->options.lmtp;
    default:
        return true;
    }
}

static bool out_of_step(struct client *c, struct slice rest)
{
    if (rest.n == 0 || !alone(c))
        return false;
    /* the last reply of a session may be followed by a farewell */
    return c->stage != STAGE_DOT && c->stage != STAGE_IDLE;
}

void client_input(struct client *c, struct slice in, size_t *used, int64_t now)
{
    size_t n;

    c->now = now;
    *used = 0;
    while (c->stage != STAGE_DEAD) {
        struct slice rest = slice_from(in, *used);
        enum reader_result result = rest.n > 0 ? reader_next(&c->reader, rest, &n) : READER_MORE;

        if (rest.n > 0)
            *used += n;
        if (result == READER_MORE)
            return;
        if (result == READER_BAD)
            client_fail(c, CAUSE_PROTOCOL, "not a reply");
        else if (out_of_step(c, slice_from(in, *used)))
            client_fail(c, CAUSE_PROTOCOL, "a reply to nothing");
        else
            take_reply(c);
        check_room(c);
    }
    *used = in.n;
}

void client_begin(struct client *c, const struct client_options *options, int64_t now)
{
    *c = (struct client){ .options = *options, .now = now };
    enter(c, STAGE_GREETING);
}
