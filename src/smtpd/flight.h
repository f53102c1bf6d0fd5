/* flight.h - a message on its way to the disk: its transaction is over, its reply is not yet
 * said.
 *
 * A session that pipelines may have several. Their replies go out in the order of the
 * messages, each followed by what was said behind it meanwhile (RFC 2920 §3.2): so the
 * client cannot tell a flight from a session that waits. Only what succeeds is said in
 * advance; a refusal waits until every flight has landed (session.c: say).
 *
 *     flight_begin    by the end of a message (intake.c); the world is then asked
 *     flight_landed   by the world: it is durable, or was not accepted
 *     flights_forget  by the end of the session: the message may be delivered all the same,
 *                     and the client will send it again
 */
#pragma once
#include "smtpd/session.h"

struct flight {
    struct session *session;
    struct list     turn;       /* session.flights: in the order of the messages */
    struct list     link;       /* the world's, until it answers */
    struct flight  *spare;      /* the next of server.spare */
    uint64_t        id;
    struct buf      words;      /* the sender, for the log, and behind it the encoded envelope */
    size_t          sender;     /* octets of it */
    struct buf      body;       /* the text, if it is in our memory */
    uint64_t        mark;       /* of the copy of it on the shelf; 0: there is none */
    struct slot     slot;       /* or where it lies in the queue's */
    struct lent     lent;       /* else its file, which is closed here already */
    uint64_t        length;     /* octets in the slot or the file */
    uint32_t        crc;
    uint64_t        size;       /* octets that the client sent */
    uint32_t        nrcpts;
    unsigned        accepted;   /* RCPT commands: LMTP says the reply so often */
    unsigned        junk;       /* commands before it that would count, if it fails */
    int64_t         deadline;   /* mono, ms; the world sees to it */
    bool            landed;
    enum committed  how;
    struct buf      behind;     /* replies to what came behind it */
};

enum {
    FLIGHTS_MAX      = 8,           /* of one session: then it waits for the first of them */
    FLIGHTS_OCTETS   = 256 << 10,   /* the same, by their size */
    FLIGHTS_TOGETHER = 16 << 20,    /* of all sessions of a process: then each has but one */
    FLIGHTS_BEHIND   = 16 << 10,    /* octets of replies held back: take no more commands */
};

/* flight_begin - the message at hand moves out of its transaction, which the caller then
 * drops, and is the session's last flight. NULL: no memory, and nothing has moved. */
struct flight *flight_begin(struct session *s);

/* flight_landed - the world's answer; the flight is no longer the world's. The owner then
 * lets the session take input, and flushes. */
void flight_landed(struct flight *f, enum committed how);

/* flight_room - may a session with flights do more behind them? */
bool flight_room(const struct session *s);

/* flight_last - behind which everything is said that is said now; NULL: there is none */
struct flight *flight_last(const struct session *s);

/* flights_forget - none of them will be answered; the world knows */
void flights_forget(struct session *s);

/* flights_free - give back the memory kept for the next ones */
void flights_free(struct server *server);

static inline struct slice flight_sender(const struct flight *f)
{
    return slice_first(buf_view(&f->words), f->sender);
}

static inline struct slice flight_envelope(const struct flight *f)
{
    return slice_from(buf_view(&f->words), f->sender);
}
