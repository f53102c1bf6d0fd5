/* exchange.c - a size, a number, and so many octets. */
#include <stdlib.h>
#include "base/wire.h"
#include "smtpd/exchange.h"

enum { DIGITS = 10 };

/* A blob on its way in. */
struct blob {
    struct buf octets;      /* the number first, as EXTRA_XEXCH50 has it */
    size_t     left;
};

static void blob_free(void *state)
{
    struct blob *b = state;

    buf_free(&b->octets);
    free(b);
}

/* parse - XEXCH50 SP size SP number: digits alone, no sign */

static bool parse(struct slice args, uint64_t *size, uint32_t *number)
{
    struct slice first, second;
    uint64_t v;

    if (!slice_cut(args, ' ', &first, &second) || first.n > DIGITS || second.n > DIGITS
        || !slice_u64(first, size) || !slice_u64(second, &v) || v > UINT32_MAX)
        return false;
    *number = (uint32_t)v;
    return true;
}

/* finish - the blob is whole: it goes with the message */

static void finish(struct session *s)
{
    struct blob *b = s->aside_state;
    struct slice copy = arena_copy(&s->arena, buf_view(&b->octets));
    bool ok = !b->octets.full && !s->arena.spent;

    if (ok)
        s->tx->xexch50 = copy;
    session_aside_end(s);
    if (!ok)
        tx_drop(s);
    session_say(s, ok ? REPLY_BLOB_OK : REPLY_LOCAL_TROUBLE);
    if (s->stage != S_ENDED)
        s->deadline = s->server->mono + s->server->conf->limits.command_timeout;
}

static size_t read_blob(struct session *s, struct slice in)
{
    struct blob *b = s->aside_state;

    in = slice_first(in, b->left);
    buf_put_slice(&b->octets, in);
    b->left -= in.n;
    s->deadline = s->server->mono + s->server->conf->limits.data_timeout;
    if (b->left == 0)
        finish(s);
    return in.n;
}

/* begin - memory grows with what comes, never with what is announced */

static unsigned begin(struct session *s, size_t size, uint32_t number)
{
    struct blob *b = calloc(1, sizeof *b);
    struct wire w;

    if (b == NULL)
        return REPLY_LOCAL_TROUBLE;
    b->octets = BUF(size + sizeof number);
    b->left = size;
    w = wire_writer(&b->octets);
    wire_put_u32(&w, number);
    session_aside(s, read_blob, b, blob_free);
    s->deadline = s->server->mono + s->server->conf->limits.data_timeout;
    return REPLY_SEND_BLOB;
}

unsigned on_xexch50(struct session *s, struct slice args, struct reply *r)
{
    uint64_t size;
    uint32_t number;

    (void)r;
    if (!parse(args, &size, &number) || size == 0)
        return REPLY_BAD_ARGUMENTS;
    if (s->tx->xexch50.n > 0)
        return REPLY_OUT_OF_ORDER;
    if (size > s->server->conf->limits.xexch50)
        return REPLY_TOO_BIG;
    return begin(s, (size_t)size, number);
}
