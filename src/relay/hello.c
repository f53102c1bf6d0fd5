/* hello.c - the beginning of a session: greeting, EHLO, TLS, and EHLO again. */
#include <assert.h>
#include "relay/inside.h"

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

void heard_greeting(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim != VICTIM_NONE)
        session_lost(c, r, v);
    else if (is_our_name(c, r))
        client_fail(c, CAUSE_LOOP, "the host greets with our own name");
    else
        hello(c, c->options.plain ? STAGE_HELO : STAGE_EHLO);
}

/* --- what comes before mail */

/* secure_now - ask for TLS, or know that it cannot be had; false: it is not wanted */

static bool secure_now(struct client *c)
{
    if (c->secure || c->no_tls || c->options.tls == TLS_POLICY_NONE)
        return false;
    if (host_has(c, HOST_STARTTLS)) {
        command(c, "STARTTLS\r\n");
        enter(c, STAGE_STARTTLS);
        return true;
    }
    if (c->options.tls == TLS_POLICY_OPPORTUNISTIC)
        return false;
    client_fail(c, CAUSE_NO_TLS, "the host does not offer it");
    return true;
}

static void prepare(struct client *c)
{
    if (secure_now(c))
        return;
    if (c->options.account.n > 0 && !c->logged_in)
        login_begin(c);
    else
        enter(c, STAGE_IDLE);
}

void heard_ehlo(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim == VICTIM_NONE) {
        offers_read(r, &c->offers);
        prepare(c);
    } else if (r->code >= 500 && !c->options.lmtp && !c->secure)
        hello(c, STAGE_HELO);
    else
        session_lost(c, r, v);
}

void heard_helo(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim != VICTIM_NONE)
        session_lost(c, r, v);
    else
        prepare(c);
}

/* --- TLS */

void heard_starttls(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim == VICTIM_NONE) {
        enter(c, STAGE_SECURE);
    } else if (v->victim != VICTIM_RCPT) {
        session_lost(c, r, v);
    } else if (c->options.tls == TLS_POLICY_OPPORTUNISTIC) {
        c->no_tls = true;
        prepare(c);
    } else
        client_fail(c, CAUSE_NO_TLS, "the host offers it but refuses to begin");
}

/* What the host said in the clear counts for nothing now (RFC 3207 §4.2). */
void client_secured(struct client *c, bool verified, int64_t now)
{
    assert(c->stage == STAGE_SECURE);
    c->now = now;
    c->secure = true;
    c->verified = verified;
    c->offers = (struct host_offers){ 0 };
    hello(c, STAGE_EHLO);
}
