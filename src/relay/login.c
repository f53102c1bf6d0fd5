/* login.c - logging in at another host (RFC 4954), by AUTH or, where a host has only
 * that, X-EXPS. What to say comes from the vault, by way of the owner.
 */
#include <assert.h>
#include <stdio.h>
#include "base/base64.h"
#include "relay/inside.h"

enum { LINE_MAX_ = 12288, DATA_MAX = 9216 };    /* octets of an exchange's line (RFC 4954 §4.3) */

static const char *verb_of(const struct client *c)
{
    return host_has(c, HOST_AUTH) ? "AUTH" : "X-EXPS";
}

static void ask(struct client *c, enum client_ask what, struct slice data)
{
    c->options.login(c->options.login_user, what, data);
}

void login_begin(struct client *c)
{
    const char *words = host_has(c, HOST_AUTH) ? c->offers.auth : c->offers.exps;

    if (words[0] == '\0') {
        client_fail(c, CAUSE_LOGIN, "the host offers no way to log in");
        return;
    }
    c->proved = c->first_said = false;
    enter(c, STAGE_LOGIN);
    ask(c, CLIENT_ASK_BEGIN, slice_cstr(words));
}

/* --- what we say */

/* put_data - as base64; nothing at all is "=" behind the command, and an empty line
 * later (RFC 4954 §4) */

static bool put_data(struct client *c, struct buf *line, struct slice data)
{
    if (data.n == 0)
        return c->first_said || buf_puts(line, "=");
    return base64_put(line, data);
}

static bool put_line(struct client *c, struct buf *line, struct slice mechanism, bool has_data,
                     struct slice data)
{
    if (!c->first_said)
        buf_printf(line, "%s %.*s%s", verb_of(c), SLICE(mechanism), has_data ? " " : "");
    return !has_data || put_data(c, line, data);
}

/* known - the vault chooses out of what was offered, and nothing else */

static bool known(const struct client *c, struct slice mechanism)
{
    return offers_mechanism(host_has(c, HOST_AUTH) ? c->offers.auth : c->offers.exps, mechanism);
}

void client_login_say(struct client *c, struct slice mechanism, bool has_data, struct slice data,
                      int64_t now)
{
    struct buf line = BUF(LINE_MAX_ + 64);

    if (c->stage != STAGE_LOGIN)
        return;
    c->now = now;
    if ((!c->first_said && !known(c, mechanism))
        || !put_line(c, &line, mechanism, has_data, data) || line.full) {
        client_fail(c, CAUSE_LOGIN, "the vault's answer cannot be sent");
    } else {
        char shown[80];

        snprintf(shown, sizeof shown, "%s %.*s *", verb_of(c), SLICE(slice_first(mechanism, 40)));
        command_secret(c, c->first_said ? "*" : shown, buf_view(&line));
        c->first_said = true;
        enter(c, STAGE_AUTH);
    }
    buf_free(&line);
}

void client_login_end(struct client *c, enum fate fate, struct slice why, int64_t now)
{
    char text[200];

    if (c->stage != STAGE_LOGIN && c->stage != STAGE_AUTH)
        return;
    c->now = now;
    if (fate == FATE_DONE) {
        c->proved = true;
        return;
    }
    if (c->first_said)          /* the host still waits for us */
        command(c, "*\r\n");
    snprintf(text, sizeof text, "%.*s", SLICE(slice_first(why, 190)));
    client_fail(c, CAUSE_LOGIN, text);
}

/* --- what the host says */

static void on_challenge(struct client *c, const struct reply_in *r)
{
    struct buf data = BUF(DATA_MAX);

    if (!base64_take(&data, slice_of(r->text, r->len)) && r->len > 0) {
        command(c, "*\r\n");
        client_fail(c, CAUSE_LOGIN, "the host's challenge is no base64");
    } else {
        enter(c, STAGE_LOGIN);
        ask(c, CLIENT_ASK_STEP, buf_view(&data));
    }
    buf_free(&data);
}

/* logged_in - 235; where the mechanism proves the host too, only after that proof */

static void logged_in(struct client *c)
{
    if (!c->proved) {
        client_fail(c, CAUSE_LOGIN, "the host let us in without proving who it is");
        return;
    }
    c->logged_in = true;
    enter(c, STAGE_IDLE);
}

void heard_auth(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (r->code == 334) {
        on_challenge(c, r);
    } else if (v->victim == VICTIM_NONE) {
        logged_in(c);
    } else {
        session_lost(c, r, v);
        c->problem.cause = CAUSE_LOGIN;
    }
}
