/* request.c - what may be asked, and with which fields. */
#include <stdio.h>
#include "base/ascii.h"
#include "base/id.h"
#include "console/request.h"

static const struct form {
    const char       *name;
    enum request_kind kind;
    enum query_verb   verb;
} forms[] = {
    { "queue.list",         REQUEST_QUERY,  QUERY_LIST },
    { "queue.count",        REQUEST_QUERY,  QUERY_COUNT },
    { "queue.show",         REQUEST_QUERY,  QUERY_SHOW },
    { "queue.retry",        REQUEST_QUERY,  QUERY_RETRY },
    { "queue.hold",         REQUEST_QUERY,  QUERY_HOLD },
    { "queue.release",      REQUEST_QUERY,  QUERY_RELEASE },
    { "queue.remove",       REQUEST_QUERY,  QUERY_REMOVE },
    { "queue.destinations", REQUEST_QUERY,  QUERY_DESTINATIONS },
    { "trace",              REQUEST_QUERY,  QUERY_TRACE },
    { "routes",             REQUEST_QUERY,  QUERY_ROUTES },
    { "whois",              REQUEST_WHOIS,  QUERY_WHOIS },
    { "expand",             REQUEST_WHOIS,  QUERY_EXPAND },
    { "status",             REQUEST_STATUS, 0 },
    { "reload",             REQUEST_RELOAD, 0 },
    { "stop",               REQUEST_STOP,   0 },
};

enum field_kind { FIELD_TEXT, FIELD_ID, FIELD_MS, FIELD_COUNT };

static const struct field {
    const char     *name;
    enum field_kind kind;
    size_t          at;         /* in struct msg_query */
} fields[] = {
    { "id",          FIELD_ID,    offsetof(struct msg_query, id) },
    { "sender",      FIELD_TEXT,  offsetof(struct msg_query, sender) },
    { "recipient",   FIELD_TEXT,  offsetof(struct msg_query, recipient) },
    { "destination", FIELD_TEXT,  offsetof(struct msg_query, destination) },
    { "state",       FIELD_TEXT,  offsetof(struct msg_query, state) },
    { "older",       FIELD_MS,    offsetof(struct msg_query, older) },
    { "newer",       FIELD_MS,    offsetof(struct msg_query, newer) },
    { "limit",       FIELD_COUNT, offsetof(struct msg_query, limit) },
};

static bool refuse(char *why, const char *what, const char *name)
{
    size_t n = (size_t)snprintf(why, REQUEST_WHY, "%s %.60s", what, name);

    for (size_t i = 0; i < n && why[i] != '\0'; i++)
        if (ascii_control(why[i]))
            why[i] = '?';
    return false;
}

static const struct form *form_find(const char *name)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strcmp(forms[i].name, name) == 0)
            return &forms[i];
    return NULL;
}

static const struct field *field_find(const char *name)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* set_text - jansson refuses NUL bytes in texts by itself */

static bool set_text(struct slice *to, const json_t *value)
{
    if (!json_is_string(value))
        return false;
    *to = slice_of(json_string_value(value), json_string_length(value));
    return to->n <= QUERY_TEXT_MAX;
}

static bool set_field(struct msg_query *q, const struct field *f, const json_t *value)
{
    char *at = (char *)q + f->at;
    json_int_t n = json_integer_value(value);
    struct slice text;

    switch (f->kind) {
    case FIELD_TEXT:
        return set_text((struct slice *)(void *)at, value);
    case FIELD_ID:
        return set_text(&text, value) && id_parse(text, (uint64_t *)(void *)at);
    case FIELD_MS:
        if (!json_is_integer(value) || n < 0)
            return false;
        *(int64_t *)(void *)at = n;
        return true;
    case FIELD_COUNT:
        if (!json_is_integer(value) || n < 0)
            return false;
        *(uint64_t *)(void *)at = (uint64_t)n;
        return true;
    }
    return false;
}

static bool read_fields(struct request *r, char *why)
{
    const struct field *f;
    const char *name;
    json_t *value;

    json_object_foreach(r->root, name, value) {
        if (strcmp(name, "do") == 0)
            continue;
        f = r->kind == REQUEST_QUERY || r->kind == REQUEST_WHOIS ? field_find(name) : NULL;
        if (f == NULL)
            return refuse(why, "unknown field", name);
        if (!set_field(&r->query, f, value))
            return refuse(why, "bad value of", name);
    }
    return true;
}

static bool read_request(struct request *r, char *why)
{
    const char *name = json_string_value(json_object_get(r->root, "do"));
    const struct form *form;

    if (!json_is_object(r->root) || name == NULL)
        return refuse(why, "a request is an object with", "\"do\"");
    form = form_find(name);
    if (form == NULL)
        return refuse(why, "unknown request", name);
    r->kind = form->kind;
    r->name = form->name;
    r->query.verb = form->verb;
    return read_fields(r, why);
}

bool request_read(struct request *r, struct slice line, char why[REQUEST_WHY])
{
    json_error_t error;

    *r = (struct request){ 0 };
    if (line.n > REQUEST_MAX)
        return refuse(why, "a request is too long", "");
    r->root = json_loadb(line.n > 0 ? line.p : "", line.n, JSON_REJECT_DUPLICATES, &error);
    if (r->root == NULL)
        return refuse(why, "not JSON:", error.text);
    if (!read_request(r, why)) {
        request_forget(r);
        return false;
    }
    return true;
}

void request_forget(struct request *r)
{
    json_decref(r->root);
    *r = (struct request){ 0 };
}
