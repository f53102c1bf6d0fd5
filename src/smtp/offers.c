/* offers.c - what a host's answer to EHLO promises (RFC 5321 §4.1.1.1). */
#include "smtp/reader.h"

static const struct { struct slice keyword; enum offer offer; } keywords[] = {
    { SLICE_INIT("SIZE"),                HOST_SIZE },
    { SLICE_INIT("8BITMIME"),            HOST_8BITMIME },
    { SLICE_INIT("PIPELINING"),          HOST_PIPELINING },
    { SLICE_INIT("ENHANCEDSTATUSCODES"), HOST_ENHANCED },
};

static unsigned offer_find(struct slice keyword)
{
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (slice_ieq(keyword, keywords[i].keyword))
            return keywords[i].offer;
    return 0;
}

/* size_read - no argument, zero and nonsense all mean: no limit said (RFC 1870 §4) */

static uint64_t size_read(struct slice argument)
{
    uint64_t n = 0;

    return slice_u64(argument, &n) ? n : 0;
}

void offers_read(const struct reply_in *ehlo, struct host_offers *o)
{
    struct slice line, keyword, argument;

    *o = (struct host_offers){ .flags = HOST_EHLO };
    for (unsigned i = 1; reader_line(ehlo, i, &line); i++) {
        unsigned offer;

        slice_cut(line, ' ', &keyword, &argument);
        offer = offer_find(keyword);
        o->flags |= offer;
        if (offer == HOST_SIZE)
            o->size_max = size_read(argument);
    }
}
