/* fuzz_command.c - lines, commands, parameters and addresses, cut anywhere. */
#include "tests/fuzz/target.h"
#include "smtp/command.h"
#include "base/utf8.h"

enum { EVERYTHING = 0xfff, LINE_OCTETS = 2048, ARENA_MAX = 65536 };

static void mailbox_holds(const struct mailbox *m)
{
    struct arena a = ARENA(ARENA_MAX);
    struct mailbox again;

    must(m->local.n <= 64 && m->domain.n <= 255);
    if (m->domain.n > 0) {      /* the canonical text means the same */
        must(mailbox_parse_utf8(m->text, true, &a, &again) == ADDRESS_OK);
        must(slice_eq(again.text, m->text) && slice_eq(again.local, m->local));
    }
    arena_free(&a);
}

/* mail_holds - what goes into an envelope has no line ends, encoded or not */

static void mail_holds(const struct mail_command *m)
{
    mailbox_holds(&m->sender);
    must(xtext_valid(m->envid) && xtext_valid(m->auth));
    must(m->priority >= -9 && m->priority <= 9 && (m->by_mode != 'R' || m->by > 0));
    must(m->hold_for == 0 || m->hold_until == 0);
    must(m->utf8 || utf8_ascii(m->sender.text));
}

static void try_command(struct slice line)
{
    struct arena a = ARENA(ARENA_MAX);
    struct command_problem why;
    struct slice verb, args;
    struct mail_command m;
    struct rcpt_command r;

    command_split(line, &verb, &args);
    helo_valid(args);
    for (unsigned offers = 0; offers <= EVERYTHING; offers += EVERYTHING) {
        if (mail_parse(args, offers, &a, &m, &why) == COMMAND_OK)
            mail_holds(&m);
        if (rcpt_parse(args, offers, &a, &r, &why) == COMMAND_OK)
            mailbox_holds(&r.rcpt);
    }
    arena_free(&a);
}

/* take_lines - all lines of `in`, given in pieces; how many came */

static unsigned take_lines(struct slice in, size_t piece)
{
    struct line_reader r = { 0 };
    size_t begun = 0, there = 0, used;
    enum line_result result;
    struct slice line;
    unsigned n = 0;

    while (there < in.n) {
        there = there + piece < in.n ? there + piece : in.n;
        do {
            result = line_next(&r, slice_of(in.p + begun, there - begun), LINE_OCTETS, &line, &used);
            must(used <= there - begun);
            begun += used;
            if (result == LINE_OK)
                try_command(line);
            if (result == LINE_ENDLESS)
                return n;
            n += result != LINE_MORE;
        } while (result != LINE_MORE);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = target_input(data, size);

    must(take_lines(in, 1) == take_lines(in, SIZE_MAX / 2));
    try_command(in);
    return 0;
}
