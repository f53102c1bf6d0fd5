/* queue.c - postrider queue: look at waiting mail, and decide about it. */
#include <string.h>
#include "base/clock.h"
#include "base/id.h"
#include "cli/control.h"
#include "cli/text.h"

struct filters {
    const char *sender, *recipient, *destination, *state, *id;
    int64_t     older, newer;
    uint64_t    limit;
    bool        all;
};

#define FILTER_ROWS                                                                     \
    { "sender",      0, OPTION_TEXT, offsetof(struct filters, sender), "GLOB", "only mail from these senders (* and ?)" }, \
    { "recipient",   0, OPTION_TEXT, offsetof(struct filters, recipient), "GLOB", "only mail to these recipients" }, \
    { "destination", 0, OPTION_TEXT, offsetof(struct filters, destination), "GLOB", "only mail to these next hops" }, \
    { "state",       0, OPTION_TEXT, offsetof(struct filters, state), "STATE", "ready, leased, deferred or held" }, \
    { "older",       0, OPTION_AGE,  offsetof(struct filters, older), "AGE", "arrived at least so long ago: 90s, 15m, 2h, 5d" }, \
    { "newer",       0, OPTION_AGE,  offsetof(struct filters, newer), "AGE", "arrived at most so long ago" }, \
    { "id",          0, OPTION_TEXT, offsetof(struct filters, id), "ID", "only this message" }

static const struct option_row look_options[] = {
    FILTER_ROWS,
    { "limit",       'n', OPTION_COUNT, offsetof(struct filters, limit), "N", "at most so many" },
    { 0 },
};

static const struct option_row act_options[] = {
    FILTER_ROWS,
    { "all",         0, OPTION_FLAG, offsetof(struct filters, all), NULL, "all mail: needed when there is no other filter" },
    { 0 },
};

/* --- the request ------------------------------------------------------------------ */

static void put_text(json_t *request, const char *name, const char *value)
{
    if (value != NULL)
        json_object_set_new(request, name, json_string(value));
}

static void put_number(json_t *request, const char *name, int64_t value)
{
    if (value > 0)
        json_object_set_new(request, name, json_integer(value));
}

static json_t *make_request(const char *name, const struct filters *f)
{
    json_t *request = json_pack("{s:s}", "do", name);

    put_text(request, "sender", f->sender);
    put_text(request, "recipient", f->recipient);
    put_text(request, "destination", f->destination);
    put_text(request, "state", f->state);
    put_text(request, "id", f->id);
    put_number(request, "older", f->older);
    put_number(request, "newer", f->newer);
    put_number(request, "limit", (int64_t)f->limit);
    return request;
}

static const char *check_state(const char *state)
{
    static const char *const states[] = { "ready", "leased", "deferred", "held" };

    if (state == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(states[i], state) == 0)
            return NULL;
    return "--state is ready, leased, deferred or held";
}

static const char *check_id(const char *id)
{
    uint64_t n;

    return id == NULL || id_parse(slice_cstr(id), &n) ? NULL
         : "that is no message id: 13 letters and digits, as in \"queued as ...\"";
}

static bool filters_read(const struct verb *v, struct filters *f, int argc, char **argv,
                         struct text_list *words)
{
    const char *wrong = NULL;

    *words = (struct text_list){ .n = 0 };
    if (!read_words(v, f, argc, argv, words))
        return false;
    wrong = check_state(f->state);
    if (wrong == NULL)
        wrong = check_id(f->id);
    for (size_t i = 0; i < words->n && wrong == NULL; i++)
        wrong = check_id(words->items[i]);
    if (wrong != NULL)
        usage_error(v, wrong);
    return wrong == NULL;
}

/* --- list ------------------------------------------------------------------------- */

static const char *text_of(const json_t *row, const char *name)
{
    const char *s = json_string_value(json_object_get(row, name));

    return s != NULL ? s : "";
}

static const char *until(const json_t *row, const char *name, int64_t now, char to[24])
{
    int64_t at;

    if (!time_parse(text_of(row, name), &at))
        return "-";
    return at > now ? span_text(at - now, to) : "now";
}

static const char *since(const json_t *row, const char *name, int64_t now, char to[24])
{
    int64_t at;

    return time_parse(text_of(row, name), &at) ? span_text(now - at, to) : "-";
}

/* recipients_text - the first one, and how many more */

static void recipients_text(const json_t *row, char *to, size_t size)
{
    const json_t *list = json_object_get(row, "recipients");
    const char *first = json_string_value(json_array_get(list, 0));
    json_int_t n = json_integer_value(json_object_get(row, "pending"));

    if (n > 1)
        snprintf(to, size, "%s (+%lld)", first != NULL ? first : "?", (long long)n - 1);
    else
        snprintf(to, size, "%s", first != NULL ? first : "-");
}

static void list_row(void *user, json_t *row)
{
    struct table *t = user;
    int64_t now = clock_wall();
    char age[24], next[24], size[16], tries[24], rcpts[400], sender[300];

    recipients_text(row, rcpts, sizeof rcpts);
    snprintf(sender, sizeof sender, "%s", text_of(row, "sender"));
    snprintf(tries, sizeof tries, "%lld",
             (long long)json_integer_value(json_object_get(row, "attempts")));
    table_add(t, (const char *const[]){
        text_of(row, "id"), text_of(row, "state"), since(row, "arrived", now, age),
        size_text(json_integer_value(json_object_get(row, "size")), size), tries,
        until(row, "next", now, next), sender[0] != '\0' ? sender : "<>", rcpts,
        text_of(row, "reason") });
}

static int list(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    struct filters f = { 0 };
    static struct text_list words;
    struct table t = {
        .columns = 9,
        .heads = { "ID", "STATE", "AGE", "SIZE", "TRIES", "NEXT", "FROM", "TO", "WHY" },
        .right = { [2] = true, [3] = true, [4] = true, [5] = true },
    };
    int status;

    if (!filters_read(v, &f, argc, argv, &words))
        return EX_USAGE;
    if (words.n > 0)
        f.id = words.items[0];
    status = control_ask(cli, make_request("queue.list", &f),
                         cli->json ? control_print_json : list_row, &t, NULL);
    if (status == EX_OK && !cli->json && t.rows > 0)
        table_print(&t, stdout, screen_width());
    else if (status == EX_OK && !cli->json)
        puts("No mail is waiting.");
    table_free(&t);
    return status;
}

/* --- count ------------------------------------------------------------------------ */

static void count_row(void *user, json_t *row)
{
    const char *name;
    json_t *value;

    (void)user;
    json_object_foreach(row, name, value)
        printf("%-12s %lld\n", name, (long long)json_integer_value(value));
}

static int count(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    struct filters f = { 0 };
    static struct text_list words;

    if (!filters_read(v, &f, argc, argv, &words))
        return EX_USAGE;
    return control_ask(cli, make_request("queue.count", &f),
                       cli->json ? control_print_json : count_row, NULL, NULL);
}

/* --- show ------------------------------------------------------------------------- */

static void show_value(const char *name, const json_t *value, int depth);

static void show_object(const json_t *object, int depth)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, name, value)
        show_value(name, value, depth);
}

static void show_scalar(const json_t *value)
{
    if (json_is_string(value))
        text_puts(stdout, json_string_value(value));
    else if (json_is_integer(value))
        printf("%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "yes" : "no", stdout);
}

static void show_value(const char *name, const json_t *value, int depth)
{
    size_t i;
    json_t *item;

    if (json_is_array(value)) {
        json_array_foreach((json_t *)(uintptr_t)value, i, item) {
            if (json_is_object(item)) {
                printf("%*s%s %zu\n", 2 * depth, "", name, i + 1);
                show_object(item, depth + 1);
            } else {
                show_value(name, item, depth);
            }
        }
        return;
    }
    printf("%*s%-*s ", 2 * depth, "", 14 - 2 * depth > 0 ? 14 - 2 * depth : 1, name);
    show_scalar(value);
    putchar('\n');
}

static void show_row(void *user, json_t *row)
{
    (void)user;
    show_object(row, 0);
    putchar('\n');
}

static int show(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    struct filters f = { 0 };
    static struct text_list words;
    json_t *done = NULL;
    int status = EX_OK;

    if (!filters_read(v, &f, argc, argv, &words))
        return EX_USAGE;
    if (words.n == 0)
        return usage_error(v, "which message? an ID is needed");
    for (size_t i = 0; i < words.n && status == EX_OK; i++) {
        f.id = words.items[i];
        status = control_ask(cli, make_request("queue.show", &f),
                             cli->json ? control_print_json : show_row, NULL, &done);
        if (status == EX_OK && json_integer_value(json_object_get(done, "count")) == 0) {
            fprintf(stderr, "postrider: %s is not in the queue (postrider trace may know it)\n",
                    words.items[i]);
            status = EX_DATAERR;
        }
        json_decref(done);
    }
    return status;
}

/* --- retry, hold, release, remove --------------------------------------------------- */

static bool has_filter(const struct filters *f)
{
    return f->sender != NULL || f->recipient != NULL || f->destination != NULL
        || f->state != NULL || f->id != NULL || f->older > 0 || f->newer > 0;
}

/* act_once - one request; adds to *changed */

static int act_once(const struct cli *cli, const char *request, const struct filters *f,
                    int64_t *changed)
{
    json_t *done = NULL;
    int status = control_ask(cli, make_request(request, f), NULL, NULL, &done);

    if (status == EX_OK)
        *changed += json_integer_value(json_object_get(done, "count"));
    json_decref(done);
    return status;
}

static int act(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    struct filters f = { 0 };
    static struct text_list words;
    int64_t changed = 0;
    int status = EX_OK;
    char request[32];

    if (!filters_read(v, &f, argc, argv, &words))
        return EX_USAGE;
    if (words.n == 0 && !has_filter(&f) && !f.all)
        return usage_error(v, "which mail? give an ID, a filter, or --all");
    if (f.all && !has_filter(&f))
        f.sender = "*";
    snprintf(request, sizeof request, "queue.%s", v->name + strlen("queue "));
    if (words.n == 0)
        status = act_once(cli, request, &f, &changed);
    for (size_t i = 0; i < words.n && status == EX_OK; i++) {
        f.id = words.items[i];
        status = act_once(cli, request, &f, &changed);
    }
    if (cli->json)
        printf("{\"changed\":%lld}\n", (long long)changed);
    else
        printf("%lld message%s changed.\n", (long long)changed, changed == 1 ? "" : "s");
    return status != EX_OK ? status : changed == 0 && words.n > 0 ? EX_DATAERR : EX_OK;
}

const struct verb queue_verbs[] = {
    { "queue list",    "[ID]",    "List waiting mail, oldest first",            look_options, list,  NULL },
    { "queue count",   "",        "Count waiting mail",                         look_options, count, NULL },
    { "queue show",    "ID...",   "Show all that is known of a waiting message", look_options, show,  NULL },
    { "queue retry",   "[ID...]", "Try deferred mail now",                      act_options,  act,   NULL },
    { "queue hold",    "[ID...]", "Keep mail until a person releases it",       act_options,  act,   NULL },
    { "queue release", "[ID...]", "Let held mail go",                           act_options,  act,   NULL },
    { "queue remove",  "[ID...]", "Delete mail without telling its sender",     act_options,  act,   NULL },
    { 0 },
};
