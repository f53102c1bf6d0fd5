/* trace.c - postrider trace: the story of a message. */
#include <string.h>
#include "base/clock.h"
#include "base/id.h"
#include "cli/control.h"
#include "cli/text.h"

static const char *text_of(const json_t *row, const char *name)
{
    const char *s = json_string_value(json_object_get(row, name));

    return s != NULL ? s : "";
}

static bool has(const json_t *row, const char *name)
{
    return text_of(row, name)[0] != '\0';
}

/* say - words with %s from outside, which may contain anything */

static void say(const char *before, const char *text, const char *after)
{
    fputs(before, stdout);
    text_puts(stdout, text);
    fputs(after, stdout);
}

static void say_next(const json_t *row)
{
    int64_t at, now = clock_wall();
    char when[24], span[24];

    if (!time_parse(text_of(row, "next"), &at))
        return;
    printf("; next attempt %s", time_local(at, when));
    if (at > now)
        printf(" (in %s)", span_text(at - now, span));
}

/* say_words - host, code, status and text of the other side */

static void say_words(const json_t *row)
{
    json_int_t code = json_integer_value(json_object_get(row, "code"));

    if (has(row, "host"))
        say(" by ", text_of(row, "host"), "");
    if (code > 0 || has(row, "status") || has(row, "text"))
        putchar(':');
    if (code > 0)
        printf(" %lld", (long long)code);
    if (has(row, "status"))
        say(" ", text_of(row, "status"), "");
    if (has(row, "text"))
        say(" ", text_of(row, "text"), "");
}

static void say_list(const json_t *row, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(row, name), i, item)
        if (json_is_string(item))
            say(i > 0 ? ", <" : "<", json_string_value(item), ">");
}

static void on_received(const json_t *row)
{
    if (has(row, "client")) {
        say("received from [", text_of(row, "client"), "]");
        say(" (", text_of(row, "helo"), ", ");
        say("", text_of(row, "protocol"), "), ");
    } else {
        fputs("written by this server, ", stdout);
    }
    printf("%lld bytes", (long long)json_integer_value(json_object_get(row, "size")));
    if (has(row, "session"))
        say(", session ", text_of(row, "session"), "");
    say("\n                     from <", text_of(row, "sender"), "> to ");
    say_list(row, "recipients");
}

static void on_outcome(const json_t *row)
{
    json_int_t attempts = json_integer_value(json_object_get(row, "attempts"));

    printf("%s ", text_of(row, "event"));
    say("<", text_of(row, "recipient"), ">");
    say_words(row);
    if (attempts > 0 && strcmp(text_of(row, "event"), "deferred") == 0)
        printf("; attempt %lld", (long long)attempts);
    say_next(row);
}

static void on_report(const json_t *row)
{
    printf("%s: report ", text_of(row, "event"));
    say("", text_of(row, "report"), " written");
    if (has(row, "to"))
        say(" to <", text_of(row, "to"), ">");
}

static void on_removed(const json_t *row)
{
    fputs(strcmp(text_of(row, "by"), "person") == 0 ? "removed by a person"
          : "removed: all recipients are finished", stdout);
}

static void on_held(const json_t *row)
{
    fputs("held", stdout);
    if (has(row, "text"))
        say(": ", text_of(row, "text"), "");
}

static void on_dropped(const json_t *row)
{
    (void)row;
    fputs("this was a report; nobody is left to be told, so it was dropped", stdout);
}

static void on_waiting(const json_t *row)
{
    say("still here, ", text_of(row, "state"), ": ");
    say_list(row, "recipients");
    if (has(row, "destination"))
        say(" by ", text_of(row, "destination"), "");
    say_next(row);
    if (has(row, "reason"))
        say("\n                     because: ", text_of(row, "reason"), "");
}

static void on_other(const json_t *row)
{
    say("", text_of(row, "event"), "");
    if (has(row, "recipient"))
        say(" <", text_of(row, "recipient"), ">");
    say_words(row);
}

static const struct { const char *name; void (*tell)(const json_t *row); } tellers[] = {
    { "received", on_received }, { "delivered", on_outcome }, { "deferred", on_outcome },
    { "failed", on_outcome }, { "expired", on_outcome }, { "bounced", on_report },
    { "warned", on_report }, { "removed", on_removed }, { "held", on_held },
    { "waiting", on_waiting }, { "double_bounce", on_dropped },
};

/* --- one row after the other --------------------------------------------------------- */

static void tell(const json_t *row)
{
    const char *event = text_of(row, "event");
    void (*teller)(const json_t *) = on_other;
    char when[24] = "";
    int64_t at;

    if (time_parse(text_of(row, "time"), &at))
        time_local(at, when);
    printf("%-19s  ", when);
    for (size_t i = 0; i < sizeof tellers / sizeof tellers[0]; i++)
        if (strcmp(tellers[i].name, event) == 0)
            teller = tellers[i].tell;
    teller(row);
    if (has(row, "note"))
        say("\n                     note: ", text_of(row, "note"), "");
    putchar('\n');
}

/* gather - rows come in the order of time; people read one message after the
 * other. The stories are an object of arrays, in the order of their beginnings. */

static void gather(void *user, json_t *row)
{
    json_t *stories = user, *story = json_object_get(stories, text_of(row, "id"));

    if (story == NULL) {
        story = json_array();
        json_object_set_new(stories, text_of(row, "id"), story);
    }
    json_array_append(story, row);
}

static void tell_all(json_t *stories)
{
    const char *id, *gap = "";
    json_t *story, *row;
    size_t i;

    json_object_foreach(stories, id, story) {
        printf("%sMessage ", gap);
        say("", id, "\n");
        json_array_foreach(story, i, row)
            tell(row);
        gap = "\n";
    }
}

static int ask(const struct cli *cli, const char *what)
{
    json_t *stories = json_object(), *done = NULL;
    json_t *request = json_pack("{s:s, s:s}", "do", "trace",
                                strchr(what, '@') == NULL ? "id" : "recipient", what);
    int status = control_ask(cli, request, cli->json ? control_print_json : gather, stories, &done);

    tell_all(stories);
    if (status == EX_OK && !cli->json && json_object_size(stories) == 0) {
        say("Nothing is known of ", what, ": its history may have been forgotten; see the log.\n");
        status = EX_DATAERR;
    }
    json_decref(stories);
    json_decref(done);
    return status;
}

static int run(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    static struct text_list words;
    const char *what;
    uint64_t id;

    words = (struct text_list){ .n = 0 };
    if (!read_words(v, NULL, argc, argv, &words))
        return EX_USAGE;
    if (words.n != 1)
        return usage_error(v, "one ID or ADDRESS is needed");
    what = words.items[0];
    if (strchr(what, '@') == NULL && !id_parse(slice_cstr(what), &id))
        return usage_error(v, "that is neither a message id nor an address");
    return ask(cli, what);
}

const struct verb trace_verbs[] = {
    { "trace", "ID|ADDRESS", "Tell what happened to a message, and what will", NULL, run,
      "With an address: every message known from or to it.\n" },
    { 0 },
};
