/* flight.c - messages on their way to the disk, and the order of their replies. */
#include <stdlib.h>
#include <unistd.h>
#include "log/log.h"
#include "mail/envelope.h"
#include "smtpd/flight.h"

enum {
    SPARES     = 512,           /* kept for the next ones of any session, while there is work */
    KEEP_BODY  = 16 << 10,      /* bytes of a buffer that stay with a spare one */
    KEEP_OTHER = 4 << 10,
    SENDER_MAX = 1 << 10,
    BEHIND_MAX = 256 << 10,     /* FLIGHTS_BEHIND, and what lookup still answers */
};

static struct flight *flight_of(struct list *turn)
{
    return LIST_OWNER(turn, struct flight, turn);
}

/* weight - octets that a flight keeps from others */

static size_t weight(const struct flight *f)
{
    return f->words.n + f->body.n + (size_t)f->length;
}

/* --------------------------------------------------------------- the memory -- */

static struct flight *flight_new(struct server *server)
{
    struct flight *f = server->spare;

    if (f != NULL) {
        server->spare = f->spare;
        server->nspare--;
        return f;
    }
    f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->words = BUF(SENDER_MAX + ENVELOPE_MAX);
    f->body = BUF(BODY_INLINE + BODY_MORE);
    f->behind = BUF(BEHIND_MAX);
    list_init(&f->turn);
    list_init(&f->link);
    return f;
}

static void flight_free(struct flight *f)
{
    buf_free(&f->words);
    buf_free(&f->body);
    buf_free(&f->behind);
    free(f);
}

static void empty(struct buf *b, size_t keep)
{
    buf_clear(b);
    buf_shrink(b, keep);
}

/* put_away - keep it for the next message, if there are not many already */

static void put_away(struct server *server, struct flight *f)
{
    if (server->nspare == SPARES) {
        flight_free(f);
        return;
    }
    empty(&f->words, KEEP_OTHER);
    empty(&f->body, KEEP_BODY);
    empty(&f->behind, KEEP_OTHER);
    f->spare = server->spare;
    server->spare = f;
    server->nspare++;
}

void flights_free(struct server *server)
{
    struct flight *f;

    while ((f = server->spare) != NULL) {
        server->spare = f->spare;
        flight_free(f);
    }
    server->nspare = 0;
}

/* -------------------------------------------------------------------- begin -- */

static void swap(struct buf *a, struct buf *b)
{
    struct buf c = *a;

    *a = *b;
    *b = c;
}

/* fill - take over what the commit, the reply and the log need of the transaction */

static void fill(struct flight *f, struct session *s)
{
    struct tx *tx = s->tx;

    f->session = s;
    f->id = tx->id;
    f->lent = tx->lent;
    f->mark = 0;
    f->slot = tx->slot;
    f->length = tx->length;
    f->crc = tx->crc;
    f->size = tx->data.size;
    f->nrcpts = tx->nrcpts;
    f->accepted = tx->accepted;
    f->junk = s->junk;
    f->landed = false;
    f->deadline = s->server->mono + COMMIT_PATIENCE;
    if (tx->lent.number != 0)
        close(tx->lent.fd);
    else if (tx->slot.p == NULL)
        swap(&f->body, &s->body);
    f->lent.fd = -1;
    tx->lent = (struct lent){ 0 };
    tx->slot = (struct slot){ 0 };
    s->junk = 0;
}

/* put_words - false: no memory, or an envelope that no queue would take */

static bool put_words(struct flight *f, const struct session *s)
{
    f->sender = s->tx->sender.n;
    return buf_put_slice(&f->words, s->tx->sender) && session_envelope(s, &f->words)
        && flight_envelope(f).n <= ENVELOPE_MAX;
}

struct flight *flight_begin(struct session *s)
{
    struct flight *f = flight_new(s->server);

    if (f == NULL)
        return NULL;
    if (!put_words(f, s)) {
        put_away(s->server, f);
        return NULL;
    }
    fill(f, s);
    list_push(&s->flights, &f->turn);
    s->nflights++;
    s->flight_octets += weight(f);
    s->server->flight_octets += weight(f);
    return f;
}

struct flight *flight_last(const struct session *s)
{
    return list_empty(&s->flights) ? NULL : flight_of(s->flights.prev);
}

bool flight_room(const struct session *s)
{
    return s->nflights < FLIGHTS_MAX && s->flight_octets < FLIGHTS_OCTETS
        && s->server->flight_octets < FLIGHTS_TOGETHER
        && flight_last(s)->behind.n < FLIGHTS_BEHIND;
}

/* ---------------------------------------------------------------------- end -- */

static void leave(struct session *s, struct flight *f)
{
    list_remove(&f->turn);
    s->nflights--;
    s->flight_octets -= weight(f);
    s->server->flight_octets -= weight(f);
}

static void log_accept(const struct session *s, const struct flight *f)
{
    count_add(accepted, 1);
    count_add(accepted_bytes, f->size);
    log_event(EVENT_ACCEPT, LF_ID("id", f->id), LF_ID("session", s->number),
              LF_TEXT("from", flight_sender(f)), LF_NUM("rcpts", f->nrcpts),
              LF_NUM("size", f->size));
}

/* tell - its reply, and those that were held back behind it */

static void tell(struct session *s, struct flight *f)
{
    static struct reply reply;
    char id[ID_TEXT + 1];

    reply.len = 0;
    reply.id = f->how == COMMITTED_FULL ? REPLY_DISK_FULL : REPLY_LOCAL_TROUBLE;
    if (f->how == COMMITTED_DONE) {
        reply_text(&reply, REPLY_ACCEPTED, SLICE_LIT("Ok: queued as "),
                   slice_of(id_text(f->id, id), ID_TEXT));
        log_accept(s, f);
        s->accepted++;
    } else {
        s->junk += f->junk;
    }
    session_tell(s, &reply, f->accepted, &f->behind);
}

void flight_landed(struct flight *f, enum committed how)
{
    struct session *s = f->session;

    f->landed = true;
    f->how = how;
    while (!list_empty(&s->flights) && flight_of(s->flights.next)->landed) {
        f = flight_of(s->flights.next);
        leave(s, f);
        if (!session_ended(s))
            tell(s, f);
        put_away(s->server, f);
    }
    session_flown(s);
}

void flights_forget(struct session *s)
{
    while (!list_empty(&s->flights)) {
        struct flight *f = flight_of(s->flights.next);

        leave(s, f);
        put_away(s->server, f);
    }
    s->refusal = 0;
}
