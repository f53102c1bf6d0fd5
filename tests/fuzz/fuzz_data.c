/* fuzz_data.c - the text of a message: cuts change nothing, and what we write
 * is read back. */
#include "tests/fuzz/target.h"
#include "smtp/data.h"

enum { ROOM = 1 << 20 };

static void keep(void *user, struct slice piece)
{
    must(buf_put_slice(user, piece));
}

/* take - read `in` in two pieces into out; the octets used */

static size_t take(struct data_reader *d, struct slice in, size_t cut, struct buf *out)
{
    enum data_result result;
    size_t used, more = 0;

    data_begin(d, 998);
    result = data_read(d, slice_first(in, cut), &used, keep, out);
    if (result == DATA_MORE)
        result = data_read(d, slice_from(in, cut), &more, keep, out);
    must(d->size == buf_view(out).n);
    must(result == DATA_END || used + more == in.n);
    return used + more;
}

static void round_trip(struct slice text)
{
    struct buf wire = BUF(ROOM), back = BUF(ROOM);
    struct data_writer w = { 0 };
    struct data_reader d;
    size_t used;

    if (data_write(&w, &wire, text) && data_finish(&w, &wire)) {
        used = take(&d, buf_view(&wire), 0, &back);
        must(used == wire.n && !(d.faults & DATA_BARE));    /* the end is at the end only */
        must(slice_eq(slice_first(buf_view(&back), text.n), text));
        must(back.n == text.n || back.n == text.n + 2);
    }
    buf_free(&wire);
    buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = target_input(data, size);
    struct buf one = BUF(ROOM), two = BUF(ROOM);
    struct data_reader a, b;
    size_t cut = size > 0 ? data[0] % size : 0;

    must(take(&a, in, in.n, &one) == take(&b, in, cut, &two));
    must(a.state == b.state && a.faults == b.faults);
    must(slice_eq(buf_view(&one), buf_view(&two)));
    if (!(a.faults & DATA_BARE))
        round_trip(buf_view(&one));
    round_trip(in);
    buf_free(&one);
    buf_free(&two);
    return 0;
}
