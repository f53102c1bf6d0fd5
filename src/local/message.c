/* message.c - from the wire's form of a message to the mailbox's. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/ascii.h"
#include "local/message.h"
#include "mail/downgrade.h"

enum {
    PIECE      = 64 << 10,      /* bytes read, changed and written in one step */
    BINARY_MAX = 1 << 30,       /* bytes of a message that is re-encoded */
};

static const char return_path[FILTER_NAME + 1] = "return-path:";

static void put_byte(struct message_filter *f, struct buf *out, char c)
{
    if (!f->dropping)
        buf_put(out, &c, 1);
}

/* decide - the field name is not Return-Path, or it is: what was held goes where it belongs */

static void decide(struct message_filter *f, struct buf *out, bool drop)
{
    f->inside = true;
    f->dropping = drop;
    if (!drop)
        buf_put(out, f->name, f->held);
    f->held = 0;
}

/* line_end - in the header, an empty line ends it */

static void line_end(struct message_filter *f, struct buf *out)
{
    if (!f->inside && f->held == 0) {
        f->body = true;
        f->dropping = false;
    } else if (!f->inside) {
        decide(f, out, false);
    }
    put_byte(f, out, '\n');
    f->inside = false;
}

/* begin_byte - a byte at the beginning of a header line. White space goes on
 * with the field before it (RFC 5322 §2.2.3), also with one being dropped. */

static void begin_byte(struct message_filter *f, struct buf *out, char c)
{
    if (f->held == 0 && (c == ' ' || c == '\t')) {
        f->inside = true;
        put_byte(f, out, c);
    } else if (ascii_lower(c) == return_path[f->held]) {
        f->name[f->held++] = c;
        if (f->held == FILTER_NAME)
            decide(f, out, true);
    } else {
        decide(f, out, false);
        put_byte(f, out, c);
    }
}

static void text_byte(struct message_filter *f, struct buf *out, char c)
{
    if (f->body || f->inside)
        put_byte(f, out, c);
    else
        begin_byte(f, out, c);
}

static void any_byte(struct message_filter *f, struct buf *out, char c)
{
    bool cr = f->cr;

    f->cr = c == '\r';
    if (c == '\n') {
        line_end(f, out);
        return;
    }
    if (cr)
        text_byte(f, out, '\r');
    if (!f->cr)
        text_byte(f, out, c);
}

void message_filter(struct message_filter *f, struct buf *out, struct slice in)
{
    size_t n;

    while (in.n > 0) {
        n = f->cr || !(f->body || f->inside) || f->dropping ? 0
            : slice_chr(in, '\r');
        if (!f->body && n > 0 && slice_chr(slice_first(in, n), '\n') < n)
            n = 0;
        if (n > 0) {
            buf_put(out, in.p, n);
        } else {
            any_byte(f, out, in.p[0]);
            n = 1;
        }
        in = slice_from(in, n);
    }
}

void message_filter_end(struct message_filter *f, struct buf *out)
{
    if (f->cr)
        text_byte(f, out, '\r');
    if (f->held > 0)
        decide(f, out, false);
    *f = (struct message_filter){ 0 };
}

static void put_clean(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        buf_put(out, ascii_control(text.p[i]) ? "?" : &text.p[i], 1);
}

static void put_line(struct buf *out, const char *name, const char *open,
                     struct slice text, const char *close)
{
    buf_puts(out, name);
    buf_puts(out, open);
    put_clean(out, text);
    buf_puts(out, close);
    buf_puts(out, "\n");
}

void message_front(const struct message_front *front, struct buf *out)
{
    put_line(out, "Return-Path: ", "<", front->sender, ">");
    put_line(out, "Delivered-To: ", "", front->address, "");
    if (front->original.n > 0 && !slice_eq(front->original, front->address))
        put_line(out, "X-Original-To: ", "", front->original, "");
}

/* write_out - all that is in the buffer, which is empty afterwards */

static bool write_out(int fd, struct buf *out, struct why *why)
{
    struct slice view;
    ssize_t n;

    if (out->full)
        return why_text(why, FATE_LATER, "not enough memory to write a message");
    while (out->n > 0) {
        view = buf_view(out);
        n = write(fd, view.p, view.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;
        if (n <= 0)
            return why_errno(why, "write", "message");
        buf_drop(out, (size_t)n);
    }
    return true;
}

static bool write_memory(int fd, struct slice text, struct buf *out, struct why *why)
{
    struct message_filter f = { 0 };

    while (text.n > 0) {
        message_filter(&f, out, slice_first(text, PIECE));
        if (!write_out(fd, out, why))
            return false;
        text = slice_from(text, PIECE);
    }
    message_filter_end(&f, out);
    return write_out(fd, out, why);
}

/* read_piece - the next bytes of a body that is in a file */

static bool read_piece(const struct message_body *body, uint64_t done, char *piece,
                       size_t *n, struct why *why)
{
    uint64_t left = body->length - done;
    size_t want = left < PIECE ? (size_t)left : PIECE;
    ssize_t got;

    do
        got = pread(body->fd, piece, want, (off_t)(body->offset + done));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return why_errno(why, "read", "body");
    if (got == 0)
        return why_text(why, FATE_LATER, "the body ends before its length");
    *n = (size_t)got;
    return true;
}

static bool write_file(int fd, const struct message_body *body, struct buf *out,
                       struct why *why)
{
    static _Thread_local char piece[PIECE];
    struct message_filter f = { 0 };
    size_t n = 0;

    for (uint64_t done = 0; done < body->length; done += n) {
        if (!read_piece(body, done, piece, &n, why))
            return false;
        message_filter(&f, out, slice_of(piece, n));
        if (!write_out(fd, out, why))
            return false;
    }
    message_filter_end(&f, out);
    return write_out(fd, out, why);
}

/* --- binary messages ------------------------------------------------------- */

/* read_whole - a body in a file, into memory: to be re-encoded it must be seen whole.
 * NULL: *why. */

static char *read_whole(const struct message_body *body, struct why *why)
{
    char *whole = body->length <= BINARY_MAX ? malloc((size_t)body->length + 1) : NULL;
    static _Thread_local char piece[PIECE];
    size_t n = 0;

    if (whole == NULL) {
        why_text(why, FATE_LATER, "not enough memory to re-encode a message");
        return NULL;
    }
    for (uint64_t done = 0; done < body->length; done += n) {
        if (!read_piece(body, done, piece, &n, why)) {
            free(whole);
            return NULL;
        }
        memcpy(whole + done, piece, n);
    }
    return whole;
}

/* Where the pieces of a re-encoded message go. */
struct copy {
    int                    fd;
    struct buf            *out;
    struct message_filter  filter;
    struct why            *why;
};

static bool copy_piece(void *user, struct slice piece)
{
    struct copy *c = user;

    while (piece.n > 0) {
        message_filter(&c->filter, c->out, slice_first(piece, PIECE));
        if (!write_out(c->fd, c->out, c->why))
            return false;
        piece = slice_from(piece, PIECE);
    }
    return true;
}

static bool write_encoded(int fd, struct slice text, struct buf *out, struct why *why)
{
    struct downgrade d = { .message = text, .target = DOWNGRADE_TO_8BIT };
    struct copy c = { .fd = fd, .out = out, .why = why };
    enum downgrade_result result = downgrade_write(&d, copy_piece, &c);

    if (result == DOWNGRADE_FITS)
        return write_memory(fd, text, out, why);
    if (result == DOWNGRADE_DONE) {
        message_filter_end(&c.filter, out);
        return write_out(fd, out, why);
    }
    if (result == DOWNGRADE_SINK)
        return why->text[0] != '\0' ? false
             : why_text(why, FATE_LATER, "%s", downgrade_text(result));
    why_text(why, FATE_NEVER, "a mailbox cannot hold this binary message: %s",
             downgrade_text(result));
    why->error = EILSEQ;
    return false;
}

static bool write_binary(int fd, const struct message_body *body, struct buf *out,
                         struct why *why)
{
    char *whole;
    bool ok;

    if (body->fd < 0)
        return write_encoded(fd, body->text, out, why);
    whole = read_whole(body, why);
    if (whole == NULL)
        return false;
    ok = write_encoded(fd, slice_of(whole, (size_t)body->length), out, why);
    free(whole);
    return ok;
}

bool message_write(int fd, const struct message_front *front,
                   const struct message_body *body, struct why *why)
{
    struct buf out = BUF(4 * PIECE);
    bool ok;

    message_front(front, &out);
    if (body->binary)
        ok = write_binary(fd, body, &out, why);
    else
        ok = body->fd < 0 ? write_memory(fd, body->text, &out, why)
                          : write_file(fd, body, &out, why);
    buf_free(&out);
    return ok;
}
