/* fuzz_text.c - small texts from outside: dates, UTF-8, domains, keywords, wishes. */
#include "tests/fuzz/target.h"
#include "mail/address_idn.h"
#include "mail/foreign.h"
#include "mail/mime.h"
#include "mail/notify.h"
#include "mail/unitext.h"
#include "mail/wishes.h"
#include "base/date.h"
#include "base/utf8.h"
#include "smtp/address.h"

enum { ROOM = 1 << 20 };

/* dates - what can be read can be written and read again */

static void dates(struct slice in)
{
    char text[DATE_TEXT];
    int64_t ms, again;

    if (date_parse_stamp(in, &ms) && ms >= 0) {
        must(date_parse_stamp(slice_cstr(date_stamp(ms, text)), &again));
        must(again == ms - ms % 1000);
    }
    if (date_parse(in, &ms) && ms >= 0) {
        must(date_parse(slice_cstr(date_text(ms, text)), &again));
        must(again == ms);
    }
}

/* idn - an A-label that came of a U-label leads back to it */

static void idn(struct slice in)
{
    struct buf ascii = BUF(ROOM), unicode = BUF(ROOM), back = BUF(ROOM);

    if (domain_to_ascii(in, &ascii)) {
        must(utf8_ascii(buf_view(&ascii)) && (in.p[0] == '[' || domain_valid(buf_view(&ascii))));
        must(domain_to_unicode(buf_view(&ascii), &unicode) && utf8_valid(buf_view(&unicode)));
        must(domain_to_ascii(buf_view(&unicode), &back) && slice_eq(buf_view(&back), buf_view(&ascii)));
    } else {
        must(ascii.n == 0);
    }
    buf_clear(&unicode);
    if (domain_to_unicode(in, &unicode))
        must(utf8_valid(buf_view(&unicode)));
    buf_clear(&ascii);
    if (address_to_ascii(in, &ascii))
        must(utf8_ascii(buf_view(&ascii)));
    buf_free(&ascii);
    buf_free(&unicode);
    buf_free(&back);
}

/* unitext - encoded, it is ASCII and comes back */

static void unitext(struct slice in)
{
    struct buf text = BUF(ROOM), back = BUF(ROOM);

    unitext_put(&text, in, false);
    must(utf8_ascii(buf_view(&text)));
    if (utf8_printable(in) && in.n <= 1000)
        must(unitext_get(&back, buf_view(&text)) && slice_eq(buf_view(&back), in));
    buf_clear(&back);
    if (unitext_get(&back, in))
        must(utf8_printable(buf_view(&back)));
    buf_free(&text);
    buf_free(&back);
}

static void foreign(struct slice in)
{
    struct buf out = BUF(ROOM);

    foreign_name_in(&out, in, true);
    must(utf8_printable(buf_view(&out)));
    buf_clear(&out);
    foreign_folded_in(&out, in, 0, in.n, true);
    must(utf8_valid(buf_view(&out)));
    buf_free(&out);
}

static void words(struct slice in)
{
    struct slice rest = in, word;
    struct wish_rrvs rrvs;
    struct mime_type type;
    unsigned notify;

    if (notify_parse(in, &notify))
        must(notify_valid(notify));
    if (solicit_valid(in))
        must(solicit_meets(in, in, &word) && word.n > 0);
    wishes_tls_optional(in);
    wishes_solicitation(in, &word);
    while (wishes_rrvs(&rest, &rrvs))
        must(rrvs.address.n > 0);
    mime_encoding_parse(in);
    if (mime_type_parse(in, &type) == MIME_OK)
        must(type.type.n > 0 && type.subtype.n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = target_input(data, size);

    dates(in);
    idn(in);
    unitext(in);
    foreign(in);
    words(in);
    return 0;
}
