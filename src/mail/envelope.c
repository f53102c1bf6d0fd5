/* envelope.c - envelopes to bytes and back, every bound checked on the way back. */
#include "mail/envelope.h"

/* harmless - of eight octets: is none of them below 16, as NUL, CR and LF are? */

static bool harmless(const char *p)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t w;

    memcpy(&w, p, sizeof w);
    return ((w - ones * 16) & ~w & ones << 7) == 0;
}

static bool text_ok(struct slice s)
{
    size_t n = 0;

    while (n + 8 <= s.n && harmless(s.p + n))
        n += 8;
    if (n > 0 && n + 8 > s.n && harmless(s.p + s.n - 8))
        n = s.n;                /* the last few, with some that were seen already */
    while (n < s.n && s.p[n] != '\0' && s.p[n] != '\r' && s.p[n] != '\n')
        n++;
    return n == s.n && s.n <= ENVELOPE_FIELD;
}

static const char *const extra_names[EXTRA_COUNT] = {
#define X(NAME, text) [EXTRA_##NAME] = text,
    ENVELOPE_EXTRAS(X)
#undef X
};

static bool is_blob(struct slice name)
{
    return slice_eq(name, slice_cstr(extra_names[EXTRA_XEXCH50]));
}

/* extra_ok - pairs of texts, and nothing else but for the one blob */

static bool extra_ok(struct slice extra, size_t max)
{
    struct wire w = wire_reader(extra);

    if (extra.n > max)
        return false;
    while (!w.bad && w.in.n > 0) {
        struct slice name = wire_get_bytes(&w), value = wire_get_bytes(&w);

        if (!text_ok(name) || (!is_blob(name) && !text_ok(value)))
            return false;
    }
    return !w.bad;
}

void extra_put(struct wire *w, enum envelope_extra name, struct slice value)
{
    wire_put_bytes(w, slice_cstr(extra_names[name]));
    wire_put_bytes(w, value);
}

bool extra_get(struct slice extra, enum envelope_extra name, struct slice *value)
{
    struct wire w = wire_reader(extra);

    while (!w.bad && w.in.n > 0) {
        struct slice n = wire_get_bytes(&w);

        *value = wire_get_bytes(&w);
        if (!w.bad && slice_eq(n, slice_cstr(extra_names[name])))
            return true;
    }
    *value = (struct slice){ 0 };
    return false;
}

#define PUT(kind, name) wire_put_##kind(w, m->name);
#define GET(kind, name) m->name = wire_get_##kind(w);

static bool recipient_ok(const struct recipient *r)
{
    return r->address.n > 0 && text_ok(r->address) && text_ok(r->original)
        && text_ok(r->return_path) && extra_ok(r->extra, ENVELOPE_FIELD);
}

void recipient_put(struct wire *w, const struct recipient *m)
{
    RECIPIENT_FIELDS(PUT)
}

bool recipient_next(struct wire *w, struct recipient *m)
{
    *m = (struct recipient){ 0 };
    if (w->bad || w->in.n == 0)
        return false;
    RECIPIENT_FIELDS(GET)
    return !w->bad;
}

void envelope_put(struct wire *w, const struct envelope *m)
{
    ENVELOPE_FIELDS(PUT)
}

static bool rcpts_ok(const struct envelope *e)
{
    struct wire w = wire_reader(e->rcpts);
    struct recipient r;
    uint32_t n = 0;

    while (n < e->nrcpts && recipient_next(&w, &r) && recipient_ok(&r))
        n++;
    return n > 0 && n == e->nrcpts && wire_done(&w);
}

bool envelope_get(struct slice bytes, struct envelope *m)
{
    struct wire reader = wire_reader(bytes), *w = &reader;

    *m = (struct envelope){ 0 };
    if (bytes.n > ENVELOPE_MAX)
        return false;
    ENVELOPE_FIELDS(GET)
    return wire_done(w) && m->nrcpts <= ENVELOPE_RCPTS
        && text_ok(m->sender) && text_ok(m->client) && text_ok(m->helo)
        && text_ok(m->protocol) && text_ok(m->listener) && text_ok(m->session)
        && extra_ok(m->extra, ENVELOPE_EXTRA_MAX) && rcpts_ok(m);
}
