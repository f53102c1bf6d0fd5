/* bdat.c - BDAT: a size, perhaps LAST, and so many octets. */
#include <stdlib.h>
#include "base/digits.h"
#include "smtpd/bdat.h"
#include "smtpd/intake.h"
#include "smtpd/policy.h"

enum { DIGITS = 20, SWALLOWED = 1 << 20 };

/* parse - BDAT SP 1*DIGIT [SP LAST] */

static bool parse(struct slice args, struct chunk *c)
{
    struct slice size, rest;
    bool more = slice_cut(args, ' ', &size, &rest);

    *c = (struct chunk){ .last = more };
    if (size.n > DIGITS || !slice_u64(size, &c->size))
        return false;
    c->left = c->size;
    return !more || slice_ieq(slice_trim(rest), SLICE_LIT("LAST"));
}

/* endless - so far above what a message may have that its octets are not worth reading (A066) */

static bool endless(const struct session *s, uint64_t size)
{
    uint64_t most = s->server->conf->limits.message_size;

    return size > SWALLOWED && size > most && size - most > most;
}

static enum reply_id judge(struct session *s, uint64_t size)
{
    const struct tx *tx = s->tx;
    uint64_t most = tx->size_max;

    if (s->stage == S_SENDER)
        return tx_no_rcpts(s);
    if (s->stage == S_RCPTS)
        return size > most ? REPLY_TOO_BIG : REPLY_OK;
    return tx->data.size > most || size > most - tx->data.size ? REPLY_TOO_BIG : REPLY_OK;
}

static void swallow(struct session *s, size_t n)
{
    s->chunk.left -= n;
    s->deadline = s->server->mono + s->server->conf->limits.data_timeout;
}

/* finish - all octets are here: say what became of the chunk */

static void finish(struct session *s)
{
    static struct reply ok;
    char size[DIGITS_TEXT];

    session_aside_end(s);
    if (s->chunk.refuse != REPLY_OK) {
        session_say(s, s->chunk.refuse);
    } else if (s->chunk.last) {
        intake_finish(s);
    } else {
        ok.len = 0;
        reply_text(&ok, REPLY_CHUNK_OK, digits_text((int64_t)s->chunk.size, size), SLICE_LIT(" octets"));
        session_say_reply(s, &ok);
        s->deadline = s->server->mono + s->server->conf->limits.command_timeout;
    }
}

static size_t read_chunk(struct session *s, struct slice in)
{
    size_t n;

    in = slice_first(in, s->chunk.left < in.n ? (size_t)s->chunk.left : in.n);
    n = s->chunk.refuse == REPLY_OK ? intake_chunk(s, in) : in.n;
    if (n > 0)
        swallow(s, n);
    if (s->chunk.left == 0)
        finish(s);
    return n;
}

/* begin - the octets that follow are the chunk's */

static unsigned begin(struct session *s)
{
    if (s->chunk.left > 0) {
        session_aside(s, read_chunk, NULL, NULL);
        swallow(s, 0);
    } else {
        finish(s);
    }
    return REPLY_NONE;
}

unsigned bdat_refuse(struct session *s, struct slice args, enum reply_id id)
{
    if (reply_code(id) == 421)
        return id;
    if (!parse(args, &s->chunk))
        return REPLY_BAD_CHUNK;
    if (endless(s, s->chunk.size))
        return REPLY_CHUNK_TOO_BIG;
    s->chunk.refuse = id;
    return begin(s);
}

/* on_bdat - a null chunk does nothing, so nobody may send them for ever */

unsigned on_bdat(struct session *s, struct slice args, struct reply *r)
{
    (void)r;
    if (!parse(args, &s->chunk))
        return REPLY_BAD_CHUNK;
    if (endless(s, s->chunk.size))
        return REPLY_CHUNK_TOO_BIG;
    s->chunk.refuse = judge(s, s->chunk.size);
    if (s->chunk.refuse == REPLY_TOO_BIG)
        tx_drop(s);
    else if (s->chunk.refuse == REPLY_OK && s->stage == S_RCPTS)
        intake_begin(s, S_CHUNKS);
    if (s->chunk.size == 0 && !s->chunk.last && ++s->junk > s->server->conf->limits.junk)
        return REPLY_TOO_MUCH_JUNK;
    if (s->stage == S_CHUNKS) {
        s->tx->window = s->server->mono;
        s->tx->window_size = s->tx->data.size;
    }
    return begin(s);
}
