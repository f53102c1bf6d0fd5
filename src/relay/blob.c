/* blob.c - XEXCH50: properties of a message that have no other form, handed to a peer
 * between the last recipient and the text.
 *
 *     C: XEXCH50 1124 2        S: 354 Send binary data
 *     C: 1124 octets           S: 250 XEXCH50 OK
 *
 * A host that refuses gets the mail without it (5xx of the command or of the data).
 */
#include "relay/inside.h"

enum { PIECE = 32 << 10, LOW = 64 << 10 };

bool blob_of(const struct client_mail *m, uint32_t *number, struct slice *blob)
{
    struct slice value;
    struct wire w;

    if (!extra_get(m->extra, EXTRA_XEXCH50, &value))
        return false;
    w = wire_reader(value);
    *number = wire_get_u32(&w);
    *blob = w.in;
    return !w.bad;
}

/* blob_wanted - is there one, for a host that may have it? Else the trace says so. */

bool blob_wanted(struct client *c)
{
    struct slice blob;
    uint32_t number;

    if (!blob_of(c->mail, &number, &blob))
        return false;
    if (c->options.xexch50 && host_has(c, HOST_XEXCH50))
        return true;
    c->mail->note = c->options.xexch50 ? "XEXCH50 dropped: the host does not offer it"
                                       : "XEXCH50 dropped: the host is no peer with that grant";
    return false;
}

void blob_ask(struct client *c)
{
    struct slice blob = { NULL, 0 };
    uint32_t number = 0;

    blob_of(c->mail, &number, &blob);
    command(c, "XEXCH50 %zu %u\r\n", blob.n, number);
    enter(c, STAGE_XEXCH50);
}

void blob_fill(struct client *c)
{
    struct slice blob = { NULL, 0 }, piece;
    uint32_t number;

    blob_of(c->mail, &number, &blob);
    while (c->done < blob.n && c->options.out->n < LOW) {
        piece = slice_first(slice_from(blob, (size_t)c->done), PIECE);
        if (!buf_put_slice(c->options.out, piece)) {
            client_fail(c, CAUSE_RESOURCE, "no memory");
            return;
        }
        c->done += piece.n;
    }
    enter(c, c->done < blob.n ? STAGE_BLOB : STAGE_BLOBBED);
}
