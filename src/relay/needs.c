/* needs.c - what a message needs, and what this host has: which recipients it can be
 * sent to here, in which form.
 *
 * Where a host lacks what the sender insists on, another host of the destination may
 * have it: the recipients stay undecided and `unfit` says why.
 *
 *     needed                        lacking                           then
 *     REQUIRETLS (RFC 8689 §4.2.1)  verified TLS; the extension       unfit 5.7.10; 5.7.30
 *     SMTPUTF8 (RFC 6531 §3.2)      the extension                     domains as A-labels; where a local
 *                                                                     part or the header needs it: unfit 5.6.7
 *     DELIVERBY R (RFC 2852 §4.1.4) the extension, or enough time     unfit 5.3.3
 *     RRVS, not C (RFC 7293 §5.1.1) the extension                     this recipient: unfit 5.7.19
 *     8BITMIME, BINARYMIME          the extension                     re-encoded, or unfit 5.6.3
 *     SIZE (RFC 1870 §6.1)          room, ever                        never 5.3.4
 */
#include "base/utf8.h"
#include "mail/address_idn.h"
#include "relay/inside.h"
#include "relay/wants.h"

static const struct unfit
    no_tls = { "5.7.10", "the sender requires TLS with a valid certificate, and the host has none" },
    no_requiretls = { "5.7.30", "the sender requires REQUIRETLS and the host does not offer it" },
    no_utf8 = { "5.6.7", "the message needs SMTPUTF8 and the host does not offer it" },
    no_utf8_rcpt = { "5.6.7", "the address needs SMTPUTF8 and the host does not offer it" },
    no_by = { "5.3.3", "the message must be delivered by a time and the host does not offer DELIVERBY" },
    no_time = { "5.3.3", "the host does not promise delivery within the time that is left" },
    no_rrvs = { "5.7.19", "the sender requires RRVS and the host does not offer it" },
    no_8bit = { "5.6.3", "message has 8-bit text and the host does not offer 8BITMIME" };

/* --- the message as a whole */

/* tls_lacks - a report that nobody could get would be worth less than one that was
 * seen (RFC 8689 §5) */

static const struct unfit *tls_lacks(const struct client *c)
{
    if (!(c->mail->flags & ENV_REQUIRETLS) || c->mail->sender.n == 0)
        return NULL;
    if (!c->secure || !c->verified)
        return &no_tls;
    return host_has(c, HOST_REQUIRETLS) ? NULL : &no_requiretls;
}

static const struct unfit *time_lacks(const struct client *c)
{
    struct want_by by;

    if (!want_by(c->mail->extra, c->now + c->mail->wall_ahead, &by) || by.mode != 'R')
        return NULL;
    if (!host_has(c, HOST_DELIVERBY))
        return &no_by;
    return by.seconds <= 0 || c->offers.by_min > (uint64_t)by.seconds ? &no_time : NULL;
}

/* header_8bit - has the header octets above 127? */

static bool header_8bit(const struct client_text *t)
{
    struct content_scan scan = { 0 };
    char room[4096];

    for (uint64_t at = 0; at < t->size && !scan.in_body && !(scan.facts & CONTENT_8HEADER);) {
        int64_t n = t->read != NULL ? t->read(t->user, room, sizeof room, at) : (int64_t)t->body.n;

        if (n <= 0)
            return true;        /* cannot be known: then it must not go */
        content_scan(&scan, t->read != NULL ? slice_of(room, (size_t)n) : t->body);
        at += (uint64_t)n;
    }
    return (scan.facts & CONTENT_8HEADER) != 0;
}

/* wire_address - the address as this host can take it; false: it cannot */

static bool wire_address(struct client *c, struct slice address, struct slice *wire)
{
    struct buf ascii = BUF(1024);
    bool ok;

    *wire = address;
    if (c->utf8 || utf8_ascii(address))
        return true;
    ok = address_to_ascii(address, &ascii);
    *wire = ok ? arena_copy(c->mail->arena, buf_view(&ascii)) : *wire;
    buf_free(&ascii);
    return ok && wire->n > 0;
}

static const struct unfit *utf8_lacks(struct client *c)
{
    bool needs = (c->mail->flags & ENV_UTF8) != 0;

    c->utf8 = needs && host_has(c, HOST_SMTPUTF8);
    if (!wire_address(c, c->mail->sender, &c->sender))
        return &no_utf8;
    return needs && !c->utf8 && header_8bit(&c->mail->text) ? &no_utf8 : NULL;
}

/* --- the text */

/* refitted - the text re-encoded for what the host takes; false: that is not possible */

static bool refitted(struct client *c, enum downgrade_target target)
{
    struct client_mail *m = c->mail;
    enum downgrade_result result = m->fit != NULL ? m->fit(m->fit_user, target, &c->text)
                                                  : DOWNGRADE_STRUCTURE;
    struct unfit *why = arena_alloc(m->arena, sizeof *why);
    unsigned s[3];

    if (result == DOWNGRADE_FITS || result == DOWNGRADE_DONE)
        return true;
    if (result == DOWNGRADE_SINK) {
        decide_all(c, &(struct outcome_words){ FATE_LATER, 0, "4.3.0",
                                               slice_cstr(downgrade_text(result)) });
        return false;
    }
    if (why == NULL || m->fit == NULL) {
        mail_unfit(c, &no_8bit);
        return false;
    }
    downgrade_status(result, s);
    why->status = arena_printf(m->arena, "%u.%u.%u", s[0], s[1], s[2]).p;
    why->text = arena_printf(m->arena, "the host does not offer %s, and %s",
                             host_has(c, HOST_8BITMIME) ? "BINARYMIME" : "8BITMIME",
                             downgrade_text(result)).p;
    mail_unfit(c, why->status != NULL && why->text != NULL ? why : &no_8bit);
    return false;
}

static bool text_fits(struct client *c)
{
    unsigned flags = c->mail->flags;
    bool binary = (flags & (ENV_BINARY | ENV_BARE)) != 0, eight = (flags & ENV_8BIT) != 0;
    bool has_8bit = host_has(c, HOST_8BITMIME);

    c->bdat = host_has(c, HOST_CHUNKING) && !c->options.lines;
    c->body = NULL;
    if (binary && c->bdat && host_has(c, HOST_BINARYMIME)) {
        c->body = "BINARYMIME";
        return true;
    }
    if ((binary || (eight && !has_8bit))
        && !refitted(c, has_8bit ? DOWNGRADE_TO_8BIT : DOWNGRADE_TO_7BIT))
        return false;
    if (has_8bit && eight)
        c->body = "8BITMIME";
    return true;
}

static bool size_fits(struct client *c)
{
    if (!host_has(c, HOST_SIZE) || c->offers.size_max == 0 || c->text.size <= c->offers.size_max)
        return true;
    decide_never(c, "5.3.4", "message is larger than the host accepts");
    return false;
}

/* --- each recipient */

static void choose(struct client *c, struct client_rcpt *rcpt)
{
    static const struct outcome_words bad = {
        FATE_NEVER, 0, "5.1.3", SLICE_INIT("address cannot be written in a command") };

    rcpt->open = false;
    if (!wire_address(c, rcpt->address, &rcpt->wire) && utf8_valid(rcpt->address))
        rcpt->unfit = &no_utf8_rcpt;
    else if (!client_address_ok(rcpt->wire, false, c->utf8))
        decide(c, rcpt, &bad);
    else if (!host_has(c, HOST_RRVS) && want_rrvs_insists(rcpt->extra))
        rcpt->unfit = &no_rrvs;
    else
        rcpt->open = true;
}

static bool rcpts_choose(struct client *c)
{
    for (size_t i = 0; i < c->mail->nrcpts; i++)
        if (c->mail->rcpts[i].open)
            choose(c, &c->mail->rcpts[i]);
    return rcpt_after(c, 0) < c->mail->nrcpts;
}

static void open_all(struct client_mail *m)
{
    for (size_t i = 0; i < m->nrcpts; i++) {
        m->rcpts[i].open = !m->rcpts[i].decided;
        m->rcpts[i].accepted = false;
        m->rcpts[i].unfit = NULL;
    }
}

static const struct unfit *lacks(struct client *c)
{
    const struct unfit *why = tls_lacks(c);

    why = why != NULL ? why : time_lacks(c);
    return why != NULL ? why : utf8_lacks(c);
}

bool needs_met(struct client *c)
{
    const struct unfit *why;

    open_all(c->mail);
    why = lacks(c);
    if (why != NULL) {
        mail_unfit(c, why);
        return false;
    }
    if (!client_address_ok(c->sender, true, c->utf8)) {
        decide_never(c, "5.1.7", "sender address cannot be written in a command");
        return false;
    }
    return rcpts_choose(c) && text_fits(c) && size_fits(c);
}
