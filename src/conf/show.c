/* show.c - the configuration in force, written as a configuration. */
#include "base/ascii.h"
#include "conf/doc.h"

/* quoted - a value so that the parser reads it as it is */

static void quoted(struct buf *out, struct slice s)
{
    buf_puts(out, "\"");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '$')
            buf_puts(out, "\\");
        buf_put(out, &s.p[i], 1);
    }
    buf_puts(out, "\"");
}

/* put_value - words and numbers look as a person writes them */

static void put_value(struct buf *out, const struct conf_setting *s, struct slice v)
{
    bool plain = v.n > 0 && s->kind != KIND_TEXT && s->kind != KIND_PATH;

    for (size_t i = 0; i < v.n; i++)
        plain = plain && ascii_alnum(v.p[i]);
    if (plain)
        buf_put_slice(out, v);
    else
        quoted(out, v);
}

static void show_value(struct buf *out, const struct conf_setting *s,
                       const struct conf_entry *e)
{
    if (!conf_kind_is_list(s->kind)) {
        put_value(out, s, e->n > 0 ? e->values[0] : (struct slice){ 0 });
        return;
    }
    buf_puts(out, "{");
    for (size_t i = 0; i < e->n; i++) {
        buf_puts(out, i > 0 ? ", " : "");
        put_value(out, s, e->values[i]);
    }
    buf_puts(out, "}");
}

static void show_origin(struct buf *out, const struct conf_doc *doc, unsigned line)
{
    if (line > 0)
        buf_printf(out, "   # %.*s:%u\n", SLICE(doc->file), line);
    else
        buf_puts(out, "   # default\n");
}

/* absent - an empty default means "not given", and has no other spelling */

static bool absent(const struct conf_setting *s, const struct conf_entry *e)
{
    return e->line == 0 && s->value[0] == '\0'
        && (e->n == 0 || (e->n == 1 && e->values[0].n == 0));
}

static void show_entries(struct buf *out, const struct conf_doc *doc,
                         const struct conf_block *b)
{
    const char *indent = b->section == SECTION_TOP ? "" : "    ";
    unsigned first, n;

    conf_section_span(b->section, &first, &n);
    for (unsigned i = 0; i < n; i++) {
        const struct conf_setting *s = &conf_settings[first + i];
        const struct conf_entry *e = &b->entries[i];

        buf_printf(out, "%s%s%s = ", indent, absent(s, e) ? "# " : "", s->name);
        show_value(out, s, e);
        show_origin(out, doc, e->line);
    }
}

static void show_block(struct buf *out, const struct conf_doc *doc,
                       const struct conf_block *b)
{
    const struct conf_section_row *row = &conf_sections[b->section];

    if (b->section == SECTION_TOP) {
        show_entries(out, doc, b);
        return;
    }
    buf_printf(out, "\n%s ", row->name);
    if (row->titled) {
        quoted(out, b->title);
        buf_puts(out, " ");
    }
    buf_puts(out, "{");
    if (row->titled)
        show_origin(out, doc, b->line);
    else
        buf_puts(out, "\n");
    show_entries(out, doc, b);
    buf_puts(out, "}\n");
}

void conf_show(const struct conf *conf, struct buf *out)
{
    const struct conf_doc *doc = conf->doc;

    for (unsigned s = 0; s < SECTION_COUNT; s++)
        for (size_t i = 0; i < doc->n; i++)
            if (doc->blocks[i].section == s)
                show_block(out, doc, &doc->blocks[i]);
}
