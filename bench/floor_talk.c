/* floor_talk.c - commands are rows; the end of a message is found by its dot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "floor_talk.h"

enum { LINE_MAX_OCTETS = 4096, END = 5 };

/* --- replies ---------------------------------------------------------------- */

static void say(struct talk *t, const char *text, size_t n)
{
    struct replies *r = &t->out;

    if (r->n + n > r->room) {
        r->room = r->room == 0 ? 256 : 2 * r->room + n;
        r->text = realloc(r->text, r->room);
        if (r->text == NULL)
            abort();
    }
    memcpy(r->text + r->n, text, n);
    r->n += n;
}
#define SAY(t, text) say((t), text "\r\n", sizeof text + 1)

size_t replies_ready(const struct replies *r)
{
    size_t n = r->n;

    for (int b = 0; b < 2; b++)
        if (r->held[b] < n)
            n = r->held[b];
    return n;
}

void replies_sent(struct replies *r, size_t n)
{
    r->n -= n;
    if (r->n > 0)
        memmove(r->text, r->text + n, r->n);
    for (int b = 0; b < 2; b++)
        if (r->held[b] != REPLIES_FREE)
            r->held[b] -= n;
}

/* --- commands --------------------------------------------------------------- */

static void transaction_drop(struct talk *t)
{
    t->sender = t->refused = false;
    t->recipients = 0;
    t->octets = 0;
}

static enum talk_event on_ehlo(struct talk *t, const char *args)
{
    (void)args;
    transaction_drop(t);
    if (t->offer_tls)
        SAY(t, "250-floor\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 0\r\n250-STARTTLS\r\n250 CHUNKING");
    else
        SAY(t, "250-floor\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 0\r\n250 CHUNKING");
    return TALK_MORE;
}

static enum talk_event on_helo(struct talk *t, const char *args)
{
    (void)args;
    transaction_drop(t);
    SAY(t, "250 floor");
    return TALK_MORE;
}

static enum talk_event on_mail(struct talk *t, const char *args)
{
    if (strncasecmp(args, " FROM:", 6) != 0)
        SAY(t, "501 MAIL FROM:<address>");
    else if (t->sender)
        SAY(t, "503 one MAIL at a time");
    else {
        t->sender = true;
        SAY(t, "250 ok");
    }
    return TALK_MORE;
}

static enum talk_event on_rcpt(struct talk *t, const char *args)
{
    if (strncasecmp(args, " TO:", 4) != 0)
        SAY(t, "501 RCPT TO:<address>");
    else if (!t->sender)
        SAY(t, "503 MAIL first");
    else {
        t->recipients++;
        SAY(t, "250 ok");
    }
    return TALK_MORE;
}

static enum talk_event on_data(struct talk *t, const char *args)
{
    (void)args;
    if (t->recipients == 0 || t->octets > 0) {
        SAY(t, "503 RCPT first");
        return TALK_MORE;
    }
    t->stage = STAGE_DATA;
    t->matched = 2;         /* a dot on the very first line ends it too */
    SAY(t, "354 go on");
    return TALK_MORE;
}

static enum talk_event on_bdat(struct talk *t, const char *args)
{
    char *rest;

    if (args[0] != ' ' || args[1] < '0' || args[1] > '9') {
        SAY(t, "501 BDAT size [LAST]");
        return TALK_QUIT;
    }
    t->chunk = strtoull(args, &rest, 10);
    t->last = strncasecmp(rest, " LAST", 5) == 0;
    t->refused = t->recipients == 0;
    t->stage = STAGE_CHUNK;
    return TALK_MORE;
}

static enum talk_event on_rset(struct talk *t, const char *args)
{
    (void)args;
    transaction_drop(t);
    SAY(t, "250 ok");
    return TALK_MORE;
}

static enum talk_event on_noop(struct talk *t, const char *args)
{
    (void)args;
    SAY(t, "250 ok");
    return TALK_MORE;
}

static enum talk_event on_quit(struct talk *t, const char *args)
{
    (void)args;
    SAY(t, "221 bye");
    return TALK_QUIT;
}

/* A reply before it waits for the disk: there is no saying when TLS would begin. */
static enum talk_event on_starttls(struct talk *t, const char *args)
{
    (void)args;
    if (!t->offer_tls || replies_ready(&t->out) < t->out.n) {
        SAY(t, "503 not now");
        return TALK_MORE;
    }
    SAY(t, "220 go on");
    return TALK_TLS;
}

/* The first four letters of a verb, in capitals, as they lie in memory. */
#define VERB(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

static const struct verb {
    uint32_t letters;
    enum talk_event (*handle)(struct talk *, const char *args);
} verbs[] = {
    { VERB('M', 'A', 'I', 'L'), on_mail },
    { VERB('R', 'C', 'P', 'T'), on_rcpt },
    { VERB('D', 'A', 'T', 'A'), on_data },
    { VERB('B', 'D', 'A', 'T'), on_bdat },
    { VERB('Q', 'U', 'I', 'T'), on_quit },
    { VERB('E', 'H', 'L', 'O'), on_ehlo },
    { VERB('H', 'E', 'L', 'O'), on_helo },
    { VERB('R', 'S', 'E', 'T'), on_rset },
    { VERB('N', 'O', 'O', 'P'), on_noop },
    { VERB('S', 'T', 'A', 'R'), on_starttls },
};

/* A line ends with LF, so nothing below reads past it. */
static enum talk_event command(struct talk *t, const char *line, size_t n)
{
    uint32_t letters = 0;

    for (size_t i = 0; i < 4 && i < n; i++)
        letters |= (uint32_t)((unsigned char)line[i] & 0xdf) << (8 * i);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (verbs[i].letters == letters)
            return verbs[i].handle(t, line + 4);
    SAY(t, "500 what?");
    return TALK_MORE;
}

/* --- input ------------------------------------------------------------------ */

/* line_keep - a read cut this command: keep its beginning; false: too long */
static bool line_keep(struct talk *t, const char *p, size_t n)
{
    if (t->line_length + n > LINE_MAX_OCTETS)
        return false;
    if (t->line == NULL)
        t->line = malloc(LINE_MAX_OCTETS);
    if (t->line == NULL)
        abort();
    memcpy(t->line + t->line_length, p, n);
    t->line_length += n;
    return true;
}

static size_t take_command(struct talk *t, const char *p, size_t n, enum talk_event *event)
{
    const char *lf = memchr(p, '\n', n);
    size_t used = lf != NULL ? (size_t)(lf - p) + 1 : n;

    if (lf != NULL && t->line_length == 0) {
        *event = command(t, p, used);
    } else if (!line_keep(t, p, used)) {
        SAY(t, "500 line too long");
        *event = TALK_QUIT;
    } else if (lf != NULL) {
        *event = command(t, t->line, t->line_length);
        t->line_length = 0;
    }
    return used;
}

/* match_next - how much of CRLF "." CRLF is there after this octet */
static unsigned match_next(unsigned matched, char c)
{
    static const char end[] = "\r\n.\r\n";

    if (c == end[matched])
        return matched + 1;
    return c == '\r' ? 1 : 0;
}

/* skip_plain - to the next place that matters: a dot that begins a line, or the
 * last two octets; *matched says what stands before it */
static const char *skip_plain(const char *p, const char *end, unsigned *matched)
{
    const char *from = p, *dot = p;

    while (end - dot > 2 && (dot = memchr(dot, '.', (size_t)(end - dot))) != NULL) {
        if (dot - from >= 2 && dot[-1] == '\n' && dot[-2] == '\r') {
            *matched = 2;
            return dot;
        }
        dot++;
    }
    return end - p > 2 ? end - 2 : p;
}

/* When nothing is matched, no line begins at p: a dot there means nothing. */
static size_t take_data(struct talk *t, const char *p, size_t n, enum talk_event *event)
{
    const char *at = p, *end = p + n;

    while (at < end && t->matched < END) {
        if (t->matched == 0)
            at = skip_plain(at, end, &t->matched);
        t->matched = match_next(t->matched, *at++);
    }
    t->octets += (uint64_t)(at - p);
    if (t->matched == END) {
        t->octets -= 3;         /* ".", CR, LF */
        t->stage = STAGE_COMMAND;
        *event = TALK_MESSAGE;
    }
    return (size_t)(at - p);
}

static size_t take_chunk(struct talk *t, size_t n, enum talk_event *event)
{
    size_t used = n < t->chunk ? n : (size_t)t->chunk;

    t->chunk -= used;
    t->octets += used;
    if (t->chunk > 0)
        return used;
    t->stage = STAGE_COMMAND;
    if (t->refused) {
        transaction_drop(t);
        SAY(t, "503 RCPT first");
    } else if (t->last) {
        *event = TALK_MESSAGE;
    } else {
        SAY(t, "250 ok");
    }
    return used;
}

size_t talk_take(struct talk *t, const char *p, size_t n, enum talk_event *event)
{
    size_t used = 0;

    *event = TALK_MORE;
    while (*event == TALK_MORE && (used < n || (t->stage == STAGE_CHUNK && t->chunk == 0)))
        switch (t->stage) {
        case STAGE_COMMAND: used += take_command(t, p + used, n - used, event); break;
        case STAGE_DATA:    used += take_data(t, p + used, n - used, event); break;
        case STAGE_CHUNK:   used += take_chunk(t, n - used, event); break;
        }
    return used;
}

/* --- life ------------------------------------------------------------------- */

void talk_accept(struct talk *t)
{
    transaction_drop(t);
    SAY(t, "250 ok");
}

void talk_begin(struct talk *t, bool offer_tls)
{
    *t = (struct talk){ .offer_tls = offer_tls, .line = t->line,
                        .out = { t->out.text, 0, t->out.room, { REPLIES_FREE, REPLIES_FREE } } };
    SAY(t, "220 floor ESMTP");
}

void talk_forget(struct talk *t)
{
    transaction_drop(t);
    t->offer_tls = false;
    t->line_length = 0;
}

void talk_free(struct talk *t)
{
    free(t->line);
    free(t->out.text);
}
