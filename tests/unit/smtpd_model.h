/* smtpd_model.h - the server session as a table: what may be said when, what is answered,
 * and where that leads. Tests drive it beside the real one, and compare.
 *
 * A stranger talks to a listener of role mx, whose message_size is MODEL_SIZE.
 */
#pragma once
#include "smtpd_world.h"

enum { MODEL_SIZE = 100, MODEL_COMMANDS = 16 };     /* so many of a sequence do not fill MODEL_SIZE */

/* Where a session is. B: BODY=BINARYMIME was given. */
#define MODEL_STATES(S)                                                                    \
    S(START)        /* greeted */                                                          \
    S(READY)        /* after EHLO or HELO */                                               \
    S(SENDER)       /* MAIL */                                                             \
    S(REFUSED)      /* MAIL, and recipients that were refused */                           \
    S(RCPTS)        /* MAIL and a recipient */                                             \
    S(BSENDER) S(BREFUSED) S(BRCPTS)                                                       \
    S(CHUNKS)       /* MAIL, a recipient, and chunks */                                    \
    S(BCHUNKS)                                                                             \
    S(SPOILED)      /* the same, one with a bare LF */                                     \
    S(ENDED)

enum model_state {
#define S(NAME) M_##NAME,
    MODEL_STATES(S)
#undef S
    M_SAME
};

/*    NAME, octets, text after 354 */
#define MODEL_WORDS(C)                                                                     \
    C(EHLO,       "EHLO c.example\r\n", "")                                                \
    C(HELO,       "HELO c.example\r\n", "")                                                \
    C(MAIL,       "MAIL FROM:<a@b.example>\r\n", "")                                       \
    C(MAIL_B,     "MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n", "")                       \
    C(MAIL_BAD,   "MAIL FROM:<a@b\r\n", "")                                                \
    C(RCPT,       "RCPT TO:<user@ours.example>\r\n", "")                                   \
    C(RCPT_ASKED, "RCPT TO:<asked@ours.example>\r\n", "")                                  \
    C(RCPT_NO,    "RCPT TO:<nobody@ours.example>\r\n", "")                                 \
    C(RCPT_ASKED_NO, "RCPT TO:<asked-no@ours.example>\r\n", "")                            \
    C(RCPT_FAR,   "RCPT TO:<a@far.example>\r\n", "")                                       \
    C(RCPT_BAD,   "RCPT TO:<a@>\r\n", "")                                                  \
    C(DATA,       "DATA\r\n", "x\r\n..\r\n.\r\n")                                          \
    C(DATA_BARE,  "DATA\r\n", "a\nb\r\n.\r\n")                                             \
    C(DATA_BIG,   "DATA\r\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
                              "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n.\r\n") \
    C(BDAT,       "BDAT 6\r\nQUIT\r\n", "")                                                \
    C(BDAT_LAST,  "BDAT 6 LAST\r\nRSET\r\n", "")                                           \
    C(BDAT_0,     "BDAT 0\r\n", "")                                                        \
    C(BDAT_0LAST, "BDAT 0 LAST\r\n", "")                                                   \
    C(BDAT_BARE,  "BDAT 3\r\na\nb", "")                                                    \
    C(BDAT_BARE_LAST, "BDAT 3 LAST\r\na\nb", "")                                           \
    C(BDAT_BIG,   "BDAT 101\r\n0123456789\r\n.\r\nQUIT\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
                  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "")                       \
    C(BDAT_WRONG, "BDAT -1 LAST\r\n", "")                                                  \
    C(RSET,       "RSET\r\n", "")                                                          \
    C(RSET_ARG,   "RSET x\r\n", "")                                                        \
    C(NOOP,       "NOOP\r\n", "")                                                          \
    C(VRFY,       "VRFY user\r\n", "")                                                     \
    C(HELP,       "HELP\r\n", "")                                                          \
    C(QUIT,       "QUIT\r\n", "")                                                          \
    C(UNKNOWN,    "XYZZY\r\n", "")                                                         \
    C(NUL,        "NO\0OP\r\n", "")                                                        \
    C(EXPN,       "EXPN x\r\n", "")                                                        \
    C(SEND,       "SEND FROM:<a@b.example>\r\n", "")                                       \
    C(ETRN,       "ETRN ours.example\r\n", "")                                             \
    C(ATRN,       "ATRN ours.example\r\n", "")                                             \
    C(XEXCH50,    "XEXCH50 1 2\r\n", "")                                                   \
    C(XCLIENT,    "XCLIENT ADDR=10.0.0.1\r\n", "")

enum model_word {
#define C(NAME, octets, text) W_##NAME,
    MODEL_WORDS(C)
#undef C
    MODEL_WORDS_COUNT
};

static const struct { const char *name; struct slice octets, text; } model_words[] = {
#define C(NAME, octets, text) [W_##NAME] = { #NAME, SLICE_INIT(octets), SLICE_INIT(text) },
    MODEL_WORDS(C)
#undef C
};

#define IN(NAME)  (1u << M_##NAME)
#define ANYWHERE  (~0u)
#define NO_RCPT   (IN(SENDER) | IN(BSENDER))
#define ALL_NO    (IN(REFUSED) | IN(BREFUSED))
#define PLAIN_TX  (IN(SENDER) | IN(REFUSED) | IN(RCPTS))
#define BINARY_TX (IN(BSENDER) | IN(BREFUSED) | IN(BRCPTS))

/* The first row that fits is the rule. helo: it holds only after HELO. then: the reply
 * after the text. message: one was accepted. */
static const struct model_rule {
    enum model_word  word;
    unsigned         where;
    bool             helo;
    unsigned         code, then;
    enum model_state next;
    bool             message;
} model_rules[] = {
#define RULE(word, where, code, next)          { W_##word, where, false, code, 0, M_##next, false },
#define RULE_HELO(word, where, code, next)     { W_##word, where, true,  code, 0, M_##next, false },
#define RULE_TEXT(word, where, then, next, ok) { W_##word, where, false, 354, then, M_##next, ok },
#define RULE_SENT(word, where)                 { W_##word, where, false, 250, 0, M_READY, true },
    RULE(EHLO, ANYWHERE, 250, READY)
    RULE(HELO, ANYWHERE, 250, READY)
    RULE(MAIL, IN(READY), 250, SENDER)
    RULE(MAIL, ANYWHERE, 503, SAME)
    RULE_HELO(MAIL_B, IN(READY), 555, SAME)
    RULE(MAIL_B, IN(READY), 250, BSENDER)
    RULE(MAIL_B, ANYWHERE, 503, SAME)
    RULE(MAIL_BAD, IN(READY), 501, SAME)
    RULE(MAIL_BAD, ANYWHERE, 503, SAME)
    RULE(RCPT, PLAIN_TX, 250, RCPTS)
    RULE(RCPT, BINARY_TX, 250, BRCPTS)
    RULE(RCPT, ANYWHERE, 503, SAME)
    RULE(RCPT_ASKED, PLAIN_TX, 250, RCPTS)
    RULE(RCPT_ASKED, BINARY_TX, 250, BRCPTS)
    RULE(RCPT_ASKED, ANYWHERE, 503, SAME)
#define REFUSALS(word)                                                                     \
    RULE(word, IN(SENDER) | IN(REFUSED), 550, REFUSED)                                     \
    RULE(word, IN(BSENDER) | IN(BREFUSED), 550, BREFUSED)                                  \
    RULE(word, IN(RCPTS) | IN(BRCPTS), 550, SAME)                                          \
    RULE(word, ANYWHERE, 503, SAME)
    REFUSALS(RCPT_NO)
    REFUSALS(RCPT_ASKED_NO)
    REFUSALS(RCPT_FAR)
    RULE(RCPT_BAD, PLAIN_TX | BINARY_TX, 501, SAME)
    RULE(RCPT_BAD, ANYWHERE, 503, SAME)
#define DATAS(word, then, next, ok)                                                        \
    RULE_TEXT(word, IN(RCPTS), then, next, ok)                                             \
    RULE(word, ALL_NO, 554, SAME)                                                          \
    RULE(word, ANYWHERE, 503, SAME)
    DATAS(DATA, 250, READY, true)
    DATAS(DATA_BARE, 550, ENDED, false)
    DATAS(DATA_BIG, 552, READY, false)
#define NO_CHUNK(word)                                                                     \
    RULE(word, ALL_NO, 554, SAME)                                                          \
    RULE(word, ANYWHERE, 503, SAME)
#define CHUNK(word)                                                                        \
    RULE(word, IN(RCPTS), 250, CHUNKS)                                                     \
    RULE(word, IN(BRCPTS), 250, BCHUNKS)                                                   \
    RULE(word, IN(CHUNKS) | IN(BCHUNKS) | IN(SPOILED), 250, SAME)                          \
    NO_CHUNK(word)
#define LAST_CHUNK(word)                                                                   \
    RULE_SENT(word, IN(RCPTS) | IN(BRCPTS) | IN(CHUNKS) | IN(BCHUNKS))                     \
    RULE(word, IN(SPOILED), 550, READY)                                                    \
    NO_CHUNK(word)
    CHUNK(BDAT)
    CHUNK(BDAT_0)
    LAST_CHUNK(BDAT_LAST)
    LAST_CHUNK(BDAT_0LAST)
    RULE(BDAT_BARE, IN(RCPTS) | IN(CHUNKS) | IN(SPOILED), 250, SPOILED)
    CHUNK(BDAT_BARE)
    RULE(BDAT_BARE_LAST, IN(RCPTS) | IN(CHUNKS) | IN(SPOILED), 550, READY)
    LAST_CHUNK(BDAT_BARE_LAST)
    RULE(BDAT_BIG, IN(RCPTS) | IN(BRCPTS) | IN(CHUNKS) | IN(BCHUNKS) | IN(SPOILED), 552, READY)
    NO_CHUNK(BDAT_BIG)
    RULE(BDAT_WRONG, ANYWHERE, 501, ENDED)
    RULE(RSET, IN(START), 250, SAME)
    RULE(RSET, ANYWHERE, 250, READY)
    RULE(RSET_ARG, ANYWHERE, 501, SAME)
    RULE(NOOP, ANYWHERE, 250, SAME)
    RULE(VRFY, ANYWHERE, 252, SAME)
    RULE(HELP, ANYWHERE, 214, SAME)
    RULE(QUIT, ANYWHERE, 221, ENDED)
    RULE(UNKNOWN, ANYWHERE, 500, SAME)
    RULE(NUL, ANYWHERE, 500, SAME)
    RULE(EXPN, ANYWHERE, 502, SAME)
    RULE(SEND, ANYWHERE, 502, SAME)
    RULE(ETRN, ANYWHERE, 502, SAME)
    RULE(ATRN, ANYWHERE, 502, SAME)
    RULE(XEXCH50, ANYWHERE, 502, SAME)
    RULE(XCLIENT, ANYWHERE, 502, SAME)
};

struct model {
    enum model_state state;
    bool             helo;
    unsigned         messages;
};

static inline const struct model_rule *model_find(const struct model *m, enum model_word word)
{
    for (size_t i = 0; i < sizeof model_rules / sizeof model_rules[0]; i++) {
        const struct model_rule *r = &model_rules[i];

        if (r->word == word && (r->where >> m->state & 1) && (!r->helo || m->helo))
            return r;
    }
    return NULL;
}

static inline const struct model_rule *model_step(struct model *m, enum model_word word)
{
    const struct model_rule *r = model_find(m, word);

    if (word == W_EHLO || word == W_HELO)
        m->helo = word == W_HELO;
    if (r->next != M_SAME)
        m->state = r->next;
    m->messages += r->message;
    return r;
}

/* model_waits - must the client wait for this reply before it says more? */
static inline bool model_waits(enum model_word word)
{
    return word == W_EHLO || word == W_HELO || word == W_DATA || word == W_DATA_BARE
        || word == W_DATA_BIG;
}

/* ----------------------------------------------------------- both, compared -- */

/* A run of both. Choices come as octets: each picks a word, and where to cut. */
struct model_run {
    struct script *w;
    struct model   model;
    const uint8_t *choices;
    size_t         n, at;
    unsigned       expected[MODEL_COMMANDS];
    enum model_word words[MODEL_COMMANDS];
    unsigned       nexpected, nheard;
    unsigned       answered;        /* lookups */
    char           why[200];        /* where they differ; empty: nowhere */
};

static inline uint8_t model_choice(struct model_run *r)
{
    return r->at < r->n ? r->choices[r->at++] : 0;
}

/* model_land - some of the messages that are under way become durable, in any order */
static inline void model_land(struct model_run *r, unsigned choice)
{
    struct flight *f = world_flight(r->w, choice);

    if (f != NULL)
        world_commit_now(r->w, f, COMMITTED_DONE);
}

/* model_land_all - and what comes behind the last of them may be under way as well */
static inline void model_land_all(struct model_run *r)
{
    while (session_flies(&r->w->s) && !session_ended(&r->w->s)) {
        model_land(r, model_choice(r) % 2);
        model_land(r, 0);
        script_go(r->w);
    }
}

/* model_feed - octets in pieces; what lookup and the disk were asked is answered now and
 * then */
static inline void model_feed(struct model_run *r, struct slice octets)
{
    while (octets.n > 0) {
        uint8_t c = model_choice(r);
        size_t n = c < 64 ? octets.n : (size_t)(c - 63);

        script_feed(r->w, slice_first(octets, n));
        octets = slice_from(octets, n);
        if (c % 2 == 0)
            for (; r->answered < r->w->nasked; r->answered++)
                world_answer(r->w, r->answered);
        if (c % 8 == 1)
            model_land(r, c / 8 % 3);
        script_go(r->w);
    }
    do {
        while (r->answered < r->w->nasked) {
            world_answer(r->w, r->answered++);
            script_go(r->w);
        }
        model_land_all(r);
    } while (r->answered < r->w->nasked);
}

/* model_reply - the code of the next whole reply; 0: there is none */
static inline unsigned model_reply(struct script *w)
{
    struct slice line, rest;
    unsigned code = 0;
    bool more = true;

    while (more) {
        if (!slice_cut(buf_view(&w->out), '\n', &line, &rest) || line.n < 4)
            return 0;
        code = (unsigned)(line.p[0] - '0') * 100 + (unsigned)(line.p[1] - '0') * 10
             + (unsigned)(line.p[2] - '0');
        more = line.p[3] == '-';
        buf_drop(&w->out, line.n + 1);
    }
    return code;
}

static inline bool model_hear(struct model_run *r, const char *after, unsigned wanted)
{
    unsigned code = model_reply(r->w);

    if (code != wanted)
        snprintf(r->why, sizeof r->why, "%s: %u, and the model says %u (word %u of %u)", after, code,
                 wanted, r->nheard, r->nexpected);
    return code == wanted;
}

/* model_group - commands that go out together, and their replies */
static inline bool model_group(struct model_run *r, unsigned *left)
{
    static struct buf group = { .max = 1 << 16 };
    const struct model_rule *rule = NULL;
    enum model_word word = W_NOOP;
    bool ok = true;

    buf_clear(&group);
    r->nexpected = r->nheard = 0;
    while (*left > 0) {
        uint8_t c = model_choice(r);

        (*left)--;
        word = (enum model_word)(c % MODEL_WORDS_COUNT);
        rule = model_step(&r->model, word);
        buf_put_slice(&group, model_words[word].octets);
        r->words[r->nexpected] = word;
        r->expected[r->nexpected++] = rule->code;
        if (model_waits(word) || r->model.state == M_ENDED || c > 200)
            break;
    }
    model_feed(r, buf_view(&group));
    for (unsigned i = 0; ok && i < r->nexpected; r->nheard = ++i)
        ok = model_hear(r, model_words[r->words[i]].name, r->expected[i]);
    if (ok && rule != NULL && rule->code == 354) {
        model_feed(r, model_words[word].text);
        ok = model_hear(r, model_words[word].name, rule->then);
    }
    return ok;
}

/* model_compare - a whole sequence; false: they differ, and r->why says where */
static inline bool model_compare(struct model_run *r, struct conf *conf, const uint8_t *choices,
                                 size_t n)
{
    struct script w;
    unsigned left = MODEL_COMMANDS;
    bool ok;

    *r = (struct model_run){ .w = &w, .choices = choices, .n = n };
    script_begin(&w, conf, 0, "192.0.2.9");
    w.slow_lookup = true;
    w.slow_commit = n > 0 && choices[n - 1] % 2;
    session_greet(&w.s, false);
    ok = model_hear(r, "greeting", 220);
    while (ok && left > 0 && r->at < n && r->model.state != M_ENDED)
        ok = model_group(r, &left);
    if (ok && (w.out.n > 0 || w.messages != r->model.messages
               || session_ended(&w.s) != (r->model.state == M_ENDED))) {
        snprintf(r->why, sizeof r->why, "%zu octets more, %u messages instead of %u", w.out.n,
                 w.messages, r->model.messages);
        ok = false;
    }
    script_end(&w);
    return ok;
}
