/* load_plan.c - options into bytes. */
#include <stdio.h>
#include "base/ascii.h"
#include "base/clock.h"
#include "base/date.h"
#include "base/digits.h"
#include "cli/load_plan.h"

enum { TEXT_EXTRA = 4096, LINE = 76 };

static const struct slice rcpt_before = SLICE_INIT("RCPT TO:<"), rcpt_after = SLICE_INIT(">\r\n");

/* --- what may be asked for ------------------------------------------------------------ */

static bool safe_address(const char *s)
{
    if (strlen(s) > LOAD_ADDRESS_MAX || strpbrk(s, "<>") != NULL)
        return false;
    for (; *s != '\0'; s++)
        if (ascii_control(*s))
            return false;
    return true;
}

static const char *check_numbers(const struct load_plan *p)
{
    if (p->sessions == 0 || p->sessions > LOAD_SESSIONS_MAX || p->active > LOAD_SESSIONS_MAX)
        return "--sessions and --active are 1 to 1,000,000";
    if (p->size > LOAD_SIZE_MAX)
        return "--size is at most 1 GiB";
    if (p->recipients == 0 || p->recipients > LOAD_RECIPIENTS_MAX)
        return "--recipients is 1 to 100,000";
    if (p->window == 0 || p->window > LOAD_WINDOW_MAX)
        return "--window is 1 to 64";
    if (p->time <= 0)
        return "--time is at least a second";
    if (p->messages > UINT64_MAX / 2 || p->warmup > UINT64_MAX / 4)
        return "--messages and --warmup are too many";
    return NULL;
}

static const char *check_words(const struct load_plan *p)
{
    if (p->server == NULL)
        return "which server? HOST:PORT or [ADDRESS]:PORT is needed";
    if (p->to == NULL)
        return "to whom? --to is needed";
    if (!safe_address(p->from) || !safe_address(p->to))
        return "--from and --to are addresses";
    if (p->helo != NULL && !safe_address(p->helo))
        return "--helo is a name";
    if (p->starttls && p->tls_at_once)
        return "either --tls or --tls-on-connect";
    if (p->brisk && (p->resume || !(p->starttls || p->tls_at_once)))
        return "--brisk belongs to --tls or --tls-on-connect, and resumes nothing";
    if (p->handshakes && p->idle)
        return "either --handshakes or --idle";
    if (p->user == NULL && (p->mechanism != NULL || p->password_file != NULL))
        return "--mechanism and --password-file need --auth";
    return NULL;
}

static void set_default(uint64_t *value, uint64_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

const char *plan_check(struct load_plan *p)
{
    const char *wrong = check_words(p);

    if (wrong != NULL)
        return wrong;
    if (p->messages == 0 && !p->idle)
        p->messages = p->time != 0 ? UINT64_MAX / 4 : 1000;
    if (p->time == 0)
        p->time = p->idle ? 600 * 1000 : 60 * 1000;
    set_default(&p->spread, 1);
    set_default(&p->active, 1);
    return check_numbers(p);
}

/* --- recipients ----------------------------------------------------------------------- */

static char *put(char *to, struct slice s)
{
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

/* rcpt_put - the number is left out where the pattern has no place for it */

static char *rcpt_put(const struct load_plan *p, uint64_t n, char *to)
{
    char number[DIGITS_TEXT];

    to = put(put(to, rcpt_before), p->rcpt_head);
    if (p->rcpt_tail.p != NULL)
        to = put(put(to, digits_text((int64_t)(n % p->spread), number)), p->rcpt_tail);
    return put(to, rcpt_after);
}

size_t plan_rcpt_max(const struct load_plan *p)
{
    return rcpt_before.n + p->rcpt_head.n + DIGITS_TEXT + p->rcpt_tail.n + rcpt_after.n;
}

struct slice plan_rcpt(const struct load_plan *p, uint64_t n, char *to)
{
    return slice_of(to, (size_t)(rcpt_put(p, n, to) - to));
}

/* cut_pattern - "user%n@example.org" is two pieces; without %n there is no second */

static void cut_pattern(struct load_plan *p)
{
    const char *place = strstr(p->to, "%n");

    p->rcpt_head = place != NULL ? slice_of(p->to, (size_t)(place - p->to)) : slice_cstr(p->to);
    p->rcpt_tail = place != NULL ? slice_cstr(place + 2) : (struct slice){ 0 };
    p->same = place == NULL || p->spread == 1;
}

/* --- before the text -------------------------------------------------------------------- */

static struct slice data_line(const struct load_plan *p)
{
    return p->bdat ? (struct slice){ 0 } : SLICE_LIT("DATA\r\n");
}

static size_t opening_put(const struct load_plan *p, uint64_t n, char *to)
{
    char *at = put(to, buf_view(&p->mail));

    for (uint64_t i = 0; i < p->recipients; i++)
        at = rcpt_put(p, n + i, at);
    return (size_t)(put(at, data_line(p)) - to);
}

struct slice plan_opening(const struct load_plan *p, uint64_t n, char *to)
{
    if (p->same)
        return buf_view(&p->opening);
    return slice_of(to, opening_put(p, n, to));
}

/* make_opening - once: what all send, or as much room as any can need */

static bool make_opening(struct load_plan *p)
{
    size_t most = p->mail.n + p->recipients * plan_rcpt_max(p) + data_line(p).n;
    char *room = buf_room(&p->opening, most);

    if (room != NULL)
        buf_added(&p->opening, p->same ? opening_put(p, 0, room) : most);
    return room != NULL;
}

/* --- the text --------------------------------------------------------------------------- */

static void put_header(const struct load_plan *p, struct buf *text)
{
    char date[DATE_TEXT];
    int64_t now = clock_wall();

    buf_printf(text, "From: <%s>\r\nTo: undisclosed-recipients:;\r\nDate: %s\r\n"
               "Message-ID: <%lld.load@%s>\r\nSubject: postrider load\r\n\r\n",
               p->from, date_text(now, date), (long long)now, p->helo);
}

/* put_lines - readable text up to the size; no line begins with a dot. What is left for
 * the last line may be too short for CRLF, so the one before gives some of its own. */

static void put_lines(struct buf *text, size_t size)
{
    static const char words[] = "Of all that is carried over the hills, letters weigh the least"
                                " and matter most.";

    while (!text->full && text->n < size) {
        size_t left = size - text->n, n = left < LINE + 2 ? left : LINE + 2;

        if (left > n && left - n < 3)
            n -= 3;
        buf_put(text, words, n > 2 ? n - 2 : 0);
        buf_puts(text, "\r\n");
    }
}

static bool make_body(struct load_plan *p)
{
    struct buf text = BUF(p->size + TEXT_EXTRA);

    put_header(p, &text);
    put_lines(&text, p->size);
    p->size = text.n;
    p->body = BUF(text.n + TEXT_EXTRA);
    if (p->bdat)
        buf_printf(&p->body, "BDAT %zu LAST\r\n", text.n);
    buf_put_slice(&p->body, buf_view(&text));
    if (!p->bdat)
        buf_puts(&p->body, ".\r\n");
    p->body.full |= text.full;
    buf_free(&text);
    return !p->body.full;
}

bool plan_make(struct load_plan *p)
{
    cut_pattern(p);
    p->hello = BUF(TEXT_EXTRA);
    p->mail = BUF(TEXT_EXTRA);
    p->opening = BUF(SIZE_MAX / 2);
    buf_printf(&p->hello, "EHLO %s\r\n", p->helo);
    buf_printf(&p->mail, "MAIL FROM:<%s>\r\n", p->from);
    return make_body(p) && make_opening(p) && !p->hello.full && !p->mail.full;
}

void plan_free(struct load_plan *p)
{
    buf_free(&p->hello);
    buf_free(&p->mail);
    buf_free(&p->opening);
    buf_free(&p->body);
}
