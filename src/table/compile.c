/* compile.c - recipients and aliases files into sealed memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/ascii.h"
#include "base/date.h"
#include "base/utf8.h"
#include "mail/address_idn.h"
#include "smtp/address.h"
#include "table/secrets.h"
#include "table/table.h"

enum {
    ERRORS   = 20,
    LINE_MAX = 64 << 10,
    FILE_MAX = 256 << 20,
    SEALS    = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
};

/* A compilation under way. */
struct compile {
    const char     *path;
    struct buf     *errors;
    unsigned        nerrors;
    unsigned        line;
    struct arena    arena;      /* of the current line */
    struct buf      text;       /* the file */
    struct cdb_make cdb;
    char            key[TABLE_KEY];
    size_t          key_n;      /* the alias under construction; 0: none */
    unsigned        key_line;
    struct buf      targets;
    unsigned        ntargets;
};

/* A line without its comment, and how it may begin. */
typedef void line_f(struct compile *c, struct slice line, bool continues);

static void complain(struct compile *c, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void complain(struct compile *c, unsigned line, const char *fmt, ...)
{
    char text[600];
    va_list ap;

    if (++c->nerrors > ERRORS || c->errors == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (line > 0)
        buf_printf(c->errors, "%s:%u: %s\n", c->path, line, text);
    else
        buf_printf(c->errors, "%s: %s\n", c->path, text);
}

/* --- addresses ------------------------------------------------------------- */

/* read_address - UTF-8 may stand in both parts (RFC 6531); the domain becomes ASCII */

static bool read_address(struct compile *c, struct slice text, struct mailbox *m)
{
    struct buf ascii = BUF(DOMAIN_UNICODE);
    bool ok = mailbox_parse_utf8(text, true, &c->arena, m) == ADDRESS_OK;

    if (ok && !utf8_ascii(m->domain))
        ok = domain_to_ascii(m->domain, &ascii)
          && mailbox_domain(m, buf_view(&ascii), &c->arena);
    buf_free(&ascii);
    return ok;
}

/* canonical - an address or local part as the tables spell it; *local: it has no
 * domain. False: malformed. */

static bool canonical(struct compile *c, struct slice text, struct slice *out, bool *local)
{
    struct slice whole = text;
    struct mailbox m;

    *local = !read_address(c, text, &m);
    if (*local) {
        whole = arena_printf(&c->arena, "%.*s@x", SLICE(text));
        if (whole.n == 0 || !read_address(c, whole, &m))
            return false;
    }
    *out = m.text;
    if (*local)
        out->n = slice_rchr(m.text, '@');
    return out->n <= TABLE_KEY;
}

static bool set_key(struct compile *c, struct slice text)
{
    struct slice name;
    bool local;

    c->key_n = 0;
    if (!canonical(c, text, &name, &local))
        return false;
    for (size_t i = 0; i < name.n; i++)
        c->key[i] = ascii_lower(name.p[i]);
    c->key_n = name.n;
    return true;
}

static void add(struct compile *c, struct slice value)
{
    if (cdb_make_add(&c->cdb, c->key, (unsigned)c->key_n, value.p ? value.p : "",
                     (unsigned)value.n) < 0)
        complain(c, c->line, "%s", strerror(errno));
}

/* --- recipients -------------------------------------------------------------- */

/* read_since - "2024-01-31" or an RFC 3339 moment, "since=" before it or not */

static bool read_since(struct slice text, int64_t *ms)
{
    static const struct slice word = SLICE_INIT("since=");
    char whole[32];

    if (slice_istarts(text, word))
        text = slice_from(text, word.n);
    if (text.n != strlen("2024-01-31"))
        return date_parse_stamp(text, ms);
    snprintf(whole, sizeof whole, "%.*sT00:00:00Z", SLICE(text));
    return date_parse_stamp(slice_cstr(whole), ms);
}

static size_t unquoted_blank(struct slice s);

static void put_recipient(struct compile *c, struct slice since)
{
    struct buf value = BUF(sizeof(int64_t));
    struct wire w = wire_writer(&value);
    int64_t ms;

    if (since.n == 0) {
        add(c, (struct slice){ 0 });
    } else if (read_since(since, &ms)) {
        wire_put_i64(&w, ms / 1000);
        add(c, buf_view(&value));
    } else {
        complain(c, c->line, "\"%.*s\" is not a date; write the day since when the address has "
                 "been this person's, as 2024-01-31", (int)(since.n < 80 ? since.n : 80), since.p);
    }
    buf_free(&value);
}

static void recipients_line(struct compile *c, struct slice line, bool continues)
{
    struct slice name;
    size_t blank;

    (void)continues;
    line = slice_trim(line);
    if (line.n == 0)
        return;
    blank = unquoted_blank(line);
    name = slice_first(line, blank);
    if (set_key(c, name))
        put_recipient(c, slice_trim(slice_from(line, blank)));
    else
        complain(c, c->line, "\"%.*s\" is not a recipient; write one address or local part a "
                 "line", (int)(line.n < 80 ? line.n : 80), line.p);
}

/* --- aliases ------------------------------------------------------------------ */

/* forbidden - what other systems run, write or read for a target like this, or NULL */

static const char *forbidden(struct slice t)
{
    if (t.n > 0 && t.p[0] == '"')
        t = slice_from(t, 1);
    t = slice_trim(t);
    if (slice_istarts(t, SLICE_LIT(":include:")))
        return ":include: is not supported; write the addresses here, or name another alias";
    if (t.n > 0 && t.p[0] == '|')
        return "commands are not supported; an alias leads to addresses only";
    if (t.n > 0 && t.p[0] == '/')
        return "files are not supported; an alias leads to addresses only";
    return NULL;
}

static void put_target(struct compile *c, enum target_kind kind, struct slice text)
{
    struct wire w = wire_writer(&c->targets);

    wire_put_u8(&w, (uint8_t)kind);
    wire_put_bytes(&w, text);
    c->ntargets++;
    if (w.bad || c->targets.full || c->ntargets > TABLE_TARGETS) {
        complain(c, c->line, "more than %d targets for one alias; divide it into several",
                 (int)TABLE_TARGETS);
        c->key_n = 0;
    }
}

static void target(struct compile *c, struct slice text)
{
    const char *why = forbidden(text);
    bool final = text.n > 1 && text.p[0] == '\\', local;
    struct slice out;

    if (why != NULL)
        complain(c, c->line, "\"%.*s\": %s", (int)(text.n < 80 ? text.n : 80), text.p, why);
    else if (!canonical(c, slice_from(text, final), &out, &local) || (final && !local))
        complain(c, c->line, "\"%.*s\" is not a target; write local parts or addresses, with "
                 "commas between them", (int)(text.n < 80 ? text.n : 80), text.p);
    else
        put_target(c, !local ? TARGET_ADDRESS : final ? TARGET_FINAL : TARGET_LOCAL, out);
}

/* unquoted - where c first stands outside of double quotes; s.n if nowhere */

static size_t unquoted(struct slice s, char c)
{
    bool quoted = false;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && quoted)
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (s.p[i] == c && !quoted)
            return i;
    }
    return s.n;
}

/* unquoted_blank - the first space or tab outside of double quotes */

static size_t unquoted_blank(struct slice s)
{
    size_t space = unquoted(s, ' '), tab = unquoted(s, '\t');

    return space < tab ? space : tab;
}

static void targets(struct compile *c, struct slice list)
{
    while (list.n > 0 && c->key_n > 0) {
        size_t at = unquoted(list, ',');
        struct slice one = slice_trim(slice_first(list, at));

        if (one.n > 0)
            target(c, one);
        list = slice_from(list, at + 1);
    }
}

/* alias_end - the alias is complete: into the table with it */

static void alias_end(struct compile *c)
{
    if (c->key_n == 0)
        return;
    if (c->ntargets == 0 && c->nerrors == 0)
        complain(c, c->key_line, "the alias \"%.*s\" has no target; write local parts or "
                 "addresses behind the colon", (int)c->key_n, c->key);
    if (cdb_make_exists(&c->cdb, c->key, (unsigned)c->key_n) > 0)
        complain(c, c->key_line, "the alias \"%.*s\" is there twice", (int)c->key_n, c->key);
    else
        add(c, buf_view(&c->targets));
    c->key_n = 0;
}

static void alias_begin(struct compile *c, struct slice line)
{
    size_t colon = unquoted(line, ':');
    struct slice name = slice_trim(slice_first(line, colon));

    alias_end(c);
    buf_clear(&c->targets);
    c->ntargets = 0;
    c->key_line = c->line;
    if (colon == line.n)
        complain(c, c->line, "no colon here; write name: target, target");
    else if (!set_key(c, name))
        complain(c, c->line, "\"%.*s\" is not a name; write a local part or an address before "
                 "the colon", (int)(name.n < 80 ? name.n : 80), name.p ? name.p : "");
    targets(c, slice_from(line, colon + 1));
}

static void aliases_line(struct compile *c, struct slice line, bool continues)
{
    if (slice_trim(line).n == 0)
        return;
    if (!continues)
        alias_begin(c, line);
    else if (c->key_line == 0)
        complain(c, c->line, "a line that begins with a blank continues an alias, and there "
                 "is none before it");
    else
        targets(c, line);
}

/* --- the file ------------------------------------------------------------------- */

/* no_comment - the line up to a # at its front or after a blank, outside of quotes */

static struct slice no_comment(struct slice line)
{
    size_t from = 0, at;

    while ((at = from + unquoted(slice_from(line, from), '#')) < line.n) {
        if (at == 0 || line.p[at - 1] == ' ' || line.p[at - 1] == '\t')
            return slice_first(line, at);
        from = at + 1;
    }
    return line;
}

static void one_line(struct compile *c, struct slice line, line_f *on_line)
{
    bool continues = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');

    c->line++;
    arena_reset(&c->arena);
    if (slice_chr(line, '\0') < line.n || line.n > LINE_MAX)
        complain(c, c->line, "the line has a NUL byte, or is too long");
    else
        on_line(c, no_comment(line), continues);
}

static void all_lines(struct compile *c, struct slice text, enum table_kind kind)
{
    static line_f *const on_line[] = { [TABLE_RECIPIENTS] = recipients_line,
                                       [TABLE_ALIASES] = aliases_line };
    struct slice line;

    while (text.n > 0) {
        slice_cut(text, '\n', &line, &text);
        one_line(c, line, on_line[kind]);
    }
    if (kind == TABLE_ALIASES)
        alias_end(c);
}

/* open_file - a descriptor of a plain file, or -1: told */

static int open_file(struct compile *c)
{
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    complain(c, 0, "%s; name a file that exists and can be read",
             fd < 0 ? strerror(errno) : "not a plain file");
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool read_file(struct compile *c)
{
    int fd = open_file(c);
    char *room = NULL;
    ssize_t n = -1;

    if (fd < 0)
        return false;
    while ((room = buf_room(&c->text, 65536)) != NULL && (n = read(fd, room, 65536)) > 0)
        buf_added(&c->text, (size_t)n);
    if (room == NULL || n < 0)
        complain(c, 0, "%s", room == NULL ? "too large" : strerror(errno));
    close(fd);
    return room != NULL && n == 0;
}

/* compile_to - the whole file into fd; false: told */

static bool compile_to(struct compile *c, enum table_kind kind, int fd)
{
    if (!read_file(c))
        return false;
    if (cdb_make_start(&c->cdb, fd) < 0) {
        complain(c, 0, "%s", strerror(errno));
        return false;
    }
    all_lines(c, buf_view(&c->text), kind);
    if (cdb_make_finish(&c->cdb) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
        complain(c, 0, "%s", strerror(errno));
    return c->nerrors == 0;
}

int table_compile(enum table_kind kind, const char *path, struct buf *errors)
{
    struct compile c = { .path = path, .errors = errors, .arena = ARENA(1 << 20),
                         .text = BUF(FILE_MAX), .targets = BUF(8 << 20) };
    int fd = memfd_create("postrider.table", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        complain(&c, 0, "%s", strerror(errno));
    else if (!compile_to(&c, kind, fd)) {
        close(fd);
        fd = -1;
    }
    if (c.nerrors > ERRORS && errors != NULL)
        buf_printf(errors, "%s: and %u more\n", path, c.nerrors - ERRORS);
    arena_free(&c.arena);
    buf_free(&c.text);
    buf_free(&c.targets);
    return fd;
}

/* try_table - compile a file named by the configuration and throw it away */

static bool try_table(enum table_kind kind, struct slice path, struct buf *errors)
{
    char name[4096];
    int fd;

    if (path.n == 0)
        return true;
    if (path.n >= sizeof name)
        return false;
    memcpy(name, path.p, path.n);
    name[path.n] = '\0';
    fd = table_compile(kind, name, errors);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

struct conf *conf_check(const char *path, struct buf *errors)
{
    struct conf *conf = conf_parse(path, errors);
    bool ok = conf != NULL;

    for (size_t i = 0; conf != NULL && i < conf->ndomains; i++) {
        const struct conf_domain *d = &conf->domains[i];

        ok &= try_table(TABLE_RECIPIENTS, d->recipients_file, errors);
        ok &= try_table(TABLE_ALIASES, d->aliases_file, errors);
    }
    if (conf != NULL)
        ok &= secrets_check(conf, errors);
    if (ok)
        return conf;
    conf_free(conf);
    return NULL;
}
