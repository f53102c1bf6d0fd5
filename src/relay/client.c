/* client.c - the life of a session with another host: where it is, what it says and
 * hears, and how it ends.
 */
#include <assert.h>
#include <stdio.h>
#include "log/log.h"
#include "relay/inside.h"

enum { LOGGED = 1200 };     /* bytes of a line that the log sees */

/* --- where we are */

void enter(struct client *c, enum stage stage)
{
    int64_t scale = c->options.scale > 0 ? c->options.scale : 100;
    int64_t ms = stage_seconds(stage) * 10 * scale;

    c->stage = stage;
    c->deadline = ms > 0 ? c->now + ms : 0;
    assert((c->mail != NULL) == (stage >= STAGE_RSET && stage <= STAGE_DOT));
}

static void dialog(const struct client *c, struct slice line)
{
    log_event(EVENT_DIALOG, LF_TEXT("session", c->options.session), LF_STR("way", ">"),
              LF_TEXT("line", slice_trim(slice_first(line, LOGGED))));
}

void command_log(const struct client *c, size_t at)
{
    dialog(c, slice_from(buf_view(c->options.out), at));
}

void command(struct client *c, const char *fmt, ...)
{
    size_t at = c->options.out->n;
    char line[1200];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    assert(n > 0 && (size_t)n < sizeof line);
    buf_put(c->options.out, line, (size_t)n);
    command_log(c, at);
}

void command_secret(struct client *c, const char *shown, struct slice line)
{
    buf_put_slice(c->options.out, line);
    buf_puts(c->options.out, "\r\n");
    dialog(c, slice_cstr(shown));
}

/* --- the end of a transaction, and of a session */

void mail_end(struct client *c)
{
    c->mail = NULL;
    c->accepted = c->at = 0;
    enter(c, STAGE_IDLE);
}

static void die(struct client *c)
{
    if (c->stage == STAGE_LOGIN || c->stage == STAGE_AUTH)
        c->options.login(c->options.login_user, CLIENT_ASK_CANCEL, (struct slice){ NULL, 0 });
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

/* in_doubt - may the host have the whole message without our knowing? */

static bool in_doubt(const struct client *c)
{
    return c->mail != NULL && (c->stage == STAGE_DOT || c->sent_all);
}

static void problem_say(struct client *c, enum cause cause, const char *detail)
{
    struct client_problem *p = &c->problem;
    bool waiting = cause == CAUSE_TIMEOUT || cause == CAUSE_LOST || cause == CAUSE_PROTOCOL;

    if (waiting || cause == CAUSE_LOOP)
        snprintf(p->text, sizeof p->text, "%s while waiting for %s%s%s", cause_words(cause),
                 stage_words(c->stage), *detail ? ": " : "", detail);
    else
        snprintf(p->text, sizeof p->text, "%s: %s", cause_words(cause), detail);
}

void client_fail(struct client *c, enum cause cause, const char *detail)
{
    struct verdict v = trouble_cause(cause);
    struct client_problem *p = &c->problem;

    if (c->stage == STAGE_DEAD)
        return;
    *p = (struct client_problem){ .cause = cause, .stage = c->stage, .victim = v.victim };
    snprintf(p->status, sizeof p->status, "%s", v.status);
    problem_say(c, cause, detail);
    if (in_doubt(c))
        decide_unknown(c);
    die(c);
}

void session_lost(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    struct client_problem *p = &c->problem;
    int n = (int)(r->len < 300 ? r->len : 300);

    *p = (struct client_problem){ .stage = c->stage, .victim = v->victim, .code = r->code };
    trouble_status(p->status, r, v);
    snprintf(p->text, sizeof p->text, "%.*s", n, r->text);
    for (char *s = p->text; *s; s++)
        if (*s == '\n')
            *s = ' ';
    if (c->stage == STAGE_DOT || (in_doubt(c) && r->code != 421))
        decide_unknown(c);
    if (r->code == 421 || client_fills(c))
        die(c);
    else
        say_goodbye(c);
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

/* --- commands that are not of a transaction */

void client_say(struct client *c, struct slice line, int64_t now)
{
    size_t at = c->options.out->n;

    assert(c->stage == STAGE_IDLE);
    c->now = now;
    buf_put_slice(c->options.out, line);
    buf_puts(c->options.out, "\r\n");
    command_log(c, at);
    enter(c, STAGE_COMMAND);
    check_room(c);
}

static void on_command(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim > VICTIM_MESSAGE)
        session_lost(c, r, v);
    else
        enter(c, STAGE_IDLE);
}

/* Nobody asked: a kept connection is being closed. */
static void on_idle(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    session_lost(c, r, v);
}

/* --- input */

static reply_f *const on_reply[STAGE_COUNT] = {
    [STAGE_GREETING] = heard_greeting, [STAGE_EHLO] = heard_ehlo,         [STAGE_HELO] = heard_helo,
    [STAGE_STARTTLS] = heard_starttls, [STAGE_SECURE] = on_idle,       [STAGE_LOGIN] = on_idle,
    [STAGE_AUTH] = heard_auth,         [STAGE_IDLE] = on_idle,         [STAGE_COMMAND] = on_command,
    [STAGE_RSET] = heard_rset,         [STAGE_XFORWARD] = heard_xforward, [STAGE_MAIL] = heard_mail,
    [STAGE_RCPT] = heard_rcpt,         [STAGE_XEXCH50] = heard_xexch50,   [STAGE_BLOB] = heard_body,
    [STAGE_BLOBBED] = heard_blobbed,   [STAGE_DATA] = heard_data,         [STAGE_BODY] = heard_body,
    [STAGE_CHUNK] = heard_chunk,       [STAGE_DOT] = heard_dot,
};

static void take_reply(struct client *c)
{
    const struct reply_in *r = &c->reader.reply;
    struct verdict v = trouble_reply(c->stage, r->code);

    log_event(EVENT_DIALOG, LF_TEXT("session", c->options.session), LF_STR("way", "<"),
              LF_NUM("code", r->code),
              LF_TEXT("line", c->stage == STAGE_AUTH && r->code == 334 ? SLICE_LIT("*")
                                                                       : slice_of(r->text, r->len)));
    c->heard++;
    on_reply[c->stage](c, r, &v);
}

/* alone - must nothing follow the reply that is awaited now? Whoever answers
 * a command that was not yet sent is out of step with us (A154). */

static bool alone(const struct client *c)
{
    switch (c->stage) {
    case STAGE_MAIL: case STAGE_RCPT:
        return !pipelines(c);
    case STAGE_RSET:
        return !c->grouped;
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

    c->now = c->heard_at = now;
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
