/* offers.c - what a host's answer to EHLO promises (RFC 5321 §4.1.1.1). */
#include "base/ascii.h"
#include "base/date.h"
#include "smtp/reader.h"

typedef void argument_f(struct host_offers *o, struct slice argument);

/* number - of an argument; nonsense means that nothing was said */

static uint64_t number(struct slice argument)
{
    uint64_t n = 0;

    return slice_u64(argument, &n) ? n : 0;
}

/* word_take - the next word of *rest; false: there is none */

static bool word_take(struct slice *rest, struct slice *word)
{
    do {
        if (rest->n == 0)
            return false;
        slice_cut(*rest, ' ', word, rest);
    } while (word->n == 0);
    return true;
}

/* No argument, zero and nonsense all mean: no limit said (RFC 1870 §4). */
static void on_size(struct host_offers *o, struct slice argument)
{
    o->size_max = number(argument);
}

static void on_by(struct host_offers *o, struct slice argument)
{
    struct slice first, rest;

    slice_cut(argument, ',', &first, &rest);
    o->by_min = number(first);
}

static void on_hold(struct host_offers *o, struct slice argument)
{
    struct slice interval = { 0 }, moment = { 0 };

    if (!word_take(&argument, &interval))
        return;
    o->hold_max = number(interval);
    if (!word_take(&argument, &moment) || !date_parse_stamp(moment, &o->hold_until))
        o->hold_until = 0;
}

static void keep(char *to, size_t size, struct slice s)
{
    s = slice_first(s, size - 1);
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
}

static void on_priority(struct host_offers *o, struct slice argument)
{
    keep(o->priority, sizeof o->priority, argument);
}

static void on_no_soliciting(struct host_offers *o, struct slice argument)
{
    if (argument.n < sizeof o->refused)     /* half a keyword would be another one */
        keep(o->refused, sizeof o->refused, argument);
}

bool offers_mechanism(const char *words, struct slice name)
{
    struct slice rest = slice_cstr(words), word;

    while (word_take(&rest, &word))
        if (slice_ieq(word, name))
            return true;
    return false;
}

/* mechanisms - add words; some hosts say the same twice, with a blank and with "=" */

static void mechanisms(char words[OFFER_WORDS], struct slice argument)
{
    struct slice word;
    size_t n = strlen(words);

    while (word_take(&argument, &word)) {
        if (offers_mechanism(words, word) || n + word.n + 2 > OFFER_WORDS)
            continue;
        if (n > 0)
            words[n++] = ' ';
        memcpy(words + n, word.p, word.n);
        n += word.n;
        words[n] = '\0';
    }
}

static void on_auth(struct host_offers *o, struct slice argument)
{
    mechanisms(o->auth, argument);
}

static void on_exps(struct host_offers *o, struct slice argument)
{
    mechanisms(o->exps, argument);
}

static void on_limits(struct host_offers *o, struct slice argument)
{
    const struct { struct slice name; uint64_t *value; } limits[] = {
        { SLICE_LIT("RCPTMAX"), &o->rcpt_max }, { SLICE_LIT("MAILMAX"), &o->mail_max },
        { SLICE_LIT("RCPTDOMAINMAX"), &o->rcpt_domain_max },
    };
    struct slice word, name, value;

    while (word_take(&argument, &word)) {
        slice_cut(word, '=', &name, &value);
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
            if (slice_ieq(name, limits[i].name))
                *limits[i].value = number(value);
    }
}

static void on_xforward(struct host_offers *o, struct slice argument)
{
    static const struct slice names[] = {
#define X(NAME) SLICE_INIT(#NAME),
        XFORWARD_ATTRIBUTES(X)
#undef X
    };
    struct slice word;

    while (word_take(&argument, &word))
        for (unsigned i = 0; i < XFORWARD_COUNT; i++)
            if (slice_ieq(word, names[i]))
                o->xforward |= 1u << i;
}

static const struct { struct slice keyword; } keywords[] = {
#define K(NAME, keyword) [HOST_AT_##NAME] = { SLICE_INIT(keyword) },
    HOST_KEYWORDS(K)
#undef K
};

static argument_f *const readers[HOST_KEYWORD_COUNT] = {
    [HOST_AT_SIZE] = on_size,               [HOST_AT_DELIVERBY] = on_by,
    [HOST_AT_FUTURERELEASE] = on_hold,      [HOST_AT_MT_PRIORITY] = on_priority,
    [HOST_AT_LIMITS] = on_limits,           [HOST_AT_NO_SOLICITING] = on_no_soliciting,
    [HOST_AT_AUTH] = on_auth,               [HOST_AT_X_EXPS] = on_exps,
    [HOST_AT_XFORWARD] = on_xforward,
};

static const struct { struct slice name; enum host_keyword keyword; } other_names[] = {
    { SLICE_INIT("X-EXCH50"), HOST_AT_XEXCH50 },
};

static enum host_keyword keyword_find(struct slice name)
{
    unsigned i = 0;

    for (size_t k = 0; k < sizeof other_names / sizeof *other_names; k++)
        if (slice_ieq(name, other_names[k].name))
            return other_names[k].keyword;
    while (i < HOST_KEYWORD_COUNT && !slice_ieq(name, keywords[i].keyword))
        i++;
    return i;
}

/* line_cut - "KEYWORD argument", or "AUTH=LOGIN" of old hosts */

static enum host_keyword line_cut(struct slice line, struct slice *argument)
{
    size_t at = 0;
    enum host_keyword k;

    while (at < line.n && line.p[at] != ' ' && line.p[at] != '=')
        at++;
    k = keyword_find(slice_first(line, at));
    *argument = slice_trim(slice_from(line, at + 1));
    if (at < line.n && line.p[at] == '=' && k != HOST_AT_AUTH && k != HOST_AT_X_EXPS)
        return HOST_KEYWORD_COUNT;
    return k;
}

void offers_read(const struct reply_in *ehlo, struct host_offers *o)
{
    struct slice line, argument;

    *o = (struct host_offers){ .flags = HOST_EHLO };
    for (unsigned i = 1; reader_line(ehlo, i, &line); i++) {
        enum host_keyword k = line_cut(slice_trim(line), &argument);

        if (k == HOST_KEYWORD_COUNT)
            continue;
        o->flags |= 1u << k;
        if (readers[k] != NULL)
            readers[k](o, argument);
    }
}
