/* floor_talk.h - the least SMTP dialogue that is honest: no I/O, no content looked at.
 *
 * talk_take() reads what a client sent, up to the next thing that somebody else
 * must do, and collects the replies. Dots are not unstuffed, addresses are not
 * looked at, and sizes have no limit; but the order of commands is kept, and the
 * end of a message is found wherever reads happen to cut it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum talk_event {
    TALK_MORE,          /* all was taken */
    TALK_MESSAGE,       /* a message is complete: talk_accept when it may be answered */
    TALK_TLS,           /* "220" was said: TLS begins when it is sent */
    TALK_QUIT,          /* "221" was said, or the client makes no sense */
};

enum talk_stage { STAGE_COMMAND, STAGE_DATA, STAGE_CHUNK };

/* Replies in order. What stands at or behind held[b] waits for batch b to be durable. */
struct replies {
    char  *text;
    size_t n, room;
    size_t held[2];     /* REPLIES_FREE: nothing waits for it */
};
#define REPLIES_FREE SIZE_MAX

struct talk {
    enum talk_stage stage;
    bool     offer_tls, sender, refused, last;
    unsigned matched;           /* octets of CRLF "." CRLF that the last ones are */
    uint32_t recipients;
    uint64_t octets;            /* of the message, so far */
    uint64_t chunk;             /* octets of a BDAT that are still to come */
    char    *line;              /* a command that a read cut; NULL: none ever was */
    size_t   line_length;
    struct replies out;
};

/* talk_begin - greet; *t is all zero or was talked with before (what it has allocated
 * is used again). Without memory the program aborts. */
void talk_begin(struct talk *t, bool offer_tls);
void talk_free(struct talk *t);

/* talk_take - take octets up to an event; how many were taken */
size_t talk_take(struct talk *t, const char *p, size_t n, enum talk_event *event);

/* talk_accept - answer the message that ended, and be ready for the next */
void talk_accept(struct talk *t);

/* talk_forget - TLS begins: as if the client had just connected, but not greeted */
void talk_forget(struct talk *t);

/* replies_ready - how many octets may be sent now */
size_t replies_ready(const struct replies *r);
void   replies_sent(struct replies *r, size_t n);
