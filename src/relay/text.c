/* text.c - the text of a message on its way: by DATA, or octet by octet by BDAT
 * (RFC 3030).
 *
 * One BDAT when the text is not larger than CLIENT_CHUNK, else one after the other,
 * each with its reply before the next: what a host has against a large message it can
 * only say between two.
 */
#include "base/digits.h"
#include "relay/inside.h"
#include "smtp/scan.h"

enum { FILL_LOW = 64 << 10, FILL_PIECE = 32 << 10 };

static bool text_piece(struct client *c, char *room, uint64_t most, struct slice *piece)
{
    struct client_text *t = &c->text;
    int64_t n;

    most = most < FILL_PIECE ? most : FILL_PIECE;
    if (t->read == NULL) {
        *piece = slice_first(slice_from(t->body, (size_t)c->done), (size_t)most);
        return piece->n > 0;
    }
    n = t->read(t->user, room, (size_t)most, c->done);
    *piece = slice_of(room, n > 0 ? (size_t)n : 0);
    return n > 0 && (uint64_t)n <= most;
}

/* text_bad - what is not made of CRLF lines cannot go by DATA, today or later, and the
 * dot that would make it count has not been sent (A023). */
static void text_bad(struct client *c)
{
    if (c->options.out->full) {
        client_fail(c, CAUSE_RESOURCE, "no memory");
        return;
    }
    decide_never(c, "5.6.0", "message has a bare CR, bare LF or NUL and cannot be sent");
    client_fail(c, CAUSE_RESOURCE, "message cannot be sent");
}

/* text_put - only BINARYMIME lets through what is not made of CRLF lines */

static bool text_put(struct client *c, struct slice piece)
{
    if (!c->bdat)
        return data_write(&c->writer, c->options.out, piece);
    if ((c->body == NULL || c->body[0] != 'B')
        && !scan_lines(piece.p, piece.p + piece.n, &c->after_cr))
        return false;
    return buf_put_slice(c->options.out, piece);
}

static bool text_more(struct client *c)
{
    uint64_t end = c->bdat ? c->chunk_end : c->text.size;
    char room[FILL_PIECE];
    struct slice piece;

    if (!text_piece(c, room, end - c->done, &piece)) {
        client_fail(c, CAUSE_RESOURCE, "message cannot be read");
        return false;
    }
    if (!text_put(c, piece)) {
        text_bad(c);
        return false;
    }
    c->done += piece.n;
    return true;
}

/* text_end - all of this chunk, or of the text, has been put out */

static void text_end(struct client *c)
{
    if (c->bdat && c->done < c->text.size)
        enter(c, STAGE_CHUNK);
    else if (!c->bdat && !data_finish(&c->writer, c->options.out))
        text_bad(c);
    else {
        c->sent_all = true;
        enter(c, STAGE_DOT);
    }
}

void text_fill(struct client *c)
{
    uint64_t end = c->bdat ? c->chunk_end : c->text.size;

    while (c->done < end && c->options.out->n < FILL_LOW)
        if (!text_more(c))
            return;
    if (c->done < end)
        enter(c, STAGE_BODY);
    else
        text_end(c);
}

void text_chunk(struct client *c)
{
    uint64_t left = c->text.size - c->done, n = left < CLIENT_CHUNK ? left : CLIENT_CHUNK;
    struct buf *out = c->options.out;
    size_t at = out->n;
    char room[DIGITS_TEXT];

    buf_puts(out, "BDAT ");
    buf_put_slice(out, digits_text((int64_t)n, room));
    buf_puts(out, n == left ? " LAST\r\n" : "\r\n");
    command_log(c, at);
    c->chunk_end = c->done + n;
    enter(c, STAGE_BODY);
    text_fill(c);
}

void text_begin(struct client *c)
{
    c->done = 0;
    if (c->bdat) {
        text_chunk(c);
        return;
    }
    command(c, "DATA\r\n");
    c->asked_data = true;
    enter(c, STAGE_DATA);
}

void client_fill(struct client *c, int64_t now)
{
    c->now = now;
    if (c->stage == STAGE_BODY)
        text_fill(c);
    else if (c->stage == STAGE_BLOB)
        blob_fill(c);
}
