/* fetch.c - postrider fetch: mail that waits elsewhere comes over the connection that we
 * made (ATRN, RFC 2645; TURN, RFC 821).
 *
 * After the server's 250 the roles are reversed: it is the client now, and the server on
 * this machine receives. This command is the pipe between the two.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "base/ascii.h"
#include "cli/control.h"
#include "cli/reach.h"

enum { PIECE = 32 << 10, QUIT_BYTES = 6, IDLE = 10 * 60000 /* RFC 2645 §5.2.1 */ };

struct fetch {
    struct reach reach;
    const char  *atrn, *to;
    bool         turn, all;
};

static const struct option_row options[] = {
    { "atrn", 0, OPTION_TEXT, offsetof(struct fetch, atrn), "DOMAIN,...", "by ATRN, the mail of these domains" },
    { "all",  0, OPTION_FLAG, offsetof(struct fetch, all), NULL, "by ATRN, of all domains that the login may fetch" },
    { "turn", 0, OPTION_FLAG, offsetof(struct fetch, turn), NULL, "by TURN" },
    { "to",   0, OPTION_TEXT, offsetof(struct fetch, to), "HOST:PORT", "the server that receives it (127.0.0.1:25)" },
    REACH_VERBOSE(fetch, reach),
    REACH_OPTIONS(fetch, reach),
    { 0 },
};

/* --- the pipe --------------------------------------------------------------------- */

struct pipe {
    struct dialog *far, *near;
    uint64_t       in, out;             /* octets */
    char           last[QUIT_BYTES];    /* the last ones that came from the server */
    bool           far_over, near_over;
};

static void remember(struct pipe *p, const char *bytes, size_t n)
{
    for (size_t i = n > QUIT_BYTES ? n - QUIT_BYTES : 0; i < n; i++) {
        memmove(p->last, p->last + 1, QUIT_BYTES - 1);
        p->last[QUIT_BYTES - 1] = bytes[i];
    }
}

/* carry - all that one side has to say now, to the other. EX_OK to go on. */

static int carry(struct pipe *p, bool from_far)
{
    static char bytes[PIECE];
    struct dialog *from = from_far ? p->far : p->near, *to = from_far ? p->near : p->far;
    int status = EX_OK;
    ssize_t n;

    while (status == EX_OK && (n = dialog_read(from, bytes, sizeof bytes, false)) != 0) {
        if (n < 0 && errno == EAGAIN)
            return EX_OK;
        if (n < 0)
            break;
        if (from_far)
            remember(p, bytes, (size_t)n);
        *(from_far ? &p->in : &p->out) += (uint64_t)n;
        status = dialog_bytes(to, slice_of(bytes, (size_t)n));
    }
    *(from_far ? &p->far_over : &p->near_over) = true;
    return status;
}

static int pump(struct pipe *p)
{
    int status = EX_OK;

    while (status == EX_OK && !p->far_over && !p->near_over) {
        struct pollfd fds[] = { { .fd = p->far->fd, .events = POLLIN },
                                { .fd = p->near->fd, .events = POLLIN } };
        int n = poll(fds, 2, IDLE);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fputs("postrider fetch: nothing came for ten minutes\n", stderr);
            return EX_TEMPFAIL;
        }
        if (fds[0].revents != 0)
            status = carry(p, true);
        if (status == EX_OK && fds[1].revents != 0)
            status = carry(p, false);
    }
    return status;
}

/* ended_well - the other side said QUIT, and the last word was its server's */

static bool ended_well(const struct pipe *p)
{
    return slice_ieq(slice_of(p->last, QUIT_BYTES), SLICE_LIT("QUIT\r\n"));
}

/* --- the server that receives ----------------------------------------------------- */

static bool offers_xclient(const struct dialog *d)
{
    struct slice line;

    for (unsigned i = 1; reader_line(&d->ehlo, i, &line); i++)
        if (slice_istarts(line, SLICE_LIT("XCLIENT")))
            return true;
    return false;
}

/* would_relay - does it take mail for anywhere from who comes from this machine? */

static bool would_relay(struct dialog *near)
{
    return dialog_say(near, "MAIL FROM:<>") == EX_OK && dialog_code(near) / 100 == 2
        && dialog_say(near, "RCPT TO:<relay-check@relay-check.invalid>") == EX_OK
        && dialog_code(near) / 100 == 2;
}

/* near_open - a connection on which the server that sends to us will speak. It speaks
 * from this machine's address, and must not have this machine's rights: it is
 * introduced as nobody (XCLIENT), or the server must give such clients no rights. The
 * greeting is in near->raw, or still to come. */

static int near_open(struct dialog *near, const char *to)
{
    struct reach here = { .server = to, .quiet = true };
    char name[256];
    int status = reach_begin(near, &here) ? dialog_open(near) : EX_USAGE;

    if (status == EX_OK)
        status = dialog_hello(near, dialog_name(name));
    if (status != EX_OK)
        return status;
    if (offers_xclient(near)) {
        status = dialog_say(near, "XCLIENT ADDR=[UNAVAILABLE] NAME=[UNAVAILABLE]");
        return status != EX_OK || dialog_code(near) == 220 ? status : EX_PROTOCOL;
    }
    if (would_relay(near)) {
        fprintf(stderr, "postrider fetch: %s relays for this machine, and so would for whoever sends "
                "the mail; use a fetch section of the configuration, or grant xclient to this machine, "
                "or name a server that does not trust it (--to)\n", to);
        return EX_NOPERM;
    }
    dialog_close(near);
    return reach_begin(near, &here) ? dialog_open(near) : EX_USAGE;
}

static int receive(struct dialog *far, struct dialog *near, json_t *result)
{
    struct pipe p = { .far = far, .near = near };
    int status = EX_OK;

    if (far->in.n > 0)                          /* it did not wait for the greeting */
        status = EX_PROTOCOL;
    if (status == EX_OK && near->raw.n > 0)     /* said already, to XCLIENT */
        status = dialog_bytes(far, buf_view(&near->raw));
    if (status == EX_OK)
        status = pump(&p);
    if (status == EX_OK && !ended_well(&p)) {
        fputs("postrider fetch: the connection ended in the middle; what is missing stays "
              "at the server\n", stderr);
        status = EX_TEMPFAIL;
    }
    json_object_set_new(result, "octets", json_integer((json_int_t)p.in));
    return status;
}

/* --- asking for it ------------------------------------------------------------------ */

/* refusal - what it means that the roles were not reversed (RFC 2645 §5.2.1) */

static int refusal(struct dialog *d, const char **why)
{
    static const struct { unsigned code; int status; const char *why; } all[] = {
        { 453, EX_OK,          "no mail" },
        { 450, EX_TEMPFAIL,    "refused: not all of these domains may be fetched, or asked too often" },
        { 451, EX_TEMPFAIL,    "cannot be said now" },
        { 502, EX_UNAVAILABLE, "the server does not do this" },
        { 530, EX_NOPERM,      "a login is needed" },
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].code == dialog_code(d)) {
            *why = all[i].why;
            return all[i].status;
        }
    *why = "refused";
    return dialog_judge(d, EX_NOPERM) == EX_OK ? EX_PROTOCOL : dialog_judge(d, EX_NOPERM);
}

static int fetch(struct dialog *d, struct dialog *near, const struct fetch *f, json_t *result)
{
    const char *why = "fetched", *to = f->to != NULL ? f->to : "127.0.0.1:25";
    int status = near_open(near, to);

    if (status == EX_OK)
        status = reach_open(d, &f->reach);
    if (status != EX_OK)
        return status;
    status = f->turn ? dialog_say(d, "TURN")
           : f->atrn != NULL ? dialog_say(d, "ATRN %s", f->atrn) : dialog_say(d, "ATRN");
    if (status != EX_OK)
        return status;
    json_object_set_new(result, "code", json_integer((json_int_t)dialog_code(d)));
    if (dialog_code(d) != 250) {
        status = refusal(d, &why);
    } else {
        dialog_note(d, "[The roles are reversed: %s receives]", to);
        status = receive(d, near, result);
        dialog_drop(d);         /* no more of our commands on this connection */
        why = status == EX_OK ? "fetched" : "broken off";
    }
    json_object_set_new(result, "result", json_string(why));
    return status;
}

static void tell(const struct cli *cli, json_t *result)
{
    const char *why = json_string_value(json_object_get(result, "result"));

    if (cli->json)
        control_print_json(NULL, result);
    else if (why != NULL)
        printf("%s\n", why);
}

static bool safe(const char *s)
{
    for (; s != NULL && *s != '\0'; s++)
        if (ascii_control(*s) || *s == ' ')
            return false;
    return true;
}

static int run(const struct cli *cli, const struct verb *v, int argc, char **argv)
{
    static struct text_list words;
    static struct dialog d, near = { .fd = -1 };
    struct fetch f = { .turn = false };
    json_t *result;
    const char *wrong;
    int status;

    words = (struct text_list){ .n = 0 };
    if (!read_words(v, &f, argc, argv, &words))
        return EX_USAGE;
    f.reach.server = words.n == 1 ? words.items[0] : NULL;
    f.reach.quiet = !f.reach.verbose || cli->json;
    wrong = reach_check(&f.reach);
    if (wrong == NULL && (f.atrn != NULL) + f.turn + f.all != 1)
        wrong = "one of --atrn, --all and --turn is needed";
    if (wrong == NULL && !safe(f.atrn))
        wrong = "--atrn is DOMAIN,DOMAIN without blanks";
    if (wrong != NULL)
        return usage_error(v, wrong);
    if (!reach_begin(&d, &f.reach))
        return usage_error(v, "HOST is a name or address, with :PORT or not");
    result = reach_json(&d);
    status = fetch(&d, &near, &f, result);
    tell(cli, result);
    json_decref(result);
    dialog_drop(&near);
    dialog_close(&near);
    dialog_close(&d);
    return status;
}

const struct verb fetch_verbs[] = {
    { "fetch", "HOST", "Fetch the mail that waits at a server for our domains", options, run,
      "The server sends it back over this connection, to the server at --to.\n"
      "HOST:366 is where on-demand mail relay (RFC 2645) usually listens.\n\n"
      "It speaks there from this machine's address, so the server at --to must not relay\n"
      "for that, or let this command introduce it as nobody (peer ... grant = {xclient}).\n"
      "A fetch section of the configuration needs neither.\n\n"
      "Exit status: 0 fetched, or there was none; 75 not now, or broken off; 69 the\n"
      "server does not do this; 77 not allowed, or the login failed.\n" },
    { 0 },
};
