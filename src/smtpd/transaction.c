/* transaction.c - from MAIL to the one way out, and what its envelope says. */
#include <stdlib.h>
#include "mail/envelope.h"
#include "mail/received.h"
#include "smtpd/intake.h"
#include "smtpd/params.h"

enum {                      /* bytes of a buffer kept until the next tick (session.c: slim) */
    KEEP_RCPTS = 4 << 10,
    KEEP_BODY  = 16 << 10,
};

bool tx_begin(struct session *s, const struct mailbox *sender, const struct wishes *wishes)
{
    struct tx *tx = arena_alloc(&s->arena, sizeof *tx);
    struct slice text = arena_copy(&s->arena, sender->text);

    if (tx != NULL)
        tx->wishes = wishes_copy(&s->arena, wishes);
    if (tx == NULL || s->arena.spent) {
        arena_reset(&s->arena);
        return false;
    }
    tx->sender = sender->null ? (struct slice){ 0 } : text;
    tx->size_max = s->server->conf->limits.message_size;
    tx->arrived = s->server->wall;
    s->tx = tx;
    s->tx_serial++;
    session_enter(s, S_SENDER);
    return true;
}

/* tx_drop - the one way out of a transaction, successful or not */

void tx_drop(struct session *s)
{
    if (s->tx == NULL)
        return;
    intake_release(s);
    free((char *)(uintptr_t)s->xforward.p);     /* it was for this message */
    s->xforward = (struct slice){ 0 };
    s->tx = NULL;
    s->wait = WAIT_CLIENT;
    arena_reset(&s->arena);
    buf_clear(&s->rcpts);
    buf_clear(&s->body);
    buf_shrink(&s->rcpts, KEEP_RCPTS);
    buf_shrink(&s->body, KEEP_BODY);
    session_enter(s, S_READY);
    s->deadline = s->server->mono + s->server->conf->limits.command_timeout;
}

unsigned session_way(const struct session *s)
{
    return (s->esmtp ? RECEIVED_ESMTP : 0u) | (s->lmtp ? RECEIVED_LMTP : 0u)
         | (s->secure ? RECEIVED_TLS : 0u) | (s->account.n > 0 ? RECEIVED_AUTH : 0u)
         | (s->tx != NULL && s->tx->wishes.utf8 ? RECEIVED_UTF8 : 0u);
}

bool session_envelope(const struct session *s, struct buf *out)
{
    static struct buf extra = { .max = ENVELOPE_EXTRA_MAX };
    const struct tx *tx = s->tx;
    struct wire w = wire_writer(out);
    char client[IP_TEXT], name[ID_TEXT + 1];

    envelope_put(&w, &(struct envelope){
        .arrived = tx->arrived,
        .flags = wishes_flags(s),
        .hops = tx->watch.count[WATCH_RECEIVED],
        .sender = tx->sender,
        .client = slice_cstr(ip_text(&s->client, client)),
        .helo = s->helo,
        .protocol = received_protocol(session_way(s)),
        .listener = s->listen->address,
        .session = slice_cstr(id_text(s->number, name)),
        .extra = wishes_extra(s, &extra),
        .nrcpts = tx->nrcpts,
        .rcpts = buf_view(&s->rcpts),
    });
    return !w.bad && !out->full && !extra.full;
}
