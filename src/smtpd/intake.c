/* intake.c - from DATA to the final dot, and what is decided there.
 *
 * A message is kept in memory up to BODY_INLINE octets; beyond that in a slot of memory
 * that the queue shares with us, if one is free and as long as it fits; beyond that it is
 * written to a file that the queue lent beforehand. Whatever is wrong with a
 * message, it is read on to its true end, so that nothing in it can ever be
 * taken for a command (A001 to A022).
 */
#include <unistd.h>
#include "base/crc32c.h"
#include "base/date.h"
#include "base/file.h"
#include "base/id.h"
#include "mail/envelope.h"
#include "mail/received.h"
#include "mail/wishes.h"
#include "smtpd/flight.h"
#include "smtpd/intake.h"

enum { SLACK = 1 };     /* data_read may give one octet more than it was given */

void intake_release(struct session *s)
{
    struct tx *tx = s->tx;

    if (tx->lent.number != 0)
        s->server->world->lend_back(s->server->ctx, &tx->lent);
    tx->lent = (struct lent){ 0 };
    if (tx->slot.p != NULL)
        s->server->world->slot_back(s->server->ctx, &tx->slot);
    tx->slot = (struct slot){ 0 };
}

/* give_up - nothing of it is kept any more; read on to the end */

static void give_up(struct session *s)
{
    s->tx->discard = true;
    intake_release(s);
    buf_clear(&s->body);
}

static void break_down(struct session *s)
{
    s->tx->broken = true;
    give_up(s);
}

/* --- the slot, the file ---------------------------------------------------- */

static bool lacks(struct slice message, struct slice name)
{
    struct header_field f;

    return !header_find(message, name, &f);
}

/* complete - a message that is submitted may lack what only its sender could know
 * (RFC 6409 §8.2, §8.3) */

static void complete(struct session *s)
{
    struct slice message = buf_view(&s->body);
    struct buf whole = BUF(s->body.max);
    char date[DATE_TEXT], id[ID_TEXT + 1];

    if (lacks(message, SLICE_LIT("Date")))
        buf_printf(&whole, "Date: %s\r\n", date_text(s->tx->arrived, date));
    if (lacks(message, SLICE_LIT("Message-ID")))
        buf_printf(&whole, "Message-ID: <%s@%.*s>\r\n", id_text(s->tx->id, id),
                   SLICE(s->server->conf->hostname));
    if (whole.n > 0 && buf_put_slice(&whole, message)) {
        buf_free(&s->body);
        s->body = whole;
    } else {
        buf_free(&whole);
    }
}

/* look_at_header - while its beginning is still in memory */

static void look_at_header(struct session *s)
{
    struct tx *tx = s->tx;

    if (tx->header_seen)
        return;
    tx->header_seen = true;
    if (!tx->wishes.requiretls && tx->watch.count[WATCH_TLS_REQUIRED] == 1)
        tx->tls_optional = wishes_tls_optional(buf_view(&s->body));
    if (s->listen->role == LISTEN_SUBMISSION && !tx->discard)
        complete(s);
}

/* spill - what is in memory goes into the file, and the piece behind it; of all that only
 * whole BLOCKs, unless it is the `last`. The file system takes a page at a time of what
 * begins inside of one, and many at once of what does not. */

static bool spill(struct session *s, struct slice piece, bool last)
{
    enum { BLOCK = 16 << 10 };
    struct slice kept, came;
    struct tx *tx = s->tx;
    size_t n;

    look_at_header(s);
    n = s->body.n + piece.n;
    n -= last ? 0 : n % BLOCK;
    kept = slice_first(buf_view(&s->body), n);
    came = slice_first(piece, n - kept.n);
    if (!fd_write_both(tx->lent.fd, kept, came))
        return false;
    tx->crc = crc32c(crc32c(tx->crc, kept), came);
    tx->length += n;
    buf_drop(&s->body, kept.n);
    return buf_put_slice(&s->body, slice_from(piece, came.n));
}

/* lay_down - what is in memory goes into a slot, and the rest will follow. False: none is
 * free, or it would not fit. */

static bool lay_down(struct session *s)
{
    const struct world *world = s->server->world;
    struct tx *tx = s->tx;

    if (tx->lent.number != 0 || tx->slot.p != NULL || world->slot == NULL
        || !world->slot(s->server->ctx, &tx->slot))
        return false;
    if (tx->wishes.size > tx->slot.room - BODY_INLINE) {
        world->slot_back(s->server->ctx, &tx->slot);
        return false;
    }
    look_at_header(s);
    memcpy(tx->slot.p, buf_view(&s->body).p, s->body.n);
    tx->length = s->body.n;
    buf_clear(&s->body);
    return true;
}

/* pick_up - it is too much for the slot: what lies there goes into the file */

static bool pick_up(struct session *s)
{
    struct tx *tx = s->tx;
    struct slice text = slice_of(tx->slot.p, (size_t)tx->length);
    bool ok;

    tx->length = 0;
    ok = spill(s, text, false);
    s->server->world->slot_back(s->server->ctx, &tx->slot);
    return ok;
}

/* room - for more text, where it is now */

static size_t room(const struct session *s)
{
    const struct tx *tx = s->tx;

    return tx->slot.p != NULL ? tx->slot.room - (size_t)tx->length : s->body.max - s->body.n;
}

/* make_room - true: there is room for more text, or none is needed */

static bool make_room(struct session *s)
{
    struct tx *tx = s->tx;

    if (tx->discard || (tx->lent.number == 0 && room(s) > BODY_MORE) || lay_down(s))
        return true;
    if (tx->lent.number == 0 && !s->server->world->lend(s->server->ctx, s, &tx->lent)) {
        s->wait = WAIT_FILE;
        s->deadline = s->server->mono + WORLD_PATIENCE;
        return false;
    }
    if (tx->slot.p != NULL ? !pick_up(s)
                           : s->body.n >= BODY_INLINE && !spill(s, (struct slice){ 0 }, false))
        break_down(s);
    return true;
}

/* --- the text ------------------------------------------------------------ */

/* keep - in memory, until it is worth a write; most of that goes into the file from where
 * it came */

static bool keep(struct session *s, struct slice piece)
{
    struct tx *tx = s->tx;

    if (tx->slot.p != NULL && piece.n > 0) {
        if (piece.p != tx->slot.p + tx->length)     /* else it was read to where it belongs */
            memmove(tx->slot.p + tx->length, piece.p, piece.n);
        tx->length += piece.n;
        return true;
    }
    return tx->lent.number != 0 && s->body.n + piece.n >= BODY_INLINE
         ? spill(s, piece, false) : buf_put_slice(&s->body, piece);
}

static void take_piece(void *user, struct slice piece)
{
    struct session *s = user;

    if (s->tx->discard)
        return;
    header_watch(&s->tx->watch, piece);
    if (!keep(s, piece))
        break_down(s);
}

/* faults - in a message of BODY=BINARYMIME every octet is right */

static unsigned faults(const struct tx *tx)
{
    return tx->wishes.body == BODY_BINARYMIME ? 0 : tx->data.faults & (DATA_BARE | DATA_LONG);
}

static enum reply_id verdict(const struct session *s)
{
    const struct conf *conf = s->server->conf;
    const struct tx *tx = s->tx;

    if (faults(tx) & DATA_BARE)
        return tx->chunked ? REPLY_BARE_CHUNK : REPLY_BARE_LF;
    if (tx->data.size > tx->size_max)
        return REPLY_TOO_BIG;
    if (faults(tx) & DATA_LONG)
        return REPLY_TEXT_LINE_LONG;
    if (tx->watch.count[WATCH_RECEIVED] > conf->limits.hops)
        return REPLY_LOOPS;
    if (tx->broken)
        return REPLY_LOCAL_TROUBLE;
    return REPLY_ACCEPTED;
}

/* hand_over - the whole message is here: ask for it to be made durable. False: no memory. */

static bool hand_over(struct session *s)
{
    struct flight *f;

    look_at_header(s);
    f = flight_begin(s);
    if (f == NULL)
        return false;
    tx_drop(s);
    s->server->world->commit(s->server->ctx, f);
    return true;
}

static void intake_end(struct session *s)
{
    static struct reply refusal;        /* never has a text */
    unsigned n = s->tx->accepted;
    enum reply_id id;

    if (s->tx->lent.number != 0 && !spill(s, (struct slice){ 0 }, true))
        break_down(s);
    id = verdict(s);
    if (id == REPLY_ACCEPTED && hand_over(s))
        return;
    tx_drop(s);
    refusal.id = id == REPLY_ACCEPTED ? REPLY_LOCAL_TROUBLE : id;
    session_say_each(s, &refusal, n);
}

/* in_memory - ours or shared: and only so much as has room there may be read */

static bool in_memory(const struct tx *tx)
{
    return !tx->discard && tx->lent.number == 0;
}

size_t intake_read(struct session *s, struct slice in)
{
    struct tx *tx = s->tx;
    enum data_result result;
    size_t used;

    if (!make_room(s))
        return 0;
    if (in_memory(tx)) {
        in = slice_first(in, room(s) - SLACK);
        if (tx->slot.p == NULL)
            buf_room(&s->body, in.n + SLACK);
    }
    result = data_read(&tx->data, in, &used, take_piece, s);
    s->deadline = s->server->mono + s->server->conf->limits.data_timeout;
    if (!tx->discard && (faults(tx) != 0
                         || tx->data.size > tx->size_max))
        give_up(s);
    if (result == DATA_END)
        intake_end(s);
    return used;
}

char *intake_place(const struct session *s, size_t *n)
{
    const struct tx *tx = s->tx;

    if (tx == NULL || tx->slot.p == NULL || tx->discard || s->wait != WAIT_CLIENT
        || data_holds(&tx->data) || room(s) <= BODY_MORE)
        return NULL;
    *n = room(s) - SLACK;
    return tx->slot.p + tx->length;
}

size_t intake_chunk(struct session *s, struct slice in)
{
    struct tx *tx = s->tx;

    if (!make_room(s))
        return 0;
    if (in_memory(tx))
        in = slice_first(in, room(s));
    data_scan(&tx->data, in);
    take_piece(s, in);
    s->deadline = s->server->mono + s->server->conf->limits.data_timeout;
    if (!tx->discard && faults(tx) != 0)
        give_up(s);
    return in.n;
}

void intake_finish(struct session *s)
{
    data_scan_end(&s->tx->data);
    intake_end(s);
}

/* only_rcpt - the recipient's address if there is just one */

static struct slice only_rcpt(const struct session *s)
{
    struct wire w = wire_reader(buf_view(&s->rcpts));
    struct recipient r;

    if (s->tx->nrcpts != 1 || !recipient_next(&w, &r))
        return (struct slice){ 0 };
    return r.original.n > 0 ? r.original : r.address;
}

/* body_room - memory for the text as it was declared, at once, and for our fields; most
 * texts are small */

static void body_room(struct session *s)
{
    enum { SMALL = 7 << 10, FIELDS = 1 << 10 };
    uint64_t size = s->tx->wishes.size > 0 ? s->tx->wishes.size : SMALL;

    buf_room(&s->body, FIELDS + (size < BODY_INLINE ? (size_t)size : SMALL));
}

void intake_begin(struct session *s, enum stage stage)
{
    struct tx *tx = s->tx;
    struct server *server = s->server;

    tx->id = server->world->message_id(server->ctx);
    tx->arrived = server->wall;
    data_begin(&tx->data, server->conf->limits.text_line);
    tx->window = server->mono;
    s->deadline = server->mono + server->conf->limits.data_timeout;
    s->messages++;
    body_room(s);
    if (!received_write(&(struct received){
            .helo = s->helo, .client = s->client, .hostname = server->conf->hostname,
            .protocol = received_protocol(session_way(s)), .name = s->name,
            .tls = s->tls_note, .requiretls = tx->wishes.requiretls,
            .solicit = tx->wishes.solicit, .prioritized = tx->wishes.has_priority,
            .priority = tx->wishes.priority,
            .id = tx->id, .rcpt = only_rcpt(s), .now = server->wall }, &s->body))
        tx->broken = true;
    tx->chunked = stage == S_CHUNKS;
    session_enter(s, stage);
}
