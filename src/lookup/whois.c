/* whois.c - one name looked up where it may be, and told as VRFY or EXPN does. */
#include <stdio.h>
#include "base/utf8.h"
#include "lookup/whois.h"
#include "mail/address_idn.h"
#include "smtp/address.h"

enum { ENTRIES_BYTES = 2 << 20, NAME_SHOWN = 100 };

/* --- names ------------------------------------------------------------------ */

static bool name_shows(uint32_t point)
{
    return utf8_shows(point) && (point > 127 || strchr("<>\"\\", (int)point) == NULL);
}

void whois_name(struct buf *out, struct slice name, bool utf8)
{
    struct slice rest = name, before;
    size_t from = out->n;
    uint32_t point;

    if (!utf8_valid(name) || (!utf8 && !utf8_ascii(name)))
        return;
    for (before = rest; utf8_next(&rest, &point); before = rest) {
        size_t n = before.n - rest.n;

        if (out->n - from + n > NAME_SHOWN)
            break;
        if (name_shows(point))
            buf_put(out, before.p, n);
    }
}

static void entry_put(struct whois *w, struct whois_entries *to, struct slice address)
{
    const struct user_facts *facts = resolver_user(w->resolver, address);
    struct wire out = wire_writer(&to->bytes);
    struct buf name = BUF(NAME_SHOWN + 8);

    if (facts != NULL)
        whois_name(&name, slice_trim(slice_cstr(facts->name)), w->utf8);
    wire_put_bytes(&out, buf_view(&name));
    wire_put_bytes(&out, address);
    to->n++;
    buf_free(&name);
}

static void entries_clear(struct whois_entries *e)
{
    buf_clear(&e->bytes);
    e->n = 0;
}

/* --- what one address is ------------------------------------------------------ */

static const struct conf_domain *domain_of(const struct whois *w, struct slice address)
{
    struct slice local, domain;

    address_split(address, &local, &domain);
    return conf_domain_find(w->resolver->conf, domain);
}

/* is_guess - the domain takes everybody, so that nothing is known of this one */

static bool is_guess(const struct whois *w, const struct expansion *out)
{
    struct slice asked = w->question.address;
    const struct conf_domain *d = domain_of(w, asked);

    return d != NULL && d->recipients == RECIPIENTS_ANY && out->n == 1
        && slice_ieq(out->entries[0].address, asked);
}

static void tell_list(struct whois *w, const struct expansion *out)
{
    w->code = out->n > WHOIS_ENTRIES ? 252 : 250;
    for (size_t i = 0; i < out->n && w->code == 250; i++)
        entry_put(w, &w->found, out->entries[i].address);
}

/* tell_one - VRFY: the mailbox, where mail goes on to, or the list itself */

static void tell_one(struct whois *w, const struct expansion *out)
{
    bool one = out->n == 1, ours = one && domain_of(w, out->entries[0].address) != NULL;

    w->code = one && !ours ? 251 : 250;
    entry_put(w, &w->found, one ? out->entries[0].address : w->question.address);
}

static void match(struct whois *w, const struct expansion *out)
{
    entries_clear(&w->found);
    if (w->expn)
        tell_list(w, out);
    else
        tell_one(w, out);
    if (w->matches++ < WHOIS_POSSIBLE)
        entry_put(w, &w->possible, w->question.address);
}

/* --- one address after the other ------------------------------------------------ */

/* next_address - local part and the next domain of ours; false: that was all */

static bool next_address(struct whois *w)
{
    const struct conf *conf = w->resolver->conf;
    struct slice name;
    int n;

    if (w->nlocal == 0 || w->domain >= conf->ndomains || w->domain >= WHOIS_DOMAINS)
        return false;
    name = conf->domains[w->domain++].name;
    n = snprintf(w->address, sizeof w->address, "%.*s@%.*s", (int)w->nlocal, w->local,
                 SLICE(name));
    w->question.address = slice_of(w->address, (size_t)n);
    return true;
}

static void finish(struct whois *w)
{
    if (w->later)
        w->code = 451;
    else if (w->matches > 1)
        w->code = 553;
    else if (w->matches == 0)
        w->code = w->everybody ? 252 : 550;
    if (w->code == 553) {
        struct whois_entries swap = w->found;

        w->found = w->possible;
        w->possible = swap;
    } else if (w->matches == 0 || w->later) {
        entries_clear(&w->found);
    }
    if (w->found.bytes.full) {
        entries_clear(&w->found);
        w->code = 252;
    }
    w->answered(w);
}

static void ask_one(struct whois *w)
{
    w->waits = true;
    resolver_ask(w->resolver, &w->question);
}

static void run(struct whois *w)
{
    w->runs = true;
    while (!w->waits && !w->later && next_address(w))
        ask_one(w);
    w->runs = false;
    if (!w->waits)
        finish(w);
}

static void one_answered(struct question *q, enum fate fate, const struct expansion *out)
{
    struct whois *w = LIST_OWNER(q, struct whois, question);

    w->waits = false;
    if (fate == FATE_LATER)
        w->later = true;
    else if (fate == FATE_DONE && is_guess(w, out))
        w->everybody = true;
    else if (fate == FATE_DONE)
        match(w, out);
    if (!w->runs)
        run(w);
}

/* --- what was asked --------------------------------------------------------------- */

static void answer_now(struct whois *w, unsigned code)
{
    w->code = code;
    w->answered(w);
}

/* begin_address - a whole address, canonical */

static void begin_address(struct whois *w, struct slice address)
{
    if (address.n >= sizeof w->address) {
        answer_now(w, 550);
        return;
    }
    memcpy(w->address, address.p, address.n);
    w->question.address = slice_of(w->address, address.n);
    if (domain_of(w, address) == NULL && !slice_eq(address, SLICE_LIT("postmaster"))) {
        entry_put(w, &w->found, w->question.address);
        answer_now(w, 551);
        return;
    }
    w->runs = true;
    ask_one(w);
    run(w);
}

/* read_address - whoever asks in UTF-8 has said so before (smtpd); a domain in Unicode
 * becomes ASCII, as our names are */

static bool read_address(struct slice text, struct arena *a, struct mailbox *m)
{
    struct buf ascii = BUF(DOMAIN_UNICODE);
    bool ok = mailbox_parse_utf8(text, true, a, m) == ADDRESS_OK;

    if (ok && !utf8_ascii(m->domain))
        ok = domain_to_ascii(m->domain, &ascii) && mailbox_domain(m, buf_view(&ascii), a);
    buf_free(&ascii);
    return ok;
}

/* begin_name - a name alone, to be looked for in all our domains */

static void begin_name(struct whois *w, struct slice text, struct arena *a)
{
    struct slice whole = arena_printf(a, "%.*s@x", SLICE(text));
    struct mailbox m;

    if (whole.n == 0 || !read_address(whole, a, &m) || m.text.n >= sizeof w->local) {
        answer_now(w, 550);
        return;
    }
    w->nlocal = slice_rchr(m.text, '@');
    memcpy(w->local, m.text.p, w->nlocal);
    if (slice_ieq(slice_of(w->local, w->nlocal), SLICE_LIT("postmaster"))) {
        w->nlocal = 0;              /* there is one; our first domain's */
        begin_address(w, SLICE_LIT("postmaster"));
        return;
    }
    run(w);
}

void whois_ask(struct whois *w, struct resolver *r, struct slice text)
{
    struct arena a = ARENA(64 << 10);
    struct mailbox m;

    w->resolver = r;
    w->question.answered = one_answered;
    w->found.bytes = BUF(ENTRIES_BYTES);
    w->possible.bytes = BUF(ENTRIES_BYTES);
    if (text.n > WHOIS_TEXT)
        answer_now(w, 550);
    else if (read_address(text, &a, &m))
        begin_address(w, m.text);
    else
        begin_name(w, text, &a);
    arena_free(&a);
}

void whois_end(struct whois *w)
{
    buf_free(&w->found.bytes);
    buf_free(&w->possible.bytes);
}
