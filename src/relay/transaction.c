/* transaction.c - one message over a session: from RSET or MAIL to the reply that
 * says that the host has it.
 *
 *     RSET?  XFORWARD?  MAIL  RCPT...  XEXCH50?  DATA or BDAT
 *
 * With PIPELINING everything from MAIL to the first command that must have its reply
 * goes out together: DATA, or a small text by BDAT. Such a text goes along only where
 * the host has just been heard: a connection kept idle it may have closed meanwhile, and
 * nobody would know afterwards whether it has the message.
 */
#include <assert.h>
#include "relay/inside.h"

size_t rcpt_after(const struct client *c, size_t at)
{
    while (at < c->mail->nrcpts && !c->mail->rcpts[at].open)
        at++;
    return at;
}

/* --- the beginning */

static bool text_goes_along(const struct client *c)
{
    return c->bdat && c->now - c->heard_at <= CLIENT_WARM && !c->options.lmtp
        && c->text.size <= CLIENT_TOGETHER;
}

/* put_group - MAIL, and with PIPELINING as much as may go with it */

static void put_group(struct client *c)
{
    c->grouped = true;
    put_mail(c);
    if (pipelines(c))
        for (size_t i = rcpt_after(c, 0); i < c->mail->nrcpts; i = rcpt_after(c, i + 1))
            put_rcpt(c, i);
    if (pipelines(c) && !c->exch50 && (!c->bdat || text_goes_along(c)))
        text_begin(c);
}

/* go_on - the next command before MAIL, or MAIL */

static void go_on(struct client *c)
{
    if (forward_wanted(c) && forward_put(c)) {
        enter(c, STAGE_XFORWARD);
        return;
    }
    put_group(c);
    if (c->stage != STAGE_DEAD)
        enter(c, STAGE_MAIL);
}

static void reset(struct client *c)
{
    command(c, "RSET\r\n");
    c->unclean = false;
    if (pipelines(c) && !forward_wanted(c))
        put_group(c);
    if (c->stage != STAGE_DEAD)
        enter(c, STAGE_RSET);
}

static void begin(struct client *c, struct client_mail *mail)
{
    c->mail = mail;
    c->text = mail->text;
    c->refused = c->asked_data = c->sent_all = c->grouped = false;
    c->done = c->chunk_end = 0;
    c->heard = c->forwarded = 0;
    c->accepted = 0;
    c->writer = (struct data_writer){ 0 };
    c->after_cr = false;
    mail->note = NULL;
}

void client_send(struct client *c, struct client_mail *mail, int64_t now)
{
    assert(c->stage == STAGE_IDLE && c->mail == NULL && mail->nrcpts <= CLIENT_RCPTS);
    c->now = now;
    begin(c, mail);
    if (!needs_met(c)) {
        mail_end(c);
        return;
    }
    c->exch50 = blob_wanted(c);
    c->at = rcpt_after(c, 0);
    c->sent++;
    enter(c, STAGE_RSET);
    if (c->unclean)
        reset(c);
    else
        go_on(c);
    if (c->options.out->full) {
        client_fail(c, CAUSE_RESOURCE, "no memory");
        buf_clear(c->options.out);
    }
}

void heard_rset(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim != VICTIM_NONE)
        session_lost(c, r, v);
    else if (c->grouped)
        enter(c, STAGE_MAIL);
    else
        go_on(c);
}

/* A peer that does not want to know gets the mail all the same. */
void heard_xforward(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim > VICTIM_MESSAGE)
        session_lost(c, r, v);
    else
        go_on(c);
}

/* --- sender and recipients */

void heard_mail(struct client *c, const struct reply_in *r, const struct verdict *v)
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
    if (c->asked_data)
        enter(c, STAGE_DATA);
    else if (c->sent_all)
        enter(c, STAGE_DOT);
    else if (c->accepted == 0) {
        c->unclean = true;
        mail_end(c);
    } else if (c->exch50)
        blob_ask(c);
    else
        text_begin(c);
}

/* is_quota - 552 that says by its status that it means this mailbox, or this message,
 * and not "too many recipients" (RFC 1870 §6.1, RFC 5321 §4.5.3.1.10) */

static bool is_quota(const struct reply_in *r)
{
    return r->code == 552 && ((r->status[1] == 2 && r->status[2] >= 2) || r->status[1] == 3);
}

static void rcpt_reply(struct client *c, struct client_rcpt *rcpt, const struct reply_in *r,
                       const struct verdict *v)
{
    struct verdict full = { VICTIM_RCPT, FATE_NEVER, "5.2.2" };
    struct outcome_words w;

    if (v->victim == VICTIM_NONE) {
        rcpt->accepted = true;
        c->accepted++;
    } else {
        w = words_of_reply(c, r, is_quota(r) ? &full : v);
        decide(c, rcpt, &w);
    }
}

/* After a refused MAIL the replies to the rest of the group mean nothing. */
void heard_rcpt(struct client *c, const struct reply_in *r, const struct verdict *v)
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

/* --- XEXCH50 */

static void without_blob(struct client *c)
{
    c->mail->note = "XEXCH50 dropped: the host refused it";
    text_begin(c);
}

void heard_xexch50(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim == VICTIM_NONE) {
        c->done = 0;
        blob_fill(c);
    } else if (v->victim == VICTIM_RCPT)
        without_blob(c);
    else
        session_lost(c, r, v);
}

void heard_blobbed(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim == VICTIM_NONE)
        text_begin(c);
    else if (v->victim == VICTIM_RCPT)
        without_blob(c);
    else
        session_lost(c, r, v);
}

/* --- the text */

/* 354 although nobody accepted a recipient: an empty message is the way out
 * (RFC 2920 §3.1). In LMTP it would have no reply at all. */
static void empty_text(struct client *c)
{
    if (c->options.lmtp) {
        client_fail(c, CAUSE_PROTOCOL, "DATA was accepted without recipients");
        return;
    }
    command(c, ".\r\n");
    enter(c, STAGE_DOT);
}

/* refuse_text - the host does not want it; no more of it is sent */

static void refuse_text(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    struct outcome_words w = words_of_reply(c, r, v);

    decide_all(c, &w);
    c->unclean = true;
    mail_end(c);
}

void heard_data(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim == VICTIM_NONE && c->accepted == 0) {
        empty_text(c);
    } else if (v->victim == VICTIM_NONE) {
        enter(c, STAGE_BODY);
        text_fill(c);
    } else if (v->victim == VICTIM_MESSAGE || (v->victim != VICTIM_HOST && c->accepted == 0))
        refuse_text(c, r, v);
    else
        session_lost(c, r, v);
}

void heard_chunk(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    if (v->victim == VICTIM_NONE)
        text_chunk(c);
    else if (v->victim == VICTIM_MESSAGE)
        refuse_text(c, r, v);
    else
        session_lost(c, r, v);
}

/* Before all of the message is sent there is nothing to answer. */
void heard_body(struct client *c, const struct reply_in *r, const struct verdict *v)
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

void heard_dot(struct client *c, const struct reply_in *r, const struct verdict *v)
{
    struct outcome_words w;
    struct client_rcpt *rcpt = next_accepted(c);

    if (v->victim > VICTIM_MESSAGE && rcpt != NULL) {
        session_lost(c, r, v);
        return;
    }
    w = words_of_reply(c, r, v);
    if (rcpt != NULL && c->options.lmtp)
        decide(c, rcpt, &w);
    else
        decide_all(c, &w);
    c->unclean |= c->bdat && v->victim != VICTIM_NONE;      /* RFC 3030 §3: until RSET */
    if (next_accepted(c) == NULL)
        mail_end(c);
    else
        enter(c, STAGE_DOT);
}
