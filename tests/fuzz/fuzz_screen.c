/* fuzz_screen.c - whatever octets a message has, a terminal is shown lines of printable
 * UTF-8 that stand behind "| ", and rings once. */
#include "base/utf8.h"
#include "local/screen.h"
#include "tests/fuzz/target.h"

static void harmless(struct slice line)
{
    must(line.n > 0 && line.p[line.n - 1] == '\r');
    line = slice_first(line, line.n - 1);
    must(utf8_printable(line));
    must(slice_istarts(line, SLICE_LIT("|")) || slice_eq(line, SLICE_LIT("(end of message)"))
         || slice_istarts(line, SLICE_LIT("Message from <")) || slice_istarts(line, SLICE_LIT("to <")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of((const char *)data, size), line, rest, message;
    struct screen s = { .lines = 50, .client = SLICE_LIT("192.0.2.1") };
    struct buf out = BUF(SCREEN_MAX);

    slice_cut(in, '\n', &s.sender, &message);
    s.address = s.helo = s.sender;
    must(screen_write(&s, message, &out));
    rest = buf_view(&out);
    must(slice_eq(slice_first(rest, 3), SLICE_LIT("\r\n\007")));
    rest = slice_from(rest, 3);
    while (rest.n > 0) {
        must(slice_cut(rest, '\n', &line, &rest));
        harmless(line);
    }
    buf_free(&out);
    return 0;
}
