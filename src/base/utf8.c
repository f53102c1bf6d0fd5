/* utf8.c - the shortest form and nothing else. */
#include "base/utf8.h"

/* What a first octet says: how long the form is, its bits of the code point, and
 * the smallest code point that needs so many octets. */
static const struct form {
    unsigned char mask, mark, octets;
    uint32_t      least;
} forms[] = {
    { 0x80, 0x00, 1, 0 },
    { 0xe0, 0xc0, 2, 0x80 },
    { 0xf0, 0xe0, 3, 0x800 },
    { 0xf8, 0xf0, 4, 0x10000 },
};

static const struct form *form_of(unsigned char first)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if ((first & forms[i].mask) == forms[i].mark)
            return &forms[i];
    return NULL;
}

static bool is_scalar(uint32_t point)
{
    return point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

bool utf8_next(struct slice *rest, uint32_t *point)
{
    const unsigned char *p = (const unsigned char *)rest->p;
    const struct form *form = rest->n > 0 ? form_of(p[0]) : NULL;
    uint32_t value;

    if (form == NULL || form->octets > rest->n)
        return false;
    value = p[0] & (unsigned char)~form->mask;
    for (size_t i = 1; i < form->octets; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return false;
        value = value << 6 | (p[i] & 0x3f);
    }
    if (value < form->least || !is_scalar(value))
        return false;
    *point = value;
    *rest = slice_from(*rest, form->octets);
    return true;
}

bool utf8_valid(struct slice s)
{
    uint32_t point;

    while (utf8_next(&s, &point))
        ;
    return s.n == 0;
}

/* What does not show, or changes how its neighbours do. */
static const struct range { uint32_t first, last; } hidden[] = {
    { 0x0000, 0x001f }, { 0x007f, 0x009f },     /* controls */
    { 0x061c, 0x061c },                         /* Arabic letter mark */
    { 0x200e, 0x200f },                         /* direction marks */
    { 0x2028, 0x202e },                         /* separators, embeddings, overrides */
    { 0x2066, 0x206f },                         /* isolates, deprecated formats */
    { 0xfdd0, 0xfdef },                         /* noncharacters */
    { 0xfeff, 0xfeff },                         /* byte-order mark */
    { 0xfff9, 0xfffb },                         /* interlinear annotation */
    { 0xe0000, 0xe007f },                       /* tags */
};

/* What has no shape of its own: languages and pictures need it, but a name with it looks like
 * the name without. */
static const struct range shapeless[] = {
    { 0x00ad, 0x00ad },                         /* soft hyphen */
    { 0x180e, 0x180e },                         /* Mongolian vowel separator */
    { 0x200b, 0x200d },                         /* zero-width space, non-joiner, joiner */
    { 0x2060, 0x2065 },                         /* word joiner, invisible operators */
    { 0xfff0, 0xfff8 },                         /* not given, and ignored */
    { 0xe0080, 0xe0fff },                       /* variation selectors; not given, and ignored */
};

static bool is_among(const struct range *ranges, size_t n, uint32_t point)
{
    for (size_t i = 0; i < n; i++)
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    return false;
}

bool utf8_shows(uint32_t point)
{
    return is_scalar(point) && (point & 0xfffe) != 0xfffe
        && !is_among(hidden, sizeof hidden / sizeof hidden[0], point);
}

bool utf8_seen(uint32_t point)
{
    return utf8_shows(point)
        && !is_among(shapeless, sizeof shapeless / sizeof shapeless[0], point);
}

bool utf8_printable(struct slice s)
{
    uint32_t point;

    while (utf8_next(&s, &point))
        if (!utf8_shows(point))
            return false;
    return s.n == 0;
}

bool utf8_ascii(struct slice s)
{
    const uint64_t tops = 0x8080808080808080u;
    uint64_t word, all = 0;
    size_t n = 0;

    for (; n + sizeof word <= s.n; n += sizeof word) {
        memcpy(&word, s.p + n, sizeof word);
        all |= word;
    }
    for (; n < s.n; n++)
        all |= (unsigned char)s.p[n];
    return (all & tops) == 0;
}

static bool is_plain(char c)
{
    return (unsigned char)(c - 0x20) < 0x5f && c != '"' && c != '\\';
}

/* plain_word - the same of eight octets at once. What a borrow or carry spoils is
 * only ever called not plain. */

static bool plain_word(const char *p)
{
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t w, quote, slash;

    memcpy(&w, p, sizeof w);
    quote = w ^ ones * '"';
    slash = w ^ ones * '\\';
    return ((w | (w + ones) | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & tops) == 0;
}

size_t utf8_plain(struct slice s)
{
    size_t n = 0;

    while (n + 8 <= s.n && plain_word(s.p + n))
        n += 8;
    if (n > 0 && n + 8 > s.n && plain_word(s.p + s.n - 8))
        return s.n;             /* the last few, with some that were seen already */
    while (n < s.n && is_plain(s.p[n]))
        n++;
    return n;
}
