/* fuzz_base64.c - what a client answers to 334, and back. */
#include "tests/fuzz/target.h"
#include "base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = target_input(data, size);
    struct buf bytes = BUF(SIZE_MAX / 2), text = BUF(SIZE_MAX / 2);

    if (base64_take(&bytes, in)) {          /* only one text stands for these bytes */
        must(base64_put(&text, buf_view(&bytes)) && slice_eq(buf_view(&text), in));
    } else {
        must(!bytes.full && bytes.n == 0);
    }
    buf_clear(&text);
    buf_clear(&bytes);
    must(base64_put(&text, in) && base64_take(&bytes, buf_view(&text)) && slice_eq(buf_view(&bytes), in));
    buf_free(&bytes);
    buf_free(&text);
    return 0;
}
