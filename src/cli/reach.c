/* reach.c - from options to a server that listens. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include "base/ascii.h"
#include "cli/login.h"
#include "cli/reach.h"
#include "smtp/address.h"

enum { CA_MAX = 16 << 20, PASSWORD = 512 };

enum tls_mode { TLS_MODE_OFF, TLS_MODE_OFFER, TLS_MODE_REQUIRE, TLS_MODE_IMPLICIT };

static const char *const modes[] = {
    [TLS_MODE_OFF] = "off", [TLS_MODE_OFFER] = "offer", [TLS_MODE_REQUIRE] = "require",
    [TLS_MODE_IMPLICIT] = "implicit",
};

/* mode_of - without a word: as it is offered, but never a password without TLS */

static int mode_of(const struct reach *r)
{
    if (r->tls == NULL)
        return TLS_MODE_OFFER;
    for (int i = 0; i < (int)(sizeof modes / sizeof modes[0]); i++)
        if (strcmp(r->tls, modes[i]) == 0)
            return i;
    return -1;
}

static bool safe(const char *s)
{
    for (; s != NULL && *s != '\0'; s++)
        if (ascii_control(*s))
            return false;
    return true;
}

const char *reach_check(const struct reach *r)
{
    if (r->server == NULL)
        return "which server? HOST, HOST:PORT or [ADDRESS]:PORT is needed";
    if (mode_of(r) < 0)
        return "--tls is off, offer, require or implicit";
    if (!safe(r->helo) || !safe(r->xclient))
        return "control characters cannot be sent";
    if (r->auth != NULL && r->user == NULL && strcasecmp(r->auth, "GSSAPI") != 0)
        return "--auth needs --user";
    return NULL;
}

/* --- passwords ------------------------------------------------------------------- */

/* type_password - at the terminal, without echo */

static bool type_password(char to[PASSWORD])
{
    FILE *tty = fopen("/dev/tty", "r+");
    struct termios before, quiet;
    bool ok;

    if (tty == NULL || tcgetattr(fileno(tty), &before) < 0) {
        fputs("postrider: no terminal to ask for the password; see --password-file\n", stderr);
        if (tty != NULL)
            fclose(tty);
        return false;
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    fputs("Password: ", tty);
    fflush(tty);
    tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
    ok = fgets(to, PASSWORD, tty) != NULL;
    tcsetattr(fileno(tty), TCSAFLUSH, &before);
    fputc('\n', tty);
    fclose(tty);
    return ok;
}

static bool read_password(const char *file, char to[PASSWORD])
{
    FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    bool ok;

    if (f == NULL) {
        fprintf(stderr, "postrider: %s: %s\n", file, strerror(errno));
        return false;
    }
    if (f != stdin)
        setvbuf(f, NULL, _IONBF, 0);        /* no copy of it stays in a buffer */
    ok = fgets(to, PASSWORD, f) != NULL;
    if (!ok)
        fprintf(stderr, "postrider: %s: no password in it\n", file);
    if (f != stdin)
        fclose(f);
    return ok;
}

bool password_read(const char *file, char to[PASSWORD], size_t *n)
{
    if (!(file != NULL ? read_password(file, to) : type_password(to)))
        return false;
    *n = strcspn(to, "\r\n");
    return true;
}

static int log_in(struct dialog *d, const struct reach *r)
{
    bool kerberos = r->auth != NULL && strcasecmp(r->auth, "GSSAPI") == 0;
    char password[PASSWORD] = "";
    size_t n = 0;
    int status;

    if (r->user == NULL && !kerberos)
        return EX_OK;
    if (!kerberos && !password_read(r->password_file, password, &n))
        return EX_NOINPUT;
    status = login(d, kerberos ? "" : r->user, slice_of(password, n), r->auth,
                   dialog_is_secure(d) || mode_of(r) == TLS_MODE_OFF);
    explicit_bzero(password, sizeof password);
    return status;
}

/* --- TLS --------------------------------------------------------------------------- */

static bool read_authorities(const char *file, struct buf *text)
{
    FILE *f = fopen(file, "re");
    char *room;
    size_t n;
    bool ok;

    if (f == NULL) {
        fprintf(stderr, "postrider: %s: %s\n", file, strerror(errno));
        return false;
    }
    while ((room = buf_room(text, 64 << 10)) != NULL && (n = fread(room, 1, 64 << 10, f)) > 0)
        buf_added(text, n);
    ok = !ferror(f) && !text->full;
    fclose(f);
    return ok;
}

/* begin_tls - with the handshake; `require`: the certificate must be trusted */

static int begin_tls(struct dialog *d, const struct reach *r)
{
    int mode = mode_of(r);
    struct buf authorities = BUF(CA_MAX);
    struct tls_peer peer = {
        .name = slice_cstr(d->host),
        .policy = mode == TLS_MODE_REQUIRE || (mode == TLS_MODE_IMPLICIT && r->ca != NULL)
                ? TLS_POLICY_REQUIRE : TLS_POLICY_OPPORTUNISTIC,
    };
    struct tls_client *trust;
    struct why why = { 0 };
    int status;

    if (r->ca != NULL && !read_authorities(r->ca, &authorities)) {
        buf_free(&authorities);
        return EX_NOINPUT;
    }
    trust = tls_client_new(buf_view(&authorities), r->ca != NULL ? r->ca : "", &why);
    buf_free(&authorities);
    if (trust == NULL) {
        fprintf(stderr, "postrider: %s\n", why.text);
        return EX_CONFIG;
    }
    status = dialog_tls(d, trust, &peer);
    tls_client_free(trust);
    return status;
}

/* start_tls - STARTTLS where it is offered and wanted, and EHLO again (RFC 3207 §4.2) */

static int start_tls(struct dialog *d, const struct reach *r, const char *name)
{
    int mode = mode_of(r), status;

    if (dialog_is_secure(d) || mode == TLS_MODE_OFF)
        return EX_OK;
    if (!(d->offers.flags & HOST_STARTTLS)) {
        if (mode != TLS_MODE_REQUIRE)
            return EX_OK;
        fputs("postrider: the server offers no STARTTLS\n", stderr);
        return EX_UNAVAILABLE;
    }
    status = dialog_say(d, "STARTTLS");
    if (status == EX_OK && dialog_code(d) / 100 != 2 && mode != TLS_MODE_REQUIRE)
        return EX_OK;
    if (status == EX_OK)
        status = dialog_judge(d, EX_UNAVAILABLE);
    if (status == EX_OK)
        status = begin_tls(d, r);
    return status == EX_OK ? dialog_ehlo(d, name) : status;
}

/* --- all of it ----------------------------------------------------------------------- */

bool reach_begin(struct dialog *d, const struct reach *r)
{
    json_t *story = d->story;

    *d = (struct dialog){
        .timeout = r->timeout > 0 ? r->timeout : 60000, .quiet = r->quiet, .fd = -1,
        .family = r->ipv4 ? AF_INET : r->ipv6 ? AF_INET6 : AF_UNSPEC, .story = story,
    };
    return dialog_server(d, r->server);
}

static int other_client(struct dialog *d, const struct reach *r, const char *name)
{
    int status;

    if (r->xclient == NULL)
        return EX_OK;
    status = dialog_say(d, "XCLIENT %s", r->xclient);
    if (status == EX_OK)
        status = dialog_judge(d, EX_NOPERM);
    return status == EX_OK ? dialog_ehlo(d, name) : status;
}

int reach_open(struct dialog *d, const struct reach *r)
{
    char own[256];
    const char *name = r->helo != NULL ? r->helo : dialog_name(own);
    int status = dialog_open(d);

    if (status == EX_OK && mode_of(r) == TLS_MODE_IMPLICIT)
        status = begin_tls(d, r);
    if (status == EX_OK)
        status = dialog_hello(d, name);
    if (status == EX_OK)
        status = start_tls(d, r, name);
    if (status == EX_OK)
        status = other_client(d, r, name);
    if (status == EX_OK)
        status = log_in(d, r);
    return status;
}

json_t *reach_json(const struct dialog *d)
{
    json_t *object = json_pack("{s:s, s:s}", "server", d->host, "port", d->port);
    struct tls_info info;

    if (dialog_is_secure(d) && tls_session_info(d->secure.session, &info))
        json_object_set_new(object, "tls", json_pack("{s:s, s:s, s:i, s:b, s:s*}",
            "version", info.version, "cipher", info.cipher, "bits", (int)info.bits,
            "trusted", info.verified, "why", info.unverified));
    return object;
}
