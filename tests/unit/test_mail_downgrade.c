/* test_mail_downgrade.c - messages for hosts without 8BITMIME or BINARYMIME: what comes
 * out, what is refused, and that nothing is lost in thousands of made-up messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>
#include <cmocka.h>
#include "mail/downgrade.h"
#include "base/buf.h"

enum { ROOM = 8 << 20 };

static bool collect(void *user, struct slice piece)
{
    return buf_put_slice(user, piece);
}

static enum downgrade_result run(struct slice in, enum downgrade_target target, struct buf *out)
{
    struct downgrade d = { .message = in, .target = target };
    enum downgrade_result result = downgrade_write(&d, collect, out);
    uint64_t octets;

    assert_int_equal(downgrade_check(&d), result);
    assert_int_equal(downgrade_length(&d, &octets), result);
    assert_int_equal(octets, out->n);
    return result;
}

#define T7 DOWNGRADE_TO_7BIT
#define T8 DOWNGRADE_TO_8BIT
#define MIXED "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
#define U "\xc3\xbc"

static const struct known {
    const char *what;
    enum downgrade_target target;
    struct slice in, out;
} written[] = {
    { "a message from before MIME gets the fields of RFC 1428", T7,
      SLICE_INIT("Subject: x\r\n\r\nna" U "ve\r\n"),
      SLICE_INIT("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
                 "Content-Transfer-Encoding: quoted-printable\r\n\r\nna=C3=BCve\r\n") },
    { "a known type without MIME-Version keeps it", T7,
      SLICE_INIT("Content-Type: text/html;\r\n charset=utf-8\r\nSubject: x\r\n\r\n<p>" U "\r\n"),
      SLICE_INIT("Content-Type: text/html;\r\n charset=utf-8\r\n"
                 "Content-Transfer-Encoding: quoted-printable\r\nSubject: x\r\nMIME-Version: 1.0\r\n\r\n"
                 "<p>=C3=BC\r\n") },
    { "the name of the encoding is replaced where it stands", T7,
      SLICE_INIT("MIME-Version: 1.0\r\ncontent-transfer-encoding:\r\n 8bit (yes)\r\nContent-Type: text/plain\r\n"
                 "\r\n" U " \r\n-- \r\na=b\r\n"),
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n"
                 "Content-Type: text/plain\r\n\r\n=C3=BC=20\r\n=2D-=20\r\na=3Db\r\n") },
    { "text that is mostly not ASCII is shorter in base64", T7,
      SLICE_INIT("MIME-Version: 1.0\r\n\r\n" U U U U U U U U U U U U U U U U U U U U U U U U U U U U U U U U
                 U U U U U U U U "\r\n"),
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                 "w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zDvMO8w7zD\r\n"
                 "vMO8w7zDvMO8w7zDvMO8w7zDvMO8w7wNCg==\r\n") },
    { "only the part that needs it is touched; composite names are lowered", T7,
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b c\"\r\n"
                 "Content-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n--b c\r\n\r\nplain = plain\r\n--b c  \r\n"
                 "Content-Type: application/x\r\n\r\n" U "\r\n--b c\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                 "AAAA\r\n--b c--\r\nepilogue"),
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b c\"\r\n"
                 "Content-Transfer-Encoding: 7bit\r\n\r\npreamble\r\n--b c\r\n\r\nplain = plain\r\n--b c  \r\n"
                 "Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\nw7w=\r\n--b c\r\n"
                 "Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b c--\r\nepilogue") },
    { "a message in a message is walked into, never encoded", T7,
      SLICE_INIT(MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                 "Subject: inner\r\n\r\n" U "\r\n--b--\r\n"),
      SLICE_INIT(MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
                 "Subject: inner\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--b--\r\n") },
    { "the children of a digest are messages", T7,
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
                 "MIME-Version: 1.0\r\n\r\n" U "\r\n--b--\r\n"),
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n"
                 "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--b--\r\n") },
    { "a part without a header gets one", T7,
      SLICE_INIT(MIXED "\r\n--b\r\n\r\n" U "\r\n--b--\r\n"),
      SLICE_INIT(MIXED "\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--b--\r\n") },
    { "the last delimiter may be missing, and the last CRLF", T7,
      SLICE_INIT(MIXED "\r\n--b\r\n\r\n" U "x"),
      SLICE_INIT(MIXED "\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BCx=\r\n") },
    { "an outer delimiter ends the inner part", T7,
      SLICE_INIT(MIXED "\r\n--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\n" U "\r\n--b\r\n\r\n"
                 U "\r\n--b--\r\n"),
      SLICE_INIT(MIXED "\r\n--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n"
                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--b\r\n"
                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--b--\r\n") },
    { "a signed part that fits is left alone, and its brother is not", T7,
      SLICE_INIT(MIXED "\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n"
                 "Content-Transfer-Encoding: 8bit\r\n\r\nsigned\r\n--s--\r\n\r\n--b\r\n\r\n" U "\r\n--b--\r\n"),
      SLICE_INIT(MIXED "\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n"
                 "Content-Transfer-Encoding: 8bit\r\n\r\nsigned\r\n--s--\r\n\r\n--b\r\n"
                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--b--\r\n") },
    { "message/global may be encoded", T7,
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: message/global\r\n\r\nSubject: " U "\r\n\r\n"),
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: message/global\r\n"
                 "Content-Transfer-Encoding: quoted-printable\r\n\r\nSubject: =C3=BC\r\n\r\n") },
    { "binary becomes base64 for 8BITMIME, 8-bit text stays", T8,
      SLICE_INIT(MIXED "Content-Transfer-Encoding: binary\r\n\r\n--b\r\nContent-Type: image/x\r\n"
                 "Content-Transfer-Encoding: binary\r\n\r\n\0\n\r\xff\r\n--b\r\nContent-Type: text/plain\r\n"
                 "Content-Transfer-Encoding: binary\r\n\r\n" U "\r\n--b--\r\n"),
      SLICE_INIT(MIXED "Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\nContent-Type: image/x\r\n"
                 "Content-Transfer-Encoding: base64\r\n\r\nAAoN/w==\r\n--b\r\nContent-Type: text/plain\r\n"
                 "Content-Transfer-Encoding: 8bit\r\n\r\n" U "\r\n--b--\r\n") },
    { "bare line ends are content, in text too", T8,
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\r\n"),
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                 "YQpiDQo=\r\n") },
    { "a binary body that does not end a line is encoded, harmless as it is", T8,
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\nabc"),
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n") },
    { "a harmless binary body only changes its name", T7,
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\nabc\r\n"),
      SLICE_INIT("MIME-Version: 1.0\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: 7bit\r\n\r\nabc\r\n") },
    { "what looks like a delimiter behind a bare LF is content", T8,
      SLICE_INIT(MIXED "\r\n--b\r\nContent-Type: image/x\r\n\r\nx\n--b\n\r\n--b--\r\n"),
      SLICE_INIT(MIXED "\r\n--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\neAotLWIK\r\n--b--\r\n") },
    { "comments and quotes in the fields are understood", T7,
      SLICE_INIT("MIME-Version: (1) 1.0\r\nContent-Type: (a (b\\)) ) multipart (c) / mixed;\r\n\tname=\"x;boundary=y\";"
                 " Boundary = \"b\" (d)\r\n\r\n--b\r\n\r\n" U "\r\n--b--\r\n"),
      SLICE_INIT("MIME-Version: (1) 1.0\r\nContent-Type: (a (b\\)) ) multipart (c) / mixed;\r\n\tname=\"x;boundary=y\";"
                 " Boundary = \"b\" (d)\r\n\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--b--\r\n") },
};

static void known_messages_come_out_as_they_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        struct buf out = BUF(ROOM);
        enum downgrade_result result = run(written[i].in, written[i].target, &out);

        if (result != DOWNGRADE_DONE || !slice_eq(buf_view(&out), written[i].out))
            print_error("%s (%d):\n%.*s\n", written[i].what, result, SLICE(buf_view(&out)));
        assert_int_equal(result, DOWNGRADE_DONE);
        assert_true(slice_eq(buf_view(&out), written[i].out));
        buf_free(&out);
    }
}

#define SIGNED "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\n"

static const struct refused {
    const char *what;
    enum downgrade_target target;
    struct slice in;
    enum downgrade_result result;
} refused[] = {
    { "ASCII fits", T7, SLICE_INIT("A: b\r\n\r\nx\r\n"), DOWNGRADE_FITS },
    { "8-bit lines fit 8BITMIME", T8, SLICE_INIT("A: b\r\n\r\n" U "\r\n"), DOWNGRADE_FITS },
    { "an 8bit name alone is nothing", T7, SLICE_INIT("Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n"), DOWNGRADE_FITS },
    { "broken structure that fits is none of our business", T7, SLICE_INIT("no header\r\n"), DOWNGRADE_FITS },
    { "... even if it says binary", T7,
      SLICE_INIT("Content-Type: multipart/x\r\nContent-Transfer-Encoding: binary\r\n\r\nx\r\n"), DOWNGRADE_FITS },
    { "nothing", T7, SLICE_INIT(""), DOWNGRADE_FITS },

    { "signed", T7, SLICE_INIT(SIGNED U "\r\n--s--\r\n"), DOWNGRADE_SIGNED },
    { "encrypted", T8, SLICE_INIT("Content-Type: multipart/encrypted; boundary=s\r\n\r\n--s\r\n\r\n\0\r\n--s--\r\n"),
      DOWNGRADE_SIGNED },
    { "signed, within", T7, SLICE_INIT(MIXED "\r\n--b\r\n" SIGNED U "\r\n--s--\r\n--b--\r\n"), DOWNGRADE_SIGNED },

    { "8-bit Subject", T7, SLICE_INIT("Subject: " U "\r\n\r\nx\r\n"), DOWNGRADE_HEADER },
    { "... is no matter for 8BITMIME", T8, SLICE_INIT("Subject: " U "\r\n\r\nx\r\n"), DOWNGRADE_FITS },
    { "8-bit file name", T7, SLICE_INIT(MIXED "\r\n--b\r\nContent-Disposition: inline; filename=" U "\r\n\r\nx\r\n--b--\r\n"),
      DOWNGRADE_HEADER },
    { "8-bit header within", T7, SLICE_INIT("Content-Type: message/rfc822\r\n\r\nTo: " U "\r\n\r\nx\r\n"), DOWNGRADE_HEADER },

    { "delivery-status", T7, SLICE_INIT("Content-Type: message/delivery-status\r\n\r\nA: " U "\r\n"), DOWNGRADE_MESSAGE },
    { "partial", T7, SLICE_INIT("Content-Type: message/partial; id=a\r\n\r\nA: b\r\n\r\n" U "\r\n"), DOWNGRADE_MESSAGE },
    { "external", T7, SLICE_INIT("Content-Type: message/external-body\r\n\r\nA: " U "\r\n"), DOWNGRADE_MESSAGE },

    { "unknown encoding", T7, SLICE_INIT("Content-Transfer-Encoding: x-uu\r\n\r\n" U "\r\n"), DOWNGRADE_ENCODING },
    { "8-bit in base64", T7, SLICE_INIT("Content-Transfer-Encoding: base64\r\n\r\n" U "\r\n"), DOWNGRADE_ENCODING },
    { "8-bit in quoted-printable", T7, SLICE_INIT("Content-Transfer-Encoding: quoted-printable\r\n\r\n" U "\r\n"),
      DOWNGRADE_ENCODING },
    { "two words", T7, SLICE_INIT("Content-Transfer-Encoding: 8bit 7bit\r\n\r\n" U "\r\n"), DOWNGRADE_ENCODING },
    { "a multipart in base64", T7, SLICE_INIT(MIXED "Content-Transfer-Encoding: base64\r\n\r\n" U "\r\n"), DOWNGRADE_ENCODING },

    { "no boundary named", T7, SLICE_INIT("Content-Type: multipart/mixed\r\n\r\n" U "\r\n"), DOWNGRADE_STRUCTURE },
    { "boundary nowhere", T7, SLICE_INIT(MIXED "\r\n" U "\r\n"), DOWNGRADE_STRUCTURE },
    { "8-bit preamble", T7, SLICE_INIT(MIXED "\r\n" U "\r\n--b\r\n\r\nx\r\n--b--\r\n"), DOWNGRADE_STRUCTURE },
    { "8-bit epilogue", T7, SLICE_INIT(MIXED "\r\n--b\r\n\r\nx\r\n--b--\r\n" U "\r\n"), DOWNGRADE_STRUCTURE },
    { "two boundaries", T7, SLICE_INIT("Content-Type: multipart/x; boundary=b; boundary=c\r\n\r\n--b\r\n\r\n" U "\r\n--b--\r\n"),
      DOWNGRADE_STRUCTURE },
    { "a boundary in pieces", T7,
      SLICE_INIT("Content-Type: multipart/x; boundary*0=b\r\n\r\n--b\r\n\r\n" U "\r\n--b--\r\n"), DOWNGRADE_STRUCTURE },
    { "a boundary with a backslash", T7,
      SLICE_INIT("Content-Type: multipart/x; boundary=\"\\b\"\r\n\r\n--b\r\n\r\n" U "\r\n--b--\r\n"), DOWNGRADE_STRUCTURE },
    { "type given twice", T7, SLICE_INIT(MIXED "Content-Type: text/plain\r\n\r\n--b\r\n\r\n" U "\r\n--b--\r\n"),
      DOWNGRADE_STRUCTURE },
    { "encoding given twice", T7,
      SLICE_INIT("Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: binary\r\n\r\n" U "\r\n"), DOWNGRADE_STRUCTURE },
    { "a delimiter with something behind it", T7, SLICE_INIT(MIXED "\r\n--b\r\n\r\n" U "\r\n--bc\r\n\r\n--b--\r\n"),
      DOWNGRADE_STRUCTURE },
    { "a delimiter after the last", T7, SLICE_INIT(MIXED "\r\n--b--\r\n--b\r\n\r\n" U "\r\n"), DOWNGRADE_STRUCTURE },
    { "one boundary for two", T7, SLICE_INIT(MIXED "\r\n--b\r\n" MIXED "\r\n--b\r\n\r\n" U "\r\n--b--\r\n"),
      DOWNGRADE_STRUCTURE },
    { "a header that does not end", T7, SLICE_INIT("Subject: x\r\nnot a field " U "\r\n"), DOWNGRADE_STRUCTURE },
    { "bare LF in a header", T8, SLICE_INIT("Subject: x\ny\r\n\r\nx\r\n"), DOWNGRADE_STRUCTURE },
    { "NUL in a header", T8, SLICE_INIT("Subject: \0\r\n\r\nx\r\n"), DOWNGRADE_STRUCTURE },
    { "half a multipart", T7, SLICE_INIT("Content-Type: multipart\r\n\r\n--b\r\n\r\n" U "\r\n--b--\r\n"), DOWNGRADE_STRUCTURE },
};

static void doubtful_messages_are_refused_and_fitting_ones_are_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct buf out = BUF(ROOM);
        enum downgrade_result result = run(refused[i].in, refused[i].target, &out);

        if (result != refused[i].result)
            print_error("%s: %s\n", refused[i].what, downgrade_text(result));
        assert_int_equal(result, refused[i].result);
        assert_int_equal(out.n, 0);
        buf_free(&out);
    }
}

/* nested - `levels` messages in messages, or multiparts, around one 8-bit octet */

static struct slice nested(struct buf *b, unsigned levels, bool messages)
{
    buf_clear(b);
    for (unsigned i = 0; i < levels; i++) {
        if (messages)
            buf_puts(b, "Content-Type: message/rfc822\r\n\r\n");
        else
            buf_printf(b, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
    }
    buf_puts(b, "\r\n\xff\r\n");
    return buf_view(b);
}

static void depth_and_number_have_a_limit(void **state)
{
    struct buf in = BUF(ROOM), out = BUF(ROOM);

    (void)state;
    for (int messages = 0; messages < 2; messages++) {
        assert_int_equal(run(nested(&in, 99, messages), T7, &out), DOWNGRADE_DONE);
        buf_clear(&out);
        assert_int_equal(run(nested(&in, 100, messages), T7, &out), DOWNGRADE_DEEP);
    }
    buf_clear(&in);
    buf_puts(&in, MIXED "\r\n");
    for (int i = 0; i < DOWNGRADE_PARTS - 1; i++)
        buf_puts(&in, "--b\r\n\r\n\xff\r\n");
    assert_int_equal(run(buf_view(&in), T7, &out), DOWNGRADE_DONE);
    buf_clear(&out);
    buf_puts(&in, "--b\r\n\r\n\xff\r\n");
    assert_int_equal(run(buf_view(&in), T7, &out), DOWNGRADE_DEEP);
    buf_free(&in);
    buf_free(&out);
}

static void a_long_line_is_broken_in_the_body_and_refused_in_the_header(void **state)
{
    static char line[1001];
    struct buf in = BUF(ROOM), out = BUF(ROOM);

    (void)state;
    memset(line, 'x', 999);
    buf_printf(&in, "A: b\r\n\r\n%s\r\n", line);
    assert_int_equal(run(buf_view(&in), T8, &out), DOWNGRADE_DONE);
    assert_int_equal(content_facts(buf_view(&out)), 0);
    buf_clear(&in);
    buf_clear(&out);
    buf_printf(&in, "A: %s\r\n\r\nx\r\n", line);
    assert_int_equal(run(buf_view(&in), T8, &out), DOWNGRADE_LONG);
    assert_int_equal(downgrade_check(&(struct downgrade){
        .message = buf_view(&in), .target = T8, .line_max = 2000 }), DOWNGRADE_FITS);
    buf_free(&in);
    buf_free(&out);
}

static void a_sink_that_is_full_stops_it(void **state)
{
    struct downgrade d = { .message = written[4].in, .target = T7 };

    (void)state;
    for (size_t room = 0; room < written[4].out.n; room++) {
        struct buf out = BUF(room);

        assert_int_equal(downgrade_write(&d, collect, &out), DOWNGRADE_SINK);
        buf_free(&out);
    }
}

static void every_result_has_its_code(void **state)
{
    unsigned status[3];

    (void)state;
    downgrade_status(DOWNGRADE_SIGNED, status);
    assert_true(status[0] == 5 && status[1] == 6 && status[2] == 3);
    downgrade_status(DOWNGRADE_HEADER, status);
    assert_true(status[0] == 5 && status[1] == 6 && status[2] == 7);
    for (unsigned i = 0; i <= DOWNGRADE_SINK; i++)
        assert_true(strlen(downgrade_text((enum downgrade_result)i)) > 5);
}

/* The property: a tree of parts is made up; a reader that knows nothing of the code
 * under test takes the result apart and must find every body again. */

struct world {
    uint32_t    seed;
    unsigned    boundaries;     /* made so far */
    unsigned    depth;
    struct buf  text;           /* the message */
    struct buf  want;           /* its leaves, each with its type and length before it */
    struct buf  got;
    bool        signed_dirty;   /* something is in a signed part that must be refused */
    enum downgrade_target target;
};

static unsigned rnd(struct world *w, unsigned n)
{
    w->seed = w->seed * 1664525 + 1013904223;
    return (w->seed >> 8) % n;
}

static void leaf_note(struct buf *list, const char *type, struct slice bytes)
{
    assert_true(buf_printf(list, "<%s %zu>", type, bytes.n) && buf_put_slice(list, bytes));
}

/* A body: pieces that are troublesome in one way or another. */

static const struct slice harmless[] = {
    SLICE_INIT("a line\r\n"), SLICE_INIT("\r\n"), SLICE_INIT("trailing \t \r\n"), SLICE_INIT("-- \r\n"),
    SLICE_INIT("--=_\r\n"), SLICE_INIT("-"), SLICE_INIT("."), SLICE_INIT("=3D=\r\n"), SLICE_INIT("From x"),
    SLICE_INIT("Content-Type: x\r\n\r\n"), SLICE_INIT(" "), SLICE_INIT("------------------------------"
    "---------------------------------------------------------------------------------------------------"),
    SLICE_INIT("0123456789012345678901234567890123456789012345678901234567890123456789012345"),
};
static const struct slice eight[] = {
    SLICE_INIT("\xc3\xbc"), SLICE_INIT("\xff\xfe\xfd"), SLICE_INIT("caf\xe9\r\n"), SLICE_INIT("\x80 \r\n"),
};
static const struct slice binary[] = {
    SLICE_INIT("\0"), SLICE_INIT("\n"), SLICE_INIT("\r"), SLICE_INIT("\r\r\n"), SLICE_INIT("\n\r"),
    SLICE_INIT("\n--=_B0_\n"), SLICE_INIT("\r--=_B1_\r"), SLICE_INIT("\0\r\n"),
};

#define PICK(w, list) (list)[rnd(w, sizeof (list) / sizeof (list)[0])]

/* body_make - sort 0: harmless, 1: 8-bit too, 2: anything, 3: one very long line */

static void body_make(struct world *w, unsigned sort, struct buf *body)
{
    unsigned pieces = rnd(w, 12);

    for (unsigned i = 0; i < pieces; i++) {
        if (sort >= 1 && rnd(w, 3) == 0)
            buf_put_slice(body, PICK(w, eight));
        if (sort == 2 && rnd(w, 3) == 0)
            buf_put_slice(body, PICK(w, binary));
        buf_put_slice(body, PICK(w, harmless));
    }
    for (unsigned i = 0; sort == 3 && i < 120; i++)
        buf_puts(body, "long line ");
    if (rnd(w, 2) == 0)
        buf_puts(body, "\r\n");
}

static void raw_qp(struct buf *out, struct slice in)
{
    for (size_t i = 0; i < in.n; i++)
        buf_printf(out, "%s=%02X", i % 20 == 19 ? "=\r\n" : "", (unsigned char)in.p[i]);
}

static void raw_base64(struct buf *out, struct slice in)
{
    static const char a[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < in.n; i += 3) {
        uint32_t v = 0;

        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (i + k < in.n ? (unsigned char)in.p[i + k] : 0u);
        buf_printf(out, "%c%c%c%c%s", a[v >> 18], a[v >> 12 & 63], i + 1 < in.n ? a[v >> 6 & 63] : '=',
                   i + 2 < in.n ? a[v & 63] : '=', i % 30 == 27 ? "\r\n" : "");
    }
}

static const char *const leaf_types[] = { "text/plain", "application/octet-stream", "text/html", "image/png" };

/* encoding_put - in some spelling */

static void encoding_put(struct world *w, const char *name)
{
    static const char *const spelt[] = {
        "Content-Transfer-Encoding: %s\r\n", "content-transfer-encoding:%s\r\n",
        "Content-Transfer-Encoding:\r\n\t%s (really)\r\n", "Content-transfer-encoding : %s\r\n",
    };
    static const char *const order[] = { "X-Before: 1\r\n", "" };
    char field[100];

    snprintf(field, sizeof field, spelt[rnd(w, 4)], name);
    buf_puts(&w->text, order[rnd(w, 2)]);
    buf_puts(&w->text, field);
}

static void leaf_make(struct world *w)
{
    const char *type = leaf_types[rnd(w, 4)];
    unsigned sort = rnd(w, w->target == DOWNGRADE_TO_8BIT || rnd(w, 2) ? 4 : 2);
    struct buf body = BUF(ROOM);
    unsigned how = rnd(w, 5);

    body_make(w, sort, &body);
    leaf_note(&w->want, type, buf_view(&body));
    if (how == 0)
        encoding_put(w, "base64");
    if (rnd(w, 8) != 0 || strcmp(type, "text/plain") != 0)
        buf_printf(&w->text, "Content-Type: %s%s\r\n", type, rnd(w, 2) ? "; name=\"a;b\"" : "");
    if (how == 1)
        encoding_put(w, "Quoted-Printable");
    if (how == 2)
        encoding_put(w, sort == 0 ? "7bit" : sort == 1 ? "8bit" : "binary");
    if (how == 3 || (sort >= 2 && how > 2))
        encoding_put(w, "BINARY");
    buf_puts(&w->text, "\r\n");
    if (how == 0)
        raw_base64(&w->text, buf_view(&body));
    else if (how == 1)
        raw_qp(&w->text, buf_view(&body));
    else
        buf_put_slice(&w->text, buf_view(&body));
    buf_free(&body);
}

static void entity_make(struct world *w, bool message);

static void signed_make(struct world *w)
{
    struct buf all = BUF(ROOM);
    unsigned dirty = rnd(w, 12), name = w->boundaries++;

    buf_printf(&all, "--sig%u_\r\nContent-Transfer-Encoding: 8bit\r\n\r\nsigned %s\r\n--sig%u_--\r\n", name,
               dirty == 0 ? "\xc3\xbc" : dirty == 1 ? "\n" : "", name);
    w->signed_dirty |= dirty == 1 || (dirty == 0 && w->target == DOWNGRADE_TO_7BIT);
    buf_printf(&w->text, "Content-Type: multipart/signed; boundary=\"sig%u_\"\r\n\r\n", name);
    leaf_note(&w->want, "multipart/signed", buf_view(&all));
    buf_put_slice(&w->text, buf_view(&all));
    buf_free(&all);
}

static void multipart_make(struct world *w)
{
    unsigned name = w->boundaries++, parts = rnd(w, 4) + 1;
    bool digest = rnd(w, 8) == 0;

    buf_printf(&w->text, "Content-Type: multipart/%s; charset=x;\r\n boundary=\"=_B%u_\"\r\n",
               digest ? "digest" : "mixed", name);
    if (rnd(w, 3) == 0)
        encoding_put(w, rnd(w, 2) ? "8bit" : "binary");
    buf_puts(&w->text, rnd(w, 3) == 0 ? "\r\npreamble\r\n" : "\r\n");
    for (unsigned i = 0; i < parts; i++) {
        buf_printf(&w->text, "%s--=_B%u_%s\r\n%s", i > 0 ? "\r\n" : "", name, rnd(w, 4) ? "" : " \t",
                   digest ? "\r\n" : "");
        entity_make(w, digest);
    }
    if (rnd(w, 6) != 0)     /* else the last delimiter is missing */
        buf_printf(&w->text, "\r\n--=_B%u_--%s", name, rnd(w, 2) ? "" : "\r\nepilogue\r\n");
}

static void message_make(struct world *w)
{
    buf_puts(&w->text, "Content-Type: message/rfc822\r\n");
    if (rnd(w, 2))
        encoding_put(w, "8bit");
    buf_puts(&w->text, "\r\n");
    entity_make(w, true);
}

static void entity_make(struct world *w, bool message)
{
    unsigned sort = w->depth > 6 ? 0 : rnd(w, w->depth == 0 ? 8 : 12);

    w->depth++;
    if (message && rnd(w, 2))
        buf_puts(&w->text, "Subject: x\r\n");
    if (message && rnd(w, 2))
        buf_puts(&w->text, "MIME-Version: 1.0\r\n");
    if (sort < 2 || sort > 7)
        leaf_make(w);
    else if (sort < 6)
        multipart_make(w);
    else if (sort == 6)
        message_make(w);
    else
        signed_make(w);
    w->depth--;
}

/* The reader. */

enum { FIELD = 200 };

/* field_get - the first field of that name, unfolded; "" if there is none */

static void field_get(struct slice header, const char *name, char value[FIELD])
{
    struct slice line;
    size_t n = strlen(name), used = 0;
    bool inside = false;

    while (slice_cut(header, '\n', &line, &header)) {
        bool fold = line.p[0] == ' ' || line.p[0] == '\t';

        if (!fold && used > 0)
            break;
        if (!fold)
            inside = slice_istarts(line, slice_cstr(name))
                && (line.p[n] == ':' || (line.p[n] == ' ' && line.p[n + 1] == ':'));
        if (inside)
            used += (size_t)snprintf(value + used, FIELD - used, "%.*s ", (int)(line.n - 1), line.p);
    }
    value[used] = '\0';
    if (used > 0)
        memmove(value, strchr(value, ':') + 1, strlen(strchr(value, ':')));
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void qp_read(struct slice in, struct buf *out)
{
    size_t column = 0;

    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        assert_true(++column <= 76 || c == '\r' || c == '\n');
        if (c == '\n')
            column = 0;
        if (c != '=') {
            assert_true((unsigned char)c < 127 && (c >= ' ' || c == '\t' || c == '\r' || c == '\n'));
            buf_put(out, &c, 1);
        } else if (in.p[i + 1] == '\r') {
            assert_true(i + 2 < in.n && in.p[i + 2] == '\n');
            i += 2;
            column = 0;
        } else {
            assert_true(i + 2 < in.n && hex_value(in.p[i + 1]) >= 0 && hex_value(in.p[i + 2]) >= 0);
            c = (char)(hex_value(in.p[i + 1]) << 4 | hex_value(in.p[i + 2]));
            buf_put(out, &c, 1);
            i += 2;
            column += 2;
        }
    }
}

static void base64_read(struct slice in, struct buf *out)
{
    static const char a[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t v = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < in.n; i++) {
        const char *at = in.p[i] != '\0' ? strchr(a, in.p[i]) : NULL;

        if (in.p[i] == '=' || in.p[i] == '\r' || in.p[i] == '\n')
            continue;
        assert_non_null(at);
        v = v << 6 | (uint32_t)(at - a);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            buf_put(out, &(char){ (char)(v >> bits & 255) }, 1);
        }
    }
}

static void leaf_read(struct world *w, const char *type, const char *encoding, struct slice body)
{
    struct buf decoded = BUF(ROOM);

    if (strcmp(type, "multipart/signed") != 0 && strcasecmp(encoding, "base64") == 0)
        base64_read(body, &decoded);
    else if (strcasecmp(encoding, "quoted-printable") == 0)
        qp_read(body, &decoded);
    else
        buf_put_slice(&decoded, body);
    leaf_note(&w->got, type, buf_view(&decoded));
    buf_free(&decoded);
}

static void entity_read(struct world *w, struct slice region, bool digest, bool result);

/* delimiter_search - the next line of that boundary; *next: what follows it */

static bool delimiter_search(struct slice region, size_t from, const char *boundary, size_t *line,
                             size_t *next, bool *last)
{
    size_t n = strlen(boundary);

    for (size_t i = from; i + n + 2 <= region.n; i++) {
        if ((i > 0 && (region.p[i - 1] != '\n' || i < 2 || region.p[i - 2] != '\r'))
            || memcmp(region.p + i, "--", 2) != 0 || memcmp(region.p + i + 2, boundary, n) != 0)
            continue;
        *line = i;
        *last = i + n + 4 <= region.n && memcmp(region.p + i + n + 2, "--", 2) == 0;
        *next = i + slice_chr(slice_from(region, i), '\n') + 1;
        return true;
    }
    return false;
}

static void multipart_read(struct world *w, const char *boundary, struct slice body, bool digest, bool result)
{
    size_t line, next, begin;
    bool last;

    assert_true(delimiter_search(body, 0, boundary, &line, &next, &last));
    while (!last) {
        begin = next;
        if (!delimiter_search(body, begin, boundary, &line, &next, &last)) {
            line = body.n + 2;
            last = true;
        }
        entity_read(w, slice_first(slice_from(body, begin), line >= begin + 2 ? line - 2 - begin : 0), digest, result);
    }
}

/* names_allowed - in a result: no name of an encoding that the host does not take */

static void names_allowed(const struct world *w, const char *type, const char *encoding)
{
    bool composite = strncmp(type, "multipart/", 10) == 0 || strncmp(type, "message/", 8) == 0;

    assert_false(strcasecmp(encoding, "binary") == 0);
    assert_false(w->target == DOWNGRADE_TO_7BIT && strcasecmp(encoding, "8bit") == 0);
    assert_false(composite && (strcasecmp(encoding, "base64") == 0 || strcasecmp(encoding, "quoted-printable") == 0));
}

static void entity_read(struct world *w, struct slice region, bool digest, bool result)
{
    const char *crlf = memmem(region.p, region.n, "\r\n\r\n", 4);
    size_t head = slice_istarts(region, SLICE_LIT("\r\n")) ? 0 : crlf != NULL ? (size_t)(crlf - region.p) + 2 : region.n;
    struct slice header = slice_first(region, head), body = slice_from(region, head + 2);
    char type[FIELD], encoding[FIELD], *boundary, *end;

    field_get(header, "Content-Type", type);
    field_get(header, "Content-Transfer-Encoding", encoding);
    boundary = strstr(type, "boundary=\"");
    sscanf(encoding, "%s", encoding);
    if (sscanf(type, " %[^; ]", type) != 1)
        strcpy(type, digest ? "message/rfc822" : "text/plain");
    if (result)
        names_allowed(w, type, encoding);
    if (strcmp(type, "message/rfc822") == 0) {
        entity_read(w, body, false, result);
    } else if (strcmp(type, "multipart/mixed") == 0 || strcmp(type, "multipart/digest") == 0) {
        end = strchr(boundary + 10, '"');
        *end = '\0';
        multipart_read(w, boundary + 10, body, strcmp(type, "multipart/digest") == 0, result);
    } else {
        leaf_read(w, type, encoding, body);
    }
}

static void all_free(struct world *w)
{
    buf_free(&w->text);
    buf_free(&w->want);
    buf_free(&w->got);
}

static void result_check(struct world *w, struct slice out)
{
    unsigned unfit = CONTENT_BINARY | (w->target == DOWNGRADE_TO_7BIT ? CONTENT_8BIT : 0);
    struct buf again = BUF(ROOM);

    assert_int_equal(content_facts(out) & unfit, 0);
    buf_clear(&w->got);
    entity_read(w, out, false, true);
    if (!slice_eq(buf_view(&w->got), buf_view(&w->want)))
        print_error("from\n%.*s\nto\n%.*s\n", SLICE(buf_view(&w->text)), SLICE(out));
    assert_true(slice_eq(buf_view(&w->got), buf_view(&w->want)));
    assert_int_equal(run(out, w->target, &again), DOWNGRADE_FITS);
    buf_free(&again);
}

static enum downgrade_result world_try(uint32_t seed, enum downgrade_target target)
{
    struct world w = { .seed = seed * 2654435761u, .text = BUF(ROOM), .want = BUF(ROOM), .got = BUF(ROOM),
                       .target = target };
    struct buf out = BUF(ROOM);
    enum downgrade_result result;

    entity_make(&w, true);
    entity_read(&w, buf_view(&w.text), false, false);
    assert_true(slice_eq(buf_view(&w.got), buf_view(&w.want)));     /* the reader reads */
    result = run(buf_view(&w.text), target, &out);
    if (w.signed_dirty)
        assert_int_equal(result, DOWNGRADE_SIGNED);
    else if (result == DOWNGRADE_DONE)
        result_check(&w, buf_view(&out));
    else
        assert_int_equal(result, DOWNGRADE_FITS);
    buf_free(&out);
    all_free(&w);
    return result;
}

static void every_body_is_found_again(void **state)
{
    unsigned counts[DOWNGRADE_SINK + 1] = { 0 };

    (void)state;
    for (uint32_t seed = 1; seed <= 5000; seed++)
        counts[world_try(seed, seed % 3 == 0 ? T8 : T7)]++;
    assert_true(counts[DOWNGRADE_DONE] > 2000 && counts[DOWNGRADE_FITS] > 250 && counts[DOWNGRADE_SIGNED] > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_messages_come_out_as_they_should),
        cmocka_unit_test(doubtful_messages_are_refused_and_fitting_ones_are_not),
        cmocka_unit_test(depth_and_number_have_a_limit),
        cmocka_unit_test(a_long_line_is_broken_in_the_body_and_refused_in_the_header),
        cmocka_unit_test(a_sink_that_is_full_stops_it),
        cmocka_unit_test(every_result_has_its_code),
        cmocka_unit_test(every_body_is_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
