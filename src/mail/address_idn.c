/* address_idn.c - label by label, with libidn2. */
#include <idn2.h>
#include "mail/address_idn.h"
#include "base/ascii.h"
#include "base/utf8.h"
#include "smtp/address.h"

/* By the rules of lookup, and by those alone: no mapping of UTS 46. */
enum { LOOKUP = IDN2_NFC_INPUT | IDN2_NO_TR46 };

enum { LABEL = 4 * 63 + 1, DOMAIN_ASCII = 255 };

/* label_text - the label as libidn2 wants it: NUL behind it, ASCII in lower case */

static bool label_text(struct slice label, char text[LABEL])
{
    if (label.n >= LABEL || slice_chr(label, '\0') < label.n)
        return false;
    for (size_t i = 0; i < label.n; i++)
        text[i] = ascii_lower(label.p[i]);
    text[label.n] = '\0';
    return true;
}

/* hyphens_inside - what lookup would let pass and registration does not (RFC 5891 §4.2.3.1) */

static bool hyphens_inside(struct slice label)
{
    return label.n > 0 && label.p[0] != '-' && label.p[label.n - 1] != '-';
}

static bool label_to_ascii(struct slice label, struct buf *out)
{
    char text[LABEL];
    uint8_t *found = NULL;
    bool ok;

    if (!label_text(label, text))
        return false;
    if (utf8_ascii(label))
        return buf_put(out, text, label.n);
    ok = hyphens_inside(label) && utf8_valid(label)
        && idn2_lookup_u8((const uint8_t *)text, &found, LOOKUP) == IDN2_OK
        && buf_puts(out, (const char *)found);
    idn2_free(found);
    return ok;
}

/* label_shown - the U-label of an A-label, if it leads back to it and can be shown */

static bool label_shown(struct slice label, const char *text, struct buf *out)
{
    struct buf back = BUF(LABEL);
    struct slice unicode;
    char *found = NULL;
    bool ok;

    if (idn2_to_unicode_8z8z(text, &found, LOOKUP) != IDN2_OK)
        return false;
    unicode = slice_cstr(found);
    ok = unicode.n < LABEL && !utf8_ascii(unicode) && utf8_printable(unicode)
        && label_to_ascii(unicode, &back) && slice_ieq(buf_view(&back), label)
        && buf_put_slice(out, unicode);
    buf_free(&back);
    idn2_free(found);
    return ok;
}

static bool label_to_unicode(struct slice label, struct buf *out)
{
    char text[LABEL];

    if (slice_istarts(label, SLICE_LIT("xn--")) && label_text(label, text)
        && label_shown(label, text, out))
        return true;
    return utf8_valid(label) && buf_put_slice(out, label);
}

typedef bool label_f(struct slice label, struct buf *out);

/* each_label - convert what stands between the dots */

static bool each_label(struct slice domain, label_f *convert, struct buf *out)
{
    struct slice label;
    bool more = true;

    while (more) {
        more = slice_cut(domain, '.', &label, &domain);
        if (!convert(label, out) || (more && !buf_puts(out, ".")))
            return false;
    }
    return true;
}

/* convert_domain - all or nothing */

static bool convert_domain(struct slice domain, label_f *convert, size_t max, struct buf *out)
{
    struct buf result = BUF(max);
    bool ok = domain.n <= DOMAIN_UNICODE && each_label(domain, convert, &result)
        && (convert != label_to_ascii || domain_valid(buf_view(&result)))
        && buf_put_slice(out, buf_view(&result));

    buf_free(&result);
    return ok;
}

static bool literal_put(struct slice domain, struct buf *out)
{
    struct ip ip;

    return literal_parse(domain, &ip) && buf_put_slice(out, domain);
}

bool domain_to_ascii(struct slice domain, struct buf *out)
{
    if (domain.n > 0 && domain.p[0] == '[')
        return literal_put(domain, out);
    return convert_domain(domain, label_to_ascii, DOMAIN_ASCII, out);
}

bool domain_to_unicode(struct slice domain, struct buf *out)
{
    return convert_domain(domain, label_to_unicode, DOMAIN_UNICODE, out);
}

bool address_to_ascii(struct slice address, struct buf *out)
{
    size_t at = slice_rchr(address, '@');
    struct buf domain = BUF(DOMAIN_UNICODE);
    bool ok = utf8_ascii(slice_first(address, at))
        && (at == address.n || domain_to_ascii(slice_from(address, at + 1), &domain));

    if (ok && domain.n == 0)
        ok = buf_put_slice(out, address);
    else if (ok)
        ok = buf_printf(out, "%.*s%.*s", SLICE(slice_first(address, at + 1)),
                        SLICE(buf_view(&domain)));
    buf_free(&domain);
    return ok;
}
