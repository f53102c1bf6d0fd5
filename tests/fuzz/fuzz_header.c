/* fuzz_header.c - walking a header, and reporting on the message it belongs to. */
#include "tests/fuzz/target.h"
#include "mail/dsn.h"
#include "mail/header.h"
#include "mail/received.h"
#include "base/utf8.h"
#include "smtp/data.h"

enum { ROOM = 1 << 20 };

static void header_holds(struct slice in, size_t cut)
{
    static const struct slice received = SLICE_INIT("Received"), required = SLICE_INIT("TLS-Required");
    struct buf out = BUF(ROOM);
    struct header_watch w = { 0 };

    must(header_length(in) <= in.n);
    header_watch(&w, slice_first(in, cut));
    header_watch(&w, slice_from(in, cut));
    must(w.count[WATCH_RECEIVED] == header_count(in, received));
    must(w.count[WATCH_TLS_REQUIRED] == header_count(in, required));
    must(header_without(in, received, &out));
    must(out.n <= in.n && header_count(buf_view(&out), received) == 0);
    buf_free(&out);
}

/* report - hostile octets everywhere in a report; it can be sent all the same */

static void report(struct slice in)
{
    struct buf out = BUF(ROOM), wire = BUF(2 * ROOM);
    struct data_writer w = { 0 };
    unsigned how = in.n > 0 ? (unsigned char)in.p[in.n / 2] : 0;
    struct dsn_rcpt r = { .address = in, .original = in, .code = 550, .text = in, .remote = in,
                          .orcpt = how & 8 ? in : (struct slice){ 0 }, .rrvs = how & 16 };
    struct dsn d = { .hostname = in, .to = in, .sender = in, .rcpts = &r, .nrcpts = 1, .envid = in,
                     .message = in, .message_size = in.n, .body_max = in.n,
                     .utf8 = how & 1, .requiretls = how & 2, .by = how & 4 ? DSN_BY_RETURN : DSN_BY_NONE,
                     .kind = (enum dsn_kind)((how >> 5) % (DSN_EXPANDED + 1)) };
    bool eight_bit;

    must(dsn_write(&d, &out, &eight_bit));
    must(eight_bit || utf8_ascii(buf_view(&out)));
    must(data_write(&w, &wire, buf_view(&out)) && data_finish(&w, &wire));
    buf_free(&out);
    buf_free(&wire);
}

static void trace(struct slice in)
{
    struct buf out = BUF(ROOM);
    struct received r = { .helo = in, .client = { .family = 4 }, .hostname = in,
                          .protocol = SLICE_LIT("ESMTP"), .rcpt = in };

    must(received_write(&r, &out));
    must(header_length(buf_view(&out)) == out.n);
    must(header_count(buf_view(&out), SLICE_LIT("Received")) == 1);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = target_input(data, size);

    header_holds(in, size > 0 ? data[0] % size : 0);
    report(in);
    trace(in);
    return 0;
}
