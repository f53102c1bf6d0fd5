/* fuzz_envelope.c - an envelope that is taken is written back octet for octet. */
#include "tests/fuzz/target.h"
#include "mail/envelope.h"

static void recipients_hold(const struct envelope *e)
{
    struct buf out = BUF(ENVELOPE_MAX);
    struct wire r = wire_reader(e->rcpts), w = wire_writer(&out);
    struct recipient rcpt;
    uint32_t n = 0;

    while (recipient_next(&r, &rcpt)) {
        recipient_put(&w, &rcpt);
        n++;
    }
    must(n == e->nrcpts && wire_done(&r) && !w.bad);
    must(slice_eq(buf_view(&out), e->rcpts));
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = target_input(data, size);
    struct buf out = BUF(ENVELOPE_MAX);
    struct wire w = wire_writer(&out);
    struct envelope e;

    if (envelope_get(in, &e)) {
        envelope_put(&w, &e);
        must(slice_eq(buf_view(&out), in));
        recipients_hold(&e);
    }
    buf_free(&out);
    return 0;
}
