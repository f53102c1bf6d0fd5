/* share.c - a configuration through a sealed descriptor.
 *
 * What travels is the doc: sections, lines and texts. The reader builds and
 * checks it as if it came from a file, so a torn or hostile copy is refused by
 * the same code, and no structure crosses a process boundary.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/wire.h"
#include "conf/doc.h"

enum {
    MAGIC    = 0x666e6f43,      /* "Conf" */
    COPY_MAX = 64 << 20,
    SEALS    = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
};

/* --- writing --------------------------------------------------------------- */

static void put_block(struct wire *w, const struct conf_block *b)
{
    unsigned first, n;

    wire_put_u8(w, (uint8_t)b->section);
    wire_put_u32(w, b->line);
    wire_put_bytes(w, b->title);
    conf_section_span(b->section, &first, &n);
    for (unsigned i = 0; i < n; i++) {
        const struct conf_entry *e = &b->entries[i];
        bool given = e->given || first + i == SET_TOP_hostname;     /* asked of this system */

        wire_put_u8(w, (uint8_t)((e->given ? 1 : 0) | (given ? 2 : 0)));
        wire_put_u32(w, e->line);
        wire_put_u32(w, given ? (uint32_t)e->n : 0);
        for (size_t j = 0; given && j < e->n; j++)
            wire_put_bytes(w, e->values[j]);
    }
}

static void put_doc(struct wire *w, const struct conf_doc *doc)
{
    wire_put_u32(w, MAGIC);
    wire_put_u32(w, SETTING_COUNT);
    wire_put_bytes(w, doc->file);
    wire_put_u32(w, (uint32_t)doc->n);
    for (size_t i = 0; i < doc->n; i++)
        put_block(w, &doc->blocks[i]);
}

int conf_write(const struct conf *conf)
{
    struct buf out = BUF(COPY_MAX);
    struct wire w = wire_writer(&out);
    int fd = memfd_create("postrider.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    put_doc(&w, conf->doc);
    if (fd >= 0 && (w.bad || out.full || !fd_write_all(fd, buf_view(&out))
                    || fcntl(fd, F_ADD_SEALS, SEALS) < 0)) {
        close(fd);
        fd = -1;
    }
    buf_free(&out);
    return fd;
}

/* --- reading --------------------------------------------------------------- */

static bool get_entry(struct wire *w, struct arena *a, struct conf_entry *e)
{
    uint8_t flags = wire_get_u8(w);
    uint32_t line = wire_get_u32(w), n = wire_get_u32(w);

    if (w->bad || flags > 3 || n > CONF_VALUES || n > w->in.n / 4)
        return false;
    e->values = arena_array(a, n + 1, sizeof *e->values);
    if (e->values == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++)
        e->values[i] = arena_copy(a, wire_get_bytes(w));
    e->given = (flags & 2) != 0;
    e->line = flags & 1 ? line : 0;
    e->n = n;
    return !w->bad && !a->spent;
}

/* get_block - one section; an untitled one is there already */

static bool get_block(struct wire *w, struct arena *a, struct conf_doc *doc)
{
    uint8_t section = wire_get_u8(w);
    uint32_t line = wire_get_u32(w);
    struct slice title = wire_get_bytes(w);
    struct conf_block *b;
    unsigned first, n;

    if (w->bad || section >= SECTION_COUNT)
        return false;
    if (conf_sections[section].titled)
        b = doc_add(a, doc, (enum conf_section)section, title, line);
    else
        b = doc_block(doc, (enum conf_section)section);
    if (b == NULL)
        return false;
    conf_section_span((enum conf_section)section, &first, &n);
    for (unsigned i = 0; i < n; i++)
        if (!get_entry(w, a, &b->entries[i]))
            return false;
    return true;
}

static struct conf *get_conf(struct slice bytes)
{
    struct wire w = wire_reader(bytes);
    bool known = wire_get_u32(&w) == MAGIC && wire_get_u32(&w) == SETTING_COUNT;
    struct slice file = wire_get_bytes(&w);
    uint32_t n = wire_get_u32(&w);
    struct conf_errors e = { .file = file };
    struct conf *conf = known && !w.bad ? conf_begin(file) : NULL;

    if (conf == NULL)
        return NULL;
    for (uint32_t i = 0; i < n && !w.bad; i++)
        w.bad |= !get_block(&w, &conf->arena, conf->doc);
    if (wire_done(&w) && conf_build(conf, false, &e))
        return conf;
    conf_free(conf);
    return NULL;
}

struct conf *conf_read(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct conf *conf;
    struct stat st;
    size_t n;
    void *p;

    if (seals < 0 || (seals & (F_SEAL_WRITE | F_SEAL_SHRINK)) != (F_SEAL_WRITE | F_SEAL_SHRINK)
        || fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > COPY_MAX)
        return NULL;
    n = (size_t)st.st_size;
    p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return NULL;
    conf = get_conf(slice_of(p, n));
    munmap(p, n);
    return conf;
}
