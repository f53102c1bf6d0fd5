/* talk.h - the two sides of an exchange over X-LINK2STATE.
 *
 * The client shows the digest of its table. The server answers DONE (the same)
 * or SEND; the client sends its TABLE; the server takes from it what is newer
 * and answers DONE, or a TABLE of what the client lacks. An answer of several
 * chunks is fetched piece by piece with MORE.
 *
 *     C: X-LINK2STATE LAST CHUNK={00000047} DIGEST 5f70...
 *     S: 200 LAST CHUNK={00000004} SEND
 *     C: X-LINK2STATE FIRST CHUNK={000003c0} TABLE;NODE ...
 *     S: 200 NEXT
 *     C: X-LINK2STATE LAST CHUNK={00000120} ...
 *     S: 200 FIRST CHUNK={000001c2} TABLE;NODE ...
 *     C: X-LINK2STATE LAST CHUNK={00000004} MORE
 *     S: 200 LAST CHUNK={00000051} ...
 *
 * Neither side looks into digest or tables; they come from and go to the owner
 * of the table.
 */
#pragma once
#include "links/chunk.h"

/* ---- server ------------------------------------------------------------- */

/* All-zero to begin; one for each session. */
struct talk_server {
    struct chunk_in  in;
    struct chunk_out out;
    struct buf       answer;        /* what `out` sends */
};

enum talk_server_next {
    TALK_REPLY,         /* send `code` and `text` */
    TALK_ASK,           /* ask the owner of the table about `payload`, then talk_answer */
};

struct talk_turn {
    enum talk_server_next next;
    unsigned     code;              /* TALK_REPLY: 200, 451, 501, 503, 552 */
    struct slice text;              /* TALK_REPLY: of the reply, without code; in `line` */
    struct slice payload;           /* TALK_ASK: until the next call */
};

/* talk_heard - a command came: its argument. `line`: room for the reply's text. */
struct talk_turn talk_heard(struct talk_server *t, struct slice argument, struct buf *line);

/* talk_answer - the owner's answer; empty: it could not say (451) */
struct talk_turn talk_answer(struct talk_server *t, struct slice answer, struct buf *line);
void talk_server_free(struct talk_server *t);

/* ---- client ------------------------------------------------------------- */

/* One payload and its answer at a time. All-zero to begin. */
struct talk_client {
    struct chunk_out out;
    struct chunk_in  in;
    bool             waiting;       /* for a reply */
};

enum talk_client_next {
    TALK_SEND,          /* send the command in `line` */
    TALK_DONE,          /* *answer is whole, until the next call; another payload may follow */
    TALK_FAILED,        /* the other side refused, or said nonsense: no more of this */
};

/* talk_begin - the first command for a payload (the caller's, until the answer is
 * whole), with CRLF, appended to `line` */
void talk_begin(struct talk_client *t, struct slice payload, struct buf *line);

/* talk_replied - the server's reply: code, and text without it (one line); an
 * enhanced status code is not expected */
enum talk_client_next talk_replied(struct talk_client *t, unsigned code, struct slice text,
                                   struct buf *line, struct slice *answer);
void talk_client_free(struct talk_client *t);
