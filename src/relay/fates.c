/* fates.c - what becomes of a transaction's recipients, and in whose words. */
#include "relay/inside.h"
#include "relay/wants.h"

/* words - a reply's text as one line, no longer than we keep */

static struct slice words(struct arena *a, const struct reply_in *r)
{
    struct slice text = arena_copy(a, slice_first(slice_of(r->text, r->len), CLIENT_TEXT));

    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\n')
            ((char *)(uintptr_t)text.p)[i] = ' ';
    return text;
}

struct outcome_words words_of_reply(struct client *c, const struct reply_in *r,
                                    const struct verdict *v)
{
    char status[STATUS_TEXT];

    trouble_status(status, r, v);
    return (struct outcome_words){
        .fate = v->fate, .code = r->code, .text = words(c->mail->arena, r),
        .status = arena_copy(c->mail->arena, slice_cstr(status)).p,
    };
}

/* how_of - who reports a success (RFC 3461 §5.2) */

static enum delivery_kind how_of(const struct client *c)
{
    struct want_by by;

    if (c->options.lmtp)
        return DELIVERY_FINAL;
    if (!host_has(c, HOST_DELIVERBY) && want_by(c->mail->extra, c->now, &by))
        return host_has(c, HOST_DSN) ? DELIVERY_PASSED_LATE : DELIVERY_RELAYED_LATE;
    return host_has(c, HOST_DSN) ? DELIVERY_PASSED : DELIVERY_RELAYED;
}

/* Without memory for the words, the fate still stands. */
void decide(struct client *c, struct client_rcpt *rcpt, const struct outcome_words *w)
{
    rcpt->decided = true;
    rcpt->accepted = false;
    rcpt->unfit = NULL;
    rcpt->fate = w->fate;
    rcpt->how = how_of(c);
    rcpt->code = w->code;
    rcpt->status = w->status != NULL ? w->status : "";
    rcpt->text = w->text;
}

/* decide_all - those of this transaction that have no fate yet */

void decide_all(struct client *c, const struct outcome_words *w)
{
    for (size_t i = 0; i < c->mail->nrcpts; i++)
        if (c->mail->rcpts[i].open && !c->mail->rcpts[i].decided)
            decide(c, &c->mail->rcpts[i], w);
}

void decide_never(struct client *c, const char *status, const char *why)
{
    decide_all(c, &(struct outcome_words){ FATE_NEVER, 0, status, slice_cstr(why) });
}

/* The message must not go to another host now, and it must not be forgotten. A
 * duplicate is possible here and only here. */
void decide_unknown(struct client *c)
{
    struct outcome_words w = { FATE_LATER, c->problem.code, NULL, { NULL, 0 } };

    if (c->refused)
        return;
    w.status = arena_copy(c->mail->arena, slice_cstr(c->problem.status)).p;
    w.text = arena_copy(c->mail->arena, slice_cstr(c->problem.text));
    for (size_t i = 0; i < c->mail->nrcpts; i++) {
        struct client_rcpt *rcpt = &c->mail->rcpts[i];

        if (rcpt->accepted || (c->sent_all && rcpt->open && !rcpt->decided))
            decide(c, rcpt, &w);
    }
}

void mail_unfit(struct client *c, const struct unfit *why)
{
    for (size_t i = 0; i < c->mail->nrcpts; i++) {
        struct client_rcpt *rcpt = &c->mail->rcpts[i];

        if (!rcpt->open || rcpt->decided)
            continue;
        rcpt->open = false;
        rcpt->unfit = why;
    }
}
