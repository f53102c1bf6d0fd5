/* fuzz_session.c - a whole session: any bytes in any pieces, any moods of the
 * world, at any listener. A message exists only where the input has CRLF.CRLF or
 * LAST, and only BODY=BINARYMIME lets it hold a bare CR, a bare LF or a NUL; every
 * reply is well formed. */
#include "tests/fuzz/target.h"
#include "smtpd/fetch.h"
#include "smtpd/secure.h"
#include "tests/unit/smtpd_world.h"

enum mood {
    SLOW_LOOKUP = 1 << 0, SLOW_COMMIT = 1 << 1, NO_FILES = 1 << 2, SINK = 1 << 3,
    TRUSTED = 1 << 4, QUEUE_LOST = 1 << 5, TIME = 1 << 6, NO_QUEUE = 1 << 7,
};

/* ends - places where a message may end */

static unsigned ends(struct slice in)
{
    unsigned n = 0;

    for (size_t i = 0; i + 5 <= in.n; i++)
        n += memcmp(in.p + i, "\r\n.\r\n", 5) == 0;
    for (size_t i = 0; i + 4 <= in.n; i++)
        n += slice_ieq(slice_of(in.p + i, 4), SLICE_LIT("LAST"));
    return n;
}

static void check_text(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        must(text.p[i] != '\0');
        must(text.p[i] != '\r' || (i + 1 < text.n && text.p[i + 1] == '\n'));
        must(text.p[i] != '\n' || (i > 0 && text.p[i - 1] == '\r'));
    }
}

static void check_replies(struct script *w)
{
    struct slice rest = buf_view(&w->out), line;

    while (rest.n > 0) {
        must(slice_cut(rest, '\n', &line, &rest));
        must(line.n >= 5 && line.n < 512 && line.p[line.n - 1] == '\r');
        must(line.p[0] >= '2' && line.p[0] <= '5' && (line.p[3] == ' ' || line.p[3] == '-'));
        for (size_t i = 0; i + 1 < line.n; i++)
            must(line.p[i] >= ' ' && line.p[i] <= '~');
    }
    buf_clear(&w->out);
}

/* binary - may the last message hold anything? */

static bool binary(const struct script *w)
{
    struct envelope e;

    must(envelope_get(buf_view(&w->envelope), &e));
    must(!(e.flags & ENV_BARE) || (e.flags & ENV_BINARY));
    return e.flags & ENV_BINARY;
}

/* answer - ETRN, TURN, ATRN, VRFY, EXPN, STARTTLS */

static void answer(struct script *w, unsigned turn)
{
    if (w->s.wait == WAIT_SECURE)
        session_secured(&w->s, SLICE_LIT("TLSv1.3 TLS_AES_256_GCM_SHA384"));
    else if (w->s.wait != WAIT_ANSWER)
        return;
    else if (w->turning)
        session_turned(&w->s, w->ticket, (enum fate)(turn % 3), turn % 2, turn % 5 == 4);
    else
        session_kicked(&w->s, w->ticket, (enum fate)(turn % 3), turn);
}

/* commit_one - of those under way, any one becomes durable, or does not */

static void commit_one(struct script *w, unsigned turn)
{
    struct flight *f = world_flight(w, turn / 2 % 3);

    if (f == NULL)
        f = world_flight(w, 0);
    if (f != NULL)
        world_commit_now(w, f, turn % 5 == 4 ? COMMITTED_LATER : COMMITTED_DONE);
}

/* mind - let the world do what it does between two pieces */

static void mind(struct script *w, unsigned mood, unsigned turn)
{
    if (mood & SLOW_LOOKUP && turn % 3 == 2)
        for (unsigned i = 0; i < w->nasked; i++)
            world_answer(w, i);
    if (mood & SLOW_COMMIT && turn % 2 == 0)
        commit_one(w, turn);
    if (turn % 4 == 3) {
        w->no_files = false;
        w->room = ROOM_YES;
        session_wake(&w->s);
    }
    if (mood & QUEUE_LOST && turn % 7 == 6)
        session_queue_lost(&w->s);
    if (turn % 2 == 1)
        answer(w, turn);
    if (mood & TIME) {
        w->server.mono += 700 * turn;
        session_tick(&w->s);
    }
    script_go(w);
}

static void run(struct script *w, unsigned mood, unsigned size, struct slice in)
{
    unsigned limit = ends(in), before = 0;

    for (unsigned turn = 0; in.n > 0 && !session_ended(&w->s); turn++) {
        script_feed(w, slice_first(in, size));
        in = slice_from(in, size);
        size = size * 5 % 97 + 1;
        mind(w, mood, turn);
        check_replies(w);
        if (w->messages != before && !binary(w))
            check_text(buf_view(&w->text));
        before = w->messages;
    }
    must(w->messages <= limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const clients[] = { "192.0.2.9", "10.0.0.1", "192.0.2.80", "192.0.2.81" };
    static struct conf *conf;
    struct slice in = target_input(data, size);
    struct script w;
    unsigned mood, place;

    if (conf == NULL)
        conf = world_conf_parse();
    must(conf != NULL);
    if (size < 2)
        return 0;
    mood = data[0];
    place = mood & SINK ? 1 + data[1] % 5u : 0;
    script_begin(&w, conf, place, clients[(mood & TRUSTED ? 1 : 0) + 2 * (data[1] % 2)]);
    w.certificate = data[1] % 3 > 0;
    if (data[1] % 5 == 4) {
        w.s.account = slice_cstr(strdup("branch"));
        session_grants(&w.s);
    }
    w.slow_lookup = mood & SLOW_LOOKUP;
    w.slow_commit = mood & SLOW_COMMIT;
    w.no_files = mood & NO_FILES;
    w.room = mood & NO_QUEUE ? ROOM_UNKNOWN : ROOM_YES;
    session_greet(&w.s, false);
    run(&w, mood, data[1] % 97u + 1, slice_from(in, 2));
    script_end(&w);
    must(w.messages == 0 || size > 20);
    return 0;
}
