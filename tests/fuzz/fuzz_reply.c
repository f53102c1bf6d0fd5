/* fuzz_reply.c - what another server may answer, cut anywhere. */
#include "tests/fuzz/target.h"
#include "smtp/reader.h"

static void reply_holds(const struct reply_in *r)
{
    struct host_offers o;
    struct slice line;
    unsigned n = 0;

    must(r->code >= 200 && r->code < 600 && r->len <= sizeof r->text);
    for (size_t i = 0; i < r->len; i++)
        must(r->text[i] == '\n' || (r->text[i] >= ' ' && r->text[i] <= '~'));
    while (reader_line(r, n, &line))
        n++;
    must(n <= 64 && n <= r->lines);
    offers_read(r, &o);
}

/* take - all replies of `in`, given in pieces; a number made of what came */

static uint64_t take(struct slice in, size_t piece)
{
    static struct reply_reader r;
    size_t begun = 0, there = 0, used;
    enum reader_result result;
    uint64_t sum = 0;

    r = (struct reply_reader){ 0 };
    while (there < in.n) {
        there = there + piece < in.n ? there + piece : in.n;
        do {
            result = reader_next(&r, slice_of(in.p + begun, there - begun), &used);
            must(used <= there - begun);
            begun += used;
            if (result == READER_BAD)
                return sum * 31 + 1;
            if (result == READER_REPLY) {
                reply_holds(&r.reply);
                sum = sum * 31 + r.reply.code + r.reply.lines + r.reply.len;
            }
        } while (result == READER_REPLY);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = target_input(data, size);

    must(take(in, 3) == take(in, SIZE_MAX / 2));
    return 0;
}
