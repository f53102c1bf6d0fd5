/* routes.c - postrider routes: the nodes of the link-state routing, and their connectors. */
#include <string.h>
#include "cli/control.h"
#include "cli/text.h"

/* Both kinds of row come mixed; each has its table. */
struct tables {
    struct table nodes, connectors;
};

static const char *text_of(const json_t *row, const char *name)
{
    const char *s = json_string_value(json_object_get(row, name));

    return s != NULL ? s : "";
}

static const char *number_of(const json_t *row, const char *name, char to[24])
{
    const json_t *n = json_object_get(row, name);

    if (!json_is_integer(n))
        return "-";
    snprintf(to, 24, "%lld", (long long)json_integer_value(n));
    return to;
}

static void add_node(struct table *t, const json_t *row)
{
    char cost[24], age[24], version[80], major[24], minor[24], user[24];
    const char *via = text_of(row, "via");

    snprintf(version, sizeof version, "%s.%s.%s", number_of(row, "major", major),
             number_of(row, "minor", minor), number_of(row, "user", user));
    table_add(t, (const char *const[]){
        text_of(row, "node"), via[0] != '\0' ? via : "-", number_of(row, "cost", cost),
        span_text(json_integer_value(json_object_get(row, "age")) * 1000, age), version,
        text_of(row, "domains") });
}

static void add_connector(struct table *t, const json_t *row)
{
    char cost[24];

    table_add(t, (const char *const[]){
        text_of(row, "node"), text_of(row, "to"), number_of(row, "cost", cost),
        text_of(row, "state"), text_of(row, "domains") });
}

static void route_row(void *user, json_t *row)
{
    struct tables *t = user;

    if (strcmp(text_of(row, "kind"), "node") == 0)
        add_node(&t->nodes, row);
    else
        add_connector(&t->connectors, row);
}

static void print(struct tables *t)
{
    if (t->nodes.rows == 0)
        puts("There is no link-state routing here.");
    else
        table_print(&t->nodes, stdout, screen_width());
    if (t->connectors.rows == 0)
        return;
    putchar('\n');
    table_print(&t->connectors, stdout, screen_width());
}

static int routes(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    struct tables t = {
        .nodes = { .columns = 6, .heads = { "NODE", "VIA", "COST", "AGE", "VERSION", "DOMAINS" },
                   .right = { [2] = true, [3] = true } },
        .connectors = { .columns = 5, .heads = { "FROM", "TO", "COST", "STATE", "DOMAINS" },
                        .right = { [2] = true } },
    };
    int status;

    (void)argv;
    if (argc > 0)
        return usage_error(v, "it takes no words");
    status = control_ask(cli, json_pack("{s:s}", "do", "routes"),
                         cli->json ? control_print_json : route_row, &t, NULL);
    if (status == EX_OK && !cli->json)
        print(&t);
    table_free(&t.nodes);
    table_free(&t.connectors);
    return status;
}

const struct verb routes_verbs[] = {
    { .name = "routes", .words = "", .help = "the link-state routing: nodes, connectors, which way mail goes",
      .run = routes,
      .more = "VIA is the connector that mail for a node leaves by from here, COST that of the whole\n"
              "path. A connector of this server can also be in state retry: it failed, and is tried\n"
              "again before the others hear of it. See links in postrider.conf(5).\n" },
    { 0 },
};
