/* fuzz_downgrade.c - a message made to fit: it does fit, has the same parts, and what
 * decodes out of each is what was in it. The first octet of the input is the target.
 */
#include "tests/fuzz/target.h"
#include "mail/content.h"
#include "mail/downgrade.h"
#include "mail/parts.h"
#include "base/ascii.h"
#include "base/buf.h"

enum { ROOM = 4 << 20 };

static bool collect(void *user, struct slice piece)
{
    return buf_put_slice(user, piece);
}

static void qp_decode(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c != '=') {
            buf_put(out, &c, 1);
            continue;
        }
        must(i + 2 < in.n);
        if (in.p[i + 1] != '\r') {
            c = (char)(ascii_hex(in.p[i + 1]) << 4 | ascii_hex(in.p[i + 2]));
            buf_put(out, &c, 1);
        }
        i += 2;
    }
}

static void base64_decode(struct slice in, struct buf *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned value = 0, bits = 0;

    for (size_t i = 0; i < in.n; i++) {
        size_t at = slice_chr(slice_of(letters, 64), in.p[i]);
        char c;

        if (at == 64)
            continue;
        value = (value << 6 | (unsigned)at) & 0xffff;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        c = (char)(value >> bits);
        buf_put(out, &c, 1);
    }
}

static struct slice body_of(struct slice message, const struct part *p)
{
    return slice_first(slice_from(message, p->body), p->end - p->body);
}

/* same_part - encoded, or octet for octet */

static void same_part(struct slice in, const struct part *was, struct slice out, const struct part *is)
{
    struct buf decoded = BUF(ROOM);
    struct slice body = body_of(out, is);

    if (is->encoding != was->encoding && is->encoding == MIME_QP) {
        qp_decode(body, &decoded);
        body = buf_view(&decoded);
    } else if (is->encoding != was->encoding && is->encoding == MIME_BASE64) {
        base64_decode(body, &decoded);
        body = buf_view(&decoded);
    }
    must(slice_eq(body, body_of(in, was)));
    buf_free(&decoded);
}

static bool composite(const struct part *p)
{
    return p->kind == PART_MULTIPART || p->kind == PART_MESSAGE;
}

static void same_parts(struct slice in, struct slice out)
{
    struct parts were = { .max = DOWNGRADE_PARTS, .max_depth = DOWNGRADE_DEPTH }, are = were;

    must(parts_find(in, &were) == PARTS_OK && parts_find(out, &are) == PARTS_OK);
    must(were.n == are.n);
    for (uint32_t i = 0; i < were.n; i++) {
        const struct part *was = &were.list[i], *is = &are.list[i];

        must(was->kind == is->kind && was->parent == is->parent && was->text == is->text);
        must(is->start <= is->body && is->body <= is->end && is->end <= out.n);
        must(!composite(is) || is->encoding < MIME_QP);
        if (!composite(is))
            same_part(in, was, out, is);
    }
    parts_free(&were);
    parts_free(&are);
}

static void downgrade(struct slice in, enum downgrade_target target)
{
    struct buf out = BUF(ROOM);
    struct downgrade d = { .message = in, .target = target };
    enum downgrade_result result = downgrade_write(&d, collect, &out);
    unsigned unfit = CONTENT_BINARY | (target == DOWNGRADE_TO_7BIT ? CONTENT_8BIT : 0);
    uint64_t octets;

    must(downgrade_length(&d, &octets) == result && octets == out.n);
    must(downgrade_check(&d) == result && result != DOWNGRADE_SINK);
    must((result == DOWNGRADE_DONE) == (out.n > 0));
    must(result != DOWNGRADE_FITS || (content_facts(in) & unfit) == 0);
    if (result == DOWNGRADE_DONE) {
        must((content_facts(buf_view(&out)) & unfit) == 0);
        same_parts(in, buf_view(&out));
        d.message = buf_view(&out);
        must(downgrade_check(&d) == DOWNGRADE_FITS);
    }
    buf_free(&out);
}

/* cut_anywhere - a message that streams by has the same facts */

static void cut_anywhere(struct slice in, size_t cut)
{
    struct content_scan c = { 0 };

    content_scan(&c, slice_first(in, cut));
    content_scan(&c, slice_from(in, cut));
    must(content_end(&c) == content_facts(in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = target_input(data, size);

    if (size == 0)
        return 0;
    downgrade(slice_from(in, 1), data[0] & 1 ? DOWNGRADE_TO_8BIT : DOWNGRADE_TO_7BIT);
    cut_anywhere(in, data[size / 2] % size);
    return 0;
}
