/* show.c - from a delivery to a terminal. */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/ascii.h"
#include "base/clock.h"
#include "base/map.h"
#include "local/screen.h"
#include "local/show.h"
#include "table/table.h"
#include "table/terminal.h"

enum {
    USER_BYTES   = 33,          /* as utmp has them */
    PASSWD_BYTES = 64 << 10,
    PATIENCE     = 500,         /* ms for the rest of a text that was begun */
};

static void settle(struct delivery *d, enum fate fate, const char *status, const char *text)
{
    d->fate = fate;
    snprintf(d->status, sizeof d->status, "%s", status);
    snprintf(d->text, sizeof d->text, "%s", text);
}

/* user_name - the system user of this address, or false: it has none */

static bool user_name(const struct conf *conf, struct slice address, char name[USER_BYTES])
{
    struct slice local, domain;
    const struct conf_domain *d;

    address_split(address, &local, &domain);
    address_base(local, &local);
    d = conf_domain_find(conf, domain);
    if (d == NULL || d->recipients != RECIPIENTS_SYSTEM || local.n == 0 || local.n >= USER_BYTES)
        return false;
    for (size_t i = 0; i < local.n; i++) {
        if (!ascii_alnum(local.p[i]) && strchr("._-", local.p[i]) == NULL)
            return false;
        name[i] = ascii_lower(local.p[i]);
    }
    name[local.n] = '\0';
    return true;
}

static bool user_id(const char *name, uid_t *uid)
{
    char *room = malloc(PASSWD_BYTES);
    struct passwd pwd, *found = NULL;

    if (room != NULL)
        (void)getpwnam_r(name, &pwd, room, PASSWD_BYTES, &found);
    if (found != NULL)
        *uid = pwd.pw_uid;
    free(room);
    return found != NULL;
}

/* --- not too often ------------------------------------------------------------- */

/* How often somebody was written to lately: a place for each hash of a name. Two who
 * share one share its measure too. Only one thread shows messages at a time. */
enum { PLACES = 1024, MINUTE = 60000 };
static struct { int64_t since; unsigned n; } lately[PLACES];

static bool too_often(const char *name)
{
    size_t place = (size_t)(hash_keyed(slice_cstr(name)) % PLACES);
    int64_t now = clock_mono();

    if (lately[place].n == 0 || now - lately[place].since >= MINUTE) {
        lately[place].since = now;
        lately[place].n = 0;
    }
    return lately[place].n++ >= SHOW_A_MINUTE;
}

/* --- the text ------------------------------------------------------------------- */

/* read_body - the beginning of the message, in `room` when it is in a file */

static struct slice read_body(const struct message_body *body, char *room)
{
    size_t want = body->length < SCREEN_TEXT ? (size_t)body->length : SCREEN_TEXT;
    ssize_t n;

    if (body->fd < 0)
        return slice_first(body->text, SCREEN_TEXT);
    do
        n = pread(body->fd, room, want, (off_t)body->offset);
    while (n < 0 && errno == EINTR);
    return slice_of(room, n > 0 ? (size_t)n : 0);
}

static bool write_text(const struct conf *conf, const struct delivery *d, struct buf *out)
{
    char *room = malloc(SCREEN_TEXT);
    struct screen s = {
        .sender = d->front.sender, .client = d->client, .helo = d->helo,
        .address = d->front.address, .now = clock_wall(), .lines = conf->limits.terminal_lines,
    };
    bool ok = room != NULL && screen_write(&s, read_body(d->body, room), out);

    free(room);
    return ok;
}

/* --- the terminal ---------------------------------------------------------------- */

/* wait_more - may more be written now? Only asked when a part has been taken: then the
 * terminal is alive, and has to draw breath. */

static bool wait_more(int fd, int64_t until)
{
    int64_t left = until - clock_mono();
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return left > 0 && poll(&p, 1, (int)left) > 0 && (p.revents & POLLOUT) != 0;
}

static bool put_on(int fd, struct slice text)
{
    int64_t until = clock_mono() + PATIENCE;
    bool begun = false;

    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);

        if (n > 0) {
            text = slice_from(text, (size_t)n);
            begun = true;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n == 0 || errno != EAGAIN || !begun || !wait_more(fd, until)) {
            return false;
        }
    }
    return true;
}

static bool show_on(const struct conf *conf, const struct terminal *t, uid_t uid,
                    struct slice text)
{
    int fd = terminal_open(conf->terminals, t->line, uid);
    bool ok = fd >= 0 && put_on(fd, text);

    if (fd >= 0)
        close(fd);
    return ok;
}

static void show_to(const struct conf *conf, struct delivery *d, const char *name, uid_t uid)
{
    struct terminal list[TERMINALS_MAX];
    size_t n = terminals_find(conf->utmp, conf->terminals, slice_cstr(name), uid, list);
    struct buf text = BUF(SCREEN_MAX);
    char where[TERMINAL_LINE + 16];
    bool shown = false;

    if (n > 0 && !write_text(conf, d, &text)) {
        settle(d, FATE_LATER, "4.3.0", "no memory to show the message");
        buf_free(&text);
        return;
    }
    for (size_t i = 0; i < n && !shown; i++) {
        shown = show_on(conf, &list[i], uid, buf_view(&text));
        if (shown)
            snprintf(where, sizeof where, "shown on %.*s", TERMINAL_LINE, list[i].line);
    }
    buf_free(&text);
    if (shown)
        settle(d, FATE_DONE, "2.0.0", where);
    else
        settle(d, FATE_LATER, "4.2.1", n > 0 ? "the user's terminals take nothing now"
                                             : "user not active now");
}

static void show(const struct conf *conf, struct delivery *d)
{
    char name[USER_BYTES];
    uid_t uid;

    if (!user_name(conf, d->front.address, name))
        settle(d, FATE_NEVER, "5.2.1", "this recipient can have no terminal here");
    else if (!user_id(name, &uid))
        settle(d, FATE_LATER, "4.2.1", "user not active now");
    else if (too_often(name))
        settle(d, FATE_LATER, "4.2.1", "too many messages for this user's terminal");
    else
        show_to(conf, d, name, uid);
}

void show_all(const struct conf *conf, struct delivery *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        show(conf, list[i]);
}
