/* history.c - lines into files, files in a ring, and reading them back. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/date.h"
#include "base/json.h"
#include "queue/core.h"
#include "queue/history.h"

enum { FILES = 8, GATHER = 256 << 10, LINE_MAX_BYTES = 64 << 10, FOUND_MAX = 1000,
       RCPTS_MAX = 200 };

struct history {
    int        dir, fd;
    uint64_t   first, last;     /* numbers of the oldest and the newest file */
    uint64_t   size, file_max;
    struct buf out;
    size_t     line;            /* where the one that is being written begins in it */
    bool       trouble;         /* said once */
};

/* ----------------------------------------------------------------- files -- */

static void trouble(struct history *h, const char *doing)
{
    if (!h->trouble)
        log_event(EVENT_SPOOL, LF_STR("doing", doing), LF_STR("what", "history"),
                  LF_STR("why", strerror(errno)));
    h->trouble = true;
}

static void name_of(uint64_t number, char name[24])
{
    snprintf(name, 24, "%08llu", (unsigned long long)number);
}

static void open_last(struct history *h)
{
    char name[24];
    struct stat st;

    name_of(h->last, name);
    h->fd = openat(h->dir, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    h->size = h->fd >= 0 && fstat(h->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    if (h->fd < 0)
        trouble(h, "open");
}

static void scan(struct history *h)
{
    DIR *d = fdopendir(dup(h->dir));
    struct dirent *e;
    uint64_t n;

    h->first = UINT64_MAX;
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (!slice_u64(slice_cstr(e->d_name), &n) || n == 0)
            continue;
        h->first = n < h->first ? n : h->first;
        h->last = n > h->last ? n : h->last;
    }
    if (d != NULL)
        closedir(d);
    if (h->last == 0)
        h->first = h->last = 1;
}

static void rotate(struct history *h)
{
    char name[24];

    close(h->fd);
    h->last++;
    open_last(h);
    for (; h->last - h->first >= FILES; h->first++) {
        name_of(h->first, name);
        unlinkat(h->dir, name, 0);
    }
}

struct history *history_open(struct slice spool, uint64_t max)
{
    struct history *h = calloc(1, sizeof *h);
    char path[4096];

    if (h == NULL || max == 0) {
        free(h);
        return NULL;
    }
    snprintf(path, sizeof path, "%.*s/history", SLICE(spool));
    mkdir(path, 0700);
    h->out = BUF(GATHER + LINE_MAX_BYTES);
    h->file_max = max / FILES > 4096 ? max / FILES : 4096;
    h->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (h->dir < 0) {
        trouble(h, "open");
        free(h);
        return NULL;
    }
    scan(h);
    open_last(h);
    return h;
}

void history_flush(struct history *h)
{
    struct slice out;

    if (h == NULL || h->out.n == 0)
        return;
    out = buf_view(&h->out);
    if (h->fd >= 0 && h->size + out.n > h->file_max)
        rotate(h);
    if (h->fd < 0)
        open_last(h);
    if (h->fd >= 0 && write(h->fd, out.p, out.n) != (ssize_t)out.n)
        trouble(h, "write");
    else
        h->size += out.n;
    buf_clear(&h->out);
}

void history_close(struct history *h)
{
    if (h == NULL)
        return;
    history_flush(h);
    buf_free(&h->out);
    if (h->fd >= 0)
        close(h->fd);
    close(h->dir);
    free(h);
}

/* ----------------------------------------------------------------- lines -- */

/* A line is written behind those that have gathered; one that is too long, or
 * for which there is no memory, is taken back. */

static struct buf *begin(struct queue *q, uint64_t id, struct slice event)
{
    char name[ID_TEXT + 1], time[DATE_TEXT];
    struct buf *line = &q->history->out;

    q->history->line = line->n;
    json_put_open(line, NULL, '{');
    json_put_plain(line, "id", slice_of(id_text(id, name), ID_TEXT));
    json_put_plain(line, "time", slice_of(date_stamp_ms(q->wall, time), DATE_STAMP_MS));
    json_put_plain(line, "event", event);
    return line;
}

static void end(struct history *h)
{
    json_put_close(&h->out, '}');
    buf_put(&h->out, "\n", 1);
    if (h->out.full || h->out.n - h->line > LINE_MAX_BYTES) {
        h->out.n = h->line;
        h->out.full = false;
    }
    if (h->out.n > GATHER)
        history_flush(h);
}

static void put(struct buf *line, const char *key, struct slice value)
{
    if (value.n > 0)
        json_put_text(line, key, value);
}

static void put_recipients(struct buf *line, const struct envelope *e)
{
    struct wire w = wire_reader(e->rcpts);
    struct recipient r;

    json_put_open(line, "recipients", '[');
    for (int i = 0; i < RCPTS_MAX && recipient_next(&w, &r); i++)
        json_put_text(line, NULL, r.address);
    json_put_close(line, ']');
}

void history_received(struct queue *q, uint64_t id, struct slice envelope, uint64_t size)
{
    struct envelope e;
    struct buf *line;

    if (q->history == NULL || !envelope_get(envelope, &e))
        return;
    line = begin(q, id, SLICE_LIT("received"));
    json_put_text(line, "sender", e.sender);
    put_recipients(line, &e);
    json_put_number(line, "size", (int64_t)size);
    put(line, "client", e.client);
    put(line, "helo", e.helo);
    put(line, "protocol", e.protocol);
    put(line, "session", e.session);
    end(q->history);
}

void history_attempt(struct queue *q, uint64_t id, const struct history_attempt *a)
{
    char time[DATE_TEXT];
    struct buf *line;

    if (q->history == NULL)
        return;
    line = begin(q, id, slice_cstr(event_name(a->event)));
    put(line, "recipient", a->recipient);
    put(line, "host", a->host);
    if (a->outcome->code != 0)
        json_put_number(line, "code", a->outcome->code);
    put(line, "status", a->outcome->status);
    put(line, "text", a->outcome->text);
    put(line, "note", a->note);
    json_put_number(line, "attempts", a->attempts);
    if (a->next != 0)
        json_put_text(line, "next", slice_cstr(date_stamp_ms(a->next, time)));
    end(q->history);
}

void history_removed(struct queue *q, uint64_t id, const char *by)
{
    if (q->history == NULL)
        return;
    put(begin(q, id, SLICE_LIT("removed")), "by", slice_cstr(by));
    end(q->history);
}

void history_note(struct queue *q, uint64_t id, enum event event, struct slice a, struct slice b)
{
    struct buf *line;

    if (q->history == NULL)
        return;
    line = begin(q, id, slice_cstr(event_name(event)));
    if (event == EVENT_EXPIRED) {
        put(line, "recipient", a);
        put(line, "text", b);
    } else if (event == EVENT_HELD) {
        put(line, "text", a);
    } else {
        put(line, "to", a);
        put(line, "report", b);
    }
    end(q->history);
}

/* --------------------------------------------------------------- reading -- */

struct search {
    uint64_t        found[FOUND_MAX];
    size_t          nfound, limit;
    struct slice    address;
    history_each_f *each;
    void           *user;
    bool            collecting, stop;
};

static uint64_t id_of(const json_t *line)
{
    const char *name = json_string_value(json_object_get(line, "id"));
    uint64_t id = 0;

    return name != NULL && id_parse(slice_cstr(name), &id) ? id : 0;
}

static bool is(const json_t *value, struct slice address)
{
    const char *s = json_string_value(value);

    return s != NULL && slice_ieq(slice_cstr(s), address);
}

static bool names(const json_t *line, struct slice address)
{
    json_t *rcpts = json_object_get(line, "recipients");

    for (size_t i = 0; i < json_array_size(rcpts); i++)
        if (is(json_array_get(rcpts, i), address))
            return true;
    return is(json_object_get(line, "sender"), address)
        || is(json_object_get(line, "recipient"), address);
}

static bool found(const struct search *s, uint64_t id)
{
    for (size_t i = 0; i < s->nfound; i++)
        if (s->found[i] == id)
            return true;
    return false;
}

static void look(struct search *s, struct slice bytes)
{
    json_t *line = json_loadb(bytes.p, bytes.n, 0, NULL);
    uint64_t id = line != NULL ? id_of(line) : 0;

    if (id != 0 && s->collecting && s->nfound < FOUND_MAX && !found(s, id)
        && names(line, s->address))
        s->found[s->nfound++] = id;
    if (id != 0 && !s->collecting && found(s, id) && s->limit-- > 0)
        s->stop = !s->each(s->user, bytes);
    json_decref(line);
}

static void look_file(struct history *h, uint64_t number, struct search *s)
{
    char name[24], *line = NULL;
    size_t cap = 0;
    ssize_t n;
    FILE *f;
    int fd;

    name_of(number, name);
    fd = openat(h->dir, name, O_RDONLY | O_CLOEXEC);
    f = fd >= 0 ? fdopen(fd, "r") : NULL;
    while (f != NULL && !s->stop && s->limit > 0 && (n = getline(&line, &cap, f)) > 0)
        look(s, slice_trim(slice_of(line, (size_t)n)));
    free(line);
    if (f != NULL)
        fclose(f);
}

size_t history_trace(struct history *h, uint64_t id, struct slice address, size_t limit,
                     history_each_f *each, void *user)
{
    struct search *s = calloc(1, sizeof *s);
    size_t n;

    if (h == NULL || s == NULL) {
        free(s);
        return 0;
    }
    history_flush(h);
    *s = (struct search){ .limit = limit, .address = address, .each = each, .user = user };
    if (id != 0)
        s->found[s->nfound++] = id;
    s->collecting = id == 0;
    for (uint64_t i = h->first; s->collecting && i <= h->last; i++)
        look_file(h, i, s);
    s->collecting = false;
    for (uint64_t i = h->first; i <= h->last; i++)
        look_file(h, i, s);
    n = s->nfound;
    free(s);
    return n;
}
