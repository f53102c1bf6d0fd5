/* value.c - texts as values, strictly. */
#include <stdio.h>
#include "base/ascii.h"
#include "conf/doc.h"
#include "conf/value.h"
#include "smtp/address.h"

enum { WHY = 300 };

bool value_size(struct slice text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    unsigned shift = 0;

    for (unsigned i = 0; i < 4 && text.n > 0; i++)
        if (ascii_lower(text.p[text.n - 1]) == ascii_lower(units[i]))
            shift = 10 * (i + 1);
    if (shift > 0)
        text.n--;
    return slice_u64(text, bytes)
        && !__builtin_mul_overflow(*bytes, UINT64_C(1) << shift, bytes);
}

/* take_unit - how many milliseconds the unit at the front has; 0: none */

static int64_t take_unit(struct slice *text)
{
    static const struct { const char *name; int64_t ms; } units[] = {
        { "ms", MS }, { "s", SEC }, { "m", MIN }, { "h", HOUR }, { "d", DAY }, { "w", 7LL * DAY },
    };

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        struct slice name = slice_cstr(units[i].name);

        if (slice_istarts(*text, name)) {
            *text = slice_from(*text, name.n);
            return units[i].ms;
        }
    }
    return 0;
}

bool value_time(struct slice text, int64_t *ms)
{
    uint64_t n;

    *ms = 0;
    if (slice_eq(text, SLICE_LIT("0")))
        return true;
    if (text.n == 0)
        return false;
    while (text.n > 0) {
        size_t digits = 0;
        int64_t part;

        while (digits < text.n && ascii_digit(text.p[digits]))
            digits++;
        if (!slice_u64(slice_first(text, digits), &n) || n > INT64_MAX)
            return false;
        text = slice_from(text, digits);
        if (__builtin_mul_overflow((int64_t)n, take_unit(&text), &part)
            || (part == 0 && n > 0) || __builtin_add_overflow(*ms, part, ms))
            return false;
        text = slice_trim(text);
    }
    return true;
}

static bool port_parse(struct slice text, uint16_t *port)
{
    uint64_t n;

    if (!slice_u64(text, &n) || n == 0 || n > 65535)
        return false;
    *port = (uint16_t)n;
    return true;
}

/* host_ok - a name or an IPv4 address; what looks like a number must be one */

static bool host_ok(struct slice host)
{
    struct ip ip;

    if (host.n == 0)
        return false;
    if (ascii_digit(host.p[host.n - 1]))
        return ip_parse(host, &ip) || (slice_chr(host, '.') == host.n && domain_valid(host)
                                       && ascii_alpha(host.p[0]));
    return domain_valid(host);
}

bool value_endpoint(struct slice text, uint16_t port, struct slice *host, uint16_t *out)
{
    struct slice rest;
    struct ip ip;

    *out = port;
    if (text.n > 0 && text.p[0] == '[') {
        if (!slice_cut(slice_from(text, 1), ']', host, &rest) || !ip_parse(*host, &ip))
            return false;
        return rest.n == 0
            || (rest.p[0] == ':' && port_parse(slice_from(rest, 1), out));
    }
    if (ip_parse(text, &ip)) {
        *host = text;
        return true;
    }
    if (slice_cut(text, ':', host, &rest) && !port_parse(rest, out))
        return false;
    return host_ok(*host);
}

static bool bad(char *why, const char *what, struct slice text, const char *meant)
{
    snprintf(why, WHY, "\"%.*s\" is not %s; %s", (int)(text.n < 80 ? text.n : 80),
             text.p ? text.p : "", what, meant);
    return false;
}

static bool bounded(const struct conf_setting *s, int64_t v, struct slice text, char *why)
{
    const char *unit = s->kind == KIND_TIME || s->kind == KIND_TIMES ? " ms" : "";

    if (v >= s->least && v <= s->most)
        return true;
    snprintf(why, WHY, "%.*s is out of bounds; between %lld%s and %lld%s is allowed",
             (int)(text.n < 40 ? text.n : 40), text.p, (long long)s->least, unit,
             (long long)s->most, unit);
    return false;
}

static bool set_text(const struct conf_setting *s, void *at, struct slice text, char *why)
{
    if ((int64_t)text.n < s->least)
        return bad(why, "allowed", text, "it must not be empty");
    if ((int64_t)text.n > s->most)
        return bad(why, "allowed", text, "it is too long");
    for (size_t i = 0; i < text.n; i++)
        if (ascii_control(text.p[i]))
            return bad(why, "allowed", SLICE_LIT("..."), "it has a control character");
    if (s->kind == KIND_PATH && text.p[0] != '/')
        return bad(why, "an absolute path", text, "begin it with /");
    memcpy(at, &text, sizeof text);
    return true;
}

static bool set_word(const struct conf_setting *s, void *at, struct slice text, char *why)
{
    struct slice words = slice_cstr(s->words), word;
    char meant[200];

    for (unsigned i = 0; words.n > 0; i++) {
        slice_cut(words, '|', &word, &words);
        if (slice_ieq(word, text)) {
            memcpy(at, &i, sizeof i);
            return true;
        }
    }
    snprintf(meant, sizeof meant, "write one of %s", s->words);
    return bad(why, "known here", text, meant);
}

static bool set_bool(void *at, struct slice text, char *why)
{
    static const char *const yes[] = { "true", "yes", "on" }, *const no[] = { "false", "no", "off" };

    for (unsigned i = 0; i < 3; i++)
        if (slice_ieq(text, slice_cstr(yes[i])) || slice_ieq(text, slice_cstr(no[i]))) {
            *(bool *)at = slice_ieq(text, slice_cstr(yes[i]));
            return true;
        }
    return bad(why, "true or false", text, "write true or false");
}

static bool set_number(const struct conf_setting *s, void *at, struct slice text, char *why)
{
    uint64_t v;

    if (s->kind == KIND_COUNT && !slice_u64(text, &v))
        return bad(why, "a number", text, "write decimal digits");
    if (s->kind == KIND_SIZE && !value_size(text, &v))
        return bad(why, "a size", text, "write bytes, or a number with K, M, G or T, as 50M");
    if (v > INT64_MAX)
        return bad(why, "possible", text, "it is too large");
    if (!bounded(s, (int64_t)v, text, why))
        return false;
    memcpy(at, &v, sizeof v);
    return true;
}

static bool set_time(const struct conf_setting *s, void *at, struct slice text, char *why)
{
    int64_t v;

    if (!value_time(text, &v))
        return bad(why, "a time", text, "write a number with w, d, h, m, s or ms, as 5d or 1h30m");
    if (!bounded(s, v, text, why))
        return false;
    memcpy(at, &v, sizeof v);
    return true;
}

static bool set_net(void *at, struct slice text, char *why)
{
    return ip_net_parse(text, at)
        || bad(why, "a network", text,
               "write 192.0.2.0/24, 2001:db8::/32 or one address, no bits beyond the prefix");
}

static bool set_server(void *at, struct slice text, char *why)
{
    struct slice host;
    struct ip ip;
    uint16_t port;

    if (!value_endpoint(text, 53, &host, &port) || !ip_parse(host, &ip))
        return bad(why, "a name server", text, "write ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT");
    memcpy(at, &text, sizeof text);
    return true;
}

/* set_name - one element of a list of texts */

static bool set_name(void *at, struct slice text, char *why)
{
    bool fine = text.n > 0 && text.n <= 300;

    for (size_t i = 0; fine && i < text.n; i++)
        fine = !ascii_control(text.p[i]);
    if (!fine)
        return bad(why, "allowed", text, "write 1 to 300 printable characters");
    memcpy(at, &text, sizeof text);
    return true;
}

static bool set_element(const struct conf_setting *s, void *at, struct slice text, char *why)
{
    switch (s->kind) {
    case KIND_TEXT:
    case KIND_PATH:    return set_text(s, at, text, why);
    case KIND_WORD:    return set_word(s, at, text, why);
    case KIND_BOOL:    return set_bool(at, text, why);
    case KIND_COUNT:
    case KIND_SIZE:    return set_number(s, at, text, why);
    case KIND_TIME:
    case KIND_TIMES:   return set_time(s, at, text, why);
    case KIND_NETS:    return set_net(at, text, why);
    case KIND_SERVERS: return set_server(at, text, why);
    case KIND_TEXTS:   return set_name(at, text, why);
    }
    return false;
}

static size_t element_size(enum conf_kind kind)
{
    return kind == KIND_TIMES ? sizeof(int64_t)
         : kind == KIND_NETS  ? sizeof(struct ip_net) : sizeof(struct slice);
}

bool value_set(const struct conf_setting *s, void *owner, const struct slice *values,
               size_t n, struct arena *a, char why[WHY])
{
    char *at = (char *)owner + s->offset, *list;
    size_t size = element_size(s->kind);

    if (!conf_kind_is_list(s->kind))
        return n == 1 ? set_element(s, at, values[0], why)
                      : bad(why, "one value", SLICE_LIT("{...}"), "this setting is no list");
    if (n > CONF_VALUES || (s->kind != KIND_TIMES && (int64_t)n > s->most))
        return bad(why, "allowed", SLICE_LIT("{...}"), "the list is too long");
    if (s->kind == KIND_TIMES && n == 0)
        return bad(why, "allowed", SLICE_LIT("{}"), "write one time at least");
    list = arena_array(a, n + 1, size);
    for (size_t i = 0; list != NULL && i < n; i++)
        if (!set_element(s, list + i * size, values[i], why))
            return false;
    memcpy(at, &list, sizeof list);
    memcpy(at + sizeof list, &n, sizeof n);
    return list != NULL || bad(why, "possible", SLICE_LIT("{...}"), "no memory");
}
