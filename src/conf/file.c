/* file.c - the configuration file, read by libconfuse into a doc.
 *
 * Every value is a text for libconfuse; what it means is conf_build's affair.
 * A callback after each value notes it with its line. libconfuse stops at the
 * first error of syntax, so of those one is told; values are all checked.
 */
#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ascii.h"
#include "conf/doc.h"

/* The parse under way: libconfuse's callbacks carry no pointer of ours. */
static struct {
    struct arena       *arena;
    struct conf_doc    *doc;
    struct conf_errors *errors;
    struct slice        rest;       /* the text from line `at` on, for section_line() */
    unsigned            at;
    bool                no_memory;
    bool                ended;      /* END_MARK was seen */
} now;

/* Put behind every file, and known only outside of sections: libconfuse takes
 * the end of the file for the end of a section that was never closed. */
#define END_MARK "end-of-file"

/* distance - single-character edits from a to b; names here are short */

static unsigned distance(struct slice a, struct slice b)
{
    enum { LONGEST = 40 };
    unsigned row[LONGEST + 1], diagonal, next;

    if (a.n > LONGEST || b.n > LONGEST)
        return LONGEST;
    for (unsigned j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.n; j++) {
            next = diagonal + (ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]));
            diagonal = row[j];
            if (row[j] + 1 < next)
                next = row[j] + 1;
            if (row[j - 1] + 1 < next)
                next = row[j - 1] + 1;
            row[j] = next;
        }
    }
    return row[b.n];
}

static void closer(struct slice name, const char *candidate, const char **best,
                   unsigned *least)
{
    unsigned d = distance(name, slice_cstr(candidate));

    if (d < *least) {
        *least = d;
        *best = candidate;
    }
}

/* nearest - the known name of this section that was most likely meant, or NULL */

static const char *nearest(enum conf_section section, struct slice name)
{
    unsigned least = name.n < 5 ? 3 : 4;
    const char *best = NULL;

    for (unsigned i = 0; i < SETTING_COUNT; i++)
        if (conf_settings[i].section == section)
            closer(name, conf_settings[i].name, &best, &least);
    for (unsigned i = 0; section == SECTION_TOP && i < SECTION_COUNT; i++)
        if (i != SECTION_TOP)
            closer(name, conf_sections[i].name, &best, &least);
    return best;
}

/* home - another section that has a setting of exactly this name, one for the
 * whole server rather than one of many; or NULL */

static const struct conf_section_row *home(struct slice name)
{
    const struct conf_section_row *found = NULL;

    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const struct conf_section_row *row = &conf_sections[conf_settings[i].section];

        if (slice_eq(name, slice_cstr(conf_settings[i].name))
            && (found == NULL || (found->titled && !row->titled)))
            found = row;
    }
    return found;
}

static enum conf_section section_of(cfg_t *cfg)
{
    for (unsigned i = 0; i < SECTION_COUNT; i++)
        if (i != SECTION_TOP && strcmp(cfg_name(cfg), conf_sections[i].name) == 0)
            return (enum conf_section)i;
    return SECTION_TOP;
}

/* section_line - where the section that is being read at `line` begins: the
 * last line up to there whose first word is its name. Sections come one after
 * the other, so the search goes on where it ended last. */

static unsigned section_line(const char *name, unsigned line)
{
    unsigned found = line;
    struct slice one, rest;

    while (now.at <= line && now.rest.n > 0) {
        slice_cut(now.rest, '\n', &one, &rest);
        if (slice_istarts(slice_trim(one), slice_cstr(name)))
            found = now.at;
        if (now.at == line)
            break;
        now.at++;
        now.rest = rest;
    }
    return found;
}

static void unknown_name(cfg_t *cfg, struct slice name)
{
    enum conf_section section = section_of(cfg);
    const char *in = section == SECTION_TOP ? "" : "in ";
    const char *where = section == SECTION_TOP ? "here" : conf_sections[section].name;
    const struct conf_section_row *other = home(name);
    const char *near = nearest(section, name);
    unsigned line = (unsigned)cfg->line;

    if (slice_eq(name, SLICE_LIT(END_MARK)))
        conf_error(now.errors, section_line(where, line), "the section \"%s\" does not end; "
                   "write } behind it", where);
    else if (other != NULL)
        conf_error(now.errors, line, "\"%.*s\" is not known %s%s; it belongs %s%s%s",
                   SLICE(name), in, where, other->name[0] ? "into " : "outside of any section",
                   other->name, other->name[0] ? " { }" : "");
    else if (near != NULL)
        conf_error(now.errors, line, "\"%.*s\" is not known %s%s; did you mean \"%s\"?",
                   SLICE(name), in, where, near);
    else
        conf_error(now.errors, line, "\"%.*s\" is not known %s%s; see postrider.conf(5)",
                   SLICE(name), in, where);
}

/* on_error - libconfuse found an error of syntax or an unknown name */

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    struct slice head, name, rest;
    char text[300];

    vsnprintf(text, sizeof text, fmt, ap);
    if (slice_cut(slice_cstr(text), '\'', &head, &rest)
        && slice_istarts(head, SLICE_LIT("no such option"))) {
        slice_cut(rest, '\'', &name, &rest);
        unknown_name(cfg, name);
        return;
    }
    conf_error(now.errors, (unsigned)cfg->line, "%s; see postrider.conf(5) for the syntax",
               text);
}

static struct conf_block *block_of(enum conf_section section, struct slice title,
                                   unsigned line)
{
    struct conf_doc *doc = now.doc;

    if (!conf_sections[section].titled)
        return doc_block(doc, section);
    for (size_t i = doc->n; i-- > 0; )
        if (doc->blocks[i].section == section && slice_eq(doc->blocks[i].title, title))
            return &doc->blocks[i];
    return doc_add(now.arena, doc, section, title,
                   section_line(conf_sections[section].name, line));
}

/* on_section - a section with a title has ended */

static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
    cfg_t *sec = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);

    (void)cfg;
    if (sec != NULL && block_of(section_of(sec), slice_cstr(cfg_title(sec)),
                                (unsigned)sec->line) == NULL)
        now.no_memory = true;
    return now.no_memory ? -1 : 0;
}

static const struct conf_setting *setting_of(enum conf_section section, const char *name)
{
    for (unsigned i = 0; i < SETTING_COUNT; i++)
        if (conf_settings[i].section == section && strcmp(conf_settings[i].name, name) == 0)
            return &conf_settings[i];
    return NULL;
}

/* list_continues - libconfuse calls after each element and at the end of a
 * list, and begins again with its first when it is given again: false */

static bool list_continues(struct conf_entry *e, cfg_t *cfg, cfg_opt_t *opt)
{
    size_t n = cfg_opt_size(opt);

    if (e->closed && n <= e->n)
        return n != 1;                          /* said once */
    e->closed = n == e->n;
    e->given = true;
    e->line = (unsigned)cfg->line;
    return true;
}

/* on_value - a setting was given, or something of a list */

static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    enum conf_section section = section_of(cfg);
    const struct conf_setting *s = setting_of(section, cfg_opt_name(opt));
    const char *title = conf_sections[section].titled ? cfg_title(cfg) : "";
    struct conf_block *b = block_of(section, slice_cstr(title), (unsigned)cfg->line);
    struct conf_entry *e;

    if (s == NULL || b == NULL) {
        now.no_memory = true;
        return -1;
    }
    e = block_entry(b, (enum conf_set)(s - conf_settings));
    if (!(conf_kind_is_list(s->kind) ? list_continues(e, cfg, opt) : !e->given))
        conf_error(now.errors, (unsigned)cfg->line,
                   "\"%s\" is given twice; the first is on line %u", s->name, e->line);
    else if (!e->closed)
        now.no_memory = !entry_add(now.arena, e, (unsigned)cfg->line,
                                   slice_cstr(cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1)));
    return now.no_memory ? -1 : 0;
}

static int on_end(cfg_t *cfg, cfg_opt_t *opt)
{
    (void)cfg;
    (void)opt;
    now.ended = true;
    return 0;
}

static cfg_opt_t value_option(const struct conf_setting *s)
{
    cfg_opt_t one = CFG_STR(s->name, NULL, CFGF_NODEFAULT);
    cfg_opt_t list = CFG_STR_LIST(s->name, NULL, CFGF_NODEFAULT);
    cfg_opt_t opt = conf_kind_is_list(s->kind) ? list : one;

    opt.validcb = on_value;
    return opt;
}

static cfg_opt_t section_option(const struct conf_section_row *row, cfg_opt_t *options)
{
    cfg_opt_t titled = CFG_SEC(row->name, options,
                               CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    cfg_opt_t plain = CFG_SEC(row->name, options, CFGF_NONE);
    cfg_opt_t opt = row->titled ? titled : plain;

    if (row->titled)
        opt.validcb = on_section;
    return opt;
}

enum { OPTIONS = SETTING_COUNT + 2 * SECTION_COUNT + 1 };

/* make_options - libconfuse's table from ours; returns the one of the top */

static cfg_opt_t *make_options(cfg_opt_t all[OPTIONS])
{
    cfg_opt_t end = CFG_END(), mark = CFG_STR(END_MARK, NULL, CFGF_NODEFAULT);
    cfg_opt_t *next = all, *sections[SECTION_COUNT];
    unsigned first, n;

    mark.validcb = on_end;
    for (unsigned i = SECTION_COUNT; i-- > 0; ) {   /* the top last: it names the others */
        conf_section_span((enum conf_section)i, &first, &n);
        sections[i] = next;
        for (unsigned j = 0; j < n; j++)
            *next++ = value_option(&conf_settings[first + j]);
        for (unsigned j = 1; i == SECTION_TOP && j < SECTION_COUNT; j++)
            *next++ = section_option(&conf_sections[j], sections[j]);
        if (i == SECTION_TOP)
            *next++ = mark;
        *next++ = end;
    }
    return sections[SECTION_TOP];
}

static bool parse(const char *text)
{
    static cfg_opt_t all[OPTIONS];
    cfg_t *cfg = cfg_init(make_options(all), CFGF_NONE);
    bool ok;

    if (cfg == NULL)
        return false;
    cfg_set_error_function(cfg, on_error);
    ok = cfg_parse_buf(cfg, text) == CFG_SUCCESS;
    cfg_free(cfg);
    return ok;
}

bool doc_read_file(struct arena *a, struct conf_doc *doc, struct slice text,
                   struct conf_errors *errors)
{
    struct slice copy = arena_printf(a, "%.*s\n" END_MARK " = 1\n", SLICE(text));
    bool ok;

    if (copy.p == NULL)
        return conf_error(errors, 0, "no memory");
    if (slice_chr(text, '\0') < text.n)
        return conf_error(errors, 0, "there is a NUL byte in it; it must be a text");
    now.arena = a;
    now.doc = doc;
    now.errors = errors;
    now.rest = copy;
    now.at = 1;
    now.no_memory = now.ended = false;
    ok = parse(copy.p);
    if (now.no_memory)
        return conf_error(errors, 0, "too many sections, or no memory");
    if (ok && !now.ended)
        return conf_error(errors, 0, "the file ends inside of a comment; write */ behind it");
    if (!ok && errors->n == 0)
        return conf_error(errors, 0, "cannot be read as a configuration");
    return errors->n == 0;
}
