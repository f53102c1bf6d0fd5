/* smtpd_play.h - conversations with one session, written as texts, for tests.
 *
 * A dialogue is a text of lines:
 *     > line      the client sends it
 *     + line      the client sends it in one piece with the next one
 *     < 250 x     the whole next reply; its last line begins so
 *     !           the session has ended
 *     =N          so many messages have been accepted by now
 *     ?           lookup answers all that it was asked
 *     ~ octets    the client sends these: \r \n \0 \xNN, without a CRLF of their own
 *     @ done 3    the queue answers to ETRN, TURN or ATRN: done N, later, never, early
 *     C 2 done    of the messages under way the second becomes durable; later, full: it does not
 *     A name      it has logged in under this name
 *     L           the client sends a line of 1000 octets
 */
#pragma once
#include "base/ascii.h"
#include "smtpd/fetch.h"
#include "smtpd/verbs.h"
#include "smtpd_world.h"

static struct conf *conf;

static inline int setup(void **state)
{
    (void)state;
    conf = world_conf_parse();
    return conf == NULL;
}

static inline int teardown(void **state)
{
    (void)state;
    conf_free(conf);
    return 0;
}

/* take_reply - the last line of the next whole reply; false: there is none */

static inline bool take_reply(struct script *w, char *line, size_t size)
{
    for (;;) {
        struct slice out = buf_view(&w->out), first, rest;

        if (!slice_cut(out, '\n', &first, &rest))
            return false;
        snprintf(line, size, "%.*s", (int)(first.n > 0 ? first.n - 1 : 0), first.p);
        buf_drop(&w->out, first.n + 1);
        assert_true(first.n < 512);
        if (first.n < 4 || first.p[3] != '-')
            return true;
    }
}

static inline void expect(struct script *w, const char *name, const char *wanted)
{
    char line[600];

    if (!take_reply(w, line, sizeof line))
        fail_msg("%s: wanted \"%s\", got no reply", name, wanted);
    if (strncmp(line, wanted, strlen(wanted)) != 0)
        fail_msg("%s: wanted \"%s\", got \"%s\"", name, wanted, line);
}

/* fill_line - n octets of a line, CRLF included */

static inline void fill_line(char *line, size_t n, char octet)
{
    memset(line, octet, n - 2);
    memcpy(line + n - 2, "\r\n", 2);
}

/* unescape - \r, \n, \0, \\ and \xNN as octets; returns how many */

static inline size_t unescape(char *to, struct slice from)
{
    size_t n = 0;

    for (size_t i = 0; i < from.n; i++) {
        if (from.p[i] != '\\' || i + 1 == from.n) {
            to[n++] = from.p[i];
        } else if (from.p[++i] == 'x' && i + 2 < from.n) {
            to[n++] = (char)(ascii_hex(from.p[i + 1]) << 4 | ascii_hex(from.p[i + 2]));
            i += 2;
        } else {
            to[n++] = from.p[i] == 'r' ? '\r' : from.p[i] == 'n' ? '\n' : from.p[i] == '0' ? '\0' : from.p[i];
        }
    }
    return n;
}

/* answer_queue - "done 3", "later", "never", "early": to ETRN, TURN or ATRN */

static inline bool answer_queue(struct script *w, const char *text)
{
    enum fate fate = strncmp(text, "never", 5) == 0 ? FATE_NEVER : strncmp(text, "later", 5) == 0 ? FATE_LATER : FATE_DONE;
    uint64_t count = strncmp(text, "done ", 5) == 0 ? (uint64_t)atoi(text + 5) : 1;

    if (w->turning)
        session_turned(&w->s, w->ticket, fate, count, strcmp(text, "early") == 0);
    else
        session_kicked(&w->s, w->ticket, fate, count);
    return w->ticket != 0;
}

/* answer_disk - "1 done", "2 later", "1 full": to a message that is under way */

static inline bool answer_disk(struct script *w, const char *text)
{
    struct flight *f = world_flight(w, (unsigned)atoi(text) - 1);
    const char *how = text + 2;

    if (f != NULL)
        world_commit_now(w, f, strcmp(how, "done") == 0 ? COMMITTED_DONE
                             : strcmp(how, "full") == 0 ? COMMITTED_FULL : COMMITTED_LATER);
    return f != NULL;
}

static inline void act(struct script *w, const char *name, struct slice line)
{
    char text[3000];
    struct slice arg = slice_from(line, 2);

    snprintf(text, sizeof text, "%.*s", SLICE(arg));
    switch (line.n > 0 ? line.p[0] : '#') {
    case '>': case '+':
        buf_put_slice(&w->in, arg);
        buf_puts(&w->in, "\r\n");
        if (line.p[0] == '>')
            script_go(w);
        break;
    case 'L':
        fill_line(text, 1002, 'x');
        script_feed(w, slice_of(text, 1002));
        break;
    case '~':
        buf_put_slice(&w->in, slice_of(text, unescape(text, slice_cstr(text))));
        script_go(w);
        break;
    case '@':
        assert_true(answer_queue(w, text));
        script_go(w);
        break;
    case 'C':
        assert_true(answer_disk(w, text));
        script_go(w);
        break;
    case 'A':
        free((char *)(uintptr_t)w->s.account.p);
        w->s.account = slice_cstr(strdup(text));
        session_grants(&w->s);
        break;
    case '<':
        expect(w, name, text);
        break;
    case '!':
        if (!session_ended(&w->s) || w->out.n > 0)
            fail_msg("%s: the session goes on", name);
        break;
    case '=':
        if (w->messages != (unsigned)atoi(line.p + 1))
            fail_msg("%s: %u messages, not %.*s", name, w->messages, SLICE(line));
        break;
    case '?':
        for (unsigned i = 0; i < w->nasked; i++)
            world_answer(w, i);
        script_go(w);
        break;
    default:
        break;
    }
}

static inline void play(struct script *w, const char *name, const char *text)
{
    struct slice rest = slice_cstr(text), line;

    while (rest.n > 0) {
        slice_cut(rest, '\n', &line, &rest);
        act(w, name, line);
    }
    if (w->out.n > 0)
        fail_msg("%s: more replies: %.*s", name, SLICE(buf_view(&w->out)));
}

/* begin_at - a greeted session at listener number `listener` of the configuration */

static inline void begin_at(struct script *w, unsigned listener, const char *client)
{
    script_begin(w, conf, listener, client);
    session_greet(&w->s, false);
}

/* begin - at the first one */

static inline void begin(struct script *w, const char *client)
{
    begin_at(w, 0, client);
    expect(w, "greeting", "220 mx.ours.example ESMTP Postrider");
}

/* play_dialogue - a whole session with a client of its own */

static inline void play_dialogue(const char *name, const char *client, const char *text)
{
    struct script w;

    begin(&w, client);
    play(&w, name, text);
    script_end(&w);
}

#define STRANGER "192.0.2.9"

#define HELLO "> EHLO c.example\n< 250 ENHANCEDSTATUSCODES\n"
#define SENDER "> MAIL FROM:<a@far.example>\n< 250 2.1.0\n"
#define START HELLO SENDER
#define ACCEPT "> DATA\n< 354 End\n> Subject: x\n> \n> text\n> .\n< 250 2.0.0 Ok: queued as 000000000000"

