/* fuzz_proxy.c - the PROXY line: what is read never reaches behind it, and cutting it
 * changes nothing. */
#include "tests/fuzz/target.h"
#include "smtp/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = target_input(data, size);
    struct proxy p, again;
    size_t used, once;

    if (proxy_read(in, &p, &used) != PROXY_OK)
        return 0;
    must(used > 0 && used <= size && used <= PROXY_MAX);
    must(!p.known || (p.source.family == p.target.family && p.source.family != 0));
    must(proxy_read(slice_first(in, used), &again, &once) == PROXY_OK && once == used);
    for (size_t n = 0; n < used; n++)
        must(proxy_read(slice_first(in, n), &again, &once) == PROXY_MORE);
    return 0;
}
