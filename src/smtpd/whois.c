/* whois.c - VRFY and EXPN as a session says them. */
#include "base/ascii.h"
#include "base/utf8.h"
#include "base/wire.h"
#include "smtpd/whois.h"

enum {
    NAME_MAX_BYTES = 500,           /* of what is asked for */
    WHOIS_LINES    = 1000,          /* of one reply */
    PIECE_LINES    = REPLY_TEXT / REPLY_LINE,
};

/* ------------------------------------------------------------- the question -- */

struct question {
    struct slice text;
    bool         utf8;              /* the answer may be in UTF-8 */
};

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (ascii_control(s.p[i]))
            return true;
    return false;
}

/* take_parameter - SMTPUTF8 behind the name (RFC 6531 §3.7.4.2), for who is offered it */

static void take_parameter(const struct session *s, struct question *q)
{
    static const struct slice word = SLICE_INIT("SMTPUTF8");
    size_t at = slice_rchr(q->text, ' ');

    if (!s->esmtp || !session_granted(s, FEATURE_SMTPUTF8) || at == q->text.n
        || !slice_ieq(slice_from(q->text, at + 1), word))
        return;
    q->utf8 = true;
    q->text = slice_trim(slice_first(q->text, at));
}

static enum reply_id question_read(const struct session *s, struct slice args,
                                   struct question *q)
{
    *q = (struct question){ .text = slice_trim(args) };
    take_parameter(s, q);
    if (q->text.n >= 2 && q->text.p[0] == '<' && q->text.p[q->text.n - 1] == '>')
        q->text = slice_of(q->text.p + 1, q->text.n - 2);
    if (q->text.n == 0 || q->text.n > NAME_MAX_BYTES || has_control(q->text))
        return REPLY_BAD_ARGUMENTS;
    if (utf8_ascii(q->text))
        return REPLY_OK;
    return q->utf8 && utf8_printable(q->text) ? REPLY_OK : REPLY_NEED_UTF8;
}

/* ask - the question goes to lookup, unless this session has asked enough */

static unsigned ask(struct session *s, const struct question *q, bool expn, enum reply_id enough)
{
    const struct server *server = s->server;
    uint64_t ticket;

    if (s->whois_asked >= server->conf->limits.vrfy)
        return enough;
    s->whois_asked++;
    s->whois_expn = expn;
    s->whois_utf8 = q->utf8;
    ticket = server->world->whois(server->ctx, s, expn, q->utf8, q->text);
    if (ticket == 0)
        return REPLY_LOCAL_TROUBLE;
    session_ask(s, ticket, WORLD_PATIENCE, NULL);
    return REPLY_NONE;
}

unsigned on_vrfy(struct session *s, struct slice args, struct reply *r)
{
    struct question q;
    enum reply_id id = question_read(s, args, &q);

    (void)r;
    if (id != REPLY_OK)
        return id;
    if (!session_granted(s, FEATURE_VRFY))
        return REPLY_CANNOT_VRFY;
    return ask(s, &q, false, REPLY_CANNOT_VRFY);
}

unsigned on_expn(struct session *s, struct slice args, struct reply *r)
{
    struct question q;
    enum reply_id id = question_read(s, args, &q);

    (void)r;
    return id != REPLY_OK ? id : ask(s, &q, true, REPLY_NO_EXPN);
}

/* --------------------------------------------------------------- the answer -- */

/* How each verb says what lookup found. */
static const struct saying {
    unsigned code;
    struct {
        enum reply_id id;
        const char   *before;       /* what stands before an entry; NULL: they are not told */
    } vrfy, expn;
} sayings[] = {
    { 250, { REPLY_VRFY_OK, "" },            { REPLY_VRFY_OK, "" } },
    { 251, { REPLY_RCPT_FORWARD, "User not local; will forward to " }, { REPLY_VRFY_OK, "" } },
    { 252, { REPLY_CANNOT_VRFY, NULL },      { REPLY_CANNOT_VRFY, NULL } },
    { 550, { REPLY_NO_SUCH_USER, NULL },     { REPLY_NO_SUCH_USER, NULL } },
    { 551, { REPLY_NOT_LOCAL, "User not local; please try " }, { REPLY_NO_SUCH_USER, NULL } },
    { 553, { REPLY_VRFY_AMBIGUOUS, "" },     { REPLY_EXPN_AMBIGUOUS, "" } },
};

static const struct saying *saying_find(unsigned code)
{
    for (size_t i = 0; i < sizeof sayings / sizeof sayings[0]; i++)
        if (sayings[i].code == code)
            return &sayings[i];
    return NULL;
}

/* may_relay - would mail for somebody else's domain be taken from this client? */

static bool may_relay(const struct session *s)
{
    return s->trusted || s->account.n > 0;
}

/* A reply that may have more lines than a struct reply holds. */
struct paper {
    struct session *session;
    struct reply    reply;
    enum reply_id   id;
    unsigned        lines;
};

static void paper_line(struct paper *p, const char *before, struct slice name,
                       struct slice address)
{
    if (p->lines > 0 && p->lines % PIECE_LINES == 0) {
        reply_write_more(p->session->out, &p->reply, session_enhanced(p->session));
        p->reply.len = 0;
    }
    p->lines++;
    reply_add(&p->reply, p->id, "%s%.*s%s<%.*s>", before, SLICE(name), name.n > 0 ? " " : "",
              SLICE(address));
}

static void say_entries(struct paper *p, const char *before, const struct whois_answer *answer)
{
    struct wire w = wire_reader(answer->entries);

    for (uint32_t i = 0; i < answer->nentries && i < WHOIS_LINES && before != NULL; i++) {
        struct slice name = wire_get_bytes(&w), address = wire_get_bytes(&w);

        if (!w.bad)
            paper_line(p, before, slice_first(name, 100), slice_first(address, 340));
    }
}

/* needs_utf8 - is there an address that cannot be told in ASCII (RFC 6531 §3.7.4.2)? */

static bool needs_utf8(const struct whois_answer *answer)
{
    struct wire w = wire_reader(answer->entries);

    for (uint32_t i = 0; i < answer->nentries && !w.bad; i++) {
        wire_get_bytes(&w);
        if (!utf8_ascii(wire_get_bytes(&w)))
            return true;
    }
    return false;
}

void session_whois(struct session *s, uint64_t ticket, const struct whois_answer *answer)
{
    static struct paper p;
    const struct saying *how = saying_find(answer->code);

    if (!session_answered(s, ticket))
        return;
    if (answer->code == 551 && !s->whois_expn && may_relay(s))
        how = saying_find(252);
    if (how == NULL) {
        session_say(s, REPLY_LOCAL_TROUBLE);
        return;
    }
    if (!s->whois_utf8 && needs_utf8(answer)) {
        session_say(s, REPLY_NEED_UTF8_REPLY);
        return;
    }
    p.session = s;
    p.id = s->whois_expn ? how->expn.id : how->vrfy.id;
    p.reply = (struct reply){ .id = p.id, .utf8 = s->whois_utf8 };
    p.lines = 0;
    if (answer->code == 553)
        reply_add(&p.reply, p.id, "Ambiguous; possibilities are");
    say_entries(&p, s->whois_expn ? how->expn.before : how->vrfy.before, answer);
    session_say_reply(s, &p.reply);
}
