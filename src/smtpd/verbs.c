/* verbs.c - the server's commands.
 *
 * verb_run() looks the verb up, asks gate() whether it may run now, and runs
 * its handler. A handler therefore starts in a legal stage; it parses its
 * arguments once, acts, and returns the name of a reply.
 *
 * To add a command: one row below and one on_xxx() function (in the file of its
 * kind); HELP follows by itself, EHLO by the row of its feature in ehlo.c.
 */
#include <stdlib.h>
#include "base/ascii.h"
#include "smtpd/auth.h"
#include "smtpd/bdat.h"
#include "smtpd/ehlo.h"
#include "smtpd/exchange.h"
#include "smtpd/fetch.h"
#include "smtpd/intake.h"
#include "smtpd/linkstate.h"
#include "smtpd/params.h"
#include "smtpd/policy.h"
#include "smtpd/secure.h"
#include "smtpd/verbs.h"
#include "smtpd/whois.h"
#include "smtpd/xclient.h"

static verb_f on_helo, on_ehlo, on_mail, on_rcpt, on_data, on_rset, on_noop, on_quit, on_help,
              on_send, on_soml, on_saml;

const struct verb verbs[] = {
    { "EHLO", on_ehlo, S_COMMANDS, REPLY_OUT_OF_ORDER,
      V_LAST | V_JUNK | V_OPEN | V_SMTP | V_ODMR, NO_FEATURE,
      "EHLO name: say who you are, and hear what is offered" },
    { "HELO", on_helo, S_COMMANDS, REPLY_OUT_OF_ORDER,
      V_LAST | V_JUNK | V_OPEN | V_SMTP | V_ODMR, NO_FEATURE,
      "HELO name: say who you are" },
    { "LHLO", on_ehlo, S_COMMANDS, REPLY_OUT_OF_ORDER,
      V_LAST | V_JUNK | V_OPEN | V_LMTP, NO_FEATURE,
      "LHLO name: say who you are, and hear what is offered" },
    { "MAIL", on_mail, S_READY, REPLY_MAIL_TWICE, V_HELO | V_FOLLOWS, NO_FEATURE,
      "MAIL FROM:<sender> [parameters]: begin a message" },
    { "RCPT", on_rcpt, S_SENDER | S_RCPTS, REPLY_NEED_MAIL, V_QUEUES | V_FOLLOWS, NO_FEATURE,
      "RCPT TO:<recipient> [parameters]: add a recipient to the message" },
    { "DATA", on_data, S_SENDER | S_RCPTS, REPLY_NEED_MAIL, V_LAST | V_PLAIN, NO_FEATURE,
      "DATA: send the text of the message, ended by a dot on a line by itself" },
    { "BDAT", on_bdat, S_SENDER | S_RCPTS | S_CHUNKS, REPLY_NEED_MAIL, V_HELO | V_CHUNK | V_FOLLOWS,
      FEATURE_CHUNKING,
      "BDAT size [LAST]: so many octets of the message follow this line" },
    { "SEND", on_send, S_READY, REPLY_MAIL_TWICE, V_HELO, FEATURE_SEND,
      "SEND FROM:<sender>: begin a message to terminals" },
    { "SOML", on_soml, S_READY, REPLY_MAIL_TWICE, V_HELO, FEATURE_SOML,
      "SOML FROM:<sender>: begin a message to terminals, or mailboxes of who is away" },
    { "SAML", on_saml, S_READY, REPLY_MAIL_TWICE, V_HELO, FEATURE_SAML,
      "SAML FROM:<sender>: begin a message to terminals and mailboxes" },
    { "ETRN", on_etrn, S_READY, REPLY_OUT_OF_ORDER, V_HELO | V_LAST | V_JUNK, FEATURE_ETRN,
      "ETRN name: send what waits for this host (@name: and all below it; #name: a queue)" },
    { "TURN", on_turn, S_READY, REPLY_OUT_OF_ORDER, V_HELO | V_LAST | V_PLAIN | V_JUNK, FEATURE_TURN,
      "TURN: send what waits for you over this connection" },
    { "ATRN", on_atrn, S_READY, REPLY_OUT_OF_ORDER, V_HELO | V_LAST | V_JUNK | V_ODMR, FEATURE_ATRN,
      "ATRN [domain,...]: send what waits for your domains over this connection" },
    { "AUTH", on_auth, S_READY, REPLY_OUT_OF_ORDER, V_HELO | V_LAST | V_OPEN | V_ODMR, FEATURE_AUTH,
      "AUTH mechanism [first answer]: log in" },
    { "X-EXPS", on_auth, S_READY, REPLY_OUT_OF_ORDER, V_HELO | V_LAST | V_OPEN | V_ODMR,
      FEATURE_X_EXPS, "X-EXPS mechanism [first answer]: log in; another name of AUTH" },
    { "XCLIENT", on_xclient, S_START | S_READY, REPLY_OUT_OF_ORDER, V_LAST | V_JUNK | V_OPEN,
      FEATURE_XCLIENT, "XCLIENT name=value...: for whom you speak" },
    { "XFORWARD", on_xforward, S_START | S_READY, REPLY_OUT_OF_ORDER, V_JUNK | V_OPEN,
      FEATURE_XFORWARD, "XFORWARD name=value...: from whom the next message came" },
    { "X-LINK2STATE", on_link2state, S_READY, REPLY_OUT_OF_ORDER, V_HELO | V_LAST,
      FEATURE_LINK2STATE,
      "X-LINK2STATE [FIRST|NEXT|LAST] CHUNK={length} data: the links that you know" },
    { "XEXCH50", on_xexch50, S_RCPTS, REPLY_NEED_RCPT, V_HELO | V_LAST, FEATURE_XEXCH50,
      "XEXCH50 size number: so many octets of properties go with the message" },
    { "RSET", on_rset, S_COMMANDS, REPLY_OUT_OF_ORDER, V_PLAIN | V_JUNK | V_OPEN | V_ODMR | V_FOLLOWS,
      NO_FEATURE, "RSET: forget the message that was begun" },
    { "NOOP", on_noop, S_COMMANDS, REPLY_OUT_OF_ORDER, V_JUNK | V_OPEN | V_ODMR | V_FOLLOWS,
      NO_FEATURE, "NOOP: do nothing" },
    { "QUIT", on_quit, S_COMMANDS, REPLY_OUT_OF_ORDER, V_PLAIN | V_LEAVES | V_OPEN | V_ODMR,
      NO_FEATURE, "QUIT: end the session" },
    { "HELP", on_help, S_COMMANDS, REPLY_OUT_OF_ORDER, V_JUNK | V_OPEN | V_ODMR,
      FEATURE_HELP, "HELP [command]: list the commands, or explain one" },
    { "STARTTLS", on_starttls, S_COMMANDS, REPLY_OUT_OF_ORDER,
      V_LAST | V_PLAIN | V_JUNK | V_OPEN | V_ODMR, FEATURE_STARTTLS,
      "STARTTLS: go on over TLS" },
    { "VRFY", on_vrfy, S_COMMANDS, REPLY_OUT_OF_ORDER, V_JUNK, NO_FEATURE,
      "VRFY name [SMTPUTF8]: who is this? Not everybody is told" },
    { "EXPN", on_expn, S_COMMANDS, REPLY_OUT_OF_ORDER, V_JUNK, FEATURE_EXPN,
      "EXPN list [SMTPUTF8]: who is behind this list?" },
};

enum { VERBS = sizeof verbs / sizeof verbs[0] };

const unsigned verbs_count = VERBS;

/* Commands of SMTP that this server does not have. */
static const char *const unoffered[] = {
    "BURL",
};

/* How clients that take us for something else begin (A028). */
static const struct slice foreign[] = {
    { "GET ", 4 }, { "POST ", 5 }, { "HEAD ", 5 }, { "PUT ", 4 }, { "CONNECT ", 8 },
    { "OPTIONS ", 8 }, { "DELETE ", 7 }, { "PRI * HTTP", 10 }, { "SSH-", 4 },
    { "\x16\x03", 2 }, { "\x03\x00\x00", 3 }, { "\x80", 1 }, { "\x05\x01", 2 },
};

static bool is_name(struct slice s, const char *name)
{
    return slice_ieq(s, slice_cstr(name));
}

static const struct verb *verb_find(struct slice name)
{
    if (name.n == 8 && is_name(name, "X-EXCH50"))      /* how some write it */
        name = SLICE_LIT("XEXCH50");
    for (size_t i = 0; name.n > 0 && i < VERBS; i++)
        if (ascii_lower(name.p[0]) == ascii_lower(verbs[i].name[0]) && is_name(name, verbs[i].name))
            return &verbs[i];
    return NULL;
}

static bool is_unoffered(struct slice name)
{
    for (size_t i = 0; i < sizeof unoffered / sizeof unoffered[0]; i++)
        if (is_name(name, unoffered[i]))
            return true;
    return false;
}

bool verb_foreign(struct slice in)
{
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (slice_istarts(in, foreign[i]))
            return true;
    return false;
}

struct command verb_read(struct slice line)
{
    struct command c = { .line = line };

    command_split(line, &c.name, &c.args);
    c.verb = verb_find(c.name);
    return c;
}

/* gate - may this verb run now? REPLY_OK, or the refusal */

bool verb_offered(const struct session *s, const struct verb *v)
{
    bool lmtp = s->listen->role == LISTEN_LMTP;

    return !(v->flags & (lmtp ? V_SMTP : V_LMTP))
        && (s->listen->role != LISTEN_ODMR || (v->flags & V_ODMR))
        && (v->feature == NO_FEATURE || session_granted(s, (enum feature)v->feature));
}

/* locked - the listener wants TLS, or a login, first */

static enum reply_id locked(const struct session *s, const struct verb *v)
{
    if (v->flags & V_OPEN)
        return REPLY_OK;
    if (s->listen->tls == LISTEN_TLS_REQUIRE && !s->secure)
        return REPLY_NEED_TLS;
    return s->listen->auth == LISTEN_AUTH_REQUIRE && s->account.n == 0 ? REPLY_NEED_AUTH
                                                                       : REPLY_OK;
}

/* unoffered_reply - what was offered until it was used is out of order now (RFC 3207
 * §4, RFC 4954 §4) */

static enum reply_id unoffered_reply(const struct session *s, const struct verb *v)
{
    bool login = v->feature == FEATURE_AUTH || v->feature == FEATURE_X_EXPS;

    if (login && s->listen->tls == LISTEN_TLS_REQUIRE && !s->secure)
        return REPLY_NEED_TLS;
    if ((v->feature == FEATURE_STARTTLS && s->secure) || (login && s->account.n > 0))
        return REPLY_OUT_OF_ORDER;
    return v->flags & (V_LMTP | V_SMTP) ? REPLY_UNKNOWN_COMMAND : REPLY_NOT_IMPLEMENTED;
}

static enum reply_id gate(struct session *s, const struct verb *v, struct slice name,
                          struct slice args)
{
    if (v == NULL)
        return is_unoffered(name) ? REPLY_NOT_IMPLEMENTED : REPLY_UNKNOWN_COMMAND;
    if (!verb_offered(s, v))
        return unoffered_reply(s, v);
    if (s->server->draining && s->tx == NULL && !(v->flags & V_LEAVES))
        return REPLY_SHUTTING_DOWN;
    if (locked(s, v) != REPLY_OK)
        return locked(s, v);
    if (s->input_waiting && (v->flags & V_LAST))
        return REPLY_OUT_OF_STEP;
    if (s->stage == S_START && (v->flags & V_HELO))
        return REPLY_NEED_HELO;
    if (!(v->stages & s->stage))
        return s->stage == S_CHUNKS ? REPLY_OUT_OF_ORDER : v->otherwise;
    if ((v->flags & V_PLAIN) && args.n > 0)
        return REPLY_BAD_ARGUMENTS;
    if ((v->flags & V_JUNK) && ++s->junk > s->server->conf->limits.junk)
        return REPLY_TOO_MUCH_JUNK;
    return REPLY_OK;
}

unsigned verb_run(struct session *s, const struct command *c, struct reply *r)
{
    enum reply_id id;

    s->greeted = true;
    id = gate(s, c->verb, c->name, c->args);
    if (id == REPLY_OK)
        return c->verb->handle(s, c->args, r);
    return verb_has(c, V_CHUNK) && verb_offered(s, c->verb) ? bdat_refuse(s, c->args, id) : id;
}

/* Room for the parameters of extensions, beyond the 512 octets of RFC 5321. */
static const struct { struct slice verb; size_t octets; } allowances[] = {
    { SLICE_INIT("MAIL "),        512 + 2771 },     /* SIZE 26, BODY 16, SMTPUTF8 10, RET 9, ENVID 107,
                                                       AUTH 506, BY 17, HOLD 34, MT-PRIORITY 15,
                                                       REQUIRETLS 11, SOLICIT 1007,
                                                       XLINKPATH 1011 */
    { SLICE_INIT("RCPT "),        512 + 584 },      /* NOTIFY 29, ORCPT 507, RRVS 48 */
    { SLICE_INIT("AUTH "),        12288 + 2 },      /* RFC 4954 §4 */
    { SLICE_INIT("X-EXPS "),      12288 + 2 },
    { SLICE_INIT("X-LINK2STATE "), 1024 },
};

size_t verb_line_max(const struct session *s, struct slice in)
{
    size_t max = s->server->conf->limits.command_line;

    for (size_t i = 0; i < sizeof allowances / sizeof allowances[0]; i++)
        if (slice_istarts(in, allowances[i].verb) && allowances[i].octets > max)
            return allowances[i].octets;
    return max;
}

bool verb_chunk(const struct session *s, struct slice in)
{
    return session_granted(s, FEATURE_CHUNKING) && slice_istarts(in, SLICE_LIT("BDAT"));
}

/* ------------------------------------------------------------- HELO, EHLO -- */

static bool set_helo(struct session *s, struct slice name)
{
    char *copy = malloc(name.n + 1);

    if (copy == NULL)
        return false;
    memcpy(copy, name.p, name.n);
    free((char *)(uintptr_t)s->helo.p);
    s->helo = slice_of(copy, name.n);
    return true;
}

/* hello - both begin anew: an open transaction is forgotten (RFC 5321 §4.1.4) */

static enum reply_id hello(struct session *s, struct slice name, bool esmtp)
{
    if (!helo_valid(name))
        return REPLY_BAD_DOMAIN;
    if (!set_helo(s, name))
        return REPLY_LOCAL_TROUBLE;
    tx_drop(s);
    s->esmtp = esmtp;
    s->lmtp = s->listen->role == LISTEN_LMTP;
    session_enter(s, S_READY);
    return REPLY_OK;
}

static unsigned on_helo(struct session *s, struct slice args, struct reply *r)
{
    enum reply_id id = hello(s, args, false);

    if (id != REPLY_OK)
        return id;
    return reply_add(r, REPLY_HELO, "%.*s", SLICE(s->server->conf->hostname));
}

static unsigned on_ehlo(struct session *s, struct slice args, struct reply *r)
{
    enum reply_id id = hello(s, args, true);

    if (id != REPLY_OK)
        return id;
    reply_text(r, REPLY_EHLO, s->server->conf->hostname, (struct slice){ 0 });
    return ehlo_write(s, r);
}

/* -------------------------------------------------------- MAIL, RCPT, DATA -- */

/* The parse of one command needs memory only until the next. */

static struct arena *scratch(void)
{
    static struct arena arena = { .max = 64 << 10 };

    arena_reset(&arena);
    return &arena;
}

static enum reply_id address_reply(enum address_error error, enum reply_id bad)
{
    switch (error) {
    case ADDRESS_UTF8:      return REPLY_NEED_UTF8;
    case ADDRESS_NO_MEMORY: return REPLY_LOCAL_TROUBLE;
    default:                return bad;
    }
}

static enum reply_id parse_reply(enum command_error error, const struct command_problem *why,
                                 enum reply_id bad_address)
{
    if (error == COMMAND_ADDRESS)
        return address_reply(why->address, bad_address);
    if (error == COMMAND_PARAM && why->param == PARAM_UNKNOWN)
        return REPLY_UNKNOWN_PARAMETER;
    return REPLY_BAD_ARGUMENTS;
}

/* queue_room - may there be a new message? Until the queue has spoken, wait a
 * moment for it: it may just be starting again. */

static unsigned queue_room(struct session *s)
{
    switch (s->server->world->room(s->server->ctx)) {
    case ROOM_YES:
        s->stalled = 0;
        return REPLY_OK;
    case ROOM_FULL:
        s->stalled = 0;
        return REPLY_DISK_FULL;
    default:
        break;
    }
    if (session_flies(s)) {         /* it waits for the queue already */
        s->wait = WAIT_COMMIT;
        return REPLY_STALL;
    }
    if (s->stalled == 0)
        s->stalled = s->server->mono;
    if (s->server->mono - s->stalled >= WORLD_PATIENCE) {
        s->stalled = 0;
        return REPLY_LOCAL_TROUBLE;
    }
    s->wait = WAIT_QUEUE;
    return REPLY_STALL;
}

/* mail - MAIL, or one of its sisters */

static unsigned mail(struct session *s, struct slice args, enum tx_verb verb)
{
    unsigned offers = verb == TX_MAIL ? params_offers_mail(s) : params_offers_terminal(s);
    struct arena *a = scratch();
    struct command_problem why = { 0 };
    struct mail_command m;
    struct wishes wishes;
    enum command_error error = mail_parse(args, offers, a, &m, &why);
    unsigned id;

    if (error != COMMAND_OK)
        return parse_reply(error, &why, REPLY_BAD_SENDER);
    if (s->messages >= s->server->conf->limits.messages)
        return REPLY_TOO_MANY_MESSAGES;
    if (m.size > s->server->conf->limits.message_size)
        return REPLY_TOO_BIG;
    id = params_ascii(&m.sender, a, REPLY_BAD_SENDER);
    if (id == REPLY_OK)
        id = params_mail(s, &m, a, &wishes);
    if (id == REPLY_OK)
        id = queue_room(s);
    if (id != REPLY_OK)
        return id;
    wishes.verb = verb;
    wishes.size = m.size;
    return tx_begin(s, &m.sender, &wishes) ? REPLY_SENDER_OK : REPLY_LOCAL_TROUBLE;
}

static unsigned on_mail(struct session *s, struct slice args, struct reply *r)
{
    (void)r;
    return mail(s, args, TX_MAIL);
}

static unsigned on_send(struct session *s, struct slice args, struct reply *r)
{
    (void)r;
    return mail(s, args, TX_SEND);
}

static unsigned on_soml(struct session *s, struct slice args, struct reply *r)
{
    (void)r;
    return mail(s, args, TX_SOML);
}

static unsigned on_saml(struct session *s, struct slice args, struct reply *r)
{
    (void)r;
    return mail(s, args, TX_SAML);
}

static unsigned on_rcpt(struct session *s, struct slice args, struct reply *r)
{
    struct arena *a = scratch();
    struct command_problem why = { 0 };
    struct rcpt_command rcpt;
    enum command_error error = rcpt_parse(args, params_offers_rcpt(s), a, &rcpt, &why);
    enum reply_id id;

    (void)r;
    if (error != COMMAND_OK)
        return parse_reply(error, &why, REPLY_BAD_RCPT);
    id = params_ascii(&rcpt.rcpt, a, REPLY_BAD_RCPT);
    return id == REPLY_OK ? rcpt_add(s, &rcpt) : id;
}

static unsigned on_data(struct session *s, struct slice args, struct reply *r)
{
    (void)args;
    (void)r;
    if (s->stage != S_RCPTS)
        return tx_no_rcpts(s);
    if (s->tx->wishes.body == BODY_BINARYMIME)
        return REPLY_NEED_BDAT;
    intake_begin(s, S_TEXT);
    return REPLY_SEND_DATA;
}

/* ------------------------------------------------------------- the others -- */

static unsigned on_rset(struct session *s, struct slice args, struct reply *r)
{
    (void)args;
    (void)r;
    tx_drop(s);
    return REPLY_OK;
}

static unsigned on_noop(struct session *s, struct slice args, struct reply *r)
{
    (void)s;
    (void)args;
    (void)r;
    return REPLY_OK;
}

static unsigned on_quit(struct session *s, struct slice args, struct reply *r)
{
    (void)s;
    (void)args;
    (void)r;
    return REPLY_BYE;
}

static unsigned on_help(struct session *s, struct slice args, struct reply *r)
{
    const struct verb *v = verb_find(args);

    if (args.n > 0)
        return v != NULL && verb_offered(s, v) ? reply_add(r, REPLY_HELP, "%s", v->help) : REPLY_BAD_PARAMETER;
    reply_add(r, REPLY_HELP, "Commands of this server:");
    for (size_t i = 0; i < VERBS; i++)
        if (verb_offered(s, &verbs[i]))
            reply_add(r, REPLY_HELP, "%s", verbs[i].name);
    return reply_add(r, REPLY_HELP, "HELP and a command explains it");
}
