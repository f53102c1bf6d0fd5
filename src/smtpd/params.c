/* params.c - one row for each feature that has parameters, one line for each extra. */
#include <inttypes.h>
#include <stdio.h>
#include "base/utf8.h"
#include "mail/address_idn.h"
#include "mail/envelope.h"
#include "mail/notify.h"
#include "mail/wishes.h"
#include "smtpd/params.h"

enum { RCPT_EXTRA_MAX = 2048 };

/* Which feature offers which parameters. */
static const struct { enum feature feature; unsigned offer; } offers[] = {
    { FEATURE_SIZE,          OFFER_SIZE },
    { FEATURE_8BITMIME,      OFFER_8BITMIME },
    { FEATURE_BINARYMIME,    OFFER_BINARYMIME },
    { FEATURE_DSN,           OFFER_DSN },
    { FEATURE_SMTPUTF8,      OFFER_SMTPUTF8 },
    { FEATURE_DELIVERBY,     OFFER_DELIVERBY },
    { FEATURE_FUTURERELEASE, OFFER_FUTURERELEASE },
    { FEATURE_MT_PRIORITY,   OFFER_MT_PRIORITY },
    { FEATURE_REQUIRETLS,    OFFER_REQUIRETLS },
    { FEATURE_RRVS,          OFFER_RRVS },
    { FEATURE_NO_SOLICITING, OFFER_SOLICIT },
    { FEATURE_AUTH,          OFFER_AUTH },
    { FEATURE_X_EXPS,        OFFER_AUTH },
    { FEATURE_LINK2STATE,    OFFER_LINK2STATE },
};

unsigned params_offers_mail(const struct session *s)
{
    unsigned all = s->account.n > 0 ? OFFER_AUTH : 0;   /* AUTH is offered no more, but was */

    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++)
        if (session_granted(s, offers[i].feature))
            all |= offers[i].offer;
    return s->esmtp ? all : 0;
}

unsigned params_offers_terminal(const struct session *s)
{
    return params_offers_mail(s) & (OFFER_SIZE | OFFER_8BITMIME);
}

unsigned params_offers_rcpt(const struct session *s)
{
    bool utf8 = s->tx != NULL && s->tx->wishes.utf8;

    return params_offers_mail(s) & ~(utf8 ? 0u : (unsigned)OFFER_SMTPUTF8);
}

enum reply_id params_ascii(struct mailbox *m, struct arena *a, enum reply_id bad)
{
    struct buf ascii = BUF(DOMAIN_UNICODE);
    enum reply_id id = REPLY_OK;

    if (utf8_ascii(m->domain))
        return REPLY_OK;
    if (!domain_to_ascii(m->domain, &ascii))
        id = bad;
    else if (!mailbox_domain(m, buf_view(&ascii), a))
        id = REPLY_LOCAL_TROUBLE;
    buf_free(&ascii);
    return id;
}

/* -------------------------------------------------------------------- MAIL -- */

/* believed - AUTH= of somebody we do not trust says nothing (RFC 4954 §5) */

static struct slice believed(const struct session *s, struct slice auth)
{
    return auth.n == 0 || s->trusted || s->account.n > 0 ? auth : SLICE_LIT("<>");
}

static int64_t hold_until(const struct session *s, const struct mail_command *m)
{
    return m->hold_for > 0 ? s->server->wall + (int64_t)m->hold_for * 1000 : m->hold_until;
}

/* times_judge - RFC 4865 §4 and §5.2.2, RFC 2852 §4 */

static enum reply_id times_judge(const struct session *s, const struct mail_command *m)
{
    const struct conf *conf = s->server->conf;
    int64_t hold = hold_until(s, m), by = m->has_by ? s->server->wall + m->by * 1000 : INT64_MAX;

    if (hold > s->server->wall + conf->limits.future_release || (hold > 0 && hold > by))
        return REPLY_HOLD_TOO_LONG;
    if (m->has_by && m->by_mode == 'R' && m->by * 1000 < conf->limits.deliver_by)
        return REPLY_BY_TOO_SOON;
    return REPLY_OK;
}

static struct slice by_text(const struct session *s, const struct mail_command *m,
                            struct arena *a)
{
    if (!m->has_by)
        return (struct slice){ 0 };
    return arena_printf(a, "%" PRId64 " %c%s", s->server->wall + m->by * 1000, m->by_mode,
                        m->by_trace ? "T" : "");
}

enum reply_id params_mail(const struct session *s, const struct mail_command *m,
                          struct arena *a, struct wishes *w)
{
    enum reply_id id = times_judge(s, m);

    if (id != REPLY_OK)
        return id;
    if (m->solicit.n > 0 && !solicit_valid(m->solicit))
        return REPLY_BAD_ARGUMENTS;
    *w = (struct wishes){
        .body = m->body, .ret = m->ret, .envid = m->envid, .auth = believed(s, m->auth),
        .solicit = m->solicit, .linkpath = m->linkpath, .utf8 = m->utf8, .requiretls = m->requiretls,
        .by = by_text(s, m, a), .hold = hold_until(s, m),
        .has_priority = m->has_priority, .priority = m->priority,
    };
    return a->spent ? REPLY_LOCAL_TROUBLE : REPLY_OK;
}

struct wishes wishes_copy(struct arena *a, const struct wishes *w)
{
    struct wishes copy = *w;
    struct slice *texts[] = { &copy.envid, &copy.auth, &copy.solicit, &copy.by, &copy.linkpath };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i]->n > 0)
            *texts[i] = arena_copy(a, *texts[i]);
    return copy;
}

/* -------------------------------------------------------------- the envelope -- */

uint32_t wishes_flags(const struct session *s)
{
    const struct tx *tx = s->tx;
    const struct wishes *w = &tx->wishes;

    return (tx->data.faults & DATA_8BIT ? ENV_8BIT : 0u)
         | (tx->data.faults & (DATA_BARE | DATA_LONG) ? ENV_BARE : 0u)
         | (w->body == BODY_8BITMIME ? ENV_BODY8 : 0u)
         | (w->body == BODY_BINARYMIME ? ENV_BINARY : 0u)
         | (w->utf8 ? ENV_UTF8 : 0u)
         | (w->requiretls ? ENV_REQUIRETLS : 0u)
         | (tx->tls_optional ? ENV_TLS_OPTIONAL : 0u)
         | (s->secure ? ENV_SECURE : 0u)
         | (s->account.n > 0 ? ENV_AUTHENTICATED : 0u)
         | (s->listen->role == LISTEN_SINK ? ENV_SINK : 0u);
}

/* put - a parameter that was given */

static void put(struct wire *out, enum envelope_extra name, struct slice value)
{
    if (value.n > 0)
        extra_put(out, name, value);
}

static struct slice ret_text(enum ret_kind ret)
{
    return ret == RET_FULL ? SLICE_LIT("FULL") : ret == RET_HDRS ? SLICE_LIT("HDRS")
                                                                 : (struct slice){ 0 };
}

static struct slice verb_text(enum tx_verb verb)
{
    static const struct slice texts[] = {
        [TX_SEND] = SLICE_INIT("SEND"), [TX_SOML] = SLICE_INIT("SOML"),
        [TX_SAML] = SLICE_INIT("SAML"),
    };

    return verb == TX_MAIL ? (struct slice){ 0 } : texts[verb];
}

static void put_numbers(struct wire *out, const struct wishes *w)
{
    char text[32];

    if (w->hold > 0) {
        snprintf(text, sizeof text, "%" PRId64, w->hold);
        put(out, EXTRA_HOLD, slice_cstr(text));
    }
    if (w->has_priority) {
        snprintf(text, sizeof text, "%d", w->priority);
        put(out, EXTRA_PRIORITY, slice_cstr(text));
    }
}

struct slice wishes_extra(const struct session *s, struct buf *room)
{
    const struct wishes *w = &s->tx->wishes;
    struct wire out = wire_writer(room);

    buf_clear(room);
    put(&out, EXTRA_RET, ret_text(w->ret));
    put(&out, EXTRA_ENVID, w->envid);
    put(&out, EXTRA_AUTH, w->auth);
    put(&out, EXTRA_BY, w->by);
    put_numbers(&out, w);
    put(&out, EXTRA_SOLICIT, w->solicit);
    put(&out, EXTRA_VERB, verb_text(w->verb));
    put(&out, EXTRA_XEXCH50, s->tx->xexch50);
    put(&out, EXTRA_TLS, s->tls_note);
    put(&out, EXTRA_ACCOUNT, s->account);
    put(&out, EXTRA_XFORWARD, s->xforward);
    put(&out, EXTRA_LINKPATH, w->linkpath);
    return buf_view(room);
}

/* -------------------------------------------------------------------- RCPT -- */

enum reply_id params_rcpt(const struct rcpt_command *r, struct arena *a, struct slice *extra)
{
    static struct buf room = { .max = RCPT_EXTRA_MAX };
    struct wire out = wire_writer(&room);
    unsigned notify = 0;
    char text[40];

    if (r->notify.n > 0 && !notify_parse(r->notify, &notify))
        return REPLY_BAD_ARGUMENTS;
    buf_clear(&room);
    put(&out, EXTRA_NOTIFY, slice_cstr(notify_text(notify)));
    put(&out, EXTRA_ORCPT, r->orcpt);
    if (r->has_rrvs) {
        snprintf(text, sizeof text, "%" PRId64 " %c", r->rrvs / 1000, r->rrvs_reject ? 'R' : 'C');
        put(&out, EXTRA_RRVS, slice_cstr(text));
    }
    *extra = room.n > 0 ? arena_copy(a, buf_view(&room)) : (struct slice){ 0 };
    return out.bad || a->spent ? REPLY_LOCAL_TROUBLE : REPLY_OK;
}

struct slice extra_marked(struct slice extra, const char *origin, struct arena *a)
{
    static struct buf room = { .max = RCPT_EXTRA_MAX + 64 };
    struct wire out = wire_writer(&room);

    buf_clear(&room);
    buf_put_slice(&room, extra);
    extra_put(&out, EXTRA_EXPANDED, slice_cstr(origin));
    return arena_copy(a, buf_view(&room));
}
